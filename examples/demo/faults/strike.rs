//! What is done to the active server, and how it ends.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::api::{expect, until};
use crate::cluster::{Cluster, STATE, Who};
use crate::faults::operations::{Late, Operation};

/// The time that a unit waits before it starts again what ended (`RestartSec` in
/// packaging/systemd).
const RESTART: Duration = Duration::from_secs(1);
/// How long a machine that is to end may take.
const ENDED: Duration = Duration::from_secs(20);
/// The network of the clients, and the one that only servers are in.
const PUBLIC: &str = "lan1";
const INTERCONNECT: &str = "lan2";

/// What is done to the server that the group is active on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Its power is cut.
    PowerCut,
    /// Every server's power is cut.
    AllPowerCut,
    /// Processes are killed; their units start them again.
    Kill(&'static [Who]),
    /// Processes stand still for a while.
    Stop(&'static [Who]),
    /// The whole machine stands still for a while, its network with it; its clock runs on.
    Freeze,
    /// The application is killed.
    KillApplication,
    /// The application stands still until it is restarted.
    StallApplication,
    /// Packets from and to the other servers are dropped on some paths; clients get through.
    Drop(Packets),
    /// The same, on and off, longer than the time-out and shorter.
    Flap,
    /// An interface goes down on the machine itself.
    Interface(&'static str),
    /// A cable is pulled.
    Cable(&'static str),
    /// A whole network goes down.
    Network(&'static str),
    /// The disk with its state is full.
    FullDisk,
    /// Its wall clock jumps.
    ClockStep(i64),
    /// A monitor has it reboot; `power: Namespace` ends the machine's first process.
    FinalAction,
    /// What the servers say to each other arrives so many milliseconds later.
    Delay(u64),
    /// What a person does, of the guide's state table.
    Operation(Operation),
}

/// Which packets between the active server and the others are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packets {
    /// All of them.
    All,
    /// Those that come in.
    Inbound,
    /// Those that go out.
    Outbound,
    /// Those of one network.
    OnePath,
    /// So many of a hundred.
    Some(u32),
}

/// Everything that can be played: name, words, what is done.
pub const STRIKES: [(&str, &str, Strike); 41] = [
    ("power-cut", "power of the active server is cut", Strike::PowerCut),
    ("all-power-cut", "power of every server is cut, and returns", Strike::AllPowerCut),
    ("agent-killed", "kill -9 of the agent", Strike::Kill(&[Who::Agent])),
    ("keeper-killed", "kill -9 of the keeper", Strike::Kill(&[Who::Keeper])),
    ("both-killed", "kill -9 of agent and keeper", Strike::Kill(&[Who::Keeper, Who::Agent])),
    ("guard-killed", "kill -9 of the keeper's guard", Strike::Kill(&[Who::Guard])),
    ("all-killed", "kill -9 of agent, keeper and guard", Strike::Kill(EVERYBODY)),
    ("agent-stopped", "SIGSTOP of the agent", Strike::Stop(&[Who::Agent])),
    ("keeper-stopped", "SIGSTOP of the keeper", Strike::Stop(&[Who::Keeper])),
    ("both-stopped", "SIGSTOP of agent and keeper", Strike::Stop(&[Who::Agent, Who::Keeper])),
    ("guard-stopped", "SIGSTOP of the keeper's guard", Strike::Stop(&[Who::Guard])),
    ("all-stopped", "SIGSTOP of agent, keeper and guard", Strike::Stop(EVERYBODY)),
    ("machine-frozen", "the whole machine stands still", Strike::Freeze),
    ("application-killed", "kill -9 of the application", Strike::KillApplication),
    ("application-stalled", "SIGSTOP of the application", Strike::StallApplication),
    ("cut-off", "no packet to or from the other servers", Strike::Drop(Packets::All)),
    ("deaf", "no packet from the other servers", Strike::Drop(Packets::Inbound)),
    ("mute", "no packet to the other servers", Strike::Drop(Packets::Outbound)),
    ("one-path", "no packet on one of two paths", Strike::Drop(Packets::OnePath)),
    ("flapping", "cut off for 1.2 and back for 0.6 time-outs, in turn", Strike::Flap),
    ("loss", "30 % of the packets between servers lost", Strike::Drop(Packets::Some(30))),
    ("late", "packets between servers 0.3 s late", Strike::Delay(300)),
    ("very-late", "packets between servers 1.5 s late", Strike::Delay(1500)),
    ("interconnect-interface", "interconnect interface down", Strike::Interface(INTERCONNECT)),
    ("interconnect-hub", "the interconnect's switch is off", Strike::Network(INTERCONNECT)),
    ("public-interface", "interface to the clients down", Strike::Interface(PUBLIC)),
    ("public-cable", "cable to the clients pulled", Strike::Cable(PUBLIC)),
    ("full-disk", "the disk with the state is full", Strike::FullDisk),
    ("final-action", "a monitor has the server reboot", Strike::FinalAction),
    ("clock-step", "the wall clock jumps an hour ahead, then two back", Strike::ClockStep(3600)),
    ("start-all", "every server is started", Strike::Operation(Operation::Start(Late::Nobody))),
    (
        "start-without-standby",
        "every server but a standby is started",
        Strike::Operation(Operation::Start(Late::Standby)),
    ),
    (
        "start-without-active",
        "every server but the active one is started",
        Strike::Operation(Operation::Start(Late::Active)),
    ),
    (
        "start-late",
        "every server is started, a standby while the others wait for it",
        Strike::Operation(Operation::Start(Late::StandbyInTime)),
    ),
    (
        "start-alone",
        "one server alone is started",
        Strike::Operation(Operation::Start(Late::AllButActive)),
    ),
    ("detach", "the active server is detached, and returned", Strike::Operation(Operation::Detach)),
    (
        "shutdown",
        "the active server is shut down in good order",
        Strike::Operation(Operation::ShutDown),
    ),
    ("move", "the group is moved", Strike::Operation(Operation::Move)),
    ("stop-and-start", "the group is stopped, and started", Strike::Operation(Operation::Stop)),
    ("return", "a server whose power was cut is returned", Strike::Operation(Operation::Return)),
    (
        "all-down",
        "every server loses power; they are started in another order",
        Strike::Operation(Operation::AllDown),
    ),
];

/// Nothing but applications goes on.
const EVERYBODY: &[Who] = &[Who::Guard, Who::Agent, Who::Keeper];

impl Strike {
    /// Why two may be active meanwhile in this lab, which has neither a service manager nor a
    /// watchdog nor fencing; none: they may not.
    pub fn uncovered(self) -> Option<&'static str> {
        (self == Strike::Stop(EVERYBODY)).then_some(
            "nothing on the server but its applications runs: a watchdog or fencing covers it, and \
             the unit after its WatchdogSec",
        )
    }

    /// Whether it lasts for as long as one says.
    pub fn lasts(self) -> bool {
        matches!(
            self,
            Strike::Stop(_) | Strike::Freeze | Strike::Drop(_) | Strike::Flap | Strike::Delay(_)
        )
    }

    /// Whether it is worth its time when it lasts long.
    pub fn lasts_long(self) -> bool {
        matches!(self, Strike::Stop(_) | Strike::Freeze) && self != Strike::Stop(&[Who::Guard])
    }

    /// Does it, lasting `length` where it is something that lasts, and ends it.
    pub async fn play(self, cluster: &mut Cluster, server: &str, length: Duration) -> Result<()> {
        match self {
            Strike::PowerCut => {
                cluster.cut_power(server)?;
                sleep(length).await;
            }
            Strike::AllPowerCut => all_power_cut(cluster)?,
            Strike::Kill(who) => {
                cluster.signal(server, who, Signal::SIGKILL)?;
                sleep(RESTART).await;
            }
            Strike::Stop(who) => {
                cluster.signal(server, who, Signal::SIGSTOP)?;
                sleep(length).await;
                // One of them may have been ended by the other side meanwhile.
                for who in who {
                    let _ = cluster.signal(server, &[*who], Signal::SIGCONT);
                }
                // What one of them ends now its unit starts again.
                sleep(RESTART).await;
            }
            Strike::Freeze => {
                cluster.freeze(server, true)?;
                sleep(length).await;
                cluster.freeze(server, false)?;
            }
            Strike::KillApplication => cluster.signal_application(server, Signal::SIGKILL)?,
            Strike::StallApplication => cluster.signal_application(server, Signal::SIGSTOP)?,
            Strike::Drop(packets) => {
                drop_packets(cluster, server, packets)?;
                sleep(length).await;
                pass_packets(cluster, server)?;
            }
            Strike::Flap => flap(cluster, server, length).await?,
            Strike::Interface(network) => {
                let set = |state: &'static str| {
                    cluster.machine(server)?.run(&["ip", "link", "set", network, state])
                };
                set("down")?;
                sleep(length).await;
                set("up")?;
            }
            Strike::Cable(network) => {
                cluster.set_ports(server, &[network], false)?;
                sleep(length).await;
                cluster.set_ports(server, &[network], true)?;
            }
            Strike::Network(network) => {
                cluster.switch().network(network, false)?;
                sleep(length).await;
                cluster.switch().network(network, true)?;
            }
            Strike::FullDisk => full_disk(cluster, server, length).await?,
            Strike::FinalAction => {
                cluster.machine(server)?.run(&["touch", "/run/broken"])?;
                until("the machine's end", ENDED, async || {
                    let on = cluster.machine(server)?.is_on();
                    expect(!on, || format!("{server} is still on"))
                })
                .await?;
                cluster.cut_power(server)?;
            }
            Strike::ClockStep(seconds) => {
                for seconds in [seconds, -seconds, 0] {
                    cluster.step_clock(server, seconds)?;
                    sleep(length / 3).await;
                }
            }
            Strike::Delay(milliseconds) => {
                let relays = cluster.slow_down(server, Duration::from_millis(milliseconds))?;
                sleep(length).await;
                for (network, relay) in relays {
                    cluster.switch().speed_up(server, &network, relay)?;
                }
            }
            Strike::Operation(operation) => operation.play(cluster, server, length).await?,
        }
        cluster.repair(server)
    }
}

fn all_power_cut(cluster: &mut Cluster) -> Result<()> {
    let servers: Vec<String> =
        cluster.manifest().servers.iter().map(|server| server.name.clone()).collect();
    for server in &servers {
        cluster.cut_power(server)?;
    }
    servers.iter().try_for_each(|server| cluster.repair(server))
}

async fn flap(cluster: &Cluster, server: &str, length: Duration) -> Result<()> {
    let timeout = cluster.manifest().timeout;
    let mut passed = Duration::ZERO;
    while passed < length {
        drop_packets(cluster, server, Packets::All)?;
        sleep(timeout.mul_f64(1.2)).await;
        pass_packets(cluster, server)?;
        sleep(timeout.mul_f64(0.6)).await;
        passed += timeout.mul_f64(1.8);
    }
    Ok(())
}

async fn full_disk(cluster: &Cluster, server: &str, length: Duration) -> Result<()> {
    let machine = cluster.machine(server)?;
    let file = machine.disk().join(STATE).join("fill");
    let file = file.to_string_lossy();
    // It ends with the error that is wanted.
    machine.run(&["sh", "-c", "dd if=/dev/zero of=\"$1\" bs=4096 2>&1 || true", "sh", &file])?;
    sleep(length).await;
    fs::remove_file(&*file).context("failed to make room on the disk again")
}

fn drop_packets(cluster: &Cluster, server: &str, packets: Packets) -> Result<()> {
    let others = cluster.manifest().servers.iter().filter(|other| other.name != server);
    let addresses = others.flat_map(|other| &other.addresses);
    let addresses: Vec<String> = addresses
        .filter(|(network, _)| packets != Packets::OnePath || network == INTERCONNECT)
        .map(|(_, address)| address.to_string())
        .collect();
    let peers = format!("{{ {} }}", addresses.join(", "));
    let chance = match packets {
        Packets::Some(percent) => format!("numgen random mod 100 < {percent} "),
        Packets::All | Packets::Inbound | Packets::Outbound | Packets::OnePath => String::new(),
    };
    let (mut input, mut output) = (String::new(), String::new());
    if packets != Packets::Outbound {
        input = format!("ip saddr {peers} {chance}drop");
    }
    if packets != Packets::Inbound {
        output = format!("ip daddr {peers} {chance}drop");
    }
    let rules = format!(
        "table ip fault {{
            chain inbound {{ type filter hook input priority 0; {input}
            }}
            chain outbound {{ type filter hook output priority 0; {output}
            }}
        }}
        "
    );
    let machine = cluster.machine(server)?;
    let path = machine.disk().join("fault.nft");
    fs::write(&path, rules)?;
    machine.run(&["nft", "-f", &path.to_string_lossy()]).map(drop)
}

fn pass_packets(cluster: &Cluster, server: &str) -> Result<()> {
    cluster.machine(server)?.run(&["nft", "delete", "table", "ip", "fault"]).map(drop)
}
