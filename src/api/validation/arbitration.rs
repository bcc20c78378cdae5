//! Partition resolution: which method fits which servers, and what its target must not be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::{Set, timeouts};
use crate::api::arbitration::{Combination, Safety};
use crate::api::kinds::{
    self, Arbiter, ArbiterServer, ArbiterType, ArbitrationType, ClusterSpec, CombinationRule,
    LeaseArbitration, LeaseStore, PartitionAction, ServerRole,
};
use crate::api::problem::Problem;

/// Questions to a lease's store that must fit into its time to live: one that fails, one that is
/// lost, one that renews.
const QUESTIONS_PER_TTL: u32 = 3;

pub(super) fn check(set: &Set, spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let combination = Combination::of(&spec.arbitration);
    check_topology(spec, &combination, problems);
    check_witnesses(set, spec, &combination, problems);
    check_recommended(spec, &combination, problems);
    for (index, arbiter) in combination.arbiters.iter().enumerate() {
        let place = place(spec.arbitration.type_, arbiter.type_, index);
        check_targets(set, spec, arbiter, &place, problems);
        check_times(spec, arbiter, &place, problems);
    }
    let all = &spec.arbitration.per_server;
    check_per_server(set, spec, all, &combination.arbiters, "spec.arbitration", problems);
    if let Some(combined) = &spec.arbitration.combined {
        for (index, arbiter) in combined.arbiters.iter().enumerate() {
            let place = place(ArbitrationType::Combined, arbiter.type_, index);
            let own = std::slice::from_ref(arbiter);
            check_per_server(set, spec, &arbiter.per_server, own, &place, problems);
        }
    }
    check_action(spec, problems);
}

/// The field that holds an arbiter's settings.
fn place(method: ArbitrationType, arbiter: ArbiterType, index: usize) -> String {
    match method {
        ArbitrationType::Combined => format!("spec.arbitration.combined.arbiters[{index}]"),
        ArbitrationType::SerialDisk if arbiter == ArbiterType::Disk || index == 0 => {
            "spec.arbitration.serialDisk".to_owned()
        }
        ArbitrationType::SerialDisk
        | ArbitrationType::Majority
        | ArbitrationType::Lease
        | ArbitrationType::Disk
        | ArbitrationType::Serial
        | ArbitrationType::Ping
        | ArbitrationType::HTTP
        | ArbitrationType::Monitors
        | ArbitrationType::Mirror
        | ArbitrationType::None => "spec.arbitration".to_owned(),
    }
}

/// How many servers a method needs (CP-6).
fn check_topology(spec: &ClusterSpec, combination: &Combination, problems: &mut Vec<Problem>) {
    let field = "spec.arbitration.type";
    let servers = spec.servers.len();
    if combination.majority() && servers == 2 {
        problems.push(majority_of_two(field));
    }
    let serial = combination.arbiters.iter().any(|arbiter| arbiter.type_ == ArbiterType::Serial);
    if serial && servers != 2 {
        let message = format!("joins two servers by a line, and there are {servers}");
        let detail = "for three or more servers: `type: Majority`";
        problems.push(Problem::error("SerialNeedsTwo", field, message).detail(detail));
    }
    if spec.arbitration.type_ == ArbitrationType::Mirror {
        let message = "belongs to mirror disks, which this release does not have: nothing would \
                       show afterwards that both servers wrote";
        let detail = "for two servers without a shared disk: `type: Lease`; without any arbiter: \
                      `type: None`, which says what it is";
        problems.push(Problem::error("MirrorMissing", field, message).detail(detail));
    }
    let Some(combined) = &spec.arbitration.combined else { return };
    for (index, arbiter) in combined.arbiters.iter().enumerate() {
        if arbiter.type_ == ArbiterType::Majority && combined.rule != CombinationRule::All {
            let field = format!("spec.arbitration.combined.arbiters[{index}].type");
            let message = "is `Majority`, which combines only with `rule: All`: another part \
                           would go on by another arbiter";
            problems.push(Problem::error("MajorityNotAlone", field, message));
        }
    }
}

fn majority_of_two(field: &str) -> Problem {
    let message = "a majority of two servers never survives the loss of one";
    Problem::error("MajorityOfTwo", field, message)
        .detail("votes: 2.   majority: 2 / 2 + 1 = 2.   left after the loss of one: 1 < 2")
        .detail(
            "three servers survive one loss: 3 / 2 + 1 = 2, and the third may be a witness \
             (`role: Witness`); for two, choose another type",
        )
}

