use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, TARGET, monitor};
use crate::api::kinds::MonitorState;
use crate::engine::group::ActivityState;
use crate::engine::input::CheckResult;

const NOTHING: [&str; 0] = [];

#[test]
fn a_monitor_begins_after_its_start_delay_and_waits_from_the_end_of_a_check() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"startDelay": "30s"})))]);
    assert_eq!(bench.drain(), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Unknown);
    assert_eq!(bench.pause(), Some(Duration::from_secs(30)));
    assert_eq!(bench.timeout(), ["check m"]);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.checked("m", CheckResult::Normal), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Normal);
    assert_eq!(bench.status("m").milliseconds, 3000);
    assert_eq!(bench.pause(), Some(Duration::from_secs(10)));
    assert_eq!(bench.timeout(), ["check m"]);
}

#[test]
fn a_monitor_is_in_error_after_its_retries() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"retries": 2})))]);
    bench.drain();
    for failures in 1..=2 {
        assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
        assert_eq!(bench.status("m").failures, failures);
        assert_eq!(bench.status("m").state, MonitorState::Warning);
        bench.timeout();
    }
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.status("m").state, MonitorState::Error);
    assert_eq!(bench.status("m").reactivations, 1);
}

#[test]
fn errors_count_in_a_row_only() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"retries": 1})))]);
    bench.drain();
    for _ in 0..3 {
        assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
        bench.timeout();
        assert_eq!(bench.checked("m", CheckResult::Normal), NOTHING);
        bench.timeout();
    }
    assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
    bench.timeout();
    assert_eq!(bench.checked("m", CheckResult::Warning), NOTHING);
    bench.timeout();
    assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
}

#[test]
fn a_check_without_an_answer_counts_as_its_spec_says() {
    let run = |on_timeout: &str| {
        let mut bench = Bench::new(&[("m", monitor(&json!({"onTimeout": on_timeout})))]);
        bench.drain();
        bench.checked("m", CheckResult::Normal);
        bench.timeout();
        let effects = bench.checked("m", CheckResult::TimedOut);
        (effects, bench.status("m").state, bench.status("m").failures)
    };
    assert_eq!(run("Recover"), (vec!["reactivate r".into()], MonitorState::Error, 1));
    assert_eq!(run("Warn"), (vec![], MonitorState::Warning, 0));
    assert_eq!(run("Ignore"), (vec![], MonitorState::Normal, 0));
}

#[test]
fn a_slow_check_is_a_warning_and_works() {
    let mut bench = Bench::new(&[("m", monitor(&json!({"warnAtPercent": 40})))]);
    bench.drain();
    bench.pass(Duration::from_millis(1999));
    bench.checked("m", CheckResult::Normal);
    assert_eq!(bench.status("m").state, MonitorState::Normal);
    bench.timeout();
    bench.pass(Duration::from_millis(2000));
    assert_eq!(bench.checked("m", CheckResult::Normal), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Warning);
    assert_eq!(bench.status("m").message, "it says (took 2000 ms of 5s)");
}

#[test]
fn an_answer_that_is_lost_or_unknown_is_no_error() {
    let mut bench = Bench::new(&[("m", monitor(&json!({})))]);
    bench.drain();
    assert_eq!(bench.pause(), Some(Duration::from_secs(15)));
    assert_eq!(bench.timeout(), ["cancel"]);
    assert_eq!(bench.status("m").state, MonitorState::Unknown);
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Unknown), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Unknown);
    assert_eq!(bench.status("m").failures, 0);
}

#[test]
fn a_monitor_while_active_follows_its_resource() {
    let spec = json!({"timing": "WhileActive", "whileActive": TARGET, "startDelay": "2s"});
    let mut bench = Bench::new(&[("m", monitor(&spec))]);
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.activity(Some(ActivityState::Changing)), ["cancel"]);
    assert_eq!(bench.status("m").state, MonitorState::Suspended);
    assert_eq!(bench.status("m").message, "r is changing");
    assert_eq!(bench.activity(None), NOTHING);
    assert_eq!(bench.status("m").message, "r is not active here");
    assert_eq!(bench.pause(), None);
    assert_eq!(bench.activity(Some(ActivityState::Active)), NOTHING);
    assert_eq!(bench.pause(), Some(Duration::from_secs(2)));
    // What has failed is still to be watched: its recovery depends on it.
    assert_eq!(bench.activity(Some(ActivityState::Failed)), NOTHING);
    assert_eq!(bench.timeout(), ["check m"]);
}

