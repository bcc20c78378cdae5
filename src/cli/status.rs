//! `stead status`: the whole cluster at a glance.

mod tree;

use std::io::IsTerminal as _;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt as _};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Global;
use super::connection::Connection;
use super::failure::Failure;
use super::kinds::{CLUSTER, GROUP, Kind, MONITOR, OPERATION, RESOURCE, SERVER, escape};
use super::output::{ObjectOutput, list, print, render, text};
use crate::api::kinds::{Cluster, FailoverGroup, Monitor, Operation, Resource, Server};

/// Show the whole cluster: servers, paths, view, groups, resources, monitors, and what is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Go on and show each change.
    #[arg(short, long)]
    watch: bool,
    /// Print it as an object.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

/// Everything that is shown.
#[derive(Debug, Default)]
struct Snapshot {
    clusters: Vec<Cluster>,
    servers: Vec<Server>,
    groups: Vec<FailoverGroup>,
    resources: Vec<Resource>,
    monitors: Vec<Monitor>,
    operations: Vec<Operation>,
}

/// The kinds of a snapshot.
const PARTS: [&Kind; 6] = [&CLUSTER, &SERVER, &GROUP, &RESOURCE, &MONITOR, &OPERATION];
/// Without a change, ages are shown anew after this.
const REFRESH: Duration = Duration::from_secs(5);
/// Changes that come this soon after one are shown with it.
const GATHER: Duration = Duration::from_millis(100);

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let connection = Connection::open(global).await?;
    loop {
        let lists = match load(&connection).await {
            Err(Failure::Error(error)) if arguments.watch => {
                eprintln!("{error}");
                continue;
            }
            other => other?,
        };
        let text = match arguments.output {
            None => tree::render(&Snapshot::read(&lists)?, Timestamp::now()),
            Some(output) => render(&as_object(&lists), output)?,
        };
        let clears = arguments.watch && arguments.output.is_none();
        if clears && std::io::stdout().is_terminal() {
            print("\x1b[H\x1b[2J\x1b[3J")?;
        }
        print(&text)?;
        if !arguments.watch {
            return Ok(());
        }
        changed(&connection, &lists, arguments.output.is_none()).await;
    }
}

/// A list of each kind.
async fn load(connection: &Connection) -> Result<Vec<Value>, Failure> {
    let mut lists = Vec::new();
    for kind in PARTS {
        lists.push(connection.list(kind).await?);
    }
    Ok(lists)
}

/// Waits for a change of anything; where ages are shown, not much longer than they stay true.
async fn changed(connection: &Connection, lists: &[Value], refresh: bool) {
    let mut changes = SelectAll::new();
    for (kind, list) in PARTS.iter().zip(lists) {
        let version = escape(text(list, "/metadata/resourceVersion"));
        let path = format!("{}?watch=true&resourceVersion={version}", kind.path(None));
        match connection.watch(&path, false).await {
            Ok(stream) => changes.push(stream),
            // The next load finds another server.
            Err(_) => return,
        }
    }
    if refresh {
        // Both outcomes mean the same: show it anew.
        let _ = tokio::time::timeout(REFRESH, changes.next()).await;
    } else {
        changes.next().await;
    }
    let gather = async { while changes.next().await.is_some() {} };
    // What matters is that the time has passed, or that every stream has ended.
    let _ = tokio::time::timeout(GATHER, gather).await;
}

fn as_object(lists: &[Value]) -> Value {
    let mut object = json!({"kind": "ClusterSnapshot", "items": []});
    for (kind, items) in PARTS.iter().zip(lists) {
        object[kind.plural] = Value::Array(list(items, "/items").to_vec());
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("items");
    }
    object
}

impl Snapshot {
    fn read(lists: &[Value]) -> Result<Self, Failure> {
        let [clusters, servers, groups, resources, monitors, operations] = lists else {
            return Ok(Self::default());
        };
        Ok(Self {
            clusters: items(clusters)?,
            servers: items(servers)?,
            groups: items(groups)?,
            resources: items(resources)?,
            monitors: items(monitors)?,
            operations: items(operations)?,
        })
    }
}

fn items<T: DeserializeOwned>(answer: &Value) -> Result<Vec<T>, Failure> {
    list(answer, "/items")
        .iter()
        .map(|item| {
            T::deserialize(item).map_err(|error| {
                let name = super::output::name(item);
                Failure::error(format!(
                    "{name} has a form that this release does not know: {error}"
                ))
            })
        })
        .collect()
}
