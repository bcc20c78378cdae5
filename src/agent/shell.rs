//! The engine's thread: one input, all its effects, then the next.
//!
//! Nothing here waits for anything but inputs: disks, drivers, streams and people are served by
//! other threads. Where the clock can't be read, or the engine panics, the thread ends and the
//! agent with it; the keeper ends the services.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::{oneshot, watch};

use super::clock::{self, ClockError};
use super::config::{AgentConfig, Endpoint, PowerMode, endpoints};
use super::inbox::{Outbox, Told};
use super::keeper_client::KeeperClient;
use super::state::writer::StateWriter;
use super::telemetry::Counters;
use super::transport::frame::{self, Frame, KeptEvent};
use super::transport::keys::KeyError;
use super::transport::outgoing::Bundles;
use super::transport::sessions::Sessions;
use super::transport::sockets::Sockets;
use super::transport::stream::Streams;
use super::work::Work;
use super::{power, publish};
use crate::api::kinds::ClusterSpec;
use crate::api::names::ServerName;
use crate::engine::Engine;
use crate::engine::effect::{Change, Effect, Event, PowerAction, WriteError};
use crate::engine::ids::{ActionId, BootId, Revision};
use crate::engine::input::{ArbiterAnswer, Input, Verdict};
use crate::engine::model::Objects;
use crate::engine::time::{Instant, Now};
use crate::keeper::watchdog::default_device;
use crate::server::apiserver::Storage;

mod network;
mod observed;

/// Between two publications while something happens.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// Between two publications while nothing but heartbeats happens: they bring new measurements, no
/// new state. Each costs as much as two hundred packets.
const IDLE_PUBLISH_INTERVAL: Duration = Duration::from_secs(5);
/// Entries taken from the queue before sockets get their turn.
const TOLD_MAX: usize = 256;

/// What the keeper remembers the settings of running resources under.
pub const SETTINGS_KEY: &str = "engine/settings";

/// Why the thread ended.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Waiting failed.
    #[error("failed to wait for packets")]
    Wait(#[from] nix::Error),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The thread that writes the state is gone.
    #[error("the thread that writes the state has ended")]
    StateWriter,
}

/// Everything that the engine's thread owns.
pub struct Shell {
    /// Decides.
    pub engine: Engine,
    /// This server's name.
    pub me: ServerName,
    /// This run.
    pub boot: BootId,
    /// What may end this machine.
    pub power: PowerMode,
    /// Seals and opens datagrams.
    pub sessions: Sessions,
    /// Carry datagrams.
    pub sockets: Sockets,
    /// What is about to be sent on them.
    pub outgoing: Bundles,
    /// Carry what is too large for them.
    pub streams: Streams,
    /// Writes the state.
    pub writer: StateWriter,
    /// Runs drivers.
    pub work: Work,
    /// Holds the lease.
    pub keeper: KeeperClient,
    /// Shows the lease to drivers.
    pub lease: watch::Sender<Option<Instant>>,
    /// Serves what is published.
    pub storage: Arc<Storage>,
    /// Shows to others where each server is.
    pub peers: watch::Sender<BTreeMap<ServerName, Endpoint>>,
    /// What an earlier run of this agent had the keeper remember.
    pub recalled: Option<String>,
    /// Brings inputs.
    pub outbox: Outbox,
    /// Counts.
    pub counters: Arc<Counters>,
    /// Where peers are while the stored Cluster does not say.
    pub configured: AgentConfig,
    /// What is not published yet.
    pub unpublished: Vec<KeptEvent>,
}

/// What changes while it runs.
struct Running {
    cluster: Option<ClusterSpec>,
    known: Option<Revision>,
    /// Peers' addresses were taken in once.
    addressed: bool,
    writes: BTreeMap<ActionId, oneshot::Sender<Result<Revision, WriteError>>>,
    next_write: u64,
    published: Option<Instant>,
    /// What the timer is set to.
    timer: Option<Instant>,
    changed: bool,
    /// What each peer last reported, without measurements.
    gists: BTreeMap<ServerName, u64>,
    /// What drivers read in clouds, here and elsewhere.
    observed: observed::Observed,
    /// What of it was told last, and to whom.
    observed_told: Option<(u64, Option<ServerName>)>,
    refusals_logged: Option<Instant>,
    refusals: u64,
    retired: bool,
}

