//! A server's announced pause: it is about to stand still for a stated time, as under a snapshot or a
//! live migration, and nobody is to take it for lost (OP-26).
//!
//! It tells the longer `selfFence` first; once every other server has that on disk, and so waits for
//! as long where it must, the others' time-out for it and its own lease grow by the same length (A13).
//! It leads nobody meanwhile: whoever follows a leader that stands still loses its lease. The others
//! are told less again only when a fresh lease has replaced the long one.

use std::time::Duration;

use super::{AfterPersist, Engine};
use crate::api::kinds::OperationType;
use crate::api::names::ServerName;
use crate::engine::effect::Record;
use crate::engine::message::SelfFence;
use crate::engine::mutation::flawed;
use crate::engine::time::Instant;

/// Longer than no pause: each one's length differs by less than this, so that what others say of an
/// earlier one is not taken for this one's.
const DISTINCT: u64 = 1_000_000;

/// What is known of this server's own pauses.
#[derive(Clone, Debug, Default)]
pub(super) struct Pausing {
    /// The one that is announced, until it is over.
    announced: Option<Announced>,
    /// The last operation that was taken up.
    taken: Option<String>,
    /// What an earlier run of this agent had told, whose long lease the keeper may still hold.
    inherited: Option<SelfFence>,
}

#[derive(Clone, Debug)]
struct Announced {
    operation: String,
    length: Duration,
    /// When every other server had it: from then on it counts.
    ready: Option<Instant>,
}

impl Pausing {
    /// At the start of an agent: what its disk says of itself.
    pub fn new(inherited: Option<SelfFence>) -> Self {
        Self { inherited, ..Self::default() }
    }
}

impl Engine {
    /// What an announced pause adds to the lease, once it counts.
    pub(super) fn pause_added(&self) -> Duration {
        let ready = self.pausing.announced.as_ref().filter(|pause| pause.ready.is_some());
        ready.map_or(Duration::ZERO, |pause| pause.length)
    }

    /// How long this server may act after its lease's start.
    pub(super) fn lease_length(&self) -> Duration {
        self.timing().lease + self.pause_added()
    }

    /// The pause that the others are told of.
    pub(super) fn pause_told(&self) -> Option<Duration> {
        self.pausing.announced.as_ref().map(|pause| pause.length)
    }

    /// With what a pause adds, from the moment it is announced.
    pub(super) fn with_pause(&self, present: SelfFence) -> SelfFence {
        let told = self.pausing.announced.as_ref().map_or(Duration::ZERO, |pause| pause.length);
        let own = match present {
            _ if flawed!(self.flaw, PauserFenceNotRaised) => return present,
            SelfFence::Within(longest) => SelfFence::Within(longest + told),
            SelfFence::None => SelfFence::None,
        };
        self.pausing.inherited.map_or(own, |inherited| inherited.max(own))
    }

    /// Whether a server asks to be followed by nobody: it is about to stand still.
    pub(super) fn resigns(&self, server: &ServerName) -> bool {
        if server != self.me() {
            return self.liveness.peer(server).is_some_and(|peer| peer.resigns);
        }
        let now = self.now.instant;
        let timeout = self.timing().timeout;
        self.pausing.announced.as_ref().is_some_and(|pause| {
            pause.ready.is_none_or(|ready| now < ready + pause.length + timeout)
        })
    }

    /// Whether this server has announced a pause that does not count yet.
    pub(super) fn pause_waits(&self) -> bool {
        self.pausing.announced.as_ref().is_some_and(|pause| pause.ready.is_none())
    }

    /// The operation whose pause counts now, for the leader.
    pub(super) fn pause_ready(&self) -> Option<String> {
        let pause = self.pausing.announced.as_ref().filter(|pause| pause.ready.is_some());
        pause.map(|pause| pause.operation.clone())
    }

    pub(super) fn consider_pause(&mut self) {
        self.announce_pause();
        self.begin_pause();
        self.end_pause();
    }

    fn announce_pause(&mut self) {
        if self.pausing.announced.is_some() {
            return;
        }
        let me = self.me();
        let asked = self.running_operation(OperationType::PauseServer, me);
        let Some((operation, spec)) =
            asked.filter(|(uid, _)| self.pausing.taken.as_ref() != Some(uid))
        else {
            return;
        };
        let length: Duration = spec.duration.map_or(Duration::ZERO, Into::into);
        let length = length + Duration::from_nanos(self.now.instant.0 % DISTINCT);
        self.pausing.taken = Some(operation.clone());
        self.pausing.announced = Some(Announced { operation, length, ready: None });
        self.store_own_self_fence();
        self.send_heartbeats();
    }

    /// A next run of this agent is to tell no less before it has replaced the keeper's long lease.
    fn store_own_self_fence(&mut self) {
        let me = self.me().clone();
        let pending = self.awaiting_disk.values().any(|after| {
            matches!(after, AfterPersist::SelfFence { record: Record::SelfFence(of, _) } if *of == me)
        });
        let told = self.self_fence();
        if !pending && self.durable.self_fence_of.get(&me) != Some(&told) {
            let record = Record::SelfFence(me, told);
            self.persist(record.clone(), AfterPersist::SelfFence { record });
        }
    }

    fn begin_pause(&mut self) {
        if !self.pause_waits() {
            return;
        }
        self.store_own_self_fence();
        let known = self.durable.self_fence_of.get(self.me()) == Some(&self.self_fence());
        let told = self.lacking().is_empty() || flawed!(self.flaw, PauseBeforeAllHaveIt);
        let follows = self.leadership.is_none() && self.proposal.is_none() && self.lease_live();
        if !known || !told || !follows {
            return;
        }
        let now = self.now.instant;
        let Some(pause) = &mut self.pausing.announced else { return };
        pause.ready = Some(now);
        let length = super::events::text(pause.length);
        self.report_version += 1;
        self.tell_keeper();
        self.event_about_me("PauseBegins", &[("length", &length)], &[]);
    }

    /// It is over when its time is and this server is heard as ever, or when it was called off before
    /// it counted.
    fn end_pause(&mut self) {
        let Some(pause) = &self.pausing.announced else { return };
        let (now, timing) = (self.now.instant, self.timing());
        let over = match pause.ready {
            Some(ready) => {
                let fresh = self.renewed.is_some_and(|at| now.since(at) < timing.interval * 3);
                let plain = self.lease.live(now, timing.lease);
                now >= ready + pause.length && plain && (fresh || self.leadership.is_some())
            }
            None => {
                let asked = self.running_operation(OperationType::PauseServer, self.me());
                asked.is_none_or(|(uid, _)| uid != pause.operation)
            }
        };
        if !over {
            return;
        }
        let begun = pause.ready.is_some();
        self.pausing.announced = None;
        self.report_version += 1;
        if begun {
            // Used first, told afterwards.
            self.tell_keeper();
            self.event_about_me("PauseEnds", &[], &[]);
        }
        self.store_own_self_fence();
    }

    /// The keeper holds a lease of this run: what an earlier one told is over.
    pub(super) fn forget_inherited_pause(&mut self) {
        if self.pausing.inherited.take().is_some() {
            self.store_own_self_fence();
        }
    }
}
