//! A relay in the cable between a machine and the switch: the packets of one port pass late.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::unistd::Pid;

use super::run;

const SOURCE: &str = include_str!("relay.c");

/// The program.
#[derive(Clone, Debug)]
pub struct RelayProgram(PathBuf);

impl RelayProgram {
    /// Compiles it.
    pub fn make(folder: &Path) -> Result<Self> {
        let (source, program) = (folder.join("relay.c"), folder.join("relay"));
        fs::write(&source, SOURCE)?;
        run(Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(&source))
            .context("failed to compile the relay")?;
        Ok(Self(program))
    }
}

/// A relay that passes frames for as long as it lives.
#[derive(Debug)]
pub struct Relay(Child);

impl Relay {
    /// Between two interfaces in the network of a process.
    pub fn start(
        program: &RelayProgram,
        network_of: Pid,
        interfaces: [&str; 2],
        port: u16,
        delay: Duration,
    ) -> Result<Self> {
        let mut child = Command::new("nsenter")
            .args(["--target", &network_of.to_string(), "--net"])
            .arg(&program.0)
            .args(interfaces)
            .args([port.to_string(), delay.as_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run the relay")?;
        let mut output = child.stdout.take().context("its output is a pipe")?;
        let relay = Self(child);
        output.read_exact(&mut [0; 5]).context("the relay ended")?;
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
