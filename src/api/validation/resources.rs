//! Resources: their groups, dependencies, claims and per-server settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Set, aws, check_repeated, unknown};
use crate::api::kinds::{ResourceSpec, ResourceType};
use crate::api::problem::{Problem, suggestion};
use crate::api::schema::is_dns_label;
use crate::api::types::{Claim, ExecSpec, FloatingIpSpec, automatic_monitor_specs, claims};

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    for (name, spec) in &set.resources.specs {
        let mut found = Vec::new();
        check_references(set, name, spec, &mut found);
        check_automatic_names(name, spec, &mut found);
        if let Some(exec) = &spec.exec {
            check_exec(exec, &mut found);
        }
        if let Some(floating) = &spec.floating_ip {
            check_floating(set, spec, floating, &mut found);
        }
        aws::check_resource(set, spec, &mut found);
        problems.extend(found.into_iter().map(|problem| problem.of("Resource", name)));
    }
    check_circles(set, problems);
    check_claims(set, problems);
}

fn check_references(set: &Set, name: &str, spec: &ResourceSpec, problems: &mut Vec<Problem>) {
    if !set.groups.names.contains(&spec.group) {
        let field = "spec.group".to_owned();
        problems.push(unknown("UnknownGroup", "group", &spec.group, field, &set.groups.names));
    }
    let Some(depends_on) = &spec.depends_on else { return };
    problems.extend(check_repeated(depends_on, "spec.dependsOn"));
    let empty = Vec::new();
    let siblings = set.members.get(&spec.group).unwrap_or(&empty);
    for (index, on) in depends_on.iter().enumerate() {
        let field = format!("spec.dependsOn[{index}]");
        if on == name {
            let message = "is the resource itself: it can't wait for itself";
            problems
                .push(Problem::error("DependencyCycle", field, message).found(&on.as_str().into()));
        } else if let Some(other) = set.resources.specs.get(on) {
            if other.group != spec.group {
                let message = format!(
                    "is in group {}, and this resource in group {}: a resource depends on \
                     resources of its own group",
                    other.group, spec.group
                );
                let problem = Problem::error("DependencyOutsideGroup", field, message);
                problems.push(problem.found(&on.as_str().into()));
            }
        } else if !set.resources.names.contains(on) {
            let others = siblings.iter().map(String::as_str).filter(|sibling| *sibling != name);
            let message =
                format!("is no resource of group {}{}", spec.group, suggestion(on, others));
            let problem = Problem::error("UnknownResource", field, message);
            problems.push(problem.found(&on.as_str().into()));
        }
    }
}

/// The names of automatic monitors must be names too.
fn check_automatic_names(name: &str, spec: &ResourceSpec, problems: &mut Vec<Problem>) {
    let monitors = automatic_monitor_specs(name, spec);
    if let Some((long, _)) = monitors.iter().find(|(monitor, _)| monitor.len() > 63)
        && is_dns_label(name)
    {
        let most = 63 - (long.len() - name.len());
        let message = format!(
            "has {} characters: at most {most} are possible, because its monitor {long} needs a \
             name of at most 63",
            name.len()
        );
        problems.push(Problem::error("InvalidName", "metadata.name", message));
    }
}

fn check_exec(exec: &ExecSpec, problems: &mut Vec<Problem>) {
    let commands = [("command", &exec.command), ("start", &exec.start), ("stop", &exec.stop)];
    for (field, command) in commands {
        if command.as_ref().and_then(|words| words.first()).is_some_and(String::is_empty) {
            let message = "is empty: the first word is the program";
            let field = format!("spec.exec.{field}[0]");
            problems.push(Problem::error("InvalidCommand", field, message));
        }
    }
    if exec.command.is_none() && exec.start.is_some() && exec.restarts > 0 {
        let message = "says nothing with `start` and `stop`: only `command` is restarted in place";
        let problem = Problem::warning("FieldWithoutEffect", "spec.exec.restarts", message);
        problems.push(problem.found(&exec.restarts.into()));
    }
    if let Some(folder) = exec.working_directory.as_ref().filter(|folder| !folder.starts_with('/'))
    {
        let message = "is not an absolute path: begin it with `/`";
        let problem = Problem::error("InvalidCommand", "spec.exec.workingDirectory", message);
        problems.push(problem.found(&folder.as_str().into()));
    }
    problems.extend(super::monitors::check_environment(&exec.environment, "spec.exec.environment"));
}

