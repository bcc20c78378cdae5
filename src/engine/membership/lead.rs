//! What the leader of an installed view knows: who supports it, what absent servers may hold.
//!
//! Decides: how long this leader may act (its authority) and from when on an absent server holds
//! nothing. It must never take silence for absence, or a record for knowledge: *every* absent
//! server may hold *every* group (A1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::ids::{BootId, Term};
use super::super::message::{Report, SelfFence};
use super::super::model::Arbiter;
use super::super::time::Instant;
use super::liveness::Liveness;
use crate::api::names::ServerName;
use crate::api::timing::Timing;

/// The leader's volatile state of one view.
#[derive(Clone, Debug)]
pub struct Lead {
    /// The view's term.
    pub term: Term,
    /// Its members, the leader included, with the runs of their agents.
    pub members: BTreeMap<ServerName, BootId>,
    /// Our own send times that members' answers echoed.
    pub acks: BTreeMap<ServerName, Instant>,
    /// Members' own send times, to be echoed to them.
    pub stamps: BTreeMap<ServerName, Stamp>,
    /// When the arbiter was asked that last said `Held`.
    pub arbiter_basis: Option<Instant>,
    /// The present round of renewals, and whether its result was passed on.
    pub round: Option<(Instant, bool)>,
    /// Absent servers that may still hold something.
    pub absent: BTreeMap<ServerName, Absent>,
    /// What members observe.
    pub reports: BTreeMap<ServerName, Report>,
    /// The last order's number.
    pub sequence: u64,
}

/// A member's own send time, and when it came here. Means something to that run of its agent only:
/// a machine that booted anew counts its time from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The run that sent it.
    pub boot: BootId,
    /// On the member's clock.
    pub sent: Instant,
    /// On ours. Whatever echoes the stamp extends the member's lease from `sent`, which was before
    /// this: a renewal that goes out later, to a member that is silent, gives it no more time.
    pub received: Instant,
}

/// A configured server outside the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The last support that any member gave it.
    pub since: Instant,
    /// The runs of its agent that got support, by member; `None` where one of them can't name it.
    /// Without support so old that nothing lives on it.
    pub supported: Option<BTreeSet<BootId>>,
    /// The run that its keeper said has ended.
    pub ended: Option<BootId>,
    /// The largest `selfFence` it advertised.
    pub self_fence: SelfFence,
    /// It was made sure of from outside since this view was installed (A15).
    pub fenced: bool,
    /// Whether the end of its time frees it, too.
    pub time_frees: bool,
}

/// Whether an absent server may still hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// It certainly holds nothing.
    Free,
    /// It may, until then.
    Until(Instant),
    /// It may, and no time ends that: release or fencing must.
    Never,
}

impl Freedom {
    /// When time frees it, if that is what is waited for.
    #[must_use]
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Until(instant) => Some(instant),
            Self::Free | Self::Never => None,
        }
    }
}

impl Absent {
    /// Whether its keeper ended everything that it may have held.
    ///
    /// Its keeper's word counts only for the run that it names: every member's last support must
    /// have gone to that very run, or a later run might live on support that we don't know of.
    #[must_use]
    pub fn ended_for_certain(&self) -> bool {
        let covers = |boot: BootId| {
            self.supported.as_ref().is_some_and(|boots| boots.iter().all(|b| *b == boot))
        };
        self.ended.is_some_and(covers)
    }

    /// When it is certain that the server holds nothing.
    #[must_use]
    pub fn freedom(&self, quiet: Instant, timing: &Timing) -> Freedom {
        if self.fenced || self.ended_for_certain() {
            return Freedom::Free;
        }
        if !self.time_frees {
            return Freedom::Never;
        }
        self.by_time(quiet, timing)
    }

    /// When its time is over, whether or not that frees it. `quiet`: the last support that any
    /// absent server got, see [`Lead::quiet_since`].
    #[must_use]
    pub fn by_time(&self, quiet: Instant, timing: &Timing) -> Freedom {
        match self.self_fence {
            SelfFence::Within(longest) => {
                Freedom::Until(quiet + timing.takeover_wait(longest.max(timing.self_fence)))
            }
            SelfFence::None => Freedom::Never,
        }
    }
}

