//! A cluster of real processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::network::{LOOKS_MAX, Network};
pub use crate::network::{pause, until};

/// The program under test.
const STEAD: &str = env!("CARGO_BIN_EXE_stead");

/// Networks of the loopback: one for each cluster of each test process.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// Three servers; two, where each is in a network of its own.
pub struct Cluster {
    /// The servers.
    pub servers: Vec<Server>,
    kubeconfig: PathBuf,
    /// What joins the servers' networks; whoever asks the cluster is there.
    switch: Option<Network>,
    /// Removed with the cluster.
    _folder: tempfile::TempDir,
}

/// One server: a keeper and an agent.
pub struct Server {
    /// Its name.
    pub name: String,
    /// Folder that its files are under.
    pub root: PathBuf,
    /// Its keeper, while it runs.
    pub keeper: Option<Process>,
    /// Its agent, while it runs.
    pub agent: Option<Process>,
    /// Process 1 of its namespace, where it has one.
    pub first: Option<u32>,
    network: Option<Network>,
}

/// A process that is killed when it is dropped.
pub struct Process(Child);

/// A wall clock of one's own, for programs that are started with it.
pub struct Clock {
    library: PathBuf,
    seconds: PathBuf,
}

impl Clock {
    /// One that is so many seconds ahead; its files are in this folder.
    pub fn ahead(folder: &Path, seconds: i64) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo/faults/clock.c");
        let clock = Self { library: folder.join("clock.so"), seconds: folder.join("seconds") };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&clock.library).arg(source);
        assert!(compiler.status().unwrap().success());
        fs::write(&clock.seconds, seconds.to_string()).unwrap();
        clock
    }

    fn wind(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_STEP", &self.seconds);
    }
}

impl Process {
    fn start(server: &Server, subcommand: &str, clock: Option<&Clock>) -> Self {
        let mut command = program_in(server.network.as_ref(), STEAD);
        command.arg(subcommand).arg("--root").arg(&server.root);
        if let Some(clock) = clock {
            clock.wind(&mut command);
        }
        Self::run(&server.root, subcommand, command)
    }

