//! The cluster's API, asked through whichever server answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use k8s_openapi::api::core::v1::Event as KubernetesEvent;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use stead::agent::clock::boot_time;
use stead::api::kinds::{Cluster, FailoverGroup, FailoverGroupStatus, Server, ServerState};
use stead::engine::time::Instant;
use tokio::time::{interval, timeout};

/// Between two looks at something that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A server that does not answer in this time is passed over.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened; all servers of the demo share a clock.
    pub at: Instant,
    /// Its number at the server that says it: the order within one instant.
    pub number: u64,
    /// Who says it.
    pub server: String,
    /// Its id in the message catalogue.
    pub reason: String,
    /// What it is about: kind and name.
    pub object: (String, String),
    /// In words.
    pub message: String,
    /// The values in the words.
    pub parameters: BTreeMap<String, String>,
}

/// A client for each server.
pub struct ClusterApi {
    clients: BTreeMap<String, Client>,
}

impl ClusterApi {
    /// Reads the kubeconfig that `stead init` made.
    pub async fn new(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut clients = BTreeMap::new();
        for context in &kubeconfig.contexts {
            let options =
                KubeConfigOptions { context: Some(context.name.clone()), ..Default::default() };
            let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await?;
            config.default_retry = false;
            config.connect_timeout = Some(PATIENCE);
            config.read_timeout = Some(PATIENCE);
            clients.insert(context.name.clone(), Client::try_from(config)?);
        }
        Ok(Self { clients })
    }

    /// Asks one server after the other until one answers.
    async fn ask<T>(&self, question: impl AsyncFn(Client) -> kube::Result<T>) -> Result<T> {
        let mut said = anyhow!("the kubeconfig names no server");
        for (context, client) in &self.clients {
            match timeout(PATIENCE, question(client.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => said = anyhow!("{context}: {error}"),
                Err(_) => said = anyhow!("{context}: no answer within {PATIENCE:?}"),
            }
        }
        Err(said)
    }

    /// The cluster.
    pub async fn cluster(&self, name: &str) -> Result<Cluster> {
        self.ask(async |client| Api::default_namespaced(client).get(name).await).await
    }

    /// What is known of a group.
    pub async fn group(&self, name: &str) -> Result<FailoverGroupStatus> {
        let group: FailoverGroup =
            self.ask(async |client| Api::default_namespaced(client).get(name).await).await?;
        Ok(group.status.unwrap_or_default())
    }

    /// Where each server stands.
    pub async fn servers(&self) -> Result<BTreeMap<String, (ServerState, String)>> {
        let servers = self
            .ask(async |client| {
                Api::<Server>::default_namespaced(client).list(&ListParams::default()).await
            })
            .await?;
        Ok(servers
            .into_iter()
            .map(|server| {
                let status = server.status.unwrap_or_default();
                (server.metadata.name.unwrap_or_default(), (status.state, status.message))
            })
            .collect())
    }

    /// Every event since an instant, in order.
    pub async fn events(&self, since: Instant) -> Result<Vec<Event>> {
        let events = self
            .ask(async |client| {
                Api::<KubernetesEvent>::default_namespaced(client)
                    .list(&ListParams::default())
                    .await
            })
            .await?;
        let mut events: Vec<Event> = events.into_iter().filter_map(read_event).collect();
        events.retain(|event| event.at >= since);
        events.sort_by_key(|event| (event.at, event.number));
        Ok(events)
    }
}

fn read_event(event: KubernetesEvent) -> Option<Event> {
    let annotations = event.metadata.annotations?;
    let annotation = |name: &str| annotations.get(&format!("stead.dev/{name}"));
    let parameters = annotation("parameters").map_or("{}", String::as_str);
    Some(Event {
        at: Instant(annotation("instant")?.parse().ok()?),
        number: annotation("number")?.parse().ok()?,
        server: annotation("server")?.clone(),
        reason: event.reason.unwrap_or_default(),
        object: (
            event.involved_object.kind.unwrap_or_default(),
            event.involved_object.name.unwrap_or_default(),
        ),
        message: event.message.unwrap_or_default(),
        parameters: serde_json::from_str(parameters).ok()?,
    })
}

/// Looks again and again until a thing is there. What each look says instead becomes the error
/// once the limit has passed.
pub async fn until<T>(what: &str, limit: Duration, look: impl AsyncFn() -> Result<T>) -> Result<T> {
    let end = boot_time()? + limit;
    let mut looks = interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        match look().await {
            Ok(found) => return Ok(found),
            Err(error) if boot_time()? >= end => {
                return Err(error).with_context(|| format!("waited {limit:?} for {what}"));
            }
            Err(_) => {}
        }
    }
}

/// An error where a thing is not as it should be.
pub fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if !holds {
        bail!(otherwise());
    }
    Ok(())
}
