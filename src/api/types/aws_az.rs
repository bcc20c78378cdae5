//! `AwsAZ`: what AWS says of a server's Availability Zone (AW-7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws_virtual_ip::warn;
use crate::api::kinds::TimeoutAction;

/// The Availability Zone of the server that monitors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAzMonitorSpec {
    /// The zone of each server, as `ap-northeast-1a`; by default what its instance metadata says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<AwsZonePerServer>,
    /// What it counts as when the API does not answer, or fails. What it does answer always counts.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
}

impl Default for AwsAzMonitorSpec {
    fn default() -> Self {
        Self { per_server: Vec::new(), on_no_answer: warn() }
    }
}

/// The zone of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsZonePerServer {
    /// The server.
    pub name: String,
    /// Its zone.
    #[schemars(length(min = 1, max = 64))]
    pub zone: String,
}
