//! `FloatingIP`: an address of the servers' subnet that follows the group (CP-5).

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Assumed;

/// An address that is put on an interface while the group is active.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloatingIpSpec {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix; by default that of the interface's own address in the same subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub prefix_length: Option<u8>,
    /// The interface on every server; by default the one with an address in the same subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub interface: Option<String>,
    /// Settings that differ by server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<FloatingIpPerServer>,
    /// Whether the address is asked for on the network before it is used.
    #[serde(default)]
    #[schemars(extend("x-stead-change" = "Live"))]
    pub duplicate_check: DuplicateCheck,
}

impl FloatingIpSpec {
    /// The address is asked for three times before it is used; neighbours learn it at once.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let milliseconds = Duration::from_millis;
        let start = match self.duplicate_check {
            DuplicateCheck::Refuse => milliseconds(200),
            DuplicateCheck::Skip => milliseconds(50),
        };
        Assumed { start, stop: milliseconds(10), ..Assumed::default() }
    }
}

/// A floating address on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloatingIpPerServer {
    /// The server.
    pub name: String,
    /// The interface there.
    #[schemars(length(min = 1, max = 15))]
    pub interface: String,
}

/// Whether somebody else's use of the address is looked for first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DuplicateCheck {
    /// An answer from another machine is an activation failure that names its MAC address.
    #[default]
    Refuse,
    /// Nobody is asked.
    Skip,
}
