//! What the leader knows when it decides where groups run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::intent::GroupIntent;
use crate::api::names::{GroupName, ResourceName, ServerName};
use crate::engine::ids::GrantId;
use crate::engine::message::{GroupPhase, OrderAction, OrderReason};
use crate::engine::model::Model;
use crate::engine::time::Instant;

/// All of it. `plan` reads nothing else.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The spec.
    pub model: &'a Model,
    /// Every configured server.
    pub servers: &'a BTreeMap<ServerName, ServerFacts>,
    /// Every group of the model, and every group that somebody still holds.
    pub groups: &'a BTreeMap<GroupName, GroupFacts>,
    /// Whether start-up synchronisation is over.
    pub started: bool,
    /// What overrides every group's own rules.
    pub hold: Option<Hold>,
    /// Now, on the leader's clock.
    pub now: Instant,
}

/// What overrides every group's own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Newer changes than any member has are waited for: nothing is started.
    MissedChanges,
    /// The cluster is being shut down: everything is stopped.
    Shutdown,
}

/// A server, as far as placement cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// It is a member of the installed view.
    pub member: bool,
    /// Why no group may start there, if so.
    pub kept_out: Option<KeptOut>,
    /// When it last became a member that is not kept out; where a new leader can't know, the
    /// instant its view was installed. Automatic failback goes only to a server that became
    /// available after the group was placed where it is.
    pub available_since: Instant,
}

/// Why no group may start on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    /// The kind of reason.
    pub out: Out,
    /// In words, for example `failed at 12:03:11: not heard for 1 s`.
    pub message: String,
}

/// Kinds of reasons for keeping a server out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Out {
    /// It failed and has not been returned (CP-23).
    Failed,
    /// A person detached it.
    Detached,
    /// It says itself that it can start nothing now, for example without its keeper. Passes by
    /// itself, is never stored, and moves nothing away.
    Unfit,
    /// Its disk takes no writes, which holds up every change of the spec. Passes by itself and is
    /// never stored; what another server can run is moved away, so that it can leave the view.
    Ailing,
}

/// Who holds a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// Certainly nobody.
    Free,
    /// Nobody can tell: an absent server may.
    Unknown,
    /// A member of the view.
    Held {
        /// Which.
        server: ServerName,
        /// The last order about the group.
        order: GrantId,
        /// What the server last said about that very order.
        phase: Option<GroupPhase>,
        /// What was ordered.
        action: OrderAction,
        /// Why.
        reason: OrderReason,
    },
}

/// The end of a group's last stay somewhere, where this leader has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The server that released it.
    pub server: ServerName,
    /// Why it was stopped there; `FailedOver` where the server ended it unasked.
    pub reason: OrderReason,
}

/// A failed activation since the group was last online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The resource that failed, where it is known: its `activation.failovers` and
    /// `activation.onFailure` apply.
    pub resource: Option<ResourceName>,
    /// Id in the message catalogue.
    pub reason: String,
    /// In words.
    pub message: String,
}

/// A group, as far as placement cares.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFacts {
    /// Who holds it.
    pub holder: Holder,
    /// What people asked for.
    pub intent: GroupIntent,
    /// Servers where its activation failed since it was last online.
    pub refused: BTreeMap<ServerName, Refusal>,
    /// Its automatic failovers; older ones than `failoverWindow` do not matter.
    pub failovers: Vec<Instant>,
    /// Failovers since it was last online that failed activations led to.
    pub activation_failovers: u32,
    /// The server that ran it and was lost, until it runs again.
    pub lost_from: Option<ServerName>,
    /// The end of its last stay, until it runs again.
    pub released: Option<Released>,
    /// It ran at some time since the cluster started.
    pub ever_started: bool,
    /// When its holder was ordered to run it; for an adopted group, when the view was installed.
    pub placed: Instant,
}

impl GroupFacts {
    /// A group of which nothing is known yet: nobody starts it.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            holder: Holder::Unknown,
            intent: GroupIntent::default(),
            refused: BTreeMap::new(),
            failovers: Vec::new(),
            activation_failovers: 0,
            lost_from: None,
            released: None,
            ever_started: false,
            placed: Instant::default(),
        }
    }
}