/// What one wait brought.
struct Ready {
    /// In the order of [`Sockets::iter`].
    sockets: Vec<bool>,
    queue: bool,
}

impl Shell {
    /// Runs until it is told to retire.
    ///
    /// # Errors
    /// Where it can't go on; the agent must end then.
    pub fn run(mut self) -> Result<(), ShellError> {
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let mut running = Running {
            cluster: None,
            known: None,
            addressed: false,
            writes: BTreeMap::new(),
            next_write: 0,
            published: None,
            timer: None,
            changed: true,
            gists: BTreeMap::new(),
            observed: BTreeMap::new(),
            observed_told: None,
            refusals_logged: None,
            refusals: 0,
            retired: false,
        };
        self.adopt_cluster(&mut running)?;
        if let Some(text) = self.recalled.take() {
            self.step(&mut running, Input::Recalled { text })?;
        }
        let present = self.keeper.is_present();
        self.step(&mut running, Input::Keeper { present })?;
        let mut ready = Ready { sockets: vec![true; self.sockets.iter().count()], queue: true };
        while !running.retired {
            self.read_sockets(&mut running, &ready.sockets)?;
            if self.engine.closed() {
                self.on_told(&mut running, Told::Retire)?;
            }
            if ready.queue {
                self.read_queue(&mut running)?;
            }
            let now = clock::boot_time()?;
            if self.engine.poll_timeout().is_some_and(|due| due <= now) {
                self.step(&mut running, Input::Timer)?;
            }
            self.publish_when_due(&mut running)?;
            ready = self.wait(&mut running, &timer)?;
        }
        self.publish(&mut running)?;
        Ok(())
    }

