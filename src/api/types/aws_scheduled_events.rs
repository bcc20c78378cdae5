//! `AwsScheduledEvents`: what AWS has announced for a server's instance (BX-6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws_virtual_ip::warn;
use crate::api::kinds::{Duration, TimeoutAction};

/// Events that AWS has scheduled for the instance of the server that monitors, and the notice that a
/// spot instance is interrupted. An event is a warning once it is announced, and an error from
/// `leadTime` before it on: then `recovery` moves groups away in good order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsScheduledEventsMonitorSpec {
    /// How long before an event it counts as an error. The interruption of a spot instance is
    /// announced two minutes ahead.
    #[serde(default = "lead_time")]
    #[schemars(extend("x-stead-minimum" = "10s", "x-stead-maximum" = "168h"))]
    pub lead_time: Duration,
    /// Events that are a warning and never an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub warn_only: Vec<AwsInstanceEvent>,
    /// What it counts as when the instance metadata do not answer.
    #[serde(default = "warn")]
    pub on_no_answer: TimeoutAction,
}

impl Default for AwsScheduledEventsMonitorSpec {
    fn default() -> Self {
        Self { lead_time: lead_time(), warn_only: Vec::new(), on_no_answer: warn() }
    }
}

fn lead_time() -> Duration {
    std::time::Duration::from_secs(900).into()
}

/// What AWS schedules for an instance.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AwsInstanceEvent {
    /// `instance-reboot`: the operating system restarts.
    InstanceReboot,
    /// `system-reboot`: the host restarts, and the instance with it.
    SystemReboot,
    /// `system-maintenance`: network or power of the host may fail for a while.
    SystemMaintenance,
    /// `instance-retirement`: the instance is stopped, or terminated, for good.
    InstanceRetirement,
    /// `instance-stop`: the instance is stopped.
    InstanceStop,
    /// A spot instance is stopped, hibernated or terminated.
    SpotInterruption,
}

impl AwsInstanceEvent {
    /// By the code of AWS.
    #[must_use]
    pub fn by_code(code: &str) -> Option<Self> {
        Some(match code {
            "instance-reboot" => Self::InstanceReboot,
            "system-reboot" => Self::SystemReboot,
            "system-maintenance" => Self::SystemMaintenance,
            "instance-retirement" => Self::InstanceRetirement,
            "instance-stop" => Self::InstanceStop,
            _ => return None,
        })
    }
}
