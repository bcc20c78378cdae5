//! What other servers hold that the store of this one lacks: what a recovery from it would lose.
//!
//! They are asked as servers ask each other, with this server's own certificate. Whoever gives no
//! answer is named: what only it holds is not known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use kube::config::Kubeconfig;
use serde_json::{Value, json};

use crate::agent::config::{AgentConfig, Layout, Peer};
use crate::cli::connection::{clients, root_cause};
use crate::cli::failure::Failure;
use crate::cli::kinds::{CLUSTER, GROUP, Kind, MONITOR, RESOURCE};
use crate::cli::output::{list, text};
use crate::engine::model::{ObjectKey, Objects};

/// How long a server may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// What people write.
const KINDS: [&Kind; 4] = [&CLUSTER, &GROUP, &RESOURCE, &MONITOR];

/// People's objects, as far as they wrote them.
type Written = BTreeMap<ObjectKey, Value>;

/// What each other server holds, in words, a paragraph each.
///
/// # Errors
/// Where this server's keys can't be used.
pub(super) async fn compared(layout: &Layout, own: &Objects) -> Result<String, Failure> {
    let config = AgentConfig::read(layout).map_err(anyhow::Error::from)?;
    let own = people(own);
    let asked = config.peers.iter().map(|peer| paragraph(layout, &config, peer, &own));
    let paragraphs: Result<Vec<String>, Failure> = join_all(asked).await.into_iter().collect();
    Ok(paragraphs?.concat())
}

/// Of a store what is asked of the others, too: operations come and go by themselves.
fn people(objects: &Objects) -> Written {
    let asked = objects.iter().filter(|(key, _)| KINDS.iter().any(|kind| kind.kind == key.kind));
    let read = asked.filter_map(|(key, object)| {
        Some((key.clone(), written(&serde_json::from_str(&object.json).ok()?)))
    });
    read.collect()
}

async fn paragraph(
    layout: &Layout,
    config: &AgentConfig,
    peer: &Peer,
    own: &Written,
) -> Result<String, Failure> {
    let name = &peer.name;
    let mut why = "it has no address".to_owned();
    for (address, client) in clients(&kubeconfig(layout, config, peer)?, None).await? {
        match tokio::time::timeout(ANSWER, held(&client)).await {
            Ok(Ok((theirs, leader))) => return Ok(difference(name, own, &theirs, &leader)),
            Ok(Err(error)) => why = format!("{address}: {}", root_cause(&error.into())),
            Err(_) => why = format!("{address}: no answer within {ANSWER:?}"),
        }
    }
    Ok(format!("{name} can't be asked ({why}): what only it holds is not known.\n"))
}

/// One context for each of its addresses.
fn kubeconfig(layout: &Layout, config: &AgentConfig, peer: &Peer) -> Result<Kubeconfig, Failure> {
    let trust = |path| layout.etc().join(path);
    let addresses = || peer.endpoint.addresses.values();
    let clusters = addresses().map(|address| {
        json!({"name": address, "cluster": {
            "server": format!("https://{}", SocketAddr::new(*address, peer.endpoint.api_port)),
            "certificate-authority": trust(&config.trust.authority),
        }})
    });
    let contexts = addresses()
        .map(|address| json!({"name": address, "context": {"cluster": address, "user": "server"}}));
    let value = json!({
        "clusters": clusters.collect::<Vec<_>>(),
        "contexts": contexts.collect::<Vec<_>>(),
        "users": [{"name": "server", "user": {
            "client-certificate": trust(&config.trust.certificate),
            "client-key": trust(&config.trust.private_key),
        }}],
    });
    serde_json::from_value(value).map_err(|error| Failure::error(error.to_string()))
}

/// What a server holds, and who leads as it sees it.
async fn held(client: &kube::Client) -> Result<(Written, String), kube::Error> {
    let (mut all, mut leader) = (Written::new(), String::new());
    for kind in KINDS {
        let request = Request::get(kind.path(None)).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        let answer: Value = client.request(request).await?;
        for object in list(&answer, "/items") {
            leader.push_str(text(object, "/status/leader"));
            all.insert(ObjectKey::new(kind.kind, text(object, "/metadata/name")), written(object));
        }
    }
    Ok((all, leader))
}

/// Of an object what a person wrote.
fn written(object: &Value) -> Value {
    let of = |pointer| object.pointer(pointer).cloned().unwrap_or(Value::Null);
    json!([of("/spec"), of("/metadata/labels"), of("/metadata/annotations")])
}

fn difference(server: &str, own: &Written, theirs: &Written, leader: &str) -> String {
    let mut words = String::new();
    let mut tell = |what: &str, keys: Vec<&ObjectKey>| {
        if !keys.is_empty() {
            let _ = writeln!(words, "{server} {what}:");
            for key in keys {
                let _ = writeln!(words, "  {}/{}", key.kind, key.name);
            }
        }
    };
    tell(
        "holds, and this store does not, so that it is lost",
        theirs.keys().filter(|key| !own.contains_key(*key)).collect(),
    );
    let other =
        |(key, value): &(&ObjectKey, &Value)| own.get(*key).is_some_and(|ours| ours != *value);
    tell(
        "holds otherwise than this store, whose form goes on",
        theirs.iter().filter(other).map(|(key, _)| key).collect(),
    );
    tell(
        "does not hold, though this store does, so that it is there again",
        own.keys().filter(|key| !theirs.contains_key(*key)).collect(),
    );
    if words.is_empty() {
        words = format!("{server} holds the same objects.\n");
    }
    if !leader.is_empty() {
        let _ = writeln!(
            words,
            "{server} says that {leader} LEADS NOW: end that first, or start this agent to join it."
        );
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Revision;
    use crate::engine::model::StoredObject;

    fn store(objects: &[(&str, &str, Value)]) -> Written {
        let object = |(kind, name, spec): &(&str, &str, Value)| {
            (ObjectKey::new(*kind, *name), written(&json!({"spec": spec, "status": {"x": 1}})))
        };
        objects.iter().map(object).collect()
    }

    #[test]
    fn an_operation_of_this_store_is_nothing_that_comes_back() {
        let mut objects = Objects::new();
        for (kind, name) in [("Operation", "move-1"), ("Resource", "app")] {
            let object = StoredObject { revision: Revision(1), json: r#"{"spec": {}}"#.into() };
            objects.insert(ObjectKey::new(kind, name), object);
        }
        let own: Vec<String> = people(&objects).into_keys().map(|key| key.name).collect();
        assert_eq!(own, ["app"]);
    }

    #[test]
    fn what_is_lost_changed_and_back_again_is_named_and_who_leads() {
        let app = |spec| ("Resource", "app", spec);
        let own = store(&[app(json!({"a": 1})), ("Resource", "old", json!({}))]);
        let theirs = store(&[app(json!({"a": 2})), ("FailoverGroup", "batch", json!({}))]);
        assert_eq!(
            difference("node2", &own, &theirs, ""),
            "node2 holds, and this store does not, so that it is lost:\n  FailoverGroup/batch\n\
             node2 holds otherwise than this store, whose form goes on:\n  Resource/app\n\
             node2 does not hold, though this store does, so that it is there again:\n  \
             Resource/old\n"
        );
        assert_eq!(difference("node2", &own, &own, ""), "node2 holds the same objects.\n");
        assert!(difference("node2", &own, &own, "node3").contains("node3 LEADS NOW"));
    }
}
