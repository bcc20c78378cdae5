//! Fencing, as simulated: nothing but a confirmation counts, and a confirmation covers what no
//! lease does.

use std::time::Duration;

use stead::api::kinds::{FencingFailure, FencingTakeover, OperationType};
use stead::sim::{ArbiterKind, Detail, Fault, FencePlan, Options, both_ways};

use super::cluster::{
    Cluster, LONG, ask, break_it, online, run, run_until, says, seconds, taken_over,
};

fn cluster(servers: usize, arbiter: ArbiterKind, fencing: Option<FencePlan>) -> Cluster {
    let world = online(Options { fencing, ..Options::quiet(servers, arbiter) });
    assert_eq!(world.active_on("g1"), ["node1"]);
    world
}

fn reliable(takeover: FencingTakeover) -> Option<FencePlan> {
    Some(FencePlan::reliable(takeover))
}

fn never(on_failure: FencingFailure) -> Option<FencePlan> {
    Some(FencePlan { on_failure, failures: 1000, ..FencePlan::reliable(FencingTakeover::Fenced) })
}

const ARBITERS: [(usize, ArbiterKind); 4] = [
    (3, ArbiterKind::Majority),
    (2, ArbiterKind::Lease),
    (2, ArbiterKind::Reachable),
    (2, ArbiterKind::Nobody),
];

#[test]
fn a_lost_server_is_fenced_and_then_taken_over_from() {
    for (servers, arbiter) in ARBITERS {
        let mut world = cluster(servers, arbiter, reliable(FencingTakeover::Fenced));
        break_it(&mut world, Fault::Crash(0));
        taken_over(&mut world, "node2", seconds(30));
        assert!(says(&world, "ServerFenced"), "{arbiter:?}\n{}", world.trace());
    }
}

/// A server that had said that its watchdog is armed has reset itself once its time is over; one that
/// had not is never taken over from by time alone.
#[test]
fn a_lost_server_is_confirmed_by_the_watchdog_that_it_had_said_to_be_armed_and_no_other() {
    for (armed, fault) in [(3, Fault::Crash(0)), (3, Fault::Cut(both_ways(&[0], &[1, 2], 2)))] {
        let fencing = Some(FencePlan::by_watchdog(armed));
        let mut world = cluster(3, ArbiterKind::Majority, fencing);
        break_it(&mut world, fault);
        // selfFence is lease + 2 time-outs.
        let options = Options::quiet(3, ArbiterKind::Majority);
        let early = options.timing().lease + 2 * options.timeout;
        run(&mut world, early);
        assert!(!says(&world, "ServerFenced"), "{}", world.trace());
        taken_over(&mut world, "node2", seconds(30));
        assert!(says(&world, "ServerFenced"), "{}", world.trace());
    }
    let mut world = cluster(3, ArbiterKind::Majority, Some(FencePlan::by_watchdog(0)));
    break_it(&mut world, Fault::Crash(0));
    assert!(run_until(&mut world, seconds(90), |world| says(world, "FencingFailed")));
    assert!(!says(&world, "ServerFenced") && world.active_on("g1").is_empty());
    assert!(says(&world, "has not said that a watchdog device is armed"), "{}", world.trace());
}

/// M23: time alone is no protection where the clock stood still; the guest goes on when it thaws.
#[test]
fn a_paused_machine_whose_clock_stood_still_is_covered_by_a_confirmation() {
    for (servers, arbiter) in ARBITERS {
        let mut world = cluster(servers, arbiter, reliable(FencingTakeover::Fenced));
        break_it(&mut world, Fault::Pause(0));
        taken_over(&mut world, "node2", seconds(30));
        // What thaws now is a machine that boots.
        world.mend(&Fault::Pause(0)).unwrap();
        run(&mut world, seconds(30));
        assert_eq!(world.active_on("g1"), ["node2"], "{arbiter:?}");
    }
}

/// M21, M24: what is unknown is not fenced, and without an exclusive arbiter time frees nothing.
#[test]
fn what_is_never_confirmed_is_never_taken_over() {
    // The holder of a lease goes on by it.
    for (servers, arbiter) in ARBITERS.into_iter().filter(|(_, a)| *a != ArbiterKind::Lease) {
        let mut world = cluster(servers, arbiter, never(FencingFailure::Block));
        // It lives, cut off; its services end with its lease or go on: nobody else starts them.
        let others: Vec<usize> = (1..servers).collect();
        break_it(&mut world, Fault::Cut(both_ways(&[0], &others, 2)));
        let taken = run_until(&mut world, seconds(90), |world| says(world, "FencingFailed"));
        assert!(taken, "{arbiter:?}\n{}", world.trace());
        assert!(!says(&world, "ServerFenced"), "{arbiter:?}\n{}", world.trace());
    }
}

#[test]
fn an_accepted_failure_is_taken_over_loudly_and_not_before_its_time() {
    for (servers, arbiter) in [(3, ArbiterKind::Majority), (2, ArbiterKind::Lease)] {
        let mut world = cluster(servers, arbiter, never(FencingFailure::Continue));
        break_it(&mut world, Fault::Crash(0));
        taken_over(&mut world, "node2", seconds(120));
        assert!(says(&world, "FencingOverridden"), "{arbiter:?}\n{}", world.trace());
    }
}

