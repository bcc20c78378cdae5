//! Whether this server's disk takes what must be written, and what follows where it does not.
//!
//! A change of the store is acknowledged when every member of the view has it, so one disk that is
//! full or hangs holds up all of them. Such a server gives up what another can run, leaves the
//! view once it holds nothing, and comes back by itself when its disk takes as much again as it
//! refused. It must never go on as if a record were written. Where nobody else can run what it
//! holds it stays, and changes wait: a service is worth more than a change.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AfterPersist, Engine};
use crate::engine::effect::{Effect, Record};
use crate::engine::ids::ActionId;
use crate::engine::message::DiskHealth;
use crate::engine::time::Instant;

/// Time-outs after which a disk that fails counts as gone for good: a throttled cloud volume may
/// well stand still for a second or two, and moving a group costs an outage.
const PATIENCE_TIMEOUTS: u32 = 4;
/// Time-outs that a leader's proposal may wait for a promise that the disk does not take; its old
/// view goes on meanwhile.
const PROMISE_TIMEOUTS: u32 = 2;

/// What is known of the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// Records on their way, by when they were given.
    asked: BTreeMap<ActionId, Instant>,
    failing: Option<Failing>,
    /// When it was last asked whether it works again.
    tried: Option<Instant>,
    /// What the others are told.
    pub health: DiskHealth,
    /// It was said that this server's state folder is not the one that is known.
    pub stranger_told: bool,
}

#[derive(Clone, Debug)]
struct Failing {
    since: Instant,
    /// The largest record that it refused.
    bytes: u64,
    /// Since when a promise, or a proposal of our own, could not be written.
    promise: Option<Instant>,
    /// What was told last.
    said: String,
}

impl Disk {
    pub fn asked(&mut self, now: Instant, id: ActionId) {
        self.asked.insert(id, now);
    }

    pub fn answered(&mut self, id: ActionId) {
        self.asked.remove(&id);
    }

    /// When the oldest record that is still on its way was given.
    fn oldest(&self) -> Option<Instant> {
        self.asked.values().min().copied()
    }

    fn stands_still(&self, now: Instant, patience: Duration) -> bool {
        self.oldest().is_some_and(|at| now.since(at) >= patience)
    }
}

impl Engine {
    /// A record could not be written.
    pub(super) fn note_disk_error(&mut self, record: &AfterPersist, error: &str) {
        let now = self.now.instant;
        let promise = matches!(record, AfterPersist::Promise { .. } | AfterPersist::Propose { .. });
        let failing = self.disk.failing.get_or_insert_with(|| Failing {
            since: now,
            bytes: 0,
            promise: None,
            said: String::new(),
        });
        failing.bytes = failing.bytes.max(record.bytes());
        if promise {
            failing.promise.get_or_insert(now);
        }
        // Said once, however often it is tried again.
        if failing.said != error {
            failing.said = error.to_owned();
            self.event_about_me("PersistFailed", &[("error", error)], &[]);
        }
        self.settle_disk();
    }

    /// A record was written: the disk works if it took as much as it had refused.
    pub(super) fn note_disk_works(&mut self, bytes: u64) {
        let patience = self.timing().timeout;
        let stands_still = self.disk.stands_still(self.now.instant, patience);
        if self.disk.failing.as_ref().is_some_and(|f| bytes >= f.bytes) && !stands_still {
            self.disk.failing = None;
            self.event_about_me("PersistRestored", &[], &[]);
            self.persist(Record::Room(0), AfterPersist::Room { bytes: 0 });
            self.settle_disk();
        }
    }

    /// Each interval: notices a disk that stands still, and at times asks one that failed whether
    /// it works.
    pub(super) fn disk_tick(&mut self) {
        let now = self.now.instant;
        let timeout = self.timing().timeout;
        if self.disk.stands_still(now, timeout) {
            self.end_in_spite_of_disk();
            if self.disk.failing.is_none() {
                let since = self.disk.oldest().unwrap_or(now);
                let said = super::events::text(timeout);
                self.event_about_me("PersistStalled", &[("time", &said)], &[]);
                self.disk.failing = Some(Failing { since, bytes: 0, promise: None, said });
            }
        }
        let blocked = self.promised > self.durable.promised;
        if let Some(failing) = self.disk.failing.as_mut().filter(|_| blocked) {
            failing.promise.get_or_insert(now);
        }
        let due = self.disk.tried.is_none_or(|at| now.since(at) >= timeout);
        let idle = self.disk.asked.is_empty();
        if let Some(failing) = self.disk.failing.as_ref().filter(|_| due && idle) {
            let bytes = failing.bytes;
            self.disk.tried = Some(now);
            self.persist(Record::Room(bytes), AfterPersist::Room { bytes });
        }
        self.settle_disk();
    }

    /// A machine that can't write is ended all the same: the guard forgets one.
    fn end_in_spite_of_disk(&mut self) {
        let waiting = self.awaiting_disk.iter().find_map(|(id, after)| match after {
            AfterPersist::FinalAction { action, .. } => Some((*id, *action)),
            AfterPersist::Promise { .. }
            | AfterPersist::Propose { .. }
            | AfterPersist::SelfFence { .. }
            | AfterPersist::Store { .. }
            | AfterPersist::Room { .. } => None,
        });
        if let Some((id, action)) = waiting {
            self.awaiting_disk.remove(&id);
            self.effects.push_back(Effect::Power { action });
        }
    }

    fn settle_disk(&mut self) {
        let before = self.disk.health;
        self.disk.health = self.disk_health();
        if self.disk.health == before {
            return;
        }
        self.report_version += 1;
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
        if self.disk.health == DiskHealth::Leaving {
            self.proposal = None;
            self.pre_vote = None;
            self.event_about_me("DiskLeavesView", &[], &[]);
        }
    }

    fn disk_health(&self) -> DiskHealth {
        let now = self.now.instant;
        let timeout = self.timing().timeout;
        let Some(failing) = &self.disk.failing else {
            return DiskHealth::Well;
        };
        if self.disk.health == DiskHealth::Leaving {
            return DiskHealth::Leaving;
        }
        let long = now.since(failing.since) >= timeout * PATIENCE_TIMEOUTS;
        // Whoever can't promise holds up a view change; without a leader every group waits for it.
        let followed = self.leader_to_stay_with().is_some();
        let deaf = failing
            .promise
            .is_some_and(|since| !followed || now.since(since) >= timeout * PROMISE_TIMEOUTS);
        let holds_nothing = self.not_certainly_stopped().is_empty();
        match long {
            _ if deaf => DiskHealth::Leaving,
            true if holds_nothing => DiskHealth::Leaving,
            true => DiskHealth::Failing,
            false => DiskHealth::Well,
        }
    }
}

impl AfterPersist {
    /// About how much the record takes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            AfterPersist::Promise { record, .. }
            | AfterPersist::Propose { record, .. }
            | AfterPersist::SelfFence { record }
            | AfterPersist::Store { record, .. }
            | AfterPersist::FinalAction { record, .. } => record.bytes(),
            AfterPersist::Room { bytes } => *bytes,
        }
    }
}
