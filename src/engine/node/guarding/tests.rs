use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::engine::durable::{Durable, Identity};
use crate::engine::ids::{BootId, IncarnationId, Revision};
use crate::engine::input::Input;
use crate::engine::model::{ObjectKey, Objects, StoredObject, WatchdogPlan};
use crate::engine::time::{Instant, Now, WallTime};

const NOW: Now = Now { instant: Instant(1), wall: WallTime(1) };

/// With a heartbeat time-out of 1 s: the lease is 1.2 s, and selfFence 1.35 s without a device.
fn engine(watchdog: Value) -> Engine {
    let servers: Vec<Value> = (1..=3)
        .map(|n| json!({ "name": format!("n{n}"), "addresses": { "lan": format!("10.0.0.{n}") } }))
        .collect();
    let cluster = json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": "c", "uid": "u", "generation": 1 },
        "spec": { "servers": servers, "heartbeat": { "timeout": "1s" }, "watchdog": watchdog },
    });
    let object = StoredObject { revision: Revision(1), json: cluster.to_string().into() };
    let objects = Objects::from([(ObjectKey::new("Cluster", "c"), object)]);
    let identity = Identity {
        server: "n1".into(),
        boot: BootId(1),
        incarnation: IncarnationId(1),
        version: "1".into(),
    };
    Engine::new(identity, Durable::bootstrap(objects, Revision(1)), NOW).unwrap()
}

/// What the keeper is asked for by this input.
fn orders(engine: &mut Engine, input: Input) -> Vec<Option<u32>> {
    engine.handle(NOW, input);
    let effects = std::iter::from_fn(|| engine.poll_effect());
    let orders = effects.filter_map(|effect| {
        if let Effect::Watchdog { seconds } = effect { Some(seconds) } else { None }
    });
    orders.collect()
}

fn meet(engine: &mut Engine) -> Vec<Option<u32>> {
    assert_eq!(orders(engine, Input::Keeper { present: true }), []);
    orders(engine, Input::Guard(GuardNews::SuccessorGuard))
}

fn device(seconds: u32) -> WatchdogArmed {
    let (device, identity) = ("/dev/watchdog".to_owned(), "Software Watchdog".to_owned());
    WatchdogArmed { device, identity, seconds }
}

fn armed(seconds: u32) -> Input {
    Input::Guard(GuardNews::Watchdog(Ok(Some(device(seconds)))))
}

fn refused() -> Input {
    Input::Guard(GuardNews::Watchdog(Err("there is no such device".to_owned())))
}

fn within(milliseconds: u64) -> SelfFence {
    SelfFence::Within(Duration::from_millis(milliseconds))
}

fn plan(engine: &mut Engine, mode: WatchdogMode, seconds: u32) {
    let mut model = (*engine.model).clone();
    model.cluster.watchdog = WatchdogPlan { mode, seconds };
    engine.model = Arc::new(model);
}

#[test]
fn a_device_that_is_there_counts_twice_its_time_out() {
    let mut engine = engine(json!({}));
    assert_eq!(meet(&mut engine), [Some(1)], "the heartbeat time-out");
    assert_eq!(engine.self_fence(), within(1350));
    assert_eq!(orders(&mut engine, armed(1)), []);
    assert_eq!(engine.self_fence(), within(3200));
    let guard = engine.guard();
    assert_eq!((&*guard.by, &*guard.watchdog), ("Watchdog", "Software Watchdog 1 s"));
}

#[test]
fn without_a_device_the_keeper_counts_unless_one_is_required() {
    let mut automatic = engine(json!({ "mode": "Automatic" }));
    meet(&mut automatic);
    assert_eq!(orders(&mut automatic, refused()), [], "it is not asked again and again");
    assert_eq!(automatic.self_fence(), within(1350));
    assert_eq!(automatic.guard().watchdog, "none: there is no such device");

    let mut required = engine(json!({ "mode": "Required", "timeout": "5s" }));
    assert_eq!(meet(&mut required), [Some(5)]);
    assert_eq!(required.self_fence(), within(11_200), "until the keeper has answered");
    orders(&mut required, refused());
    assert_eq!(required.self_fence(), SelfFence::None);
    assert!(required.guard().why.contains("requires"), "{:?}", required.guard());
}

