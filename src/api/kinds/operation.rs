//! `Operation`: a one-shot request, recorded.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration};

/// A one-shot request such as a move. Immutable; carried out once; removed after a week.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "Operation",
    plural = "operations",
    shortname = "op",
    category = "stead",
    namespaced,
    status = "OperationStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.group"),
    printcolumn(name = "Server", type_ = "string", json_path = ".spec.server"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-stead-change" = "Immutable"))]
#[x_kube(
    validation = (
        "self.type in ['DetachServer', 'ReturnServer', 'FenceServer', 'ConfirmServerDown', 'PauseServer', 'ShutdownCluster'] || has(self.group)",
        "OperationTargetMissing: an operation on a group needs `group`"
    ),
    validation = (
        "!(self.type in ['DetachServer', 'ReturnServer', 'FenceServer', 'ConfirmServerDown', 'PauseServer']) || has(self.server)",
        "OperationTargetMissing: an operation on a server needs `server`"
    ),
    validation = (
        "!(self.type in ['DetachServer', 'ReturnServer', 'FenceServer', 'ConfirmServerDown', 'PauseServer']) || !has(self.group)",
        "OperationTargetMissing: an operation on a server has no `group`"
    ),
    validation = (
        "self.type != 'ShutdownCluster' || (!has(self.group) && !has(self.server))",
        "OperationTargetMissing: an operation on the cluster has neither `group` nor `server`"
    ),
    validation = (
        "!has(self.machines) || self.type == 'ShutdownCluster'",
        "FieldNotForOperation: `machines` is for ShutdownCluster only"
    ),
    validation = (
        "has(self.duration) == (self.type == 'PauseServer')",
        "FieldNotForOperation: PauseServer needs `duration`, and no other operation has it"
    )
)]
pub struct OperationSpec {
    /// What to do.
    #[serde(rename = "type")]
    pub type_: OperationType,
    /// The group, for the operations on groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The server: where a group is to go, or which one is detached, returned, fenced or certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What becomes of the machines when the cluster is shut down; by default they go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machines: Option<Machines>,
    /// How long a server is about to stand still, at most `heartbeat.pauseMax` of the Cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "10m"))]
    pub duration: Option<Duration>,
    /// When it fails if it has not succeeded, counted from its creation.
    #[serde(default = "deadline")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "168h"))]
    pub deadline: Duration,
}

fn deadline() -> Duration {
    std::time::Duration::from_secs(3600).into()
}

/// What an operation does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OperationType {
    /// Start the group, on `server` if given.
    StartGroup,
    /// Stop the group; it stays stopped until it is started.
    StopGroup,
    /// Move the group to `server`, or to the next of its policy: stop there, start here.
    MoveGroup,
    /// As a failover: leave the present server for the next of the policy.
    FailoverGroup,
    /// Stop and start the group where it is.
    RestartGroup,
    /// Move everything away from the server and let nothing start there.
    DetachServer,
    /// Let a server that failed or was detached take part again.
    ReturnServer,
    /// Switch the server off by the cluster's methods of fencing, and make sure of it.
    FenceServer,
    /// A person certifies that the server, which is not heard, runs nothing: it is taken over from
    /// as if it had been fenced.
    ConfirmServerDown,
    /// Announce that the server is about to stand still for `duration`, as under a snapshot or a live
    /// migration: once this has succeeded, it may do so once within that time, and nobody takes over.
    PauseServer,
    /// Stop every group in order, then end every agent in good order. Starting the agents starts the
    /// cluster, and its groups as their attributes say.
    ShutdownCluster,
}

/// What becomes of the machines of a cluster that is shut down.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Machines {
    /// They go on; only the agents end.
    #[default]
    KeepRunning,
    /// They are shut down, as far as `power` in each server's agent.yaml allows it.
    PowerOff,
}

/// Where an operation stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OperationState {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Could not be done.
    Failed,
    /// A later operation on the same object took its place.
    Superseded,
}

/// What has become of an operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Succeeded`.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// Where it stands.
    #[serde(default)]
    pub state: OperationState,
    /// Why.
    #[serde(default)]
    pub message: String,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
}