    fn wait(&self, running: &mut Running, timer: &TimerFd) -> Result<Ready, ShellError> {
        let due = [self.engine.poll_timeout(), Some(publication_due(running))];
        // One that has passed stays readable, which is right: it is for something that is due.
        if let Some(due) = due.into_iter().flatten().min()
            && running.timer != Some(due)
        {
            running.timer = Some(due);
            // Zero would disarm it.
            let due = TimeSpec::from_duration(Duration::from_nanos(due.0.max(1)));
            timer.set(Expiration::OneShot(due), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        }
        let readable = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let mut waiting: Vec<PollFd<'_>> = self.sockets.descriptors().map(readable).collect();
        waiting.push(readable(self.outbox.wake().as_fd()));
        waiting.push(readable(timer.as_fd()));
        match poll(&mut waiting, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = waiting.iter().map(|one| one.any().unwrap_or(true));
        let sockets = ready.by_ref().take(self.sockets.iter().count()).collect();
        Ok(Ready { sockets, queue: ready.next().unwrap_or(true) })
    }

    fn read_queue(&mut self, running: &mut Running) -> Result<(), ShellError> {
        self.outbox.rest();
        for taken in 0.. {
            if taken == TOLD_MAX {
                // There may be more: the descriptor is to say so again.
                let _ = self.outbox.wake().write(1);
                break;
            }
            let Some(told) = self.outbox.next() else { break };
            self.on_told(running, told)?;
        }
        Ok(())
    }

    fn on_told(&mut self, running: &mut Running, told: Told) -> Result<(), ShellError> {
        match told {
            Told::Input(input) => {
                self.note_answer(&input);
                // A check that changes something also gives an event.
                running.changed |= !matches!(input, Input::Checked { .. });
                self.step(running, input)
            }
            Told::Frame { from, frame } => self.on_frame(running, None, from, frame),
            Told::Write { changes, after, reply } => self.on_write(running, changes, after, reply),
            Told::Configured(config) => {
                self.power = config.power;
                self.configured = *config;
                running.known = None;
                self.adopt_cluster(running)
            }
            Told::Retire => {
                self.step(running, Input::Retire)?;
                running.retired = true;
                Ok(())
            }
        }
    }

    fn on_write(
        &mut self,
        running: &mut Running,
        changes: Vec<Change>,
        after: Revision,
        reply: oneshot::Sender<Result<Revision, WriteError>>,
    ) -> Result<(), ShellError> {
        running.writes.retain(|_, reply| !reply.is_closed());
        running.next_write += 1;
        let id = ActionId(running.next_write);
        running.writes.insert(id, reply);
        running.changed = true;
        self.step(running, Input::Write { id, after, changes })
    }

    /// Forgets work that has answered.
    fn note_answer(&mut self, input: &Input) {
        match input {
            Input::Verdict { id, .. }
            | Input::ResourceDone { id, .. }
            | Input::Checked { id, .. }
            | Input::ScriptDone { id, .. }
            | Input::FenceDone { id, .. } => self.work.answered(*id),
            Input::Timer
            | Input::Received { .. }
            | Input::Persisted { .. }
            | Input::ResourceFailed { .. }
            | Input::Keeper { .. }
            | Input::Guard(_)
            | Input::Recalled { .. }
            | Input::ServicesEnded
            | Input::Write { .. }
            | Input::Close
            | Input::Retire => {}
        }
    }

    /// One input and all its effects.
    fn step(&mut self, running: &mut Running, input: Input) -> Result<(), ShellError> {
        let now = clock::now()?;
        self.engine.handle(now, input);
        while let Some(effect) = self.engine.poll_effect() {
            self.execute(running, now, effect)?;
        }
        self.flush();
        if running.known != Some(self.engine.durable().revision) {
            running.changed = true;
            self.adopt_cluster(running)?;
        }
        Ok(())
    }

    fn execute(
        &mut self,
        running: &mut Running,
        now: Now,
        effect: Effect,
    ) -> Result<(), ShellError> {
        match effect {
            Effect::Persist { id, record } => {
                if !self.writer.persist(id, record) {
                    return Err(ShellError::StateWriter);
                }
            }
            Effect::Send { to, to_boot, path, number, message } => {
                self.send(to, to_boot, path.as_ref(), number, message);
            }
            Effect::Lease { until } => {
                self.keeper.lease(until);
                self.lease.send_replace(until);
            }
            Effect::AskArbiter { id, question } => match &running.cluster {
                Some(spec) => self.work.verdict(id, spec, question),
                None => {
                    let message = "the store holds no Cluster";
                    let answer = ArbiterAnswer::new(Verdict::Unknown, message);
                    self.engine.handle(now, Input::Verdict { id, answer });
                }
            },
            Effect::Resource { id, action, context } => self.work.resource(id, action, context),
            Effect::Check { id, monitor, spec, resource, timeout } => {
                self.work.check(id, monitor, spec, resource, timeout);
            }
            Effect::RecoveryScript { id, monitor, command, timeout } => {
                self.work.recovery_script(id, monitor, command, timeout);
            }
            Effect::Fence { id, action, server, method } => {
                self.work.fence(id, action, server, method);
            }
            Effect::Cancel { id } => self.work.cancel(id),
            Effect::Power { action } => self.end_machine(action),
            Effect::Watchdog { seconds } => self.set_watchdog(seconds),
            Effect::Remember { text } => self.keeper.remember_now(SETTINGS_KEY, text),
            Effect::KeepAside { revision, objects } => {
                self.writer.aside(revision, objects);
            }
            Effect::Event(event) => {
                running.changed = true;
                self.on_event(event);
            }
            Effect::WriteDone { id, result } => {
                running.changed = true;
                if let Some(reply) = running.writes.remove(&id) {
                    // Who asked may have gone away.
                    let _ = reply.send(result);
                }
            }
        }
        Ok(())
    }

    fn set_watchdog(&self, seconds: Option<u32>) {
        let device = self.configured.watchdog.clone().unwrap_or_else(default_device);
        self.work.watchdog(self.power, device, seconds);
    }

    fn end_machine(&self, action: PowerAction) {
        let mode = self.power;
        // It may take a while, and heartbeats tell the others that services have ended.
        let thread = std::thread::Builder::new().name("power".into()).spawn(move || {
            if let Err(error) = power::act(mode, action) {
                tracing::error!(%error, ?action, "failed to end this machine");
            }
        });
        if let Err(error) = thread {
            tracing::error!(%error, ?action, "failed to end this machine");
        }
    }

    /// An event of this server: kept, told to the others, logged.
    fn on_event(&mut self, event: Event) {
        log(&event);
        let kept = KeptEvent { boot: self.boot, event };
        if let Ok(bytes) = frame::encode(&Frame::Event(Box::new(kept.clone()))) {
            let bytes = Bytes::from(bytes);
            let peers: Vec<ServerName> = self.peers.borrow().keys().cloned().collect();
            for peer in &peers {
                self.stream(peer, bytes.clone());
            }
        }
        self.keep(kept);
    }

    fn keep(&mut self, event: KeptEvent) {
        self.writer.event(event.clone());
        self.unpublished.push(event);
    }

    /// Takes in who the servers are and where, from the store, or from `agent.yaml` before that.
    fn adopt_cluster(&mut self, running: &mut Running) -> Result<(), ShellError> {
        let durable = self.engine.durable();
        running.known = Some(durable.revision);
        running.cluster = stored_cluster(&durable.objects);
        if let Some(spec) = &running.cluster {
            self.work.prepare(spec);
        }
        let mut found = running.cluster.as_ref().map(endpoints).unwrap_or_default();
        if found.remove(&self.me).is_none() {
            found = self.configured.first_peers();
        }
        if running.addressed && *self.peers.borrow() == found {
            return Ok(());
        }
        running.addressed = true;
        self.sessions.set_peers(found.keys().cloned())?;
        self.streams.set_peers(&found);
        self.peers.send_replace(found);
        self.give_farewell()
    }

    fn publish_when_due(&mut self, running: &mut Running) -> Result<(), ShellError> {
        if publication_due(running) <= clock::boot_time()? {
            self.publish(running)?;
        }
        Ok(())
    }

    fn publish(&mut self, running: &mut Running) -> Result<(), ShellError> {
        running.published = Some(clock::boot_time()?);
        let events = std::mem::take(&mut self.unpublished);
        let observation = self.engine.observe();
        self.share_observed(running, observation.leader.as_ref());
        running.changed = false;
        let objects = &self.engine.durable().objects;
        publish::publish(&self.storage, observation, objects, events, &running.observed);
        Ok(())
    }
}

/// When to publish next.
fn publication_due(running: &Running) -> Instant {
    let interval = if running.changed { PUBLISH_INTERVAL } else { IDLE_PUBLISH_INTERVAL };
    running.published.map_or(Instant(0), |last| last + interval)
}

/// The spec of the stored Cluster.
fn stored_cluster(objects: &Objects) -> Option<ClusterSpec> {
    #[derive(serde::Deserialize)]
    struct Stored {
        spec: ClusterSpec,
    }
    let (_, object) = objects.iter().find(|(key, _)| key.kind == "Cluster")?;
    match serde_json::from_str::<Stored>(&object.json) {
        Ok(stored) => Some(stored.spec),
        Err(error) => {
            tracing::error!(%error, "the stored Cluster can't be read");
            None
        }
    }
}

/// One line for people who read logs instead of events.
fn log(event: &Event) {
    use crate::api::catalogue::{self, Language, Severity};
    let message = catalogue::render(&event.reason, &event.parameters, Language::English);
    let object = format!("{}/{}", event.object.kind, event.object.name);
    let (reason, number) = (&event.reason, event.number);
    match catalogue::lookup(reason).map(|entry| entry.severity) {
        Some(Severity::Error) => tracing::error!(reason, object, number, "{message}"),
        Some(Severity::Warning) => tracing::warn!(reason, object, number, "{message}"),
        Some(Severity::Information) | None => {
            tracing::info!(reason, object, number, "{message}");
        }
    }
}
