//! Operations that announce a pause.

use std::time;

use super::{OperationFacts, OperationModel, OperationStep, failed, running, succeeded};
use crate::api::kinds::{Duration, OperationState, OperationType};
use crate::api::names::ServerName;
use crate::engine::model::Arbiter;

/// A server that is about to stand still: every other one is to know.
pub(super) fn pause_step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    let Some(server) = operation.spec.server.as_deref().map(ServerName::from) else {
        return failed("spec.server is missing: it names the server");
    };
    let Some(length) = operation.spec.duration else {
        return failed("spec.duration is missing: it says how long the server stands still");
    };
    let cluster = &facts.view.model.cluster;
    if !cluster.servers.contains(&server) {
        return failed(format!("there is no server {server} in the cluster"));
    }
    if facts.pauses.get(&server) == Some(&operation.uid) {
        let how = "once within that time, for as long, and nobody takes over";
        return succeeded(format!("{server} may stand still for {length} now: {how}"));
    }
    if time::Duration::from(length) > cluster.pause_max {
        let longest = Duration::from(cluster.pause_max);
        return failed(format!("{length} is longer than heartbeat.pauseMax, {longest}"));
    }
    let away: Vec<&str> = cluster
        .servers
        .iter()
        .filter(|name| !facts.runs.contains_key(*name))
        .map(ServerName::as_str)
        .collect();
    if !away.is_empty() {
        let away = away.join(", ");
        return failed(format!("every server must know of the pause, and {away} is not here"));
    }
    let others = cluster.servers.len() - 1;
    let majority = matches!(cluster.arbiter, Arbiter::Majority | Arbiter::MajorityAndExternal);
    if majority && 2 * others <= cluster.servers.len() {
        return failed(format!("without {server} the others are no majority, and would stop"));
    }
    let pauses = |other: &OperationModel| {
        other.spec.type_ == OperationType::PauseServer
            && other.state == OperationState::Running
            && other.uid != operation.uid
    };
    if operation.state == OperationState::Pending
        && (!facts.pauses.is_empty() || facts.operations.values().any(pauses))
    {
        return failed("another pause is under way: one at a time");
    }
    running(format!("every server is being told that {server} will stand still for {length}"))
}
