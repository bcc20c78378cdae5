//! `AwsElasticIP`: a public address is associated with this server's network interface (AW-3).
//!
//! It is taken from whoever has it. A stop ends the one association that it read to be ours: one
//! that a new holder made since has another id, and stays.

use super::{Failure, Note, START_MAX, STOP_MAX, Work, left};
use crate::api::types::{AwsElasticIpSpec, eni_of};
use crate::cloud::aws::Allocation;
use crate::drivers::{Host, observed};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

pub(super) async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
) -> Result<Outcome, Failure> {
    let Some(spec) = &context.spec.aws_elastic_ip else { return Err(super::missing(context)) };
    let note = Note::of(host, context);
    match action {
        ResourceAction::Start => start(host, context, spec, &note).await,
        ResourceAction::Stop => {
            if let Err(failure) = stop(host, context, spec).await {
                left(context, &failure);
            }
            note.remove().await?;
            Ok(Outcome::Absent)
        }
        ResourceAction::Probe => note.probe().await,
    }
}

async fn start(
    host: &Host,
    context: &ResourceContext,
    spec: &AwsElasticIpSpec,
    note: &Note,
) -> Result<Outcome, Failure> {
    let work = Work::open(host, context, START_MAX).await?;
    let eni = work.eni(eni_of(&spec.per_server, host.server.as_str()))?.to_owned();
    note.write("it was about to become active").await?;
    let public = take(&work, spec, &eni).await?;
    let message = format!("{public} is associated with {eni}");
    note.write(&message).await?;
    let spec = spec.clone();
    work.look_again(move |work| {
        let (spec, eni) = (spec.clone(), eni.clone());
        async move { take(&work, &spec, &eni).await.map(|_| ()) }
    });
    Ok(Outcome::Active { message })
}

/// Makes it ours where it is not; the address itself.
async fn take(work: &Work, spec: &AwsElasticIpSpec, eni: &str) -> Result<String, Failure> {
    let id = &spec.allocation_id;
    let found = match work.session.allocation(work.read(), id).await {
        Ok(found) => found,
        Err(error) => return Err(work.session.explain(error).await.into()),
    };
    let is_ours = |association: &Option<(String, String)>| {
        association.as_ref().is_some_and(|(_, holder)| holder == eni)
    };
    note(work, &found, eni);
    if is_ours(&found.association) {
        return Ok(found.public);
    }
    work.session.associate(work.change(), id, eni).await?;
    let found = work.session.allocation(work.read(), id).await?;
    note(work, &found, eni);
    if !is_ours(&found.association) {
        let holder = found.association.map_or("nothing".to_owned(), |(_, holder)| holder);
        let message = format!("{} ({id}) is associated with {holder}", found.public);
        return Err(Failure::new("AwsAssociationLost", message));
    }
    Ok(found.public)
}

fn note(work: &Work, found: &Allocation, eni: &str) {
    work.host.cloud.observed.note(&work.resource, observed::association(found, eni));
}

async fn stop(
    host: &Host,
    context: &ResourceContext,
    spec: &AwsElasticIpSpec,
) -> Result<(), Failure> {
    let work = Work::open(host, context, STOP_MAX).await?;
    let eni = work.eni(eni_of(&spec.per_server, host.server.as_str()))?;
    let found = work.session.allocation(work.read(), &spec.allocation_id).await?;
    if let Some((association, _)) = found.association.filter(|(_, holder)| holder == eni) {
        work.session.disassociate(work.change(), &association).await?;
    }
    Ok(())
}