fn check_floating(
    set: &Set,
    spec: &ResourceSpec,
    floating: &FloatingIpSpec,
    problems: &mut Vec<Problem>,
) {
    let address = floating.address;
    let found = address.to_string().into();
    if address.is_unspecified() || address.is_multicast() {
        let message = "is not the address of one machine";
        let problem = Problem::error("InvalidAddress", "spec.floatingIP.address", message);
        problems.push(problem.found(&found));
    }
    if let Some(length) = floating.prefix_length.filter(|length| address.is_ipv4() && *length > 32)
    {
        let message = "is out of bounds: from 0 to 32 for an IPv4 address";
        let problem = Problem::error("OutOfBounds", "spec.floatingIP.prefixLength", message);
        problems.push(problem.found(&length.into()));
    }
    let owner = set
        .cluster
        .iter()
        .flat_map(|cluster| &cluster.servers)
        .find(|server| server.addresses.values().any(|own| *own == address));
    if let Some(owner) = owner {
        let message = format!(
            "is the own address of {}: a floating address is one that no server has",
            owner.name
        );
        let problem = Problem::error("AddressConflict", "spec.floatingIP.address", message);
        problems.push(problem.found(&found));
    }
    check_per_server(set, spec, floating, problems);
}

fn check_per_server(
    set: &Set,
    spec: &ResourceSpec,
    floating: &FloatingIpSpec,
    problems: &mut Vec<Problem>,
) {
    let servers = set.servers_of(spec);
    for (index, entry) in floating.per_server.iter().enumerate() {
        let field = format!("spec.floatingIP.perServer[{index}].name");
        if let Some(problem) = set.check_server(&entry.name, field.clone()) {
            problems.push(problem);
        } else if !servers.is_empty() && !servers.contains(&entry.name) {
            let message = format!("is not in the failover policy of group {}", spec.group);
            let problem = Problem::warning("FieldWithoutEffect", field, message);
            problems.push(problem.found(&entry.name.as_str().into()));
        }
    }
    if floating.per_server.is_empty() || floating.interface.is_some() {
        return;
    }
    let named: BTreeSet<&str> =
        floating.per_server.iter().map(|entry| entry.name.as_str()).collect();
    for server in servers.iter().filter(|server| !named.contains(server.as_str())) {
        if !set.servers.contains(server) {
            continue;
        }
        let message = format!(
            "has no entry for {server}, which may run the group: add one, or give \
             `spec.floatingIP.interface` for all"
        );
        problems.push(Problem::error("PerServerMissing", "spec.floatingIP.perServer", message));
    }
}

/// Resources that wait for each other, group by group, each circle once.
fn check_circles(set: &Set, problems: &mut Vec<Problem>) {
    for names in set.members.values() {
        let mut waits: BTreeMap<&str, BTreeSet<&str>> = names
            .iter()
            .filter_map(|name| {
                let on = set.resources.specs.get(name)?.depends_on.iter().flatten();
                let on = on.map(String::as_str).filter(|on| on != name);
                Some((name.as_str(), on.collect()))
            })
            .collect();
        loop {
            remove_free(&mut waits);
            let Some(circle) = find_circle(&waits) else { break };
            let first = circle[0];
            let message = format!(
                "is a circle: {} -> {first}; each waits for the next, so none would ever start",
                circle.join(" -> ")
            );
            let problem = Problem::error("DependencyCycle", "spec.dependsOn", message);
            problems.push(problem.of("Resource", first));
            for name in circle {
                waits.remove(name);
            }
        }
    }
}

/// Takes away everything that waits for nothing that is left, again and again.
fn remove_free(waits: &mut BTreeMap<&str, BTreeSet<&str>>) {
    let mut waited_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, on) in waits.iter() {
        let left: Vec<&str> = on.iter().copied().filter(|on| waits.contains_key(on)).collect();
        count.insert(name, left.len());
        for on in left {
            waited_by.entry(on).or_default().push(name);
        }
    }
    let mut free: Vec<&str> =
        count.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = free.pop() {
        waits.remove(name);
        for waiting in waited_by.get(name).into_iter().flatten() {
            if let Some(count) = count.get_mut(waiting) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiting);
                }
            }
        }
    }
}

