//! What servers say to each other. Rules and reasons: ARCHITECTURE.md, 5.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{BootId, GrantId, IncarnationId, Revision, Term};
use super::model::{ObjectKey, Objects};
use super::time::{Instant, WallTime};
use crate::api::kinds::{MonitorServerStatus, ResourceState};
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};

/// A message with its sender and receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sent it.
    pub from: ServerName,
    /// The run of the sender's agent that sent it.
    pub boot: BootId,
    /// Whom it is for.
    pub to: ServerName,
    /// The run of the receiver's agent it is for; a later run drops it. Heartbeats name none.
    pub to_boot: Option<BootId>,
    /// Counts what this run sent on every path at once, from 1; the copies of one message share
    /// it. 0: there is one copy.
    pub number: u64,
    /// What it says.
    pub message: Message,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// "I live, and I hear these."
    Heartbeat(Box<Heartbeat>),
    /// "Would you leave your leader?"
    PreVote(PreVote),
    /// The answer to `PreVote`.
    PreVoteReply(PreVoteReply),
    /// "Promise me this term."
    Propose(Propose),
    /// The promise, with everything not certainly stopped.
    Promise(Box<Promise>),
    /// The refusal of a proposal.
    Nack(Nack),
    /// The leader's renewal: extends the member's lease and carries its orders.
    Renew(Box<Renew>),
    /// The member's answer: extends the leader's authority.
    Ack(Box<Ack>),
    /// A write that the member is to persist.
    StoreAppend(StoreAppend),
    /// The whole store, for a member that is behind.
    StoreSnapshot(StoreSnapshot),
    /// "I have persisted up to here", or why not.
    StoreAppended(StoreAppended),
    /// "Send me your store", from a new leader to the member that has the newest.
    StoreFetch(StoreFetch),
    /// What a member observes, for the leader's status.
    Report(Box<Report>),
    /// From a server's keeper: this run of its agent is dead and every service it held has ended.
    Ended(Ended),
}

/// Sent at each interval on every path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The path it is sent on.
    pub path: PathName,
    /// Sender's clock.
    pub sent: Instant,
    /// The receiver's latest `sent` on this path, and how long ago it came; gives the round trip.
    pub echo: Option<(Instant, Duration)>,
    /// Servers that the sender hears, on any path.
    pub hears: Arc<[ServerName]>,
    /// Whether the sender hears the receiver on this path.
    pub hears_you: bool,
    /// The state folder of the sender.
    pub incarnation: IncarnationId,
    /// The view that the sender follows, if any.
    pub view: Option<ViewId>,
    /// The highest term it promised.
    pub promised: Term,
    /// Its store.
    pub revision: Revision,
    /// The longest its services can outlive its lease's start.
    pub self_fence: SelfFence,
    /// Whether a watchdog device is armed that resets it then.
    pub watchdog: bool,
    /// What it has on disk of the receiver's.
    pub your_self_fence: Option<SelfFence>,
    /// It is to be followed by nobody: it is about to stand still.
    pub resigns: bool,
    /// How long it is about to stand still, once.
    pub pause: Option<Duration>,
    /// Whether its disk takes what must be written.
    pub disk: DiskHealth,
    /// Its wall clock, shown only.
    pub wall: WallTime,
    /// Release of its agent.
    pub version: Arc<str>,
    /// This run ends in good order: its keeper speaks for its services from now on.
    pub retiring: bool,
}

/// What a server says of its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DiskHealth {
    /// It takes what must be written, or has failed only now.
    #[default]
    Well,
    /// It has failed for long: give the server nothing, and take what another can run.
    Failing,
    /// It fails, and the server is to be left out of the view: it can't promise, or holds nothing.
    Leaving,
    /// It is new, as the server itself knows: until it is filled it proposes nothing.
    New,
}

impl DiskHealth {
    /// Whether it has failed for long.
    #[must_use]
    pub fn fails(self) -> bool {
        match self {
            Self::Well | Self::New => false,
            Self::Failing | Self::Leaving => true,
        }
    }
}

/// What ends a server's services when its agent can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SelfFence {
    /// Something outside the agent does, at the latest this long after the lease's start.
    Within(Duration),
    /// Nothing does: it is freed only by release or fencing.
    None,
}