fn check_witnesses(
    set: &Set,
    spec: &ClusterSpec,
    combination: &Combination,
    problems: &mut Vec<Problem>,
) {
    let witnesses: BTreeSet<&str> = spec
        .servers
        .iter()
        .filter(|server| server.role == ServerRole::Witness)
        .map(|server| server.name.as_str())
        .collect();
    if witnesses.is_empty() {
        return;
    }
    if witnesses.len() == spec.servers.len() {
        let message = "are all witnesses: no server is left to run anything";
        problems.push(Problem::error("OnlyWitnesses", "spec.servers", message));
    }
    if !combination.majority() {
        let message = "counts for nothing: only a majority counts votes";
        for (index, _) in
            spec.servers.iter().enumerate().filter(|(_, server)| server.role == ServerRole::Witness)
        {
            let field = format!("spec.servers[{index}].role");
            problems.push(Problem::warning("FieldWithoutEffect", field, message));
        }
    }
    for (group, policy) in &set.groups.specs {
        for server in policy.servers.iter().filter(|name| witnesses.contains(name.as_str())) {
            let message = format!("is a witness and runs nothing, but group {group} lists it");
            let problem = Problem::error("WitnessInGroup", "spec.servers", message);
            problems.push(problem.found(&server.as_str().into()));
        }
    }
}

/// What the guide recommends, where the method chosen lets two parts act (CP-6).
fn check_recommended(spec: &ClusterSpec, combination: &Combination, problems: &mut Vec<Problem>) {
    if Safety::of(spec).safe || combination.majority() {
        return;
    }
    let message = "lets two parts of a divided cluster act at once";
    let detail = if spec.servers.len() > 2 {
        "recommended for three and more servers: Majority"
    } else {
        "recommended for two servers: Lease; with a shared disk and a serial line: SerialDisk; \
         with a witness as the third: Majority"
    };
    let problem = Problem::warning("ArbitrationUnsafe", "spec.arbitration.type", message);
    problems.push(problem.detail(Safety::of(spec).message).detail(detail));
}

fn check_targets(
    set: &Set,
    spec: &ClusterSpec,
    arbiter: &Arbiter,
    place: &str,
    problems: &mut Vec<Problem>,
) {
    let targets = arbiter.ping.iter().flat_map(|ping| ping.targets.iter().enumerate());
    for (index, target) in targets {
        let field = format!("{place}.ping.targets[{index}]");
        problems.extend(check_target(set, spec, *target, field));
    }
    if let Some(proxy) = arbiter.http.as_ref().and_then(|http| http.proxy.as_deref()) {
        let port = proxy.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
            let message = "is not of the form host:port";
            let problem = Problem::error("InvalidAddress", format!("{place}.http.proxy"), message);
            problems.push(problem.found(&proxy.into()));
        }
    }
    if let Some(lease) = &arbiter.lease {
        problems.extend(check_endpoints(spec, lease, place));
    }
    let Some(host) = arbiter.http.as_ref().map(|http| http.host.as_str()) else { return };
    let field = format!("{place}.http.host");
    if let Ok(target) = host.parse() {
        problems.extend(check_target(set, spec, target, field));
    } else if spec.servers.iter().any(|server| server.name == host) {
        problems.push(target_is_server(field, host, host));
    }
}

/// A store that runs on the servers alone falls with them. Members of an etcd may stand there, as
/// long as one stands elsewhere.
fn check_endpoints(spec: &ClusterSpec, lease: &LeaseArbitration, place: &str) -> Option<Problem> {
    let one = |endpoint: &Option<String>| endpoint.clone().into_iter().collect::<Vec<_>>();
    let (field, endpoints) = match lease.type_ {
        LeaseStore::S3 => ("s3.endpoint", one(&lease.s3.as_ref()?.endpoint)),
        LeaseStore::AzureBlob => ("azureBlob.endpoint", one(&lease.azure_blob.as_ref()?.endpoint)),
        LeaseStore::GCS => ("gcs.endpoint", one(&lease.gcs.as_ref()?.endpoint)),
        LeaseStore::Etcd => ("etcd.endpoints", lease.etcd.as_ref()?.endpoints.clone()),
        LeaseStore::Kubernetes => return None,
    };
    let field = format!("{place}.lease.{field}");
    let mut on_servers = Vec::new();
    for endpoint in &endpoints {
        let Some(host) = host(endpoint) else {
            let message = "is no address: write http:// or https://, a host, and perhaps a port";
            let problem = Problem::error("InvalidValue", field, message);
            return Some(problem.found(&endpoint.as_str().into()));
        };
        let there = |server: &&kinds::ClusterServer| {
            server.name == host
                || server.addresses.values().any(|address| address.to_string() == host)
        };
        on_servers.extend(spec.servers.iter().find(there).map(|server| &server.name));
    }
    let first = on_servers.first().filter(|_| on_servers.len() == endpoints.len())?;
    Some(target_is_server(field, first, endpoints.first()?))
}

