//! Monitors that a resource needs, made by themselves (design 4).
//!
//! An object that a person applies under the same name takes the automatic one's place.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    AwsDnsMonitorSpec, AwsElasticIpMonitorSpec, AwsSecondaryIpMonitorSpec, AwsVirtualIpMonitorSpec,
    LoadBalanceMonitorSpec, ProbePortMonitorSpec,
};
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
/// Between two questions to the API of AWS: 60 calls an hour for each resource.
const AWS_INTERVAL: Duration = Duration::from_secs(60);
/// How long a check that asks the API of AWS may take.
const AWS_TIMEOUT: Duration = Duration::from_secs(30);
/// A name that is asked for before every name server knows it is not found, and resolvers remember
/// that for longer than the change takes, which is up to a minute.
const DNS_START_DELAY: Duration = Duration::from_secs(300);

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
        ResourceType::AwsVirtualIP => vec![(format!("{name}-virtual-ip"), aws_virtual_ip(name))],
        ResourceType::AwsElasticIP => vec![(format!("{name}-elastic-ip"), aws_elastic_ip(name))],
        ResourceType::AwsSecondaryIP => {
            vec![(format!("{name}-secondary-ip"), aws_secondary_ip(name))]
        }
        ResourceType::AwsDNS => vec![(format!("{name}-dns"), aws_dns(name))],
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
        interval: INTERVAL.into(),
        timeout: TIMEOUT.into(),
        ..while_active(MonitorType::ProbePort, resource)
    }
}

fn load_balance(resource: &str) -> MonitorSpec {
    MonitorSpec {
        load_balance: Some(LoadBalanceMonitorSpec { resource: resource.to_owned() }),
        interval: INTERVAL.into(),
        timeout: TIMEOUT.into(),
        recovery: Recovery {
            reactivations: 0,
            failovers: 0,
            final_action: FinalAction::None,
            ..Recovery::default()
        },
        ..MonitorSpec::of(MonitorType::LoadBalance)
    }
}

fn aws_virtual_ip(resource: &str) -> MonitorSpec {
    let (resource, on_no_answer) = (resource.to_owned(), TimeoutAction::Warn);
    MonitorSpec {
        aws_virtual_ip: Some(AwsVirtualIpMonitorSpec { resource: resource.clone(), on_no_answer }),
        ..aws(MonitorType::AwsVirtualIP, &resource)
    }
}

fn aws_elastic_ip(resource: &str) -> MonitorSpec {
    let (resource, on_no_answer) = (resource.to_owned(), TimeoutAction::Warn);
    MonitorSpec {
        aws_elastic_ip: Some(AwsElasticIpMonitorSpec {
            resource: resource.clone(),
            on_no_answer,
            check: None,
        }),
        ..aws(MonitorType::AwsElasticIP, &resource)
    }
}

fn aws_secondary_ip(resource: &str) -> MonitorSpec {
    let (resource, on_no_answer) = (resource.to_owned(), TimeoutAction::Warn);
    let settings = AwsSecondaryIpMonitorSpec { resource: resource.clone(), on_no_answer };
    MonitorSpec { aws_secondary_ip: Some(settings), ..aws(MonitorType::AwsSecondaryIP, &resource) }
}

fn aws_dns(resource: &str) -> MonitorSpec {
    let (resource, on_no_answer) = (resource.to_owned(), TimeoutAction::Warn);
    let settings = AwsDnsMonitorSpec { resource: resource.clone(), on_no_answer, resolve: true };
    MonitorSpec {
        aws_dns: Some(settings),
        start_delay: DNS_START_DELAY.into(),
        ..aws(MonitorType::AwsDNS, &resource)
    }
}

/// One that asks the API of AWS. A check without an answer is no reason to move a service.
fn aws(type_: MonitorType, resource: &str) -> MonitorSpec {
    MonitorSpec {
        interval: AWS_INTERVAL.into(),
        timeout: AWS_TIMEOUT.into(),
        on_timeout: TimeoutAction::Warn,
        ..while_active(type_, resource)
    }
}

/// One that follows a resource, and recovers it.
fn while_active(type_: MonitorType, resource: &str) -> MonitorSpec {
    MonitorSpec {
        timing: MonitorTiming::WhileActive,
        while_active: Some(resource.to_owned()),
        recovery: Recovery {
            target: RecoveryTarget {
                kind: RecoveryTargetKind::Resource,
                name: Some(resource.to_owned()),
            },
            ..Recovery::default()
        },
        ..MonitorSpec::of(type_)
    }
}
