//! Two real servers, each in a network of its own, and moto in a third.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tokio::sync::watch;

use crate::cloud::Moto;
use crate::metadata::{self, Metadata};
use crate::network::{LOOKS_MAX, Network, Process, pause};
use crate::proxy::{self, Faults};
use crate::store_network::connect;

const STEAD: &str = env!("CARGO_BIN_EXE_stead");
/// Where the agents believe that EC2 and Route 53 are: a proxy before moto.
const ENDPOINT: &str = "10.79.0.9:5001";

/// One server.
pub struct Server {
    pub network: Network,
    root: PathBuf,
    agent: Option<Process>,
    keeper: Option<Process>,
}

/// The cluster and its cloud.
pub struct Cluster {
    pub servers: [Server; 2],
    pub moto: Moto,
    pub faults: Faults,
    /// How the metadata of each server's instance behave.
    pub metadata: [watch::Sender<Metadata>; 2],
    pub ids: Value,
    kubeconfig: PathBuf,
    /// Removed with the cluster.
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(&mut self) {
        let run = |subcommand: &str| {
            let log = self.root.join(format!("{subcommand}.log"));
            let log = File::options().create(true).append(true).open(log).unwrap();
            let mut command = self.network.command(STEAD);
            command.arg(subcommand).arg("--root").arg(&self.root);
            command.env("AWS_ACCESS_KEY_ID", "agent").env("AWS_SECRET_ACCESS_KEY", "hunter2");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            Some(Process(command.spawn().unwrap()))
        };
        self.agent = run("agent");
        self.keeper = run("keeper");
    }

    /// What its agent has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.join("agent.log")).unwrap_or_default()
    }

    /// Whether an address is on its loopback.
    pub fn has(&self, address: &str) -> bool {
        let output = self.network.command("ip").args(["-o", "address", "show"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&format!(" {address}/32 "))
    }
}

impl Cluster {
    /// Surroundings, servers and agents, for a virtual address.
    pub fn start(more: impl Fn(&Value) -> String) -> Self {
        Self::of(include_str!("../../manifests/aws/vip.yaml"), more)
    }

    /// The same for another of the published manifests.
    pub fn of(manifest: &str, more: impl Fn(&Value) -> String) -> Self {
        let networks = [Network::new(), Network::new()];
        let cloud = Network::new();
        connect(&networks, &cloud);
        let moto = Moto::inside(cloud);
        let (faults, store) = (Faults::default(), moto.address());
        let proxied = faults.clone();
        let address = ENDPOINT.parse().unwrap();
        inside(moto.network(), async move || proxy::start_at(address, store, proxied).await);
        let metadata = [&networks[0], &networks[1]]
            .map(|network| inside(network, async || metadata::serve(Metadata::NoRole).await));
        let ids = moto.surroundings();
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("cluster.yaml");
        fs::write(&written, format!("{}{}", manifest_for(manifest, &ids), more(&ids))).unwrap();
        let out = folder.path().join("servers");
        let made = Command::new(STEAD)
            .args(["init", "--power", "None", "--filename"])
            .arg(&written)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut number = 0;
        let servers = networks.map(|network| {
            number += 1;
            let root = out.join(format!("node{number}"));
            let mut server = Server { network, root, agent: None, keeper: None };
            server.start();
            server
        });
        let kubeconfig = out.join("admin.kubeconfig");
        Self { servers, moto, faults, metadata, ids, kubeconfig, _folder: folder }
    }

    /// One of the lists of ids.
    pub fn id(&self, list: &str, index: usize) -> String {
        self.ids[list][index].as_str().unwrap().to_owned()
    }

    /// The API can't be reached, or can again.
    pub fn reach_cloud(&self, reachable: bool) {
        let state = if reachable { "up" } else { "down" };
        self.moto.network().ip(&[&format!("link set br0 {state}")]);
    }

