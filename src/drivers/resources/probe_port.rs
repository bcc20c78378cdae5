//! `ProbePort`: a port that the keeper opens while the group is active here (AZ-3, WS-1, LK-2).
//!
//! The keeper holds the listener, not the agent: it compares the time with the lease's end at each
//! connection, and it closes the port when the agent dies.

use crate::agent::keeper_client::KeeperError;
use crate::api::types::ProbePortSpec;
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;
use crate::keeper::protocol::Fault;

/// Starts, stops or probes.
pub async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
    spec: &ProbePortSpec,
) -> Outcome {
    let name = context.resource.as_str();
    match action {
        ResourceAction::Start => start(host, name, spec).await,
        ResourceAction::Stop => match host.keeper.close_port(name).await {
            Ok(()) => Outcome::Absent,
            Err(error) => failed("DeactivationFailed", &error),
        },
        ResourceAction::Probe => match is_open(host, name).await {
            Ok(true) => active(spec),
            Ok(false) => Outcome::Absent,
            Err(error) => Outcome::Unknown { message: error.to_string() },
        },
    }
}

async fn start(host: &Host, name: &str, spec: &ProbePortSpec) -> Outcome {
    let addresses = match spec.address {
        Some(address) => vec![address],
        None => host.addresses.values().copied().collect(),
    };
    match host.keeper.open_port(name, addresses, spec.port).await {
        Ok(()) => active(spec),
        Err(error @ KeeperError::Refused(Fault::PortTaken { .. })) => failed("PortInUse", &error),
        Err(error) => failed("ActivationFailed", &error),
    }
}

/// Whether the keeper holds this resource's port open.
pub(in crate::drivers) async fn is_open(host: &Host, name: &str) -> Result<bool, KeeperError> {
    Ok(host.keeper.ports().await?.iter().any(|port| port.name == name))
}

fn active(spec: &ProbePortSpec) -> Outcome {
    let message = match spec.address {
        Some(address) => std::net::SocketAddr::new(address, spec.port).to_string(),
        None => format!(":{}", spec.port),
    };
    Outcome::Active { message }
}

fn failed(reason: &str, error: &KeeperError) -> Outcome {
    Outcome::Failed { reason: reason.into(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
