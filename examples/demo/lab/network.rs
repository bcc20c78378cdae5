//! The switch: a machine with a bridge for each network.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::machine::Machine;
use super::relay::{Relay, RelayProgram};
use super::run;

/// A machine's place in a network.
#[derive(Clone, Debug)]
pub struct Port {
    /// The network, and the interface's name on the machine.
    pub network: String,
    /// The machine's address there, with the length of its prefix.
    pub address: String,
}

/// Networks, and who is plugged in.
pub struct Switch {
    machine: Machine,
    networks: Vec<String>,
}

impl Switch {
    /// A switch without networks.
    pub fn new(machine: Machine) -> Result<Self> {
        Ok(Self { machine, networks: Vec::new() })
    }

    /// The machine that it is.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Plugs a machine in.
    pub fn plug_in(&mut self, machine: &Machine, port: &Port) -> Result<()> {
        let Port { network, address } = port;
        if !self.networks.contains(network) {
            self.batch(&format!("link add {network} type bridge\nlink set {network} up\n"))?;
            self.networks.push(network.clone());
        }
        let cable = cable(machine.name(), network);
        // The kernel takes its time to clear away the namespace of a machine that was killed.
        self.batch_with(&format!("link delete {cable}\n"), &["-force"])?;
        run(Command::new("ip")
            .args(["link", "add", &cable, "netns", &self.machine.first_process().to_string()])
            .args(["type", "veth", "peer", "name", network, "address", &mac(address)?])
            .args(["netns", &machine.first_process().to_string()]))?;
        self.batch(&format!("link set {cable} master {network} up\n"))?;
        let commands = format!("address add {address} dev {network}\nlink set {network} up\n");
        batch(machine, &commands)
    }

    /// Gives the host an interface in a network.
    pub fn connect_host(&self, interface: &str, port: &Port) -> Result<()> {
        let Port { network, address } = port;
        let routes = run(Command::new("ip").args(["route", "show", "match", address]))?;
        if let Some(route) = routes.lines().find(|route| !route.starts_with("default")) {
            bail!("this machine already uses the demo's network {address}: {route}");
        }
        let switch = self.machine.first_process().to_string();
        run(Command::new("ip")
            .args(["link", "add", interface, "type", "veth"])
            .args(["peer", "name", "host", "netns", &switch]))?;
        self.batch(&format!("link set host master {network} up\n"))?;
        run(Command::new("ip").args(["address", "add", address, "dev", interface]))?;
        run(Command::new("ip").args(["link", "set", interface, "up"]))?;
        Ok(())
    }

    /// Takes a machine's port in a network down, or up again.
    pub fn set_port(&self, machine: &str, network: &str, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.batch(&format!("link set {} {state}\n", cable(machine, network)))
    }

    /// Takes a machine's ports down, as its power goes.
    pub fn go_dark(&self, machine: &str) -> Result<()> {
        let down = |network: &String| format!("link set {} down\n", cable(machine, network));
        let commands: String = self.networks.iter().map(down).collect();
        self.batch_with(&commands, &["-force"])
    }

    /// Switches a whole network off, or on again.
    pub fn network(&self, network: &str, on: bool) -> Result<()> {
        self.batch(&format!("link set {network} {}\n", if on { "up" } else { "down" }))
    }

    /// Puts a relay into a machine's cable: packets of this port pass so much later.
    pub fn slow_down(
        &self,
        machine: &str,
        network: &str,
        program: &RelayProgram,
        (port, delay): (u16, Duration),
    ) -> Result<Relay> {
        let (cable, [near, far]) = (cable(machine, network), relay_ends(network));
        self.batch(&format!(
            "link add {near} type veth peer name {far}\nlink set {far} up\n\
             link set {cable} nomaster\nlink set {near} master {network} up\n"
        ))?;
        Relay::start(program, self.machine.first_process(), [&cable, &far], port, delay)
    }

    /// Takes it out again.
    pub fn speed_up(&self, machine: &str, network: &str, relay: Relay) -> Result<()> {
        drop(relay);
        let (cable, [near, _]) = (cable(machine, network), relay_ends(network));
        self.batch(&format!("link delete {near}\nlink set {cable} master {network}\n"))
    }

    fn batch(&self, commands: &str) -> Result<()> {
        batch(&self.machine, commands)
    }

    fn batch_with(&self, commands: &str, options: &[&str]) -> Result<()> {
        batch_with(&self.machine, commands, options)
    }
}

/// A machine's network card keeps its address when the machine is switched off and on: others
/// remember it.
fn mac(address: &str) -> Result<String> {
    let ip: Ipv4Addr = address.split('/').next().unwrap_or_default().parse()?;
    let [a, b, c, d] = ip.octets();
    Ok(format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

fn cable(machine: &str, network: &str) -> String {
    format!("{machine}-{network}")
}

fn relay_ends(network: &str) -> [String; 2] {
    ["near", "far"].map(|end| format!("{end}-{network}"))
}

fn batch(on: &Machine, commands: &str) -> Result<()> {
    batch_with(on, commands, &[])
}

/// Several `ip` commands at once in a machine's network.
fn batch_with(on: &Machine, commands: &str, options: &[&str]) -> Result<()> {
    let mut child = Command::new("nsenter")
        .args(["--target", &on.first_process().to_string(), "--net", "ip"])
        .args(options)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to run nsenter")?;
    // Dropped at the end of the statement, which is what `ip` waits for.
    child.stdin.take().context("its input is a pipe")?.write_all(commands.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() && options.is_empty() {
        bail!("{commands}on {}: {}", on.name(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
