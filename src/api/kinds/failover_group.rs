//! `FailoverGroup`: what is active on exactly one server.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, DeletionPolicy};

/// Resources that are active together, on one server at a time.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "FailoverGroup",
    plural = "failovergroups",
    shortname = "fg",
    category = "stead",
    namespaced,
    status = "FailoverGroupStatus",
    derive = "PartialEq",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.server"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(name = "Last Failover", type_ = "string", json_path = ".status.lastFailover.text"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailoverGroupSpec {
    /// Failover policy: the servers that may run the group, first choice first.
    #[schemars(length(min = 1, max = 64))]
    pub servers: Vec<String>,
    /// Whether the group starts with the cluster.
    #[serde(default)]
    pub startup: Automation,
    /// Whether the group is taken over when its server is lost or a monitor asks for it.
    #[serde(default)]
    pub failover: Automation,
    /// Whether the group goes back when a server earlier in the policy returns.
    #[serde(default = "manual")]
    pub failback: Automation,
    /// Whether `kubectl delete` may remove the group while it is active.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// When a change that needs a restart takes effect.
    #[serde(default)]
    pub apply_changes: ApplyChanges,
}

fn manual() -> Automation {
    Automation::Manual
}

/// Whether something happens by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Automation {
    /// By itself.
    #[default]
    Automatic,
    /// Only when asked for.
    Manual,
}

/// When a change that needs a restart takes effect.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ApplyChanges {
    /// At the next activation, or by `stead group restart`.
    #[default]
    AtNextActivation,
    /// At once: what has to restart is restarted.
    Immediately,
}

/// Where a group stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum GroupState {
    /// Active nowhere.
    Offline,
    /// Being activated.
    Starting,
    /// Every resource is active on one server.
    Online,
    /// Active, but a resource or monitor is in error.
    Degraded,
    /// Being deactivated.
    Stopping,
    /// Its activation failed and nothing further is tried by itself.
    Failed,
    /// Nobody can tell whether it is active, or where: it is started nowhere.
    #[default]
    Unknown,
}

/// What the leader observes of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverGroupStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Ready`; `Reconciling`, `Stalled`, `RestartPending` while true.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// Where the group stands.
    #[serde(default)]
    pub state: GroupState,
    /// The server it is granted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The grant it runs under, as `7.node1/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Since when it is in this state, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it is in this state, or what it waits for.
    #[serde(default)]
    pub message: String,
    /// The last time it changed servers without being asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failover: Option<LastFailover>,
    /// Why it is not on each server of its policy where it is not.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["server"]
    ))]
    pub not_on: Vec<NotOnServer>,
    /// Automatic failovers within `Cluster.spec.guards.failoverWindow`.
    #[serde(default)]
    pub recent_failovers: u32,
}

/// A failover that happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailover {
    /// When it was decided, RFC 3339.
    pub time: String,
    /// From the last renewal of the former holder's support to online, in milliseconds.
    pub duration_milliseconds: u64,
    /// The server left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The server taken.
    pub to: String,
    /// Why, as an id of the message catalogue.
    pub reason: String,
    /// All of it in a few words.
    pub text: String,
}

/// Why a group is not on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotOnServer {
    /// The server.
    pub server: String,
    /// Id in the message catalogue.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}
