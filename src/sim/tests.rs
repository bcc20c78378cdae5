//! The simulator's own tests: it must notice what it is there to notice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::arbiter::LeaseArbiter;
use super::*;
use crate::api::names::{GroupName, ResourceName, ServerName};
use crate::engine::effect::{ArbiterQuestion, Effect, ResourceAction, ResourceContext};
use crate::engine::ids::{ActionId, GrantId, Revision, Term};
use crate::engine::input::{Input, Verdict};
use crate::engine::message::OrderReason;
use crate::engine::model::{ObjectKey, Objects};
use crate::engine::time::{Instant, Now};

/// A node that starts the first group at once and asks nobody; `LEASE` says whether it at least
/// gives its keeper a deadline.
#[derive(Debug)]
struct Greedy<const LEASE: bool> {
    server: ServerName,
    objects: Objects,
    effects: VecDeque<Effect>,
}

fn term() -> Term {
    Term { number: 1, proposer: "node1".into() }
}

impl<const LEASE: bool> Node for Greedy<LEASE> {
    fn start(birth: Birth, now: Now) -> Self {
        let objects = birth.durable.objects;
        let mut effects = VecDeque::new();
        if LEASE {
            effects.push_back(Effect::Lease { until: Some(now.instant + Duration::from_secs(3)) });
        }
        let stored = &objects[&ObjectKey::new("Resource", "g1-r1")];
        let object: crate::api::kinds::Resource = serde_json::from_str(&stored.json).unwrap();
        let context = ResourceContext {
            group: GroupName::from("g1"),
            resource: ResourceName::from("g1-r1"),
            spec: Arc::new(object.spec),
            generation: 1,
            order: GrantId { term: term(), sequence: 1 },
            reason: OrderReason::Startup,
            home: true,
            previous: None,
            timeout: Duration::from_secs(3),
        };
        effects.push_back(Effect::Resource {
            id: ActionId(1),
            action: ResourceAction::Start,
            context: Arc::new(context),
        });
        Self { server: birth.identity.server, objects, effects }
    }

    fn handle(&mut self, _: Now, _: Input) {}

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn leads(&self) -> Option<Term> {
        (self.server.as_str() == "node1").then(term)
    }

    fn term(&self) -> Option<Term> {
        self.leads()
    }

    fn unquiet(&self) -> bool {
        false
    }

    fn members(&self) -> Vec<ServerName> {
        vec![self.server.clone()]
    }

    fn store(&self) -> (Revision, &Objects) {
        (Revision(1), &self.objects)
    }

    fn seen(&mut self) -> Seen {
        Seen::default()
    }
}

fn greedy<const LEASE: bool>() -> World<Greedy<LEASE>> {
    World::new(Options::quiet(2, ArbiterKind::Majority), Detail::Lines)
}

#[test]
fn two_servers_that_run_one_group_are_noticed() {
    let violation = greedy::<true>().run_for(Duration::from_secs(10)).unwrap_err();
    assert_eq!(violation.invariant, Invariant::I1, "{violation}");
}

#[test]
fn a_start_without_a_lease_is_noticed() {
    let violation = greedy::<false>().run_for(Duration::from_secs(10)).unwrap_err();
    assert_eq!(violation.invariant, Invariant::Lease, "{violation}");
}

#[test]
fn a_keeper_ends_what_outlives_its_lease() {
    let mut world = greedy::<true>();
    let second = world.server("node2").unwrap();
    world.break_it(&Fault::Crash(second)).unwrap();
    assert!(
        world.run_until(Duration::from_secs(2), |w| w.active_on("g1") == ["node1"]).unwrap(),
        "{}",
        world.trace()
    );
    assert!(
        world.run_until(Duration::from_millis(3150), |w| w.active_on("g1").is_empty()).unwrap(),
        "{}",
        world.trace()
    );
}

#[test]
fn the_lease_stand_in_is_held_by_one_and_tells_of_a_hand_over() {
    let mut arbiter = LeaseArbiter::new(Duration::from_secs(2), ArbiterKind::Lease);
    let second = |number: u64| TrueTime(number * 1_000_000_000);
    let (one, two) = (ServerName::from("node1"), ServerName::from("node2"));
    let term = |number, proposer: &ServerName| Term { number, proposer: proposer.clone() };
    let mut ask = |at, server: &ServerName, number, members: &[&ServerName]| {
        let question = ArbiterQuestion {
            members: members.iter().map(|name| (*name).clone()).collect(),
            term: term(number, server),
            revision: Revision(number),
            absent: BTreeMap::new(),
            voiceless: Default::default(),
        };
        let answer = arbiter.ask(second(at), server, &question);
        (answer.verdict, answer.handover)
    };
    assert_eq!(ask(0, &one, 1, &[&one]), (Verdict::Held, None));
    assert_eq!(ask(1, &two, 2, &[&two]), (Verdict::Lost, None));
    let handover = Some(Duration::from_secs(2));
    assert_eq!(ask(2, &two, 2, &[&two]), (Verdict::Held, handover));
    assert_eq!(ask(9, &one, 1, &[&one]), (Verdict::Lost, None), "a lower term");
    // Whoever has promised the new term renews the old record no more: nothing to wait for.
    assert_eq!(ask(9, &one, 3, &[&one]), (Verdict::Held, Some(Duration::from_secs(7))));
    assert_eq!(ask(10, &two, 4, &[&one, &two]), (Verdict::Held, None));
}

#[test]
fn options_are_drawn_from_the_seed_alone() {
    for seed in 0..50 {
        assert_eq!(Options::draw(seed), Options::draw(seed));
        assert_eq!(Options::wide(seed), Options::wide(seed));
    }
    assert_ne!(Options::draw(1), Options::draw(2));
}
