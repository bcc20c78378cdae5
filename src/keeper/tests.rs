//! The keeper as a process, with processes.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::broadcast;

use super::lease::boot_time;
use super::protocol::{
    Address, Containment, Datagram, EndedBy, Event, Exit, ExitStatus, Fault, ProcessKind, Spawn,
    Target, WaitFor,
};
use super::testing::{TestKeeper, shell, this_test_as_a_process};
use super::{log_path, socket_path};
use crate::agent::keeper_client::{KeeperClient, KeeperError, KeeperEvent};
use crate::engine::time::Instant;

mod guard;

const MINUTE: Duration = Duration::from_secs(60);
/// In milliseconds, of the agent's process.
const LEASE: &str = "STEAD_TEST_LEASE";

fn lease(client: &KeeperClient, duration: Duration) {
    client.lease(Some(Instant(boot_time()) + duration));
}

fn with_a_lease(keeper: &TestKeeper) -> KeeperClient {
    let client = keeper.connect();
    lease(&client, MINUTE);
    client
}

fn has_cgroups(client: &KeeperClient) -> bool {
    matches!(client.welcome().containment, Containment::Cgroup { .. })
}

fn resource(name: &str) -> Target {
    Target::Resource { group: "group1".to_owned(), resource: name.to_owned() }
}

/// Waits until a process has written a whole line to a named pipe, and gives it.
struct Report(PathBuf);

impl Report {
    fn new(keeper: &TestKeeper) -> Self {
        let path = keeper.root().join("report");
        let _ = fs::remove_file(&path);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The child reports nothing before it is `sleep`: until then the shell's own handler, which
    /// it inherited, may swallow its SIGTERM.
    fn after_which_sigterm_does(&self, action: &str) -> String {
        format!(
            "trap '{action}' TERM; sleep 1000 & \
             until grep -q sleep /proc/$!/comm; do :; done; echo $$ > {}; wait",
            self.path()
        )
    }

    async fn pids(&self) -> Vec<i32> {
        let path = self.0.clone();
        let read = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
        read.await.unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }
}

fn is_gone(pid: i32) -> bool {
    if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return true;
    }
    // A zombie whose parent has not asked for it yet.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

async fn event(events: &mut broadcast::Receiver<KeeperEvent>, wanted: &KeeperEvent) {
    while events.recv().await.unwrap() != *wanted {}
}

#[tokio::test]
async fn an_exit_code_is_told_once_and_kept_until_it_is_forgotten() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let id = client.spawn(shell("app", "exit 3")).await.unwrap().id;
    let exit = Exit { status: ExitStatus::Code(3), ended_by: None };
    assert_eq!(client.wait(id, WaitFor::Empty).await.unwrap(), exit);
    assert_eq!(client.list().await.unwrap()[0].exit, Some(exit));
    client.forget(id);
    assert_eq!(client.list().await.unwrap(), []);
    assert!(matches!(
        client.wait(id, WaitFor::Exit).await,
        Err(KeeperError::Refused(Fault::NoProcess { .. }))
    ));
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_its_grace() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 1000; done", report.path());
    let id = client.spawn(shell("app", &script)).await.unwrap().id;
    let pids = report.pids().await;
    client.kill(resource("app"), Duration::from_millis(50)).await.unwrap();
    assert!(pids.into_iter().all(is_gone));
    let exit = client.wait(id, WaitFor::Empty).await.unwrap();
    let killed = ExitStatus::Signal(Signal::SIGKILL as i32);
    assert_eq!(exit, Exit { status: killed, ended_by: Some(EndedBy::Request) });
}

#[tokio::test]
async fn what_heeds_sigterm_ends_itself() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let script = report.after_which_sigterm_does("exit 7");
    let id = client.spawn(shell("app", &script)).await.unwrap().id;
    report.pids().await;
    client.kill(Target::Group("group1".to_owned()), MINUTE).await.unwrap();
    let exit = client.wait(id, WaitFor::Empty).await.unwrap();
    let ended = Exit { status: ExitStatus::Code(7), ended_by: Some(EndedBy::Request) };
    assert_eq!(exit, ended);
}