#[test]
fn a_server_that_ended_in_good_order_is_not_fenced() {
    // A lease that changes hands is support that no keeper's word covers.
    for (servers, arbiter) in ARBITERS.into_iter().filter(|(_, a)| *a != ArbiterKind::Lease) {
        let mut world = cluster(servers, arbiter, reliable(FencingTakeover::Fenced));
        // Its keeper says that all has ended.
        break_it(&mut world, Fault::AgentKill(0));
        taken_over(&mut world, "node2", seconds(10));
        assert!(!says(&world, "ServerFencing"), "{arbiter:?}\n{}", world.trace());
    }
}

/// Two servers that lose each other under an arbiter that both reach: the one that has something to
/// take over ends the other, which boots alone, and waits before it fences in its turn.
#[test]
fn two_that_lost_each_other_do_not_end_each_other_again_and_again() {
    let mut options = Options::quiet(2, ArbiterKind::Reachable);
    options.fencing = reliable(FencingTakeover::Fenced);
    options.wait_for_servers = seconds(600);
    let mut world = Cluster::new(options, Detail::Lines);
    assert!(run_until(&mut world, LONG, |world| world.settled()));
    break_it(&mut world, Fault::Cut(both_ways(&[0], &[1], 2)));
    run(&mut world, seconds(300));
    let offs = world.trace().to_string().matches("loses power").count();
    assert_eq!(offs, 1, "{}", world.trace());
    assert_eq!(world.active_on("g1"), ["node2"]);
}

#[test]
fn a_person_fences_a_server_that_is_a_member() {
    let mut world = cluster(3, ArbiterKind::Majority, reliable(FencingTakeover::Fenced));
    ask(&mut world, OperationType::FenceServer, None, Some("node3"));
    assert!(run_until(&mut world, seconds(20), |world| says(world, "OperationSucceeded")));
    assert!(says(&world, "node3 loses power"), "{}", world.trace());
    assert_eq!(world.active_on("g1"), ["node1"]);
}

#[test]
fn a_person_certifies_what_no_method_can_confirm() {
    let mut world = cluster(2, ArbiterKind::Reachable, never(FencingFailure::Block));
    break_it(&mut world, Fault::Crash(0));
    assert!(run_until(&mut world, LONG, |world| says(world, "TakeoverBlocked")));
    assert!(world.active_on("g1").is_empty());
    ask(&mut world, OperationType::ConfirmServerDown, None, Some("node1"));
    taken_over(&mut world, "node2", seconds(10));
    assert!(says(&world, "ServerConfirmedDown"), "{}", world.trace());
}

#[test]
fn nobody_certifies_that_a_server_is_down_that_is_heard() {
    let mut world = cluster(2, ArbiterKind::Reachable, reliable(FencingTakeover::Fenced));
    ask(&mut world, OperationType::ConfirmServerDown, None, Some("node2"));
    assert!(run_until(&mut world, seconds(10), |world| says(world, "OperationFailed")));
    assert_eq!(world.active_on("g1"), ["node1"]);
}

/// A member that hears nobody but its leader lives by the support that the others gave to that
/// leader: that the leader is off, or has ended, does not end the member's lease.
#[test]
fn what_a_leader_passed_on_outlives_the_leader() {
    let fenced = reliable(FencingTakeover::FencedOrTime);
    for (fencing, fault) in [(None, Fault::AgentKill(0)), (fenced, Fault::Crash(0))] {
        let mut options = Options::quiet(5, ArbiterKind::Majority);
        options.groups = 3;
        options.fencing = fencing;
        let mut world = Cluster::new(options, Detail::Lines);
        assert!(run_until(&mut world, LONG, |world| world.settled()));
        assert_eq!(world.active_on("g3"), ["node3"]);
        break_it(&mut world, Fault::Cut(both_ways(&[2], &[1, 3, 4], 2)));
        run(&mut world, Duration::from_millis(300));
        break_it(&mut world, fault);
        // Two active at once would be found by the simulator.
        let there = |world: &mut Cluster| world.active_on("g3").first() != Some(&"node3".into());
        assert!(run_until(&mut world, seconds(30), there), "{}", world.trace());
        run(&mut world, seconds(10));
    }
}

#[test]
fn two_people_who_ask_for_it_have_a_server_fenced_once_and_not_for_ever() {
    let mut world = cluster(3, ArbiterKind::Majority, reliable(FencingTakeover::Fenced));
    ask(&mut world, OperationType::FenceServer, None, Some("node3"));
    // The first is under way: it is not superseded.
    let begun = run_until(&mut world, seconds(1), |world| says(world, "ServerFencing"));
    assert!(begun, "{}", world.trace());
    ask(&mut world, OperationType::FenceServer, None, Some("node3"));
    run(&mut world, seconds(60));
    let told = world.trace().to_string();
    let ends = told.matches("[OperationSucceeded]").count();
    // Once more at most: the view changes meanwhile, and counts only what it asked for itself.
    let fenced = told.matches("[ServerFencing]").count();
    assert!(ends == 2 && fenced <= 2, "{ends} ended, {fenced} times\n{told}");
}
