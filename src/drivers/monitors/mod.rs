//! Drivers of monitors.

use crate::api::kinds::{MonitorSpec, MonitorType, ResourceSpec};
use crate::api::names::MonitorName;
use crate::drivers::Host;
use crate::engine::input::CheckResult;

#[cfg(feature = "aws")]
pub mod aws;
pub mod custom;
pub mod load_balance;
pub mod probe_port;
pub mod tcp;

/// Checks once. `resource` is the one that the monitor looks at, where its type is about one.
pub async fn check(
    host: &Host,
    monitor: &MonitorName,
    spec: &MonitorSpec,
    resource: Option<&ResourceSpec>,
) -> (CheckResult, String) {
    let missing =
        || (CheckResult::Unknown, format!("the settings of {:?} are missing", spec.type_));
    match spec.type_ {
        MonitorType::Custom => custom::check(host, monitor, spec).await,
        MonitorType::TCP => match &spec.tcp {
            Some(tcp) => tcp::check(tcp).await,
            None => missing(),
        },
        MonitorType::ProbePort => match &spec.probe_port {
            Some(probe_port) => probe_port::check(host, probe_port).await,
            None => missing(),
        },
        MonitorType::LoadBalance => {
            let resource = resource.and_then(|resource| resource.probe_port.as_ref());
            match (&spec.load_balance, resource) {
                (Some(spec), Some(resource)) => load_balance::check(host, spec, resource).await,
                (Some(_) | None, _) => missing(),
            }
        }
        MonitorType::AwsVirtualIP
        | MonitorType::AwsElasticIP
        | MonitorType::AwsSecondaryIP
        | MonitorType::AwsDNS
        | MonitorType::AwsAZ
        | MonitorType::AwsScheduledEvents => aws::check(host, monitor, spec, resource).await,
    }
}

/// What stands in for the monitors of AWS in a build without them.
#[cfg(not(feature = "aws"))]
mod aws {
    use super::{CheckResult, Host, MonitorName, MonitorSpec, ResourceSpec};

    #[allow(clippy::unused_async, reason = "the signature of what it stands for")]
    pub async fn check(
        _: &Host,
        _: &MonitorName,
        spec: &MonitorSpec,
        _: Option<&ResourceSpec>,
    ) -> (CheckResult, String) {
        (CheckResult::Unknown, crate::drivers::not_built(&format!("{:?}", spec.type_)))
    }
}