/// A view by its term and leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewId {
    /// Its term.
    pub term: Term,
    /// Its leader.
    pub leader: ServerName,
}

/// A candidate asks before it proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreVote {
    /// Pairs the answer with the question.
    pub round: u64,
}

/// Whether the asked one would promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreVoteReply {
    /// The round asked in.
    pub round: u64,
    /// A live leader other than the candidate that the asked one hears: then it would not.
    pub hears_leader: Option<ServerName>,
    /// The highest term it promised.
    pub promised: Term,
}

/// A proposal of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propose {
    /// Its term; persisted by the proposer before this was sent.
    pub term: Term,
    /// Its members, the proposer included.
    pub members: Vec<ServerName>,
}

/// A promise, persisted before it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// The term promised.
    pub term: Term,
    /// Member's clock; the first renewal echoes it.
    pub sent: Instant,
    /// Every group not certainly stopped here, with its latest order.
    pub holds: BTreeMap<GroupName, Held>,
    /// For each server outside the proposed members: the last support given.
    pub gave: BTreeMap<ServerName, Support>,
    /// Largest `selfFence` known of each server.
    pub self_fence_of: BTreeMap<ServerName, SelfFence>,
    /// Keepers that said all had ended: the boot that ended, by server.
    pub ended: BTreeMap<ServerName, BootId>,
    /// Its store.
    pub revision: Revision,
    /// The term of who wrote that last; none: nobody since `stead init`.
    pub writer: Option<Term>,
    /// Whether it was in a view whose start-up synchronisation was over.
    pub started: bool,
}

/// The last support that a server gave to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// How long ago.
    pub age: Duration,
    /// The run of its agent that got it; none where this is not known (since the giver's boot).
    pub boot: Option<BootId>,
}

/// A group as its member holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The latest order about it that was taken.
    pub order: GrantId,
    /// Where it stands.
    pub phase: GroupPhase,
}

/// Where a group stands on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GroupPhase {
    /// Being activated.
    Starting,
    /// Every resource is active.
    Online,
    /// Active but in part: activation failed, or a resource failed and is not recovered.
    Failed {
        /// Id in the message catalogue.
        reason: String,
        /// In words.
        message: String,
        /// What the member asks the leader for.
        wants: Wants,
    },
    /// Being deactivated.
    Stopping,
    /// Could not be deactivated: it may still run, and starts nowhere else.
    StopFailed {
        /// In words.
        message: String,
    },
    /// Certainly stopped: this releases the order that it answers.
    Stopped,
}

/// What a member asks the leader to do about a group it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Wants {
    /// Nothing.
    Nothing,
    /// Run it elsewhere.
    Failover,
    /// Stop it.
    Stop,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// The term refused.
    pub term: Term,
    /// The highest term promised.
    pub promised: Term,
}

/// A renewal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Renew {
    /// The view.
    pub term: Term,
    /// Its members.
    pub members: Vec<ServerName>,
    /// Leader's clock; the ack echoes it.
    pub sent: Instant,
    /// Whether an ack is wanted (the second renewal of a round only carries the round's result).
    pub answer: bool,
    /// The member's own latest `sent`, as the leader got it.
    pub echo: Option<Instant>,
    /// How long ago the leader's own lease began: the member's begins no later (A8).
    pub authority_age: Duration,
    /// Every member of the view has persisted the store up to here.
    pub committed: Revision,
    /// Whether start-up synchronisation is over.
    pub started: bool,
    /// Orders that the member has not yet answered.
    pub orders: Vec<Order>,
    /// The member's latest report that the leader has.
    pub report_seen: u64,
}

/// What a server is to do with a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The group.
    pub group: GroupName,
    /// Its number; only a newer one than the last is taken.
    pub id: GrantId,
    /// What to do.
    pub action: OrderAction,
    /// Why, for scripts, events and `why`.
    pub reason: OrderReason,
    /// The server that ran it before.
    pub previous: Option<ServerName>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderAction {
    /// Activate it.
    Run,
    /// Deactivate it.
    Stop,
}

