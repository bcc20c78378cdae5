//! Hosted zones and their records, and whether the servers' VPC can resolve them.

use std::net::IpAddr;

use super::facts::Facts;
use super::{Check, Finding, failed};
use crate::api::address::is_private;
use crate::api::aws::Uses;
use crate::api::types::AwsDnsSpec;
use crate::cloud::aws::{Cause, HostedZone};

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    for (name, own) in &uses.records {
        let object = format!("{} ({name})", own.hosted_zone_id);
        match facts.hosted_zones.get(&own.hosted_zone_id) {
            Some(Ok(found)) => {
                zone(own, &object, found, findings);
                if found.private && !seen.contains(&own.hosted_zone_id) {
                    seen.push(own.hosted_zone_id.clone());
                    private(uses, own, &object, found, facts, findings);
                }
            }
            Some(Err(error)) => findings.push(failed(Check::Dns, &object, error, facts)),
            None => {}
        }
        record(name, own, facts, findings);
    }
    for (vpc, answer) in &facts.vpc_dns {
        match answer {
            Ok((support, names)) => findings.push(resolver(vpc, *support, *names)),
            Err(error) => findings.push(failed(Check::Dns, vpc, error, facts)),
        }
    }
}

fn addresses(own: &AwsDnsSpec) -> impl Iterator<Item = IpAddr> {
    own.per_server.iter().map(|entry| entry.address).chain(own.address)
}

/// The name is one of the zone's, and who asks can use the addresses.
fn zone(own: &AwsDnsSpec, object: &str, found: &HostedZone, findings: &mut Vec<Finding>) {
    let (record, zone) = (&own.record_name, &found.name);
    if record != zone && !record.ends_with(&format!(".{zone}")) {
        let message = format!("{record} is no name of {zone}");
        let remedy = format!("set spec.awsDNS.recordName to a name that ends in .{zone}");
        let finding = Finding::coded(Check::Dns, object, "AwsRecordOutsideZone", message);
        findings.push(finding.mended_by(remedy));
        return;
    }
    let private: Vec<String> =
        addresses(own).filter(|address| is_private(*address)).map(|a| a.to_string()).collect();
    if !found.private && !private.is_empty() {
        let message = format!("{zone} is public, and {} are private", private.join(", "));
        findings.push(Finding::coded(Check::Dns, object, "AwsHostedZonePublic", message));
        return;
    }
    let sort = if found.private { "private" } else { "public" };
    findings.push(Finding::ok(Check::Dns, object, format!("{zone} is there, {sort}")));
}

/// The VPCs that ask are associated with it.
fn private(
    uses: &Uses,
    own: &AwsDnsSpec,
    object: &str,
    found: &HostedZone,
    facts: &Facts,
    findings: &mut Vec<Finding>,
) {
    let vpcs = facts.vpcs_of_servers();
    if vpcs.is_empty() {
        let text = match uses.instances.is_empty() {
            true => "the manifest names nothing that tells the servers' VPC".to_owned(),
            false => "the servers' VPC could not be found out".to_owned(),
        };
        let text = format!("{text}; the zone is associated with {}", found.vpcs.join(", "));
        findings.push(Finding::skipped(Check::Dns, object, text));
    }
    for vpc in vpcs {
        if found.vpcs.iter().any(|own| own == vpc) {
            let text = format!("{} is associated with {vpc}", found.name);
            findings.push(Finding::ok(Check::Dns, object, text));
            continue;
        }
        let message = format!("{} is not associated with {vpc}", found.name);
        let finding = Finding::coded(Check::Dns, object, "AwsHostedZoneApart", message);
        findings.push(finding.mended_by(format!(
            "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {} --vpc \
             VPCRegion={},VPCId={vpc}",
            own.hosted_zone_id, facts.region
        )));
    }
}

fn resolver(vpc: &str, support: bool, names: bool) -> Finding {
    let off: Vec<(&str, &str)> = [
        (support, "enableDnsSupport", "--enable-dns-support"),
        (names, "enableDnsHostnames", "--enable-dns-hostnames"),
    ]
    .into_iter()
    .filter(|(on, ..)| !on)
    .map(|(_, attribute, option)| (attribute, option))
    .collect();
    if off.is_empty() {
        return Finding::ok(Check::Dns, vpc, "enableDnsSupport and enableDnsHostnames are on");
    }
    let attributes: Vec<&str> = off.iter().map(|(attribute, _)| *attribute).collect();
    let commands: Vec<String> = off
        .iter()
        .map(|(_, option)| format!("aws ec2 modify-vpc-attribute --vpc-id {vpc} {option}"))
        .collect();
    let message = format!("{vpc}: {}", attributes.join(", "));
    Finding::coded(Check::Dns, vpc, "AwsVpcDnsOff", message).mended_by(commands.join("; "))
}

/// A record that holds an address of no server: the first start writes it over.
fn record(name: &str, own: &AwsDnsSpec, facts: &Facts, findings: &mut Vec<Finding>) {
    let object = format!("{} ({name})", own.record_name);
    let zone = facts.hosted_zones.get(&own.hosted_zone_id);
    let is_told = matches!(zone, Some(Err(error)) if error.cause == Cause::HostedZoneMissing);
    match facts.records.get(name) {
        // That the zone is not there is told already.
        Some(Err(error)) if error.cause == Cause::HostedZoneMissing && is_told => {}
        Some(Err(error)) => findings.push(failed(Check::Dns, &object, error, facts)),
        Some(Ok(None)) => {
            let text = "no record yet: the first activation makes it";
            findings.push(Finding::ok(Check::Dns, object, text));
        }
        Some(Ok(Some(found))) => {
            let values = found.values.join(", ");
            if addresses(own).any(|address| found.holds(address)) {
                findings.push(Finding::ok(Check::Dns, object, format!("is {values}")));
            } else {
                let message = format!("{} is {values}, which is of no server", own.record_name);
                let finding = Finding::coded(Check::Dns, object, "AwsRecordDiffers", message);
                findings.push(finding.as_warning().mended_by(
                    "the first activation writes it over: make sure that nobody else uses the name",
                ));
            }
        }
        None => {}
    }
}
