//! Why each group is where it is, and why it is not elsewhere.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use super::facts::Out;
use crate::api::catalogue::{self, Language};
use crate::api::kinds;
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
    /// An absent server may still hold it, and is being fenced.
    Fencing(ServerName),
    /// An absent server may still hold it and could not be fenced: in words, why.
    FencingFailed(ServerName, String),
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
    /// It should leave its server, for the reason in words, but no other can take it.
    NoOtherServer(String),
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
    /// It is being deleted.
    Deletion,
    /// A server that is not here has newer changes.
    MissedChanges,
    /// The cluster is being shut down.
    ClusterShutdown,
}

impl WaitingOn {
    /// Id in the message catalogue.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Takeover => "WaitingForTakeover",
            Self::Fencing(_) => "WaitingForFencing",
            Self::FencingFailed(..) => "WaitingForFencingFailed",
            Self::StartupSynchronisation => "WaitingForServers",
            Self::StartupManual => "StartupManual",
            Self::FailoverManual(_) | Self::FailedFailoverManual(_) => "FailoverManual",
            Self::Stopped(_) => "KeptStopped",
            Self::NoServerLeft => "NoServerLeft",
            Self::NoOtherServer(_) => "NoOtherServer",
            Self::Target(..) => "TargetNotAvailable",
            Self::FailoverDamped { .. } => "FailoverDamped",
            Self::ActivationFailoversUsed { .. } => "ActivationFailoversUsed",
            Self::Failed { reason, .. } => reason,
            Self::StopFailed(..) => "BlockedByStopFailure",
            Self::Release(_) => "WaitingForRelease",
            Self::Activation(_) => "WaitingForActivation",
            Self::OutsidePolicy(_) => "OutsidePolicy",
            Self::Deletion => "WaitingForDeletion",
            Self::MissedChanges => "WaitingForChanges",
            Self::ClusterShutdown => "ClusterShuttingDown",
        }
    }

    /// The parameters of the catalogue's text.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        match self {
            Self::Takeover
            | Self::StartupSynchronisation
            | Self::StartupManual
            | Self::NoServerLeft
            | Self::Deletion
            | Self::MissedChanges
            | Self::ClusterShutdown => Vec::new(),
            Self::FailoverManual(server) => {
                parameters([("message", &format!("{server}, which ran it, was lost"))])
            }
            Self::Stopped(message)
            | Self::FailedFailoverManual(message)
            | Self::NoOtherServer(message)
            | Self::Failed { message, .. } => parameters([("message", message)]),
            Self::Target(server, why) => {
                parameters([("server", server), ("message", &why.message(server))])
            }
            Self::FailoverDamped { count, window, message } => parameters([
                ("count", count),
                ("window", &kinds::Duration::from(*window)),
                ("message", message),
            ]),
            Self::ActivationFailoversUsed { count, message } => {
                parameters([("count", count), ("message", message)])
            }
            Self::StopFailed(server, message) | Self::FencingFailed(server, message) => {
                parameters([("server", server), ("message", message)])
            }
            Self::Release(server)
            | Self::Activation(server)
            | Self::OutsidePolicy(server)
            | Self::Fencing(server) => parameters([("server", server)]),
        }
    }

    /// One sentence for people, without the final stop.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            // The server's own words, already rendered.
            Self::Failed { message, .. } => message.clone(),
            Self::Takeover
            | Self::Fencing(_)
            | Self::FencingFailed(..)
            | Self::StartupSynchronisation
            | Self::StartupManual
            | Self::FailoverManual(_)
            | Self::FailedFailoverManual(_)
            | Self::Stopped(_)
            | Self::NoServerLeft
            | Self::NoOtherServer(_)
            | Self::Target(..)
            | Self::FailoverDamped { .. }
            | Self::ActivationFailoversUsed { .. }
            | Self::StopFailed(..)
            | Self::Release(_)
            | Self::Activation(_)
            | Self::OutsidePolicy(_)
            | Self::Deletion
            | Self::MissedChanges
            | Self::ClusterShutdown => {
                catalogue::render(self.id(), &self.parameters(), Language::English)
            }
        }
    }
}

fn parameters<const N: usize>(pairs: [(&str, &dyn Display); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_string())).into()
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
            Self::KeptOut { out: Out::Failed | Out::Detached, .. } => "ServerNotReturned",
            Self::KeptOut { out: Out::Unfit | Out::Ailing, .. } => "ServerUnfit",
            Self::Refused(_) => "ActivationFailedThere",
            Self::Preferred(_) => "OtherServerPreferred",
            Self::FailbackManual(_) => "FailbackManual",
            Self::RunsElsewhere(_) => "RunsElsewhere",
            Self::RunsNowhere => "RunsNowhere",
            Self::HolderUnknown => "HolderUnknown",
        }
    }

    /// The parameters of the catalogue's text, about `server`.
    #[must_use]
    pub fn parameters(&self, server: &ServerName) -> Vec<(String, String)> {
        match self {
            Self::NotInPolicy | Self::NotMember => parameters([("server", server)]),
            Self::KeptOut { message, .. } | Self::Refused(message) => {
                parameters([("server", server), ("message", message)])
            }
            Self::Preferred(other) | Self::FailbackManual(other) | Self::RunsElsewhere(other) => {
                parameters([("server", server), ("other", other)])
            }
            Self::RunsNowhere | Self::HolderUnknown => Vec::new(),
        }
    }

    /// One sentence about `server`, without the final stop.
    #[must_use]
    pub fn message(&self, server: &ServerName) -> String {
        catalogue::render(self.id(), &self.parameters(server), Language::English)
    }
}
