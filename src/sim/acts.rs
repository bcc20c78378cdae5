//! What is done to a cluster, as data: each fault and each act of the operator with its time.
//!
//! A schedule draws its acts while it runs, by what the cluster looks like at that moment. What was
//! drawn is written down, and played from that list it gives the same trace: whatever follows from an
//! act (delays, losses, durations) is a function of the seed and of what happened before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::Fault;
use super::text_duration;
use crate::api::kinds::OperationType;

/// One thing that is done to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// Something breaks, for a while.
    Break {
        /// What.
        fault: Fault,
        /// How long.
        #[serde(with = "text_duration")]
        lasts: Duration,
    },
    /// The operator asks for an operation.
    Operate {
        /// At this server; none: at the leader, and if nobody leads, not at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<usize>,
        /// What.
        #[serde(rename = "type")]
        type_: OperationType,
        /// Of which group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<usize>,
        /// To, from or of which server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<usize>,
    },
    /// The operator changes the retries of a group's first monitor, which touches nothing that runs.
    Change {
        /// See `Operate`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<usize>,
        /// The group.
        group: usize,
        /// The new value.
        retries: u64,
    },
    /// The operator changes something that counts where it runs.
    Edit {
        /// See `Operate`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<usize>,
        /// What.
        edit: Edit,
    },
    /// The operator starts what somebody, or a final action, has ended for good.
    Revive,
}

/// An act and when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedAct {
    /// Since the turbulence began.
    #[serde(with = "text_duration")]
    pub after: Duration,
    /// What.
    pub act: Act,
}

/// A change of the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    /// The heartbeat time-out.
    Timeout(#[serde(with = "text_duration")] Duration),
    /// A group's first monitor is suspended, or goes on.
    Suspend(usize, bool),
    /// The policy of a group begins with this server.
    Policy(usize, usize),
    /// What a group's first resource is started with.
    Environment(usize, u64),
}
