use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, TARGET, monitor};
use crate::api::kinds::MonitorState;
use crate::engine::group::ActivityState;
use crate::engine::input::CheckResult;

const NOTHING: [&str; 0] = [];

/// One error, and what comes of it is carried out.
fn error(bench: &mut Bench) -> String {
    let effects = bench.checked("m", CheckResult::Error);
    match effects.first().map(String::as_str) {
        Some(effect) if effect.starts_with("script") => {
            bench.script_done("m", Some(0));
            "script"
        }
        Some("reactivate r" | "reactivate group g") => {
            bench.reactivated();
            "reactivate"
        }
        Some("failover g") => {
            // It goes, and comes back when the other server fails too.
            bench.activity(Some(ActivityState::Changing));
            bench.activity(None);
            bench.activity(Some(ActivityState::Active));
            "failover"
        }
        Some("stop r") => "stop-resource",
        Some("stop group g") => "stop-group",
        Some("StopAgent") => "stop-agent",
        Some("Shutdown") => "shutdown",
        Some("Reboot") => "reboot",
        Some(other) => panic!("unexpected {other}"),
        None => "-",
    }
    .to_owned()
}

fn row(line: &str) -> (Value, Vec<String>) {
    let (spec, rungs) = line.split_once('|').expect("a bar");
    let fields: Vec<&str> = spec.split_whitespace().collect();
    let [kind, scripts, reactivations, failovers, action] = fields[..] else {
        panic!("five fields: {line}");
    };
    let name = match kind {
        "Resource" => Some(TARGET),
        "Group" => Some("g"),
        _ => None,
    };
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let recovery = json!({
        "target": {"kind": kind, "name": name},
        "scriptRuns": number(scripts),
        "script": {"command": ["/bin/repair"]},
        "reactivations": number(reactivations),
        "failovers": number(failovers),
        "finalAction": action,
    });
    let rungs = rungs.split_whitespace().map(str::to_owned).collect();
    (json!({ "recovery": recovery }), rungs)
}

#[test]
fn every_ladder_of_the_table_is_climbed_rung_by_rung() {
    let table = include_str!("../../../../tests/golden/recovery/ladders.txt");
    let rows = table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut count = 0;
    for line in rows {
        let (spec, rungs) = row(line);
        let mut bench = Bench::new(&[("m", monitor(&spec))]);
        bench.drain();
        let mut climbed = Vec::new();
        for _ in &rungs {
            climbed.push(error(&mut bench));
            assert_eq!(bench.timeout(), ["check m"], "{line}");
        }
        assert_eq!(climbed, rungs, "{line}");
        count += 1;
    }
    assert!(count >= 10);
}

#[test]
fn counters_are_exact_and_start_over_when_it_is_normal_again() {
    let recovery = json!({
        "scriptRuns": 1, "script": {"command": ["/bin/repair"]}, "finalAction": "StopResource",
    });
    let mut bench = Bench::new(&[("m", monitor(&json!({ "recovery": recovery })))]);
    bench.drain();
    for _ in 0..8 {
        error(&mut bench);
        bench.timeout();
    }
    let status = bench.status("m");
    assert_eq!((status.script_runs, status.reactivations, status.failovers), (1, 3, 1));
    assert!(status.final_action_taken);
    assert_eq!(status.failures, 8);
    assert_eq!(bench.checked("m", CheckResult::Normal), ["withdraw g"]);
    let status = bench.status("m");
    assert_eq!((status.script_runs, status.reactivations, status.failovers), (0, 0, 0));
    assert!(!status.final_action_taken);
    assert_eq!(status.failures, 0);
    bench.timeout();
    assert_eq!(error(&mut bench), "script");
}

#[test]
fn retries_are_made_before_every_rung() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"retries": 1})))]);
    bench.drain();
    for _ in 0..3 {
        assert_eq!(error(&mut bench), "-");
        bench.timeout();
        assert_eq!(error(&mut bench), "reactivate");
        bench.timeout();
    }
}

#[test]
fn a_reactivation_is_waited_for_however_long_it_takes() {
    let mut bench = Bench::new(&[("m", monitor(&json!({})))]);
    bench.drain();
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.activity(Some(ActivityState::Changing)), NOTHING);
    assert_eq!(bench.pause(), None);
    bench.pass(Duration::from_secs(1800));
    assert_eq!(bench.activity(Some(ActivityState::Failed)), NOTHING);
    assert_eq!(bench.pause(), Some(Duration::from_secs(10)));
    assert_eq!(bench.timeout(), ["check m"]);
}

