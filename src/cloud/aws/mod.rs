//! AWS: one session for all drivers, calls with an end, answers that monitors share.
//!
//! It decides nothing. A call says in its own words what it found, or why it found nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use self::calls::ATTEMPT;
use self::calls::Throttle;
use self::connect::Clients;
pub use self::ec2::{
    Allocation, CARRIED_OUT, Instance, Interface, RouteEntry, RouteHealth, ZoneState, host_block,
};
pub use self::error::{AwsError, Cause};
pub use self::events::Announced;
pub use self::guard::Guard;
pub use self::inspect::{Endpoint, HostedZone, Identity, Reached, RouteTable};
pub use self::kept::Kept;
pub use self::route53::Record;
use crate::api::kinds::AwsAccess;

mod calls;
mod connect;
mod ec2;
mod error;
mod events;
mod guard;
mod inspect;
mod kept;
mod route53;

/// A change of what is ours by somebody else is remembered for so long.
const RIVAL_WINDOW: Duration = Duration::from_secs(600);

/// The session of this agent, opened when it is needed first, and what goes on in it.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    open: Arc<tokio::sync::Mutex<Option<(AwsAccess, Session)>>>,
    tasks: Arc<Mutex<BTreeMap<String, AbortHandle>>>,
    rivals: Arc<Mutex<BTreeMap<String, VecDeque<Instant>>>>,
}

/// Clients, and what all calls share.
#[derive(Clone, Debug)]
pub struct Session {
    clients: Clients,
    throttle: Throttle,
    /// What monitors asked last.
    pub kept: KeptAnswers,
}

/// Answers that several monitors may want.
#[derive(Clone, Debug, Default)]
pub struct KeptAnswers {
    /// Routes, by VPC and address.
    pub routes: Kept<Vec<RouteEntry>>,
    /// Elastic IP addresses, by allocation.
    pub allocations: Kept<Allocation>,
    /// Network interfaces, by id.
    pub interfaces: Kept<Interface>,
    /// What is announced for this instance.
    pub announced: Kept<Vec<Announced>>,
    /// Availability Zones, by name.
    pub zones: Kept<ZoneState>,
    /// Records, by zone, name and family.
    pub records: Kept<Option<Record>>,
}

/// How a call is made: until when, and under whose guard.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    throttle: &'a Throttle,
    guard: Option<&'a Guard>,
    until: Instant,
}

impl Call<'_> {
    async fn make<T, F>(self, name: &'static str, attempt: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        calls::call(self.throttle, self.guard, self.until, name, attempt).await
    }
}

impl Aws {
    /// The session; another one where the settings have changed.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub async fn session(&self, access: AwsAccess) -> Result<Session, AwsError> {
        let mut open = self.open.lock().await;
        if let Some((of, session)) = open.as_ref()
            && *of == access
        {
            return Ok(session.clone());
        }
        let clients = connect::open(&access).await?;
        let session = Session { clients, throttle: Throttle::default(), kept: Default::default() };
        *open = Some((access, session.clone()));
        Ok(session)
    }

    /// Something was changed: no monitor is told what was so before.
    pub async fn forget_answers(&self) {
        if let Some((_, session)) = self.open.lock().await.as_ref() {
            let KeptAnswers { routes, allocations, interfaces, announced: _, zones: _, records } =
                &session.kept;
            routes.forget();
            allocations.forget();
            interfaces.forget();
            records.forget();
        }
    }

    /// A task that goes on for a resource, in place of the one before.
    pub fn follow(&self, resource: &str, task: AbortHandle) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = tasks.insert(resource.to_owned(), task) {
            before.abort();
        }
    }

    /// Nothing goes on for a resource any more.
    pub fn forget(&self, resource: &str) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.remove(resource) {
            task.abort();
        }
    }

    /// Somebody changed what is ours; how often that was so lately.
    #[must_use]
    pub fn changed_by_others(&self, monitor: &str) -> usize {
        let mut rivals = self.rivals.lock().unwrap_or_else(PoisonError::into_inner);
        let times = rivals.entry(monitor.to_owned()).or_default();
        let now = Instant::now();
        while times.front().is_some_and(|first| now - *first > RIVAL_WINDOW) {
            times.pop_front();
        }
        times.push_back(now);
        times.len()
    }
}

impl Session {
    /// For calls that change nothing.
    #[must_use]
    pub fn read(&self, until: Instant) -> Call<'_> {
        Call { throttle: &self.throttle, guard: None, until }
    }

    /// For calls that change what others see.
    #[must_use]
    pub fn change<'a>(&'a self, guard: &'a Guard, until: Instant) -> Call<'a> {
        Call { throttle: &self.throttle, guard: Some(guard), until }
    }

    /// Without keys: whether the instance has no role, its metadata do not answer, or there are none.
    pub async fn explain(&self, error: AwsError) -> AwsError {
        if !matches!(error.cause, Cause::NoCredentials | Cause::MetadataSlow) {
            return error;
        }
        let path = "/latest/meta-data/iam/security-credentials/";
        let asked = self.clients.metadata.get(path).await;
        match asked {
            Err(aws_config::imds::client::error::ImdsError::ErrorResponse(answer))
                if answer.response().status().as_u16() == 404 =>
            {
                AwsError::new(Cause::RoleMissing, error.call, "the instance has no role (404)")
            }
            Err(metadata) => {
                let words = self::error::chain(&metadata);
                let slow = self::error::is_timeout(&metadata);
                let cause = if slow { Cause::MetadataSlow } else { Cause::NoCredentials };
                let detail = format!("{}; instance metadata: {words}", error.detail);
                AwsError { cause, detail, ..error }
            }
            Ok(_) => error,
        }
    }

    /// This instance's Availability Zone, by its metadata.
    ///
    /// # Errors
    /// Where they do not answer.
    pub async fn own_zone(&self) -> Result<String, AwsError> {
        let asked = self.clients.metadata.get("/latest/meta-data/placement/availability-zone");
        asked.await.map(String::from).map_err(|error| {
            AwsError::new(Cause::MetadataSlow, "instance metadata", error.to_string())
        })
    }
}
