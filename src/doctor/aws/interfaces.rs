//! VPCs, and the network interfaces of the servers.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, known};
use super::{Check, Finding, failed};
use crate::api::address::block_holds;
use crate::api::aws::Uses;
use crate::api::types::{AwsSecondaryIpSpec, AwsVirtualIpSpec};
use crate::cloud::aws::Interface;

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    for (name, own) in &uses.virtual_ips {
        findings.push(vpc(name, own, facts));
    }
    let mut servers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, entry) in uses.interfaces() {
        servers.entry(&entry.eni_id).or_default().insert(&entry.name);
    }
    for (eni, servers) in servers {
        let names: Vec<&str> = servers.into_iter().collect();
        let object = format!("{eni} ({})", names.join(", "));
        match facts.interfaces.get(eni) {
            Some(Ok(found)) => interface(uses, eni, &object, &names, found, findings),
            Some(Err(error)) => findings.push(failed(Check::Interfaces, &object, error, facts)),
            None => {}
        }
    }
    for (name, own) in &uses.secondary_ips {
        findings.extend(subnets(name, own, facts));
    }
}

fn vpc(name: &str, own: &AwsVirtualIpSpec, facts: &Facts) -> Finding {
    let (vpc, address) = (&own.vpc_id, own.address);
    let object = format!("{vpc} ({name})");
    let blocks = match facts.vpcs.get(vpc) {
        Some(Ok(blocks)) => blocks,
        Some(Err(error)) => return failed(Check::Vpc, &object, error, facts),
        None => return Finding::skipped(Check::Vpc, object, "it was not asked for"),
    };
    match blocks.iter().find(|block| block_holds(block, address)) {
        Some(block) => {
            let message = format!("{address} is in {block} of {vpc}");
            Finding::coded(Check::Vpc, object, "AwsVipInsideVpc", message).mended_by(format!(
                "set spec.awsVirtualIP.address of Resource/{name} to an address outside of {}",
                blocks.join(", ")
            ))
        }
        None => {
            let text = format!("{address} is outside of {}", blocks.join(", "));
            Finding::ok(Check::Vpc, object, text)
        }
    }
}

fn interface(
    uses: &Uses,
    eni: &str,
    object: &str,
    servers: &[&str],
    found: &Interface,
    findings: &mut Vec<Finding>,
) {
    let before = findings.len();
    let coded = |code, message: String| Finding::coded(Check::Interfaces, object, code, message);
    let of_vip = |own: &&AwsVirtualIpSpec| own.per_server.iter().any(|entry| entry.eni_id == eni);
    for own in uses.virtual_ips.iter().map(|(_, own)| own).filter(of_vip) {
        if found.vpc != own.vpc_id {
            let message = format!("{eni} is in {}, not in {}", found.vpc, own.vpc_id);
            findings.push(coded("AwsInterfaceElsewhere", message));
        }
        if found.source_dest_check {
            findings.push(coded("AwsSourceDestCheck", eni.to_owned()).mended_by(format!(
                "aws ec2 modify-network-interface-attribute --network-interface-id {eni} \
                 --no-source-dest-check"
            )));
        }
    }
    match &found.instance {
        None => findings.push(coded("AwsInterfaceUnattached", eni.to_owned()).mended_by(format!(
            "aws ec2 attach-network-interface --network-interface-id {eni} --device-index 1 \
             --instance-id INSTANCE, or set the eniId of the interface that the server has"
        ))),
        Some(instance) => {
            let fenced =
                uses.instances.iter().filter(|entry| servers.contains(&entry.name.as_str()));
            for entry in fenced.filter(|entry| entry.instance_id != *instance) {
                let message = format!(
                    "{eni} belongs to {instance}; fencing {} stops {}",
                    entry.name, entry.instance_id
                );
                findings.push(coded("AwsInstanceDiffers", message));
            }
        }
    }
    findings.dedup();
    if findings.len() == before {
        let text = match &found.instance {
            Some(instance) => format!("at {instance} in {}, {}", found.vpc, found.zone),
            None => format!("in {}, {}", found.vpc, found.zone),
        };
        findings.push(Finding::ok(Check::Interfaces, object, text));
    }
}

/// A secondary address is one of a subnet: all servers are in it.
fn subnets(name: &str, own: &AwsSecondaryIpSpec, facts: &Facts) -> Option<Finding> {
    let found = own.per_server.iter().filter_map(|entry| {
        let interface = known(&facts.interfaces, &entry.eni_id)?;
        Some((entry.name.as_str(), interface.subnet.as_str()))
    });
    let found: Vec<(&str, &str)> = found.collect();
    let subnets: BTreeSet<&str> = found.iter().map(|(_, subnet)| *subnet).collect();
    let object = format!("{} ({name})", own.address);
    if subnets.len() > 1 {
        let words: Vec<String> =
            found.iter().map(|(server, subnet)| format!("{server} is in {subnet}")).collect();
        let message = words.join(", ");
        return Some(Finding::coded(Check::Interfaces, object, "AwsSubnetsDiffer", message));
    }
    let subnet = subnets.first()?;
    Some(Finding::ok(Check::Interfaces, object, format!("all servers are in {subnet}")))
}
