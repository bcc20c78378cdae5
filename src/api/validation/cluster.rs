//! The Cluster: its servers, their addresses and paths, and its arbiter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Set, arbitration, check_repeated, unknown};
use crate::api::kinds::ClusterSpec;
use crate::api::problem::{Problem, suggestion};

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    let Some(name) = set.clusters.first() else {
        let message = "there is no Cluster: a cluster's objects hold exactly one";
        problems.push(Problem::error("NoCluster", "", message).of("Cluster", ""));
        return;
    };
    for other in &set.clusters[1..] {
        let message =
            format!("is a second Cluster beside `{name}`: the objects of a cluster hold one");
        problems.push(Problem::error("SeveralClusters", "", message).of("Cluster", other));
    }
    let Some(spec) = &set.cluster else { return };
    let mut found = Vec::new();
    check_addresses(spec, &mut found);
    check_paths(spec, &mut found);
    check_ports(spec, &mut found);
    arbitration::check(set, spec, &mut found);
    super::fencing::check(set, spec, &mut found);
    if let Some(access) = &spec.aws {
        super::aws::check_access(access, &mut found);
    }
    problems.extend(found.into_iter().map(|problem| problem.of("Cluster", name)));
    for server in &set.server_objects {
        if let Some(mut problem) = set.check_server(server, "metadata.name".to_owned()) {
            problem.message.push_str(" (Server objects are made by the cluster itself)");
            problems.push(problem.of("Server", server));
        }
    }
}

fn check_addresses(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let mut owners: BTreeMap<(IpAddr, u16), (&str, &str)> = BTreeMap::new();
    for (index, server) in spec.servers.iter().enumerate() {
        if server.addresses.is_empty() {
            let field = format!("spec.servers[{index}].addresses");
            let message = format!("is empty: {} needs an address on each path", server.name);
            problems.push(Problem::error("AddressMissing", field, message));
        }
        for (path, address) in &server.addresses {
            let field = format!("spec.servers[{index}].addresses.{path}");
            let found = address.to_string().into();
            if address.is_unspecified() || address.is_multicast() {
                let message = "is not the address of one machine";
                problems.push(Problem::error("InvalidAddress", &field, message).found(&found));
            }
            let owner = owners.get(&(*address, server.heartbeat_port));
            if let Some((owner, on)) = owner {
                let message = if *owner == server.name {
                    format!("is also the address on path {on}: two paths need two addresses")
                } else {
                    format!("is also the address of {owner} on path {on}")
                };
                problems.push(Problem::error("AddressConflict", &field, message).found(&found));
            } else {
                owners.insert((*address, server.heartbeat_port), (&server.name, path));
            }
        }
    }
}

fn check_paths(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let known: BTreeSet<String> =
        spec.servers.iter().flat_map(|server| server.addresses.keys().cloned()).collect();
    let listed = &spec.heartbeat.paths;
    problems.extend(check_repeated(listed, "spec.heartbeat.paths"));
    for (index, path) in listed.iter().enumerate().filter(|(_, path)| !known.contains(*path)) {
        let field = format!("spec.heartbeat.paths[{index}]");
        let mut problem = unknown("UnknownPath", "path", path, field, &known);
        let hint = suggestion(path, known.iter().map(String::as_str));
        problem.message = format!("is a path that no server has an address on{hint}");
        problems.push(problem);
    }
    if listed.iter().any(|path| !known.contains(path)) {
        return;
    }
    let paths: BTreeSet<&String> = if listed.is_empty() {
        known.iter().collect()
    } else {
        listed.iter().filter(|path| known.contains(*path)).collect()
    };
    for (index, server) in spec.servers.iter().enumerate() {
        for path in paths.iter().filter(|path| !server.addresses.contains_key(**path)) {
            if server.addresses.is_empty() {
                continue;
            }
            let field = format!("spec.servers[{index}].addresses");
            let message = format!("{} has no address on path {path}", server.name);
            problems.push(Problem::error("AddressMissing", field, message));
        }
        for path in server.addresses.keys().filter(|path| !paths.contains(path)) {
            let field = format!("spec.servers[{index}].addresses.{path}");
            let message = "is used for nothing: `spec.heartbeat.paths` does not list this path";
            problems.push(Problem::warning("PathUnused", field, message));
        }
    }
    if spec.servers.len() > 1 && paths.len() == 1 {
        let message = "there is one heartbeat path: when it fails, the servers lose each other";
        problems.push(Problem::warning("OnePath", "spec.heartbeat.paths", message));
    }
}

fn check_ports(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    for (index, server) in spec.servers.iter().enumerate() {
        if server.heartbeat_port == server.api_port {
            let field = format!("spec.servers[{index}].apiPort");
            let message = "is also the heartbeat port of this server";
            let problem = Problem::error("PortConflict", field, message);
            problems.push(problem.found(&server.api_port.into()));
        }
    }
}
