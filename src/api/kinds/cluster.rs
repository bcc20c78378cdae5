//! `Cluster`: the servers, the paths between them, and who decides when they cannot all talk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arbitration, AwsAccess, Condition, Duration, Fencing, Platform};

/// A failover cluster: its servers, heartbeat paths and partition resolution.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "hac",
    category = "stead",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Servers", type_ = "string", json_path = ".status.servers"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.leader"),
    printcolumn(name = "Term", type_ = "integer", json_path = ".status.term"),
    printcolumn(name = "Arbitration", type_ = "string", json_path = ".spec.arbitration.type"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// The servers, in the order of their priority.
    #[schemars(
        length(min = 1, max = 64),
        extend(
            "x-stead-change" = "Immutable",
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub servers: Vec<ClusterServer>,
    /// Heartbeat time-out and paths.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// Who decides when the servers can't all talk to each other.
    #[serde(default)]
    pub arbitration: Arbitration,
    /// How a lost server is switched off before another takes over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<Fencing>,
    /// How the API of AWS is reached by what uses it; nothing needs to be written on an instance
    /// with a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAccess>,
    /// What the servers run on: what that can't do is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What happens when the cluster starts.
    #[serde(default)]
    pub startup: Startup,
    /// What becomes of a failed server that comes back.
    #[serde(default)]
    pub return_policy: ReturnPolicy,
    /// The machine's watchdog device, which ends the services of a server whose agent and keeper
    /// can't.
    #[serde(default)]
    pub watchdog: Watchdog,
    /// Guards against machines that end themselves, or groups that move, again and again.
    #[serde(default)]
    pub guards: Guards,
    /// Whether `kubectl delete` may remove the cluster while groups are active.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// One server of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterServer {
    /// Name of the server, unique in the cluster.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its address on each heartbeat path, by path name.
    #[schemars(extend("maxProperties" = 16))]
    pub addresses: BTreeMap<String, IpAddr>,
    /// UDP and TCP port of heartbeats and peers.
    #[serde(default = "heartbeat_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub heartbeat_port: u16,
    /// TCP port of the API.
    #[serde(default = "api_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub api_port: u16,
    /// Whether it runs groups, or only votes.
    #[serde(default)]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub role: ServerRole,
}

/// What a server is for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ServerRole {
    /// Runs groups and votes.
    #[default]
    Member,
    /// Votes, keeps the cluster's objects, and runs nothing.
    Witness,
}

/// 7380, the port of heartbeats and peers.
fn heartbeat_port() -> u16 {
    7380
}

/// 7381, the port of the API.
fn api_port() -> u16 {
    7381
}

/// Use of the machine's watchdog device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Watchdog {
    /// Whether it is used.
    #[serde(default)]
    pub mode: WatchdogMode,
    /// After which time without a sign of life the device resets the machine: whole seconds, 1 s to
    /// 10 min; by default `heartbeat.timeout`, rounded up. `selfFence` is the lease plus twice this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "10m"))]
    pub timeout: Option<Duration>,
}

/// Whether the machine's watchdog device is used. Only servers with `power: Real` open one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WatchdogMode {
    /// Where there is one. Elsewhere the keeper alone ends services.
    #[default]
    Automatic,
    /// Always: a server without one is never freed by time, only by release or fencing.
    Required,
    /// Never.
    Off,
}

impl Watchdog {
    /// The device's time-out in whole seconds.
    #[must_use]
    pub fn seconds(&self, heartbeat_timeout: std::time::Duration) -> u32 {
        let time: std::time::Duration = self.timeout.map_or(heartbeat_timeout, Into::into);
        let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
    }
}

/// Heartbeat settings. All protocol times derive from `timeout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heartbeat {
    /// Silence on every path after which a server is taken for lost: 500 ms to 10 min.
    #[serde(default = "heartbeat_timeout")]
    #[schemars(extend("x-stead-minimum" = "500ms", "x-stead-maximum" = "10m"))]
    pub timeout: Duration,
    /// Paths in the order of their priority; by default all that the servers' addresses name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub paths: Vec<String>,
    /// The longest pause that a server may announce (`stead server pause`): so much longer it is
    /// waited for, once, and so much longer it may go on alone where it is cut off meanwhile.
    #[serde(default = "pause_max")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "10m"))]
    pub pause_max: Duration,
}