#[test]
fn a_load_balance_monitor_monitors_where_its_resource_is_not_active_and_moves_nothing() {
    let spec = json!({
        "type": "LoadBalance", "tcp": null, "loadBalance": {"resource": TARGET},
        "recovery": {"target": {"kind": "LocalServer"}, "reactivations": 0, "failovers": 0},
    });
    let mut bench = Bench::new(&[("m", monitor(&spec))]);
    assert_eq!(bench.drain(), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Suspended);
    assert_eq!(bench.activity(None), ["check m"]);
    for _ in 0..3 {
        assert_eq!(bench.checked("m", CheckResult::Error), NOTHING);
        assert_eq!(bench.status("m").state, MonitorState::Error);
        assert_eq!(bench.timeout(), ["check m"]);
    }
    assert_eq!(bench.checked("m", CheckResult::Normal), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Normal);
}

#[test]
fn a_monitor_is_suspended_and_resumed_by_its_spec() {
    let mut bench = Bench::new(&[("m", monitor(&json!({})))]);
    assert_eq!(bench.drain(), ["check m"]);
    assert_eq!(bench.model(&[("m", monitor(&json!({"suspended": true})))]), ["cancel"]);
    assert_eq!(bench.status("m").state, MonitorState::Suspended);
    assert_eq!(bench.pause(), None);
    assert_eq!(bench.model(&[("m", monitor(&json!({})))]), ["check m"]);
    assert_eq!(bench.model(&[("m", monitor(&json!({})))]), NOTHING);
}

#[test]
fn a_monitor_of_other_servers_is_not_here() {
    let mut elsewhere = monitor(&json!({}));
    elsewhere.servers = vec!["two".into()];
    let mut bench = Bench::new(&[("m", elsewhere)]);
    assert_eq!(bench.drain(), NOTHING);
    assert!(bench.monitors.report().is_empty());
}

#[test]
fn a_script_that_runs_until_it_ends_is_normal_once_it_has_run_for_an_interval() {
    let spec = json!({
        "type": "Custom", "tcp": null,
        "custom": {"command": ["/bin/watch"], "mode": "Asynchronous"},
    });
    let mut bench = Bench::new(&[("m", monitor(&spec))]);
    assert_eq!(bench.drain(), ["check m"]);
    assert_eq!(bench.pause(), Some(Duration::from_secs(10)));
    assert_eq!(bench.timeout(), NOTHING);
    assert_eq!(bench.status("m").state, MonitorState::Normal);
    assert_eq!(bench.pause(), None);
    // Its end is the failure, whatever its exit code; one that ends at once climbs on.
    assert_eq!(bench.checked("m", CheckResult::Normal), ["reactivate r"]);
    bench.reactivated();
    assert_eq!(bench.timeout(), ["check m"]);
    assert_eq!(bench.checked("m", CheckResult::Error), ["reactivate r"]);
    assert_eq!(bench.status("m").reactivations, 2);
}

#[test]
fn a_check_that_takes_about_as_long_as_the_last_is_no_change() {
    let mut bench = Bench::new(&[("m", monitor(&json!({})))]);
    bench.drain();
    bench.pass(Duration::from_millis(40));
    bench.checked("m", CheckResult::Normal);
    let version = bench.monitors.version();
    bench.timeout();
    bench.pass(Duration::from_millis(50));
    bench.checked("m", CheckResult::Normal);
    assert_eq!(bench.monitors.version(), version);
    assert_eq!(bench.status("m").milliseconds, 50);
    bench.timeout();
    bench.pass(Duration::from_millis(500));
    bench.checked("m", CheckResult::Normal);
    assert!(bench.monitors.version() > version);
}
