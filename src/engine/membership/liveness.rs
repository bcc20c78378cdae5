//! Whom this server hears, and who hears it: two-way liveness over several paths.
//!
//! Decides: whether a peer is *alive* (heard on some path within the time-out, and itself hearing
//! us on some path), and each path's state. A path that is down is a condition and an event, never
//! a reason to fail over while another works. It must never decide who leads or what runs.
//! It fails towards "not heard": a packet of an older run of a peer's agent counts for nothing.

use std::sync::Arc;
use std::time::Duration;

use super::super::ids::{BootId, IncarnationId, Revision, Term};
use super::super::message::{DiskHealth, Heartbeat, PathReport, SelfFence, ViewId};
use super::super::time::{Instant, Now, WallTime};
use super::copies::Copies;
use super::table::Table;
use crate::api::names::{PathName, ServerName};

/// Older runs of a peer that are remembered, so that their late packets are known for what they
/// are. More runs than this within one packet's life time do not occur.
const PAST_BOOTS_MAX: usize = 16;
/// No pause is longer, whatever a peer says: the bound of `heartbeat.pauseMax` and a bit.
const PAUSE_LIMIT: Duration = Duration::from_secs(601);

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A peer is heard in both directions.
    Heard(ServerName),
    /// A peer is not heard any more, on any path.
    Lost(ServerName),
    /// A peer's agent was started anew.
    Restarted(ServerName),
    /// A path to a peer works in both directions.
    PathUp(ServerName, PathName),
    /// A path to a peer does not work any more.
    PathLost(ServerName, PathName),
}

/// All peers of this server.
#[derive(Clone, Debug)]
pub struct Liveness {
    me: ServerName,
    timeout: Duration,
    peers: Table<ServerName, Peer>,
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The run of its agent that speaks.
    pub boot: Option<BootId>,
    /// Its state folder.
    pub incarnation: Option<IncarnationId>,
    /// The view it follows, by its latest heartbeat.
    pub view: Option<ViewId>,
    /// The highest term it promised, by its latest heartbeat.
    pub promised: Option<Term>,
    /// Its store.
    pub revision: Revision,
    /// What ends its services.
    pub self_fence: Option<SelfFence>,
    /// Whether it said that its watchdog device is armed.
    pub watchdog: bool,
    /// What it says of its disk.
    pub disk: DiskHealth,
    /// Release of its agent.
    pub version: Arc<str>,
    /// Its wall clock minus ours, in milliseconds.
    pub clock_offset: i64,
    /// The run that its keeper said has ended.
    pub ended: Option<BootId>,
    /// The run that said that it ends in good order.
    pub retiring: Option<BootId>,
    /// It is to be followed by nobody.
    pub resigns: bool,
    /// The pause that it announced, and when that was first heard.
    pause: Option<(Duration, Instant)>,
    /// The latest of its heartbeats on any path, by its own clock.
    newest: Option<Instant>,
    hears_me: bool,
    alive: bool,
    /// When it was last heard on any path, whichever run.
    spoke: Option<Instant>,
    /// Its agent was started anew then, while the former run was heard, and is not yet heard in
    /// both directions.
    restarted: Option<Instant>,
    past: Vec<BootId>,
    copies: Copies,
    paths: Table<PathName, Path>,
}

#[derive(Clone, Debug, Default)]
struct Path {
    heard: Option<Instant>,
    stamp: Option<Instant>,
    hears_me: bool,
    up: bool,
    since: WallTime,
    round_trip: Option<Duration>,
}

impl Liveness {
    /// Nobody is heard yet.
    #[must_use]
    pub fn new(me: ServerName, timeout: Duration) -> Self {
        Self { me, timeout, peers: Table::default() }
    }

    /// Takes the servers, paths and time-out of the spec.
    pub fn configure(&mut self, servers: &[ServerName], paths: &[PathName], timeout: Duration) {
        self.timeout = timeout;
        self.peers.retain(|name| servers.contains(name));
        for name in servers.iter().filter(|name| **name != self.me) {
            let peer = self.peers.entry(name);
            peer.paths.retain(|path| paths.contains(path));
            for path in paths {
                peer.paths.entry(path);
            }
        }
    }