#[test]
fn a_recovery_that_is_refused_or_does_not_begin_counts_as_tried() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"recovery": {"reactivations": 2}})))]);
    bench.drain();
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    bench.monitors.on_refused(bench.now, &"m".into(), "no".into());
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.pause(), Some(Duration::from_secs(30)));
    assert_eq!(bench.timeout(), NOTHING);
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Error), ["failover g"]);
    // Nobody takes it: the wait covers a change of views (1.46 s with a time-out of 1 s).
    assert_eq!(bench.pause(), Some(Duration::from_micros(31_463_500)));
    assert_eq!(bench.timeout(), NOTHING);
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
    assert_eq!(bench.status("m").failovers, 1);
    // It works again: the leader need not move it any more.
    bench.timeout();
    assert_eq!(bench.checked("m", CheckResult::Normal), ["withdraw g"]);
}

#[test]
fn a_target_that_is_not_active_here_is_left_alone_and_that_is_told_once() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"recovery": {"finalAction": "Reboot"}})))]);
    bench.drain();
    bench.activity(None);
    let told = bench.error_with_notes("m");
    assert_eq!(told, ["note MonitorError m", "note RecoverySkipped m"]);
    for _ in 0..3 {
        assert_eq!(bench.timeout(), ["check m"]);
        assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
    }
    assert_eq!(bench.status("m").reactivations, 0);
    bench.timeout();
    bench.activity(Some(ActivityState::Active));
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
}

#[test]
fn two_monitors_never_act_on_one_target_at_once() {
    let mut bench = Bench::new(&[("a", monitor(&json!({}))), ("b", monitor(&json!({})))]);
    bench.drain();
    assert_eq!(bench.checked("a", CheckResult::Error), ["reactivate r"]);
    // Not even before the reactivation has begun.
    assert_eq!(bench.checked("b", CheckResult::Error), NOTHING);
    assert_eq!(bench.status("b").message, "it says (waits for the recovery by a)");
    bench.activity(Some(ActivityState::Changing));
    assert_eq!(bench.timeout(), ["check b"]);
    assert_eq!(bench.checked("b", CheckResult::Error), NOTHING);
    bench.activity(Some(ActivityState::Active));
    assert_eq!(bench.timeout(), ["check a", "check b"]);
    assert_eq!(bench.checked("b", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.checked("a", CheckResult::Error), NOTHING);
    assert_eq!((bench.status("a").reactivations, bench.status("b").reactivations), (1, 1));
}

#[test]
fn a_wish_is_taken_back_only_when_no_other_monitor_has_it() {
    let spec = monitor(&json!({"recovery": {"reactivations": 0}}));
    let mut bench = Bench::new(&[("a", spec.clone()), ("b", spec)]);
    bench.drain();
    assert_eq!(bench.checked("a", CheckResult::Error), ["failover g"]);
    bench.monitors.on_refused(bench.now, &"a".into(), "no".into());
    assert_eq!(bench.checked("b", CheckResult::Error), ["failover g"]);
    bench.monitors.on_refused(bench.now, &"b".into(), "no".into());
    assert_eq!(bench.timeout(), ["check a", "check b"]);
    assert_eq!(bench.checked("a", CheckResult::Normal), NOTHING);
    assert_eq!(bench.checked("b", CheckResult::Normal), ["withdraw g"]);
}

#[test]
fn a_monitor_that_is_removed_takes_back_what_it_asked_for() {
    let spec = monitor(&json!({"recovery": {"reactivations": 0}}));
    let mut bench = Bench::new(&[("m", spec)]);
    bench.drain();
    bench.checked("m", CheckResult::Error);
    assert_eq!(bench.model(&[]), ["withdraw g"]);
    assert!(bench.monitors.report().is_empty());
}

#[test]
fn a_script_without_an_end_is_ended_and_counts() {
    let recovery =
        json!({"scriptRuns": 1, "script": {"command": ["/bin/repair"], "timeout": "5s"}});
    let mut bench = Bench::new(&[("m", monitor(&json!({ "recovery": recovery })))]);
    bench.drain();
    assert_eq!(bench.checked("m", CheckResult::Error), ["script /bin/repair for m"]);
    assert_eq!(bench.pause(), Some(Duration::from_secs(15)));
    assert_eq!(bench.timeout(), ["cancel"]);
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.status("m").state, MonitorState::Error);
}
