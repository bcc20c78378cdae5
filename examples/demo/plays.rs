//! The plays: a server is lost, an agent is lost, a group is moved.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stead::agent::clock::boot_time;
use stead::api::kinds::GroupState;
use stead::engine::time::Instant;

use crate::api::{Event, expect, until};
use crate::client::{Client, Outage};
use crate::cluster::Cluster;
use crate::recorder::{Record, Recorder};
use crate::split::{Instants, Split};
use crate::timeline::{self, Line};

/// How long a takeover may take before the demo gives up.
pub const TAKEOVER: Duration = Duration::from_secs(30);
/// How long the servers may take to tell each other what happened.
const TOLD: Duration = Duration::from_secs(10);
/// So often the cluster may say one server while the client is served by another.
const SETTLE_TRIES: usize = 3;
/// Answers that are awaited before and after each play, so that a gap has two ends.
pub const SETTLED: Duration = Duration::from_millis(200);

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Agent, keeper and application of the group's server die in one instant.
    ServerLost,
    /// Its agent is killed; its keeper lives.
    AgentLost,
    /// The group is moved to another server.
    PlannedMove,
}

impl Play {
    fn title(self, from: &str) -> String {
        match self {
            Play::ServerLost => {
                format!("server lost: agent, keeper and application of {from} die in one instant")
            }
            Play::AgentLost => {
                format!("agent lost: the agent of {from} is killed, its keeper lives")
            }
            Play::PlannedMove => format!("planned move: stead group move, away from {from}"),
        }
    }

    fn act_text(self, from: &str) -> String {
        match self {
            Play::ServerLost => format!("{from}: power cut"),
            Play::AgentLost => format!("{from}: agent killed"),
            Play::PlannedMove => "administrator: asks for the move".to_owned(),
        }
    }
}

/// The cluster with its observers.
pub struct Stage {
    cluster: Cluster,
    client: Client,
    recorder: Recorder,
}

impl Stage {
    /// Waits for a whole cluster, and begins to observe it.
    pub async fn new(mut cluster: Cluster) -> Result<Self> {
        cluster.whole().await?;
        let network = cluster.client_machine()?;
        let client = Client::start(network, crate::cluster::FRONT)?;
        let recorder = Recorder::start(network, cluster.targets()?)?;
        Ok(Self { cluster, client, recorder })
    }

