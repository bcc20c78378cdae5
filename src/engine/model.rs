//! The spec as the engine reads it: objects, validated and resolved against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::Revision;
use crate::api::arbitration::Safety;
use crate::api::kinds::{
    ApplyChanges, Automation, DualActivationPolicy, Fencing, MissedChangesPolicy, MonitorSpec,
    PartitionAction, ResourceSpec, ReturnPolicy, WatchdogMode,
};
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};
use crate::api::timing::Timing;

mod compile;

pub use compile::{CompileError, compile, spec_objects};

/// Where an object lives in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Kind, for example `FailoverGroup`; `Intent` is the cluster's own and never served.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

/// An object as it is stored: JSON text of the whole object without `resourceVersion`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// The revision that last changed it; served as its `resourceVersion`.
    pub revision: Revision,
    /// JSON text.
    pub json: Arc<str>,
}

/// All objects, by key.
pub type Objects = BTreeMap<ObjectKey, StoredObject>;

/// The whole spec, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The revision it was made from.
    pub revision: Revision,
    /// The cluster.
    pub cluster: ClusterModel,
    /// The groups.
    pub groups: BTreeMap<GroupName, GroupModel>,
    /// The monitors, automatic ones included.
    pub monitors: BTreeMap<MonitorName, MonitorModel>,
}

/// The cluster as the engine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterModel {
    /// Name of the Cluster object.
    pub name: String,
    /// Servers, highest priority first.
    pub servers: Vec<ServerName>,
    /// Heartbeat paths, highest priority first.
    pub paths: Vec<PathName>,
    /// Derived times.
    pub timing: Timing,
    /// Partition resolution.
    pub arbiter: Arbiter,
    /// What the arbiters guarantee, and why.
    pub safety: Safety,
    /// How long the arbiters may take.
    pub arbiter_budget: Duration,
    /// Servers that vote and run nothing.
    pub witnesses: BTreeSet<ServerName>,
    /// How lost servers are switched off.
    pub fencing: Option<Arc<Fencing>>,
    /// What a server does without authority.
    pub on_partition: PartitionAction,
    /// The longest pause that a server may announce.
    pub pause_max: Duration,
    /// What becomes of a group that two parts ran at once.
    pub on_dual_activation: DualActivationPolicy,
    /// What a part does that lacks changes of another.
    pub on_missed_changes: MissedChangesPolicy,
    /// The machine's watchdog.
    pub watchdog: WatchdogPlan,
    /// How long a starting cluster waits for all servers.
    pub wait_for_servers: Duration,
    /// Whether a failed server takes part again by itself.
    pub return_policy: ReturnPolicy,
    /// Automatic shutdowns and reboots of one server within the window.
    pub final_actions_max: u32,
    /// See `final_actions_max`.
    pub final_action_window: Duration,
    /// Automatic failovers of one group within the window.
    pub failovers_max: u32,
    /// See `failovers_max`.
    pub failover_window: Duration,
    /// `metadata.generation`.
    pub generation: i64,
}

/// How the machine's watchdog is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogPlan {
    /// Whether.
    pub mode: WatchdogMode,
    /// Its time-out, in whole seconds.
    pub seconds: u32,
}

/// Who says which part of a divided cluster goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arbiter {
    /// More than half of the configured servers; decided by the engine itself.
    Majority,
    /// Asked with `Effect::AskArbiter`.
    External {
        /// Two parts can't both be told `Held`.
        exclusive: bool,
    },
    /// Both: more than half of the configured servers, and what `Effect::AskArbiter` says.
    MajorityAndExternal,
    /// Every part goes on.
    None,
}

impl Arbiter {
    /// Two parts of a divided cluster can't both be told to go on.
    #[must_use]
    pub fn is_exclusive(self) -> bool {
        match self {
            Self::Majority | Self::MajorityAndExternal => true,
            Self::External { exclusive } => exclusive,
            Self::None => false,
        }
    }
}

/// A group as the engine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupModel {
    /// Failover policy.
    pub servers: Vec<ServerName>,
    /// Starts with the cluster.
    pub startup: Automation,
    /// Is taken over.
    pub failover: Automation,
    /// Goes back.
    pub failback: Automation,
    /// When restart changes take effect.
    pub apply_changes: ApplyChanges,
    /// Its resources, by name; dependencies are acyclic and stay within the group.
    pub resources: BTreeMap<ResourceName, ResourceModel>,
    /// It is being deleted: deactivate it, then let its finalizer go.
    pub deleting: bool,
    /// `metadata.generation`.
    pub generation: i64,
}

/// A resource as the engine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceModel {
    /// What the user wrote, defaults filled in.
    pub spec: Arc<ResourceSpec>,
    /// What must be active before it; implied dependencies of probe ports included.
    pub depends_on: Vec<ResourceName>,
    /// It is being deleted.
    pub deleting: bool,
    /// `metadata.generation`; a running instance remembers the one it was started with.
    pub generation: i64,
}

/// A monitor as the engine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorModel {
    /// What the user wrote, defaults filled in.
    pub spec: Arc<MonitorSpec>,
    /// Servers it monitors on.
    pub servers: Vec<ServerName>,
    /// It monitors only while this resource is active on this server.
    pub while_active: Option<ResourceName>,
    /// It monitors only while this resource is *not* active on this server (LoadBalance).
    pub while_inactive: Option<ResourceName>,
    /// The group of its recovery target, where that is a resource or group.
    pub target_group: Option<GroupName>,
    /// The resource that is its recovery target.
    pub target_resource: Option<ResourceName>,
    /// `metadata.generation`.
    pub generation: i64,
}

impl Model {
    /// The group that holds a resource, and the resource.
    #[must_use]
    pub fn resource(&self, name: &ResourceName) -> Option<(&GroupName, &ResourceModel)> {
        self.groups.iter().find_map(|(group, model)| Some((group, model.resources.get(name)?)))
    }

    /// Position in the cluster's priority order; unlisted servers come last.
    #[must_use]
    pub fn priority(&self, server: &ServerName) -> usize {
        self.cluster.servers.iter().position(|s| s == server).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests;