#[tokio::test]
async fn what_stands_still_can_end_itself_too() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let app = client.spawn(shell("app", &report.after_which_sigterm_does("exit 7"))).await.unwrap();
    let pid = report.pids().await[0];
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    client.kill(resource("app"), MINUTE).await.unwrap();
    let exit = client.wait(app.id, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Code(7));
}

#[tokio::test]
async fn a_double_fork_that_leaves_its_session_is_held_and_ended() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    if !has_cgroups(&client) {
        return;
    }
    let report = Report::new(&keeper);
    let daemon = format!("echo $$ > {}; exec sleep 1000", report.path());
    let script = format!("(setsid sh -c '{daemon}' &) ; exit 0");
    let id = client.spawn(shell("app", &script)).await.unwrap().id;
    let exit = client.wait(id, WaitFor::Exit).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Code(0));
    let daemon = report.pids().await[0];
    assert!(client.list().await.unwrap()[0].populated);
    assert!(!is_gone(daemon));
    client.kill(resource("app"), Duration::ZERO).await.unwrap();
    assert!(is_gone(daemon));
    assert!(!client.list().await.unwrap()[0].populated);
}

#[tokio::test]
async fn all_children_of_one_that_forks_and_forks_are_ended() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 1000 & sleep 1000 & wait' & \
         pids=\"$pids $!\"; done; echo $pids > {}; wait",
        report.path()
    );
    client.spawn(shell("app", &script)).await.unwrap();
    let pids = report.pids().await;
    assert_eq!(pids.len(), 10);
    client.kill(resource("app"), Duration::ZERO).await.unwrap();
    assert!(pids.into_iter().all(is_gone));
}

#[tokio::test]
async fn a_script_beyond_its_time_out_is_killed_with_all_it_started() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let mut spawn = shell("app", &format!("sleep 1000 & echo $! $$ > {}; wait", report.path()));
    spawn.kind = ProcessKind::Start;
    spawn.timeout_milliseconds = Some(200);
    let id = client.spawn(spawn).await.unwrap().id;
    let pids = report.pids().await;
    let exit = client.wait(id, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.ended_by, Some(EndedBy::TimeOut));
    assert!(pids.into_iter().all(is_gone));
}

#[tokio::test]
async fn gigabytes_of_output_neither_block_nor_fill_the_disk() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let script = "head -c 1500000000 /dev/zero; echo the end";
    let id = client.spawn(shell("app", script)).await.unwrap().id;
    let exit = client.wait(id, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.status, ExitStatus::Code(0));
    let log = log_path(keeper.root(), "app");
    let sizes = fs::read_dir(log.parent().unwrap()).unwrap();
    let total: u64 = sizes.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(total <= 20 << 20, "{total} bytes");
}

#[tokio::test]
async fn nothing_starts_without_a_lease_but_what_stops_and_watches() {
    let keeper = TestKeeper::start();
    let client = keeper.connect();
    for (kind, starts) in [
        (ProcessKind::Service, false),
        (ProcessKind::Start, false),
        (ProcessKind::Stop, true),
        (ProcessKind::Monitor, true),
    ] {
        let result = client.spawn(Spawn { kind, ..shell("app", "exit 0") }).await;
        assert_eq!(result.is_ok(), starts, "{kind:?}");
    }
    assert!(matches!(
        client.open_port("port", vec![[127, 0, 0, 1].into()], 1).await,
        Err(KeeperError::Refused(Fault::NoLease))
    ));
}

