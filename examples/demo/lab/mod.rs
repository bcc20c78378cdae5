//! Machines on one machine: namespaces, a switch between them, and power that can be cut.
//!
//! Everything lives as long as the process that made it, unless it says [`Lab::keep`]: each
//! machine's first process ends when its standard input closes, and with it all that runs there.

mod leftovers;
mod machine;
mod network;
mod relay;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};

pub use machine::{Machine, Service, enter_network};
pub use network::{Port, Switch};
pub use relay::{Relay, RelayProgram};

use leftovers::Leftovers;

/// A lab: its machines, its switch, its folder.
pub struct Lab {
    folder: PathBuf,
    cgroup: PathBuf,
    leftovers: Leftovers,
    switch: Switch,
    machines: BTreeMap<String, Machine>,
    kept: bool,
}

impl Lab {
    /// Clears what an earlier lab of that name left behind, and makes an empty one.
    pub fn new(name: &str) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("this needs root: it makes network namespaces and control groups");
        }
        let folder = folder(name);
        let mut leftovers = Leftovers::clear(&folder)?;
        let cgroup = machine::mount_cgroups(&folder)?.join(format!("stead-{name}"));
        fs::create_dir_all(&cgroup).context("failed to make a control group for the lab")?;
        let machine = Machine::start("switch", &folder, &cgroup)?;
        leftovers.add(&machine)?;
        let switch = Switch::new(machine)?;
        Ok(Self { folder, cgroup, leftovers, switch, machines: BTreeMap::new(), kept: false })
    }

    /// Ends what a lab that was kept still runs.
    pub fn clear(name: &str) -> Result<()> {
        Leftovers::clear(&folder(name)).map(|mut leftovers| leftovers.remove())
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Switches a machine on and plugs it in at these networks.
    pub fn start(&mut self, name: &str, ports: &[Port]) -> Result<()> {
        let machine = Machine::start(name, &self.folder, &self.cgroup)?;
        self.leftovers.add(&machine)?;
        for port in ports {
            self.switch.plug_in(&machine, port)?;
        }
        self.machines.insert(name.to_owned(), machine);
        Ok(())
    }

    /// Gives the machine that all this runs on an address in one of the networks.
    pub fn connect_host(&self, interface: &str, port: &Port) -> Result<()> {
        self.switch.connect_host(interface, port)
    }

    /// A machine that is on.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.machines.get(name).with_context(|| format!("machine {name} is off"))
    }

    /// The switch between them.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Gives a machine that is off a disk of this size for one of its folders.
    pub fn small_disk(&self, machine: &str, folder: &str, size: &str) -> Result<()> {
        let place = self.folder.join(machine).join(folder);
        fs::create_dir_all(&place)?;
        let options = format!("size={size},mode=755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place))?;
        Ok(())
    }

    /// Cuts a machine's power: its ports go dark, then every process there ends at once.
    pub fn cut_power(&mut self, name: &str) -> Result<()> {
        self.switch.go_dark(name)?;
        if let Some(mut machine) = self.machines.remove(name) {
            machine.kill();
        }
        Ok(())
    }

    /// Takes a machine's port in a network down, or up again.
    pub fn set_port(&self, name: &str, network: &str, up: bool) -> Result<()> {
        self.switch.set_port(name, network, up)
    }

    /// Leaves everything running when this process ends.
    pub fn keep(mut self) -> Result<()> {
        self.kept = true;
        self.switch.machine().keep()?;
        self.machines.values_mut().try_for_each(Machine::keep)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for machine in self.machines.values_mut() {
            machine.kill();
        }
        self.switch.machine().kill();
        self.leftovers.remove();
    }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("stead-{name}"))
}

/// Runs a program to its end; what it says on failure becomes the error.
pub fn run(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("failed to run {command:?}"))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        bail!("{command:?} ended with {status}: {}", said.trim_end());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

#[cfg(test)]
mod tests;
