//! `Resource`: one thing that a group brings up on its server.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration, ObservedState};
use crate::api::types::{
    AwsDnsSpec, AwsElasticIpSpec, AwsSecondaryIpSpec, AwsVirtualIpSpec, ExecSpec, FloatingIpSpec,
    ProbePortSpec,
};

/// A resource of a failover group: a program, an address, a probe port.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stead.dev",
    version = "v1alpha1",
    kind = "Resource",
    plural = "resources",
    shortname = "res",
    category = "stead",
    namespaced,
    status = "ResourceStatus",
    derive = "PartialEq",
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.group"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.server"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceSpec {
    /// The group it belongs to.
    #[schemars(length(min = 1, max = 253), extend("x-stead-change" = "Immutable"))]
    pub group: String,
    /// Resources of the same group that are active before it starts, and until it has stopped.
    /// A probe port without any depends on every other resource of its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub depends_on: Option<Vec<String>>,
    /// The type; the member of the same name holds its settings.
    #[serde(rename = "type")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub type_: ResourceType,
    /// Settings of `type: Exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub exec: Option<ExecSpec>,
    /// Settings of `type: FloatingIP`.
    #[serde(default, rename = "floatingIP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub floating_ip: Option<FloatingIpSpec>,
    /// Settings of `type: ProbePort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub probe_port: Option<ProbePortSpec>,
    /// Settings of `type: AwsVirtualIP`.
    #[serde(default, rename = "awsVirtualIP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub aws_virtual_ip: Option<AwsVirtualIpSpec>,
    /// Settings of `type: AwsElasticIP`.
    #[serde(default, rename = "awsElasticIP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub aws_elastic_ip: Option<AwsElasticIpSpec>,
    /// Settings of `type: AwsSecondaryIP`.
    #[serde(default, rename = "awsSecondaryIP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub aws_secondary_ip: Option<AwsSecondaryIpSpec>,
    /// Settings of `type: AwsDNS`.
    #[serde(default, rename = "awsDNS", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Restart"))]
    pub aws_dns: Option<AwsDnsSpec>,
    /// What happens when it can't be activated.
    #[serde(default)]
    pub activation: Activation,
    /// What happens when it can't be deactivated.
    #[serde(default)]
    pub deactivation: Deactivation,
}

/// Types of resources.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ResourceType {
    /// A supervised command, or a pair of start and stop scripts.
    Exec,
    /// An address that follows the group.
    FloatingIP,
    /// A TCP port that a load balancer's health check asks.
    ProbePort,
    /// An address that the route tables of an AWS VPC lead to the active server.
    AwsVirtualIP,
    /// A public address of AWS that follows the group.
    AwsElasticIP,
    /// A private address of an AWS subnet that moves between network interfaces.
    AwsSecondaryIP,
    /// A name in Route 53 that leads to the active server.
    AwsDNS,
}

impl ResourceSpec {
    /// One of this type, with the settings of the type missing and every other at its default.
    #[must_use]
    pub fn of(group: String, type_: ResourceType) -> Self {
        Self {
            group,
            depends_on: None,
            type_,
            exec: None,
            floating_ip: None,
            probe_port: None,
            aws_virtual_ip: None,
            aws_elastic_ip: None,
            aws_secondary_ip: None,
            aws_dns: None,
            activation: Activation::default(),
            deactivation: Deactivation::default(),
        }
    }
}

/// Activation: time-out, retries, and what a failure leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Activation {
    /// How long one activation may take.
    #[serde(default = "activation_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "24h"))]
    pub timeout: Duration,
    /// Further tries on the same server: the first at once, the next after 250 ms, then after twice as long
    /// each time, 5 s at most.
    #[serde(default)]
    #[schemars(range(min = 0, max = 99))]
    pub retries: u32,
    /// Failovers of the group after the tries.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 99))]
    pub failovers: u32,
    /// What happens after those.
    #[serde(default)]
    pub on_failure: ActivationFailure,
}

fn activation_timeout() -> Duration {
    std::time::Duration::from_secs(1800).into()
}

fn one() -> u32 {
    1
}

impl Default for Activation {
    fn default() -> Self {
        Self {
            timeout: activation_timeout(),
            retries: 0,
            failovers: 1,
            on_failure: ActivationFailure::default(),
        }
    }
}

/// After the last try to activate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ActivationFailure {
    /// Leave what is active as it is and start nothing that depends on it.
    #[default]
    Stop,
    /// Deactivate the whole group.
    StopGroup,
    /// Go on with the next resource as if it were active.
    Continue,
}

/// Deactivation: time-out, retries, and what a failure leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deactivation {
    /// How long one deactivation may take.
    #[serde(default = "deactivation_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "24h"))]
    pub timeout: Duration,
    /// Further tries.
    #[serde(default)]
    #[schemars(range(min = 0, max = 99))]
    pub retries: u32,
    /// What happens after those. Until it is certain that the resource has stopped, the group
    /// starts nowhere else.
    #[serde(default)]
    pub on_failure: DeactivationFailure,
}

fn deactivation_timeout() -> Duration {
    std::time::Duration::from_secs(1800).into()
}

impl Default for Deactivation {
    fn default() -> Self {
        Self {
            timeout: deactivation_timeout(),
            retries: 0,
            on_failure: DeactivationFailure::default(),
        }
    }
}

/// After the last try to deactivate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DeactivationFailure {
    /// Shut the server down: then it has certainly stopped.
    #[default]
    Shutdown,
    /// Reboot the server.
    Reboot,
    /// Hold the group here, in error, until a person ends it.
    Block,
}

/// Where a resource stands on its group's server.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ResourceState {
    /// Not active.
    Offline,
    /// Being activated.
    Starting,
    /// Active.
    Online,
    /// Being deactivated.
    Stopping,
    /// It failed while it was active, or could not be activated.
    Failed,
    /// It could not be deactivated.
    StopFailed,
    /// Nobody can tell.
    #[default]
    Unknown,
}

/// What the group's server observes of a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// The generation this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observed aspects: `Ready`; `RestartPending` while true.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// Where it stands.
    #[serde(default)]
    pub state: ResourceState,
    /// The server it is active on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What the driver says, for example `pid 4711` or `:26001`.
    #[serde(default)]
    pub message: String,
    /// Since when, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What that server last read of it in the API of a cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedState>,
}
