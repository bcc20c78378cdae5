//! `AwsSecondaryIP`: a private address is assigned to this server's network interface, and on an
//! interface here.
//!
//! A stop takes it off the interface here and leaves it assigned: the next holder takes it, and
//! nobody answers for it meanwhile. AWS moves it a moment after it has said yes, which is waited for.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Failure, START_MAX, Work};
use crate::api::types::{AwsSecondaryIpSpec, eni_of};
use crate::cloud::aws::Interface;
use crate::drivers::resources::floating_ip::{self, links};
use crate::drivers::{Host, observed};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

/// Between two looks whether it has moved.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
) -> Result<Outcome, Failure> {
    let Some(spec) = &context.spec.aws_secondary_ip else { return Err(super::missing(context)) };
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
    spec: &AwsSecondaryIpSpec,
) -> Result<Outcome, Failure> {
    let work = Work::open(host, context, START_MAX).await?;
    let eni = work.eni(eni_of(&spec.per_server, host.server.as_str()))?.to_owned();
    let (link, prefix) =
        links::choose(&links::links()?, spec.address, spec.interface.as_deref(), None)?;
    take(&work, spec, &eni).await?;
    floating_ip::put(host, &link, spec.address, prefix).await?;
    let message = format!("{}/{prefix} on {}, assigned to {eni}", spec.address, link.name);
    let spec = spec.clone();
    work.look_again(move |work| {
        let (spec, eni) = (spec.clone(), eni.clone());
        async move { take(&work, &spec, &eni).await }
    });
    Ok(Outcome::Active { message })
}

/// Has it assigned where it is not, and waits until it is.
async fn take(work: &Work, spec: &AwsSecondaryIpSpec, eni: &str) -> Result<(), Failure> {
    let address = spec.address;
    let found = match work.session.interface(work.read(), eni).await {
        Ok(found) => found,
        Err(error) => return Err(work.session.explain(error).await.into()),
    };
    if found.primary == Some(address) {
        let message = format!("{address} is the primary address of {eni}, which AWS never moves");
        return Err(Failure::new("AwsAddressIsPrimary", message));
    }
    note(work, &found, address, eni);
    if found.addresses.contains(&address) {
        return Ok(());
    }
    work.session.assign(work.change(), eni, address).await?;
    loop {
        let found = work.session.interface(work.read(), eni).await?;
        note(work, &found, address, eni);
        if found.addresses.contains(&address) {
            return Ok(());
        }
        if Instant::now() + LOOK >= work.until {
            let message = format!("{address} is not assigned to {eni}");
            return Err(Failure::new("AwsAddressNotAssigned", message));
        }
        sleep(LOOK).await;
    }
}

fn note(work: &Work, found: &Interface, address: IpAddr, eni: &str) {
    work.host.cloud.observed.note(&work.resource, observed::assignment(found, address, eni));
}