fn pause_max() -> Duration {
    std::time::Duration::from_secs(60).into()
}

fn heartbeat_timeout() -> Duration {
    crate::api::timing::TIMEOUT_DEFAULT.into()
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { timeout: heartbeat_timeout(), paths: Vec::new(), pause_max: pause_max() }
    }
}

/// What happens when the cluster starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Startup {
    /// How long the first servers wait for all the others before groups start without them.
    #[serde(default = "wait_for_servers")]
    #[schemars(extend("x-stead-minimum" = "0s", "x-stead-maximum" = "24h"))]
    pub wait_for_servers: Duration,
}

fn wait_for_servers() -> Duration {
    std::time::Duration::from_secs(300).into()
}

impl Default for Startup {
    fn default() -> Self {
        Self { wait_for_servers: wait_for_servers() }
    }
}

/// What becomes of a failed server that comes back.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ReturnPolicy {
    /// It stays out until `stead server return`.
    #[default]
    Manual,
    /// It takes part again as soon as it is heard.
    Automatic,
}

/// Guards against loops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guards {
    /// Automatic shutdowns and reboots of one server within `finalActionWindow`; beyond it they
    /// are refused. A final action is always refused when no other server is healthy.
    #[serde(default = "final_actions_max")]
    #[schemars(range(min = 1, max = 100))]
    pub final_actions_max: u32,
    /// The window of `finalActionsMax`.
    #[serde(default = "final_action_window")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "168h"))]
    pub final_action_window: Duration,
    /// Automatic failovers of one group within `failoverWindow`; beyond it the group stays where
    /// it is.
    #[serde(default = "failovers_max")]
    #[schemars(range(min = 1, max = 1000))]
    pub failovers_max: u32,
    /// The window of `failoversMax`.
    #[serde(default = "failover_window")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "168h"))]
    pub failover_window: Duration,
}

fn final_actions_max() -> u32 {
    3
}

fn final_action_window() -> Duration {
    std::time::Duration::from_secs(3600).into()
}

fn failovers_max() -> u32 {
    6
}

fn failover_window() -> Duration {
    std::time::Duration::from_secs(3600).into()
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            final_actions_max: final_actions_max(),
            final_action_window: final_action_window(),
            failovers_max: failovers_max(),
            failover_window: failover_window(),
        }
    }
}

/// Whether what is active may be deleted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DeletionPolicy {
    /// Refuse to delete what is active.
    #[default]
    Protect,
    /// Deactivate, then delete.
    Delete,
}

/// What the leader observes of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Ready`, `SplitBrainSafe`, `Degraded` while true, and `FencingReady` where
    /// fencing is configured.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// Members of the view and configured servers, as `2/3`.
    #[serde(default)]
    pub servers: String,
    /// The leader of the view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Number of the installed term.
    #[serde(default)]
    pub term: u64,
    /// The term with its proposer, as `7.node1`.
    #[serde(default)]
    pub view: String,
    /// Members of the view.
    #[serde(default)]
    pub members: Vec<String>,
    /// What the arbiter last said, with its reason.
    #[serde(default)]
    pub arbiter: String,
    /// Every time derived from `spec.heartbeat.timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<ClusterTiming>,
}

/// Times derived from the heartbeat time-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTiming {
    /// Between two heartbeats.
    pub interval: String,
    /// Silence after which a server is taken for lost.
    pub timeout: String,
    /// How long the arbiters may take to answer.
    #[serde(default)]
    pub arbiter_budget: String,
    /// How long a holder may act after its last answered renewal: the time-out, two intervals and
    /// the arbiters' budget.
    pub lease: String,
    /// When at the latest an isolated server's services have ended.
    pub self_fence: String,
    /// How long another server waits before it takes over from one it does not hear.
    pub takeover_wait: String,
}
