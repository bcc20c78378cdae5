//! `Monitor`: asks again and again whether something works, and climbs a ladder when it does not.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration};
use crate::api::types::{
    AwsAzMonitorSpec, AwsDnsMonitorSpec, AwsElasticIpMonitorSpec, AwsScheduledEventsMonitorSpec,
    AwsSecondaryIpMonitorSpec, AwsVirtualIpMonitorSpec, CustomMonitorSpec, LoadBalanceMonitorSpec,
    ProbePortMonitorSpec, TcpMonitorSpec,
};

/// A monitor and the recovery that its errors lead to.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "Monitor",
    plural = "monitors",
    shortname = "mon",
    category = "stead",
    namespaced,
    status = "MonitorStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.recovery.target.name"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = (
        "self.timing != 'WhileActive' || has(self.whileActive) || has(self.probePort) || has(self.awsVirtualIP) || has(self.awsElasticIP) || has(self.awsSecondaryIP) || has(self.awsDNS)",
        "WhileActiveNeedsResource: `timing: WhileActive` needs `whileActive`, the resource to follow"
    ),
    validation = (
        "self.timing == 'WhileActive' || !has(self.whileActive)",
        "WhileActiveNeedsResource: `whileActive` says something only with `timing: WhileActive`"
    )
)]
pub struct MonitorSpec {
    /// The type; the member of the same name holds its settings.
    #[serde(rename = "type")]
    pub type_: MonitorType,
    /// Settings of `type: TCP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpMonitorSpec>,
    /// Settings of `type: Custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomMonitorSpec>,
    /// Settings of `type: ProbePort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_port: Option<ProbePortMonitorSpec>,
    /// Settings of `type: LoadBalance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balance: Option<LoadBalanceMonitorSpec>,
    /// Settings of `type: AwsVirtualIP`.
    #[serde(default, rename = "awsVirtualIP", skip_serializing_if = "Option::is_none")]
    pub aws_virtual_ip: Option<AwsVirtualIpMonitorSpec>,
    /// Settings of `type: AwsElasticIP`.
    #[serde(default, rename = "awsElasticIP", skip_serializing_if = "Option::is_none")]
    pub aws_elastic_ip: Option<AwsElasticIpMonitorSpec>,
    /// Settings of `type: AwsSecondaryIP`.
    #[serde(default, rename = "awsSecondaryIP", skip_serializing_if = "Option::is_none")]
    pub aws_secondary_ip: Option<AwsSecondaryIpMonitorSpec>,
    /// Settings of `type: AwsDNS`.
    #[serde(default, rename = "awsDNS", skip_serializing_if = "Option::is_none")]
    pub aws_dns: Option<AwsDnsMonitorSpec>,
    /// Settings of `type: AwsAZ`.
    #[serde(default, rename = "awsAZ", skip_serializing_if = "Option::is_none")]
    pub aws_az: Option<AwsAzMonitorSpec>,
    /// Settings of `type: AwsScheduledEvents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_scheduled_events: Option<AwsScheduledEventsMonitorSpec>,
    /// From the end of one check to the start of the next.
    #[serde(default = "interval")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "24h"))]
    pub interval: Duration,
    /// How long one check may take.
    #[serde(default = "timeout")]
    #[schemars(extend("x-stead-minimum" = "10ms", "x-stead-maximum" = "24h"))]
    pub timeout: Duration,
    /// Further checks in error before the monitor is in error.
    #[serde(default)]
    #[schemars(range(min = 0, max = 999))]
    pub retries: u32,
    /// How long after it begins to monitor the first check runs.
    #[serde(default = "zero")]
    #[schemars(extend("x-stead-minimum" = "0s", "x-stead-maximum" = "24h"))]
    pub start_delay: Duration,
    /// When it monitors.
    #[serde(default)]
    pub timing: MonitorTiming,
    /// The resource whose activity `timing: WhileActive` follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_active: Option<String>,
    /// Servers it monitors on; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub servers: Option<Vec<String>>,
    /// What a check that gives no answer in time counts as.
    #[serde(default)]
    pub on_timeout: TimeoutAction,
    /// A check slower than this share of the time-out raises a warning.
    #[serde(default = "warn_at_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub warn_at_percent: u32,
    /// No checks while true.
    #[serde(default)]
    pub suspended: bool,
    /// What its error leads to.
    #[serde(default)]
    pub recovery: Recovery,
}

fn interval() -> Duration {
    std::time::Duration::from_secs(60).into()
}

fn timeout() -> Duration {
    std::time::Duration::from_secs(120).into()
}

fn zero() -> Duration {
    std::time::Duration::ZERO.into()
}

fn warn_at_percent() -> u32 {
    80
}

/// Types of monitors.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MonitorType {
    /// A TCP port accepts connections.
    TCP,
    /// A script says so with its exit code.
    Custom,
    /// The probe port of a resource accepts where the resource is active.
    ProbePort,
    /// The probe port of a resource is closed where the resource is not active.
    LoadBalance,
    /// The address of a resource is here, and every route leads here.
    AwsVirtualIP,
    /// The address of a resource is associated with this server.
    AwsElasticIP,
    /// The address of a resource is assigned to this server.
    AwsSecondaryIP,
    /// The record of a resource is there, right, and found by the resolver.
    AwsDNS,
    /// AWS says nothing bad of this server's Availability Zone.
    AwsAZ,
    /// AWS has announced nothing for this server's instance that is due.
    AwsScheduledEvents,
}

