//! A world that somebody observes: what nodes tell is kept, and what physically runs can be asked
//! for. Two servers that run one group are then a finding of the observer, and not the end.

use std::collections::BTreeMap;

use super::World;
use crate::api::names::GroupName;
use crate::engine::effect::Event;
use crate::engine::time::Instant;
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

/// What physically runs of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Servers on which anything of it runs.
    pub touched: Vec<usize>,
    /// Servers on which all of it runs and works.
    pub serving: Vec<usize>,
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

    /// What runs of each group.
    #[must_use]
    pub fn activity(&self) -> BTreeMap<GroupName, Activity> {
        let of = |(group, resources): (&GroupName, &Vec<_>)| {
            let mut activity = Activity::default();
            for (server, machine) in self.machines.iter().enumerate() {
                if machine.frozen.is_some() || !machine.drivers.runs(group) {
                    continue;
                }
                activity.touched.push(server);
                if resources.iter().all(|name| machine.drivers.works_well(name)) {
                    activity.serving.push(server);
                }
            }
            (group.clone(), activity)
        };
        self.groups.iter().map(of).collect()
    }

    /// Whether anything is under way on any machine: a driver's work, or the end of services.
    #[must_use]
    pub fn busy(&self) -> bool {
        let busy = |machine: &super::Machine<N>| {
            machine.frozen.is_none() && (machine.drivers.busy() || machine.keeper.killing)
        };
        self.machines.iter().any(busy)
    }

    /// Until when the keeper of a server lets services live.
    #[must_use]
    pub fn lease_until(&self, server: usize) -> Option<Instant> {
        self.machines.get(server)?.keeper.lease
    }

    /// The parts that the arbiter consists of: one that answers suffices.
    pub fn arbiter_parts(&mut self, parts: usize) {
        self.arbiter.parts = parts;
    }
}
