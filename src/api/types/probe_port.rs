//! `ProbePort`: a TCP port for a load balancer's health check (AZ-3, WS-1, LK-2).

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Assumed;

/// A port that accepts and closes connections while, and only while, the group is active here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbePortSpec {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The address it listens on; by default each address of the server on its heartbeat paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl ProbePortSpec {
    /// Opening a port takes no time. Load balancers ask every five seconds, and want two answers.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let moment = Duration::from_millis(2);
        Assumed { start: moment, stop: moment, route: Duration::from_secs(10) }
    }
}

/// The monitor of a probe port where it is active; made automatically (AZ-4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbePortMonitorSpec {
    /// The resource of type ProbePort.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
}
