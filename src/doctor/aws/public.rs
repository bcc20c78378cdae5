//! Elastic IP addresses: that they are there, that the Internet leads to them, and that a server
//! without one can still ask AWS for it.

use super::facts::{Facts, default_block, known};
use super::{Check, Finding, failed};
use crate::api::aws::Uses;
use crate::api::types::{AwsElasticIpSpec, AwsPerServer};
use crate::cloud::aws::{Allocation, Interface, RouteHealth};

/// Beginning of the ids of Internet gateways.
const INTERNET_GATEWAY: &str = "igw-";

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    for (name, own) in &uses.elastic_ips {
        let object = format!("{} ({name})", own.allocation_id);
        match facts.allocations.get(&own.allocation_id) {
            Some(Ok(found)) => {
                findings.push(allocation(own, &object, found));
                for entry in &own.per_server {
                    findings.extend(server(uses, entry, found, facts));
                }
            }
            Some(Err(error)) => findings.push(failed(Check::ElasticIp, &object, error, facts)),
            None => {}
        }
    }
}

fn allocation(own: &AwsElasticIpSpec, object: &str, found: &Allocation) -> Finding {
    let Some((_, holder)) = &found.association else {
        let text = format!("{} is associated with nothing yet", found.public);
        return Finding::ok(Check::ElasticIp, object, text);
    };
    let words = format!("{} is associated with {holder}", found.public);
    match own.per_server.iter().find(|entry| entry.eni_id == *holder) {
        Some(entry) => Finding::ok(Check::ElasticIp, object, format!("{words} of {}", entry.name)),
        None => Finding::coded(Check::ElasticIp, object, "AwsAllocationElsewhere", words),
    }
}

/// What a server's network interface leads to, with the address and without.
fn server(
    uses: &Uses,
    entry: &AwsPerServer,
    allocation: &Allocation,
    facts: &Facts,
) -> Option<Finding> {
    let interface = known(&facts.interfaces, &entry.eni_id)?;
    let object = format!("{} ({})", entry.eni_id, entry.name);
    let Some(table) = facts.table_of(&interface.vpc, &interface.subnet) else {
        let text = format!("the route table of {} is not known", interface.subnet);
        return Some(Finding::skipped(Check::ElasticIp, object, text));
    };
    let any = default_block(std::net::Ipv4Addr::UNSPECIFIED.into());
    let route = table.entry(any).filter(|route| route.state == RouteHealth::Active);
    let target = route.map(|route| route.target.as_str());
    let place = table.words();
    if !target.is_some_and(|target| target.starts_with(INTERNET_GATEWAY)) {
        let message = format!(
            "{} is in {}, which {place} leads {}",
            entry.eni_id,
            interface.subnet,
            target.map_or("nowhere".to_owned(), |target| format!("to {target}"))
        );
        return Some(
            Finding::coded(Check::ElasticIp, object, "AwsNoInternetGateway", message).mended_by(
                format!(
                    "aws ec2 create-route --route-table-id {} --destination-cidr-block {any} \
                 --gateway-id igw-…, of the Internet gateway of {}",
                    table.id, interface.vpc
                ),
            ),
        );
    }
    Some(way_out(uses, entry, interface, allocation, facts))
}

/// Whether a server can ask AWS for the address while another has it.
fn way_out(
    uses: &Uses,
    entry: &AwsPerServer,
    interface: &Interface,
    allocation: &Allocation,
    facts: &Facts,
) -> Finding {
    let access = &uses.access;
    let object = format!("{} ({})", entry.eni_id, entry.name);
    let own = interface.public.iter().find(|address| **address != allocation.public);
    let ok = |text: String| Finding::ok(Check::ElasticIp, object.as_str(), text);
    if let Some(own) = own {
        return ok(format!("has {own} of its own while another server has {}", allocation.public));
    }
    if access.endpoints.ec2.is_some() {
        return ok("asks AWS by spec.aws.endpoints".to_owned());
    }
    if access.proxy.is_some() {
        return ok("asks AWS through spec.aws.proxy".to_owned());
    }
    let others = facts.interfaces.values().flatten();
    let same =
        |other: &&Interface| other.instance.is_some() && other.instance == interface.instance;
    let other = others.filter(same).flat_map(|other| &other.public);
    if let Some(other) = other.into_iter().find(|address| **address != allocation.public) {
        return ok(format!("its instance has {other} of its own"));
    }
    if allocation.association.as_ref().is_some_and(|(_, holder)| *holder == entry.eni_id) {
        let text = format!(
            "has {} now, in whose place AWS may give it another: look again when it is elsewhere",
            allocation.public
        );
        return Finding::skipped(Check::ElasticIp, object, text);
    }
    let message = format!("nothing public is seen there beside {}", allocation.public);
    Finding::coded(Check::ElasticIp, object, "AwsNoWayOut", message)
}
