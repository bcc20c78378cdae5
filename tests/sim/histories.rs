//! Histories that went separate ways and meet again (CP-32), the end of a whole cluster on purpose,
//! and its return after everything went down (CP-12).

use stead::api::kinds::{DualActivationPolicy, MissedChangesPolicy, OperationType};
use stead::engine::effect::{Change, Expected};
use stead::engine::model::{ObjectKey, Objects};
use stead::sim::{ArbiterKind, Detail, Fault, Options, both_ways};

use super::cluster::{Cluster, LONG, ask, break_it, mend, online, run, run_until, says, seconds};

/// Two servers and an arbiter that lets both act, each acting alone.
fn both_act(arbiter: ArbiterKind, policy: DualActivationPolicy) -> Cluster {
    let options = Options { on_dual_activation: policy, ..Options::quiet(2, arbiter) };
    let mut world = online(options);
    // What two run at once is what this is about.
    world.observe();
    break_it(&mut world, cut());
    let both = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 2);
    assert!(both, "{}", world.trace());
    // Each part writes down that the other is out.
    run(&mut world, seconds(5));
    world
}

fn cut() -> Fault {
    Fault::Cut(both_ways(&[0], &[1], 2))
}

/// Every server's store, but for operations' own names.
fn stores(world: &Cluster) -> Vec<Objects> {
    (0..2).map(|server| world.store(server).expect("an agent").1.clone()).collect()
}

#[test]
fn of_two_copies_both_are_ended_and_a_person_starts_one() {
    for arbiter in [ArbiterKind::Nobody, ArbiterKind::Reachable] {
        let mut world = both_act(arbiter, DualActivationPolicy::StopBoth);
        mend(&mut world, cut());
        let ended = run_until(&mut world, seconds(5), |world| world.active_on("g1").is_empty());
        assert!(ended, "{arbiter:?}\n{}", world.trace());
        assert!(says(&world, "DualActivation"), "{}", world.trace());
        for copy in ["node1 Stop g1-r1 for", "node2 Stop g1-r1 for"] {
            let trace = world.trace().to_string();
            let stop = trace.lines().rfind(|line| line.contains(copy)).unwrap_or_default();
            assert!(stop.contains("(DualActivation)"), "{copy}: {stop}");
        }
        // It stays stopped, also under another leader and after a start of everything.
        run(&mut world, seconds(30));
        assert!(world.active_on("g1").is_empty(), "{}", world.trace());
        break_it(&mut world, Fault::PowerLoss);
        mend(&mut world, Fault::PowerLoss);
        run(&mut world, seconds(60));
        assert!(world.active_on("g1").is_empty(), "{}", world.trace());
        ask(&mut world, OperationType::StartGroup, Some("g1"), None);
        let started = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 1);
        assert!(started, "{}", world.trace());
    }
}

#[test]
fn of_two_copies_the_one_on_the_preferred_server_goes_on_where_the_cluster_says_so() {
    for arbiter in [ArbiterKind::Nobody, ArbiterKind::Reachable] {
        let mut world = both_act(arbiter, DualActivationPolicy::KeepPreferred);
        mend(&mut world, cut());
        let kept = |world: &mut Cluster| world.active_on("g1") == ["node1"];
        assert!(run_until(&mut world, seconds(5), kept), "{arbiter:?}\n{}", world.trace());
        assert!(says(&world, "DualActivationKept"), "{}", world.trace());
        assert!(!says(&world, "node1 Stop g1-r1"), "{arbiter:?}\n{}", world.trace());
        run(&mut world, seconds(30));
        assert_eq!(world.active_on("g1"), ["node1"]);
    }
}

