//! Resources of AWS: addresses and names that the cloud leads to the active server.
//!
//! A start looks first and changes only what differs; then it looks at what came of it, and goes on
//! looking for a while: a call of the server before, begun while it still held its lease, may take
//! effect late. A stop changes nothing that a new holder may have taken meanwhile, and never fails
//! for want of an answer: what is left in the cloud leads to a server without the service, and the
//! next holder takes it. No error here is worth shutting a server down for.

mod dns;
mod elastic_ip;
mod secondary_ip;
mod virtual_ip;

pub(in crate::drivers) use self::virtual_ip::{describe as describe_route, is_ours as leads_to};

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::floating_ip::FloatingIpError;
use super::floating_ip::links::LinkError;
use crate::api::catalogue::said;
use crate::api::kinds::ResourceType;
use crate::cloud::aws::{AwsError, Call, Guard, Session};
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

/// How long a start asks AWS at most: a server that can't reach it is worse than one that can.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a stop does.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Looks after a start. A call of the server before ends within ten seconds of its beginning.
const LOOKS: [Duration; 3] =
    [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(20)];

/// Why a resource is not active, by an id of the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    id: &'static str,
    message: String,
}

impl Failure {
    fn new(id: &'static str, message: impl AsRef<str>) -> Self {
        Self { id, message: said(id, message.as_ref()) }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Self { id: error.id(), message: error.text() }
    }
}

impl From<FloatingIpError> for Failure {
    fn from(error: FloatingIpError) -> Self {
        Self { id: "ActivationFailed", message: error.to_string() }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self { id: "ActivationFailed", message: error.to_string() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { id: "ActivationFailed", message: format!("failed to note what is begun: {error}") }
    }
}

/// One use of a driver.
#[derive(Clone)]
struct Work {
    host: Host,
    resource: String,
    session: Session,
    guard: Guard,
    until: Instant,
}

impl Work {
    async fn open(
        host: &Host,
        context: &ResourceContext,
        limit: Duration,
    ) -> Result<Self, Failure> {
        // What the engine counts as a time-out says nothing of the cause.
        let limit = limit.min(context.timeout * 9 / 10);
        Ok(Self {
            host: host.clone(),
            resource: context.resource.to_string(),
            session: host.cloud.aws.session(host.cloud.settings()).await?,
            guard: Guard::new(host.lease.clone(), host.clock),
            until: Instant::now() + limit,
        })
    }

    fn read(&self) -> Call<'_> {
        self.session.read(self.until)
    }

    fn change(&self) -> Call<'_> {
        self.session.change(&self.guard, self.until)
    }

    /// The network interface of this server.
    fn eni<'a>(&self, found: Option<&'a str>) -> Result<&'a str, Failure> {
        found.ok_or_else(|| {
            let server = &self.host.server;
            Failure::new("AwsRefused", format!("perServer has no entry for {server}"))
        })
    }

    /// Goes on looking for a while, under the same lease; `look` mends what it finds.
    fn look_again<F>(self, look: impl Fn(Work) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), Failure>> + Send,
    {
        let (aws, resource) = (self.host.cloud.aws.clone(), self.resource.clone());
        let (name, shared) = (resource.clone(), aws.clone());
        let task = tokio::spawn(async move {
            let guard = self.guard.clone();
            let looks = async {
                for pause in LOOKS {
                    tokio::time::sleep(pause).await;
                    let until = Instant::now() + STOP_MAX;
                    if let Err(error) = look(Work { until, ..self.clone() }).await {
                        tracing::warn!(resource = %name, %error, "failed to look again");
                    }
                    shared.forget_answers().await;
                }
            };
            tokio::select! {
                () = looks => {}
                () = guard.lapse() => {}
            }
        });
        aws.follow(&resource, task.abort_handle());
    }
}

/// Starts, stops or probes.
pub async fn run(host: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
    if action != ResourceAction::Probe {
        host.cloud.aws.forget(context.resource.as_str());
    }
    let done = match context.spec.type_ {
        ResourceType::AwsVirtualIP => virtual_ip::run(host, action, context).await,
        ResourceType::AwsElasticIP => elastic_ip::run(host, action, context).await,
        ResourceType::AwsSecondaryIP => secondary_ip::run(host, action, context).await,
        ResourceType::AwsDNS => dns::run(host, action, context).await,
        ResourceType::Exec | ResourceType::FloatingIP | ResourceType::ProbePort => {
            Err(missing(context))
        }
    };
    if action == ResourceAction::Stop {
        host.cloud.observed.forget(context.resource.as_str());
    }
    // A monitor that heard of the state before would have it started again.
    if action == ResourceAction::Start {
        host.cloud.aws.forget_answers().await;
    }
    done.unwrap_or_else(|failure| {
        tracing::warn!(resource = %context.resource, error = %failure, "resource of AWS");
        // By the id `stead explain event` tells the remedy.
        let message = format!("{} ({})", failure.message, failure.id);
        match action {
            ResourceAction::Start => Outcome::Failed { reason: failure.id.into(), message },
            ResourceAction::Stop => {
                Outcome::Failed { reason: "DeactivationFailed".into(), message }
            }
            ResourceAction::Probe => Outcome::Unknown { message },
        }
    })
}

fn missing(context: &ResourceContext) -> Failure {
    let message = format!("the settings of {:?} are missing", context.spec.type_);
    Failure { id: "ActivationFailed", message }
}

/// What is only in the cloud leaves a note on this machine while it may be ours, which is gone after
/// a boot: a probe must answer without the cloud.
struct Note(PathBuf);

impl Note {
    fn of(host: &Host, context: &ResourceContext) -> Self {
        Self(host.root.join("run/stead/cloud").join(context.resource.as_str()))
    }

    async fn write(&self, text: &str) -> io::Result<()> {
        if let Some(folder) = self.0.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(&self.0, text).await
    }

    async fn remove(&self) -> io::Result<()> {
        match tokio::fs::remove_file(&self.0).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    async fn probe(&self) -> Result<Outcome, Failure> {
        match tokio::fs::read_to_string(&self.0).await {
            Ok(message) => Ok(Outcome::Active { message }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::Absent),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a stop left in the cloud is told, and no reason to hold the group.
fn left(context: &ResourceContext, failure: &Failure) {
    tracing::warn!(
        resource = %context.resource,
        error = %failure,
        "stopped, but what leads to this server in AWS may be left"
    );
}
