//! Why each group is where it is, and why it is not elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::Out;
use crate::api::names::{GroupName, ServerName};
use crate::engine::time::Instant;

/// What `plan` found, besides its decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each group.
    pub groups: BTreeMap<GroupName, GroupReport>,
    /// When time alone may change the answer: plan again then.
    pub again: Option<Instant>,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupReport {
    /// What it waits for, or why it stays; none where all is as it should be.
    pub waiting: Option<WaitingOn>,
    /// Each server of its policy where it is not, in the policy's order.
    pub not_on: Vec<(ServerName, WhyNot)>,
}

/// What a group waits for, or why nothing is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingOn {
    /// An absent server may still hold it.
    Takeover,
    /// Start-up synchronisation.
    StartupSynchronisation,
    /// It starts only by an operation.
    StartupManual,
    /// Its server was lost, and its failover is manual.
    FailoverManual(ServerName),
    /// It was stopped, and stays so.
    Stopped(String),
    /// No server can take it.
    NoServerLeft,
    /// The server an operation wants it on can't take it.
    Target(ServerName, WhyNot),
    /// It failed over too often; it stays where it is.
    FailoverDamped {
        /// How often.
        count: usize,
        /// Within which time.
        window: Duration,
        /// What is wrong where it is.
        message: String,
    },
    /// The failovers that a failed activation may lead to are used up.
    ActivationFailoversUsed {
        /// How many there were.
        count: u32,
        /// What is wrong where it is.
        message: String,
    },
    /// It failed and asks for nothing further.
    Failed {
        /// Id in the message catalogue, from the server.
        reason: String,
        /// In words, from the server.
        message: String,
    },
    /// It asks for failover, which is manual.
    FailedFailoverManual(String),
    /// It could not be stopped; it starts nowhere else before that is certain.
    StopFailed(ServerName, String),
    /// It is being stopped.
    Release(ServerName),
    /// It is being started.
    Activation(ServerName),
    /// Its server is no longer in its policy; it stays until it is moved.
    OutsidePolicy(ServerName),
    /// Its server is kept out and no other can take it; it stays.
    ServerOut(ServerName),
    /// It is being deleted.
    Deletion,
}

impl WaitingOn {
    /// Id in the message catalogue.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Takeover => "WaitingForTakeover",
            Self::StartupSynchronisation => "WaitingForServers",
            Self::StartupManual => "StartupManual",
            Self::FailoverManual(_) | Self::FailedFailoverManual(_) => "FailoverManual",
            Self::Stopped(_) => "GroupStopped",
            Self::NoServerLeft => "NoServerLeft",
            Self::Target(..) => "TargetNotAvailable",
            Self::FailoverDamped { .. } => "FailoverDamped",
            Self::ActivationFailoversUsed { .. } => "ActivationFailoversUsed",
            Self::Failed { reason, .. } => reason,
            Self::StopFailed(..) => "GroupStopFailed",
            Self::Release(_) => "GroupStopping",
            Self::Activation(_) => "GroupStarting",
            Self::OutsidePolicy(_) => "GroupOutsidePolicy",
            Self::ServerOut(_) => "NoServerLeft",
            Self::Deletion => "GroupDeleting",
        }
    }

    /// One sentence for people, without the final stop.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Takeover => "a server that is not heard may still run it".into(),
            Self::StartupSynchronisation => "waits for the other servers to start".into(),
            Self::StartupManual => "starts by operation only (startup: Manual)".into(),
            Self::FailoverManual(server) => {
                format!("{server}, which ran it, was lost, and it fails over by operation only")
            }
            Self::FailedFailoverManual(message) => {
                format!("{message}; it fails over by operation only (failover: Manual)")
            }
            Self::Stopped(why) => why.clone(),
            Self::NoServerLeft => "no server of its policy can take it".into(),
            Self::Target(server, why) => format!("{server} can't take it: {}", why.message(server)),
            Self::FailoverDamped { count, window, message } => format!(
                "{message}; it stays, for it failed over {count} times within {}",
                kube::core::Duration::from(*window)
            ),
            Self::ActivationFailoversUsed { count, message } => {
                format!("{message}; its activation failovers ({count}) are used up")
            }
            Self::Failed { message, .. } => message.clone(),
            Self::StopFailed(server, message) => {
                format!("could not be stopped on {server}, so it starts nowhere else: {message}")
            }
            Self::Release(server) => format!("is being stopped on {server}"),
            Self::Activation(server) => format!("is being started on {server}"),
            Self::OutsidePolicy(server) => {
                format!("{server} is not in its policy any more; it stays there until it is moved")
            }
            Self::ServerOut(server) => {
                format!("{server} is kept out, but no other server can take it")
            }
            Self::Deletion => "is being deleted".into(),
        }
    }
}

/// Why a group is not on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The server is not in the group's policy, or not configured.
    NotInPolicy,
    /// The server is not a member of the view.
    NotMember,
    /// The server is kept out.
    KeptOut {
        /// The kind of reason.
        out: Out,
        /// In words.
        message: String,
    },
    /// Activation failed there.
    Refused(String),
    /// Another server is the better choice.
    Preferred(ServerName),
    /// The group runs elsewhere and goes back by operation only.
    FailbackManual(ServerName),
    /// The group runs elsewhere, and this server was there to choose when it was placed.
    RunsElsewhere(ServerName),
    /// The group runs nowhere, for the reason given for the group.
    RunsNowhere,
    /// Nobody can tell where the group runs.
    HolderUnknown,
}

impl WhyNot {
    /// Id in the message catalogue.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotInPolicy => "NotInPolicy",
            Self::NotMember => "ServerNotMember",
            Self::KeptOut { out: Out::Failed, .. } => "ServerOut",
            Self::KeptOut { out: Out::Detached, .. } => "ServerDetached",
            Self::KeptOut { out: Out::Unfit, .. } => "ServerUnfit",
            Self::Refused(_) => "ActivationFailedThere",
            Self::Preferred(_) => "OtherServerPreferred",
            Self::FailbackManual(_) => "FailbackManual",
            Self::RunsElsewhere(_) => "RunsElsewhere",
            Self::RunsNowhere => "RunsNowhere",
            Self::HolderUnknown => "WaitingForTakeover",
        }
    }

    /// One sentence about `server`, without the final stop.
    #[must_use]
    pub fn message(&self, server: &ServerName) -> String {
        match self {
            Self::NotInPolicy => format!("{server} is not in its failover policy"),
            Self::NotMember => format!("{server} is not a member of the cluster's view"),
            Self::KeptOut { out: Out::Failed | Out::Detached, message } => format!(
                "{server} {message}, and has not been returned (stead server return {server})"
            ),
            Self::KeptOut { out: Out::Unfit, message } => {
                format!("{server} can start nothing: {message}")
            }
            Self::Refused(message) => format!("it could not be started on {server}: {message}"),
            Self::Preferred(other) => format!("{other} comes before {server} in its policy"),
            Self::FailbackManual(other) => {
                format!("it runs on {other} and goes back to {server} by operation only")
            }
            Self::RunsElsewhere(other) => format!("it runs on {other}"),
            Self::RunsNowhere => "it runs nowhere".into(),
            Self::HolderUnknown => "it is not certain where it runs".into(),
        }
    }
}