#[test]
fn where_nothing_outside_the_keeper_can_end_services_it_says_so() {
    let mut engine = engine(json!({ "mode": "Off" }));
    let reason = "no cgroup v2".to_owned();
    orders(&mut engine, Input::Keeper { present: true });
    let asked = orders(&mut engine, Input::Guard(GuardNews::SuccessorNone { reason }));
    assert_eq!(asked, [None], "one that an earlier run armed is stopped");
    assert_eq!(engine.self_fence(), SelfFence::None);
    assert!(engine.guard().why.contains("no cgroup v2"), "{:?}", engine.guard());
    orders(&mut engine, Input::Keeper { present: false });
    assert_eq!(engine.self_fence(), SelfFence::None);
}

#[test]
fn without_a_guard_the_time_of_the_unit_counts_too() {
    let mut engine = engine(json!({ "mode": "Off" }));
    meet(&mut engine);
    assert_eq!(engine.self_fence(), within(1350));
    let unit = GuardNews::SuccessorUnit { within: Duration::from_millis(1200) };
    orders(&mut engine, Input::Guard(unit));
    assert_eq!(engine.self_fence(), within(2550));
    assert!(engine.guard().why.contains("1.2"), "{:?}", engine.guard());
    orders(&mut engine, Input::Guard(GuardNews::SuccessorGuard));
    assert_eq!(engine.self_fence(), within(1350));
}

#[test]
fn a_longer_time_out_is_used_once_every_server_has_it_on_disk() {
    let mut engine = engine(json!({}));
    meet(&mut engine);
    orders(&mut engine, armed(1));
    plan(&mut engine, WatchdogMode::Automatic, 10);
    assert_eq!(orders(&mut engine, Input::Timer), []);
    assert_eq!(engine.self_fence(), within(21_200), "it is told at once");
    engine.note_known_self_fence(&"n2".into(), Some(within(21_200)));
    engine.note_known_self_fence(&"n3".into(), Some(within(3200)));
    assert_eq!(orders(&mut engine, Input::Timer), []);
    assert!(engine.guard().why.contains("once n3 know"), "{:?}", engine.guard());
    engine.note_known_self_fence(&"n3".into(), Some(within(21_200)));
    assert_eq!(orders(&mut engine, Input::Timer), [Some(10)]);
    assert_eq!(orders(&mut engine, armed(10)), []);
    assert_eq!(engine.self_fence(), within(21_200));
}

#[test]
fn a_shorter_time_out_is_used_first_and_told_then() {
    let mut engine = engine(json!({ "timeout": "10s" }));
    meet(&mut engine);
    orders(&mut engine, armed(10));
    plan(&mut engine, WatchdogMode::Automatic, 2);
    assert_eq!(orders(&mut engine, Input::Timer), [Some(2)]);
    assert_eq!(engine.self_fence(), within(21_200));
    orders(&mut engine, armed(2));
    assert_eq!(engine.self_fence(), within(5200));
    plan(&mut engine, WatchdogMode::Off, 2);
    assert_eq!(orders(&mut engine, Input::Timer), [None]);
    assert_eq!(engine.self_fence(), within(5200), "it bites until it is stopped");
    orders(&mut engine, Input::Guard(GuardNews::Watchdog(Ok(None))));
    assert_eq!(engine.self_fence(), within(1350));
}

#[test]
fn a_new_agent_raises_what_it_finds_armed_in_two_steps_as_well() {
    let mut engine = engine(json!({ "timeout": "10s" }));
    orders(&mut engine, Input::Keeper { present: true });
    orders(&mut engine, Input::Guard(GuardNews::WatchdogFound(device(2))));
    assert_eq!(orders(&mut engine, Input::Guard(GuardNews::SuccessorGuard)), []);
    for server in ["n2", "n3"] {
        engine.note_known_self_fence(&server.into(), Some(within(21_200)));
    }
    assert_eq!(orders(&mut engine, Input::Timer), [Some(10)]);
}

#[test]
fn a_device_that_fails_is_counted_no_longer() {
    let mut engine = engine(json!({}));
    meet(&mut engine);
    orders(&mut engine, armed(1));
    orders(&mut engine, Input::Guard(GuardNews::WatchdogFailed));
    assert_eq!(engine.self_fence(), within(1350));
    assert!(engine.guard().watchdog.contains("petted"), "{:?}", engine.guard());
}