    /// Everything of a server is gone at once: neither agent nor keeper may tell anybody that the
    /// other has ended.
    pub fn kill(&mut self, server: usize) {
        let server = &mut self.servers[server];
        if let Some(agent) = &server.agent {
            let _ = kill(agent.pid(), Signal::SIGSTOP);
        }
        for process in [server.keeper.take(), server.agent.take()].into_iter().flatten() {
            let _ = kill(process.pid(), Signal::SIGKILL);
        }
    }

    /// Runs a subcommand on a server.
    pub fn stead(&self, server: usize, arguments: &[&str]) -> Output {
        let mut command = self.servers[server].network.command(STEAD);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).output().unwrap()
    }

    /// Waits until an object, as a server sees it, is as it should be.
    pub fn until(
        &self,
        server: usize,
        (kind, name): (&str, &str),
        is_right: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS_MAX {
            let output = self.stead(server, &["get", kind, name, "--output", "json"]);
            if output.status.success() {
                last = serde_json::from_slice(&output.stdout).unwrap_or_default();
                if is_right(&last["status"]) {
                    return last;
                }
            }
            pause();
        }
        panic!("{kind}/{name} never became right: {last:#}\n{}", self.logs());
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            let log = server.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            text.push_str(&format!("--- {}\n{}\n", server.root.display(), tail.join("\n")));
        }
        text
    }

    /// Everything that the agents wrote.
    pub fn written(&self) -> String {
        self.servers.iter().map(Server::log).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        for server in &mut self.servers {
            drop(server.agent.take());
            if let Some(mut keeper) = server.keeper.take() {
                let _ = kill(keeper.pid(), Signal::SIGTERM);
                let _ = keeper.0.wait();
            }
        }
    }
}

/// Runs something in another network for as long as this process lives; gives what it begins with.
fn inside<T: Send + 'static>(
    network: &Network,
    begin: impl AsyncFnOnce() -> T + Send + 'static,
) -> T {
    let namespace = File::open(format!("/proc/{}/ns/net", network.pid())).unwrap();
    let (sender, begun) = mpsc::channel();
    thread::spawn(move || {
        setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(begin().await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    begun.recv().unwrap()
}

/// A published manifest with the ids of this cloud, and addresses of the test.
fn manifest_for(manifest: &str, ids: &Value) -> String {
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    let replaced = [
        ("lan1: 10.0.10.10", "lan1: 10.77.0.1".to_owned()),
        ("lan1: 10.0.20.10", "lan1: 10.77.0.2".to_owned()),
        ("lan1: 10.0.110.10", "lan1: 10.77.0.1".to_owned()),
        ("lan1: 10.0.120.10", "lan1: 10.77.0.2".to_owned()),
        (
            "arbitration: {type: HTTP, http: {host: aws.amazon.com, port: 443}}",
            format!(
                "aws:\n    region: us-east-1\n    endpoints: \
                 {{ec2: 'http://{ENDPOINT}', route53: 'http://{ENDPOINT}'}}\n  \
                 arbitration: {{type: HTTP, http: {{host: 10.79.0.9, port: 5000, path: /moto-api/, \
                 tls: Disabled}}}}"
            ),
        ),
        ("vpc-0a1b2c3d4e5f60001", id(&ids["vpc"])),
        ("eni-0a1b2c3d4e5f60001", id(&ids["enis"][0])),
        ("eni-0a1b2c3d4e5f60002", id(&ids["enis"][1])),
        ("i-0a1b2c3d4e5f60001", id(&ids["instances"][0])),
        ("i-0a1b2c3d4e5f60002", id(&ids["instances"][1])),
        ("eipalloc-0a1b2c3d4e5f60001", id(&ids["allocation"])),
        ("ABCDEFGHIJK123", id(&ids["zone"])),
        ("ap-northeast-1a", "us-east-1a".to_owned()),
        ("ap-northeast-1c", "us-east-1b".to_owned()),
    ];
    let filled = replaced
        .iter()
        .fold(manifest.to_owned(), |manifest, (from, to)| manifest.replace(from, to));
    for left in ["0a1b2c3d4e5f6", "ap-northeast", "lan1: 10.0.", "aws.amazon.com"] {
        assert!(!filled.contains(left), "{left}... is left in the manifest");
    }
    filled
}
