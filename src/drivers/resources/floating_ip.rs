//! `FloatingIP`: an address of the servers' subnet that is on an interface here while the group is
//! active here (CP-5).
//!
//! Before the address is used, the network is asked whether another machine has it. The keeper is
//! told of it before it is added, so that it goes away with the lease whatever becomes of this
//! agent. Neighbours are told at once that it moved, and again for a while: a lost announcement
//! would leave them sending to the server before.

mod frames;
pub(crate) mod links;
mod neighbours;

use std::net::IpAddr;
use std::time::Duration;

use self::links::Link;
use crate::agent::keeper_client::KeeperError;
use crate::api::types::{DuplicateCheck, FloatingIpSpec};
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;
use crate::keeper::protocol::Address;

/// Announcements at the moment of the move.
const ANNOUNCEMENTS: u32 = 3;
/// Pauses before the later announcements: close together at first, while connections wait, then
/// for switches that come up late.
const REPEATS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// How long adding an address takes at most; with less than this left of the lease it is not begun.
const ADD_TIME: Duration = Duration::from_millis(50);

/// Why an address is not here.
#[derive(Debug, thiserror::Error)]
pub(super) enum FloatingIpError {
    #[error("{address} is in use by the machine with MAC address {mac} ({interface})")]
    InUse { address: IpAddr, mac: frames::Mac, interface: String },
    #[error(transparent)]
    Link(#[from] links::LinkError),
    #[error("failed to ask the network about {address} on {interface}: {source}")]
    Ask { address: IpAddr, interface: String, source: std::io::Error },
    #[error("the keeper did not take charge of {address}: {source}")]
    Keeper { address: IpAddr, source: KeeperError },
    #[error("this server's lease ends: {address} is not added any more")]
    NoLease { address: IpAddr },
}

impl FloatingIpError {
    /// Id in the message catalogue.
    fn reason(&self, action: ResourceAction) -> &'static str {
        match self {
            FloatingIpError::InUse { .. } => "AddressInUse",
            FloatingIpError::Link(_)
            | FloatingIpError::Ask { .. }
            | FloatingIpError::Keeper { .. }
            | FloatingIpError::NoLease { .. } => match action {
                ResourceAction::Stop => "DeactivationFailed",
                ResourceAction::Start | ResourceAction::Probe => "ActivationFailed",
            },
        }
    }
}

/// Starts, stops or probes.
pub async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
    spec: &FloatingIpSpec,
) -> Outcome {
    let result = match action {
        ResourceAction::Start => start(host, spec).await,
        ResourceAction::Stop => take_off(host, spec.address).await.map(|()| Outcome::Absent),
        ResourceAction::Probe => match links::links() {
            Ok(links) => Ok(present(&links, spec.address)),
            Err(error) => {
                return Outcome::Unknown { message: error.to_string() };
            }
        },
    };
    result.unwrap_or_else(|error| {
        tracing::warn!(resource = %context.resource, %error, "floating address");
        Outcome::Failed { reason: error.reason(action).into(), message: error.to_string() }
    })
}

async fn start(host: &Host, spec: &FloatingIpSpec) -> Result<Outcome, FloatingIpError> {
    let address = spec.address;
    let own = spec.per_server.iter().find(|entry| entry.name == host.server.as_str());
    let interface = own.map(|entry| &entry.interface).or(spec.interface.as_ref());
    let all = links::links()?;
    let (link, prefix) =
        links::choose(&all, address, interface.map(String::as_str), spec.prefix_length)?;
    if !link.has(address) && spec.duplicate_check == DuplicateCheck::Refuse {
        refuse_duplicate(&link, address).await?;
    }

    put(host, &link, address, prefix).await?;
    announce(host, &link, address).await;
    Ok(Outcome::Active { message: format!("{address}/{prefix} on {}", link.name) })
}

/// Puts an address on an interface for as long as the lease lasts.
pub(super) async fn put(
    host: &Host,
    link: &Link,
    address: IpAddr,
    prefix: u8,
) -> Result<(), FloatingIpError> {
    let registration = Address { interface: link.name.clone(), address, prefix };
    host.keeper
        .register_address(registration)
        .await
        .map_err(|source| FloatingIpError::Keeper { address, source })?;
    if !lease_lasts(host, ADD_TIME) {
        return Err(FloatingIpError::NoLease { address });
    }
    links::add(link, address, prefix).await?;
    // The lease may have passed just before the address came, when the keeper found nothing to
    // remove.
    if !host.has_lease() {
        links::remove(address).await?;
        return Err(FloatingIpError::NoLease { address });
    }
    Ok(())
}

async fn refuse_duplicate(link: &Link, address: IpAddr) -> Result<(), FloatingIpError> {
    let (Some(mac), Some(packet)) = (link.mac, &link.packet_address) else {
        return Ok(());
    };
    let interface = || link.name.clone();
    match neighbours::user(packet, mac, address).await {
        Ok(None) => Ok(()),
        Ok(Some(mac)) => Err(FloatingIpError::InUse { address, mac, interface: interface() }),
        Err(source) => Err(FloatingIpError::Ask { address, interface: interface(), source }),
    }
}

/// Announces now, and later for as long as the address stays.
async fn announce(host: &Host, link: &Link, address: IpAddr) {
    let (Some(mac), Some(packet)) = (link.mac, link.packet_address) else {
        return;
    };
    for _ in 0..ANNOUNCEMENTS {
        if let Err(error) = neighbours::announce(&packet, mac, address).await {
            tracing::warn!(%address, interface = %link.name, %error, "failed to announce");
        }
    }
    let host = host.clone();
    tokio::spawn(async move {
        for pause in REPEATS {
            tokio::time::sleep(pause).await;
            let here = links::links().is_ok_and(|all| all.iter().any(|link| link.has(address)));
            if !here || !host.has_lease() {
                break;
            }
            // What went wrong has been said by the first.
            let _ = neighbours::announce(&packet, mac, address).await;
        }
    });
}

/// Takes an address off every interface, and tells the keeper.
pub(super) async fn take_off(host: &Host, address: IpAddr) -> Result<(), FloatingIpError> {
    let before = links::links()?;
    links::remove(address).await?;
    for link in before {
        for (_, prefix) in link.addresses.iter().filter(|(own, _)| *own == address) {
            let interface = link.name.clone();
            let registration = Address { interface, address, prefix: *prefix };
            host.keeper
                .unregister_address(registration)
                .await
                .map_err(|source| FloatingIpError::Keeper { address, source })?;
        }
    }
    Ok(())
}

/// Whether work of this length that begins now ends within the lease.
fn lease_lasts(host: &Host, length: Duration) -> bool {
    host.lease.borrow().is_some_and(|until| (host.clock)() + length < until)
}

pub(super) fn present(links: &[Link], address: IpAddr) -> Outcome {
    let on = links.iter().find_map(|link| {
        let (_, prefix) = link.addresses.iter().find(|(own, _)| *own == address)?;
        Some(format!("{address}/{prefix} on {}", link.name))
    });
    on.map_or(Outcome::Absent, |message| Outcome::Active { message })
}

#[cfg(test)]
mod tests;
