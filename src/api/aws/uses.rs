//! What a manifest's objects use of AWS.

use serde_json::Value;

use super::Use;
use crate::api::arbitration::Combination;
use crate::api::kinds::{
    AfterFence, AwsAccess, AwsInstance, ClusterSpec, LeaseStore, MonitorSpec, MonitorType,
    ResourceSpec, S3Lease,
};
use crate::api::types::{
    AwsAzMonitorSpec, AwsDnsSpec, AwsElasticIpSpec, AwsPerServer, AwsSecondaryIpSpec,
    AwsVirtualIpSpec,
};
use crate::api::validation;

/// Ends the names of the hosts of AWS, in China too.
const HOSTS: &str = ".amazonaws.com";

/// Everything of AWS that objects name, with the name of the object where it has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uses {
    /// How AWS is reached.
    pub access: AwsAccess,
    /// Virtual addresses.
    pub virtual_ips: Vec<(String, AwsVirtualIpSpec)>,
    /// Elastic IP addresses.
    pub elastic_ips: Vec<(String, AwsElasticIpSpec)>,
    /// Secondary addresses.
    pub secondary_ips: Vec<(String, AwsSecondaryIpSpec)>,
    /// Records.
    pub records: Vec<(String, AwsDnsSpec)>,
    /// Monitors of Availability Zones.
    pub zones: Vec<(String, AwsAzMonitorSpec)>,
    /// Instances that are stopped by force, each once.
    pub instances: Vec<AwsInstance>,
    /// Whether they are started again.
    pub switch_on: bool,
    /// Records of leases in S3.
    pub leases: Vec<S3Lease>,
}

impl Uses {
    /// Of these objects, as far as they can be read. A monitor of a resource asks nothing that the
    /// resource does not ask.
    #[must_use]
    pub fn of(objects: &[Value]) -> Self {
        let mut uses = Self::default();
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match object["kind"].as_str().unwrap_or_default() {
                "Cluster" => uses.add_cluster(validation::read("Cluster", object)),
                "Resource" => uses.add_resource(name, validation::read("Resource", object)),
                "Monitor" => uses.add_monitor(name, validation::read("Monitor", object)),
                _ => {}
            }
        }
        uses
    }

    fn add_cluster(&mut self, spec: Option<ClusterSpec>) {
        let Some(spec) = spec else { return };
        self.access = spec.aws.unwrap_or_default();
        for method in spec.fencing.iter().flat_map(|fencing| fencing.methods()) {
            for instance in method.aws.iter().flat_map(|own| &own.instances) {
                if !self.instances.contains(instance) {
                    self.instances.push(instance.clone());
                }
            }
        }
        let switch_on = spec.fencing.as_ref().is_some_and(|f| f.after_fence == AfterFence::PowerOn);
        self.switch_on = switch_on && !self.instances.is_empty();
        let leases = Combination::of(&spec.arbitration).arbiters.into_iter();
        let leases = leases.filter_map(|arbiter| arbiter.lease);
        let leases = leases.filter(|lease| lease.type_ == LeaseStore::S3);
        self.leases = leases.filter_map(|lease| lease.s3).filter(is_of_aws).collect();
    }

    fn add_resource(&mut self, name: String, spec: Option<ResourceSpec>) {
        let Some(spec) = spec else { return };
        self.virtual_ips.extend(spec.aws_virtual_ip.map(|own| (name.clone(), own)));
        self.elastic_ips.extend(spec.aws_elastic_ip.map(|own| (name.clone(), own)));
        self.secondary_ips.extend(spec.aws_secondary_ip.map(|own| (name.clone(), own)));
        self.records.extend(spec.aws_dns.map(|own| (name, own)));
    }

    fn add_monitor(&mut self, name: String, spec: Option<MonitorSpec>) {
        let Some(spec) = spec.filter(|spec| spec.type_ == MonitorType::AwsAZ) else { return };
        self.zones.push((name, spec.aws_az.unwrap_or_default()));
    }

    /// What AWS is used for.
    #[must_use]
    pub fn kinds(&self) -> Vec<Use> {
        Use::ALL.into_iter().filter(|of| self.has(*of)).collect()
    }

    fn has(&self, of: Use) -> bool {
        match of {
            Use::VirtualIp => !self.virtual_ips.is_empty(),
            Use::ElasticIp => !self.elastic_ips.is_empty(),
            Use::SecondaryIp => !self.secondary_ips.is_empty(),
            Use::Dns => !self.records.is_empty(),
            Use::Zone => !self.zones.is_empty(),
            Use::Fencing => !self.instances.is_empty(),
            Use::PowerOn => self.switch_on,
            Use::Lease => !self.leases.is_empty(),
            Use::Role => self.access.assume_role.is_some() && self.has_api(),
        }
    }

    /// Whether anything asks EC2 or Route 53, which is what a role is assumed for.
    #[must_use]
    pub fn has_api(&self) -> bool {
        let all = [Use::VirtualIp, Use::ElasticIp, Use::SecondaryIp, Use::Dns, Use::Zone];
        all.into_iter().chain([Use::Fencing]).any(|of| self.has(of))
    }

    /// Network interfaces, with the object and the server that each is of.
    pub fn interfaces(&self) -> impl Iterator<Item = (&str, &AwsPerServer)> {
        fn of<'a>(
            name: &'a str,
            entries: &'a [AwsPerServer],
        ) -> impl Iterator<Item = (&'a str, &'a AwsPerServer)> {
            entries.iter().map(move |entry| (name, entry))
        }
        let virtual_ips = self.virtual_ips.iter().flat_map(|(name, own)| of(name, &own.per_server));
        let elastic_ips = self.elastic_ips.iter().flat_map(|(name, own)| of(name, &own.per_server));
        let others = self.secondary_ips.iter().flat_map(|(name, own)| of(name, &own.per_server));
        virtual_ips.chain(elastic_ips).chain(others)
    }
}

/// Another store with the API of S3 knows no policies of AWS.
fn is_of_aws(lease: &S3Lease) -> bool {
    let Some(endpoint) = &lease.endpoint else { return true };
    let host = endpoint.split("://").last().unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    host.ends_with(HOSTS) || host.ends_with(&format!("{HOSTS}.cn"))
}
