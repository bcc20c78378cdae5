//! What was read in a cloud, as the status of a resource shows it.

use std::net::IpAddr;

use crate::agent::clock;
use crate::api::kinds::{
    OBSERVED_MAX, ObservedAssignment, ObservedAssociation, ObservedRecord, ObservedRoute,
    ObservedState,
};
use crate::cloud::aws::{Allocation, Interface, Record, RouteEntry, RouteHealth};

fn now(as_wanted: bool) -> ObservedState {
    ObservedState::at(clock::wall_time().rfc3339(), as_wanted)
}

/// Entries of route tables for an address.
pub fn routes(found: &[RouteEntry], is_ours: impl Fn(&RouteEntry) -> bool) -> ObservedState {
    let shown = |route: &RouteEntry| ObservedRoute {
        table: route.table.clone(),
        target: route.target.clone(),
        state: match &route.state {
            RouteHealth::Active => "active".to_owned(),
            RouteHealth::Broken(state) => state.clone(),
        },
    };
    let shown = found.iter().take(OBSERVED_MAX).map(shown).collect();
    let as_wanted = !found.is_empty() && found.iter().all(is_ours);
    ObservedState { routes: Some(shown), ..now(as_wanted) }
}

/// What an Elastic IP address is associated with.
pub fn association(found: &Allocation, eni: &str) -> ObservedState {
    let eni_id = found.association.as_ref().map(|(_, holder)| holder.clone());
    let as_wanted = eni_id.as_deref() == Some(eni);
    let association = ObservedAssociation { address: found.public.clone(), eni_id };
    ObservedState { association: Some(association), ..now(as_wanted) }
}

/// Whether a private address is at this network interface.
pub fn assignment(found: &Interface, address: IpAddr, eni: &str) -> ObservedState {
    let as_wanted = found.addresses.contains(&address);
    let eni_id = as_wanted.then(|| eni.to_owned());
    ObservedState { assignment: Some(ObservedAssignment { address, eni_id }), ..now(as_wanted) }
}

/// What a record holds.
pub fn record(found: Option<&Record>, name: &str, address: IpAddr) -> ObservedState {
    let as_wanted = found.is_some_and(|record| record.holds(address));
    let values = found.into_iter().flat_map(|record| &record.values);
    let record = ObservedRecord {
        name: name.to_owned(),
        addresses: values.take(OBSERVED_MAX).cloned().collect(),
        ttl: found.map(|record| record.ttl),
    };
    ObservedState { record: Some(record), ..now(as_wanted) }
}
