//! Drivers of monitors.

use crate::api::kinds::{MonitorSpec, MonitorType, ResourceSpec};
use crate::api::names::MonitorName;
use crate::drivers::Host;
use crate::engine::input::CheckResult;

pub mod custom;
pub mod tcp;

/// Checks once. `resource` is the one that a probe-port or load-balance monitor is about.
pub async fn check(
    host: &Host,
    monitor: &MonitorName,
    spec: &MonitorSpec,
    _resource: Option<&ResourceSpec>,
) -> (CheckResult, String) {
    match spec.type_ {
        MonitorType::Custom => custom::check(host, monitor, spec).await,
        MonitorType::TCP | MonitorType::ProbePort | MonitorType::LoadBalance => {
            (CheckResult::Unknown, format!("no driver for {:?}", spec.type_))
        }
    }
}
