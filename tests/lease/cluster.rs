//! Two real servers, each in a network of its own, and a store in a third.
//!
//! ```text
//!   vm1 ---- lan1 ---- vm2        heartbeats
//!      \              /
//!       ---- store ---            moto, on a bridge
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

pub use crate::network::until;
use crate::network::{LOOKS_MAX, Network, Process, pause};
use crate::servers;
use crate::store_network::connect;

const STEAD: &str = env!("CARGO_BIN_EXE_stead");
const MANIFEST: &str = include_str!("../../manifests/lease-two-servers/cluster.yaml");
struct Server {
    network: Network,
    root: PathBuf,
    agent: Option<Process>,
    keeper: Option<Process>,
}

impl Server {
    fn start(&mut self) {
        let run = |subcommand: &str| {
            let log = self.root.join(format!("{subcommand}.log"));
            let log = File::options().create(true).append(true).open(log).unwrap();
            let mut command = self.network.command(STEAD);
            command.arg(subcommand).arg("--root").arg(&self.root);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            Some(Process(command.spawn().unwrap()))
        };
        self.agent = run("agent");
        self.keeper = run("keeper");
    }
}

/// The cluster and its store.
pub struct Cluster {
    servers: [Server; 2],
    store: Network,
    moto: Option<Process>,
    journal: PathBuf,
    kubeconfig: PathBuf,
    watcher: Watcher,
    /// Removed with the cluster.
    folder: tempfile::TempDir,
}

