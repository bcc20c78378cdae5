//! `AwsVirtualIP`: an address outside of the VPC that the VPC's route tables lead to the active
//! server (AW-1, AW-2).

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assumed, AwsPerServer};
use crate::api::kinds::TimeoutAction;

/// An address outside of every CIDR block of the VPC. Every route table of the VPC that has an entry
/// for it, and no other, is made to point to the active server's network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsVirtualIpSpec {
    /// The address.
    pub address: IpAddr,
    /// The VPC of all servers, as `vpc-0123456789abcdef0`.
    #[schemars(length(min = 1, max = 64))]
    pub vpc_id: String,
    /// The network interface of each server. Its Source/Dest check must be off.
    #[schemars(
        length(min = 1, max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<AwsPerServer>,
    /// The interface of the operating system that the address is put on, the same on each server.
    #[serde(default = "loopback")]
    #[schemars(length(min = 1, max = 15))]
    pub interface: String,
    /// Where the clients are. An address of this type reaches only some of them.
    #[serde(default)]
    #[schemars(extend("x-stead-change" = "Live"))]
    pub clients: AwsClients,
}

fn loopback() -> String {
    "lo".into()
}

/// Where clients are, as seen from the servers' VPC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AwsClients {
    /// In the same VPC.
    #[default]
    SameVPC,
    /// Behind a Transit Gateway whose route table leads the address into the VPC.
    TransitGateway,
    /// In another VPC, over peering.
    PeeredVPC,
    /// On the Internet.
    Internet,
}

impl AwsVirtualIpSpec {
    /// Three questions at once, the routes at once, and a look at what came of it.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let route = Duration::from_secs(1);
        Assumed { start: Duration::from_millis(1500), stop: Duration::from_millis(10), route }
    }
}

/// The monitor of a virtual address where it is active; made automatically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsVirtualIpMonitorSpec {
    /// The resource of type AwsVirtualIP.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
    /// What it counts as when the API does not answer, or fails. What it does answer always counts.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
}

pub(super) fn warn() -> TimeoutAction {
    TimeoutAction::Warn
}
