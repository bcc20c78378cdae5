//! What the engine wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{ActionId, BootId, GrantId, Revision, Term};
use super::message::{Message, OrderReason, SelfFence};
use super::model::ObjectKey;
use super::time::{Instant, WallTime};
use crate::api::kinds::{FencingMethod, MonitorSpec, ResourceSpec};
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};
use crate::api::timing::Timing;

/// One thing to do. Effects are carried out in order; those with an id are answered by an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write to disk, with fsync; answered by `Input::Persisted`. What depends on it is emitted
    /// only after the answer.
    Persist {
        /// Pairs the answer.
        id: ActionId,
        /// What to write.
        record: Record,
    },
    /// Send to a peer: on one path, or on every path where none is named.
    Send {
        /// The receiver.
        to: ServerName,
        /// The run it is for.
        to_boot: Option<BootId>,
        /// The path.
        path: Option<PathName>,
        /// See `Envelope::number`.
        number: u64,
        /// The message.
        message: Message,
    },
    /// Tell the keeper until when services may live; `None`: end them now.
    Lease {
        /// End of the lease.
        until: Option<Instant>,
    },
    /// Ask the arbiter whether these servers may act as the cluster; answered by
    /// `Input::Verdict`. Majority is decided inside.
    AskArbiter {
        /// Pairs the answer.
        id: ActionId,
        /// For whom.
        question: ArbiterQuestion,
    },
    /// Work on a resource; answered by `Input::ResourceDone`.
    Resource {
        /// Pairs the answer.
        id: ActionId,
        /// What to do.
        action: ResourceAction,
        /// Everything the driver needs.
        context: Arc<ResourceContext>,
    },
    /// Check a monitor once; answered by `Input::Checked`.
    Check {
        /// Pairs the answer.
        id: ActionId,
        /// The monitor.
        monitor: MonitorName,
        /// Its settings.
        spec: Arc<MonitorSpec>,
        /// The resource that it looks at, where its type is about one.
        resource: Option<Arc<ResourceSpec>>,
        /// When it counts as unanswered; none: it runs until it ends (asynchronous scripts).
        timeout: Option<Duration>,
    },
    /// Run a recovery script; answered by `Input::ScriptDone`.
    RecoveryScript {
        /// Pairs the answer.
        id: ActionId,
        /// The monitor.
        monitor: MonitorName,
        /// Program and arguments.
        command: Vec<String>,
        /// When it is ended.
        timeout: Duration,
    },
    /// Use a method of fencing on a server; answered by `Input::FenceDone`.
    Fence {
        /// Pairs the answer.
        id: ActionId,
        /// What to do.
        action: FenceAction,
        /// The server that it is done to.
        server: ServerName,
        /// The method, with its time-out.
        method: Arc<FencingMethod>,
    },
    /// End the work of an earlier effect; its answer no longer matters.
    Cancel {
        /// The effect's id.
        id: ActionId,
    },
    /// Have the keeper arm the machine's watchdog with this time-out, or change it; none: stop it.
    /// Answered by `Input::Guard`.
    Watchdog {
        /// Whole seconds.
        seconds: Option<u32>,
    },
    /// End this machine, or this agent's part in the cluster.
    Power {
        /// How.
        action: PowerAction,
    },
    /// Have the keeper remember the settings of what runs, for the next run of this agent.
    Remember {
        /// In place of what it remembered before.
        text: String,
    },
    /// Keep what this server's store holds in a file for people: another history takes its place.
    KeepAside {
        /// Its revision.
        revision: Revision,
        /// Its objects.
        objects: super::model::Objects,
    },
    /// Tell people.
    Event(Event),
    /// A write was answered.
    WriteDone {
        /// The write's id.
        id: ActionId,
        /// Its revision, or why not.
        result: Result<Revision, WriteError>,
    },
}

/// May these servers act as the cluster?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArbiterQuestion {
    /// The servers of the view; every one of them has promised its term.
    pub members: Vec<ServerName>,
    /// Its term.
    pub term: Term,
    /// Revision of the newest store that this server knows.
    pub revision: Revision,
    /// The other configured servers, and how long ago each was last heard on any path; none: not
    /// since this agent started.
    pub absent: BTreeMap<ServerName, Option<Duration>>,
    /// Servers that are heard and that have no vote, for what they promised is forgotten: they
    /// propose nothing, so whoever has a vote does not give way to them.
    pub voiceless: BTreeSet<ServerName>,
}

