//! Three servers in the lab, with keeper and agent, as an administrator would set them up.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use stead::api::kinds::{GroupState, ServerState};
use tokio::time::timeout;

use crate::api::{ClusterApi, expect, until};
use crate::balancer::{self, Backend};
use crate::faults::clock::Clock;
use crate::lab::{self, Lab, Machine, Relay, RelayProgram, Service, Switch};
use crate::manifest::{Manifest, ServerEntry};
use crate::recorder::Target;

/// The machine of balancer and client.
pub const CLIENT: &str = "client";
/// Where the balancer listens there.
pub const FRONT: u16 = 8000;
/// Where the application listens on each server.
const APPLICATION: u16 = 8080;
/// The client's place in the servers' networks, and that of the machine that all this runs on.
const CLIENT_HOST: u8 = 253;
const HOST: u8 = 254;
/// Where a server's state is below its root, and the size of its disk where it is a small one.
pub const STATE: &str = "var/lib/stead";
const SMALL_DISK: &str = "8m";
/// The application's program, and the name that a guard goes by.
const PROGRAM: &str = "web";
const GUARD: &str = "stead-guard";
/// Where servers talk to each other.
const PEERS: u16 = 7380;
/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How long a cluster may take to be whole.
const WHOLE: Duration = Duration::from_secs(60);

/// The cluster of the demo.
pub struct Cluster {
    lab: Lab,
    stead: PathBuf,
    manifests: PathBuf,
    manifest: Manifest,
    services: BTreeMap<String, Services>,
    balancer: Option<Service>,
    kubeconfig: PathBuf,
    api: ClusterApi,
    /// What agents and keepers are started with, where it is faults that are played: a clock whose
    /// wall time can be set.
    clock: Option<Clock>,
}

/// One of the processes of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Its agent.
    Agent,
    /// Its keeper.
    Keeper,
    /// The keeper's guard.
    Guard,
}

struct Services {
    keeper: Service,
    agent: Service,
}

impl Cluster {
    /// Makes the machines, and starts the cluster on them.
    /// With `for_faults` each server's state is on a small disk of its own, and its wall clock can
    /// be set.
    pub async fn start(
        name: &str,
        stead: &Path,
        web: &Path,
        manifests: &Path,
        for_faults: bool,
    ) -> Result<Self> {
        let manifest = Manifest::read(manifests)?;
        let mut lab = Lab::new(name)?;
        let made = lab.folder().join("init");
        lab::run(
            Command::new(stead)
                .args(["init", "--power", "Namespace", "--filename"])
                .arg(manifests)
                .arg("--out")
                .arg(&made),
        )?;
        let programs = lab.folder().join("programs");
        fs::create_dir_all(&programs)?;
        std::os::unix::fs::symlink(web, programs.join("web"))?;
        for server in &manifest.servers {
            let disk = lab.folder().join(&server.name);
            fs::rename(made.join(&server.name), &disk)
                .with_context(|| format!("`stead init` made nothing for {}", server.name))?;
            if for_faults {
                lab.small_disk(&server.name, STATE, SMALL_DISK)?;
            }
            lab.start(&server.name, &server.ports())?;
        }
        let clock = if for_faults { Some(Clock::make(lab.folder())?) } else { None };
        let first = manifest.servers.first().context("the manifest has servers")?;
        lab.start(CLIENT, &[first.neighbour(CLIENT_HOST)?])?;
        lab.connect_host(&format!("stead-{name}"), &first.neighbour(HOST)?)?;
        let kubeconfig = made.join("admin.kubeconfig");
        let api = ClusterApi::new(&kubeconfig).await?;
        let mut cluster = Self {
            lab,
            stead: stead.to_owned(),
            manifests: manifests.to_owned(),
            manifest,
            services: BTreeMap::new(),
            balancer: None,
            kubeconfig,
            api,
            clock,
        };
        for server in cluster.manifest.servers.clone() {
            cluster.start_services(&server.name)?;
        }
        cluster.balancer = Some(cluster.start_balancer()?);
        Ok(cluster)
    }

    fn start_balancer(&self) -> Result<Service> {
        let backend = |server: &ServerEntry| {
            Ok(Backend { name: server.name.clone(), address: server.address()?.to_string() })
        };
        let backends: Vec<_> = self.manifest.servers.iter().map(backend).collect::<Result<_>>()?;
        let on = self.lab.machine(CLIENT)?;
        balancer::start(on, &backends, FRONT, APPLICATION, self.manifest.probe_port)
    }

    fn start_services(&mut self, server: &str) -> Result<()> {
        let keeper = self.start_service(server, "keeper")?;
        let agent = self.start_service(server, "agent")?;
        self.services.insert(server.to_owned(), Services { keeper, agent });
        Ok(())
    }

