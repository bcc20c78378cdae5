//! Resources, monitors and fencing on AWS, as far as a manifest alone tells.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::{Set, unknown};
use crate::api::kinds::{AwsAccess, AwsFence, FencingMethod, MonitorSpec, ResourceSpec};
use crate::api::problem::Problem;
use crate::api::types::{AwsClients, AwsDnsSpec, AwsPerServer, AwsVirtualIpSpec};

/// Up to this long a change takes to reach every name server of Route 53.
const PROPAGATION: Duration = Duration::from_secs(60);
/// Longest label of a name, and longest name.
const LABEL_MAX: usize = 63;
/// Lengths of the hexadecimal part of ids: those of before 2016, and those since.
const ID_LENGTHS: [usize; 2] = [8, 17];

/// What is wrong with the AWS member of a resource.
pub(super) fn check_resource(set: &Set, spec: &ResourceSpec, problems: &mut Vec<Problem>) {
    if let Some(own) = &spec.aws_virtual_ip {
        let field = "spec.awsVirtualIP";
        check_id("vpc", "a VPC", &own.vpc_id, format!("{field}.vpcId"), problems);
        check_interfaces(set, spec, &own.per_server, field, problems);
        check_address(set, own.address, &format!("{field}.address"), problems);
        check_reach(own, problems);
    }
    if let Some(own) = &spec.aws_elastic_ip {
        let field = "spec.awsElasticIP";
        let place = format!("{field}.allocationId");
        check_id("eipalloc", "an Elastic IP address", &own.allocation_id, place, problems);
        check_interfaces(set, spec, &own.per_server, field, problems);
    }
    if let Some(own) = &spec.aws_secondary_ip {
        let field = "spec.awsSecondaryIP";
        check_interfaces(set, spec, &own.per_server, field, problems);
        check_address(set, own.address, &format!("{field}.address"), problems);
    }
    if let Some(own) = &spec.aws_dns {
        check_record(own, problems);
        check_record_addresses(set, spec, own, problems);
    }
}

/// An id as `vpc-0123456789abcdef0`.
fn check_id(prefix: &str, what: &str, id: &str, field: String, problems: &mut Vec<Problem>) {
    let digits = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    let right = digits.is_some_and(|digits| {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ID_LENGTHS.contains(&digits.len()) && digits.bytes().all(hexadecimal)
    });
    if !right {
        let message =
            format!("is no id of {what}: `{prefix}-` and 17 (or 8) digits and letters a to f");
        problems.push(Problem::error("AwsIdMalformed", field, message).found(&id.into()));
    }
}

/// Each server of the group has a network interface of its own.
fn check_interfaces(
    set: &Set,
    spec: &ResourceSpec,
    entries: &[AwsPerServer],
    field: &str,
    problems: &mut Vec<Problem>,
) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("{field}.perServer[{index}]");
        check_id("eni", "a network interface", &entry.eni_id, format!("{at}.eniId"), problems);
        if let Some(other) = owners.insert(&entry.eni_id, &entry.name) {
            let message = format!("is the network interface of {other} already: each has its own");
            let problem = Problem::error("AwsInterfaceShared", format!("{at}.eniId"), message);
            problems.push(problem.found(&entry.eni_id.as_str().into()));
        }
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    check_names(set, spec, &names, field, problems);
    missing_entries(set, spec, &names, field, "add one with its network interface", problems);
}

/// Entries by server are about servers of the group.
fn check_names(
    set: &Set,
    spec: &ResourceSpec,
    names: &[&str],
    field: &str,
    problems: &mut Vec<Problem>,
) {
    let servers = set.servers_of(spec);
    for (index, name) in names.iter().enumerate() {
        let field = format!("{field}.perServer[{index}].name");
        if let Some(problem) = set.check_server(name, field.clone()) {
            problems.push(problem);
        } else if !servers.is_empty() && !servers.iter().any(|server| server == name) {
            let message = format!("is not in the failover policy of group {}", spec.group);
            let problem = Problem::warning("FieldWithoutEffect", field, message);
            problems.push(problem.found(&(*name).into()));
        }
    }
}

fn missing_entries(
    set: &Set,
    spec: &ResourceSpec,
    names: &[&str],
    field: &str,
    advice: &str,
    problems: &mut Vec<Problem>,
) {
    for server in set.servers_of(spec) {
        if names.contains(&server.as_str()) || !set.servers.contains(server) {
            continue;
        }
        let message = format!("has no entry for {server}, which may run the group: {advice}");
        let place = format!("{field}.perServer");
        problems.push(Problem::error("PerServerMissing", place, message));
    }
}

