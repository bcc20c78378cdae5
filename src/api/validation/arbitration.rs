//! Partition resolution: which method fits which servers, and what its target must not be.

use std::net::IpAddr;

use super::Set;
use crate::api::kinds::{
    Arbiter, ArbiterType, Arbitration, ArbitrationType, ClusterSpec, CombinationRule,
    PingArbitration,
};
use crate::api::problem::Problem;

pub(super) fn check(set: &Set, spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let arbitration = &spec.arbitration;
    match arbitration.type_ {
        ArbitrationType::Majority => check_majority(spec, problems),
        ArbitrationType::Ping | ArbitrationType::HTTP => {
            let host = arbitration.http.as_ref().map(|http| http.host.as_str());
            let targets = Targets { ping: arbitration.ping.as_ref(), host };
            check_targets(set, spec, &targets, "spec.arbitration", problems);
        }
        ArbitrationType::Combined => check_combined(set, spec, arbitration, problems),
        ArbitrationType::Lease
        | ArbitrationType::Disk
        | ArbitrationType::Serial
        | ArbitrationType::SerialDisk
        | ArbitrationType::Monitors
        | ArbitrationType::Mirror
        | ArbitrationType::None => {}
    }
}

fn check_combined(
    set: &Set,
    spec: &ClusterSpec,
    arbitration: &Arbitration,
    problems: &mut Vec<Problem>,
) {
    let Some(combined) = &arbitration.combined else { return };
    for (index, arbiter) in combined.arbiters.iter().enumerate() {
        let field = format!("spec.arbitration.combined.arbiters[{index}]");
        let host = arbiter.http.as_ref().map(|http| http.host.as_str());
        let targets = Targets { ping: arbiter.ping.as_ref(), host };
        check_targets(set, spec, &targets, &field, problems);
        check_rule(combined.rule, arbiter, &field, problems);
    }
}

/// A majority always answers: what would come after it is never asked, and where one of several
/// answers suffices it guards nothing.
fn check_rule(rule: CombinationRule, arbiter: &Arbiter, field: &str, problems: &mut Vec<Problem>) {
    if arbiter.type_ == ArbiterType::Majority && rule != CombinationRule::All {
        let message = "is `Majority`, which combines only with `rule: All`: another part would go \
                       on by another arbiter";
        problems.push(Problem::error("MajorityNotAlone", format!("{field}.type"), message));
    }
}

fn check_majority(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    if spec.servers.len() != 2 {
        return;
    }
    let message = "a majority of two servers never survives the loss of one";
    problems.push(
        Problem::warning("MajorityOfTwo", "spec.arbitration.type", message)
            .detail("votes: 2.   majority: 2 / 2 + 1 = 2.   left after the loss of one: 1 < 2")
            .detail("three servers survive one loss: 3 / 2 + 1 = 2; for two, choose another type"),
    );
}

/// What an arbiter asks over the network.
struct Targets<'a> {
    ping: Option<&'a PingArbitration>,
    host: Option<&'a str>,
}

fn check_targets(
    set: &Set,
    spec: &ClusterSpec,
    targets: &Targets,
    place: &str,
    problems: &mut Vec<Problem>,
) {
    for (index, target) in targets.ping.iter().flat_map(|ping| ping.targets.iter().enumerate()) {
        let field = format!("{place}.ping.targets[{index}]");
        problems.extend(check_target(set, spec, *target, field));
    }
    if let Some(target) = targets.host.and_then(|host| host.parse().ok()) {
        problems.extend(check_target(set, spec, target, format!("{place}.http.host")));
    }
}

/// An arbiter's target must be outside of what it judges.
fn check_target(set: &Set, spec: &ClusterSpec, target: IpAddr, field: String) -> Option<Problem> {
    let found = target.to_string().into();
    for server in &spec.servers {
        if server.addresses.values().any(|address| *address == target) {
            let message = format!(
                "is the address of {}: that server would always reach it, and the others would \
                 lose with it; choose a machine outside the cluster, such as the router",
                server.name
            );
            return Some(Problem::error("TargetIsServer", field, message).found(&found));
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