impl MonitorSpec {
    /// One of this type, with the settings of the type missing and every other at its default.
    #[must_use]
    pub fn of(type_: MonitorType) -> Self {
        Self {
            type_,
            tcp: None,
            custom: None,
            probe_port: None,
            load_balance: None,
            aws_virtual_ip: None,
            aws_elastic_ip: None,
            aws_secondary_ip: None,
            aws_dns: None,
            aws_az: None,
            aws_scheduled_events: None,
            interval: interval(),
            timeout: timeout(),
            retries: 0,
            start_delay: zero(),
            timing: MonitorTiming::default(),
            while_active: None,
            servers: None,
            on_timeout: TimeoutAction::default(),
            warn_at_percent: warn_at_percent(),
            suspended: false,
            recovery: Recovery::default(),
        }
    }

    /// The resource that it looks at, where its type is about one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        let names = [
            self.probe_port.as_ref().map(|member| &member.resource),
            self.load_balance.as_ref().map(|member| &member.resource),
            self.aws_virtual_ip.as_ref().map(|member| &member.resource),
            self.aws_elastic_ip.as_ref().map(|member| &member.resource),
            self.aws_secondary_ip.as_ref().map(|member| &member.resource),
            self.aws_dns.as_ref().map(|member| &member.resource),
        ];
        names.into_iter().flatten().next().map(String::as_str)
    }
}

/// When a monitor monitors.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MonitorTiming {
    /// Always.
    #[default]
    Always,
    /// Where and while the resource `whileActive` is active.
    WhileActive,
}

/// What a check without an answer counts as.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum TimeoutAction {
    /// An error.
    #[default]
    Recover,
    /// A warning.
    Warn,
    /// Nothing.
    Ignore,
}

/// The ladder of a monitor: script, reactivation, failover, final action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "self.scriptRuns == 0 || has(self.script)",
    "RecoveryScriptMissing: `scriptRuns` above 0 needs `script`"
))]
pub struct Recovery {
    /// What is recovered; by default nothing: only the final action applies, to the server.
    #[serde(default)]
    pub target: RecoveryTarget,
    /// Runs of `script` before anything else.
    #[serde(default)]
    #[schemars(range(min = 0, max = 99))]
    pub script_runs: u32,
    /// The recovery script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<RecoveryScript>,
    /// Reactivations of the target.
    #[serde(default = "reactivations")]
    #[schemars(range(min = 0, max = 99))]
    pub reactivations: u32,
    /// Failovers of the target's group.
    #[serde(default = "failovers")]
    #[schemars(range(min = 0, max = 99))]
    pub failovers: u32,
    /// What happens after those.
    #[serde(default)]
    pub final_action: FinalAction,
}

fn reactivations() -> u32 {
    3
}

fn failovers() -> u32 {
    1
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            target: RecoveryTarget::default(),
            script_runs: 0,
            script: None,
            reactivations: reactivations(),
            failovers: failovers(),
            final_action: FinalAction::default(),
        }
    }
}

/// What a monitor recovers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = (
        "!(self.kind in ['Resource', 'Group']) || has(self.name)",
        "RecoveryTargetNameMissing: a target of kind Resource or Group needs its `name`"
    ),
    validation = (
        "self.kind in ['Resource', 'Group'] || !has(self.name)",
        "RecoveryTargetNameMissing: a target of kind AllGroups or LocalServer has no `name`"
    )
)]
pub struct RecoveryTarget {
    /// The kind of target.
    #[serde(default)]
    pub kind: RecoveryTargetKind,
    /// Name of the resource or group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds of recovery targets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum RecoveryTargetKind {
    /// A resource; failover moves its group.
    Resource,
    /// A group.
    Group,
    /// Every group that is active on the monitor's server.
    AllGroups,
    /// The monitor's server: only the final action applies.
    #[default]
    LocalServer,
}

/// A script of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryScript {
    /// Program and arguments.
    #[schemars(length(min = 1, max = 256))]
    pub command: Vec<String>,
    /// How long it may run.
    #[serde(default = "script_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "24h"))]
    pub timeout: Duration,
}

fn script_timeout() -> Duration {
    std::time::Duration::from_secs(30).into()
}

/// The last rung.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FinalAction {
    /// Nothing.
    #[default]
    None,
    /// Deactivate the target resource.
    StopResource,
    /// Deactivate the target's group.
    StopGroup,
    /// End every service of the server and take it out of the cluster.
    StopAgent,
    /// End every service, then shut the server down.
    Shutdown,
    /// End every service, then reboot the server.
    Reboot,
}

/// What a monitor says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MonitorState {
    /// It works.
    Normal,
    /// It works, but something is off.
    Warning,
    /// It does not work.
    Error,
    /// It does not monitor now.
    Suspended,
    /// Not checked yet, or nobody can tell.
    #[default]
    Unknown,
}

/// What each server observes with a monitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitorStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Ready`.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// The worst state of all servers.
    #[serde(default)]
    pub state: MonitorState,
    /// What that server says.
    #[serde(default)]
    pub message: String,
    /// Each server it monitors on.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["server"]
    ))]
    pub servers: Vec<MonitorServerStatus>,
}

/// A monitor on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitorServerStatus {
    /// The server.
    pub server: String,
    /// What it says there.
    pub state: MonitorState,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// How long the last check took.
    #[serde(default)]
    pub milliseconds: u64,
    /// Checks in error in a row.
    #[serde(default)]
    pub failures: u32,
    /// Recovery scripts run since it was last normal.
    #[serde(default)]
    pub script_runs: u32,
    /// Reactivations since it was last normal.
    #[serde(default)]
    pub reactivations: u32,
    /// Failovers since it was last normal.
    #[serde(default)]
    pub failovers: u32,
    /// Whether the final action was taken since it was last normal.
    #[serde(default)]
    pub final_action_taken: bool,
}
