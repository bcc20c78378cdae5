use serde_json::json;

use super::bench::{Bench, active, diamond, failed, model, unknown};
use crate::api::kinds::ResourceState;
use crate::engine::input::Outcome;
use crate::engine::message::{GroupPhase, OrderAction, OrderReason, Wants};

#[test]
fn an_activation_is_retried_and_then_the_leader_is_asked_for_a_failover() {
    let mut bench = Bench::new(model(&[("a", json!({"activation": {"retries": 2}}))]));
    bench.order(OrderAction::Run);
    assert_eq!(bench.done("a", failed()), ["probe a"]);
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"], "at once");
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("a", failed()), ["probe a"]);
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0], "later");
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.timeout(), ["start a"]);
    assert_eq!(bench.done("a", failed()), ["probe a"]);
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0]);
    assert_eq!(bench.state("a"), ResourceState::Failed);
    let failed = GroupPhase::Failed {
        reason: "CommandFailed".into(),
        message: "a: exit code 1".into(),
        wants: Wants::Failover,
    };
    assert_eq!(bench.phase(), Some(failed));
    // The leader moves it: nothing is left to stop, the release is immediate.
    assert_eq!(bench.order_because(OrderAction::Stop, OrderReason::FailedOver), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn tries_that_follow_each_other_wait_longer_and_longer() {
    let mut bench = Bench::new(model(&[("a", json!({"activation": {"retries": 9}}))]));
    bench.order(OrderAction::Run);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let failed_at = bench.now.instant;
        bench.done("a", failed());
        if bench.done("a", Outcome::Absent).is_empty() {
            bench.timeout();
        }
        waits.push(u64::try_from(bench.now.instant.since(failed_at).as_millis()).unwrap());
    }
    assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
}

#[test]
fn what_a_failed_start_left_is_stopped_before_the_next_try() {
    let mut bench = Bench::new(model(&[("a", json!({"activation": {"retries": 1}}))]));
    bench.order(OrderAction::Run);
    assert_eq!(bench.done("a", failed()), ["probe a"]);
    assert_eq!(bench.done("a", active()), ["stop a"]);
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
}

#[test]
fn a_start_without_an_answer_is_decided_by_the_probe() {
    let mut bench = Bench::new(model(&[("a", json!({}))]));
    bench.order(OrderAction::Run);
    assert_eq!(bench.done("a", Outcome::TimedOut), ["probe a"]);
    assert_eq!(bench.done("a", active()), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Online));

    let mut bench = Bench::new(model(&[("a", json!({}))]));
    bench.order(OrderAction::Run);
    bench.done("a", Outcome::TimedOut);
    bench.done("a", Outcome::Absent);
    assert_eq!(bench.wants(), Some(Wants::Failover));
}

#[test]
fn a_failure_without_failovers_does_what_the_spec_says() {
    let spec = |on_failure: &str| json!({"activation": {"failovers": 0, "onFailure": on_failure}});
    let start = |on_failure: &str| {
        let resources =
            [("a", spec(on_failure)), ("b", json!({"dependsOn": ["a"]})), ("c", json!({}))];
        let mut bench = Bench::new(model(&resources));
        bench.order(OrderAction::Run);
        bench.done("c", active());
        bench.done("a", failed());
        let effects = bench.done("a", Outcome::Absent);
        (bench, effects)
    };
    let (bench, effects) = start("Stop");
    assert_eq!((effects, bench.wants()), (vec![], Some(Wants::Nothing)));
    assert_eq!(bench.state("c"), ResourceState::Online);
    let (bench, effects) = start("StopGroup");
    assert_eq!((effects, bench.wants()), (vec![], Some(Wants::Stop)));
    let (mut bench, effects) = start("Continue");
    assert_eq!(effects, ["start b"]);
    bench.done("b", active());
    assert_eq!(bench.wants(), Some(Wants::Nothing));
    assert_eq!(bench.state("b"), ResourceState::Online);
    assert_eq!(bench.state("a"), ResourceState::Failed);
}

#[test]
fn a_failed_activation_is_not_repeated_by_a_new_leader_but_by_a_new_start() {
    let mut bench = Bench::new(model(&[("a", json!({}))]));
    bench.order(OrderAction::Run);
    bench.done("a", failed());
    bench.done("a", Outcome::Absent);
    assert_eq!(bench.order_because(OrderAction::Run, OrderReason::Adopted), [""; 0]);
    assert_eq!(bench.wants(), Some(Wants::Failover));
    assert_eq!(bench.order(OrderAction::Run), ["start a"]);
}