/// Why an order is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderReason {
    /// The cluster starts.
    Startup,
    /// An operation starts it.
    Started,
    /// An operation stops it.
    Stopped,
    /// An operation moves it.
    Moved,
    /// Its server was lost, or its recovery asks for another.
    FailedOver,
    /// A server earlier in its policy is back.
    FailedBack,
    /// An operation restarts it, or a change needs it.
    Restarted,
    /// Its server is detached.
    Detached,
    /// It is deleted.
    Deleted,
    /// A new leader adopts what runs.
    Adopted,
    /// Two servers ran it at once: this copy is ended, without being stopped in order.
    DualActivation,
    /// The whole cluster is shut down.
    ClusterShutdown,
}

/// An answer to a renewal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    /// The view.
    pub term: Term,
    /// The renewal's `sent`.
    pub echo: Instant,
    /// Member's clock; the next renewal echoes it.
    pub sent: Instant,
    /// Groups here, with their latest orders; a `Stopped` stays until the next order.
    pub holds: BTreeMap<GroupName, Held>,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreAppend {
    /// The term of the leader that writes.
    pub term: Term,
    /// The revision it follows on.
    pub previous: Revision,
    /// The revision it makes.
    pub revision: Revision,
    /// Objects set (JSON text) and removed.
    pub changes: Vec<(ObjectKey, Option<Arc<str>>)>,
}

/// The whole store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreSnapshot {
    /// The term of the leader that sends or asked.
    pub term: Term,
    /// Its revision.
    pub revision: Revision,
    /// Its objects.
    pub objects: Objects,
}

/// What a member has persisted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreAppended {
    /// The term of the leader that wrote.
    pub term: Term,
    /// Its store now.
    pub revision: Revision,
    /// The term of who wrote that last; none: nobody since `stead init`.
    pub writer: Option<Term>,
    /// Why it could not persist more.
    pub error: Option<String>,
}

/// A request for the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreFetch {
    /// The proposal it is for.
    pub term: Term,
}

/// What a member observes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Grows with each change within a boot; the renewal's `report_seen` answers it.
    pub version: u64,
    /// Resources of the groups it holds.
    pub resources: BTreeMap<ResourceName, ResourceReport>,
    /// Monitors that run here.
    pub monitors: BTreeMap<MonitorName, MonitorServerStatus>,
    /// Each path to each peer: up, round trip.
    pub paths: Vec<PathReport>,
    /// Whether its keeper answers.
    pub keeper: bool,
    /// What ends its services when its agent can't.
    pub guard: Guard,
    /// Whether it could fence each other server by each method.
    pub fencing: Vec<FencingAbility>,
    /// The operation whose announced pause counts.
    pub pause: Option<String>,
}

/// What ends a server's services when its agent can't, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// `Watchdog`, `Keeper` or `None`.
    pub by: String,
    /// Why, in words.
    pub why: String,
    /// The watchdog, or why there is none.
    pub watchdog: String,
    /// The longest its services can outlive its lease's start.
    pub self_fence: SelfFence,
}

impl Default for Guard {
    fn default() -> Self {
        let text = || "unknown".to_owned();
        Self { by: text(), why: String::new(), watchdog: text(), self_fence: SelfFence::None }
    }
}

/// Whether a member could fence another server, as it last found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FencingAbility {
    /// The server that would be fenced.
    pub server: ServerName,
    /// The method.
    pub method: String,
    /// Whether it could; none: not checked yet.
    pub able: Option<bool>,
    /// What the method says.
    pub message: String,
    /// When it was checked.
    pub checked: Option<WallTime>,
}

/// A resource on a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceReport {
    /// Where it stands.
    pub state: ResourceState,
    /// What the driver says.
    pub message: String,
    /// Since when.
    pub since: WallTime,
    /// The generation it was started with.
    pub generation: i64,
}

/// A path as a member sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// The other server.
    pub peer: ServerName,
    /// The path.
    pub path: PathName,
    /// Both directions work.
    pub up: bool,
    /// The last round trip.
    pub round_trip: Option<Duration>,
    /// When it came up or was lost.
    pub since: WallTime,
}

/// A keeper's word. Sealed in advance by the agent whose run it names, sent by the keeper once
/// that run is dead and all its services have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The run that ended.
    pub boot: BootId,
}
