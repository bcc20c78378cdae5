//! What the engine is told.

use std::time::Duration;

use super::effect::Change;
use super::ids::{ActionId, Revision, Term};
use super::message::Envelope;
use crate::api::names::{PathName, ResourceName};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The instant of `poll_timeout` has come.
    Timer,
    /// A packet came, authenticated and not a replay.
    Received {
        /// The path it came on; none for streams.
        path: Option<PathName>,
        /// The packet.
        envelope: Box<Envelope>,
    },
    /// A record is on disk, or could not be written.
    Persisted {
        /// The effect's id.
        id: ActionId,
        /// Why it could not.
        result: Result<(), String>,
    },
    /// The arbiter answered.
    Verdict {
        /// The effect's id.
        id: ActionId,
        /// What it said.
        answer: ArbiterAnswer,
    },
    /// A driver ended its work.
    ResourceDone {
        /// The effect's id.
        id: ActionId,
        /// How.
        outcome: Outcome,
    },
    /// An active resource failed by itself (its command ended, its listener died).
    ResourceFailed {
        /// The resource.
        resource: ResourceName,
        /// In words.
        message: String,
    },
    /// A monitor's check ended.
    Checked {
        /// The effect's id.
        id: ActionId,
        /// What it says.
        result: CheckResult,
        /// In words.
        message: String,
    },
    /// A recovery script ended.
    ScriptDone {
        /// The effect's id.
        id: ActionId,
        /// Its exit code; none when it was ended or could not be run.
        exit_code: Option<i32>,
    },
    /// A method of fencing ended its work.
    FenceDone {
        /// The effect's id.
        id: ActionId,
        /// How.
        answer: FenceAnswer,
        /// In words.
        message: String,
    },
    /// The keeper answers or does not.
    Keeper {
        /// Whether it does.
        present: bool,
    },
    /// What ends the services where agent and keeper can't.
    Guard(GuardNews),
    /// What an earlier run of this agent had the keeper remember; comes before the keeper does.
    Recalled {
        /// See `Effect::Remember`.
        text: String,
    },
    /// The keeper has ended every service: the lease that it held had passed.
    ServicesEnded,
    /// Somebody wants the store changed.
    Write {
        /// Pairs the answer.
        id: ActionId,
        /// The revision must be greater than this (status changes take numbers too).
        after: Revision,
        /// What is to change, all or nothing.
        changes: Vec<Change>,
    },
    /// The keeper was told to end, as when the machine shuts down: every group here is stopped in
    /// the order of its dependencies.
    Close,
    /// The agent is asked to end in good order (its services stay for its successor).
    Retire,
}

/// What an arbiter said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArbiterAnswer {
    /// Whether these servers may act.
    pub verdict: Verdict,
    /// For an exclusive record that was taken over from a holder *outside* the members asked for:
    /// how long ago at least that one last renewed it. None where the record was free, ours, or
    /// held by one of the members, which have all promised the new term.
    pub handover: Option<Duration>,
    /// What the record held when it was read, where the arbiter keeps one.
    pub recorded: Option<Recorded>,
    /// Why, in words.
    pub message: String,
}

/// What an exclusive arbiter's record tells besides its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The highest term that was ever written; a lower one is refused.
    pub term: Term,
    /// The revision of the store that its writer knew.
    pub revision: Revision,
}

impl ArbiterAnswer {
    /// An answer without a record.
    #[must_use]
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, handover: None, recorded: None, message: message.into() }
    }
}

/// An arbiter's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// These servers may act.
    Held,
    /// They may not.
    Lost,
    /// Nobody can tell; never taken for `Held`.
    Unknown,
}

/// What a method of fencing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FenceAnswer {
    /// The server is certainly off; asked to check: it could be switched off; to switch on: done.
    Fenced,
    /// It is not; it could not.
    NotFenced,
    /// Nobody can tell; never taken for `Fenced`.
    Unknown,
}

/// How a driver's work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is active now (start, probe).
    Active {
        /// What the driver says, for example `pid 4711`.
        message: String,
    },
    /// It is not active now (stop, probe).
    Absent,
    /// The work failed; whether it is active is not certain.
    Failed {
        /// Id in the message catalogue.
        reason: String,
        /// In words.
        message: String,
    },
    /// No answer within the time-out; whether it is active is not certain.
    TimedOut,
    /// Nobody can tell.
    Unknown {
        /// In words.
        message: String,
    },
}

/// What one check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckResult {
    /// It works.
    Normal,
    /// It works, but something is off.
    Warning,
    /// It does not.
    Error,
    /// No answer within the time-out.
    TimedOut,
    /// The check itself could not be made.
    Unknown,
}

/// What the keeper says about what ends the services where neither it nor the agent can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardNews {
    /// A guard watches the keeper, and acts within its kill time.
    SuccessorGuard,
    /// No guard: the service manager, which kills all in the keeper's unit.
    SuccessorUnit {
        /// How long after the keeper's last sign of life.
        within: Duration,
    },
    /// Nothing.
    SuccessorNone {
        /// Why.
        reason: String,
    },
    /// This device was armed already when the keeper was met.
    WatchdogFound(WatchdogArmed),
    /// The answer to `Effect::Watchdog`: the device that is armed, none, or why not as asked.
    Watchdog(Result<Option<WatchdogArmed>, String>),
    /// The device can't be petted any more.
    WatchdogFailed,
}

/// A watchdog that is armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogArmed {
    /// Its device.
    pub device: String,
    /// What it calls itself.
    pub identity: String,
    /// Its time-out, in whole seconds.
    pub seconds: u32,
}