    /// A peer, if it is configured.
    #[must_use]
    pub fn peer(&self, name: &ServerName) -> Option<&Peer> {
        self.peers.get(name)
    }

    /// All peers.
    pub fn peers(&self) -> impl Iterator<Item = (&ServerName, &Peer)> {
        self.peers.iter()
    }

    /// Whether a packet of this run of a peer's agent counts: not one of an older run, nor of one
    /// whose keeper said that it ended.
    #[must_use]
    pub fn accepts(&self, from: &ServerName, boot: BootId) -> bool {
        self.peers
            .get(from)
            .is_some_and(|peer| peer.ended != Some(boot) && !peer.past.contains(&boot))
    }

    /// A packet of any kind came on a path.
    pub fn on_packet(
        &mut self,
        now: Now,
        from: &ServerName,
        boot: BootId,
        path: Option<&PathName>,
    ) -> Vec<Change> {
        let Some(peer) = self.peers.get_mut(from) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if peer.boot != Some(boot)
            && let Some(past) = peer.boot.replace(boot)
        {
            // Replaced once more before it was heard: still no loss, and no more time for it.
            if peer.alive {
                peer.restarted = Some(now.instant);
            }
            peer.restart(past);
            changes.push(Change::Restarted(from.clone()));
        }
        if let Some(path) = path.and_then(|path| peer.paths.get_mut(path)) {
            path.heard = Some(now.instant);
            peer.spoke = Some(now.instant);
        }
        self.settle(now, from, &mut changes);
        changes
    }

    /// Whether this is the first copy of a message that came on several paths; `on_packet` was
    /// called for it.
    pub fn is_first_copy(&mut self, from: &ServerName, number: u64) -> bool {
        number == 0 || self.peers.get_mut(from).is_some_and(|peer| peer.copies.is_first(number))
    }

    /// A heartbeat came; `on_packet` was called for it.
    pub fn on_heartbeat(
        &mut self,
        now: Now,
        from: &ServerName,
        heartbeat: &Heartbeat,
    ) -> Vec<Change> {
        let Some(peer) = self.peers.get_mut(from) else {
            return Vec::new();
        };
        if let Some(path) = peer.paths.get_mut(&heartbeat.path) {
            // Reordered: an older one says nothing new.
            if path.stamp.is_some_and(|stamp| stamp >= heartbeat.sent) {
                return Vec::new();
            }
            path.stamp = Some(heartbeat.sent);
            path.hears_me = heartbeat.hears_you;
            if let Some((mine, held)) = heartbeat.echo {
                path.round_trip = Some(now.instant.since(mine).saturating_sub(held));
            }
        }
        peer.hears_me = heartbeat.hears.contains(&self.me);
        peer.incarnation = Some(heartbeat.incarnation);
        peer.view.clone_from(&heartbeat.view);
        peer.promised = Some(heartbeat.promised.clone());
        // A run's store never goes back; its heartbeat may be older than its last answer.
        peer.revision = peer.revision.max(heartbeat.revision);
        if peer.newest.is_none_or(|newest| heartbeat.sent >= newest) {
            peer.newest = Some(heartbeat.sent);
            peer.resigns = heartbeat.resigns;
            peer.note_pause(heartbeat.pause, now.instant);
        }
        if heartbeat.retiring {
            peer.retiring = peer.boot;
        }
        peer.self_fence = Some(heartbeat.self_fence);
        peer.watchdog = heartbeat.watchdog;
        peer.disk = heartbeat.disk;
        peer.version.clone_from(&heartbeat.version);
        peer.clock_offset = heartbeat.wall.0 - now.wall.0;
        let mut changes = Vec::new();
        self.settle(now, from, &mut changes);
        changes
    }

    /// Whether a heartbeat is not older than another of the same run, which came on another path: an
    /// older one says nothing of what has changed since.
    #[must_use]
    pub fn is_newest(&self, from: &ServerName, sent: Instant) -> bool {
        let newest = self.peers.get(from).and_then(|peer| peer.newest);
        newest.is_none_or(|newest| sent >= newest)
    }

