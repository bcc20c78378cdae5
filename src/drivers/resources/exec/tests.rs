//! With a real keeper and real processes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::agent::clock;
use crate::agent::keeper_client::KeeperClient;
use crate::api::kinds::ResourceSpec;
use crate::drivers::resources;
use crate::engine::ids::{GrantId, Term};
use crate::keeper::testing::TestKeeper;

const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    keeper: TestKeeper,
    host: Host,
    failures: UnboundedReceiver<(ResourceName, String)>,
}

fn now() -> Instant {
    clock::boot_time().unwrap()
}

fn host(keeper: &TestKeeper) -> (Host, UnboundedReceiver<(ResourceName, String)>) {
    let client: KeeperClient = keeper.connect();
    client.lease(Some(now() + MINUTE));
    let (sender, failures) = mpsc::unbounded_channel();
    let host = Host {
        server: "node1".into(),
        keeper: client,
        addresses: BTreeMap::new(),
        root: keeper.root().to_owned(),
        failures: sender,
        lease: watch::channel(Some(now() + MINUTE)).1,
        clock: now,
        cloud: Default::default(),
        supervisors: Supervisors::default(),
    };
    (host, failures)
}

impl Bench {
    fn new() -> Self {
        let keeper = TestKeeper::start();
        let (host, failures) = host(&keeper);
        Self { keeper, host, failures }
    }

    /// The agent is replaced.
    async fn replace_agent(&mut self) {
        self.host.keeper.retire().await.unwrap();
        (self.host, self.failures) = host(&self.keeper);
    }

    async fn start(&self, context: &ResourceContext) -> Outcome {
        resources::run(&self.host, ResourceAction::Start, context).await
    }

    async fn stop(&self, context: &ResourceContext) -> Outcome {
        resources::run(&self.host, ResourceAction::Stop, context).await
    }

    async fn probe(&self, context: &ResourceContext) -> Outcome {
        resources::run(&self.host, ResourceAction::Probe, context).await
    }

    async fn runs(&self) -> usize {
        let processes = self.host.keeper.list().await.unwrap();
        processes.iter().filter(|process| process.populated).count()
    }

    fn file(&self, name: &str) -> String {
        self.keeper.root().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }
}

fn shell(script: &str) -> Value {
    json!(["/bin/sh", "-c", script])
}

fn context(exec: Value) -> ResourceContext {
    let spec = json!({"group": "shop", "type": "Exec", "exec": exec});
    ResourceContext {
        group: "shop".into(),
        resource: "app".into(),
        spec: Arc::new(serde_json::from_value::<ResourceSpec>(spec).unwrap()),
        generation: 1,
        order: GrantId { term: Term { number: 1, proposer: "node1".into() }, sequence: 1 },
        reason: OrderReason::Startup,
        home: true,
        previous: None,
        timeout: MINUTE,
    }
}

fn is_active(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Active { .. })
}

#[tokio::test]
async fn a_command_is_active_from_start_to_stop() {
    let bench = Bench::new();
    let context = context(json!({"command": shell("sleep 1000")}));
    assert_eq!(bench.probe(&context).await, Outcome::Absent);
    let started = bench.start(&context).await;
    assert!(is_active(&started));
    assert_eq!(bench.start(&context).await, started, "it is started once");
    assert_eq!(bench.probe(&context).await, started);
    assert_eq!(bench.runs().await, 1);
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.probe(&context).await, Outcome::Absent);
    assert_eq!(bench.host.keeper.list().await.unwrap(), []);
    let mut failures = bench.failures;
    assert!(failures.try_recv().is_err(), "a stop is no failure");
}

#[tokio::test]
async fn a_command_that_ends_is_reported_with_its_exit_code() {
    let mut bench = Bench::new();
    let context = context(json!({"command": shell("exit 3")}));
    assert!(is_active(&bench.start(&context).await));
    let (resource, message) = bench.failures.recv().await.unwrap();
    assert_eq!(resource, "app".into());
    assert!(message.contains("exited with code 3"), "{message}");
    assert_eq!(bench.probe(&context).await, Outcome::Absent);
}

#[tokio::test]
async fn a_daemon_that_a_launcher_leaves_is_supervised() {
    let mut bench = Bench::new();
    let pid = bench.file("pid");
    let script = format!("sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; exit 0");
    let context = context(json!({"command": shell(&script)}));
    assert!(is_active(&bench.start(&context).await));
    while bench.read("pid").is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(is_active(&bench.probe(&context).await));
    assert!(bench.failures.try_recv().is_err());
    let pid: i32 = bench.read("pid").trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    assert_eq!(bench.failures.recv().await.unwrap().0, "app".into());
}

#[tokio::test]
async fn a_command_is_started_again_as_often_as_it_may() {
    let mut bench = Bench::new();
    let script = format!("echo run >> {}; exit 1", bench.file("runs"));
    let context = context(json!({"command": shell(&script), "restarts": 2}));
    bench.start(&context).await;
    bench.failures.recv().await.unwrap();
    assert_eq!(bench.read("runs"), "run\nrun\nrun\n");
}

#[tokio::test]
async fn a_stop_outruns_restarts() {
    let bench = Bench::new();
    let context = context(json!({"command": shell("exit 1"), "restarts": 99}));
    bench.start(&context).await;
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.runs().await, 0);
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_after_its_grace() {
    let bench = Bench::new();
    let script = "trap '' TERM; while :; do sleep 1000; done";
    let context = context(json!({"command": shell(script), "terminationGrace": "100ms"}));
    bench.start(&context).await;
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.runs().await, 0);
}

