//! What is believed of each resource, and what is wanted of each group.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Activity;
use crate::api::kinds::ResourceSpec;
use crate::api::names::{GroupName, ResourceName};
use crate::engine::effect::ResourceAction;
use crate::engine::ids::ActionId;
use crate::engine::message::{Held, Order, ResourceReport, Wants};
use crate::engine::model::ResourceModel;
use crate::engine::time::Instant;

/// Whether a resource is active here. Set to `Unknown` before anything is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Belief {
    /// It is certain that it is not.
    Absent,
    /// Nobody can tell, for this reason.
    Unknown(Doubt),
    /// It is.
    Active,
}

/// Why nobody can tell: it decides what a probe's answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Nobody has looked yet.
    Unproven,
    /// It was active and has failed, or its server lost its lease.
    Lapsed,
    /// Its start failed: what a probe finds of it is no good.
    StartFailed,
    /// Its start was not answered: what a probe finds of it is good.
    StartUnclear,
    /// Its stop did not succeed.
    StopUnclear,
    /// Something of it may remain, only a stop makes sure. Also while a start or stop is under
    /// way: whatever cuts that short leaves this.
    Remains,
}

/// A driver's work under way.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub id: ActionId,
    pub action: ResourceAction,
    /// When it counts as unanswered.
    pub deadline: Instant,
}

/// Settings as they were when the resource was started: its stop undoes those.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    pub spec: Arc<ResourceSpec>,
    pub generation: i64,
    pub depends_on: Vec<ResourceName>,
}

/// Its generation stands for the spec.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} after {:?}", self.generation, self.depends_on)
    }
}

impl Settings {
    pub fn of(model: &ResourceModel) -> Self {
        Self {
            spec: model.spec.clone(),
            generation: model.generation,
            depends_on: model.depends_on.clone(),
        }
    }
}

/// Why a resource is not started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: String,
    pub message: String,
    pub wants: Wants,
    /// What depends on it starts as if it were active.
    pub passable: bool,
}

/// One resource on this server.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub belief: Belief,
    /// It appeared in the spec and nobody has looked yet; it was never started here.
    pub fresh: bool,
    pub settings: Settings,
    pub work: Option<Work>,
    /// It said that it failed while a start or probe was under way: what that one says then is
    /// to be looked at again.
    pub suspect: bool,
    /// The next probe waits until then.
    pub probe_at: Option<Instant>,
    /// Probes in a row that could not tell.
    pub probes: u32,
    /// Starts in a row that did not succeed, and what the last one said.
    pub attempts: u32,
    pub last_failure: Option<(String, String)>,
    /// The next of them waits until then.
    pub start_at: Option<Instant>,
    /// Stops in a row that did not succeed.
    pub stop_attempts: u32,
    pub failure: Option<Failure>,
    pub stop_failure: Option<String>,
    /// It was active under the present order.
    pub was_active: bool,
    /// The ladder restarts it: a failure is the ladder's to answer.
    pub by_ladder: bool,
    /// To be stopped, then started again.
    pub cycle: bool,
    /// To be stopped until the next order.
    pub held_down: bool,
    /// When it was restarted in place.
    pub restarts: VecDeque<Instant>,
    pub message: String,
}

impl Instance {
    pub fn new(belief: Belief, settings: Settings) -> Self {
        Self {
            belief,
            fresh: belief == Belief::Absent,
            settings,
            work: None,
            suspect: false,
            probe_at: None,
            probes: 0,
            attempts: 0,
            last_failure: None,
            start_at: None,
            stop_attempts: 0,
            failure: None,
            stop_failure: None,
            was_active: false,
            by_ladder: false,
            cycle: false,
            held_down: false,
            restarts: VecDeque::new(),
            message: String::new(),
        }
    }

    /// It is certain that it is not active, and that nothing is under way that could change that.
    pub fn certainly_absent(&self) -> bool {
        self.belief == Belief::Absent && !self.fresh && self.work.is_none()
    }

    pub fn working_on(&self, action: ResourceAction) -> bool {
        self.work.as_ref().is_some_and(|work| work.action == action)
    }

    /// Only a stop makes sure of what remains of it, whatever is wanted of it then.
    pub fn to_be_cleared(&self) -> bool {
        self.belief == Belief::Unknown(Doubt::Remains) && !self.working_on(ResourceAction::Start)
    }

    /// Nobody has looked since this was asked for.
    pub fn unproven(&self) -> bool {
        self.fresh || self.belief == Belief::Unknown(Doubt::Unproven)
    }

    /// Forgets every failure, so that it is tried anew.
    pub fn forgive(&mut self) {
        if self.stop_failure.take().is_some() {
            self.belief = Belief::Unknown(Doubt::Unproven);
        }
        self.attempts = 0;
        self.last_failure = None;
        self.start_at = None;
        self.stop_attempts = 0;
        self.failure = None;
        self.probes = 0;
        self.probe_at = None;
        self.by_ladder = false;
        self.held_down = false;
    }
}

/// What is wanted of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    /// No order yet: find out, change nothing.
    Hold,
    /// Active.
    Run,
    /// Not active.
    Stop,
    /// Not active, since the lease is gone.
    Isolated,
}

/// What the ladder asks the leader for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub wants: Wants,
    pub message: String,
}

/// What others were told last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub held: Option<Held>,
    pub report: BTreeMap<ResourceName, ResourceReport>,
    pub activity: BTreeMap<ResourceName, Activity>,
}

/// One group on this server.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub name: GroupName,
    pub goal: Goal,
    pub order: Option<Order>,
    /// The spec has it, or had it before.
    pub specified: bool,
    /// All of it is to be stopped, then started again.
    pub cycle: bool,
    pub wish: Option<Wish>,
    pub instances: BTreeMap<ResourceName, Instance>,
    pub shown: Shown,
    /// When something is to be done without being told.
    pub wake: Option<Instant>,
}

impl Group {
    pub fn new(name: GroupName) -> Self {
        Self {
            name,
            goal: Goal::Hold,
            order: None,
            specified: false,
            cycle: false,
            wish: None,
            instances: BTreeMap::new(),
            shown: Shown::default(),
            wake: None,
        }
    }

    pub fn certainly_stopped(&self) -> bool {
        self.instances.values().all(Instance::certainly_absent)
    }
}
