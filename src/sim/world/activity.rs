//! A world that somebody observes: what nodes tell is kept, and what physically runs can be asked
//! for. Two servers that run one group are then a finding of the observer, and not the end.

use std::time::Duration;

use super::{Happening, World};
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::Event;
use crate::engine::time::Instant;
use crate::sim::checkers::Violation;
use crate::sim::clock::TrueTime;
use crate::sim::node::Node;

/// An event with the true time at which it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When.
    pub at: TrueTime,
    /// What.
    pub event: Event,
}

/// What physically runs of one group: a bit for each server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Servers on which anything of it runs.
    pub touched: u64,
    /// Servers on which all of it runs and works, and nothing of it is being stopped.
    pub serving: u64,
}

impl<N: Node> World<N> {
    /// From now on, keeps what nodes tell.
    pub fn observe(&mut self) {
        self.told.get_or_insert_default();
    }

    /// What nodes have told since this was last asked.
    pub fn take_told(&mut self) -> Vec<Told> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The groups, in the order of their activities.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.keys()
    }

    /// What runs of each group.
    pub fn activity(&self) -> impl Iterator<Item = Activity> {
        self.groups.iter().map(|(group, resources)| {
            let mut activity = Activity::default();
            for (server, machine) in self.machines.iter().enumerate() {
                if machine.frozen.is_some() || !machine.drivers.runs(group) {
                    continue;
                }
                activity.touched |= 1 << server;
                if resources.iter().all(|name| machine.drivers.serves(name)) {
                    activity.serving |= 1 << server;
                }
            }
            activity
        })
    }

    /// The same as before: no activity has changed.
    #[must_use]
    pub fn activity_version(&self) -> (u64, u64) {
        let mut version = (0, 0);
        for (server, machine) in self.machines.iter().enumerate() {
            version.0 += machine.drivers.version();
            version.1 |= u64::from(machine.frozen.is_some()) << server;
        }
        version
    }

    /// The name of a server by its index.
    #[must_use]
    pub fn server_name(&self, server: usize) -> Option<&ServerName> {
        self.names.get(server)
    }

    /// Plays for a while, and shows the world after each happening.
    ///
    /// # Errors
    ///
    /// Where a rule is broken.
    pub fn watch_for(
        &mut self,
        duration: Duration,
        mut see: impl FnMut(&Self),
    ) -> Result<(), Violation> {
        let end = self.now + duration;
        self.run_until(duration, |world| {
            see(world);
            false
        })?;
        self.now = end;
        see(self);
        Ok(())
    }

    /// Whether anything is under way: a driver's work, the end of services, a start of a machine, an
    /// agent or a keeper; `fencing`: or an answer of a method of fencing.
    #[must_use]
    pub fn busy(&self, fencing: bool) -> bool {
        let busy = |machine: &super::Machine<N>| {
            machine.frozen.is_none() && (machine.drivers.busy() || machine.keeper.killing)
        };
        let starts = |server: usize, epoch: u32| self.machines[server].epoch == epoch;
        self.machines.iter().any(busy)
            || self.queue.iter().any(|happening| match happening {
                Happening::PowerOn { server, epoch }
                | Happening::PowerOff { server, epoch, .. }
                | Happening::Agent { server, epoch }
                | Happening::Keeper { server, epoch } => starts(*server, *epoch),
                Happening::Fence { .. } => true,
                Happening::Fenced { off, .. } => *off && fencing,
                Happening::Feed { .. }
                | Happening::Wake { .. }
                | Happening::Prove { .. }
                | Happening::Arrive { .. }
                | Happening::Disk { .. }
                | Happening::Work { .. }
                | Happening::Check { .. }
                | Happening::Script { .. }
                | Happening::Ask { .. }
                | Happening::Answer { .. }
                | Happening::Deadline { .. }
                | Happening::Killed { .. }
                | Happening::Thaw { .. }
                | Happening::Resume { .. }
                | Happening::Strike
                | Happening::Ambushed { .. }
                | Happening::Mend(_)
                | Happening::Operate
                | Happening::Act(_) => false,
            })
    }

    /// Until when the keeper of a server lets services live.
    #[must_use]
    pub fn lease_until(&self, server: usize) -> Option<Instant> {
        self.machines.get(server)?.keeper.lease
    }

    /// The parts that the arbiter consists of, one of which suffices; and how long its record, if it
    /// keeps one, belongs to who wrote it last.
    pub fn set_arbiter(&mut self, parts: usize, time_to_live: Option<Duration>) {
        self.arbiter.parts = parts;
        if let Some(time_to_live) = time_to_live {
            self.arbiter.time_to_live = time_to_live;
        }
    }
}