#[test]
fn a_command_that_ends_is_restarted_in_place_within_its_window() {
    let exec = json!({"command": ["/bin/a"], "restarts": 2, "restartWindow": "60s"});
    let mut bench =
        Bench::online(model(&[("a", json!({"exec": exec})), ("b", json!({"dependsOn": ["a"]}))]));
    for _ in 0..2 {
        assert_eq!(bench.failed("a"), ["probe a"]);
        assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
        assert_eq!(bench.done("a", active()), [""; 0]);
        assert_eq!(bench.phase(), Some(GroupPhase::Online));
        bench.advance(20);
    }
    bench.advance(19);
    assert_eq!(bench.failed("a"), ["probe a"]);
    assert_eq!(bench.wants(), Some(Wants::Failover));
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0]);
    assert_eq!(bench.state("a"), ResourceState::Failed);
    assert_eq!(bench.state("b"), ResourceState::Online);
}

#[test]
fn restarts_in_place_come_back_when_their_window_has_passed() {
    let exec = json!({"command": ["/bin/a"], "restarts": 1, "restartWindow": "60s"});
    let mut bench = Bench::online(model(&[("a", json!({"exec": exec}))]));
    for _ in 0..5 {
        bench.failed("a");
        assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
        bench.done("a", active());
        bench.advance(60);
    }
}

#[test]
fn a_stop_that_fails_is_retried_and_then_the_server_is_to_be_shut_down() {
    let mut bench = Bench::online(model(&[("a", json!({"deactivation": {"retries": 1}}))]));
    bench.order(OrderAction::Stop);
    assert_eq!(bench.done("a", failed()), ["probe a"]);
    assert_eq!(bench.done("a", active()), ["stop a"]);
    assert_eq!(bench.done("a", Outcome::TimedOut), ["probe a"]);
    assert_eq!(bench.done("a", unknown()), ["Shutdown for a"]);
    assert_eq!(bench.state("a"), ResourceState::StopFailed);
    assert!(matches!(bench.phase(), Some(GroupPhase::StopFailed { .. })));
    assert_eq!(bench.groups.poll_timeout(), None);
    // A new stop order tries again, looking first.
    assert_eq!(bench.order(OrderAction::Stop), ["probe a"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn a_stop_without_an_answer_counts_as_stopped_when_the_probe_says_so() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    bench.order(OrderAction::Stop);
    assert_eq!(bench.done("a", Outcome::TimedOut), ["probe a"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn a_failed_stop_does_what_the_spec_says_and_keeps_what_it_rests_on() {
    for (on_failure, effects) in [("Block", vec![]), ("Reboot", vec!["Reboot for b"])] {
        let b = json!({"dependsOn": ["a"], "deactivation": {"onFailure": on_failure}});
        let mut bench = Bench::online(model(&[("a", json!({})), ("b", b)]));
        bench.order(OrderAction::Stop);
        bench.done("b", failed());
        assert_eq!(bench.done("b", active()), effects);
        assert!(matches!(bench.phase(), Some(GroupPhase::StopFailed { .. })));
        assert_eq!(bench.state("a"), ResourceState::Online);
    }
}

#[test]
fn a_run_order_after_a_failed_stop_adopts_what_the_probe_finds() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    bench.order(OrderAction::Stop);
    bench.done("a", failed());
    bench.done("a", active());
    assert_eq!(bench.order(OrderAction::Run), ["probe a"]);
    bench.done("a", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn dependents_of_a_failed_resource_do_not_start_and_others_do() {
    let mut bench = Bench::new(diamond());
    bench.order(OrderAction::Run);
    bench.done("base", active());
    bench.done("left", failed());
    assert_eq!(bench.done("left", Outcome::Absent), [""; 0]);
    assert_eq!(bench.wants(), Some(Wants::Failover));
    assert_eq!(bench.done("right", active()), [""; 0]);
    assert_eq!(bench.state("top"), ResourceState::Offline);
}

#[test]
fn a_command_that_ends_while_it_is_started_is_looked_at_again() {
    let mut bench = Bench::new(model(&[("a", json!({"activation": {"retries": 1}}))]));
    bench.order(OrderAction::Run);
    assert_eq!(bench.failed("a"), [""; 0]);
    assert_eq!(bench.done("a", active()), ["probe a"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
    bench.done("a", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn a_resource_that_fails_while_it_is_probed_is_probed_again() {
    let mut bench = Bench::doubtful(model(&[("a", json!({}))]));
    bench.drain();
    assert_eq!(bench.failed("a"), [""; 0]);
    assert_eq!(bench.done("a", active()), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.timeout(), ["probe a"]);
    bench.done("a", Outcome::Absent);
    assert_eq!(bench.phase(), None);
}