#[test]
fn two_stores_with_the_same_number_and_different_changes_become_one() {
    let mut world = both_act(ArbiterKind::Nobody, DualActivationPolicy::StopBoth);
    let number = |world: &Cluster, server| world.store(server).expect("an agent").0;
    while number(&world, 0) < number(&world, 1) {
        let key = ObjectKey::new("Note", number(&world, 0).to_string());
        let change = Change { key, expected: Expected::Absent, json: Some("{}".into()) };
        world.write(0, vec![change]).expect("no rule is broken");
        run(&mut world, seconds(1));
    }
    assert_eq!(number(&world, 0), number(&world, 1));
    let [one, other] = stores(&world).try_into().expect("two");
    assert_ne!(one, other, "{}", world.trace());
    mend(&mut world, cut());
    run(&mut world, seconds(10));
    let [one, other] = stores(&world).try_into().expect("two");
    assert_eq!(one, other, "{}", world.trace());
    assert!(says(&world, "HistoryKeptAside"));
}

#[test]
fn a_server_that_was_only_behind_loses_nothing_and_nothing_is_kept_aside() {
    let mut world = online(Options::quiet(3, ArbiterKind::Majority));
    break_it(&mut world, Fault::Crash(2));
    run(&mut world, seconds(5));
    ask(&mut world, OperationType::MoveGroup, Some("g1"), Some("node2"));
    run(&mut world, seconds(5));
    mend(&mut world, Fault::Crash(2));
    let whole = run_until(&mut world, LONG, |world| world.members().len() == 3);
    assert!(whole, "{}", world.trace());
    run(&mut world, seconds(5));
    assert!(!says(&world, "HistoriesMet") && !says(&world, "HistoryKeptAside"));
}

/// node1 alone writes what node2 does not have, and is lost; node2 starts after that.
fn newer_history_is_away(policy: MissedChangesPolicy) -> Cluster {
    let options = Options { on_missed_changes: policy, ..Options::quiet(2, ArbiterKind::Lease) };
    let mut world = online(options);
    break_it(&mut world, Fault::Crash(1));
    run(&mut world, seconds(10));
    ask(&mut world, OperationType::StopGroup, Some("g1"), None);
    run(&mut world, seconds(5));
    break_it(&mut world, Fault::Crash(0));
    mend(&mut world, Fault::Crash(1));
    run(&mut world, seconds(40));
    assert_eq!(world.leader(), Some(1), "{}", world.trace());
    world
}

#[test]
fn a_part_that_lacks_changes_serves_and_says_so() {
    let mut world = newer_history_is_away(MissedChangesPolicy::Serve);
    assert!(says(&world, "ChangesMissed"), "{}", world.trace());
    assert_eq!(world.active_on("g1"), ["node2"], "{}", world.trace());
    // What it went on without is kept aside where it is.
    mend(&mut world, Fault::Crash(0));
    let met = run_until(&mut world, LONG, |world| says(world, "HistoryKeptAside"));
    assert!(met, "{}", world.trace());
}

#[test]
fn a_part_that_lacks_changes_waits_for_them_where_the_cluster_says_so() {
    let mut world = newer_history_is_away(MissedChangesPolicy::Wait);
    assert!(says(&world, "ChangesAwaited"), "{}", world.trace());
    assert!(world.active_on("g1").is_empty(), "{}", world.trace());
    // Also the record goes on naming them, when the waiting server starts anew.
    break_it(&mut world, Fault::Crash(1));
    mend(&mut world, Fault::Crash(1));
    run(&mut world, seconds(40));
    assert!(world.active_on("g1").is_empty(), "{}", world.trace());
    mend(&mut world, Fault::Crash(0));
    let whole = run_until(&mut world, LONG, |world| world.members().len() == 2);
    assert!(whole, "{}", world.trace());
    run(&mut world, seconds(10));
    // The group was stopped in the history that both have now.
    assert!(!says(&world, "HistoryKeptAside"), "{}", world.trace());
    assert!(world.active_on("g1").is_empty(), "{}", world.trace());
    ask(&mut world, OperationType::StartGroup, Some("g1"), None);
    let started = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 1);
    assert!(started, "{}", world.trace());
}

#[test]
fn a_start_whose_history_nothing_proves_waits_for_every_server_where_the_cluster_says_so() {
    for policy in [MissedChangesPolicy::Serve, MissedChangesPolicy::Wait] {
        let options =
            Options { on_missed_changes: policy, ..Options::quiet(2, ArbiterKind::Nobody) };
        let mut world = online(options);
        break_it(&mut world, Fault::PowerLoss);
        mend(&mut world, Fault::Crash(1));
        run(&mut world, seconds(60));
        let serves = policy == MissedChangesPolicy::Serve;
        assert_eq!(world.active_on("g1").len(), usize::from(serves), "{}", world.trace());
        assert_eq!(says(&world, "HistoryUnproven"), serves, "{}", world.trace());
        mend(&mut world, Fault::Crash(0));
        let there = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 1);
        assert!(there, "{}", world.trace());
    }
}

