//! Network namespaces for tests: real packets that reach nothing outside.

use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, unshare};

/// Commands that give the test `lan1` with 10.77.0.1 and fd77::1, and a machine beside it (`PEER`
/// before a command runs it there) with 10.77.0.2 and fd77::2.
pub const PAIR: [&str; 11] = [
    "ip link set lo up",
    "ip link add lan1 type veth peer name lan2",
    "ip link set lan2 netns PEER_PID",
    "ip address add 10.77.0.1/24 dev lan1",
    "ip address add fd77::1/64 dev lan1 nodad",
    "ip link set lan1 up",
    "PEER ip address add 10.77.0.2/24 dev lan2",
    "PEER ip address add fd77::2/64 dev lan2 nodad",
    "PEER ip link set lan2 up",
    // The kernel lets packets through a moment after the link is up.
    "until ip link show lan1 | grep -q 'state UP'; do sleep 0.01; done",
    "PEER sh -c \"until ip link show lan2 | grep -q 'state UP'; do sleep 0.01; done\"",
];

/// The machine beside the test: a namespace for as long as its process lives.
pub struct Peer(Child);

impl Peer {
    fn start() -> Self {
        // `cat` ends by itself with the test, whose end of the pipe closes.
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let output = child.stdout.as_mut().expect("its output is a pipe");
        std::io::Read::read_exact(output, &mut [0]).expect("the namespace is there");
        Self(child)
    }

    /// Runs a command here, or on the peer where it begins with `PEER`; it must succeed.
    pub fn run(&self, command: &str) -> String {
        let pid = self.0.id().to_string();
        let command = command.replace("PEER_PID", &pid);
        let command = match command.strip_prefix("PEER ") {
            Some(rest) => format!("nsenter --target {pid} --net {rest}"),
            None => command,
        };
        let output = Command::new("sh").args(["-c", &command]).output().expect("sh starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a test on a thread with a network of its own, after these commands.
pub fn isolated(setup: &[&str], test: impl AsyncFnOnce(&Peer) + Send) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: network namespaces need root");
        return;
    }
    let body = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let peer = Peer::start();
        for command in setup {
            peer.run(command);
        }
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(test(&peer));
    };
    let result = thread::scope(|scope| scope.spawn(body).join());
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}
