//! Ports: those of the other servers can be reached, and this server's own are free or held by
//! stead.
//!
//! Silence over UDP says nothing: an agent answers only whom it knows. That nothing listens is told
//! by the machine itself, which shows that packets get there.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::holders::{Transport, holders};
use super::{Check, Finding, Settings};
use crate::api::kinds::{ClusterServer, ClusterSpec};
use crate::api::validation::read;
use crate::drivers::resources::floating_ip::links;

/// Asked at the same time.
const IN_FLIGHT_MAX: usize = 16;
/// How long a machine may take to say that nothing listens on a UDP port.
const REFUSAL: Duration = Duration::from_secs(1);
/// Name of our processes.
const OURS: &str = "stead";

/// One port of one server on one path.
struct Port {
    server: String,
    path: String,
    transport: Transport,
    address: SocketAddr,
}

impl Port {
    fn object(&self) -> String {
        format!("{} {}", self.server, self.path)
    }

    fn words(&self) -> String {
        format!("{} {}", self.transport.name(), self.address)
    }
}

/// Looks at every port of every server of the Cluster.
pub(super) async fn examine(objects: &[Value], settings: &Settings) -> Vec<Finding> {
    if !settings.wants(&[Check::Ports]) {
        return Vec::new();
    }
    let cluster = objects.iter().find(|object| object["kind"] == "Cluster");
    let spec: Option<ClusterSpec> = cluster.and_then(|object| read("Cluster", object));
    let Some(spec) = spec else { return Vec::new() };
    let local = local_addresses();
    let is_here = |server: &&ClusterServer| server.addresses.values().any(|a| local.contains(a));
    let here = spec.servers.iter().find(is_here).map(|server| server.name.as_str());
    let ports = ports_of(&spec);
    let looks = ports.iter().map(|port| async move {
        let finding = match here {
            Some(name) if name == port.server => own(port).await,
            _ => other(port, settings.timeout).await,
        };
        (settings.answered)();
        finding
    });
    let looks: Vec<_> = looks.collect();
    let mut findings: Vec<Finding> =
        stream::iter(looks).buffer_unordered(IN_FLIGHT_MAX).collect().await;
    if here.is_none() {
        let text = "this machine has no address of a server: its own ports are not looked at";
        findings.push(Finding::skipped(Check::Ports, "this machine", text));
    }
    findings
}

fn local_addresses() -> BTreeSet<IpAddr> {
    let links = links::links().unwrap_or_default();
    links.iter().flat_map(|link| &link.addresses).map(|(address, _)| *address).collect()
}

fn ports_of(spec: &ClusterSpec) -> Vec<Port> {
    let mut ports = Vec::new();
    for server in &spec.servers {
        for (path, address) in &server.addresses {
            let port = |transport, port| Port {
                server: server.name.clone(),
                path: path.clone(),
                transport,
                address: SocketAddr::new(*address, port),
            };
            ports.push(port(Transport::Udp, server.heartbeat_port));
            ports.push(port(Transport::Tcp, server.heartbeat_port));
            ports.push(port(Transport::Tcp, server.api_port));
        }
    }
    ports
}

/// A port of this machine: free, or held by stead.
async fn own(port: &Port) -> Finding {
    let tried = match port.transport {
        Transport::Tcp => TcpListener::bind(port.address).await.map(|_| ()),
        Transport::Udp => UdpSocket::bind(port.address).await.map(|_| ()),
    };
    let (object, words) = (port.object(), port.words());
    match tried {
        Ok(()) => Finding::ok(Check::Ports, object, format!("{words} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holders = holders(port.transport, port.address.port());
            let ours = |holder: &String| holder.split(' ').next() == Some(OURS);
            if holders.iter().any(ours) {
                return Finding::ok(Check::Ports, object, format!("{words} is held by stead"));
            }
            let names: Vec<String> = holders.into_iter().collect();
            let by = if names.is_empty() {
                "a process that only root can see".to_owned()
            } else {
                names.join(", ")
            };
            let option = if port.transport == Transport::Tcp { "-ltnp" } else { "-lunp" };
            let number = port.address.port();
            Finding::coded(Check::Ports, object, "PortTaken", format!("{words} by {by}")).mended_by(
                format!(
                    "ss {option} 'sport = :{number}' shows it: end it, or set another heartbeatPort \
                     or apiPort of the server"
                ),
            )
        }
        Err(error) => {
            Finding::coded(Check::Ports, object, "PortTaken", format!("{words}: {error}"))
        }
    }
}

async fn other(port: &Port, limit: Duration) -> Finding {
    match port.transport {
        Transport::Tcp => tcp(port, limit).await,
        Transport::Udp => udp(port).await,
    }
}

async fn tcp(port: &Port, limit: Duration) -> Finding {
    let (object, words) = (port.object(), port.words());
    match timeout(limit, TcpStream::connect(port.address)).await {
        Ok(Ok(_)) => Finding::ok(Check::Ports, object, format!("{words} can be reached")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Finding::coded(Check::Ports, object, "PortRefused", words)
        }
        Ok(Err(error)) => silent(port, &error.to_string()),
        Err(_) => silent(port, &format!("no answer within {} s", limit.as_secs_f64())),
    }
}

fn silent(port: &Port, why: &str) -> Finding {
    let message = format!("{}: {why}", port.words());
    let protocol = port.transport.name().to_ascii_lowercase();
    Finding::coded(Check::Ports, port.object(), "PortSilent", message).mended_by(format!(
        "aws ec2 authorize-security-group-ingress --group-id SECURITY-GROUP --protocol {protocol} \
         --port {} --source-group SECURITY-GROUP, or allow it in the firewall, network ACL and \
         routes between the servers",
        port.address.port()
    ))
}

async fn udp(port: &Port) -> Finding {
    let (object, words) = (port.object(), port.words());
    let any: IpAddr = match port.address.ip() {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = async {
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(port.address).await?;
        socket.send(&[0]).await?;
        socket.recv(&mut [0]).await
    };
    match timeout(REFUSAL, asked).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Finding::coded(Check::Ports, object, "PortRefused", words)
        }
        Ok(Err(error)) => silent(port, &error.to_string()),
        Ok(Ok(_)) | Err(_) => {
            let text = format!(
                "{words} refuses nothing; an agent answers only whom it knows: stead get server -o \
                 wide shows whether heartbeats arrive"
            );
            Finding::skipped(Check::Ports, object, text)
        }
    }
}
