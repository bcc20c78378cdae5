//! `LoadBalance`: the probe port is closed where its resource is not active (AZ-5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The monitor of a probe port where it is not active; made automatically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalanceMonitorSpec {
    /// The resource of type ProbePort.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
}
