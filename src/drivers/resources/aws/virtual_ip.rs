//! `AwsVirtualIP`: the route tables of the VPC that have an entry for the address lead to this
//! server's network interface, and the address is on an interface here (AW-1).
//!
//! No route is ever made: which tables clients use is the administrator's to say. Tables are changed
//! at the same time, each until it is done or refused; what failed is told table by table.

use std::net::IpAddr;

use futures_util::StreamExt;
use futures_util::stream;

use super::{Failure, START_MAX, Work};
use crate::api::address::block_holds;
use crate::api::types::{AwsVirtualIpSpec, eni_of};
use crate::cloud::aws::{AwsError, Cause, Interface, RouteEntry, RouteHealth};
use crate::drivers::resources::floating_ip::{self, links};
use crate::drivers::{Host, observed};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

/// Tables that are changed at the same time.
const IN_FLIGHT_MAX: usize = 16;

pub(super) async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
) -> Result<Outcome, Failure> {
    let Some(spec) = &context.spec.aws_virtual_ip else { return Err(super::missing(context)) };
    match action {
        ResourceAction::Start => start(host, context, spec).await,
        ResourceAction::Stop => {
            floating_ip::take_off(host, spec.address).await?;
            Ok(Outcome::Absent)
        }
        ResourceAction::Probe => Ok(floating_ip::present(&links::links()?, spec.address)),
    }
}

async fn start(
    host: &Host,
    context: &ResourceContext,
    spec: &AwsVirtualIpSpec,
) -> Result<Outcome, Failure> {
    let work = Work::open(host, context, START_MAX).await?;
    let eni = work.eni(eni_of(&spec.per_server, host.server.as_str()))?;
    let asked = tokio::try_join!(
        work.session.vpc_blocks(work.read(), &spec.vpc_id),
        work.session.interface(work.read(), eni),
        work.session.routes(work.read(), &spec.vpc_id, spec.address),
    );
    let (blocks, interface, routes) = match asked {
        Ok(asked) => asked,
        Err(error) => return Err(work.session.explain(error).await.into()),
    };
    note(&work, eni, &routes);
    check_fit(spec, eni, &blocks, &interface, &routes)?;

    let (link, prefix) =
        links::choose(&links::links()?, spec.address, Some(&spec.interface), Some(full(spec)))?;
    floating_ip::put(host, &link, spec.address, prefix).await?;
    let led = lead_here(&work, spec, eni, &routes).await;
    // Also where some could not be changed: then this is what became of it.
    let routes = work.session.routes(work.read(), &spec.vpc_id, spec.address).await;
    if let Ok(routes) = &routes {
        note(&work, eni, routes);
    }
    led?;
    let routes = routes?;
    if let Some(wrong) = routes.iter().find(|route| !is_ours(route, eni)) {
        return Err(Failure::new("AwsRouteChanged", describe(spec.address, wrong)));
    }
    let tables: Vec<&str> = routes.iter().map(|route| route.table.as_str()).collect();
    let message = format!("{} leads to {eni} in {}", spec.address, tables.join(", "));
    look_again(work, spec.clone(), eni.to_owned());
    Ok(Outcome::Active { message })
}

fn full(spec: &AwsVirtualIpSpec) -> u8 {
    if spec.address.is_ipv4() { 32 } else { 128 }
}

/// What must hold before anything is changed.
fn check_fit(
    spec: &AwsVirtualIpSpec,
    eni: &str,
    blocks: &[String],
    interface: &Interface,
    routes: &[RouteEntry],
) -> Result<(), Failure> {
    let (address, vpc) = (spec.address, &spec.vpc_id);
    if let Some(block) = blocks.iter().find(|block| block_holds(block, address)) {
        return Err(Failure::new("AwsVipInsideVpc", format!("{address} is in {block} of {vpc}")));
    }
    if interface.vpc != *vpc {
        let message = format!("{eni} is in {}, not in {vpc}", interface.vpc);
        return Err(Failure::new("AwsInterfaceElsewhere", message));
    }
    if interface.source_dest_check {
        let message = format!(
            "{eni}; aws ec2 modify-network-interface-attribute --network-interface-id {eni} \
             --no-source-dest-check"
        );
        return Err(Failure::new("AwsSourceDestCheck", message));
    }
    if routes.is_empty() {
        return Err(Failure::new("AwsRouteMissing", format!("{address} in {vpc}")));
    }
    Ok(())
}

/// Changes what does not lead here yet.
async fn lead_here(
    work: &Work,
    spec: &AwsVirtualIpSpec,
    eni: &str,
    routes: &[RouteEntry],
) -> Result<(), Failure> {
    let wrong = routes.iter().filter(|route| !is_ours(route, eni));
    let changes: Vec<_> = wrong.map(|route| change(work, spec, eni, &route.table)).collect();
    let results: Vec<(&str, Result<(), AwsError>)> =
        stream::iter(changes).buffer_unordered(IN_FLIGHT_MAX).collect().await;
    let mut moved: Vec<&str> =
        results.iter().filter(|(_, result)| result.is_ok()).map(|(table, _)| *table).collect();
    let failed: Vec<(&str, &AwsError)> = results
        .iter()
        .filter_map(|(table, result)| Some((*table, result.as_ref().err()?)))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    moved.sort_unstable();
    let moved = if moved.is_empty() { "none".to_owned() } else { moved.join(", ") };
    let words: Vec<String> =
        failed.iter().map(|(table, error)| format!("{table}: {error}")).collect();
    let message = format!("{}; changed: {moved}", words.join("; "));
    let denied = failed.iter().all(|(_, error)| error.cause == Cause::NotAuthorized);
    Err(Failure::new(if denied { "AwsNotAuthorized" } else { "AwsRoutesPartly" }, message))
}

async fn change<'a>(
    work: &Work,
    spec: &AwsVirtualIpSpec,
    eni: &str,
    table: &'a str,
) -> (&'a str, Result<(), AwsError>) {
    (table, work.session.replace_route(work.change(), table, spec.address, eni).await)
}

fn note(work: &Work, eni: &str, routes: &[RouteEntry]) {
    let state = observed::routes(routes, |route| is_ours(route, eni));
    work.host.cloud.observed.note(&work.resource, state);
}

/// A call of the server before may have taken effect after ours.
fn look_again(work: Work, spec: AwsVirtualIpSpec, eni: String) {
    work.look_again(move |work| {
        let (spec, eni) = (spec.clone(), eni.clone());
        async move {
            let routes = work.session.routes(work.read(), &spec.vpc_id, spec.address).await?;
            note(&work, &eni, &routes);
            lead_here(&work, &spec, &eni, &routes).await
        }
    });
}

/// Whether a route leads to a network interface, and packets get there.
pub(in crate::drivers) fn is_ours(route: &RouteEntry, eni: &str) -> bool {
    route.target == eni && route.state == RouteHealth::Active
}

/// What is wrong with a route, in words.
pub(in crate::drivers) fn describe(address: IpAddr, route: &RouteEntry) -> String {
    let RouteEntry { table, target, state } = route;
    match state {
        RouteHealth::Active => format!("{address} leads to {target} in {table}"),
        RouteHealth::Broken(state) => {
            format!("{address} leads to {target} in {table}, and that is {state}")
        }
    }
}