#[test]
fn after_everything_went_down_a_majority_starts_by_itself_and_says_why() {
    let mut world = online(Options::quiet(3, ArbiterKind::Majority));
    break_it(&mut world, Fault::PowerLoss);
    run(&mut world, seconds(2));
    for server in [1, 2] {
        mend(&mut world, Fault::Crash(server));
    }
    let there = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 1);
    assert!(there, "{}", world.trace());
    assert!(says(&world, "every acknowledged change reached more than half"));
}

#[test]
fn a_cluster_that_is_shut_down_stops_in_order_ends_everywhere_and_starts_as_before() {
    for (servers, arbiter) in
        [(3, ArbiterKind::Majority), (2, ArbiterKind::Lease), (2, ArbiterKind::Nobody)]
    {
        let mut world = online(Options { groups: 2, ..Options::quiet(servers, arbiter) });
        ask(&mut world, OperationType::StopGroup, Some("g2"), None);
        run(&mut world, seconds(5));
        ask(&mut world, OperationType::ShutdownCluster, None, None);
        let ended = |world: &mut Cluster| (0..servers).all(|server| world.store(server).is_none());
        assert!(run_until(&mut world, seconds(10), ended), "{arbiter:?}\n{}", world.trace());
        assert!(says(&world, "every group is stopped"), "{}", world.trace());
        let trace = world.trace().to_string();
        for server in 1..=servers {
            let own = format!("node{server}: ");
            let told = |line: &str| line.contains(&own) && line.ends_with("[ServerShutDown]");
            assert!(trace.lines().any(told), "{trace}");
        }
        assert!(!trace.contains("ServerOut") && !trace.contains("LeaseLost"), "{trace}");
        for server in 0..servers {
            mend(&mut world, Fault::AgentKill(server));
        }
        let started = run_until(&mut world, LONG, |world| world.active_on("g1").len() == 1);
        assert!(started, "{arbiter:?}\n{}", world.trace());
        run(&mut world, seconds(5));
        assert!(says(&world, "ClusterStartsAgain"), "{}", world.trace());
        assert!(world.active_on("g2").is_empty(), "a stopped group stays stopped");
        assert_eq!(world.members().len(), servers);
    }
}

#[test]
fn a_shutdown_that_a_stop_holds_up_waits_and_is_given_up_with_its_operation() {
    let mut world = online(Options::quiet(3, ArbiterKind::Majority));
    break_it(&mut world, Fault::Hang(0, "g1-r2".into()));
    ask(&mut world, OperationType::ShutdownCluster, None, None);
    run(&mut world, seconds(2));
    assert!(world.store(1).is_some(), "{}", world.trace());
    mend(&mut world, Fault::Hang(0, "g1-r2".into()));
    let ended = |world: &mut Cluster| (0..3).all(|server| world.store(server).is_none());
    assert!(run_until(&mut world, LONG, ended), "{}", world.trace());
}

#[test]
fn one_that_comes_back_in_the_middle_of_a_shutdown_does_not_start_the_cluster_alone() {
    let mut world = Cluster::new(Options::quiet(3, ArbiterKind::Majority), Detail::Lines);
    assert!(run_until(&mut world, LONG, |world| world.settled()), "{}", world.trace());
    break_it(&mut world, Fault::AgentKill(2));
    ask(&mut world, OperationType::ShutdownCluster, None, None);
    mend(&mut world, Fault::AgentKill(2));
    let ended = |world: &mut Cluster| world.store(0).is_none() && world.store(1).is_none();
    assert!(run_until(&mut world, LONG, ended), "{}", world.trace());
    run(&mut world, LONG);
    assert!(world.active_on("g1").is_empty(), "{}", world.trace());
}
