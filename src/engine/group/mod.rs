//! Groups on this server: carries out the leader's orders, one resource at a time where they
//! depend on each other, all at once where they do not.
//!
//! It decides which resource is started, stopped or probed next, and what the leader is told. It
//! must never start what is not certainly absent, never say `Stopped` while anything may run, and
//! never choose a server. It fails towards holding: what it does not know counts as active.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::effect::{PowerAction, ResourceAction, ResourceContext};
use super::ids::{ActionId, ActionIds, GrantId, Term};
use super::input::Outcome;
use super::message::{Held, Order, ResourceReport, Wants};
use super::model::Model;
use super::note::Note;
use super::time::{Instant, Now};
use crate::api::names::{GroupName, ResourceName, ServerName};

/// What the groups of this server want done.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupEffect {
    /// Work on a resource: `Effect::Resource`. Work on one resource never overlaps: whatever was
    /// under way has been answered or cancelled before.
    Resource {
        /// Pairs the answer.
        id: ActionId,
        /// What to do.
        action: ResourceAction,
        /// Everything the driver needs.
        context: Arc<ResourceContext>,
    },
    /// End the work of an earlier effect: `Effect::Cancel`.
    Cancel {
        /// The effect's id.
        id: ActionId,
    },
    /// A resource can't be deactivated: the server is to be ended so that it certainly stops.
    /// Subject to the node's guards.
    Power {
        /// How.
        action: PowerAction,
        /// The group.
        group: GroupName,
        /// The resource.
        resource: ResourceName,
        /// In words.
        message: String,
    },
    /// Tell people.
    Note(Note),
}

/// What is recovered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A resource, with what depends on it.
    Resource(ResourceName),
    /// A whole group.
    Group(GroupName),
}

/// Why something asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not known here.
    #[error("failed to find {0} in the spec of this server")]
    Unknown(String),
    /// It is not ordered to run here.
    #[error("failed to act on {0}: it is not active on this server")]
    NotActive(String),
}

/// Where a resource that is not certainly absent stands, as monitors need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its group.
    pub group: GroupName,
    /// Where it stands.
    pub state: ActivityState,
}

/// See [`Activity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityState {
    /// It is active.
    Active,
    /// It was active under the present order and is not now, and nothing is under way.
    Failed,
    /// Something is under way, or nobody can tell.
    Changing,
}

/// The groups of this server.
#[derive(Debug)]
pub struct Groups {
    me: ServerName,
    ids: ActionIds,
    model: Option<Arc<Model>>,
    effects: VecDeque<GroupEffect>,
    version: u64,
}

impl Groups {
    /// Nothing known, nothing ordered.
    #[must_use]
    pub fn new(me: ServerName, ids: ActionIds) -> Self {
        Self { me, ids, model: None, effects: VecDeque::new(), version: 0 }
    }

    /// Whether an answer is to an effect of these groups.
    #[must_use]
    pub fn gave(&self, id: ActionId) -> bool {
        self.ids.gave(id)
    }

    /// The order that a group is held under before any order came.
    #[must_use]
    pub fn default_order(&self) -> GrantId {
        GrantId { term: Term { number: 0, proposer: self.me.clone() }, sequence: 0 }
    }

    /// The model changed, or is known for the first time.
    pub fn on_model(&mut self, now: Now, model: Arc<Model>) {
        let _ = now;
        self.model = Some(model);
    }

    /// The orders that an earlier run of this agent had taken, where something outside remembers.
    /// Groups that are not ordered since are held under them.
    pub fn remember(&mut self, orders: &BTreeMap<GroupName, GrantId>) {
        let _ = orders;
    }

    /// Nothing is certain any more: every resource is probed before anything is started.
    pub fn probe_all(&mut self, now: Now) {
        let _ = now;
    }

    /// An order, newer than the last about this group, under a live lease.
    pub fn on_order(&mut self, now: Now, order: &Order) {
        let _ = (now, order);
    }

    /// A driver ended its work.
    pub fn on_resource_done(&mut self, now: Now, id: ActionId, outcome: Outcome) {
        let _ = (now, id, outcome);
    }

    /// An active resource failed by itself.
    pub fn on_resource_failed(&mut self, now: Now, resource: &ResourceName, message: String) {
        let _ = (now, resource, message);
    }

    /// The lease is gone and the keeper ends all services: what remains is deactivated, and
    /// nothing is started until a new order.
    pub fn on_isolated(&mut self, now: Now) {
        let _ = now;
    }

    /// Deactivates and activates again, for the ladder; an activation that fails is the ladder's
    /// to answer, so the leader is not asked for a failover.
    pub fn reactivate(&mut self, now: Now, target: &Target) -> Result<(), Refused> {
        let _ = now;
        Err(Refused::NotActive(format!("{target:?}")))
    }

    /// Deactivates a resource and what depends on it until the next order (a final action).
    pub fn stop_resource(&mut self, now: Now, resource: &ResourceName) -> Result<(), Refused> {
        let _ = now;
        Err(Refused::NotActive(resource.to_string()))
    }

    /// The ladder wants the leader to move or stop a group that is active here (`Held` says so
    /// as `Failed`), or takes that back (`Wants::Nothing`).
    pub fn wish(
        &mut self,
        now: Now,
        group: &GroupName,
        wants: Wants,
        message: String,
    ) -> Result<(), Refused> {
        let _ = (now, wants, message);
        Err(Refused::NotActive(group.to_string()))
    }

    /// The instant of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// When `handle_timeout` is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<GroupEffect> {
        self.effects.pop_front()
    }

    /// Every group not certainly stopped, and those `Stopped` until their next order.
    #[must_use]
    pub fn holds(&self) -> BTreeMap<GroupName, Held> {
        BTreeMap::new()
    }

    /// Grows whenever `holds`, `report` or `activity` changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every resource of the groups in `holds`.
    #[must_use]
    pub fn report(&self) -> BTreeMap<ResourceName, ResourceReport> {
        BTreeMap::new()
    }

    /// Every resource that is not certainly absent or failed here: what monitors follow.
    #[must_use]
    pub fn activity(&self) -> BTreeMap<ResourceName, Activity> {
        BTreeMap::new()
    }
}