    /// Whether a peer is waited for only because it announced a pause.
    #[must_use]
    pub fn pauses(&self, now: Instant, name: &ServerName) -> bool {
        self.peers.get(name).is_some_and(|peer| {
            let heard = peer.paths.iter().filter_map(|(_, path)| path.heard).max();
            peer.alive && heard.is_some_and(|heard| now.since(heard) >= self.timeout)
        })
    }

    /// A keeper said that this run of its server's agent is dead and holds nothing.
    pub fn on_ended(&mut self, now: Now, from: &ServerName, boot: BootId) -> Vec<Change> {
        let Some(peer) = self.peers.get_mut(from) else {
            return Vec::new();
        };
        // Only the run that speaks, or spoke last, may be declared dead: a late farewell of an
        // older run says nothing about its successor.
        if peer.boot.is_some_and(|present| present != boot) {
            return Vec::new();
        }
        peer.ended = Some(boot);
        peer.silence();
        let mut changes = Vec::new();
        self.settle(now, from, &mut changes);
        changes
    }

    /// A peer named a term that it promised.
    pub fn note_promised(&mut self, from: &ServerName, term: &Term) {
        if let Some(peer) = self.peers.get_mut(from)
            && peer.promised.as_ref().is_none_or(|promised| promised < term)
        {
            peer.promised = Some(term.clone());
        }
    }

    /// This server itself stood still for so long: that it heard nobody meanwhile is no sign that
    /// they are silent. Taken for one, a server that wakes up would act as if it were alone.
    pub fn overslept(&mut self, slept: Duration) {
        for path in self.peers.values_mut().flat_map(|peer| peer.paths.values_mut()) {
            path.heard = path.heard.map(|heard| heard + slept);
        }
    }

    /// Time passed.
    pub fn expire(&mut self, now: Now) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, peer) in self.peers.iter_mut() {
            peer.settle(now, self.timeout, name, &mut changes);
        }
        changes
    }

    /// When the next path, and with it perhaps a peer, goes silent for too long.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for (_, peer) in self.peers.iter() {
            for (_, path) in peer.paths.iter() {
                if let Some(heard) = path.heard {
                    let until = heard + silence_allowed(peer.pause, heard, self.timeout);
                    first = Some(first.map_or(until, |first| first.min(until)));
                }
            }
        }
        first
    }

    /// Whether a peer is heard and hears us. We always hear ourselves.
    #[must_use]
    pub fn alive(&self, name: &ServerName) -> bool {
        *name == self.me || self.peers.get(name).is_some_and(|peer| peer.alive)
    }

    /// Whether a peer's agent was replaced a moment ago and is about to be heard again: that is no
    /// loss, and whoever takes it for one moves what still runs there. Half a time-out, so that
    /// what it runs can be adopted within its lease.
    #[must_use]
    pub fn restarting(&self, name: &ServerName) -> bool {
        self.peers.get(name).is_some_and(|peer| peer.restarted.is_some())
    }

    /// How long a peer has been silent on every path, as far as this server was awake.
    #[must_use]
    pub fn silence(&self, now: Instant, name: &ServerName) -> Option<Duration> {
        let heard = self.peers.get(name)?.paths.iter().filter_map(|(_, path)| path.heard).max()?;
        Some(now.since(heard))
    }

    /// A peer said how far its store is.
    pub fn note_revision(&mut self, from: &ServerName, revision: Revision) {
        if let Some(peer) = self.peers.get_mut(from) {
            peer.revision = peer.revision.max(revision);
        }
    }

    /// What a peer says of its disk.
    #[must_use]
    pub fn disk(&self, name: &ServerName) -> DiskHealth {
        self.peers.get(name).map_or(DiskHealth::Well, |peer| peer.disk)
    }

    /// Whether a peer asks to be left out of the view.
    pub fn leaves(&self, name: &ServerName) -> bool {
        self.disk(name) == DiskHealth::Leaving
    }

    /// Peers whose packets arrive, whether or not ours do.
    pub fn heard(&self) -> impl Iterator<Item = &ServerName> {
        self.peers.iter().filter(|(_, peer)| peer.is_heard()).map(|(name, _)| name)
    }

    /// Whether a peer's packets arrive, whether or not ours do.
    #[must_use]
    pub fn hears(&self, name: &ServerName) -> bool {
        self.peers.get(name).is_some_and(Peer::is_heard)
    }

    /// Whether a peer's packets arrive on a path.
    #[must_use]
    pub fn hears_on(&self, name: &ServerName, path: &PathName) -> bool {
        self.path(name, path).is_some_and(|path| path.heard.is_some())
    }

    /// The peer's latest stamp on a path, to be echoed, and how long ago it came.
    #[must_use]
    pub fn echo(
        &self,
        now: Instant,
        name: &ServerName,
        path: &PathName,
    ) -> Option<(Instant, Duration)> {
        let path = self.path(name, path)?;
        Some((path.stamp?, now.since(path.heard?)))
    }

    /// Every path as it stands.
    #[must_use]
    pub fn report(&self) -> Vec<PathReport> {
        let report = |(peer, state): (&ServerName, &Peer)| {
            let peer = peer.clone();
            let entry = move |(path, state): (&PathName, &Path)| PathReport {
                peer: peer.clone(),
                path: path.clone(),
                up: state.up,
                round_trip: state.round_trip,
                since: state.since,
            };
            state.paths.iter().map(entry).collect::<Vec<_>>()
        };
        self.peers.iter().flat_map(report).collect()
    }

    fn path(&self, name: &ServerName, path: &PathName) -> Option<&Path> {
        self.peers.get(name)?.paths.get(path)
    }

    fn settle(&mut self, now: Now, name: &ServerName, changes: &mut Vec<Change>) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.settle(now, self.timeout, name, changes);
        }
    }
}