    fn run(root: &Path, name: &str, mut command: Command) -> Self {
        let log = root.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end; whether it ended in good order.
    pub fn wait(mut self) -> bool {
        self.0.wait().unwrap().success()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Signals every process of a namespace: stopped, they stand still as in a machine that is paused.
pub fn signal_namespace(first: u32, signal: Signal) {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let own = namespace(&first.to_string()).unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if namespace(&name).as_ref() == Some(&own)
            && let Ok(number) = name.parse()
        {
            let _ = kill(Pid::from_raw(number), signal);
        }
    }
}

/// A group `web` of one Exec resource `app`, on these servers; `exec` is its settings.
pub fn group(servers: &[&str], exec: &str) -> String {
    format!(
        "---\n\
         apiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\nmetadata: {{name: web}}\n\
         spec: {{servers: [{}]}}\n\
         ---\n\
         apiVersion: stead.dev/v1alpha1\nkind: Resource\nmetadata: {{name: app}}\n\
         spec:\n  group: web\n  type: Exec\n  exec:\n    {exec}\n",
        servers.join(", ")
    )
}

/// A service that writes a word, as the shell reads it, into a journal whenever it starts.
pub fn journaled(word: &str, journal: &Path) -> String {
    let journal = journal.display();
    format!("command: [/bin/sh, -c, 'echo {word} >> {journal}; exec sleep 100000']")
}

/// What a service has written there so far.
pub fn lines(journal: &Path) -> Vec<String> {
    fs::read_to_string(journal).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What a service wrote there that was started this often, and no more. A command is active once it
/// has begun, which may be before it has written anything.
pub fn written(journal: &Path, starts: usize) -> Vec<String> {
    let mut written = Vec::new();
    until("the service writes itself down", || {
        written = lines(journal);
        written.len() >= starts
    });
    assert_eq!(written.len(), starts, "the service was disturbed: {written:?}");
    written
}

/// Reason and message of a condition; empty where there is none.
pub fn condition(object: &Value, type_: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == type_);
    let word = |key: &str| {
        let found = found.as_ref().and_then(|found| found[key].as_str());
        found.unwrap_or_default().to_owned()
    };
    (word("reason"), word("message"))
}

/// Every server.
pub const ALL: [&str; 3] = ["node1", "node2", "node3"];

/// Written before what else a manifest says: the third server votes, and runs nothing.
pub const WITNESS: &str = "  # node3 is a witness\n";

/// A program, in this network if in any.
fn program_in(network: Option<&Network>, program: &str) -> Command {
    network.map_or_else(|| Command::new(program), |network| network.command(program))
}

/// A manifest of three servers and what else is given, in a network that nobody else has.
fn manifest(more: &str) -> String {
    let number = std::process::id().wrapping_mul(16) + NETWORKS.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (100 + number / 250 % 100, number % 250);
    let mut servers = String::new();
    for server in 1..=3 {
        let lan = format!("127.{high}.{low}.{server}");
        let wan = format!("127.{high}.{low}.{}", server + 100);
        let witness = server == 3 && more.starts_with(WITNESS);
        let role = if witness { "role: Witness, " } else { "" };
        servers.push_str(&format!(
            "  - {{name: node{server}, {role}addresses: {{lan: {lan}, wan: {wan}}}}}\n"
        ));
    }
    with_servers(&servers, more)
}

fn with_servers(servers: &str, more: &str) -> String {
    format!(
        "apiVersion: stead.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: test}}\nspec:\n  \
         heartbeat: {{timeout: 1s}}\n  servers:\n{servers}{more}"
    )
}

impl Cluster {
    /// Makes the folders of three servers; starts nothing.
    pub fn new(more: &str) -> Self {
        Self::new_at(more, None)
    }

    /// The same, by another clock.
    pub fn new_at(more: &str, clock: Option<&Clock>) -> Self {
        Self::made_of(&manifest(more), ALL.len(), clock)
    }

    /// Two servers, each in a network of its own, so that they can be parted; starts nothing.
    pub fn apart(more: &str) -> Self {
        let place = |number| format!("10.78.0.{number}");
        let server =
            |number| format!("  - {{name: node{number}, addresses: {{lan: {}}}}}\n", place(number));
        let mut cluster = Self::made_of(&with_servers(&[1, 2].map(server).concat(), more), 2, None);
        let switch = Network::new();
        switch.ip(&["link add br0 type bridge", "address add 10.78.0.254/24 dev br0"]);
        switch.ip(&["link set lo up", "link set br0 up"]);
        for (number, server) in (1..).zip(&mut cluster.servers) {
            let network = Network::new();
            let pid = switch.pid();
            network.ip(&[
                "link set lo up",
                &format!("link add lan type veth peer name port{number} netns {pid}"),
                &format!("address add {}/24 dev lan", place(number)),
                "link set lan up",
            ]);
            switch.ip(&[&format!("link set port{number} up master br0")]);
            server.network = Some(network);
        }
        cluster.switch = Some(switch);
        cluster
    }

    /// The two servers do not hear each other, or do again; whoever asks them reaches both.
    pub fn part(&self, parted: bool) {
        let isolated = if parted { "on" } else { "off" };
        for number in 1..=self.servers.len() {
            let line = format!("link set port{number} type bridge_slave isolated {isolated}");
            self.switch.as_ref().unwrap().ip(&[&line]);
        }
    }

    fn made_of(manifest: &str, servers: usize, clock: Option<&Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifest.yaml");
        fs::write(&file, manifest).unwrap();
        let out = folder.path().join("servers");
        let mut init = Command::new(STEAD);
        init.args(["init", "--power", "None", "--filename"]).arg(&file).arg("--out").arg(&out);
        if let Some(clock) = clock {
            clock.wind(&mut init);
        }
        let made = init.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = |number| {
            let name = format!("node{number}");
            let root = out.join(&name);
            Server { root, name, keeper: None, agent: None, first: None, network: None }
        };
        let servers = (1..=servers).map(server).collect();
        let kubeconfig = out.join("admin.kubeconfig");
        Self { kubeconfig, servers, switch: None, _folder: folder }
    }

    /// The same, every server started.
    pub fn start(more: &str) -> Self {
        let mut cluster = Self::new(more);
        cluster.start_all();
        cluster
    }

    /// Starts every server.
    pub fn start_all(&mut self) {
        self.servers.iter_mut().for_each(Server::start);
    }

    /// Makes keys and certificates anew, with everything else that `stead init` makes.
    pub fn init_again(&self) {
        let folder = self.kubeconfig.parent().unwrap();
        let manifest = folder.parent().unwrap().join("manifest.yaml");
        let mut init = Command::new(STEAD);
        init.args(["init", "--force", "--power", "None", "--filename"]).arg(manifest);
        assert!(init.arg("--out").arg(folder).output().unwrap().status.success());
    }

    /// Runs a subcommand as the admin.
    pub fn stead(&self, arguments: &[&str]) -> Output {
        let mut command = program_in(self.switch.as_ref(), STEAD);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).output().unwrap()
    }

    /// Runs kubectl as the admin.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        let config = format!("--kubeconfig={}", self.kubeconfig.display());
        Command::new(program()).arg(config).args(arguments).output().unwrap()
    }

