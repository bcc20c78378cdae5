//! How long a resource is taken to need as long as nobody has measured it: what `stead rehearse`
//! reckons with.

use std::time::Duration;

use super::{
    AwsDnsSpec, AwsElasticIpSpec, AwsSecondaryIpSpec, AwsVirtualIpSpec, ExecSpec, FloatingIpSpec,
    ProbePortSpec,
};
use crate::api::kinds::{ResourceSpec, ResourceType};

/// Durations of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// To be activated.
    pub start: Duration,
    /// To be deactivated.
    pub stop: Duration,
    /// From its activation on another server to the first client that is sent there.
    pub route: Duration,
}

/// What a resource of this type needs, as far as its settings tell.
#[must_use]
pub fn assumed(spec: &ResourceSpec) -> Assumed {
    let found = match spec.type_ {
        ResourceType::Exec => spec.exec.as_ref().map(ExecSpec::assumed),
        ResourceType::FloatingIP => spec.floating_ip.as_ref().map(FloatingIpSpec::assumed),
        ResourceType::ProbePort => spec.probe_port.as_ref().map(ProbePortSpec::assumed),
        ResourceType::AwsVirtualIP => spec.aws_virtual_ip.as_ref().map(AwsVirtualIpSpec::assumed),
        ResourceType::AwsElasticIP => spec.aws_elastic_ip.as_ref().map(AwsElasticIpSpec::assumed),
        ResourceType::AwsSecondaryIP => {
            spec.aws_secondary_ip.as_ref().map(AwsSecondaryIpSpec::assumed)
        }
        ResourceType::AwsDNS => spec.aws_dns.as_ref().map(AwsDnsSpec::assumed),
    };
    found.unwrap_or_default()
}
