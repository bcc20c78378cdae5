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
    match (spec.type_, &spec.ping, &spec.http) {
        (ArbitrationType::Ping, Some(ping), _) => ping::verdict(ping).await,
        (ArbitrationType::HTTP, _, Some(http)) => http::verdict(http).await,
        (ArbitrationType::Ping | ArbitrationType::HTTP, _, _) => {
            (Verdict::Unknown, format!("the settings of {:?} are missing", spec.type_))
        }
        (ArbitrationType::Majority | ArbitrationType::None, _, _) => {
            (Verdict::Unknown, format!("{:?} is not asked over the network", spec.type_))
        }
    }
}