    /// An object as the API has it now; none where it can't be had.
    pub fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let output = self.stead(&["get", kind, name, "--output", "json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until an object is as it should be.
    pub fn until(&self, kind: &str, name: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            last = self.object(kind, name);
            if let Some(object) = last.take_if(|object| is_right(object)) {
                return object;
            }
            pause();
        }
        panic!("{kind}/{name} never became right: {last:?}\n{}", self.logs());
    }

    /// Waits until a group is active; gives its server.
    pub fn online(&self, group: &str) -> String {
        self.online_where(group, |_| true)
    }

    /// Waits until a group is active on a server that suits.
    pub fn online_where(&self, group: &str, suits: impl Fn(&str) -> bool) -> String {
        let group = self.until("failovergroup", group, |group| {
            let status = &group["status"];
            status["state"] == "Online" && status["server"].as_str().is_some_and(&suits)
        });
        group["status"]["server"].as_str().unwrap().to_owned()
    }

    /// One of the servers.
    pub fn server(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|server| server.name == name).unwrap()
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            for name in ["keeper", "agent"] {
                let log = fs::read_to_string(server.root.join(format!("{name}.log")));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(40)..];
                text.push_str(&format!("--- {} {name}\n{}\n", server.name, tail.join("\n")));
            }
        }
        text
    }
}

/// The kubectl that scripts/setup-kubectl.sh unpacked, else the one in the path.
fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let unpacked = target.join("kubectl/sid/kubectl");
    if unpacked.exists() { unpacked } else { "kubectl".into() }
}

impl Drop for Cluster {
    /// Keepers that are told to end remove their control groups; agents first, so that none tries
    /// to stop its groups in order.
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.kill_namespace();
            drop(server.agent.take());
            if let Some(keeper) = server.keeper.take() {
                keeper.signal(Signal::SIGTERM);
                keeper.wait();
            }
        }
    }
}

impl Server {
    /// Starts keeper and agent, as far as they do not run.
    pub fn start(&mut self) {
        self.start_at(None);
    }

    /// The same, by another clock.
    pub fn start_at(&mut self, clock: Option<&Clock>) {
        // The agent first: it waits for its keeper.
        if self.agent.is_none() {
            self.agent = Some(Process::start(self, "agent", clock));
        }
        if self.keeper.is_none() {
            self.keeper = Some(Process::start(self, "keeper", clock));
        }
    }

    /// One of its keys and certificates.
    pub fn trust(&self, name: &str) -> PathBuf {
        self.root.join("etc/stead/pki").join(name)
    }

    /// Has keys or certificates of another server instead of its own.
    pub fn take_trust(&self, other: &Self, names: &[&str]) {
        for name in names {
            fs::copy(other.trust(name), self.trust(name)).unwrap();
        }
    }

