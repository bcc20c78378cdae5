//! With a real keeper and real scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::agent::clock;
use crate::drivers::process::recovery_script;
use crate::keeper::testing::TestKeeper;

fn host(keeper: &TestKeeper) -> Host {
    Host {
        server: "node1".into(),
        keeper: keeper.connect(),
        addresses: BTreeMap::new(),
        root: keeper.root().to_owned(),
        failures: mpsc::unbounded_channel().0,
        lease: watch::channel(None).1,
        clock: || clock::boot_time().unwrap(),
        cloud: Default::default(),
        supervisors: crate::drivers::resources::exec::Supervisors::default(),
    }
}

fn spec(script: &str, mode: &str, timeout: &str) -> MonitorSpec {
    let command = ["/bin/sh", "-c", script];
    serde_json::from_value(json!({
        "type": "Custom",
        "timeout": timeout,
        "custom": {"command": command, "mode": mode, "normalValues": [0, 10]},
    }))
    .unwrap()
}

async fn check_once(host: &Host, script: &str) -> (CheckResult, String) {
    check(host, &"watch".into(), &spec(script, "Synchronous", "60s")).await
}

#[tokio::test]
async fn the_exit_code_is_the_answer() {
    let keeper = TestKeeper::start();
    let host = host(&keeper);
    for (script, expected) in [
        ("exit 0", CheckResult::Normal),
        ("exit 10", CheckResult::Normal),
        ("exit 1", CheckResult::Error),
        ("kill -9 $$", CheckResult::Error),
    ] {
        let (result, message) = check_once(&host, script).await;
        assert_eq!(result, expected, "{script}: {message}");
    }
    assert_eq!(host.keeper.list().await.unwrap(), [], "exits are forgotten");
}

#[tokio::test]
async fn a_script_that_hangs_times_out_and_is_killed_with_its_children() {
    let keeper = TestKeeper::start();
    let host = host(&keeper);
    let mut events = host.keeper.events();
    let spec = spec("setsid sleep 1000 & sleep 1000", "Synchronous", "200ms");
    let (result, message) = check(&host, &"watch".into(), &spec).await;
    assert_eq!(result, CheckResult::TimedOut, "{message}");
    while !host.keeper.list().await.unwrap().is_empty() {
        events.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_script_that_is_not_there_says_nothing_about_what_it_watches() {
    let keeper = TestKeeper::start();
    let host = host(&keeper);
    let mut spec = spec("", "Synchronous", "60s");
    spec.custom.as_mut().unwrap().command = vec!["/no/such/script".to_owned()];
    let (result, message) = check(&host, &"watch".into(), &spec).await;
    assert_eq!(result, CheckResult::Unknown);
    assert!(message.contains("/no/such/script"), "{message}");
}

#[tokio::test]
async fn the_end_of_an_asynchronous_script_is_the_failure() {
    let keeper = TestKeeper::start();
    let host = host(&keeper);
    let spec = spec("exit 0", "Asynchronous", "60s");
    let (result, message) = check(&host, &"watch".into(), &spec).await;
    assert_eq!(result, CheckResult::Error, "{message}");
}

#[tokio::test]
async fn a_new_agent_finds_the_asynchronous_script_that_runs() {
    let keeper = TestKeeper::start();
    let first = host(&keeper);
    let gate = keeper.root().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("read line < {}; exit 7", gate.display());
    let spec = spec(&script, "Asynchronous", "60s");
    let monitor = MonitorName::from("watch");
    tokio::select! {
        // In this order: it waits for its process before the agent retires.
        biased;
        result = check(&first, &monitor, &spec) => panic!("{result:?}"),
        () = async {
            while first.keeper.list().await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            // As an agent ends: first it retires, then its futures are dropped.
            first.keeper.retire().await.unwrap();
        } => {}
    }
    drop(first);
    let second = host(&keeper);
    let open = tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap());
    let (result, message) = check(&second, &monitor, &spec).await;
    open.await.unwrap();
    assert_eq!(result, CheckResult::Error);
    assert!(message.contains("code 7"), "{message}");
}

#[tokio::test]
async fn a_recovery_script_gives_its_exit_code_or_none() {
    let keeper = TestKeeper::start();
    let host = host(&keeper);
    let command = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let minute = Duration::from_secs(60);
    let script = command("test \"$STEAD_MONITOR $STEAD_SERVER_NAME\" = 'watch node1' && exit 5");
    assert_eq!(recovery_script(&host, "watch", &script, minute).await, Some(5));
    let hangs = command("sleep 1000");
    assert_eq!(recovery_script(&host, "watch", &hangs, Duration::from_millis(200)).await, None);
    let missing = vec!["/no/such/script".to_owned()];
    assert_eq!(recovery_script(&host, "watch", &missing, minute).await, None);
}
