//! `AwsElasticIP`: a public address that follows the group (AW-3, AW-4).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws_virtual_ip::warn;
use super::{Assumed, AwsPerServer};
use crate::api::kinds::TimeoutAction;

/// An Elastic IP address that is associated with the active server's network interface, taken from
/// whoever has it, and given up only while it is still this server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsElasticIpSpec {
    /// The address's allocation, as `eipalloc-0123456789abcdef0`.
    #[schemars(length(min = 1, max = 64))]
    pub allocation_id: String,
    /// The network interface of each server.
    #[schemars(
        length(min = 1, max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<AwsPerServer>,
}

impl AwsElasticIpSpec {
    /// A question, the change, and a look at what came of it.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let second = Duration::from_secs(1);
        Assumed { start: 2 * second, stop: second, route: second }
    }
}

/// The monitor of an Elastic IP address where it is active; made automatically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsElasticIpMonitorSpec {
    /// The resource of type AwsElasticIP.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
    /// What it counts as when the API does not answer, or fails. What it does answer always counts.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
    /// How the address itself is tried, after the API has said that it is this server's. By default
    /// it is not: security groups often keep servers from reaching their own public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<AwsAddressCheck>,
}

/// How an address is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAddressCheck {
    /// The way; the member of the same name holds its settings.
    #[serde(rename = "type")]
    pub type_: AwsAddressCheckType,
    /// Settings of `type: TCP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<AwsTcpCheck>,
}

/// Ways to try an address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AwsAddressCheckType {
    /// It answers an echo request.
    ICMP,
    /// A port accepts a connection, which is closed at once.
    TCP,
}

/// The port that is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsTcpCheck {
    /// The port.
    #[schemars(range(min = 1))]
    pub port: u16,
}
