//! The guard, as a process beside the keeper's.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use super::super::protocol::Successor;
use super::*;

/// Long enough to start a service in on a busy machine.
const SHORT: &str = "2000";

/// The guard that is there.
fn guard_of(cgroup: &Path) -> Option<i32> {
    let text = fs::read_to_string(cgroup.join("guard/cgroup.procs")).ok()?;
    text.lines().next()?.parse().ok()
}

/// Waits for the end of a process that is no child of this one.
fn until_gone(pid: i32) {
    let Some(process) = rustix::process::Pid::from_raw(pid) else { return };
    let Ok(end) = pidfd_open(process, PidfdFlags::empty()) else { return };
    poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(&end), PollFlags::POLLIN)], PollTimeout::NONE)
        .unwrap();
}

fn cgroup(client: &KeeperClient) -> Option<PathBuf> {
    match client.welcome().containment {
        Containment::Cgroup { path } => Some(path),
        Containment::ProcessGroups { .. } => None,
    }
}

/// An agent, its service and probe port, everything standing still but the service.
fn agent_that_stands_still(keeper: &TestKeeper, lease: Option<&str>) -> TestAgent {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let agent = TestAgent::start_with(keeper.root(), &peer, lease);
    kill(Pid::from_raw(agent.process.id().cast_signed()), Signal::SIGSTOP).unwrap();
    assert!(TcpStream::connect(("127.0.0.1", agent.port)).is_ok());
    agent
}

#[test]
fn services_and_probe_port_end_with_the_lease_though_agent_and_keeper_stand_still() {
    let mut keeper = TestKeeper::start();
    let agent = agent_that_stands_still(&keeper, Some(SHORT));
    keeper.signal(Signal::SIGSTOP);
    assert!(!keeper.wait(), "it was killed");
    until_gone(agent.app);
    assert!(TcpStream::connect(("127.0.0.1", agent.port)).is_err());
}

#[test]
fn services_end_with_a_keeper_that_is_killed_while_its_agent_stands_still() {
    let mut keeper = TestKeeper::start();
    let agent = agent_that_stands_still(&keeper, None);
    // What it left running is no child of the keeper's: the kernel does not end it.
    let Some(cgroup) = fs::read_to_string(format!("/proc/{}/cgroup", agent.app)).ok() else {
        return;
    };
    keeper.kill();
    until_gone(agent.app);
    assert!(cgroup.contains("services"), "{cgroup}");
}

#[test]
fn the_floating_address_goes_with_the_lease_though_agent_and_keeper_stand_still() {
    with_floating_address(async |address| {
        let mut keeper = TestKeeper::start();
        let client = keeper.connect();
        let Some(cgroup) = cgroup(&client) else { return };
        let guard = guard_of(&cgroup).unwrap();
        lease(&client, Duration::from_secs(2));
        client.register_address(address).await.unwrap();
        keeper.signal(Signal::SIGSTOP);
        // This thread is the agent that stands still.
        until_gone(guard);
        assert!(!has_floating_address());
        assert!(!keeper.wait());
    });
}

#[tokio::test]
async fn a_keeper_that_works_outlives_its_lease_and_its_guard_stays() {
    let keeper = TestKeeper::start();
    let client = keeper.connect();
    assert_eq!(client.welcome().successor, Successor::Guard);
    let Some(cgroup) = cgroup(&client) else { return };
    let mut events = client.events();
    let guard = guard_of(&cgroup).unwrap();
    lease(&client, Duration::from_millis(100));
    event(&mut events, &KeeperEvent::Keeper(Event::LeaseExpired)).await;
    // The next lease is longer than what was left of the guard's time.
    lease(&client, MINUTE);
    client.spawn(shell("app", "exec sleep 1000")).await.unwrap();
    assert_eq!(guard_of(&cgroup), Some(guard));
}

/// Both wake up after the deadline, as when a virtual machine was frozen: the keeper has not failed.
#[tokio::test]
async fn a_guard_that_stood_still_together_with_its_keeper_lets_it_go_on() {
    let keeper = TestKeeper::start();
    let client = keeper.connect();
    let Some(cgroup) = cgroup(&client) else { return };
    let mut events = client.events();
    let guard = guard_of(&cgroup).unwrap();
    lease(&client, Duration::from_secs(1));
    let app = client.spawn(shell("app", "exec sleep 1000")).await.unwrap();
    for process in [guard, keeper.pid().as_raw()] {
        kill(Pid::from_raw(process), Signal::SIGSTOP).unwrap();
    }
    // Nobody can say that the lease has passed: everybody who could stands still.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!is_gone(app.pid.cast_signed()), "nothing was left to end it");
    for process in [keeper.pid().as_raw(), guard] {
        kill(Pid::from_raw(process), Signal::SIGCONT).unwrap();
    }
    event(&mut events, &KeeperEvent::Keeper(Event::LeaseExpired)).await;
    until_gone(app.pid.cast_signed());
    client.list().await.unwrap();
    assert_eq!(guard_of(&cgroup), Some(guard));
}

#[tokio::test]
async fn a_guard_that_is_lost_is_replaced_and_the_agent_hears_of_it() {
    let mut keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    let Some(cgroup) = cgroup(&client) else { return };
    let mut events = client.events();
    let first = guard_of(&cgroup).unwrap();
    let app = client.spawn(shell("app", "exec sleep 1000")).await.unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    event(&mut events, &KeeperEvent::Keeper(Event::Successor(Successor::Guard))).await;
    assert_ne!(guard_of(&cgroup), Some(first));
    assert!(!is_gone(app.pid.cast_signed()), "its service goes on");
    lease(&client, Duration::from_secs(1));
    // It has read that.
    client.list().await.unwrap();
    keeper.signal(Signal::SIGSTOP);
    assert!(!keeper.wait(), "the second one watches as the first did");
}

#[tokio::test]
async fn it_is_said_once_nothing_is_left_of_what_a_killed_keeper_had_held() {
    let mut keeper = TestKeeper::start();
    let client = with_a_lease(&keeper);
    if !has_cgroups(&client) {
        return;
    }
    let mut events = client.events();
    let app = client.spawn(shell("app", "setsid sleep 1000 & wait")).await.unwrap();
    assert!(!client.has_ended());
    keeper.kill();
    event(&mut events, &KeeperEvent::Ended).await;
    assert!(client.has_ended() && is_gone(app.pid.cast_signed()));
    keeper.restart();
    while !matches!(events.recv().await.unwrap(), KeeperEvent::Connected(_)) {}
    assert!(!client.has_ended(), "the next one may hold something");
}

#[test]
fn without_cgroups_there_is_no_guard_and_it_is_said() {
    let keeper = TestKeeper::start_without_cgroups();
    let client = keeper.connect();
    assert!(matches!(client.welcome().successor, Successor::Nothing { .. }));
}

#[test]
fn a_guard_of_no_keeper_refuses_to_watch() {
    use super::super::guard::{GuardOptions, run};
    let folder = tempfile::tempdir().unwrap();
    let options = |keeper| GuardOptions {
        root: folder.path().to_owned(),
        cgroup: folder.path().to_owned(),
        keeper,
        done: 0,
    };
    let timer = || fs::File::open("/dev/null").unwrap().into();
    // This process is not its own parent, and no cgroup is there.
    let own = std::process::id().cast_signed();
    for keeper in [0, own, std::os::unix::process::parent_id().cast_signed()] {
        assert!(run(&options(keeper), timer(), Vec::new()).is_err(), "{keeper}");
    }
}