/// What goes to disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The highest term promised (or proposed).
    Promised(Term),
    /// The largest `selfFence` advertised by a server.
    SelfFence(ServerName, SelfFence),
    /// One write of the store.
    Append {
        /// The revision it makes.
        revision: Revision,
        /// Objects set and removed.
        changes: Vec<(ObjectKey, Option<Arc<str>>)>,
    },
    /// The whole store, replaced.
    Snapshot {
        /// Its revision.
        revision: Revision,
        /// Its objects.
        objects: super::model::Objects,
    },
    /// The times that this server lives by: never by longer ones that the others do not know of.
    Timing(Timing),
    /// A final action is about to be carried out (the guard counts them over reboots).
    FinalAction(WallTime),
    /// So many bytes that mean nothing, in place of those before: whether a disk that refused as
    /// much takes it again.
    Room(u64),
}

impl Record {
    /// About how many bytes it takes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let length = match self {
            Self::Promised(_) | Self::SelfFence(..) | Self::Timing(_) | Self::FinalAction(_) => 0,
            Self::Append { changes, .. } => {
                changes.iter().filter_map(|(_, json)| Some(json.as_ref()?.len())).sum()
            }
            Self::Snapshot { objects, .. } => objects.values().map(|o| o.json.len()).sum(),
            Self::Room(bytes) => return *bytes,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

/// What to do with a method of fencing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FenceAction {
    /// Switch the server off, and make sure of it.
    Off,
    /// Switch it on again.
    On,
    /// Find out whether it could be switched off, without doing so.
    Check,
}

/// What to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceAction {
    /// Activate it.
    Start,
    /// Deactivate it.
    Stop,
    /// Find out whether it is active.
    Probe,
}

/// What a driver is told.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContext {
    /// The group.
    pub group: GroupName,
    /// The resource.
    pub resource: ResourceName,
    /// Its settings as they were when it was started; a stop undoes those.
    pub spec: Arc<ResourceSpec>,
    /// The generation of `spec`.
    pub generation: i64,
    /// The order it is done for.
    pub order: GrantId,
    /// Why.
    pub reason: OrderReason,
    /// Whether this server is the first of the group's policy.
    pub home: bool,
    /// The server that ran the group before.
    pub previous: Option<ServerName>,
    /// How long it may take.
    pub timeout: Duration,
}

/// How a machine, or a server's part in the cluster, is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PowerAction {
    /// End every service and take no part until a person says so.
    StopAgent,
    /// The agent's process ends in good order; nothing runs here any more.
    EndAgent,
    /// Shut the machine down.
    Shutdown,
    /// Reboot it.
    Reboot,
    /// Crash it at once.
    Panic,
}

/// Something worth telling, by its id in the message catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number within this boot; with server and boot it names the event.
    pub number: u64,
    /// Who says it.
    pub server: ServerName,
    /// When it happened, on the clock of who says it.
    pub instant: Instant,
    /// When, for people.
    pub wall: WallTime,
    /// The object it is about.
    pub object: ObjectKey,
    /// Id in the message catalogue.
    pub reason: String,
    /// The catalogue text's parameters.
    pub parameters: Vec<(String, String)>,
    /// Numbers of the events of this server and boot that led to it.
    pub causes: Vec<u64>,
}

/// Why a write was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Somebody changed the object in between.
    #[error("{} {} was changed by somebody else (revision {current:?})", key.kind, key.name)]
    Conflict {
        /// The object.
        key: ObjectKey,
        /// Its revision now; none where it does not exist.
        current: Option<Revision>,
    },
    /// This server does not lead.
    #[error("this server does not lead the cluster")]
    NotLeader {
        /// Who does, if anybody.
        leader: Option<ServerName>,
    },
    /// The arbiter's record names changes that no member has, and the Cluster says to wait for them.
    #[error(
        "a server that is not here has newer changes, and onMissedChanges is Wait: start it, or \
         give them up with stead cluster recover"
    )]
    ChangesAwaited,
    /// The view ended while the write was under way: it may or may not have been made.
    #[error("the view ended before every member had persisted the write")]
    Unknown,
}

/// Optimistic concurrency of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The object must not exist.
    Absent,
    /// The object must be at this revision.
    At(Revision),
}

/// One change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub key: ObjectKey,
    /// What must hold before.
    pub expected: Expected,
    /// JSON text; none removes it.
    pub json: Option<Arc<str>>,
}
