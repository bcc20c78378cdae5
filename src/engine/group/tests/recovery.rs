use serde_json::json;

use super::bench::{Bench, GROUP, active, diamond, failed, model};
use crate::api::kinds::ResourceState;
use crate::engine::group::{ActivityState, Refused, Target};
use crate::engine::input::Outcome;
use crate::engine::message::{GroupPhase, OrderAction, Wants};

fn activity(bench: &Bench, name: &str) -> Option<ActivityState> {
    bench.groups.activity().get(&name.into()).map(|activity| activity.state)
}

#[test]
fn a_reactivation_takes_along_what_depends_on_it_and_nothing_else() {
    let mut bench = Bench::online(diamond());
    let target = Target::Resource("left".into());
    assert_eq!(bench.groups.reactivate(bench.now, &target), Ok(()));
    assert_eq!(bench.drain(), ["stop top"]);
    assert_eq!(activity(&bench, "left"), Some(ActivityState::Changing));
    assert_eq!(activity(&bench, "right"), Some(ActivityState::Active));
    assert_eq!(bench.phase(), Some(GroupPhase::Starting));
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left"]);
    assert_eq!(activity(&bench, "top"), Some(ActivityState::Changing));
    assert_eq!(bench.done("left", Outcome::Absent), ["start left"]);
    assert_eq!(bench.done("left", active()), ["start top"]);
    assert_eq!(activity(&bench, "left"), Some(ActivityState::Active));
    bench.done("top", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn what_a_failed_start_left_is_stopped_after_what_depends_on_it() {
    let mut bench = Bench::online(model(&[
        ("left", json!({"activation": {"retries": 1}})),
        ("right", json!({})),
        ("top", json!({"dependsOn": ["left", "right"]})),
    ]));
    assert_eq!(bench.failed("left"), ["probe left"]);
    assert_eq!(bench.done("left", Outcome::Absent), [""; 0]);
    bench.groups.reactivate(bench.now, &Target::Resource("left".into())).expect("running");
    assert_eq!(bench.drain(), ["start left"]);
    assert_eq!(bench.done("left", failed()), ["probe left"]);
    assert_eq!(bench.done("left", active()), ["stop top"]);
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left"]);
    assert_eq!(activity(&bench, "right"), Some(ActivityState::Active));
    assert_eq!(bench.done("left", Outcome::Absent), ["start left"]);
    assert_eq!(bench.done("left", active()), ["start top"]);
    bench.done("top", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn the_reactivation_of_a_group_stops_all_of_it_first() {
    let mut bench = Bench::online(model(&[("a", json!({})), ("b", json!({}))]));
    assert_eq!(bench.groups.reactivate(bench.now, &Target::Group(GROUP.into())), Ok(()));
    assert_eq!(bench.drain(), ["stop a", "stop b"]);
    assert_eq!(bench.done("a", Outcome::Absent), [""; 0]);
    assert_eq!(bench.done("b", Outcome::Absent), ["start a", "start b"]);
}

#[test]
fn a_reactivation_that_fails_asks_for_no_failover() {
    let mut bench = Bench::online(diamond());
    bench.groups.reactivate(bench.now, &Target::Resource("top".into())).expect("running");
    bench.drain();
    bench.done("top", Outcome::Absent);
    bench.done("top", failed());
    assert_eq!(activity(&bench, "top"), Some(ActivityState::Changing));
    bench.done("top", Outcome::Absent);
    assert_eq!(bench.wants(), Some(Wants::Nothing));
    assert_eq!(activity(&bench, "top"), Some(ActivityState::Failed));
    // The next rung tries again.
    bench.groups.reactivate(bench.now, &Target::Resource("top".into())).expect("running");
    assert_eq!(bench.drain(), ["start top"]);
    bench.done("top", active());
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
}

#[test]
fn what_waits_for_a_failed_dependency_counts_as_failed() {
    let mut bench = Bench::online(diamond());
    bench.groups.reactivate(bench.now, &Target::Resource("left".into())).expect("running");
    bench.drain();
    bench.done("top", Outcome::Absent);
    bench.done("left", Outcome::Absent);
    bench.done("left", failed());
    bench.done("left", Outcome::Absent);
    assert_eq!(activity(&bench, "left"), Some(ActivityState::Failed));
    assert_eq!(activity(&bench, "top"), Some(ActivityState::Failed));
}

#[test]
fn what_is_not_ordered_to_run_here_is_not_reactivated() {
    let mut bench = Bench::new(diamond());
    let refused = Err(Refused::NotActive(GROUP.into()));
    let target = Target::Resource("left".into());
    assert_eq!(bench.groups.reactivate(bench.now, &target), refused);
    bench.order(OrderAction::Run);
    bench.groups.on_isolated(bench.now);
    assert_eq!(bench.groups.reactivate(bench.now, &target), refused);
    let unknown = Target::Resource("other".into());
    let refused = Err(Refused::Unknown("other".into()));
    assert_eq!(bench.groups.reactivate(bench.now, &unknown), refused);
}

#[test]
fn a_wish_is_held_until_it_is_taken_back_or_ordered_otherwise() {
    let mut bench = Bench::online(model(&[("a", json!({}))]));
    let name = GROUP.into();
    bench.groups.wish(bench.now, &name, Wants::Failover, "monitor m".into()).expect("running");
    assert_eq!(bench.wants(), Some(Wants::Failover));
    bench.groups.wish(bench.now, &name, Wants::Nothing, String::new()).expect("running");
    assert_eq!(bench.phase(), Some(GroupPhase::Online));
    bench.groups.wish(bench.now, &name, Wants::Stop, "monitor m".into()).expect("running");
    assert_eq!(bench.order(OrderAction::Stop), ["stop a"]);
    assert_eq!(bench.phase(), Some(GroupPhase::Stopping));
}

#[test]
fn a_resource_stopped_by_a_final_action_stays_stopped_until_the_next_order() {
    let mut bench = Bench::online(diamond());
    bench.groups.stop_resource(bench.now, &"left".into()).expect("running");
    assert_eq!(bench.drain(), ["stop top"]);
    assert_eq!(bench.done("top", Outcome::Absent), ["stop left"]);
    assert_eq!(bench.done("left", Outcome::Absent), [""; 0]);
    assert_eq!(bench.wants(), Some(Wants::Nothing));
    assert_eq!(activity(&bench, "left"), None);
    assert_eq!(activity(&bench, "top"), None);
    assert_eq!(bench.order(OrderAction::Run), ["start left"]);
}

#[test]
fn a_listener_that_dies_is_left_to_its_monitor() {
    let probe = json!({"type": "ProbePort", "exec": null, "probePort": {"port": 26001}});
    let with = |target: Option<&str>| {
        let mut model = model(&[("p", probe.clone())]);
        if let Some(target) = target {
            let spec = serde_json::from_value(json!({
                "type": "TCP", "tcp": {"port": 1},
                "recovery": {"target": {"kind": "Resource", "name": target}},
            }))
            .expect("spec");
            let monitor = crate::engine::model::MonitorModel {
                spec: std::sync::Arc::new(spec),
                servers: vec!["one".into()],
                while_active: None,
                while_inactive: None,
                target_group: Some(GROUP.into()),
                target_resource: Some(target.into()),
                generation: 1,
            };
            model.monitors.insert("m".into(), monitor);
        }
        let mut bench = Bench::online(model);
        assert_eq!(bench.failed("p"), ["probe p"]);
        assert_eq!(bench.done("p", Outcome::Absent), [""; 0]);
        assert_eq!(bench.state("p"), ResourceState::Failed);
        assert_eq!(activity(&bench, "p"), Some(ActivityState::Failed));
        bench.wants()
    };
    assert_eq!(with(Some("p")), Some(Wants::Nothing));
    assert_eq!(with(None), Some(Wants::Failover));
}
