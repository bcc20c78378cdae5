//! `Exec`: one supervised command, or a pair of scripts.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Assumed;
use crate::api::kinds::Duration;

/// Either `command`, which the cluster keeps running, or `start` and `stop`, which it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = (
        "has(self.command) != (has(self.start) || has(self.stop))",
        "ExecNeedsCommand: give either `command`, or `start` and `stop`"
    ),
    validation = (
        "has(self.start) == has(self.stop)",
        "ExecNeedsCommand: `start` and `stop` belong together: give both"
    )
)]
pub struct ExecSpec {
    /// A command that runs for as long as the resource is active; its end is a failure. What it
    /// leaves running counts as running: the group's cgroup is what is supervised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub command: Option<Vec<String>>,
    /// A script that starts the service and ends; exit code 0 is success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub start: Option<Vec<String>>,
    /// A script that stops it and ends; exit code 0 is success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub stop: Option<Vec<String>>,
    /// Restarts of `command` in place within `restartWindow` before the resource has failed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 99), extend("x-stead-change" = "Live"))]
    pub restarts: u32,
    /// The window of `restarts`.
    #[serde(default = "restart_window")]
    #[schemars(extend(
        "x-stead-change" = "Live",
        "x-stead-minimum" = "1s",
        "x-stead-maximum" = "168h"
    ))]
    pub restart_window: Duration,
    /// How long `command` may take to end after SIGTERM before it is killed.
    #[serde(default = "grace")]
    #[schemars(extend(
        "x-stead-change" = "Live",
        "x-stead-minimum" = "0s",
        "x-stead-maximum" = "1h"
    ))]
    pub termination_grace: Duration,
    /// Working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub working_directory: Option<String>,
    /// Further environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Also set the names that CLUSTERPRO (`CLP_*`) scripts read.
    #[serde(default)]
    pub compatibility_names: bool,
}

impl ExecSpec {
    /// A command is active once its process runs and ends soon after SIGTERM; scripts that start and
    /// stop a service take seconds.
    #[must_use]
    pub fn assumed(&self) -> Assumed {
        let milliseconds = std::time::Duration::from_millis;
        let (start, stop) = match self.command {
            Some(_) => (milliseconds(20), milliseconds(100)),
            None => (milliseconds(2000), milliseconds(1000)),
        };
        Assumed { start, stop, ..Assumed::default() }
    }
}

fn restart_window() -> Duration {
    std::time::Duration::from_secs(3600).into()
}

fn grace() -> Duration {
    std::time::Duration::from_secs(10).into()
}
