//! Monitors that ask AWS.
//!
//! What AWS answers counts as it is. That it does not answer, or fails, counts as `onNoAnswer` says:
//! a service that runs is not moved because its cloud's API is away. Monitors that ask the same
//! thing share one call for each interval.

mod address;
mod dns;
mod events;

use std::time::Duration;

use tokio::time::Instant;

use crate::api::catalogue::said;
use crate::api::kinds::{MonitorSpec, MonitorType, ObservedState, ResourceSpec, TimeoutAction};
use crate::api::names::MonitorName;
use crate::api::types::{
    AwsAzMonitorSpec, AwsElasticIpMonitorSpec, AwsElasticIpSpec, AwsSecondaryIpSpec,
    AwsVirtualIpSpec, eni_of,
};
use crate::cloud::aws::{AwsError, Call, Session, host_block};
use crate::drivers::resources::aws::{describe_route, leads_to};
use crate::drivers::resources::floating_ip::links;
use crate::drivers::{Host, observed};
use crate::engine::input::CheckResult;

/// Changes by somebody else within ten minutes that are still undone.
const CHANGES_MAX: usize = 3;

/// What a check says.
type Finding = (CheckResult, String);

/// One check.
struct Look<'a> {
    host: &'a Host,
    monitor: &'a MonitorName,
    /// The resource that it looks at.
    resource: Option<&'a str>,
    session: Session,
    /// Its interval: nobody asks the same thing more often, however many monitors there are.
    every: Duration,
    until: Instant,
}

impl Look<'_> {
    fn read(&self) -> Call<'_> {
        self.session.read(self.until)
    }

    /// What was read of the resource that is looked at.
    fn note(&self, state: ObservedState) {
        if let Some(resource) = self.resource {
            self.host.cloud.observed.note(resource, state);
        }
    }

    /// What is ours was changed by somebody else. It is taken back, but not for ever.
    fn changed(&self, id: &'static str, message: &str) -> Finding {
        let times = self.host.cloud.aws.changed_by_others(self.monitor.as_str());
        if times > CHANGES_MAX {
            let message = format!("{message}; {times} times in ten minutes");
            return (CheckResult::Warning, coded("AwsRival", &message));
        }
        (CheckResult::Error, coded(id, message))
    }
}

/// A text of the catalogue and its id, by which `stead explain event` knows it.
fn coded(id: &str, message: &str) -> String {
    format!("{} ({id})", said(id, message))
}

/// Checks once.
pub async fn check(
    host: &Host,
    monitor: &MonitorName,
    spec: &MonitorSpec,
    resource: Option<&ResourceSpec>,
) -> Finding {
    // It answers before it counts as unanswered: then the answer has a cause.
    let until = Instant::now() + Duration::from(spec.timeout) * 9 / 10;
    // The next check comes an interval after the end of this one: it asks anew.
    let every = Duration::from(spec.interval);
    let on_no_answer = no_answer_setting(spec);
    let session = match host.cloud.aws.session(host.cloud.settings()).await {
        Ok(session) => session,
        Err(error) => return no_answer(on_no_answer, &error),
    };
    let look = Look { host, monitor, resource: spec.subject(), session, every, until };
    let found = match (spec.type_, resource) {
        (MonitorType::AwsVirtualIP, Some(resource)) => match &resource.aws_virtual_ip {
            Some(own) => virtual_ip(&look, own).await,
            None => Ok(missing(spec)),
        },
        (MonitorType::AwsElasticIP, Some(resource)) => match &resource.aws_elastic_ip {
            Some(own) => elastic_ip(&look, own, spec.aws_elastic_ip.as_ref()).await,
            None => Ok(missing(spec)),
        },
        (MonitorType::AwsSecondaryIP, Some(resource)) => match &resource.aws_secondary_ip {
            Some(own) => secondary_ip(&look, own).await,
            None => Ok(missing(spec)),
        },
        (MonitorType::AwsDNS, Some(resource)) => match (&spec.aws_dns, &resource.aws_dns) {
            (Some(settings), Some(own)) => dns::check(&look, settings, own).await,
            (_, _) => Ok(missing(spec)),
        },
        (MonitorType::AwsAZ, _) => zone(&look, spec.aws_az.as_ref()).await,
        (MonitorType::AwsScheduledEvents, _) => {
            let own = spec.aws_scheduled_events.clone().unwrap_or_default();
            events::check(&look, &own).await
        }
        (_, _) => Ok(missing(spec)),
    };
    match found {
        Ok(found) => found,
        Err(error) => no_answer(on_no_answer, &look.session.explain(error).await),
    }
}

fn missing(spec: &MonitorSpec) -> Finding {
    (CheckResult::Unknown, format!("the settings of {:?} are missing", spec.type_))
}

fn no_answer_setting(spec: &MonitorSpec) -> TimeoutAction {
    let settings = [
        spec.aws_virtual_ip.as_ref().map(|own| own.on_no_answer),
        spec.aws_elastic_ip.as_ref().map(|own| own.on_no_answer),
        spec.aws_secondary_ip.as_ref().map(|own| own.on_no_answer),
        spec.aws_dns.as_ref().map(|own| own.on_no_answer),
        spec.aws_az.as_ref().map(|own| own.on_no_answer),
        spec.aws_scheduled_events.as_ref().map(|own| own.on_no_answer),
    ];
    settings.into_iter().flatten().next().unwrap_or(TimeoutAction::Warn)
}