impl Peer {
    /// When it was last heard on any path.
    #[must_use]
    pub fn last_heard(&self) -> Option<Instant> {
        self.spoke
    }

    fn is_heard(&self) -> bool {
        self.paths.iter().any(|(_, path)| path.heard.is_some())
    }

    fn settle(
        &mut self,
        now: Now,
        timeout: Duration,
        name: &ServerName,
        changes: &mut Vec<Change>,
    ) {
        let pause = self.pause;
        let silent = |heard| now.instant.since(heard) >= silence_allowed(pause, heard, timeout);
        for (path_name, path) in self.paths.iter_mut() {
            if path.heard.is_some_and(silent) {
                path.heard = None;
                path.hears_me = false;
            }
            let up = path.heard.is_some() && path.hears_me;
            if up != path.up {
                path.up = up;
                path.since = now.wall;
                let change = if up { Change::PathUp } else { Change::PathLost };
                changes.push(change(name.clone(), path_name.clone()));
            }
        }
        let heard = self.is_heard();
        if !heard {
            self.hears_me = false;
        }
        let alive = heard && self.hears_me;
        if alive || self.restarted.is_some_and(|at| now.instant.since(at) >= timeout / 2) {
            self.restarted = None;
        }
        if alive != self.alive {
            self.alive = alive;
            let change = if alive { Change::Heard } else { Change::Lost };
            changes.push(change(name.clone()));
        }
    }

    /// Told once: how long it says so does not lengthen it.
    fn note_pause(&mut self, told: Option<Duration>, now: Instant) {
        let known = self.pause.map(|(length, _)| length);
        if known != told {
            self.pause = told.map(|length| (length.min(PAUSE_LIMIT), now));
        }
    }

    fn restart(&mut self, past: BootId) {
        self.resigns = false;
        self.pause = None;
        self.newest = None;
        self.copies = Copies::default();
        self.past.push(past);
        if self.past.len() > PAST_BOOTS_MAX {
            self.past.remove(0);
        }
        self.silence();
        for path in self.paths.values_mut() {
            path.stamp = None;
        }
        self.view = None;
        self.disk = DiskHealth::Well;
        self.revision = Revision::default();
    }

    fn silence(&mut self) {
        self.hears_me = false;
        self.view = None;
        for path in self.paths.values_mut() {
            path.heard = None;
            path.hears_me = false;
        }
    }
}

/// How long a server may be silent that was last heard then: longer where it may have stood still since
/// within the time that it announced.
fn silence_allowed(
    pause: Option<(Duration, Instant)>,
    heard: Instant,
    timeout: Duration,
) -> Duration {
    match pause {
        Some((length, since)) if heard < since + length + timeout => timeout + length,
        Some(_) | None => timeout,
    }
}
