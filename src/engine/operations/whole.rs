//! Operations on the whole cluster.

use std::collections::BTreeMap;

use super::{
    OperationFacts, OperationModel, OperationStep, failed, running, succeeded, superseded,
};
use crate::api::kinds::OperationState;
use crate::api::names::ServerName;
use crate::engine::message::GroupPhase;
use crate::engine::placement::{ClusterShutdown, Holder, shutdown_intent_key};

/// The whole cluster ends: first every group, then every agent.
pub(super) fn shutdown_step(
    operation: &OperationModel,
    facts: &OperationFacts<'_>,
) -> OperationStep {
    let ours = facts.shutdown.filter(|shutdown| shutdown.operation == operation.uid);
    let shutdown = match (operation.state, ours, facts.shutdown) {
        (OperationState::Running, None, _) => return superseded("it was withdrawn"),
        (_, Some(ours), _) => ours.clone(),
        (_, None, Some(other)) if other.ended.is_empty() => {
            return failed("another operation is shutting the cluster down");
        }
        (_, None, _) => {
            let shutdown = ClusterShutdown {
                operation: operation.uid.clone(),
                since: facts.wall,
                machines: operation.spec.machines.unwrap_or_default(),
                ended: BTreeMap::new(),
            };
            return running("every group is being stopped")
                .with((shutdown_intent_key(), shutdown.json()));
        }
    };
    let mut held = Vec::new();
    for (name, group) in facts.view.groups {
        match &group.holder {
            Holder::Free => {}
            Holder::Unknown => held.push(format!("a server that is not heard may run {name}")),
            Holder::Held { server, phase, .. } => held.push(match phase {
                Some(GroupPhase::StopFailed { message }) => {
                    format!("{name} could not be stopped on {server} ({message})")
                }
                _ => format!("{name} is being stopped on {server}"),
            }),
        }
    }
    if !held.is_empty() {
        return running(held.join("; "));
    }
    let names: Vec<&str> = facts.runs.keys().map(ServerName::as_str).collect();
    let message = format!("every group is stopped; the agents of {} end now", names.join(", "));
    let ended = ClusterShutdown { ended: facts.runs.clone(), ..shutdown };
    succeeded(message).with((shutdown_intent_key(), ended.json()))
}