#[tokio::test]
async fn the_end_of_the_lease_ends_services_and_ports_but_no_monitor() {
    let keeper = TestKeeper::start();
    let client = keeper.connect();
    let mut events = client.events();
    lease(&client, MINUTE);
    let port = free_port();
    client.open_port("port", vec![[127, 0, 0, 1].into()], port).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let app = client.spawn(shell("app", "setsid sleep 1000 & wait")).await.unwrap().id;
    let watch = Spawn { kind: ProcessKind::Monitor, ..shell("watch", "sleep 1000") };
    let watch = client.spawn(watch).await.unwrap().id;
    lease(&client, Duration::from_millis(100));
    event(&mut events, &KeeperEvent::Keeper(Event::LeaseExpired)).await;
    let exit = client.wait(app, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.ended_by, Some(EndedBy::Lease));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(client.ports().await.unwrap(), []);
    let processes = client.list().await.unwrap();
    let watched = processes.iter().find(|process| process.id == watch).unwrap();
    assert!(watched.populated);
    assert!(matches!(
        client.spawn(shell("app", "exit 0")).await,
        Err(KeeperError::Refused(Fault::NoLease))
    ));
    lease(&client, MINUTE);
    client.spawn(shell("app", "exit 0")).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_taken_back_ends_services_now() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap().id;
    client.lease(None);
    let exit = client.wait(app, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.ended_by, Some(EndedBy::Lease));
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_with_who_holds_it() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = client.open_port("port", vec![[127, 0, 0, 1].into()], port).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    assert!(text.contains(&format!("port {port}")), "{text}");
    drop(holder);
    client.open_port("port", vec![[127, 0, 0, 1].into()], port).await.unwrap();
    client.close_port("port").await.unwrap();
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn a_probe_port_accepts_and_closes() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let port = free_port();
    client.open_port("port", vec![[127, 0, 0, 1].into()], port).await.unwrap();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_process_gets_what_it_is_given_and_nothing_else() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let mut spawn = shell("app", "env; ls /proc/self/fd | wc -l; cat /proc/self/oom_score_adj");
    spawn.environment.push(("GIVEN".to_owned(), "yes".to_owned()));
    spawn.working_directory = Some("/usr".into());
    let id = client.spawn(spawn).await.unwrap().id;
    client.wait(id, WaitFor::Empty).await.unwrap();
    let text = read_log(&keeper, "app", "\n0\n").await;
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("_=")).collect();
    lines.sort_unstable();
    // Three descriptors, and the folder that ls reads.
    assert_eq!(lines, ["0", "4", "GIVEN=yes", "PATH=/usr/bin:/bin", "PWD=/usr"]);
}

/// What was written is carried to the log by a thread of the keeper: waits for its end.
async fn read_log(keeper: &TestKeeper, name: &str, end: &str) -> String {
    let path = log_path(keeper.root(), name);
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.ends_with(end) {
            return text;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_can_not_be_started_is_refused_with_the_reason() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let cases = [
        (Spawn { command: vec!["/no/such/program".into()], ..shell("a", "") }, "No such file"),
        (Spawn { command: vec!["/etc/passwd".into()], ..shell("a", "") }, "Permission denied"),
        (Spawn { command: vec![], ..shell("a", "") }, "no program is named"),
        (Spawn { working_directory: Some("/no/such".into()), ..shell("a", "") }, "/no/such"),
        (shell("../../escape", ""), "can't be the name of a folder"),
        (Spawn { command: vec!["a\0b".into()], ..shell("a", "") }, "nul byte"),
    ];
    for (spawn, expected) in cases {
        let text = client.spawn(spawn).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(client.list().await.unwrap(), []);
}

#[tokio::test]
async fn texts_are_kept_for_the_next_agent_and_services_go_on() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    assert!(client.welcome().all_ended);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    client.remember("orders", Some("run group1".to_owned())).await.unwrap();
    client.retire().await.unwrap();
    drop(client);
    let next = keeper.connect();
    assert!(!next.welcome().all_ended);
    assert_eq!(next.recall("orders").await.unwrap().as_deref(), Some("run group1"));
    let adopted = next.list().await.unwrap();
    assert_eq!((adopted[0].id, adopted[0].pid, adopted[0].populated), (app.id, app.pid, true));
    next.kill(Target::EveryGroup, Duration::ZERO).await.unwrap();
    next.remember("orders", None).await.unwrap();
    assert_eq!(next.recall("orders").await.unwrap(), None);
}

#[tokio::test]
async fn a_lease_that_passes_after_an_agent_retired_ends_everything_and_says_so() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.farewell(vec![datagram(&peer)]);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    lease(&client, Duration::from_millis(100));
    client.retire().await.unwrap();
    assert_eq!(receive(peer).await, b"sealed");
    assert!(is_gone(app.pid.cast_signed()));
    drop(client);
    assert!(keeper.connect().welcome().all_ended);
}