/// The host of an address with a scheme that stores speak.
fn host(endpoint: &str) -> Option<String> {
    let uri: http::Uri = endpoint.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(())?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn target_is_server(field: String, server: &str, found: &str) -> Problem {
    let message = format!(
        "is the address of {server}: that server would always reach it, and the others would \
         lose with it; choose a machine outside the cluster, such as the router"
    );
    Problem::error("TargetIsServer", field, message).found(&found.into())
}

/// Times that contradict each other, with the arithmetic.
fn check_times(spec: &ClusterSpec, arbiter: &Arbiter, place: &str, problems: &mut Vec<Problem>) {
    if let Some(lease) = &arbiter.lease {
        problems.extend(check_lease(lease, place));
    }
    let Some(disk) = &arbiter.disk else { return };
    let (timeout, own) = (Duration::from(spec.heartbeat.timeout), Duration::from(disk.io_timeout));
    if own > timeout {
        let message = "is longer than the heartbeat time-out: every takeover waits for the disk";
        let field = format!("{place}.disk.ioTimeout");
        problems.push(
            Problem::warning("DiskTimeoutLong", field, message)
                .found(&disk.io_timeout.to_string().into())
                .detail(format!(
                    "a slot counts as dead after max(2 × {}, 2 × {}) = {}",
                    timeouts::text(timeout),
                    timeouts::text(own),
                    timeouts::text(2 * timeout.max(own))
                )),
        );
    }
}

fn check_lease(lease: &LeaseArbitration, place: &str) -> Option<Problem> {
    let (ttl, one) = (Duration::from(lease.ttl), Duration::from(lease.timeout));
    if one * QUESTIONS_PER_TTL <= ttl {
        return None;
    }
    let message = "is too long for the time to live: one slow answer would lose the lease";
    Some(
        Problem::error("TimeoutsContradict", format!("{place}.lease.timeout"), message)
            .found(&lease.timeout.to_string().into())
            .detail(format!(
                "needed: {QUESTIONS_PER_TTL} × timeout {} = {} ≤ ttl {}",
                lease.timeout,
                timeouts::text(one * QUESTIONS_PER_TTL),
                kinds::Duration::from(ttl)
            )),
    )
}

fn check_per_server(
    set: &Set,
    spec: &ClusterSpec,
    per_server: &[ArbiterServer],
    arbiters: &[Arbiter],
    place: &str,
    problems: &mut Vec<Problem>,
) {
    let has_device =
        arbiters.iter().any(|arbiter| arbiter.disk.is_some() != arbiter.serial.is_some());
    for (index, server) in per_server.iter().enumerate() {
        let field = format!("{place}.perServer[{index}]");
        problems.extend(set.check_server(&server.name, format!("{field}.name")));
        if server.device.is_some() && !has_device {
            let message = "has no effect: this arbiter has no device";
            let field = format!("{field}.device");
            problems.push(Problem::warning("FieldWithoutEffect", field, message));
        }
    }
    let unused = |name: &String| {
        let there = per_server.iter().find(|server| server.name == *name);
        there.is_some_and(|server| server.use_ == kinds::ArbiterUse::NotUsed)
    };
    if !per_server.is_empty() && spec.servers.iter().all(|server| unused(&server.name)) {
        let message = "leave the arbiter unused on every server: write `type: None` to say so";
        problems.push(Problem::error("ArbiterUnused", format!("{place}.perServer"), message));
    }
}

fn check_action(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    if spec.arbitration.on_partition == PartitionAction::Nothing {
        let message = "means that no time frees a server that is not heard: only its own word or \
                       fencing lets another take over";
        let field = "spec.arbitration.onPartition";
        problems.push(Problem::warning("NobodyTakesOver", field, message));
    }
}

/// An arbiter's target must be outside of what it judges.
fn check_target(set: &Set, spec: &ClusterSpec, target: IpAddr, field: String) -> Option<Problem> {
    let found = target.to_string().into();
    for server in &spec.servers {
        if server.addresses.values().any(|address| *address == target) {
            return Some(target_is_server(field, &server.name, &target.to_string()));
        }
    }
    let floating = set.resources.specs.iter().find(|(_, resource)| {
        resource.floating_ip.as_ref().is_some_and(|floating| floating.address == target)
    });
    floating.map(|(name, _)| {
        let message = format!(
            "is the floating address of resource {name}: it moves with what is to be judged; \
             choose a machine outside the cluster"
        );
        Problem::error("TargetIsServer", field, message).found(&found)
    })
}
