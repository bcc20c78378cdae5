//! What an engine knows, as statuses for people.
//!
//! A leader knows everything; any other server its own part. Nothing here decides.

use std::collections::BTreeMap;

use super::ids::Revision;
use super::model::ObjectKey;
use super::time::WallTime;
use crate::api::kinds::{
    ClusterStatus, Condition, ConditionStatus, FailoverGroupStatus, MonitorStatus, ResourceStatus,
    ServerStatus,
};
use crate::api::names::{GroupName, MonitorName, ResourceName, ServerName};

/// Everything that is shown of the cluster. Statuses of operations are stored with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Who leads, as far as this server knows.
    pub leader: Option<ServerName>,
    /// Whether this server does.
    pub leading: bool,
    /// The number of the view's term.
    pub term: u64,
    /// The store's revision.
    pub revision: Revision,
    /// Name and status of the Cluster.
    pub cluster: (String, ClusterStatus),
    /// Statuses of Servers.
    pub servers: BTreeMap<ServerName, ServerStatus>,
    /// Statuses of FailoverGroups.
    pub groups: BTreeMap<GroupName, FailoverGroupStatus>,
    /// Statuses of Resources.
    pub resources: BTreeMap<ResourceName, ResourceStatus>,
    /// Statuses of Monitors.
    pub monitors: BTreeMap<MonitorName, MonitorStatus>,
}

/// When what is shown last changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Since {
    conditions: BTreeMap<(ObjectKey, &'static str), (ConditionStatus, WallTime)>,
    states: BTreeMap<ObjectKey, (String, WallTime)>,
}

/// A condition before its transition time is known.
pub(super) struct Aspect<'a> {
    pub type_: &'static str,
    pub status: bool,
    pub reason: &'a str,
    pub message: String,
}

impl Since {
    /// A condition with the time at which it became what it is.
    pub fn condition(
        &mut self,
        now: WallTime,
        object: &ObjectKey,
        generation: i64,
        aspect: Aspect<'_>,
    ) -> Condition {
        let status = if aspect.status { ConditionStatus::True } else { ConditionStatus::False };
        let known = self.conditions.entry((object.clone(), aspect.type_)).or_insert((status, now));
        if known.0 != status {
            *known = (status, now);
        }
        Condition {
            type_: aspect.type_.to_owned(),
            status,
            observed_generation: Some(generation),
            last_transition_time: known.1.rfc3339(),
            reason: aspect.reason.to_owned(),
            message: aspect.message,
        }
    }

    /// Since when an object has been in this state.
    pub fn state(&mut self, now: WallTime, object: &ObjectKey, state: &str) -> WallTime {
        let known = self.states.entry(object.clone()).or_insert_with(|| (state.to_owned(), now));
        if known.0 != state {
            *known = (state.to_owned(), now);
        }
        known.1
    }

    /// Forgets objects that are gone.
    pub fn retain(&mut self, keep: impl Fn(&ObjectKey) -> bool) {
        self.conditions.retain(|(key, _), _| keep(key));
        self.states.retain(|key, _| keep(key));
    }
}