/// The error as it is, as a warning, or as nothing to worry about.
fn no_answer(setting: TimeoutAction, error: &AwsError) -> Finding {
    let message = format!("{} ({})", error.text(), error.id());
    match setting {
        TimeoutAction::Recover => (CheckResult::Error, message),
        TimeoutAction::Warn => (CheckResult::Warning, message),
        TimeoutAction::Ignore => (CheckResult::Normal, format!("not known: {message}")),
    }
}

async fn virtual_ip(look: &Look<'_>, own: &AwsVirtualIpSpec) -> Result<Finding, AwsError> {
    let address = own.address;
    let here = match links::links() {
        Ok(links) => links.iter().any(|link| link.has(address)),
        Err(error) => return Ok((CheckResult::Unknown, error.to_string())),
    };
    if !here {
        let message = format!("{address} on {}", own.interface);
        return Ok((CheckResult::Error, coded("AwsAddressGone", &message)));
    }
    let question = format!("{} {}", own.vpc_id, host_block(address));
    let eni = eni_of(&own.per_server, look.host.server.as_str()).unwrap_or_default();
    let ask = || async {
        let found = look.session.routes(look.read(), &own.vpc_id, address).await?;
        look.note(observed::routes(&found, |route| leads_to(route, eni)));
        Ok(found)
    };
    let routes = look.session.kept.routes.ask(question, look.every, ask).await?;
    if routes.is_empty() {
        let message = format!("{address} in {}", own.vpc_id);
        return Ok((CheckResult::Error, coded("AwsRouteMissing", &message)));
    }
    let wrong: Vec<String> = routes
        .iter()
        .filter(|route| !leads_to(route, eni))
        .map(|route| describe_route(address, route))
        .collect();
    if wrong.is_empty() {
        let tables: Vec<&str> = routes.iter().map(|route| route.table.as_str()).collect();
        let message = format!("{address} leads to {eni} in {}", tables.join(", "));
        return Ok((CheckResult::Normal, message));
    }
    Ok(look.changed("AwsRouteChanged", &wrong.join("; ")))
}

async fn elastic_ip(
    look: &Look<'_>,
    own: &AwsElasticIpSpec,
    settings: Option<&AwsElasticIpMonitorSpec>,
) -> Result<Finding, AwsError> {
    let id = &own.allocation_id;
    let eni = eni_of(&own.per_server, look.host.server.as_str()).unwrap_or_default();
    let ask = || async {
        let found = look.session.allocation(look.read(), id).await?;
        look.note(observed::association(&found, eni));
        Ok(found)
    };
    let found = look.session.kept.allocations.ask(id.clone(), look.every, ask).await?;
    let holder = found.association.map(|(_, holder)| holder);
    if holder.as_deref() == Some(eni) {
        let message = format!("{} is associated with {eni}", found.public);
        return Ok(match settings.and_then(|settings| settings.check.as_ref()) {
            None => (CheckResult::Normal, message),
            Some(check) => address::check(look, check, &found.public, &message).await,
        });
    }
    let holder = holder.unwrap_or_else(|| "nothing".to_owned());
    let message = format!("{} ({id}) is associated with {holder}", found.public);
    Ok(look.changed("AwsAssociationLost", &message))
}

async fn secondary_ip(look: &Look<'_>, own: &AwsSecondaryIpSpec) -> Result<Finding, AwsError> {
    let address = own.address;
    match links::links() {
        Ok(links) if links.iter().any(|link| link.has(address)) => {}
        Ok(_) => {
            let message = format!("{address} on an interface");
            return Ok((CheckResult::Error, coded("AwsAddressGone", &message)));
        }
        Err(error) => return Ok((CheckResult::Unknown, error.to_string())),
    }
    let eni = eni_of(&own.per_server, look.host.server.as_str()).unwrap_or_default();
    let ask = || async {
        let found = look.session.interface(look.read(), eni).await?;
        look.note(observed::assignment(&found, address, eni));
        Ok(found)
    };
    let found = look.session.kept.interfaces.ask(eni.to_owned(), look.every, ask).await?;
    if found.addresses.contains(&address) {
        return Ok((CheckResult::Normal, format!("{address} is assigned to {eni}")));
    }
    Ok(look.changed("AwsAddressNotAssigned", &format!("{address} is not assigned to {eni}")))
}

async fn zone(look: &Look<'_>, own: Option<&AwsAzMonitorSpec>) -> Result<Finding, AwsError> {
    let server = look.host.server.as_str();
    let entries = own.into_iter().flat_map(|own| &own.per_server);
    let zone = match entries.into_iter().find(|entry| entry.name == server) {
        Some(entry) => entry.zone.clone(),
        None => look.session.own_zone().await?,
    };
    let ask = || look.session.zone(look.read(), &zone);
    let found = look.session.kept.zones.ask(zone.clone(), look.every, ask).await?;
    let mut message = format!("{zone} is {}", found.state);
    if !found.messages.is_empty() {
        message = format!("{message}: {}", found.messages.join("; "));
    }
    Ok(match found.state.as_str() {
        "available" => (CheckResult::Normal, message),
        "impaired" | "unavailable" => (CheckResult::Error, coded("AwsZoneImpaired", &message)),
        // `information`, `constrained`, and what this release does not know.
        _ => (CheckResult::Warning, coded("AwsZoneWarning", &message)),
    })
}