    /// What the recorder has seen.
    pub fn record(&self) -> Record {
        self.recorder.record()
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster, to do something to it.
    pub fn cluster_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the observation.
    pub fn into_cluster(self) -> Cluster {
        self.cluster
    }

    /// Plays once, tells what happened, and makes the cluster whole again.
    pub async fn play(&mut self, play: Play) -> Result<Split> {
        let from = self.settle().await?;
        let rounds = self.record().rounds;
        println!("\n{}", play.title(&from));
        let (fault, outage) = self.act(play, &from).await?;
        let to = outage.after.answer.server.clone();
        let events = self.story(play, fault, &to).await?;
        let instants = self.instants(play, fault, &from, &to, &events).await?;

        let mut marks = vec![Line { at: fault, text: play.act_text(&from) }];
        if let Some(support) = last_support(&events, &from) {
            let text = format!("{to}: last renewal or answer sent to {from}");
            marks.push(Line { at: support, text });
        }
        timeline::print(&timeline::lines(&events, &outage, marks));
        let split = Split::new(&outage, &instants);
        let record = self.record();
        let dual = match record.dual.len() {
            0 => "never".to_owned(),
            many => format!("{many} TIMES, first {:?}", record.dual[0]),
        };
        println!(" {split}");
        println!(" two active: {dual} ({} rounds)", record.rounds - rounds);
        split.check()?;
        if play != Play::PlannedMove {
            self.cluster.repair(&from)?;
        }
        self.cluster.whole().await?;
        Ok(split)
    }

    /// Waits until the cluster is whole and the client content; answers who serves. A group that
    /// moves once more after a repair is followed.
    pub async fn settle(&mut self) -> Result<String> {
        let mut result = Err(anyhow::anyhow!("not tried"));
        for _ in 0..SETTLE_TRIES {
            let holder = self.cluster.whole().await?;
            let since = boot_time()? + SETTLED;
            result = self.client.answer_after(since, |server| server == holder, TOLD).await;
            if result.is_ok() {
                return Ok(holder);
            }
            result = result.with_context(|| format!("the cluster says that {holder} serves"));
        }
        result.map(|success| success.answer.server)
    }

    /// Does it, and waits until the client is served by another server.
    async fn act(&mut self, play: Play, from: &str) -> Result<(Instant, Outage)> {
        let fault = boot_time()?;
        match play {
            Play::ServerLost => self.cluster.cut_power(from)?,
            Play::AgentLost => self.cluster.kill_agent(from)?,
            Play::PlannedMove => {
                let group = self.cluster.manifest().group.clone();
                self.cluster.stead(&["group", "move", &group]).await?;
            }
        }
        let elsewhere = |server: &str| server != from;
        let first = self.client.answer_after(fault, elsewhere, TAKEOVER).await?;
        self.client.answer_after(first.at + SETTLED, elsewhere, TAKEOVER).await?;
        let outage = self.client.longest_gap(fault)?;
        ensure!(
            outage.after.answer.server != from,
            "the client's longest gap was not the takeover: {outage:?}"
        );
        Ok((fault, outage))
    }

    /// The events of this play, once the last of them has been told.
    async fn story(&self, play: Play, fault: Instant, to: &str) -> Result<Vec<Event>> {
        let manifest = self.cluster.manifest();
        // The lost server's last support is told by an event that comes after the fault.
        until("the events of the takeover", TOLD, async || {
            let events = self.cluster.api().events(fault).await?;
            let told = |reason: &str, name: &str, server: Option<&str>| {
                events.iter().any(|event| {
                    event.reason == reason
                        && event.object.1 == name
                        && server.is_none_or(|server| event.server == server)
                })
            };
            expect(told("ResourceOnline", &manifest.probe, Some(to)), || {
                format!("{to} has not told that {} is online", manifest.probe)
            })?;
            let free = events.iter().any(|event| event.reason == "ServerFree");
            expect(play != Play::ServerLost || free, || "nobody has told why it was free".into())?;
            let status = self.cluster.api().group(&manifest.group).await?;
            expect(status.state == GroupState::Online, || {
                format!("{} is {:?}: {}", manifest.group, status.state, status.message)
            })?;
            Ok(events)
        })
        .await
    }

    async fn instants(
        &self,
        play: Play,
        fault: Instant,
        from: &str,
        to: &str,
        events: &[Event],
    ) -> Result<Instants> {
        let manifest = self.cluster.manifest();
        let open = events
            .iter()
            .find(|event| {
                event.reason == "ResourceOnline"
                    && event.object.1 == manifest.probe
                    && event.server == to
            })
            .context("the probe port is open")?
            .at;
        let (fault, allowed) = match play {
            Play::ServerLost => {
                let support = last_support(events, from).context("somebody supported it last")?;
                (fault, Some(support + self.takeover_wait().await?))
            }
            Play::AgentLost => (fault, None),
            Play::PlannedMove => {
                // The service ends when its server begins to stop it, not when we asked.
                let stopping = events.iter().find(|event| event.reason == "ResourceStopping");
                (stopping.map_or(fault, |event| event.at), None)
            }
        };
        Ok(Instants { fault, allowed, open })
    }

    /// The time that the cluster itself says it waits.
    async fn takeover_wait(&self) -> Result<Duration> {
        let name = &self.cluster.manifest().cluster;
        let status = self.cluster.api().cluster(name).await?.status.unwrap_or_default();
        let timing = status.timing.context("the cluster's status tells its times")?;
        duration(&timing.takeover_wait)
            .with_context(|| format!("failed to read the wait {}", timing.takeover_wait))
    }
}

/// Reads a time such as `1463.5 ms` or `1.4635s`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.replace(' ', "");
    let (number, second) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * second).ok()
}

/// When a lost server was last supported, as the leader that took over says.
fn last_support(events: &[Event], server: &str) -> Option<Instant> {
    let free = events.iter().filter(|event| event.reason == "ServerFree");
    let of_it = free.filter(|event| event.parameters.get("server").is_some_and(|s| s == server));
    let supports = of_it.filter_map(|event| event.parameters.get("lastSupport")?.parse().ok());
    supports.max().map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_seconds_and_milliseconds() {
        assert_eq!(duration("1463.5 ms"), Some(Duration::from_micros(1_463_500)));
        assert_eq!(duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(duration("soon"), None);
    }
}