#[tokio::test]
async fn a_second_agent_is_refused_with_the_process_of_the_first() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    let error = KeeperClient::connect(&keeper.socket(), keeper.hello()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(!is_gone(app.pid.cast_signed()));
    assert!(client.is_present());
}

#[tokio::test]
async fn garbage_is_hung_up_on_and_disturbs_nobody() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    let frames: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[255; 64],
        b"\0\0\0\x02{]",
        b"\0\0\0\x13{\"id\":1,\"request\":7}",
        b"\0\0\0\x04\xff\xfe\xfd\xfc",
    ];
    for frame in frames {
        let mut stream = UnixStream::connect(keeper.socket()).unwrap();
        stream.write_all(frame).unwrap();
        let mut rest = Vec::new();
        // It is closed; where unread bytes were left the kernel calls that a reset.
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{frame:?}");
    }
    // Cut off in the middle of a frame.
    let mut stream = UnixStream::connect(keeper.socket()).unwrap();
    stream.write_all(b"\0\0\x10\0{").unwrap();
    drop(stream);
    // A call before hello.
    let mut stream = UnixStream::connect(keeper.socket()).unwrap();
    stream.write_all(b"\0\0\0\x19{\"id\":9,\"request\":\"List\"}").unwrap();
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer[4..length]).into_owned();
    assert!(text.contains("NotGreeted"), "{text}");
    assert_eq!(client.list().await.unwrap()[0].pid, app.pid);
    assert!(!is_gone(app.pid.cast_signed()));
}

#[tokio::test]
async fn without_cgroups_process_groups_are_used_and_it_says_so() {
    let keeper = TestKeeper::start_without_cgroups();
    let client = with_a_lease(&keeper);
    let Containment::ProcessGroups { reason } = client.welcome().containment else {
        panic!("it uses cgroups");
    };
    assert!(!reason.is_empty());
    let report = Report::new(&keeper);
    let script = format!("sleep 1000 & echo $! $$ > {}; wait", report.path());
    let app = client.spawn(shell("app", &script)).await.unwrap().id;
    let pids = report.pids().await;
    client.lease(None);
    let exit = client.wait(app, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.ended_by, Some(EndedBy::Lease));
    assert!(pids.into_iter().all(is_gone));
    lease(&client, MINUTE);
    let app = client.spawn(shell("app", "trap '' TERM; sleep 1000 & wait")).await.unwrap().id;
    client.kill(resource("app"), Duration::from_millis(10)).await.unwrap();
    let exit = client.wait(app, WaitFor::Empty).await.unwrap();
    assert_eq!(exit.ended_by, Some(EndedBy::Request));
}

#[tokio::test]
async fn a_keeper_that_is_killed_takes_its_services_with_it_and_is_found_again() {
    let mut keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let mut events = client.events();
    let report = Report::new(&keeper);
    let script = format!("setsid sleep 1000 & echo $! $$ > {}; wait", report.path());
    let app = client.spawn(shell("app", &script)).await.unwrap();
    let pids = report.pids().await;
    let waiting = client.wait(app.id, WaitFor::Empty);
    let (waited, ()) = tokio::join!(waiting, async { keeper.kill() });
    assert!(matches!(waited, Err(KeeperError::Lost)));
    event(&mut events, &KeeperEvent::Lost).await;
    keeper.restart();
    while !matches!(events.recv().await.unwrap(), KeeperEvent::Connected(_)) {}
    assert!(pids.into_iter().all(is_gone));
    assert!(client.welcome().all_ended);
    assert_eq!(client.list().await.unwrap(), []);
}

/// Whether loopback has the address of these tests, in the network of this thread.
fn has_floating_address() -> bool {
    let shown = Command::new("ip").args(["-o", "address", "show", "dev", "lo"]).output().unwrap();
    String::from_utf8_lossy(&shown.stdout).contains("10.77.0.9/24")
}