/// An address that moves is no server's own.
fn check_address(set: &Set, address: IpAddr, field: &str, problems: &mut Vec<Problem>) {
    let found = address.to_string().into();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        let message = "is not the address of one machine";
        problems.push(Problem::error("InvalidAddress", field, message).found(&found));
    }
    let servers = set.cluster.iter().flat_map(|cluster| &cluster.servers);
    let owner = servers.into_iter().find(|s| s.addresses.values().any(|own| *own == address));
    if let Some(owner) = owner {
        let message = format!("is the own address of {}: it could not move", owner.name);
        problems.push(Problem::error("AddressConflict", field, message).found(&found));
    }
}

/// Clients that an address outside of the VPC can't be reached by (AW-14).
fn check_reach(own: &AwsVirtualIpSpec, problems: &mut Vec<Problem>) {
    let (found, message) = match own.clients {
        AwsClients::SameVPC | AwsClients::TransitGateway => return,
        AwsClients::PeeredVPC => (
            "PeeredVPC",
            "can't reach it: VPC peering drops an address outside of both VPCs; use `type: AwsDNS` \
             with a private hosted zone that both VPCs are associated with",
        ),
        AwsClients::Internet => (
            "Internet",
            "can't reach it: no route of the Internet leads to it; use `type: AwsElasticIP`, or \
             `type: AwsDNS` with a public hosted zone",
        ),
    };
    let field = "spec.awsVirtualIP.clients";
    problems.push(Problem::error("AwsVipUnreachable", field, message).found(&found.into()));
}

fn check_record(own: &AwsDnsSpec, problems: &mut Vec<Problem>) {
    let (field, found) = ("spec.awsDNS.recordName", own.record_name.as_str().into());
    let right = format!("{}.", own.record_name.trim_end_matches('.').to_ascii_lowercase());
    let mut faults = Vec::new();
    if own.record_name != own.record_name.to_ascii_lowercase() {
        faults.push("has upper-case letters");
    }
    if !own.record_name.ends_with('.') {
        faults.push("has no dot at its end");
    }
    let labels: Vec<&str> = right.trim_end_matches('.').split('.').collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &&str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if labels.len() < 2 || !labels.iter().all(is_label) {
        let message = "is no full name of a host: labels of at most 63 letters, digits, `-` and \
                       `_` with dots between them, and a dot at the end";
        problems.push(Problem::error("AwsRecordName", field, message).found(&found));
    } else if !faults.is_empty() {
        let message = format!("{}: write `{right}`", faults.join(" and "));
        problems.push(Problem::error("AwsRecordName", field, message).found(&found));
    }
    let zone = own.hosted_zone_id.as_str();
    if !zone.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        let message = match zone.strip_prefix("/hostedzone/") {
            Some(bare) => format!("has a prefix that is no part of the id: write `{bare}`"),
            None => "is no id of a hosted zone: capital letters and digits".to_owned(),
        };
        let problem = Problem::error("AwsIdMalformed", "spec.awsDNS.hostedZoneId", message);
        problems.push(problem.found(&zone.into()));
    }
}

/// Every server has an address, and all of them fit into one type of record.
fn check_record_addresses(
    set: &Set,
    spec: &ResourceSpec,
    own: &AwsDnsSpec,
    problems: &mut Vec<Problem>,
) {
    let field = "spec.awsDNS";
    let names: Vec<&str> = own.per_server.iter().map(|entry| entry.name.as_str()).collect();
    check_names(set, spec, &names, field, problems);
    if own.address.is_none() {
        let advice = "add one with its address, or give `spec.awsDNS.address` for all";
        missing_entries(set, spec, &names, field, advice, problems);
    }
    for (index, entry) in own.per_server.iter().enumerate() {
        if entry.address.is_ipv6() != own.is_ipv6() {
            let message = "is of another family than the first: one record holds addresses of one";
            let place = format!("{field}.perServer[{index}].address");
            let problem = Problem::error("AwsRecordFamily", place, message);
            problems.push(problem.found(&entry.address.to_string().into()));
        }
    }
    if let Some(address) = own.address.filter(|address| address.is_ipv6() != own.is_ipv6()) {
        let message = "is of another family than those of `perServer`: one record holds one";
        let problem = Problem::error("AwsRecordFamily", format!("{field}.address"), message);
        problems.push(problem.found(&address.to_string().into()));
    }
}

