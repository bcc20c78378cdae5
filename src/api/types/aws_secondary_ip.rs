//! `AwsSecondaryIP`: a private address of a subnet that moves between network interfaces.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws_virtual_ip::warn;
use super::{Assumed, AwsPerServer};
use crate::api::kinds::TimeoutAction;

/// A private address of the servers' subnet that is assigned to the active server's network
/// interface, and on that interface in the operating system. All servers are in one subnet, which
/// means in one Availability Zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsSecondaryIpSpec {
    /// The address.
    pub address: IpAddr,
    /// The network interface of each server.
    #[schemars(
        length(min = 1, max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<AwsPerServer>,
    /// The interface of the operating system, the same on each server; by default the one with an
    /// address in the same subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub interface: Option<String>,
}

impl AwsSecondaryIpSpec {
    /// The address moves a moment after the API has said yes.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let start = Duration::from_secs(3);
        Assumed { start, stop: Duration::from_millis(10), ..Assumed::default() }
    }
}

/// The monitor of a secondary address where it is active; made automatically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsSecondaryIpMonitorSpec {
    /// The resource of type AwsSecondaryIP.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
    /// What it counts as when the API does not answer, or fails. What it does answer always counts.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
}
