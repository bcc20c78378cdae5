//! Monitors on this server and the ladder that their errors climb (CP-18, CP-20).
//!
//! It decides when each monitor checks, what its answers mean, and which rung comes next. It must
//! never let two monitors act on one target at once, never act on a target that is not active on
//! this server, and never carry anything out itself: the node does, or refuses. It fails towards
//! doing nothing: an answer that does not come is no error of what is monitored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::effect::PowerAction;
use super::group::Activity;
use super::ids::{ActionId, ActionIds};
use super::input::CheckResult;
use super::model::Model;
use super::note::Note;
use super::time::{Instant, Now};
use crate::api::kinds::{MonitorServerStatus, MonitorSpec, ResourceSpec};
use crate::api::names::{GroupName, MonitorName, ResourceName, ServerName};

/// What the monitors of this server want done.
#[derive(Clone, Debug, PartialEq)]
pub enum RecoveryEffect {
    /// Check once: `Effect::Check`.
    Check {
        /// Pairs the answer.
        id: ActionId,
        /// The monitor.
        monitor: MonitorName,
        /// Its settings.
        spec: Arc<MonitorSpec>,
        /// The resource that a probe-port or load-balance monitor is about.
        resource: Option<Arc<ResourceSpec>>,
        /// When it counts as unanswered; none: it runs until it ends.
        timeout: Option<Duration>,
    },
    /// Run a recovery script: `Effect::RecoveryScript`.
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
    /// End the work of an earlier effect: `Effect::Cancel`.
    Cancel {
        /// The effect's id.
        id: ActionId,
    },
    /// Tell people.
    Note(Note),
    /// Ask the groups to reactivate a resource; `on_refused` answers where they refuse.
    ReactivateResource {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        resource: ResourceName,
    },
    /// Ask the groups to reactivate a group; `on_refused` answers where they refuse.
    ReactivateGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
    },
    /// Ask the leader to run a group elsewhere: `Groups::wish(Failover)`.
    FailoverGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
        /// Why.
        message: String,
    },
    /// It works again: a wish about the group is taken back, `Groups::wish(Nothing)`.
    Withdraw {
        /// Who asked.
        monitor: MonitorName,
        /// What.
        group: GroupName,
    },
    /// Final action: deactivate a resource, `Groups::stop_resource`.
    StopResource {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        resource: ResourceName,
    },
    /// Final action: ask the leader to stop a group, `Groups::wish(Stop)`.
    StopGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
        /// Why.
        message: String,
    },
    /// Final action: end this server or its part in the cluster, if the node's guards allow it.
    FinalAction {
        /// Who asks.
        monitor: MonitorName,
        /// How.
        action: PowerAction,
        /// Why.
        message: String,
    },
}

/// The monitors of this server.
#[derive(Debug)]
pub struct Monitors {
    me: ServerName,
    ids: ActionIds,
    model: Option<Arc<Model>>,
    effects: VecDeque<RecoveryEffect>,
    version: u64,
}

impl Monitors {
    /// No monitors yet.
    #[must_use]
    pub fn new(me: ServerName, ids: ActionIds) -> Self {
        Self { me, ids, model: None, effects: VecDeque::new(), version: 0 }
    }

    /// Whether an answer is to an effect of these monitors.
    #[must_use]
    pub fn gave(&self, id: ActionId) -> bool {
        self.ids.gave(id)
    }

    /// The model changed, or is known for the first time.
    pub fn on_model(&mut self, now: Now, model: Arc<Model>) {
        let _ = (now, &self.me);
        self.model = Some(model);
    }

    /// What is active here changed: `Groups::activity`.
    pub fn on_group_state(&mut self, now: Now, activity: BTreeMap<ResourceName, Activity>) {
        let _ = (now, activity);
    }

    /// A check ended.
    pub fn on_checked(&mut self, now: Now, id: ActionId, result: CheckResult, message: String) {
        let _ = (now, id, result, message);
    }

    /// A recovery script ended.
    pub fn on_script_done(&mut self, now: Now, id: ActionId, exit_code: Option<i32>) {
        let _ = (now, id, exit_code);
    }

    /// What a monitor asked for last is not done; it counts all the same.
    pub fn on_refused(&mut self, now: Now, monitor: &MonitorName, message: String) {
        let _ = (now, monitor, message);
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
    pub fn poll_effect(&mut self) -> Option<RecoveryEffect> {
        self.effects.pop_front()
    }

    /// Grows whenever `report` changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What each monitor says on this server.
    #[must_use]
    pub fn report(&self) -> BTreeMap<MonitorName, MonitorServerStatus> {
        BTreeMap::new()
    }
}
