//! `AwsDNS`: a name in a hosted zone of Route 53 that leads to the active server (AW-5, AW-6).

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Assumed;
use super::aws_virtual_ip::warn;
use crate::api::kinds::TimeoutAction;

/// A record of a private or public hosted zone: A for an IPv4 address, AAAA for an IPv6 one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsDnsSpec {
    /// The hosted zone's id, as `Z0123456789ABCDEFGHIJ`.
    #[schemars(length(min = 1, max = 32))]
    pub hosted_zone_id: String,
    /// The whole name, in lower case and with a dot at its end, as `srv.hz1.local.`.
    #[schemars(length(min = 1, max = 255))]
    pub record_name: String,
    /// For how many seconds resolvers may keep it. Until then clients may go on to the server before.
    #[serde(default = "ttl")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub ttl: u32,
    /// The address, where it is the same whichever server is active: that of an AwsVirtualIP or an
    /// AwsElasticIP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The address of each server; these win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<AwsDnsPerServer>,
    /// Whether the record is removed when the resource stops. A failover then makes two changes in
    /// place of one, and until the second nobody finds the name; else the name leads to the stopped
    /// server.
    #[serde(default = "delete_on_stop")]
    #[schemars(extend("x-stead-change" = "Live"))]
    pub delete_on_stop: bool,
}

fn ttl() -> u32 {
    300
}

fn delete_on_stop() -> bool {
    true
}

/// The address of one server in the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsDnsPerServer {
    /// The server.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl AwsDnsSpec {
    /// The change takes up to a minute to reach every name server, and clients keep what they have.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let second = Duration::from_secs(1);
        let route = Duration::from_secs(60 + u64::from(self.ttl));
        let stop = if self.delete_on_stop { second } else { Duration::ZERO };
        Assumed { start: second, stop, route }
    }

    /// Whether its record is of type AAAA. All of its addresses are of one family.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        let first = self.per_server.first().map(|entry| entry.address).or(self.address);
        first.is_some_and(|address| address.is_ipv6())
    }

    /// The address that the record holds while this server is active.
    #[must_use]
    pub fn address_of(&self, server: &str) -> Option<IpAddr> {
        let own = self.per_server.iter().find(|entry| entry.name == server);
        own.map(|entry| entry.address).or(self.address)
    }
}

/// The monitor of a record where it is active; made automatically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsDnsMonitorSpec {
    /// The resource of type AwsDNS.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
    /// What it counts as when the API does not answer, or fails. A record that is missing or wrong
    /// always counts.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
    /// Whether the server's own resolver is asked for the name too.
    #[serde(default = "resolve")]
    pub resolve: bool,
}

fn resolve() -> bool {
    true
}
