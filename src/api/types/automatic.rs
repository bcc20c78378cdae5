//! Monitors that a resource needs, made by themselves (design 4).
//!
//! An object that a person applies under the same name takes the automatic one's place.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{LoadBalanceMonitorSpec, ProbePortMonitorSpec};
use crate::api::kinds::{
    FinalAction, Monitor, MonitorSpec, MonitorTiming, MonitorType, Recovery, RecoveryTarget,
    RecoveryTargetKind, ResourceSpec, ResourceType, TimeoutAction,
};
use crate::api::{AUTOMATIC_LABEL, NAMESPACE};

/// Between two checks of an automatic monitor.
///
/// A connection on the same machine costs microseconds, and a load balancer that finds the port
/// closed takes the server out after about ten seconds: the monitor is to be faster than that.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long one check of an automatic monitor may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Suffixes of automatic monitors' names, of every release: a name that ends in one is theirs.
pub const AUTOMATIC_SUFFIXES: [&str; 7] = [
    "-probe-port",
    "-load-balance",
    "-dns",
    "-virtual-ip",
    "-elastic-ip",
    "-secondary-ip",
    "-mirror",
];

/// Names and settings of the monitors that come with a resource.
#[must_use]
pub fn automatic_monitor_specs(name: &str, spec: &ResourceSpec) -> Vec<(String, MonitorSpec)> {
    match spec.type_ {
        ResourceType::Exec | ResourceType::FloatingIP => Vec::new(),
        ResourceType::ProbePort => {
            vec![
                (format!("{name}-probe-port"), probe_port(name)),
                (format!("{name}-load-balance"), load_balance(name)),
            ]
        }
    }
}

/// The monitors that come with a resource, as objects.
#[must_use]
pub fn automatic_monitors(name: &str, spec: &ResourceSpec) -> Vec<Monitor> {
    automatic_monitor_specs(name, spec)
        .into_iter()
        .map(|(name, spec)| {
            let mut monitor = Monitor::new(&name, spec);
            monitor.metadata.namespace = Some(NAMESPACE.to_owned());
            monitor.metadata.labels =
                Some(BTreeMap::from([(AUTOMATIC_LABEL.to_owned(), "true".to_owned())]));
            monitor
        })
        .collect()
}

fn probe_port(resource: &str) -> MonitorSpec {
    MonitorSpec {
        probe_port: Some(ProbePortMonitorSpec { resource: resource.to_owned() }),
        timing: MonitorTiming::WhileActive,
        while_active: Some(resource.to_owned()),
        recovery: Recovery {
            target: RecoveryTarget {
                kind: RecoveryTargetKind::Resource,
                name: Some(resource.to_owned()),
            },
            ..Recovery::default()
        },
        ..common(MonitorType::ProbePort)
    }
}

fn load_balance(resource: &str) -> MonitorSpec {
    MonitorSpec {
        load_balance: Some(LoadBalanceMonitorSpec { resource: resource.to_owned() }),
        recovery: Recovery {
            reactivations: 0,
            failovers: 0,
            final_action: FinalAction::None,
            ..Recovery::default()
        },
        ..common(MonitorType::LoadBalance)
    }
}

fn common(type_: MonitorType) -> MonitorSpec {
    MonitorSpec {
        type_,
        tcp: None,
        custom: None,
        probe_port: None,
        load_balance: None,
        interval: INTERVAL.into(),
        timeout: TIMEOUT.into(),
        retries: 0,
        start_delay: Duration::ZERO.into(),
        timing: MonitorTiming::Always,
        while_active: None,
        servers: None,
        on_timeout: TimeoutAction::Recover,
        warn_at_percent: 80,
        suspended: false,
        recovery: Recovery::default(),
    }
}
