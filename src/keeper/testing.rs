//! A real keeper for tests: a process of its own, which leaves neither processes nor cgroups.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::containment::Holder;
use super::guard::{self, GuardOptions};
use super::protocol::{Hello, Spawn, VERSION};
use super::{KeeperOptions, run, socket_path};
use crate::agent::keeper_client::KeeperClient;

const ROOT: &str = "STEAD_TEST_ROOT";
const CGROUP: &str = "STEAD_TEST_CGROUP";
const GUARD_ROOT: &str = "STEAD_TEST_GUARD_ROOT";
const KEEPER: &str = "STEAD_TEST_KEEPER";
const DONE: &str = "STEAD_TEST_DONE";
const KILLS_AGENT: &str = "STEAD_TEST_KILLS_AGENT";

/// What runs in the keeper's process; by itself it does nothing.
#[test]
fn keeper_process() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    // The keeper of a test that was killed goes with it.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let options = KeeperOptions {
        root,
        cgroup: std::env::var_os(CGROUP).map(PathBuf::from),
        spare_agent: std::env::var_os(KILLS_AGENT).is_none(),
        guard: this_test_as_a_guard,
    };
    run(&options).unwrap();
}

/// What runs in the guard's process; by itself it does nothing.
#[test]
fn guard_process() {
    let Some(root) = std::env::var_os(GUARD_ROOT).map(PathBuf::from) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let cgroup = std::env::var_os(CGROUP).map(PathBuf::from).unwrap();
    let keeper = std::env::var(KEEPER).unwrap().parse().unwrap();
    let timer = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    // Its standard output is the test harness's.
    let ready = File::options().write(true).open("/proc/self/fd/3").unwrap();
    let done = std::env::var(DONE).unwrap().parse().unwrap();
    guard::run(&GuardOptions { root, cgroup, keeper, done }, timer, ready).unwrap();
}

fn this_test_as_a_guard(options: &GuardOptions) -> Command {
    let mut command = Command::new("/bin/sh");
    let test = r#"exec "$0" --exact keeper::testing::guard_process --nocapture 3>&1 >/dev/null"#;
    command.args(["-c", test]).arg(std::env::current_exe().unwrap());
    command.env(GUARD_ROOT, &options.root).env(CGROUP, &options.cgroup);
    command.env(KEEPER, options.keeper.to_string()).env(DONE, options.done.to_string());
    command.env_remove(ROOT);
    command
}

/// The test of this name, as a process of its own.
pub(crate) fn this_test_as_a_process(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A keeper that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct TestKeeper {
    root: TempDir,
    process: Child,
    cgroup: Option<PathBuf>,
    kills_agent: bool,
}

impl TestKeeper {
    /// With the cgroup it finds. It spares its agent, which is the test.
    pub(crate) fn start() -> Self {
        Self::start_with(None, false)
    }

    /// As in the field.
    pub(crate) fn start_that_kills_its_agent() -> Self {
        Self::start_with(None, true)
    }

    /// Where there are no cgroups.
    pub(crate) fn start_without_cgroups() -> Self {
        Self::start_with(Some(Path::new("/proc/self/no-cgroup")), false)
    }

    fn start_with(cgroup: Option<&Path>, kills_agent: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let cgroup = cgroup.map(Path::to_owned);
        let process = Self::launch(root.path(), cgroup.as_deref(), kills_agent);
        Self { root, process, cgroup, kills_agent }
    }

    fn launch(root: &Path, cgroup: Option<&Path>, kills_agent: bool) -> Child {
        let notify = root.join("notify");
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).unwrap();
        let log = File::options().append(true).create(true).open(root.join("keeper.log")).unwrap();
        let mut command = this_test_as_a_process("keeper::testing::keeper_process");
        command.env(ROOT, root).env("NOTIFY_SOCKET", &notify).stderr(log);
        if let Some(cgroup) = cgroup {
            command.env(CGROUP, cgroup);
        }
        if kills_agent {
            command.env(KILLS_AGENT, "yes");
        }
        // Inherited: the test harness's own thread there must not take the keeper's signals.
        let mask = SigSet::from_iter([Signal::SIGTERM, Signal::SIGCHLD]);
        mask.thread_block().unwrap();
        let process = command.spawn().unwrap();
        mask.thread_unblock().unwrap();
        // Only so that a keeper that can't start fails the test instead of holding it up.
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap_or_default();
        let log = fs::read_to_string(root.join("keeper.log")).unwrap_or_default();
        assert_eq!(&buffer[..length], b"READY=1", "the keeper did not start: {log}");
        process
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_path(self.root())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end by itself; whether it was a good one.
    pub(crate) fn wait(&mut self) -> bool {
        self.process.wait().unwrap().success()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(self.root.path(), self.cgroup.as_deref(), self.kills_agent);
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello { version: VERSION, boot: 1, server: "server1".to_owned() }
    }

    pub(crate) fn connect(&self) -> KeeperClient {
        KeeperClient::connect(&self.socket(), self.hello()).unwrap()
    }
}

impl Drop for TestKeeper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // As its successor would: ends what is left, and removes the cgroup.
        Holder::open(self.root.path(), self.cgroup.as_deref()).close();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.root.path().join("keeper.log")).unwrap());
        }
    }
}

/// A shell that runs this.
pub(crate) fn shell(resource: &str, script: &str) -> Spawn {
    Spawn {
        group: "group1".to_owned(),
        resource: resource.to_owned(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        environment: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        ..Spawn::default()
    }
}
