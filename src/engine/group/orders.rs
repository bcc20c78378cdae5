//! What changes what is wanted of a group: the spec, orders, isolation, the ladder.

use std::collections::BTreeSet;

use super::Target;
use super::act::Desk;
use super::state::{Belief, Doubt, Goal, Group, Instance, Settings};
use crate::api::kinds::{ApplyChanges, ResourceSpec};
use crate::api::names::ResourceName;
use crate::engine::message::{Order, OrderAction, OrderReason};
use crate::engine::model::GroupModel;

impl Group {
    /// What the spec says now. Resources that are new to it are taken for `belief`.
    pub(super) fn on_model(&mut self, model: &GroupModel, belief: Belief) {
        self.specified = true;
        for (name, resource) in &model.resources {
            let Some(instance) = self.instances.get_mut(name) else {
                let instance = Instance::new(belief, Settings::of(resource));
                self.instances.insert(name.clone(), instance);
                continue;
            };
            let settings = &mut instance.settings;
            if settings.generation != resource.generation && settings.spec != resource.spec {
                // What failed with the old settings may work with the new ones.
                instance.failure = None;
                instance.attempts = 0;
            }
            let running = instance.belief != Belief::Absent;
            settings.depends_on.clone_from(&resource.depends_on);
            if !running || !needs_restart(&settings.spec, &resource.spec) {
                settings.spec = resource.spec.clone();
                settings.generation = resource.generation;
            } else if model.apply_changes == ApplyChanges::Immediately && self.goal == Goal::Run {
                instance.cycle = true;
            }
        }
    }

    /// The spec has the group no more. It is stopped and released, and is not started again even
    /// if a group of that name comes back, until a new order. A group whose spec has not come
    /// yet waits for it.
    pub(super) fn on_removed(&mut self) {
        if std::mem::take(&mut self.specified) && self.goal == Goal::Run {
            self.goal = Goal::Stop;
        }
    }

    /// Takes an order.
    pub(super) fn on_order(&mut self, order: &Order) {
        let goal = match order.action {
            OrderAction::Run => Goal::Run,
            OrderAction::Stop => Goal::Stop,
        };
        // A new leader that only takes over what runs changes nothing about it; a copy that is to
        // end is stopped once more, though.
        let runs_on = goal == Goal::Run && self.goal == goal;
        let adopted = order.reason == OrderReason::Adopted && runs_on;
        self.order = Some(order.clone());
        self.goal = goal;
        if adopted {
            return;
        }
        self.wish = None;
        for instance in self.instances.values_mut() {
            instance.forgive();
        }
    }

    /// Everything here is to stop, whatever was ordered.
    pub(super) fn on_closed(&mut self) {
        self.goal = Goal::Stop;
        self.wish = None;
        self.cycle = false;
        for instance in self.instances.values_mut() {
            instance.forgive();
        }
    }

    /// The lease is gone.
    pub(super) fn on_isolated(&mut self, desk: &mut Desk) {
        let busy: Vec<ResourceName> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.work.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in busy {
            self.cancel(desk, &name);
        }
        self.wish = None;
        self.cycle = false;
        for instance in self.instances.values_mut() {
            instance.cycle = false;
            instance.forgive();
            if instance.belief != Belief::Absent {
                instance.belief = Belief::Unknown(Doubt::Lapsed);
            }
        }
        if self.goal != Goal::Hold || !self.certainly_stopped() {
            self.goal = Goal::Isolated;
        }
    }

    /// Marks what is to be stopped and started again.
    pub(super) fn begin_reactivation(
        &mut self,
        affected: &BTreeSet<ResourceName>,
        target: &Target,
    ) {
        for name in affected {
            let Some(instance) = self.instances.get_mut(name) else { continue };
            // A stop that failed stays failed: only an order or a person ends that.
            if instance.stop_failure.is_some() || instance.held_down {
                continue;
            }
            instance.failure = None;
            instance.attempts = 0;
            instance.by_ladder = true;
            let named = match target {
                Target::Resource(resource) => resource == name,
                Target::Group(_) => true,
            };
            instance.cycle = named && !instance.certainly_absent();
        }
    }
}

impl Settings {
    /// What runs was started with these, by an earlier run of this agent.
    pub(super) fn recall(&mut self, earlier: Settings) {
        if needs_restart(&earlier.spec, &self.spec) {
            self.spec = earlier.spec;
            self.generation = earlier.generation;
        }
    }
}

/// Whether a change takes effect only where the resource is stopped and started again. How long
/// and how often things are tried, and what failures lead to, is read when it is needed.
fn needs_restart(running: &ResourceSpec, wanted: &ResourceSpec) -> bool {
    let mut live = wanted.clone();
    live.depends_on.clone_from(&running.depends_on);
    live.activation = running.activation.clone();
    live.deactivation = running.deactivation.clone();
    if let (Some(live), Some(running)) = (&mut live.exec, &running.exec) {
        live.restarts = running.restarts;
        live.restart_window = running.restart_window;
        live.termination_grace = running.termination_grace;
    }
    if let (Some(live), Some(running)) = (&mut live.floating_ip, &running.floating_ip) {
        live.duplicate_check = running.duplicate_check;
    }
    if let (Some(live), Some(running)) = (&mut live.aws_virtual_ip, &running.aws_virtual_ip) {
        live.clients = running.clients;
    }
    if let (Some(live), Some(running)) = (&mut live.aws_dns, &running.aws_dns) {
        live.delete_on_stop = running.delete_on_stop;
    }
    live != *running
}
