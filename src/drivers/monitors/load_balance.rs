//! `LoadBalance`: where its resource is not active, nobody listens on the probe port (AZ-5).
//!
//! A stray listener would make the load balancer send clients to a server without the service.

use crate::api::types::{LoadBalanceMonitorSpec, ProbePortSpec};
use crate::drivers::Host;
use crate::drivers::resources::probe_port;
use crate::engine::input::CheckResult;
use crate::keeper::listeners;

/// Checks once.
pub async fn check(
    host: &Host,
    spec: &LoadBalanceMonitorSpec,
    resource: &ProbePortSpec,
) -> (CheckResult, String) {
    let port = resource.port;
    let open = || (CheckResult::Normal, format!("port {port} is open: the resource is active"));
    // Asked before and after the look at the listeners: the resource may start or stop meanwhile,
    // and its own listener is no stray one.
    match probe_port::is_open(host, &spec.resource).await {
        Ok(true) => return open(),
        Ok(false) => {}
        Err(error) => return unknown(port, &error.to_string()),
    }
    let found = match tokio::task::spawn_blocking(move || listeners::listeners(port)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return unknown(port, &error.to_string()),
        Err(error) => return unknown(port, &error.to_string()),
    };
    if found.is_empty() {
        return (CheckResult::Normal, format!("port {port} is closed"));
    }
    match probe_port::is_open(host, &spec.resource).await {
        Ok(true) => open(),
        Ok(false) => {
            let strays: Vec<String> = found.iter().map(ToString::to_string).collect();
            let strays = strays.join("; ");
            (CheckResult::Error, format!("{} is not active here, but {strays}", spec.resource))
        }
        Err(error) => unknown(port, &error.to_string()),
    }
}

fn unknown(port: u16, error: &str) -> (CheckResult, String) {
    (CheckResult::Unknown, format!("failed to find out who listens on port {port}: {error}"))
}