#[tokio::test]
async fn a_new_agent_adopts_what_runs_and_hears_of_its_end() {
    let mut bench = Bench::new();
    let context = context(json!({"command": shell("sleep 1000")}));
    let started = bench.start(&context).await;
    bench.replace_agent().await;
    assert_eq!(bench.probe(&context).await, started);
    bench.host.keeper.lease(None);
    let (resource, message) = bench.failures.recv().await.unwrap();
    assert_eq!(resource, "app".into());
    assert!(message.contains("lease"), "{message}");
}

#[tokio::test]
async fn scripts_start_and_stop_and_a_new_agent_knows() {
    let mut bench = Bench::new();
    let state = bench.file("state");
    let context = context(json!({
        "start": shell(&format!("echo up > {state}")),
        "stop": shell(&format!("rm {state}")),
    }));
    assert_eq!(bench.probe(&context).await, Outcome::Absent);
    assert!(is_active(&bench.start(&context).await));
    assert_eq!(bench.read("state"), "up\n");
    bench.replace_agent().await;
    assert!(is_active(&bench.probe(&context).await));
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.read("state"), "");
    assert_eq!(bench.probe(&context).await, Outcome::Absent);
}

#[tokio::test]
async fn what_a_start_script_leaves_ends_with_the_stop() {
    let bench = Bench::new();
    let context = context(json!({"start": shell("setsid sleep 1000 & exit 0")}));
    assert!(is_active(&bench.start(&context).await));
    assert_eq!(bench.runs().await, 1);
    assert!(is_active(&bench.probe(&context).await));
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.runs().await, 0);
}

#[tokio::test]
async fn a_start_script_that_fails_is_a_failure_with_its_code_and_leaves_nothing() {
    let bench = Bench::new();
    let context = context(json!({"start": shell("sleep 1000 & echo no table; exit 4")}));
    let outcome = bench.start(&context).await;
    let Outcome::Failed { reason, message } = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, START_FAILED);
    assert!(message.starts_with("start exited with code 4"), "{message}");
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.runs().await, 0);
}

#[tokio::test]
async fn a_start_script_that_hangs_times_out_and_is_killed() {
    let bench = Bench::new();
    let mut context = context(json!({"start": shell("setsid sleep 1000 & sleep 1000")}));
    context.timeout = Duration::from_millis(200);
    assert_eq!(bench.start(&context).await, Outcome::TimedOut);
    assert_eq!(bench.stop(&context).await, Outcome::Absent);
    assert_eq!(bench.runs().await, 0);
}

#[tokio::test]
async fn a_stop_script_that_fails_is_a_failure() {
    let bench = Bench::new();
    let context = context(json!({"start": shell("exit 0"), "stop": shell("exit 1")}));
    bench.start(&context).await;
    let outcome = bench.stop(&context).await;
    assert!(matches!(&outcome, Outcome::Failed { reason, .. } if reason == STOP_FAILED));
    assert!(is_active(&bench.probe(&context).await));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let bench = Bench::new();
    let context = context(json!({"command": ["/no/such/server"]}));
    let outcome = bench.start(&context).await;
    let Outcome::Failed { message, .. } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("/no/such/server"), "{message}");
}

#[tokio::test]
async fn a_future_that_is_dropped_ends_its_script() {
    let bench = Bench::new();
    let started = bench.file("started");
    let context = context(json!({"start": shell(&format!("echo > {started}; sleep 1000"))}));
    tokio::select! {
        outcome = bench.start(&context) => panic!("{outcome:?}"),
        () = async {
            while bench.read("started").is_empty() {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let mut events = bench.host.keeper.events();
    while bench.runs().await > 0 {
        events.recv().await.unwrap();
    }
}

#[tokio::test]
async fn scripts_find_why_and_where_they_run() {
    let bench = Bench::new();
    let write = |name: &str| shell(&format!("env | sort > {}", bench.file(name)));
    let mut context = context(json!({
        "start": write("start"), "stop": write("stop"),
        "environment": {"OWN": "yes", "STEAD_GROUP": "hidden"},
        "compatibilityNames": true,
    }));
    context.reason = OrderReason::FailedOver;
    context.home = false;
    context.previous = Some("node2".into());
    bench.start(&context).await;
    context.reason = OrderReason::Moved;
    bench.stop(&context).await;
    let started = bench.read("start");
    for line in [
        "STEAD_EVENT=FAILOVER",
        "STEAD_SERVER=OTHER",
        "STEAD_SERVER_NAME=node1",
        "STEAD_SERVER_PREVIOUS=node2",
        "STEAD_DISK=SUCCESS",
        "STEAD_GROUP=shop",
        "STEAD_RESOURCE=app",
        "STEAD_FACTOR=",
        "CLP_EVENT=FAILOVER",
        "CLP_SERVER=OTHER",
        "CLP_DISK=SUCCESS",
        "CLP_GROUPNAME=shop",
        "CLP_RESOURCENAME=app",
        "CLP_SERVER_PREV=node2",
        "ARMS_EVENT=FAILOVER",
        "OWN=yes",
    ] {
        assert!(started.lines().any(|found| found == line), "{line} in {started}");
    }
    let stopped = bench.read("stop");
    for line in ["STEAD_EVENT=FAILOVER", "STEAD_FACTOR=GROUPMOVE", "CLP_FACTOR=GROUPMOVE"] {
        assert!(stopped.lines().any(|found| found == line), "{line} in {stopped}");
    }
    context.reason = OrderReason::FailedBack;
    bench.start(&context).await;
    assert!(bench.read("start").lines().any(|line| line == "ARMS_EVENT=RECOVER"));
    let expected = ["PATH=", "HOME=", "LANG=", "PWD=", "_=", "OWN=", "STEAD_", "CLP_", "ARMS_"];
    let foreign = started.lines().find(|line| !expected.iter().any(|it| line.starts_with(it)));
    assert_eq!(foreign, None);
}