/// In a network of its own, with a floating address on loopback.
fn with_floating_address(test: impl AsyncFnOnce(Address) + Send + 'static) {
    let run = move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let added =
            Command::new("ip").args(["address", "add", "10.77.0.9/24", "dev", "lo"]).status();
        assert!(added.unwrap().success() && has_floating_address());
        let address =
            Address { interface: "lo".into(), address: [10, 77, 0, 9].into(), prefix: 24 };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test(address));
    };
    std::thread::spawn(run).join().unwrap();
}

#[test]
fn the_floating_address_of_a_keeper_that_is_killed_goes_with_its_services() {
    with_floating_address(async |address| {
        let mut keeper = TestKeeper::start();
        let client = with_a_lease(&keeper);
        let mut events = client.events();
        client.register_address(address).await.unwrap();
        keeper.kill();
        event(&mut events, &KeeperEvent::Lost).await;
        assert!(!has_floating_address());
    });
}

#[test]
fn what_neither_a_killed_keeper_nor_its_agent_removed_its_successor_removes() {
    with_floating_address(async |address| {
        let mut keeper = TestKeeper::start();
        keeper.kill();
        let list = super::addresses::list_path(&super::socket_path(keeper.root()));
        super::addresses::save(&list, &[address].into()).unwrap();
        keeper.restart();
        assert!(!has_floating_address());
        assert!(!list.exists());
    });
}

#[tokio::test]
async fn a_second_keeper_is_refused() {
    let keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    let log = fs::File::create(keeper.root().join("second.log")).unwrap();
    let second = this_test_as_a_process("keeper::testing::keeper_process")
        .env("STEAD_TEST_ROOT", keeper.root())
        .stderr(log)
        .status();
    assert!(!second.unwrap().success());
    let text = fs::read_to_string(keeper.root().join("second.log")).unwrap();
    assert!(text.contains("another keeper listens"), "{text}");
    assert!(!is_gone(app.pid.cast_signed()));
}

#[tokio::test]
async fn a_keeper_told_to_end_lets_the_agent_stop_its_groups_first() {
    let mut keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let mut events = client.events();
    let app = client.spawn(shell("app", "sleep 1000")).await.unwrap();
    keeper.signal(Signal::SIGTERM);
    event(&mut events, &KeeperEvent::Keeper(Event::Terminating)).await;
    assert!(!is_gone(app.pid.cast_signed()));
    let stop = Spawn { kind: ProcessKind::Stop, ..shell("app", "exit 0") };
    let stop = client.spawn(stop).await.unwrap().id;
    client.wait(stop, WaitFor::Empty).await.unwrap();
    let Containment::Cgroup { path } = client.welcome().containment else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.farewell(vec![datagram(&peer)]);
    client.retire().await.unwrap();
    drop(client);
    assert!(keeper.wait());
    assert_eq!(receive(peer).await, b"sealed");
    assert!(is_gone(app.pid.cast_signed()));
    assert!(!path.exists());
    assert!(!socket_path(keeper.root()).exists());
}

#[tokio::test]
async fn a_keeper_told_to_end_without_an_agent_lets_services_heed_sigterm() {
    let mut keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let report = Report::new(&keeper);
    let said = keeper.root().join("said");
    let goodbye = format!("echo goodbye > {}; exit 0", said.display());
    let script = report.after_which_sigterm_does(&goodbye);
    client.spawn(shell("app", &script)).await.unwrap();
    let watch = Spawn { kind: ProcessKind::Monitor, ..shell("watch", "sleep 1000") };
    client.spawn(watch).await.unwrap();
    report.pids().await;
    client.retire().await.unwrap();
    drop(client);
    keeper.signal(Signal::SIGTERM);
    assert!(keeper.wait());
    assert_eq!(fs::read_to_string(said).unwrap(), "goodbye\n");
}

