//! From what the engine observes to what the API serves, and back.

use std::collections::BTreeMap;
use std::fmt::Display;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::inbox::{Inbox, Told};
use super::transport::frame::KeptEvent;
use crate::api::kinds::{ClusterStatus, Condition, ResourceStatus};
use crate::api::names::{ResourceName, ServerName};
use crate::engine::effect::{Change, WriteError};
use crate::engine::ids::Revision;
use crate::engine::model::{ObjectKey, Objects};
use crate::engine::observe::Observation;
use crate::server::apiserver::{PastEvent, Storage, Update, Writer};

/// Publishes an observation.
pub fn publish(
    storage: &Storage,
    observation: Observation,
    objects: &Objects,
    events: Vec<KeptEvent>,
    observed: &BTreeMap<ServerName, BTreeMap<ResourceName, Value>>,
) {
    let mut statuses = BTreeMap::new();
    let (name, cluster) = observation.cluster;
    let message =
        if observation.leader.is_none() { why_not_ready(&cluster) } else { String::new() };
    put(&mut statuses, "Cluster", [(name, cluster)]);
    put(&mut statuses, "Server", observation.servers);
    put(&mut statuses, "FailoverGroup", observation.groups);
    put_resources(&mut statuses, observation.resources, observed);
    put(&mut statuses, "Monitor", observation.monitors);
    storage.publish(Update {
        leader: observation.leader,
        leading: observation.leading,
        message,
        term: observation.term,
        revision: observation.revision,
        objects,
        statuses,
        events: events.into_iter().map(past).collect(),
    });
}

fn past(kept: KeptEvent) -> PastEvent {
    PastEvent { boot: kept.boot, event: kept.event }
}

fn put<Name: Display, Status: Serialize>(
    statuses: &mut BTreeMap<ObjectKey, Value>,
    kind: &str,
    of_kind: impl IntoIterator<Item = (Name, Status)>,
) {
    for (name, status) in of_kind {
        // Our statuses have string keys only, which always make JSON.
        if let Ok(value) = serde_json::to_value(status) {
            statuses.insert(ObjectKey::new(kind, name.to_string()), value);
        }
    }
}

/// With what the server where each is read of it in clouds.
fn put_resources(
    statuses: &mut BTreeMap<ObjectKey, Value>,
    resources: BTreeMap<ResourceName, ResourceStatus>,
    observed: &BTreeMap<ServerName, BTreeMap<ResourceName, Value>>,
) {
    let read: Vec<(ObjectKey, Value)> = resources
        .iter()
        .filter_map(|(name, status)| {
            let there = observed.get(&ServerName::from(status.server.as_deref()?))?;
            Some((ObjectKey::new("Resource", name.as_str()), there.get(name)?.clone()))
        })
        .collect();
    put(statuses, "Resource", resources);
    for (key, state) in read {
        if let Some(Value::Object(status)) = statuses.get_mut(&key) {
            status.insert("observed".to_owned(), state);
        }
    }
}

fn why_not_ready(cluster: &ClusterStatus) -> String {
    let ready = |condition: &&Condition| condition.type_ == "Ready";
    cluster.conditions.iter().find(ready).map(|ready| ready.message.clone()).unwrap_or_default()
}

/// Takes the API's writes to the engine.
#[derive(Clone, Debug)]
pub struct EngineWriter(pub Inbox);

impl Writer for EngineWriter {
    fn write(
        &self,
        changes: Vec<Change>,
        after: Revision,
    ) -> BoxFuture<'static, Result<Revision, WriteError>> {
        let (reply, answer) = oneshot::channel();
        let told = self.0.tell(Told::Write { changes, after, reply });
        async move {
            if !told {
                return Err(WriteError::NotLeader { leader: None });
            }
            // The agent ended in between: nobody can say whether it was made.
            answer.await.unwrap_or(Err(WriteError::Unknown))
        }
        .boxed()
    }
}