/// Counts how many of the services that ever started live at the same time.
struct Watcher {
    most: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    fn start(journal: PathBuf) -> Self {
        let (most, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (most.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let alive = started(&journal).into_iter().filter(|pid| lives(*pid)).count();
                seen.fetch_max(alive, Ordering::Relaxed);
                pause();
            }
        });
        Self { most, ends, thread: Some(thread) }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn started(journal: &Path) -> Vec<i32> {
    let text = fs::read_to_string(journal).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn lives(process: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return false };
    !status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

impl Cluster {
    /// Networks and store; no agent yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let networks = [Network::new(), Network::new()];
        let store = Network::new();
        connect(&networks, &store);
        let journal = folder.path().join("journal");
        let credentials = folder.path().join("credentials");
        servers::secret(
            &credentials,
            "AWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=hunter2-secret\n",
        );
        let manifest = folder.path().join("cluster.yaml");
        fs::write(&manifest, manifest_for(&journal, &credentials)).unwrap();
        let out = folder.path().join("servers");
        let made = Command::new(STEAD)
            .args(["init", "--power", "None", "--filename"])
            .arg(&manifest)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut number = 0;
        let servers = networks.map(|network| {
            number += 1;
            let root = out.join(format!("vm{number}"));
            Server { network, root, agent: None, keeper: None }
        });
        let kubeconfig = out.join("admin.kubeconfig");
        let watcher = Watcher::start(journal.clone());
        let mut cluster = Self { servers, store, moto: None, journal, kubeconfig, watcher, folder };
        cluster.start_store();
        cluster
    }

    /// Starts agent and keeper of both.
    pub fn start(&mut self) {
        self.servers.iter_mut().for_each(Server::start);
    }

    fn start_store(&mut self) {
        let program = servers::folder().join("moto/bin/moto_server");
        let mut command = self.store.command(program.to_str().unwrap());
        command.args(["-H", "10.79.0.9", "-p", "9000"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.moto = Some(Process(command.spawn().unwrap()));
        let authorization = "authorization: AWS4-HMAC-SHA256 \
                             Credential=a/20260101/us-east-1/s3/aws4_request";
        until("the store comes up", || {
            let mut curl = self.store.command("curl");
            curl.args(["-sf", "-o", "/dev/null", "-X", "PUT", "-H", authorization]);
            curl.arg("http://10.79.0.9:9000/leases").status().unwrap().success()
        });
    }

    /// The store can't be reached, or can again.
    pub fn reach_store(&self, reachable: bool) {
        let state = if reachable { "up" } else { "down" };
        self.store.ip(&[&format!("link set br0 {state}")]);
    }

    /// The servers hear each other, or do not any more.
    pub fn heartbeats(&self, heard: bool) {
        let state = if heard { "up" } else { "down" };
        self.servers[0].network.ip(&[&format!("link set lan1 {state}")]);
    }

    /// Everything of a server is gone at once: neither agent nor keeper may tell anybody that the
    /// other has ended.
    pub fn kill(&mut self, server: usize) {
        let service = self.service();
        if let Some(agent) = &self.servers[server].agent {
            let _ = kill(agent.pid(), Signal::SIGSTOP);
        }
        drop(self.servers[server].keeper.take());
        drop(self.servers[server].agent.take());
        let _ = kill(Pid::from_raw(service), Signal::SIGKILL);
    }

    /// The service that lives now.
    pub fn service(&self) -> i32 {
        let mut alive = None;
        until("a service lives", || {
            alive = started(&self.journal).into_iter().find(|pid| lives(*pid));
            alive.is_some()
        });
        alive.unwrap()
    }

    /// Whether any service lives.
    pub fn serves(&self) -> bool {
        started(&self.journal).into_iter().any(lives)
    }

    /// The most services that were ever seen alive at once.
    pub fn most_at_once(&self) -> usize {
        self.watcher.most.load(Ordering::Relaxed)
    }

    /// Runs a subcommand on a server.
    pub fn stead(&self, server: usize, arguments: &[&str]) -> Output {
        let mut command = self.servers[server].network.command(STEAD);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).output().unwrap()
    }

    /// Waits until the Cluster, as a server sees it, is as it should be.
    pub fn until(&self, server: usize, what: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS_MAX {
            let output = self.stead(server, &["get", "cluster", "--output", "json"]);
            if output.status.success() {
                last = serde_json::from_slice(&output.stdout).unwrap_or_default();
                if last["kind"] == "List" || last["items"].is_array() {
                    last = last["items"][0].take();
                }
                if is_right(&last["status"]) {
                    return last;
                }
            }
            pause();
        }
        panic!("{what}: never: {last:#}\n{}", self.logs());
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            let log = fs::read_to_string(server.root.join("agent.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            text.push_str(&format!("--- {}\n{}\n", server.root.display(), tail.join("\n")));
        }
        text
    }

    /// Everything that the agents wrote.
    pub fn written(&self) -> String {
        let read = |server: &Server| fs::read_to_string(server.root.join("agent.log")).unwrap();
        self.servers.iter().map(read).collect()
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
        assert!(self.folder.path().exists());
    }
}

/// The published manifest with a store, a service and times for a test.
fn manifest_for(journal: &Path, credentials: &Path) -> String {
    let replaced = [
        ("lan1: 10.77.0.1, lan2: 10.78.0.1", "lan1: 10.77.0.1".to_owned()),
        ("lan1: 10.77.0.2, lan2: 10.78.0.2", "lan1: 10.77.0.2".to_owned()),
        (
            "heartbeat: {timeout: 5s, paths: [lan1, lan2]}",
            "heartbeat: {timeout: 1s}\n  returnPolicy: Automatic".to_owned(),
        ),
        ("bucket: example-leases", "bucket: leases".to_owned()),
        (
            "region: eu-central-1",
            format!(
                "region: us-east-1\n        endpoint: http://10.79.0.9:9000\n        \
                 credentials: {{file: {}}}",
                credentials.display()
            ),
        ),
        ("ttl: 15s ", "ttl: 3s ".to_owned()),
        ("timeout: 2s ", "timeout: 1s ".to_owned()),
        (
            "[/usr/local/bin/web, --listen, \"0.0.0.0:8080\"]",
            format!("[/bin/sh, -c, 'echo $$ >> {}; exec sleep 100000']", journal.display()),
        ),
    ];
    let mut manifest = MANIFEST.to_owned();
    for (from, to) in replaced {
        assert!(manifest.contains(from), "{from} is not in the manifest");
        manifest = manifest.replace(from, &to);
    }
    manifest
}