    fn start_service(&self, server: &str, name: &str) -> Result<Service> {
        let machine = self.lab.machine(server)?;
        let (stead, root) = (self.stead.to_string_lossy(), machine.disk().to_string_lossy());
        let clock = self.clock.as_ref().map(|clock| clock.environment(server));
        let clock = clock.iter().flatten().map(String::as_str);
        let program: Vec<&str> =
            ["env"].into_iter().chain(clock).chain([&*stead, name, "--root", &*root]).collect();
        machine.start_service(name, &program)
    }

    /// Applies the manifest again, as anybody would.
    pub async fn apply(&self) -> Result<()> {
        self.stead(&["apply", "--filename", &self.manifests.to_string_lossy()]).await
    }

    /// Runs the command as an administrator would.
    pub async fn stead(&self, arguments: &[&str]) -> Result<()> {
        let mut command = tokio::process::Command::new(&self.stead);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).kill_on_drop(true);
        let what = format!("stead {}", arguments.join(" "));
        let Ok(output) = timeout(COMMAND, command.output()).await else {
            bail!("`{what}` has not ended within {COMMAND:?}");
        };
        let output = output.with_context(|| format!("failed to run {}", self.stead.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{what}` ended with {}: {said}", output.status);
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The API.
    pub fn api(&self) -> &ClusterApi {
        &self.api
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The first process of the client's machine.
    pub fn client_machine(&self) -> Result<Pid> {
        Ok(self.lab.machine(CLIENT)?.first_process())
    }

    /// What the recorder asks.
    pub fn targets(&self) -> Result<Vec<Target>> {
        let target = |server: &ServerEntry| {
            let address = server.address()?;
            let ports = [APPLICATION, self.manifest.probe_port];
            let ports = ports.map(|port| SocketAddr::new(address, port)).to_vec();
            Ok(Target { name: server.name.clone(), ports })
        };
        self.manifest.servers.iter().map(target).collect()
    }

    /// Process ids of a server's agent and keeper, as seen from outside.
    pub fn pids(&self, server: &str) -> Result<[i32; 2]> {
        let services = self.services.get(server).context("the server is on")?;
        Ok([services.agent.pid()?.as_raw(), services.keeper.pid()?.as_raw()])
    }

    /// Cuts a server's power.
    pub fn cut_power(&mut self, server: &str) -> Result<()> {
        self.services.remove(server);
        self.lab.cut_power(server)
    }

    /// Kills a server's agent; its keeper lives.
    pub fn kill_agent(&mut self, server: &str) -> Result<()> {
        let services = self.services.get_mut(server).context("the server is on")?;
        services.agent.signal(Signal::SIGKILL)?;
        services.agent.wait()
    }

    /// Kills a server's keeper; its agent lives.
    pub fn kill_keeper(&mut self, server: &str) -> Result<()> {
        let services = self.services.get_mut(server).context("the server is on")?;
        services.keeper.signal(Signal::SIGKILL)?;
        services.keeper.wait()
    }

    /// Starts a server's keeper, as its unit does.
    pub fn start_keeper(&mut self, server: &str) -> Result<()> {
        let keeper = self.start_service(server, "keeper")?;
        self.services.get_mut(server).context("the server is on")?.keeper = keeper;
        Ok(())
    }

    /// Sends the application a signal where it runs.
    pub fn signal_application(&self, server: &str, signal: Signal) -> Result<()> {
        self.lab.machine(server)?.signal(PROGRAM, signal)
    }

    /// Unplugs a server from networks, or plugs it in again.
    pub fn set_ports(&self, server: &str, networks: &[&str], up: bool) -> Result<()> {
        networks.iter().try_for_each(|network| self.lab.set_port(server, network, up))
    }

    /// Freezes a whole server, its network included, or lets it go on.
    pub fn freeze(&self, server: &str, frozen: bool) -> Result<()> {
        let machine = self.lab.machine(server)?;
        let networks: Vec<&str> = self.networks();
        if frozen {
            self.set_ports(server, &networks, false)?;
        }
        machine.freeze(frozen)?;
        if !frozen {
            self.set_ports(server, &networks, true)?;
        }
        Ok(())
    }

    /// Every network.
    pub fn networks(&self) -> Vec<&str> {
        let first = self.manifest.servers.first();
        let addresses = first.map_or(&[][..], |server| &server.addresses);
        addresses.iter().map(|(network, _)| network.as_str()).collect()
    }

    /// What a command says.
    pub async fn ask_stead(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = tokio::process::Command::new(&self.stead);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).kill_on_drop(true);
        let what = format!("stead {}", arguments.join(" "));
        let Ok(output) = timeout(COMMAND * 10, command.output()).await else {
            bail!("`{what}` has not ended");
        };
        let output = output.with_context(|| format!("failed to run {}", self.stead.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{what}` ended with {}: {said}", output.status);
        Ok(output.stdout)
    }

    /// Brings back what does not run: a server without power, its keeper, its agent.
    pub fn repair(&mut self, server: &str) -> Result<()> {
        let entry = self.manifest.servers.iter().find(|entry| entry.name == server);
        let ports = entry.context("the manifest names the server")?.ports();
        let Some(services) = self.services.get_mut(server) else {
            self.lab.start(server, &ports)?;
            return self.start_services(server);
        };
        let ended = [services.keeper.check().is_err(), services.agent.check().is_err()];
        if ended[0] {
            let keeper = self.start_service(server, "keeper")?;
            self.services.get_mut(server).context("the server is on")?.keeper = keeper;
        }
        if ended[1] {
            let agent = self.start_service(server, "agent")?;
            self.services.get_mut(server).context("the server is on")?.agent = agent;
        }
        Ok(())
    }

    /// Sends a signal to a server's agent, keeper, or both; one that kills is waited for.
    pub fn signal(&mut self, server: &str, who: &[Who], signal: Signal) -> Result<()> {
        let services = self.services.get_mut(server).context("the server is on")?;
        for who in who {
            match who {
                Who::Agent => services.agent.signal(signal)?,
                Who::Keeper => services.keeper.signal(signal)?,
                Who::Guard => self.lab.machine(server)?.signal(GUARD, signal)?,
            }
        }
        Ok(())
    }

    /// Has what this server and the others say to each other arrive so much later; ends with what
    /// it gives.
    pub fn slow_down(&self, server: &str, delay: Duration) -> Result<Vec<(String, Relay)>> {
        let program = RelayProgram::make(self.lab.folder())?;
        let slow = |network: &&str| {
            let relay = self.lab.switch().slow_down(server, network, &program, (PEERS, delay))?;
            Ok(((*network).to_owned(), relay))
        };
        self.networks().iter().map(slow).collect()
    }

    /// The servers' names, in the order of their priority.
    pub fn names(&self) -> Vec<String> {
        self.manifest.servers.iter().map(|server| server.name.clone()).collect()
    }

    /// Processes of the application on a server.
    pub fn applications(&self, server: &str) -> Result<usize> {
        Ok(self.lab.machine(server)?.processes(PROGRAM).len())
    }

    /// Waits until a server's agent and keeper have ended by themselves.
    pub fn wait_for_end(&mut self, server: &str) -> Result<()> {
        let services = self.services.get_mut(server).context("the server is on")?;
        services.agent.wait()?;
        services.keeper.wait()
    }

    /// A machine that is on.
    pub fn machine(&self, server: &str) -> Result<&Machine> {
        self.lab.machine(server)
    }

    /// The switch between the machines.
    pub fn switch(&self) -> &Switch {
        self.lab.switch()
    }

    /// Sets a server's wall clock, so many seconds from the right time.
    pub fn step_clock(&self, server: &str, seconds: i64) -> Result<()> {
        self.clock.as_ref().context("this cluster's clocks can be set")?.step(server, seconds)
    }

    /// Waits until every server takes part and the group is online; answers where.
    pub async fn whole(&mut self) -> Result<String> {
        for services in self.services.values_mut() {
            services.keeper.check()?;
            services.agent.check()?;
        }
        if let Some(balancer) = &mut self.balancer {
            balancer.check()?;
        }
        let group = self.manifest.group.clone();
        until("a whole cluster", WHOLE, async || {
            for (name, (state, message)) in self.api.servers().await? {
                if state == ServerState::Out {
                    self.stead(&["server", "return", &name]).await?;
                }
                expect(state == ServerState::Online, || format!("{name} is {state:?}: {message}"))?;
            }
            let status = self.api.group(&group).await?;
            expect(status.state == GroupState::Online, || {
                format!("{group} is {:?}: {}", status.state, status.message)
            })?;
            status.server.context("an online group has a server")
        })
        .await
    }

    /// What a person does once two servers have fought for one address: returns the servers, and
    /// starts the group again where it has given up.
    pub async fn start_again(&self) -> Result<()> {
        let group = &self.manifest.group;
        until("a group that runs again", WHOLE, async || {
            for (name, (state, _)) in self.api.servers().await? {
                if state == ServerState::Out {
                    self.stead(&["server", "return", &name]).await?;
                }
            }
            let status = self.api.group(group).await?;
            if status.state == GroupState::Degraded {
                self.stead(&["group", "restart", group]).await?;
            }
            expect(status.state == GroupState::Online, || {
                format!("{group} is {:?}: {}", status.state, status.message)
            })
        })
        .await
    }

    /// Leaves everything running.
    pub fn keep(self) -> Result<()> {
        self.lab.keep()
    }
}
