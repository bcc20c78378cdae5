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
    on.run(&["haproxy", "-c", "-q", "-f", &path])
        .context("HAProxy does not accept its configuration (is it installed? scripts/setup.sh)")?;
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use stead::agent::clock::boot_time;

    use super::*;
    use crate::client::Client;
    use crate::lab::{self, Lab, Port};

    const LIMIT: Duration = Duration::from_secs(10);

    /// Listens in the network of a machine.
    fn listen(lab: &Lab, on: &str, port: u16) -> Result<TcpListener> {
        let first = lab.machine(on)?.first_process();
        let entered = thread::spawn(move || {
            lab::enter_network(first)?;
            Ok(TcpListener::bind(("0.0.0.0", port))?)
        });
        entered.join().expect("no panic")
    }

    #[tokio::test]
    async fn the_client_is_served_by_whoever_has_the_probe_port_open() -> Result<()> {
        let mut lab = Lab::new("test-balancer")?;
        let port =
            |number| Port { network: "lan1".into(), address: format!("10.77.0.{number}/24") };
        let mut backends = Vec::new();
        for number in 1..=2 {
            let name = format!("vm{number}");
            lab.start(&name, &[port(number)])?;
            let listener = listen(&lab, &name, 8080)?;
            let body = format!("HTTP/1.0 200 OK\r\n\r\n{name} started 1 listening 2");
            thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let _ = stream.read(&mut [0; 64]);
                    let _ = stream.write_all(body.as_bytes());
                }
            });
            backends.push(Backend { name, address: format!("10.77.0.{number}") });
        }
        lab.start("client", &[port(9)])?;
        let machine = lab.machine("client")?;
        let mut balancer = start(machine, &backends, 8000, 8080, 26001)?;
        let client = Client::start(machine.first_process(), 8000)?;

        let first = listen(&lab, "vm1", 26001)?;
        let since = boot_time()?;
        client.answer_after(since, |server| server == "vm1", LIMIT).await?;
        drop(first);
        let moved = boot_time()?;
        let _second = listen(&lab, "vm2", 26001)?;
        let found = client.answer_after(moved, |server| server == "vm2", LIMIT).await?;
        client.answer_after(found.at, |server| server == "vm2", LIMIT).await?;
        let gap = client.longest_gap(moved)?;
        assert!(gap.before.at < gap.after.at);
        balancer.check()?;
        Ok(())
    }
}