/// A circle among what is left: every one of it waits for another that is left.
fn find_circle<'a>(waits: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut at = *waits.keys().next()?;
    let mut way: Vec<&str> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        if let Some(start) = seen.get(at) {
            let mut circle = way.split_off(*start);
            // Begins with the first name, so that the same circle is always told the same way.
            let first = circle.iter().enumerate().min_by_key(|(_, name)| **name)?.0;
            circle.rotate_left(first);
            return Some(circle);
        }
        seen.insert(at, way.len());
        way.push(at);
        at = waits.get(at)?.iter().copied().find(|on| waits.contains_key(on))?;
    }
}

/// Where a claim is made: on one server, or anywhere.
type ClaimPlace<'a> = (&'a str, u16);

fn check_claims(set: &Set, problems: &mut Vec<Problem>) {
    let mut ports: BTreeMap<ClaimPlace<'_>, Vec<(&str, Option<IpAddr>)>> = BTreeMap::new();
    let mut addresses: BTreeMap<IpAddr, &str> = BTreeMap::new();
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, spec) in &set.resources.specs {
        for claim in claims(spec) {
            let problem = match &claim {
                Claim::Port { port, address, .. } => claim_own_port(set, spec, *port, *address)
                    .or_else(|| claim_port(set, spec, name, (*port, *address), &mut ports)),
                Claim::Address { address, .. } => {
                    let other = addresses.get(address).copied();
                    addresses.entry(*address).or_insert(name);
                    other.map(|other| ("AddressConflict", already(other)))
                }
                Claim::Name { .. } => {
                    let other = names.get(&claim.to_string()).copied();
                    names.entry(claim.to_string()).or_insert(name);
                    other.map(|other| ("NameConflict", already(other)))
                }
            };
            if let Some((code, message)) = problem {
                let found = match &claim {
                    Claim::Port { port, .. } => (*port).into(),
                    Claim::Address { address, .. } => address.to_string().into(),
                    Claim::Name { name, .. } => name.as_str().into(),
                };
                let problem = Problem::error(code, claim.field(), message);
                problems.push(problem.of("Resource", name).found(&found));
            }
        }
    }
}

fn already(other: &str) -> String {
    format!("is claimed by resource {other} already: only one can have it")
}

/// The cluster's own listeners on the servers of a resource.
fn claim_own_port(
    set: &Set,
    spec: &ResourceSpec,
    port: u16,
    address: Option<IpAddr>,
) -> Option<(&'static str, String)> {
    let servers = set.servers_of(spec);
    let cluster = set.cluster.as_ref()?;
    for server in cluster.servers.iter().filter(|server| servers.contains(&server.name)) {
        let shared =
            address.is_none_or(|address| server.addresses.values().any(|own| *own == address));
        for (own, what) in
            [(server.heartbeat_port, "heartbeat port"), (server.api_port, "API port")]
        {
            if own == port && shared {
                let message = format!("is the {what} of {}: choose another", server.name);
                return Some(("PortConflict", message));
            }
        }
    }
    None
}

fn claim_port<'a>(
    set: &'a Set,
    spec: &ResourceSpec,
    name: &'a str,
    (port, address): (u16, Option<IpAddr>),
    ports: &mut BTreeMap<ClaimPlace<'a>, Vec<(&'a str, Option<IpAddr>)>>,
) -> Option<(&'static str, String)> {
    let mut conflict = None;
    for server in set.servers_of(spec) {
        let holders = ports.entry((server, port)).or_default();
        let other = holders
            .iter()
            .find(|(_, other)| address.is_none() || other.is_none() || address == *other);
        if let Some((other, _)) = other {
            let message = format!(
                "is claimed by resource {other} already, and {server} may run both: choose another"
            );
            conflict.get_or_insert(("PortConflict", message));
        }
        holders.push((name, address));
    }
    conflict
}

/// What the type of a resource is called in sentences.
pub(super) fn type_name(type_: ResourceType) -> &'static str {
    match type_ {
        ResourceType::Exec => "Exec",
        ResourceType::FloatingIP => "FloatingIP",
        ResourceType::ProbePort => "ProbePort",
        ResourceType::AwsVirtualIP => "AwsVirtualIP",
        ResourceType::AwsElasticIP => "AwsElasticIP",
        ResourceType::AwsSecondaryIP => "AwsSecondaryIP",
        ResourceType::AwsDNS => "AwsDNS",
    }
}
