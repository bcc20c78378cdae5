//! `AwsDNS`: a record of a hosted zone holds this server's address (AW-5).
//!
//! It is written over whatever it held before, in one change. A stop removes it only where it was
//! told to, and only while it holds our address.

use std::net::IpAddr;

use super::{Failure, Note, START_MAX, STOP_MAX, Work, left};
use crate::api::types::AwsDnsSpec;
use crate::cloud::aws::Record;
use crate::drivers::{Host, observed};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

pub(super) async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
) -> Result<Outcome, Failure> {
    let Some(spec) = &context.spec.aws_dns else { return Err(super::missing(context)) };
    let note = Note::of(host, context);
    match action {
        ResourceAction::Start => start(host, context, spec, &note).await,
        ResourceAction::Stop => {
            if spec.delete_on_stop
                && let Err(failure) = stop(host, context, spec).await
            {
                left(context, &failure);
            }
            note.remove().await?;
            Ok(Outcome::Absent)
        }
        ResourceAction::Probe => note.probe().await,
    }
}

fn own_address(host: &Host, spec: &AwsDnsSpec) -> Result<IpAddr, Failure> {
    let server = host.server.as_str();
    spec.address_of(server).ok_or_else(|| {
        Failure::new("AwsRefused", format!("neither address nor an entry for {server} is given"))
    })
}

async fn start(
    host: &Host,
    context: &ResourceContext,
    spec: &AwsDnsSpec,
    note: &Note,
) -> Result<Outcome, Failure> {
    let work = Work::open(host, context, START_MAX).await?;
    let address = own_address(host, spec)?;
    note.write("it was about to become active").await?;
    lead_here(&work, spec, address).await?;
    let message = format!("{} is {address} in {}", spec.record_name, spec.hosted_zone_id);
    note.write(&message).await?;
    let spec = spec.clone();
    work.look_again(move |work| {
        let spec = spec.clone();
        async move { lead_here(&work, &spec, address).await }
    });
    Ok(Outcome::Active { message })
}

/// Writes the record where it differs.
async fn lead_here(work: &Work, spec: &AwsDnsSpec, address: IpAddr) -> Result<(), Failure> {
    let (zone, name) = (&spec.hosted_zone_id, &spec.record_name);
    let found = match work.session.record(work.read(), zone, name, address).await {
        Ok(found) => found,
        Err(error) => return Err(work.session.explain(error).await.into()),
    };
    note(work, found.as_ref(), spec, address);
    if found.is_some_and(|found| found.holds(address) && found.ttl == i64::from(spec.ttl)) {
        return Ok(());
    }
    work.session.set_record(work.change(), zone, name, address, spec.ttl).await?;
    Ok(())
}

fn note(work: &Work, found: Option<&Record>, spec: &AwsDnsSpec, address: IpAddr) {
    let state = observed::record(found, &spec.record_name, address);
    work.host.cloud.observed.note(&work.resource, state);
}

async fn stop(host: &Host, context: &ResourceContext, spec: &AwsDnsSpec) -> Result<(), Failure> {
    let work = Work::open(host, context, STOP_MAX).await?;
    let address = own_address(host, spec)?;
    let (zone, name) = (&spec.hosted_zone_id, &spec.record_name);
    let found = work.session.record(work.read(), zone, name, address).await?;
    if let Some(found) = found.filter(|found| found.holds(address)) {
        let change = work.change();
        work.session.remove_record(change, zone, name, address, found.ttl).await?;
    }
    Ok(())
}
