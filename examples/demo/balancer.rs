//! HAProxy in front of the servers: its health check asks the probe port.

use std::fs;

use anyhow::{Context as _, Result};

use crate::lab::{Machine, Service};

/// Between two health checks: 20 ms, so that what is measured is the cluster, not the balancer.
const CHECK_INTERVAL_MILLISECONDS: u32 = 20;

/// A server behind the balancer.
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
}

/// Starts the balancer on a machine: its port `front` leads to the servers' `application` port.
pub fn start(
    on: &Machine,
    backends: &[Backend],
    front: u16,
    application: u16,
    probe: u16,
) -> Result<Service> {
    let path = on.disk().join("haproxy.cfg");
    fs::write(&path, configuration(backends, front, application, probe))
        .with_context(|| format!("failed to write {}", path.display()))?;
    let path = path.to_string_lossy();
    on.run(&["haproxy", "-c", "-q", "-f", &path]).context(
        "HAProxy does not accept its configuration (is it installed? scripts/setup-demo.sh)",
    )?;
    on.start_service("haproxy", &["haproxy", "-db", "-f", &path])
}

fn configuration(backends: &[Backend], front: u16, application: u16, probe: u16) -> String {
    let mut text = format!(
        "global
    # Checks are not spread over their interval: all servers are asked at once.
    spread-checks 0
defaults
    mode tcp
    retries 0
    timeout connect 100ms
    timeout check {CHECK_INTERVAL_MILLISECONDS}ms
    timeout client 5s
    timeout server 5s
listen application
    bind 127.0.0.1:{front}
    default-server check port {probe} inter {CHECK_INTERVAL_MILLISECONDS}ms fall 1 rise 1 \
         on-marked-down shutdown-sessions
"
    );
    for Backend { name, address } in backends {
        text.push_str(&format!("    server {name} {address}:{application}\n"));
    }
    text
}
