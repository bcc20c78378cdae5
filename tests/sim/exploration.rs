//! Every state of two and three servers within stated bounds; see docs/simulator.md.
//!
//! `make explore` closes the larger bounds too. `STEAD_BOUNDS="servers=3 arbiter=Majority crashes=1"`
//! explores those alone.

use std::env;

use stead::engine::mutation::{Flaw, Mutation};
use stead::sim::{ArbiterKind, Bounds, Invariant, explore};

fn flaw(name: &str) -> Flaw {
    let named = |mutation: &&Mutation| format!("{mutation:?}") == name;
    Flaw::of(*Mutation::ALL.iter().find(named).unwrap_or_else(|| panic!("no mutation {name}")))
}

/// `servers=3 arbiter=Majority crashes=1`
fn bounds(text: &str) -> Bounds {
    let mut bounds = Bounds::quiet(3, ArbiterKind::Majority);
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, "1"));
        let number = || value.parse().unwrap_or_else(|_| panic!("{word}: not a number"));
        match name {
            "servers" => bounds.servers = usize::from(number()),
            "arbiter" if value == "Lease" => bounds.arbiter = ArbiterKind::Lease,
            "arbiter" if value == "Majority" => bounds.arbiter = ArbiterKind::Majority,
            "terms" => bounds.terms = u64::from(number()),
            "crashes" => bounds.crashes = number(),
            "kills" => bounds.kills = number(),
            "cuts" => bounds.cuts = number(),
            "late" => bounds.late = number(),
            "lost" => bounds.lost = number(),
            "orders" => bounds.orders = true,
            "start" => bounds.from_start = true,
            "states" => bounds.states_max = value.parse().unwrap(),
            "flaw" => bounds.flaw = flaw(value),
            _ => panic!("{word}: servers arbiter terms crashes kills cuts late lost orders start"),
        }
    }
    bounds
}

/// Closed in every test run.
const SMALL: &[&str] = &[
    "servers=2 arbiter=Lease crashes=1",
    "servers=2 arbiter=Lease cuts=1",
    "servers=2 arbiter=Lease cuts=2",
    "servers=2 arbiter=Lease late=1",
    "servers=3 arbiter=Majority crashes=1",
    "servers=3 arbiter=Majority kills=1",
    "servers=3 arbiter=Majority cuts=1",
    "servers=3 arbiter=Majority late=1",
    "servers=3 arbiter=Majority lost=1 late=1",
];

/// Tried by `make explore`.
const LARGE: &[&str] = &[
    "servers=2 arbiter=Lease crashes=1 late=1",
    "servers=2 arbiter=Lease crashes=1 cuts=1",
    "servers=3 arbiter=Majority crashes=1 cuts=1",
];

fn chosen() -> Vec<String> {
    let list = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    match env::var("STEAD_BOUNDS") {
        Ok(text) if text == "large" => list(LARGE),
        Ok(text) => vec![text],
        Err(_) => list(SMALL),
    }
}

#[test]
fn every_state_within_the_bounds_keeps_the_rules() {
    for text in chosen() {
        let explored = explore(bounds(&text));
        println!("{explored}");
        assert!(explored.violation.is_none(), "{explored}");
        assert!(explored.closed, "{explored}");
    }
}

/// Broken engines with bounds within which that is noticed.
const BROKEN: &[(Mutation, &str)] = &[
    (Mutation::AbsentNotWaitedFor, "servers=3 arbiter=Majority cuts=1"),
    (Mutation::LeaderNotBoundByAcks, "servers=3 arbiter=Majority cuts=1"),
    (Mutation::LeaseEndIgnored, "servers=3 arbiter=Majority cuts=1"),
];

#[test]
fn broken_engines_are_found() {
    for (mutation, text) in BROKEN {
        let explored = explore(Bounds { flaw: Flaw::of(*mutation), ..bounds(text) });
        println!("{mutation:?}: {explored}\n");
        let broken = explored.violation.map(|(violation, _)| violation.invariant);
        let rules = [Invariant::I1, Invariant::Term, Invariant::Lease];
        assert!(broken.is_some_and(|broken| rules.contains(&broken)), "{mutation:?}: {broken:?}");
    }
}
