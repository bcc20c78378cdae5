//! A changed heartbeat time-out (A13).
//!
//! Whoever lives by longer times is to be waited for longer, by everybody who may free it. So longer
//! times are told first, and used once enough other servers have them on disk; what is on their
//! disks goes down again only by this server's own word. Shorter ones are used first, and told
//! when its own disk says that it never lives by longer ones again, also after a restart.

use super::{AfterPersist, Engine};
use crate::api::timing::Timing;
use crate::engine::effect::Record;
use crate::engine::model::{Arbiter, Model};
use crate::engine::mutation::flawed;
use crate::engine::time::Instant;

/// The times that the spec wants; those in force are the model's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retiming {
    wanted: Timing,
    /// Until then it still ticks as it did: others may not use the longer times yet.
    quick: Option<(Instant, Timing)>,
}

impl Retiming {
    pub fn new(wanted: Timing) -> Self {
        Self { wanted, quick: None }
    }
}

fn longer(one: Timing, other: Timing) -> Timing {
    if one.lease >= other.lease { one } else { other }
}

impl Engine {
    /// A spec that counts from now on, with the times that this server may live by.
    pub(super) fn with_times_in_force(&mut self, mut model: Model) -> Model {
        let in_force = self.timing();
        self.retiming.wanted = model.cluster.timing;
        let raised = model.cluster.timing.lease > in_force.lease;
        let at_once = flawed!(self.flaw, TimesRaisedAtOnce | SpecBeforeCommit);
        if raised && !at_once {
            model.cluster.timing = in_force;
        }
        model
    }

    /// At the start of an agent: no longer times than its disk says that the others know of.
    pub(super) fn recall_times(&mut self) {
        let Some(known) = self.durable.timing.filter(|known| known.lease < self.timing().lease)
        else {
            return;
        };
        self.put_in_force(known);
    }

    fn put_in_force(&mut self, timing: Timing) {
        let mut model = (*self.model).clone();
        model.cluster.timing = timing;
        self.model = model.into();
        self.adopt_model();
    }

    /// The longest times that this server lives by, or is about to.
    pub(super) fn times_told(&self) -> Timing {
        let told = longer(self.retiming.wanted, self.timing());
        self.durable.timing.map_or(told, |written| longer(written, told))
    }

    /// How long it is between two ticks.
    pub(super) fn tick_interval(&self) -> std::time::Duration {
        let quick = self.retiming.quick.filter(|(until, _)| self.now.instant < *until);
        let interval = self.timing().interval;
        quick.map_or(interval, |(_, before)| interval.min(before.interval))
    }

    /// With each tick: longer times count once enough others know of them.
    pub(super) fn consider_times(&mut self) {
        let (before, wanted) = (self.timing(), self.retiming.wanted);
        if wanted != before && self.enough_wait() {
            self.retiming.quick = Some((self.now.instant + wanted.timeout, before));
            self.put_in_force(wanted);
            self.tell_keeper();
        }
        let pending = self
            .awaiting_disk
            .values()
            .any(|after| matches!(after, AfterPersist::SelfFence { record: Record::Timing(_) }));
        if !pending && self.durable.timing != Some(self.timing()) {
            let record = Record::Timing(self.timing());
            self.persist(record.clone(), AfterPersist::SelfFence { record });
        }
    }

    /// Whether whoever frees this server knows what it tells. Any later view of a majority has one of
    /// more than half that know it; another exclusive arbiter may let anybody free it, alone.
    fn enough_wait(&self) -> bool {
        let (servers, lacking) = (self.model.cluster.servers.len(), self.lacking().len());
        match self.model.cluster.arbiter {
            Arbiter::Majority | Arbiter::MajorityAndExternal => 2 * (servers - lacking) > servers,
            Arbiter::External { exclusive: true } => lacking == 0,
            Arbiter::External { exclusive: false } | Arbiter::None => true,
        }
    }
}
