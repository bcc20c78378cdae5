//! A server's groups on the bench: a spec in a few words, inputs, effects as words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::kinds::{
    ApplyChanges, Automation, DualActivationPolicy, MissedChangesPolicy, PartitionAction,
    ResourceSpec, ResourceState, ReturnPolicy,
};
use crate::api::names::{GroupName, ResourceName, ServerName};
use crate::api::timing::Timing;
use crate::engine::effect::ResourceAction;
use crate::engine::group::{GroupEffect, Groups};
use crate::engine::ids::{ActionId, ActionIds, GrantId, Revision, Term};
use crate::engine::input::Outcome;
use crate::engine::message::{GroupPhase, Order, OrderAction, OrderReason, Wants};
use crate::engine::model::{Arbiter, ClusterModel, GroupModel, Model, ResourceModel};
use crate::engine::time::{Instant, Now, WallTime};

/// The one group.
pub const GROUP: &str = "g";

/// A spec with the one group; resources as `name: (spec members, generation)`.
pub fn model(resources: &[(&str, Value)]) -> Model {
    let resources = resources.iter().map(|(name, members)| {
        let spec = spec(members);
        let depends_on = spec.depends_on.iter().flatten().map(|n| n.as_str().into()).collect();
        let generation = members.get("generation").and_then(Value::as_i64).unwrap_or(1);
        let model = ResourceModel { spec: Arc::new(spec), depends_on, deleting: false, generation };
        (ResourceName::from(*name), model)
    });
    let group = GroupModel {
        servers: vec!["one".into(), "two".into()],
        startup: Automation::Automatic,
        failover: Automation::Automatic,
        failback: Automation::Manual,
        apply_changes: ApplyChanges::AtNextActivation,
        resources: resources.collect(),
        deleting: false,
        generation: 1,
    };
    let cluster = ClusterModel {
        pause_max: Duration::from_secs(60),
        name: "cluster".into(),
        servers: vec!["one".into(), "two".into()],
        paths: vec!["lan".into()],
        timing: Timing::derive(Duration::from_secs(1), Duration::ZERO),
        arbiter: Arbiter::Majority,
        safety: Default::default(),
        arbiter_budget: Duration::ZERO,
        witnesses: Default::default(),
        fencing: None,
        on_partition: PartitionAction::StopGroups,
        on_dual_activation: DualActivationPolicy::default(),
        on_missed_changes: MissedChangesPolicy::default(),
        watchdog: Default::default(),
        wait_for_servers: Duration::from_secs(300),
        return_policy: ReturnPolicy::Manual,
        final_actions_max: 3,
        final_action_window: Duration::from_secs(3600),
        failovers_max: 6,
        failover_window: Duration::from_secs(3600),
        generation: 1,
    };
    Model {
        revision: Revision(1),
        cluster,
        groups: BTreeMap::from([(GROUP.into(), group)]),
        monitors: BTreeMap::new(),
    }
}

fn spec(members: &Value) -> ResourceSpec {
    let mut whole = json!({"group": GROUP, "type": "Exec", "exec": {"command": ["/bin/service"]}});
    for (name, value) in members.as_object().into_iter().flatten() {
        if name != "generation" {
            whole[name] = value.clone();
        }
    }
    serde_json::from_value(whole).expect("spec")
}

/// `top` on `left` and `right`, both on `base`.
pub fn diamond() -> Model {
    model(&[
        ("base", json!({})),
        ("left", json!({"dependsOn": ["base"]})),
        ("right", json!({"dependsOn": ["base"]})),
        ("top", json!({"dependsOn": ["left", "right"]})),
    ])
}

pub struct Bench {
    pub groups: Groups,
    pub now: Now,
    sequence: u64,
    works: BTreeMap<ResourceName, ActionId>,
}

impl Bench {
    /// A server whose agent has looked at everything and found nothing.
    pub fn new(model: Model) -> Self {
        let mut bench = Self {
            groups: Groups::new(ServerName::from("one"), ActionIds::strided(1, 3)),
            now: Now { instant: Instant(1_000_000_000_000), wall: WallTime(1) },
            sequence: 0,
            works: BTreeMap::new(),
        };
        bench.groups.on_model(bench.now, Arc::new(model));
        bench.drain();
        for name in bench.pending() {
            bench.done(&name, Outcome::Absent);
        }
        assert_eq!(bench.drain(), [""; 0]);
        bench
    }

    /// A server whose agent has just come to a machine on which anything may run.
    pub fn doubtful(model: Model) -> Self {
        let mut bench = Self {
            groups: Groups::new(ServerName::from("one"), ActionIds::strided(1, 3)),
            now: Now { instant: Instant(1_000_000_000_000), wall: WallTime(1) },
            sequence: 0,
            works: BTreeMap::new(),
        };
        bench.groups.probe_all(bench.now);
        bench.groups.on_model(bench.now, Arc::new(model));
        bench
    }

    /// A server on which the group is online.
    pub fn online(model: Model) -> Self {
        let mut bench = Self::new(model);
        bench.order(OrderAction::Run);
        bench.start_all();
        assert_eq!(bench.phase(), Some(GroupPhase::Online));
        bench
    }

