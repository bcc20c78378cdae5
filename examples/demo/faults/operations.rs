//! What a person does to a cluster: the guide's table of state transitions (3.2.2).

use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use stead::agent::clock::boot_time;
use stead::api::kinds::GroupState;
use stead::engine::time::Instant;
use tokio::time::sleep;

use crate::api::{expect, until};
use crate::cluster::{Cluster, Who};

/// How long what a person does may take, start-up synchronisation included.
const DONE: Duration = Duration::from_secs(60);

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Everything was off; servers are started.
    Start(Late),
    /// The active server is taken out, and returned.
    Detach,
    /// The active server is shut down.
    ShutDown,
    /// The group is moved.
    Move,
    /// The group is stopped and started.
    Stop,
    /// A server that went down becomes a standby again.
    Return,
    /// All went down; the last one that was active is started last.
    AllDown,
}

/// Who is not there when the others start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nobody.
    Nobody,
    /// A server that was not active, until the group has started without it.
    Standby,
    /// The one that was.
    Active,
    /// A server that was not active; it comes while the others wait for it.
    StandbyInTime,
    /// Everybody but the one that was active.
    AllButActive,
}

impl Operation {
    /// Does it, and checks what the guide has one check.
    pub async fn play(self, cluster: &mut Cluster, server: &str, length: Duration) -> Result<()> {
        let group = cluster.manifest().group.clone();
        match self {
            Operation::Start(late) => start(cluster, server, late).await,
            Operation::Detach => {
                cluster.stead(&["server", "detach", server]).await?;
                online(cluster, |now| now != server).await?;
                cluster.stead(&["server", "return", server]).await
            }
            Operation::ShutDown => {
                // As an operating system does: the keeper has its agent stop the groups first.
                cluster.signal(server, &[Who::Keeper], Signal::SIGTERM)?;
                online(cluster, |now| now != server).await?;
                cluster.wait_for_end(server)?;
                cluster.cut_power(server)
            }
            Operation::Move => {
                cluster.stead(&["group", "move", &group]).await?;
                online(cluster, |now| now != server).await
            }
            Operation::Stop => {
                cluster.stead(&["group", "stop", &group]).await?;
                state(cluster, GroupState::Offline).await?;
                for server in cluster.names() {
                    let left = cluster.applications(&server)?;
                    ensure!(left == 0, "{left} processes of the application live on {server}");
                }
                cluster.stead(&["group", "start", &group]).await?;
                state(cluster, GroupState::Online).await
            }
            Operation::Return => {
                cluster.cut_power(server)?;
                online(cluster, |now| now != server).await?;
                sleep(length / 5).await;
                cluster.repair(server)?;
                cluster.whole().await?;
                // It is a standby now: the group stays where it is.
                online(cluster, |now| now != server).await
            }
            Operation::AllDown => {
                let mut names = cluster.names();
                names.sort_by_key(|name| name == server);
                names.iter().try_for_each(|name| cluster.cut_power(name))?;
                names.iter().try_for_each(|name| cluster.repair(name))?;
                online(cluster, |_| true).await
            }
        }
    }
}

/// Start-up synchronisation: everything was off.
async fn start(cluster: &mut Cluster, server: &str, late: Late) -> Result<()> {
    let names = cluster.names();
    names.iter().try_for_each(|name| cluster.cut_power(name))?;
    let began = boot_time()?;
    let standby = names.iter().rfind(|name| *name != server).cloned().unwrap_or_default();
    let is_late = |name: &&String| match late {
        Late::Nobody => false,
        Late::Standby | Late::StandbyInTime => **name == standby,
        Late::Active => *name == server,
        Late::AllButActive => *name != server,
    };
    for name in names.iter().filter(|name| !is_late(name)) {
        cluster.repair(name)?;
    }
    match late {
        Late::Nobody => {}
        Late::Standby => {
            waits(cluster, began).await?;
            online(cluster, |now| now != standby).await?;
        }
        Late::Active => {
            waits(cluster, began).await?;
            online(cluster, |now| now != server).await?;
        }
        Late::StandbyInTime => waits(cluster, began).await?,
        Late::AllButActive => {
            // It says whom it misses, and starts nothing without a majority, however long it waits.
            let wait = cluster.manifest().wait_for_servers;
            sleep(wait + Duration::from_secs(2)).await;
            let started = cluster.applications(server)?;
            ensure!(started == 0, "{server} started the group without a majority");
        }
    }
    for name in names.iter().filter(is_late) {
        cluster.repair(name)?;
    }
    online(cluster, |_| true).await
}

/// Waits until the servers that are there say that they wait for the others.
async fn waits(cluster: &Cluster, began: Instant) -> Result<()> {
    until("the start-up wait", DONE, async || {
        let events = cluster.api().events(began).await?;
        let told = events.iter().any(|event| event.reason == "StartupWaiting");
        expect(told, || "nobody says that it waits for a server".to_owned())
    })
    .await
}

async fn online(cluster: &Cluster, suits: impl Fn(&str) -> bool) -> Result<()> {
    let group = &cluster.manifest().group;
    until("the group", DONE, async || {
        let status = cluster.api().group(group).await?;
        let suits = status.server.as_deref().is_some_and(&suits);
        expect(status.state == GroupState::Online && suits, || {
            format!("{group} is {:?} on {:?}", status.state, status.server)
        })
    })
    .await
}

async fn state(cluster: &Cluster, wanted: GroupState) -> Result<()> {
    let group = &cluster.manifest().group;
    until("the group", DONE, async || {
        let status = cluster.api().group(group).await?;
        expect(status.state == wanted, || format!("{group} is {:?}", status.state))
    })
    .await
}
