//! `TCP`: a port accepts connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port that a connection is opened to, and closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpMonitorSpec {
    /// Name or address.
    #[serde(default = "loopback")]
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

fn loopback() -> String {
    "127.0.0.1".into()
}
