//! What AWS said, question by question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::api::aws::{ACTIONS, Caller, Use, Uses};
use crate::cloud::aws::{
    Allocation, AwsError, Endpoint, HostedZone, Identity, Instance, Interface, Reached, Record,
    RouteTable, ZoneState,
};

/// Answers, by what was asked about.
pub type Answers<T> = BTreeMap<String, Result<T, AwsError>>;

/// An endpoint that was asked, and when on this machine's clock, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Asked {
    pub endpoint: Endpoint,
    pub sent: i64,
    pub received: i64,
    pub answer: Result<Reached, AwsError>,
}

/// Whether a change is permitted.
#[derive(Clone, Debug)]
pub struct Permit {
    pub action: &'static str,
    pub object: String,
    pub answer: Result<(), AwsError>,
}

/// Everything that was asked.
#[derive(Clone, Debug)]
pub struct Facts {
    pub kinds: Vec<Use>,
    pub region: String,
    pub source: Result<&'static str, AwsError>,
    pub identity: Result<Identity, AwsError>,
    pub endpoints: Vec<Asked>,
    /// Blocks of addresses.
    pub vpcs: Answers<Vec<String>>,
    /// Resolver, and names.
    pub vpc_dns: Answers<(bool, bool)>,
    pub tables: Answers<Vec<RouteTable>>,
    pub interfaces: Answers<Interface>,
    pub allocations: Answers<Allocation>,
    pub hosted_zones: Answers<HostedZone>,
    /// By the name of the resource.
    pub records: Answers<Option<Record>>,
    pub zones: Answers<ZoneState>,
    pub instances: Answers<Instance>,
    pub protected: Answers<bool>,
    pub permits: Vec<Permit>,
}

/// What was found of one thing, where it was.
pub fn known<'a, T>(answers: &'a Answers<T>, of: &str) -> Option<&'a T> {
    answers.get(of).and_then(|answer| answer.as_ref().ok())
}

impl Facts {
    /// Whether an action is asked by nobody else that this manifest needs.
    pub fn is_asked_by(&self, action: &str, caller: Caller) -> bool {
        let mut found = ACTIONS.iter().filter(|e| e.name == action && self.kinds.contains(&e.of));
        found.all(|entry| entry.caller == caller)
    }

    /// Whether the endpoint of a call does not answer at all.
    pub fn is_away(&self, call: &str) -> bool {
        let of = if call.starts_with("route53:") { Endpoint::Route53 } else { Endpoint::Ec2 };
        self.endpoints.iter().any(|asked| asked.endpoint == of && asked.answer.is_err())
    }

    /// The VPCs that the servers are in, as far as they are known.
    pub fn vpcs_of_servers(&self) -> BTreeSet<&str> {
        let interfaces = self.interfaces.values().flatten().map(|found| found.vpc.as_str());
        let instances = self.instances.values().flatten().map(|found| found.vpc.as_str());
        interfaces.chain(instances).filter(|vpc| !vpc.is_empty()).collect()
    }

    /// The Availability Zone that each server is in, as far as it is known, with what is there.
    pub fn zones_of_servers(&self, uses: &Uses) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        for (_, entry) in uses.interfaces() {
            if let Some(interface) = known(&self.interfaces, &entry.eni_id) {
                found.insert(entry.name.clone(), (interface.zone.clone(), entry.eni_id.clone()));
            }
        }
        for entry in &uses.instances {
            if let Some(instance) = known(&self.instances, &entry.instance_id) {
                let id = entry.instance_id.clone();
                found.insert(entry.name.clone(), (instance.zone.clone(), id));
            }
        }
        found.retain(|_, (zone, _)| !zone.is_empty());
        found
    }

    /// The table that leads packets of a subnet: its own, else the main one of the VPC.
    pub fn table_of(&self, vpc: &str, subnet: &str) -> Option<&RouteTable> {
        let tables = known(&self.tables, vpc)?;
        let own = tables.iter().find(|table| table.subnets.iter().any(|own| own == subnet));
        own.or_else(|| tables.iter().find(|table| table.main))
    }
}

/// Where everything that no other entry leads goes.
pub fn default_block(address: IpAddr) -> &'static str {
    if address.is_ipv6() { "::/0" } else { "0.0.0.0/0" }
}