/// What is wrong with the AWS member of a monitor.
pub(super) fn check_monitor(set: &Set, spec: &MonitorSpec, problems: &mut Vec<Problem>) {
    if spec.aws_dns.is_some() && Duration::from(spec.start_delay) < PROPAGATION {
        let message = format!(
            "is shorter than the {} that a change may take to reach every name server: a name that \
             is asked for too early is not found, and resolvers remember that",
            super::timeouts::text(PROPAGATION)
        );
        let problem = Problem::warning("AwsDnsCheckedEarly", "spec.startDelay", message);
        problems.push(problem.found(&spec.start_delay.to_string().into()));
    }
    let Some(own) = &spec.aws_az else { return };
    for (index, entry) in own.per_server.iter().enumerate() {
        let at = format!("spec.awsAZ.perServer[{index}]");
        problems.extend(set.check_server(&entry.name, format!("{at}.name")));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !entry.zone.bytes().all(plain) || !entry.zone.contains('-') {
            let message = "is no name of an Availability Zone, as `ap-northeast-1a`";
            let problem = Problem::error("AwsIdMalformed", format!("{at}.zone"), message);
            problems.push(problem.found(&entry.zone.as_str().into()));
        }
    }
}

/// What is wrong with `Cluster.spec.aws`.
pub(super) fn check_access(access: &AwsAccess, problems: &mut Vec<Problem>) {
    let urls = [
        ("spec.aws.endpoints.ec2", &access.endpoints.ec2),
        ("spec.aws.endpoints.route53", &access.endpoints.route53),
        ("spec.aws.endpoints.sts", &access.endpoints.sts),
        ("spec.aws.proxy", &access.proxy),
    ];
    for (field, url) in urls {
        let Some(url) = url else { continue };
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
            let message = "is no address of this kind: http:// or https:// and a host, without \
                           user or password";
            let problem = Problem::error("InvalidValue", field, message);
            // A password must not be shown.
            let problem =
                if url.contains('@') { problem } else { problem.found(&url.as_str().into()) };
            problems.push(problem);
        }
    }
    if let Some(source) = access.credentials.as_ref().filter(|source| !source.file.starts_with('/'))
    {
        let message = "is no absolute path: it must mean the same file on every server";
        let problem = Problem::error("InvalidValue", "spec.aws.credentials.file", message);
        problems.push(problem.found(&source.file.as_str().into()));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if let Some(region) = access.region.as_ref().filter(|r| !r.bytes().all(plain)) {
        let message = "is no name of a region, as `ap-northeast-1`";
        let problem = Problem::error("AwsIdMalformed", "spec.aws.region", message);
        problems.push(problem.found(&region.as_str().into()));
    }
}

/// Every server has an instance of its own.
pub(super) fn check_fence(
    set: &Set,
    method: &FencingMethod,
    own: &AwsFence,
    field: &str,
    problems: &mut Vec<Problem>,
) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, entry) in own.instances.iter().enumerate() {
        let at = format!("{field}.aws.instances[{index}]");
        if !set.servers.contains(&entry.name) {
            let place = format!("{at}.name");
            problems.push(unknown("UnknownServer", "server", &entry.name, place, &set.servers));
        }
        let place = format!("{at}.instanceId");
        check_id("i", "an instance", &entry.instance_id, place.clone(), problems);
        if let Some(other) = owners.insert(&entry.instance_id, &entry.name) {
            let message =
                format!("is the same as for {other}: fencing one would switch off the other");
            problems.push(Problem::error("FencingSameTarget", place, message));
        }
    }
    let listed: BTreeSet<&str> = own.instances.iter().map(|entry| entry.name.as_str()).collect();
    let missing: Vec<&str> =
        set.servers.iter().map(String::as_str).filter(|name| !listed.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!("says nothing of {}: which machine is it?", missing.join(", "));
        let place = format!("{field}.aws.instances");
        problems.push(Problem::error("FencingTargetMissing", place, message));
    }
    let unused = [
        ("parameters", method.parameters.is_empty()),
        ("secrets", method.secrets.is_empty()),
        ("perServer", method.per_server.is_empty()),
    ];
    for (name, _) in unused.into_iter().filter(|(_, empty)| !empty) {
        let message = "says nothing with `type: AWS`: instances stand under `aws`";
        let place = format!("{field}.{name}");
        problems.push(Problem::warning("FieldWithoutEffect", place, message));
    }
}
