//! Drivers of arbiters that are asked over the network; majority is decided in the engine.

use crate::api::kinds::{Arbitration, ArbitrationType};
use crate::api::names::ServerName;
use crate::drivers::Host;
use crate::engine::input::Verdict;

pub mod http;
pub mod ping;

/// Whether these servers may act as the cluster.
pub async fn verdict(
    _host: &Host,
    spec: &Arbitration,
    _members: &[ServerName],
) -> (Verdict, String) {
    match spec.type_ {
        ArbitrationType::Ping
        | ArbitrationType::HTTP
        | ArbitrationType::Majority
        | ArbitrationType::None => (Verdict::Unknown, format!("no driver for {:?}", spec.type_)),
    }
}