/// An agent with a service, a probe port and a farewell, that waits to be killed; by itself it does
/// nothing.
#[test]
fn agent_process() {
    let Some(root) = std::env::var_os("STEAD_TEST_AGENT").map(PathBuf::from) else { return };
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    let number = |name: &str| std::env::var(name).unwrap().parse::<u16>().unwrap();
    let hello = super::protocol::Hello { version: 1, boot: 7, server: "server1".to_owned() };
    let client = KeeperClient::connect(&socket_path(&root), hello).unwrap();
    lease(
        &client,
        std::env::var(LEASE).map_or(MINUTE, |_| Duration::from_millis(number(LEASE).into())),
    );
    client.farewell(vec![Datagram {
        source: ([127, 0, 0, 1], number("STEAD_TEST_SOURCE")).into(),
        destination: ([127, 0, 0, 1], number("STEAD_TEST_PEER")).into(),
        bytes: b"sealed".to_vec(),
    }]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let script = "trap '' TERM; setsid sleep 1000 & wait";
        let app = client.spawn(shell("app", script)).await.unwrap();
        let addresses = vec![[127, 0, 0, 1].into()];
        client.open_port("port", addresses, number("STEAD_TEST_PORT")).await.unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(app.pid.to_string().as_bytes(), root.join("agent-ready")).unwrap();
        std::future::pending::<()>().await;
    });
}

struct TestAgent {
    process: Child,
    app: i32,
    port: u16,
    source: u16,
}

impl TestAgent {
    fn start(root: &Path, peer: &UdpSocket) -> Self {
        Self::start_with(root, peer, None)
    }

    fn start_with(root: &Path, peer: &UdpSocket, lease: Option<&str>) -> Self {
        let ready = UnixDatagram::bind(root.join("agent-ready")).unwrap();
        let (port, source) = (free_port(), free_port());
        let process = this_test_as_a_process("keeper::tests::agent_process")
            .env("STEAD_TEST_AGENT", root)
            .env("STEAD_TEST_PORT", port.to_string())
            .env("STEAD_TEST_SOURCE", source.to_string())
            .env("STEAD_TEST_PEER", peer.local_addr().unwrap().port().to_string())
            .envs(lease.map(|milliseconds| (LEASE, milliseconds)))
            .spawn()
            .unwrap();
        let mut buffer = [0; 32];
        let length = ready.recv(&mut buffer).unwrap();
        let app = std::str::from_utf8(&buffer[..length]).unwrap().parse().unwrap();
        Self { process, app, port, source }
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn datagram(peer: &UdpSocket) -> Datagram {
    Datagram {
        source: ([127, 0, 0, 1], free_port()).into(),
        destination: peer.local_addr().unwrap(),
        bytes: b"sealed".to_vec(),
    }
}

async fn receive(peer: UdpSocket) -> Vec<u8> {
    let receive = move || {
        let mut buffer = [0; 64];
        let length = peer.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    };
    tokio::task::spawn_blocking(receive).await.unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn an_agent_that_is_killed_leaves_nothing_and_then_the_farewell_comes() {
    let keeper = TestKeeper::start_that_kills_its_agent();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut agent = TestAgent::start(keeper.root(), &peer);
    assert!(!is_gone(agent.app));
    assert!(TcpStream::connect(("127.0.0.1", agent.port)).is_ok());
    agent.process.kill().unwrap();
    let mut buffer = [0; 64];
    let (length, source) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"sealed");
    assert_eq!(source.port(), agent.source);
    assert!(is_gone(agent.app));
    assert!(TcpStream::connect(("127.0.0.1", agent.port)).is_err());
    agent.process.wait().unwrap();
}

#[test]
fn an_agent_that_was_stopped_is_not_lost() {
    let keeper = TestKeeper::start_that_kills_its_agent();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut agent = TestAgent::start(keeper.root(), &peer);
    let pid = Pid::from_raw(agent.process.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    assert!(!is_gone(agent.app));
    kill(pid, Signal::SIGCONT).unwrap();
    // Told to end, the keeper asks it; this one does not answer, so it is killed in the end.
    agent.process.kill().unwrap();
    peer.recv(&mut [0; 64]).unwrap();
    assert!(is_gone(agent.app));
    agent.process.wait().unwrap();
}

#[test]
fn no_process_of_a_dead_keeper_is_left_when_a_test_ends() {
    let keeper = TestKeeper::start();
    let root = keeper.root().to_owned();
    drop(keeper);
    assert!(!root.exists());
    let mounts = Command::new("cat").arg("/proc/self/mounts").output().unwrap();
    assert!(!String::from_utf8_lossy(&mounts.stdout).contains(root.to_str().unwrap()));
}
