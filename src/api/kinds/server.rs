//! `Server`: what each agent says about its machine. Made by the cluster, status only.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Condition;

/// A server of the cluster, as its own agent sees it. Made from `Cluster.spec.servers[]`.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "Server",
    plural = "servers",
    shortname = "srv",
    category = "stead",
    namespaced,
    status = "ServerStatus",
    derive = "PartialEq",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Groups", type_ = "string", json_path = ".status.groups"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerSpec {}

/// Where a server stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ServerState {
    /// A member of the view that may run groups.
    Online,
    /// Heard, but kept from running groups: it failed, or was detached by hand.
    Out,
    /// Not heard.
    Lost,
    /// Nobody can tell yet.
    #[default]
    Unknown,
}

/// What a server's agent and the leader observe of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Ready`, `Degraded` while a path is lost, and `FencingReady` where fencing
    /// is configured: whether it could fence every other server.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// Where it stands.
    #[serde(default)]
    pub state: ServerState,
    /// Why it stands there.
    #[serde(default)]
    pub message: String,
    /// Groups active here, separated by commas.
    #[serde(default)]
    pub groups: String,
    /// Version of its agent.
    #[serde(default)]
    pub version: String,
    /// Id of the agent's present run.
    #[serde(default)]
    pub boot: String,
    /// Id of its state folder.
    #[serde(default)]
    pub incarnation: String,
    /// Each path to each other server.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["peer", "path"]
    ))]
    pub paths: Vec<ServerPath>,
    /// Whether its keeper answers.
    #[serde(default)]
    pub keeper: String,
    /// What ends its services when the agent can't: `Watchdog`, `Keeper` or `None`.
    #[serde(default)]
    pub self_fence: String,
    /// Why that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub self_fence_reason: String,
    /// How long its services may outlive the start of its lease: those that wait for it wait this
    /// long, 1 % and an interval. `unlimited`: it is freed only by release or fencing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub self_fence_within: String,
    /// Its watchdog device and that one's time-out, or why there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub watchdog: String,
    /// Whether it could fence each other server by each method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["server", "method"]
    ))]
    pub fencing: Vec<ServerFencing>,
    /// Its wall clock against the leader's, in milliseconds.
    #[serde(default)]
    pub clock_offset_milliseconds: i64,
}

/// Whether a server could fence another one by one method, as it last found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerFencing {
    /// The server that would be fenced.
    pub server: String,
    /// The method.
    pub method: String,
    /// Whether it could; left out while it was not checked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub able: Option<bool>,
    /// What the method says.
    #[serde(default)]
    pub message: String,
    /// When it was checked, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
}

/// One path to one other server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerPath {
    /// The other server.
    pub peer: String,
    /// The path.
    pub path: String,
    /// Whether packets arrive in both directions.
    pub up: bool,
    /// Round trip in microseconds, the last one measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_microseconds: Option<u64>,
    /// When it was last heard or lost, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}
