//! Every interleaving of outcomes and orders of a group of two resources, to a bounded depth, and
//! long walks through a larger group. The world is simulated: it knows what may run.

use std::collections::BTreeMap;

use serde_json::json;

use super::bench::model;
use crate::api::names::{ResourceName, ServerName};
use crate::engine::effect::ResourceAction;
use crate::engine::group::{GroupEffect, Groups, Target};
use crate::engine::ids::{ActionId, ActionIds, GrantId, Term};
use crate::engine::input::Outcome;
use crate::engine::message::{GroupPhase, Order, OrderAction, OrderReason};
use crate::engine::model::Model;
use crate::engine::time::{Instant, Now, WallTime};

/// Choices made one after the other from a list, so that all lists can be gone through.
trait Chooser {
    /// A number below `count`.
    fn choose(&mut self, count: usize) -> usize;
}

struct Choices {
    list: Vec<(usize, usize)>,
    next: usize,
}

impl Chooser for Choices {
    fn choose(&mut self, count: usize) -> usize {
        if self.next == self.list.len() {
            self.list.push((0, count));
        }
        let (choice, _) = self.list[self.next];
        self.next += 1;
        choice
    }
}

impl Choices {
    /// The next list in order; none when all have been.
    fn advance(&mut self) -> bool {
        self.next = 0;
        while let Some((choice, count)) = self.list.pop() {
            if choice + 1 < count {
                self.list.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}

/// Choices drawn from a seed (a linear congruential generator).
struct Walk(u64);

impl Chooser for Walk {
    fn choose(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % count
    }
}

struct World {
    groups: Groups,
    now: Now,
    sequence: u64,
    works: BTreeMap<ResourceName, (ActionId, ResourceAction)>,
    /// What an outside observer would count as possibly running.
    may_run: BTreeMap<ResourceName, bool>,
    ordered: Option<OrderAction>,
}

impl World {
    fn order(&mut self, action: OrderAction) {
        self.sequence += 1;
        self.ordered = Some(action);
        let id =
            GrantId { term: Term { number: 1, proposer: "one".into() }, sequence: self.sequence };
        let order =
            Order { group: "g".into(), id, action, reason: OrderReason::Moved, previous: None };
        self.groups.on_order(self.now, &order);
        self.take();
    }

    fn take(&mut self) {
        while let Some(effect) = self.groups.poll_effect() {
            match effect {
                GroupEffect::Resource { id, action, context } => {
                    let name = context.resource.clone();
                    assert!(self.works.insert(name.clone(), (id, action)).is_none(), "overlap");
                    if action == ResourceAction::Start {
                        assert_eq!(self.ordered, Some(OrderAction::Run), "started unasked");
                        let before = self.may_run.insert(name.clone(), true);
                        assert_eq!(before, Some(false), "{name} started while it may run");
                    }
                }
                GroupEffect::Cancel { id } => self.works.retain(|_, (work, _)| *work != id),
                GroupEffect::Power { .. } | GroupEffect::Note(_) => {}
            }
        }
        let phase = self.groups.holds().remove(&"g".into()).map(|held| held.phase);
        let running = self.may_run.values().any(|running| *running);
        if phase == Some(GroupPhase::Stopped) {
            assert!(!running, "Stopped is said while something may run");
            assert_ne!(self.ordered, Some(OrderAction::Run), "Stopped is said of a Run order");
        }
        assert!(phase.is_some() || !running, "something may run and is not held");
        if phase == Some(GroupPhase::Online) {
            assert!(self.may_run.values().all(|running| *running), "Online is said too early");
        }
    }

    fn answer(&mut self, name: &ResourceName, outcome: usize) {
        let Some((id, action)) = self.works.remove(name) else { return };
        let outcome = match outcome {
            0 => Outcome::Absent,
            1 => Outcome::Active { message: String::new() },
            2 => Outcome::Failed { reason: "CommandFailed".into(), message: String::new() },
            3 => Outcome::TimedOut,
            _ => Outcome::Unknown { message: String::new() },
        };
        // What a driver says for certain is true; a probe finds nothing where nothing ran.
        match (&outcome, action) {
            (Outcome::Absent, _) => {
                self.may_run.insert(name.clone(), false);
            }
            (Outcome::Active { .. }, ResourceAction::Probe | ResourceAction::Start) => {
                self.may_run.insert(name.clone(), true);
            }
            _ => {}
        }
        self.groups.on_resource_done(self.now, id, outcome);
        self.take();
    }
}

impl World {
    fn new(spec: Model, doubtful: bool) -> Self {
        let names: Vec<ResourceName> = spec.groups[&"g".into()].resources.keys().cloned().collect();
        let mut world = World {
            groups: Groups::new(ServerName::from("one"), ActionIds::default()),
            now: Now { instant: Instant(1), wall: WallTime(1) },
            sequence: 0,
            works: BTreeMap::new(),
            may_run: names.iter().map(|name| (name.clone(), doubtful)).collect(),
            ordered: None,
        };
        if doubtful {
            world.groups.probe_all(world.now);
        }
        world.groups.on_model(world.now, std::sync::Arc::new(spec));
        world.take();
        if !doubtful {
            for name in names {
                world.answer(&name, 0);
            }
            world.order(OrderAction::Run);
        }
        world
    }

    /// An outcome of one of the works, an order, isolation, a failure, a reactivation, or time.
    fn step(&mut self, choices: &mut dyn Chooser) {
        let names: Vec<ResourceName> = self.works.keys().cloned().collect();
        let choice = choices.choose(names.len() * 5 + 6);
        match choice.checked_sub(names.len() * 5) {
            None => self.answer(&names[choice / 5], choice % 5),
            Some(0) => self.order(OrderAction::Stop),
            Some(1) => self.order(OrderAction::Run),
            Some(2) => {
                self.ordered = None;
                self.groups.on_isolated(self.now);
                self.take();
            }
            Some(3) => {
                self.groups.on_resource_failed(self.now, &"a".into(), String::new());
                self.take();
            }
            Some(4) => {
                // Refused where it is not active: that is one of the outcomes.
                let _ = self.groups.reactivate(self.now, &Target::Resource("a".into()));
                self.take();
            }
            Some(_) => self.pass_time(),
        }
    }

    fn pass_time(&mut self) {
        if let Some(at) = self.groups.poll_timeout() {
            self.now.instant = self.now.instant.max(at);
            self.groups.handle_timeout(self.now);
            self.take();
        }
    }

    /// Everything works from now on.
    fn heal(&mut self, action: OrderAction) -> Option<GroupPhase> {
        self.order(action);
        for _ in 0..100 {
            let work = self.works.iter().next().map(|(name, (_, action))| (name.clone(), *action));
            match work {
                Some((name, ResourceAction::Start)) => self.answer(&name, 1),
                Some((name, ResourceAction::Stop)) => self.answer(&name, 0),
                Some((name, ResourceAction::Probe)) => {
                    let outcome = usize::from(self.may_run[&name]);
                    self.answer(&name, outcome);
                }
                None => self.pass_time(),
            }
        }
        self.groups.holds().remove(&"g".into()).map(|held| held.phase)
    }
}

fn two() -> Model {
    model(&[
        ("a", json!({"activation": {"retries": 1}})),
        ("b", json!({"dependsOn": ["a"], "activation": {"onFailure": "Continue"}})),
    ])
}

fn five() -> Model {
    model(&[
        ("a", json!({"activation": {"retries": 2}, "deactivation": {"retries": 1}})),
        ("b", json!({"dependsOn": ["a"], "exec": {"command": ["/bin/b"], "restarts": 1}})),
        ("c", json!({"dependsOn": ["a"], "activation": {"onFailure": "Continue"}})),
        ("d", json!({"dependsOn": ["b", "c"]})),
        ("e", json!({})),
    ])
}

#[test]
fn no_interleaving_starts_twice_or_says_stopped_too_early() {
    for doubtful in [false, true] {
        let mut choices = Choices { list: Vec::new(), next: 0 };
        let mut runs = 0_u32;
        loop {
            let mut world = World::new(two(), doubtful);
            for _ in 0..4 {
                world.step(&mut choices);
            }
            runs += 1;
            if !choices.advance() {
                break;
            }
        }
        assert!(runs > 5_000, "only {runs} interleavings");
    }
}

#[test]
fn every_walk_keeps_the_same_and_ends_where_it_is_ordered_to() {
    for seed in 0..1_000 {
        let mut walk = Walk(seed);
        let mut world = World::new(five(), seed % 2 == 0);
        for _ in 0..60 {
            world.step(&mut walk);
        }
        let (action, phase) = match seed % 3 {
            0 => (OrderAction::Stop, GroupPhase::Stopped),
            _ => (OrderAction::Run, GroupPhase::Online),
        };
        assert_eq!(world.heal(action), Some(phase), "seed {seed}");
    }
}
