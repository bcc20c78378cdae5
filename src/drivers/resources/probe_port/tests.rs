use std::net::TcpListener;

use serde_json::json;

use super::*;
use crate::api::types::{LoadBalanceMonitorSpec, ProbePortMonitorSpec};
use crate::drivers::fake_keeper::FakeHost;
use crate::drivers::monitors::{load_balance, probe_port as monitor};
use crate::drivers::resources;
use crate::engine::input::CheckResult;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn context(port: u16) -> ResourceContext {
    FakeHost::context(json!({"group": "group", "type": "ProbePort", "probePort": {"port": port}}))
}

async fn run(fake: &FakeHost, action: ResourceAction, port: u16) -> Outcome {
    resources::run(&fake.host, action, &context(port)).await
}

async fn monitored(fake: &FakeHost) -> (CheckResult, String) {
    monitor::check(&fake.host, &ProbePortMonitorSpec { resource: "resource".into() }).await
}

async fn balanced(fake: &FakeHost, port: u16) -> (CheckResult, String) {
    let spec = LoadBalanceMonitorSpec { resource: "resource".into() };
    load_balance::check(&fake.host, &spec, &ProbePortSpec { port, address: None }).await
}

#[tokio::test]
async fn a_port_opens_and_closes_and_both_monitors_see_it() {
    let fake = FakeHost::new("127.0.0.1");
    let port = free_port();
    assert_eq!(run(&fake, ResourceAction::Probe, port).await, Outcome::Absent);
    assert_eq!(monitored(&fake).await.0, CheckResult::Error);
    assert_eq!(
        balanced(&fake, port).await,
        (CheckResult::Normal, format!("port {port} is closed"))
    );

    let open = Outcome::Active { message: format!(":{port}") };
    assert_eq!(run(&fake, ResourceAction::Start, port).await, open);
    assert_eq!(run(&fake, ResourceAction::Probe, port).await, open);
    let accepts = format!("127.0.0.1:{port} accepts");
    assert_eq!(monitored(&fake).await, (CheckResult::Normal, accepts));
    assert_eq!(balanced(&fake, port).await.0, CheckResult::Normal);

    assert_eq!(run(&fake, ResourceAction::Stop, port).await, Outcome::Absent);
    assert_eq!(run(&fake, ResourceAction::Stop, port).await, Outcome::Absent);
    assert_eq!(run(&fake, ResourceAction::Probe, port).await, Outcome::Absent);
}

#[tokio::test]
async fn a_stray_listener_is_named_until_it_ends() {
    let fake = FakeHost::new("127.0.0.1");
    let stray = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stray.local_addr().unwrap().port();
    let (result, message) = balanced(&fake, port).await;
    assert_eq!(result, CheckResult::Error);
    let named = format!("(pid {}) listens on 127.0.0.1:{port}", std::process::id());
    assert!(message.starts_with("resource is not active here, but "), "{message}");
    assert!(message.ends_with(&named), "{message}");
    drop(stray);
    assert_eq!(balanced(&fake, port).await.0, CheckResult::Normal);
}

#[tokio::test]
async fn a_taken_port_is_a_failure_of_its_own() {
    let fake = FakeHost::new("127.0.0.1");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let outcome = run(&fake, ResourceAction::Start, port).await;
    let Outcome::Failed { reason, message } = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, "PortInUse");
    assert!(message.starts_with(&format!("port {port} is taken: ")), "{message}");
}
