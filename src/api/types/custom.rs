//! `Custom`: a script that monitors (AZ-14).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A script, run at each interval or once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMonitorSpec {
    /// Program and arguments.
    #[schemars(length(min = 1, max = 256))]
    pub command: Vec<String>,
    /// Whether it ends by itself.
    #[serde(default)]
    pub mode: CustomMonitorMode,
    /// Exit codes that mean normal, for `mode: Synchronous`.
    #[serde(default = "normal_values")]
    #[schemars(length(min = 1, max = 256))]
    pub normal_values: Vec<i32>,
    /// Further environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

fn normal_values() -> Vec<i32> {
    vec![0]
}

/// How the script is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CustomMonitorMode {
    /// At each interval; its exit code is the answer.
    #[default]
    Synchronous,
    /// Once; its end is the failure.
    Asynchronous,
}
