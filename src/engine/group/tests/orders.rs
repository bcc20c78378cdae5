use serde_json::json;

use super::bench::{Bench, GROUP, active, diamond, failed, model, order_id, unknown};
use crate::api::kinds::{ApplyChanges, ResourceState};
use crate::engine::group::ActivityState;
use crate::engine::input::Outcome;
use crate::engine::message::{GroupPhase, OrderAction, OrderReason};

#[test]
fn a_diamond_starts_in_order_and_stops_in_reverse() {
    let mut bench = Bench::new(diamond());
    assert_eq!(bench.phase(), None);
    assert_eq!(bench.order(OrderAction::Run), ["start base"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("base", active()), ["start left", "start right"]);
    assert_eq!(bench.done("right", active()), [""; 0]);
    assert_eq!(bench.done("left", active()), ["start top"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("top", active()), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Online));

    assert_eq!(bench.order(OrderAction::Stop), ["stop top"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left", "stop right"]);
    assert_eq!(bench.done("left", Outcome::Absent), [""; 0]);
    assert_eq!(bench.done("right", Outcome::Absent), ["stop base"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("base", Outcome::Absent), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
    assert_eq!(bench.held_under(), Some(order_id(2)));
    assert_eq!(bench.groups.poll_timeout(), None);
}

#[test]
fn each_step_is_told_once_and_in_order() {
    let mut bench = Bench::new(model(&[("a", json!({}))]));
    let order = crate::engine::message::Order {
        group: GROUP.into(),
        id: order_id(1),
        action: OrderAction::Run,
        reason: OrderReason::Started,
        previous: None,
    };
    bench.groups.on_order(bench.now, &order);
    let told = bench.drain_all();
    assert_eq!(told, ["note ResourceStarting a", "start a", "note GroupStarting g"]);
    bench.answer("a", active());
    assert_eq!(bench.drain_all(), ["note ResourceOnline a", "note GroupOnline g"]);
}

#[test]
fn a_stop_order_cuts_a_start_short_and_then_stops() {
    let mut bench = Bench::new(diamond());
    bench.order(OrderAction::Run);
    bench.done("base", active());
    let effects = bench.order(OrderAction::Stop);
    assert_eq!(effects, ["cancel left", "cancel right", "stop left", "stop right"]);
    bench.done("left", Outcome::Absent);
    assert_eq!(bench.done("right", Outcome::Absent), ["stop base"]);
    bench.done("base", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn a_late_answer_of_cancelled_work_is_not_taken() {
    let mut bench = Bench::new(model(&[("a", json!({}))]));
    bench.order(OrderAction::Run);
    let start = bench.work("a");
    assert_eq!(bench.order(OrderAction::Stop), ["cancel a", "stop a"]);
    bench.groups.on_resource_done(bench.now, start, Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    bench.groups.on_resource_done(bench.now, start, active());
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    bench.done("a", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn a_run_order_during_a_stop_waits_for_it() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    assert_eq!(bench.order(OrderAction::Stop), ["stop a"]);
    assert_eq!(bench.order(OrderAction::Run), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
    bench.done("a", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn a_newer_run_order_adopts_what_runs() {
    let mut bench = Bench::online(diamond());
    assert_eq!(bench.order_because(OrderAction::Run, OrderReason::Adopted), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
    assert_eq!(bench.held_under(), Some(order_id(2)));
}

#[test]
fn everything_is_probed_before_anything_is_started() {
    let mut bench = Bench::doubtful(diamond());
    assert_eq!(bench.drain(), ["probe base", "probe left", "probe right", "probe top"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.held_under(), Some(bench.groups.default_order()));
    assert_eq!(bench.order(OrderAction::Run), [""; 0]);
    assert_eq!(bench.done("base", active()), [""; 0]);
    assert_eq!(bench.done("left", active()), [""; 0]);
    assert_eq!(bench.done("top", Outcome::Absent), [""; 0]);
    assert_eq!(bench.done("right", Outcome::Absent), ["start right"]);
    assert_eq!(bench.done("right", active()), ["start top"]);
}

#[test]
fn what_was_found_absent_without_an_order_is_not_held() {
    let mut bench = Bench::doubtful(model(&[("a", json!({}))]));
    bench.drain();
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    bench.done("a", Outcome::Absent);
    assert_eq!(bench.phase(), None);
    assert!(bench.groups.report().is_empty());
}

#[test]
fn what_runs_keeps_its_settings_over_a_replacement_of_the_agent() {
    let mut first = Bench::online(model(&[("a", json!({}))]));
    let said = first.groups.news_of_settings().expect("something runs");
    assert_eq!(first.groups.news_of_settings(), None);
    let members = json!({"exec": {"command": ["/bin/other"]}, "generation": 2});
    let mut second = Bench::new(model(&[("a", members)]));
    second.groups.recall_settings(&said);
    second.groups.probe_all(second.now);
    second.drain();
    second.done("a", active());
    assert_eq!(group_generation(&second), 1);
    // What is not running any more starts with the new ones.
    second.order(OrderAction::Stop);
    second.done("a", Outcome::Absent);
    second.order(OrderAction::Run);
    second.done("a", active());
    assert_eq!(group_generation(&second), 2);
}

fn group_generation(bench: &Bench) -> i64 {
    bench.groups.report()[&"a".into()].generation
}

#[test]
fn what_was_certainly_absent_is_not_held_when_the_keeper_has_ended_everything() {
    let mut bench = Bench::doubtful(diamond());
    bench.drain();
    for name in ["base", "left", "right", "top"] {
        bench.done(name, Outcome::Absent);
    }
    assert_eq!(bench.phase(), None);
    bench.groups.probe_again(bench.now);
    assert_eq!(bench.drain(), [""; 0]);
    assert_eq!(bench.phase(), None);
}

#[test]
fn a_stop_order_stops_only_what_the_probe_found() {
    let mut bench = Bench::doubtful(diamond());
    bench.drain();
    bench.order(OrderAction::Stop);
    bench.done("top", Outcome::Absent);
    bench.done("left", active());
    assert_eq!(bench.drain(), [""; 0]);
    bench.done("base", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("right", Outcome::Absent), [""; 0]);
    assert_eq!(bench.done("left", Outcome::Absent), ["stop base"]);
    bench.done("base", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
}

#[test]
fn without_an_order_a_probe_that_cannot_tell_is_repeated_and_nothing_is_changed() {
    let mut bench = Bench::doubtful(model(&[("a", json!({}))]));
    bench.drain();
    for _ in 0..20 {
        assert_eq!(bench.done("a", unknown()), [""; 0]);
        assert_eq!(bench.phase(), Some(GroupPhase::Starting));
        assert_eq!(bench.timeout(), ["probe a"]);
    }
    // With an order the resource is stopped to be sure of it.
    bench.order(OrderAction::Run);
    for _ in 0..2 {
        assert_eq!(bench.done("a", unknown()), [""; 0]);
        assert_eq!(bench.timeout(), ["probe a"]);
    }
    assert_eq!(bench.done("a", unknown()), ["stop a"]);
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
}

#[test]
fn a_new_resource_starts_after_a_deleted_one_has_stopped() {
    let mut bench = Bench::online(model(&[("a", json!({})), ("old", json!({}))]));
    let next = model(&[("a", json!({})), ("new", json!({}))]);
    assert_eq!(bench.model(next), ["probe new", "stop old"]);
    assert_eq!(bench.done("new", Outcome::Absent), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("old", Outcome::Absent), ["start new"]);
    bench.done("new", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
    assert!(!bench.groups.report().contains_key(&"old".into()));
}

#[test]
fn a_changed_setting_waits_for_the_next_activation() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    let exec = json!({"command": ["/bin/service", "--new"]});
    let next = model(&[("a", json!({"exec": exec, "generation": 2}))]);
    assert_eq!(bench.model(next), [""; 0]);
    assert_eq!(bench.groups.report()[&"a".into()].generation, 1);
    bench.order(OrderAction::Stop);
    bench.done("a", Outcome::Absent);
    bench.order(OrderAction::Run);
    assert_eq!(bench.groups.report()[&"a".into()].generation, 2);
}

#[test]
fn a_changed_time_out_counts_at_once() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    let next = json!({"deactivation": {"timeout": "3s"}, "generation": 2});
    assert_eq!(bench.model(model(&[("a", next)])), [""; 0]);
    assert_eq!(bench.groups.report()[&"a".into()].generation, 2);
    bench.order(OrderAction::Stop);
    // Three seconds and the grace for the answer.
    let deadline = bench.groups.poll_timeout().expect("deadline");
    assert_eq!(deadline.since(bench.now.instant).as_secs(), 13);
}

#[test]
fn a_change_applied_immediately_restarts_it_and_what_depends_on_it() {
    let mut bench = Bench::online(diamond());
    let exec = json!({"command": ["/bin/service", "--new"]});
    let mut next = model(&[
        ("base", json!({})),
        ("left", json!({"dependsOn": ["base"], "exec": exec, "generation": 2})),
        ("right", json!({"dependsOn": ["base"]})),
        ("top", json!({"dependsOn": ["left", "right"]})),
    ]);
    for group in next.groups.values_mut() {
        group.apply_changes = ApplyChanges::Immediately;
    }
    assert_eq!(bench.model(next), ["stop top"]);
    assert_eq!(bench.groups.activity()[&"top".into()].state, ActivityState::Changing);
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left"]);
    assert_eq!(bench.done("left", Outcome::Absent), ["start left"]);
    assert_eq!(bench.done("left", active()), ["start top"]);
    bench.done("top", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
    assert_eq!(bench.groups.report()[&"left".into()].generation, 2);
}

#[test]
fn isolation_cancels_probes_and_stops_what_remains_in_reverse() {
    let mut bench = Bench::new(diamond());
    bench.order(OrderAction::Run);
    bench.done("base", active());
    bench.done("left", active());
    bench.groups.on_isolated(bench.now);
    assert_eq!(bench.drain(), ["cancel right", "probe base", "probe left", "probe right"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    bench.done("base", active());
    bench.done("right", Outcome::Absent);
    assert_eq!(bench.done("left", active()), ["stop left"]);
    assert_eq!(bench.done("left", Outcome::Absent), ["stop base"]);
    bench.done("base", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
    assert_eq!(bench.held_under(), Some(order_id(1)));
    assert_eq!(bench.failed("base"), [""; 0]);
    assert_eq!(bench.model(diamond()), [""; 0]);
    assert_eq!(bench.order(OrderAction::Run), ["start base"]);
}

#[test]
fn a_group_that_was_stopped_stays_stopped_through_isolation() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    bench.order(OrderAction::Stop);
    bench.done("a", Outcome::Absent);
    let version = bench.groups.version();
    bench.groups.on_isolated(bench.now);
    assert_eq!(bench.drain(), [""; 0]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
    assert_eq!(bench.groups.version(), version);
}

#[test]
fn a_lost_answer_counts_as_timed_out() {
    let mut bench = Bench::new(model(&[("a", json!({"activation": {"retries": 1}}))]));
    bench.order(OrderAction::Run);
    assert_eq!(bench.timeout(), ["cancel a", "probe a"]);
    assert_eq!(bench.state("a"), ResourceState::Starting);
    assert_eq!(bench.done("a", failed()), [""; 0]);
}

#[test]
fn an_order_about_a_group_that_is_not_known_yet_is_kept() {
    let mut bench = Bench::new(model(&[("a", json!({}))]));
    let mut without = model(&[]);
    without.groups.clear();
    bench.model(without);
    bench.order(OrderAction::Run);
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.model(model(&[("a", json!({}))])), ["probe a"]);
    assert_eq!(bench.done("a", Outcome::Absent), ["start a"]);
}

#[test]
fn a_group_deleted_under_a_run_order_is_stopped_with_the_settings_it_has() {
    let mut bench = Bench::online(diamond());
    let mut without = model(&[]);
    without.groups.clear();
    assert_eq!(bench.model(without), ["stop top"]);
    bench.done("top", Outcome::Absent);
    bench.done("left", Outcome::Absent);
    assert_eq!(bench.done("right", Outcome::Absent), ["stop base"]);
    bench.done("base", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
    // It comes back: the old order does not start it.
    assert_eq!(bench.model(diamond()), ["probe base", "probe left", "probe right", "probe top"]);
    for name in ["base", "left", "right", "top"] {
        assert_eq!(bench.done(name, Outcome::Absent), [""; 0]);
    }
    assert_eq!(bench.order(OrderAction::Run), ["start base"]);
}

#[test]
fn what_is_closed_is_stopped_in_order_and_starts_no_more() {
    let mut bench = Bench::online(diamond());
    bench.groups.close(bench.now);
    assert_eq!(bench.drain(), ["stop top"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left", "stop right"]);
    bench.done("left", Outcome::Absent);
    assert_eq!(bench.done("right", Outcome::Absent), ["stop base"]);
    bench.done("base", Outcome::Absent);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopped));
    assert_eq!(bench.held_under(), Some(order_id(1)));
    assert_eq!(bench.order(OrderAction::Run), [""; 0]);
}