impl Lead {
    /// Since when this leader's right to act is counted; none: it has none.
    ///
    /// Majority: the latest time since which more than half of all *configured* servers have
    /// answered (A16). Otherwise: the arbiter's last `Held`, or all configured servers' answers
    /// (A5), whichever is later.
    #[must_use]
    pub fn authority(
        &self,
        now: Instant,
        me: &ServerName,
        configured: &[ServerName],
        arbiter: Arbiter,
    ) -> Option<Instant> {
        let mut acks: Vec<Instant> = configured
            .iter()
            .filter(|name| *name != me)
            .filter_map(|name| self.acks.get(name).copied())
            .collect();
        acks.sort_unstable_by(|a, b| b.cmp(a));
        let others = configured.len().saturating_sub(1);
        let nth = |count: usize| match count {
            0 => Some(now),
            count => acks.get(count - 1).copied(),
        };
        match arbiter {
            Arbiter::Majority => nth(configured.len() / 2),
            Arbiter::External { .. } => self.arbiter_basis.max(nth(others)),
            // Both must hold, so the older counts; all servers' answers stand for both (A5).
            Arbiter::MajorityAndExternal => {
                let majority = nth(configured.len() / 2);
                let both = majority.zip(self.arbiter_basis).map(|(a, b)| a.min(b));
                both.max(nth(others))
            }
            Arbiter::None => Some(now),
        }
    }

    /// The last support that a member gave to any absent server. Each of them is waited for from
    /// then on: support to one of them may have become, by its renewals as a leader, the lease of
    /// another, to whom no member ever gave any. That the first is certainly off, or has ended,
    /// takes nothing back.
    #[must_use]
    pub fn quiet_since(&self) -> Instant {
        self.absent.values().map(|absent| absent.since).max().unwrap_or_default()
    }

    /// Absent servers that may still hold something, and until when.
    ///
    /// `as_of`: the beginning of this leader's authority, where it is asked what may start elsewhere.
    /// Time ends an absent server only if nobody else let it act meanwhile, and that is certain up to
    /// there and not up to now: since then another view may have renewed what it holds.
    #[must_use]
    pub fn unfree(&self, as_of: Instant, timing: &Timing) -> BTreeMap<ServerName, Freedom> {
        self.each_unfree(as_of, timing).map(|(name, freedom)| (name.clone(), freedom)).collect()
    }

    /// Each of them.
    pub fn each_unfree(
        &self,
        as_of: Instant,
        timing: &Timing,
    ) -> impl Iterator<Item = (&ServerName, Freedom)> {
        let quiet = self.quiet_since();
        self.absent.iter().filter_map(move |(name, absent)| match absent.freedom(quiet, timing) {
            Freedom::Free => None,
            Freedom::Until(instant) if as_of >= instant => None,
            freedom @ (Freedom::Until(_) | Freedom::Never) => Some((name, freedom)),
        })
    }

    /// Whether no absent server may hold anything any more.
    #[must_use]
    pub fn all_free(&self, as_of: Instant, timing: &Timing) -> bool {
        self.each_unfree(as_of, timing).next().is_none()
    }

    /// Whether an answer to the present round came from every other member.
    #[must_use]
    pub fn all_answered(&self, me: &ServerName) -> bool {
        let Some((round, _)) = self.round else {
            return false;
        };
        let answered = |name: &ServerName| self.acks.get(name).is_some_and(|ack| *ack >= round);
        self.members.keys().filter(|name| *name != me).all(answered)
    }

    /// Whether every configured server is a member whose agent we hear.
    #[must_use]
    pub fn is_whole(&self, now: Instant, configured: &[ServerName], liveness: &Liveness) -> bool {
        let heard = |name: &ServerName| liveness.alive(name) && !liveness.pauses(now, name);
        configured.iter().all(|name| self.members.contains_key(name) && heard(name))
    }
}

/// How long after the basis of an authority its holder may act.
#[must_use]
pub fn lease_left(now: Instant, basis: Instant, lease: Duration) -> Duration {
    lease.saturating_sub(now.since(basis))
}