    /// Starts keeper and agent in a process namespace of their own, which lives as long as its
    /// process 1; gives that process.
    pub fn start_in_namespace(&mut self) -> u32 {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        // Process 1 ends both in the order in which units are stopped; `wait` with no child at all would
        // return at once.
        command.arg(
            r#""$1" keeper --root "$2" & k=$!; "$1" agent --root "$2" & a=$!
            sleep infinity &
            trap 'kill $a; wait $a; kill $k; wait $k; exit 0' USR1
            while :; do wait; done"#,
        );
        command.arg("sh").arg(STEAD).arg(&self.root);
        let outer = Process::run(&self.root, "agent", command);
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let first = || fs::read_to_string(&children).ok()?.trim().parse::<u32>().ok();
        until("the namespace has its first process", || first().is_some());
        let first = first().unwrap();
        self.agent = Some(outer);
        self.first = Some(first);
        first
    }

    /// Ends the agent, then the keeper, each in good order.
    pub fn end_in_namespace(&mut self) {
        let first = self.first.unwrap();
        kill(Pid::from_raw(first.cast_signed()), Signal::SIGUSR1).unwrap();
    }

    /// As a power cut.
    pub fn kill_namespace(&mut self) {
        if let Some(first) = self.first.take() {
            let _ = kill(Pid::from_raw(first.cast_signed()), Signal::SIGKILL);
        }
    }

    /// Starts keeper and agent; the agent's state is on a disk of its own of this size.
    pub fn start_on_small_disk(&mut self, size: &str) {
        let disk = self.state_folder();
        fs::create_dir_all(&disk).unwrap();
        self.start_on(&["-t", "tmpfs", "-o", &format!("size={size}"), "none"], &disk);
    }

    /// Starts keeper and agent; the agent finds nothing in a file that others read. `umount` ends that.
    pub fn start_without(&mut self, file: &Path) {
        self.start_on(&["--bind", "/dev/null"], file);
    }

    /// Starts keeper and agent; the agent has something else mounted there.
    fn start_on(&mut self, what: &[&str], place: &Path) {
        self.keeper = Some(Process::start(self, "keeper", None));
        // A mount namespace of its own: nobody else sees it, and it goes with the agent.
        let mut command = program_in(self.network.as_ref(), "unshare");
        command.args(["--mount", "sh", "-c"]);
        command
            .arg(r#"stead=$1 root=$2; shift 2; mount "$@" && exec "$stead" agent --root "$root""#);
        command.args(["sh", STEAD]).arg(&self.root).args(what).arg(place);
        self.agent = Some(Process::run(&self.root, "agent", command));
    }

    /// Ends the agent without a word, and the keeper in good order.
    pub fn stop(&mut self) {
        drop(self.agent.take());
        if let Some(keeper) = self.keeper.take() {
            keeper.signal(Signal::SIGTERM);
            keeper.wait();
        }
    }

    /// Ends it with a service that it runs, if any, as a power cut does: none of them tells anybody
    /// that another has ended.
    pub fn cut_power(&mut self, service: Option<u32>) {
        if let Some(agent) = &self.agent {
            agent.signal(Signal::SIGSTOP);
        }
        drop(self.keeper.take());
        drop(self.agent.take());
        if let Some(service) = service {
            let _ = kill(Pid::from_raw(service.cast_signed()), Signal::SIGKILL);
        }
    }

    /// Ends it, and takes away all that it remembers.
    pub fn lose_disk(&mut self) {
        self.stop();
        fs::remove_dir_all(self.state_folder()).unwrap();
    }

    /// `stead cluster recover` from this server.
    pub fn recover(&self, more: &[&str]) -> Output {
        let mut command = program_in(self.network.as_ref(), STEAD);
        command.args(["cluster", "recover", "--from", &self.name, "--root"]).arg(&self.root);
        command.args(more).output().unwrap()
    }

    /// Runs a shell command in the folder of the agent's state, as the agent sees it.
    pub fn on_its_disk(&self, script: &str) {
        let agent = self.agent.as_ref().unwrap().id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &agent, "sh", "-c"]);
        command.arg(format!("cd \"$1\" && {script}")).arg("sh").arg(self.state_folder());
        let _ = command.stderr(Stdio::null()).status().unwrap();
    }

    /// Its agent's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.join("agent.log")).unwrap_or_default()
    }

    fn state_folder(&self) -> PathBuf {
        self.root.join("var/lib/stead")
    }

    /// Runs another agent of the same root to its end.
    pub fn second_agent(&self) -> Output {
        Command::new(STEAD).args(["agent", "--root"]).arg(&self.root).output().unwrap()
    }
}