    /// Answers every start with success until nothing is left to do.
    pub fn start_all(&mut self) {
        self.drain();
        while let Some(name) = self.pending().first().cloned() {
            self.done(&name, active());
            self.drain();
        }
    }

    /// Resources with work under way.
    pub fn pending(&self) -> Vec<String> {
        self.works.keys().map(ToString::to_string).collect()
    }

    pub fn order(&mut self, action: OrderAction) -> Vec<String> {
        let reason = match action {
            OrderAction::Run => OrderReason::Started,
            OrderAction::Stop => OrderReason::Stopped,
        };
        self.order_because(action, reason)
    }

    pub fn order_because(&mut self, action: OrderAction, reason: OrderReason) -> Vec<String> {
        self.sequence += 1;
        let order = Order {
            group: GROUP.into(),
            id: order_id(self.sequence),
            action,
            reason,
            previous: None,
        };
        self.groups.on_order(self.now, &order);
        self.drain()
    }

    /// Answers the work under way on a resource.
    pub fn done(&mut self, name: &str, outcome: Outcome) -> Vec<String> {
        let id = self.works.remove(&ResourceName::from(name)).expect("work under way");
        assert!(self.groups.gave(id));
        self.groups.on_resource_done(self.now, id, outcome);
        self.drain()
    }

    /// As `done`, the effects left for the caller.
    pub fn answer(&mut self, name: &str, outcome: Outcome) {
        let id = self.works.remove(&ResourceName::from(name)).expect("work under way");
        self.groups.on_resource_done(self.now, id, outcome);
    }

    /// The id of the work under way on a resource.
    pub fn work(&self, name: &str) -> ActionId {
        self.works[&ResourceName::from(name)]
    }

    pub fn failed(&mut self, name: &str) -> Vec<String> {
        self.groups.on_resource_failed(self.now, &name.into(), "it ended".into());
        self.drain()
    }

    pub fn model(&mut self, model: Model) -> Vec<String> {
        self.groups.on_model(self.now, Arc::new(model));
        self.drain()
    }

    /// Lets time pass to the next timeout.
    pub fn timeout(&mut self) -> Vec<String> {
        self.now.instant = self.groups.poll_timeout().expect("a timeout");
        self.groups.handle_timeout(self.now);
        self.drain()
    }

    pub fn advance(&mut self, seconds: u64) {
        self.now.instant = self.now.instant + Duration::from_secs(seconds);
    }

    /// Effects without notes; asserts that work on one resource never overlaps.
    pub fn drain(&mut self) -> Vec<String> {
        self.drain_all().into_iter().filter(|effect| !effect.starts_with("note ")).collect()
    }

    pub fn drain_all(&mut self) -> Vec<String> {
        let mut effects = Vec::new();
        while let Some(effect) = self.groups.poll_effect() {
            effects.push(match effect {
                GroupEffect::Resource { id, action, context } => {
                    let before = self.works.insert(context.resource.clone(), id);
                    assert_eq!(before, None, "overlapping work on {}", context.resource);
                    let verb = match action {
                        ResourceAction::Start => "start",
                        ResourceAction::Stop => "stop",
                        ResourceAction::Probe => "probe",
                    };
                    format!("{verb} {}", context.resource)
                }
                GroupEffect::Cancel { id } => {
                    let name = self
                        .works
                        .iter()
                        .find(|(_, work)| **work == id)
                        .map(|(name, _)| name.clone());
                    // A lost answer is cancelled after it has been taken off.
                    match name {
                        Some(name) => {
                            self.works.remove(&name);
                            format!("cancel {name}")
                        }
                        None => "cancel".to_owned(),
                    }
                }
                GroupEffect::Power { action, resource, .. } => format!("{action:?} for {resource}"),
                GroupEffect::Note(note) => format!("note {} {}", note.reason, note.object.name),
            });
        }
        effects
    }

    pub fn phase(&self) -> Option<GroupPhase> {
        self.groups.holds().remove(&GroupName::from(GROUP)).map(|held| held.phase)
    }

    pub fn held_under(&self) -> Option<GrantId> {
        self.groups.holds().remove(&GroupName::from(GROUP)).map(|held| held.order)
    }

    pub fn state(&self, name: &str) -> ResourceState {
        self.groups.report()[&ResourceName::from(name)].state
    }

    /// What the member asks the leader for.
    pub fn wants(&self) -> Option<Wants> {
        match self.phase()? {
            GroupPhase::Failed { wants, .. } => Some(wants),
            GroupPhase::Starting
            | GroupPhase::Online
            | GroupPhase::Stopping
            | GroupPhase::StopFailed { .. }
            | GroupPhase::Stopped => None,
        }
    }
}

pub fn order_id(sequence: u64) -> GrantId {
    GrantId { term: Term { number: 7, proposer: "one".into() }, sequence }
}

pub fn active() -> Outcome {
    Outcome::Active { message: "pid 1".into() }
}

pub fn failed() -> Outcome {
    Outcome::Failed { reason: "CommandFailed".into(), message: "exit code 1".into() }
}

pub fn unknown() -> Outcome {
    Outcome::Unknown { message: "no answer".into() }
}
