//! Processes, each in a network of its own, and waiting for what they do.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::Pid;

/// Between two looks at what tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(50);
/// Looks before a test gives up: two minutes, far beyond anything expected.
pub const LOOKS_MAX: usize = 2400;

/// A process that ends with its handle.
pub struct Process(pub Child);

impl Process {
    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network of its own, for as long as its process lives.
pub struct Network(Process);

impl Network {
    /// Another one, with nothing in it.
    pub fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.as_mut().unwrap();
        std::io::Read::read_exact(output, &mut [0]).unwrap();
        Self(Process(child))
    }

    /// The process that keeps it.
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// A program in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.0.pid().to_string(), "--net", program]);
        command
    }

    /// Runs lines of `ip`.
    pub fn ip(&self, lines: &[&str]) {
        for line in lines {
            let output = self.command("ip").args(line.split(' ')).output().unwrap();
            assert!(output.status.success(), "ip {line}: {output:?}");
        }
    }
}

/// A moment, before what tells nobody when it changes is looked at again.
pub fn pause() {
    #[allow(clippy::disallowed_methods, reason = "another process is waited for")]
    std::thread::sleep(LOOK);
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if holds() {
            return;
        }
        pause();
    }
    panic!("{what}: never");
}
