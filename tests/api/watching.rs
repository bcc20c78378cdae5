//! Watches: nothing is missed, nothing comes twice, and who comes too late is told.

use futures_util::io::{AsyncBufRead, AsyncBufReadExt, Lines};
use futures_util::stream::StreamExt;
use http::{Method, Request};
use serde_json::{Value, json};

use super::harness::{Lab, cluster, group, online};
use super::wire::{ROOT, call, get, post};

type Reader = std::pin::Pin<Box<dyn AsyncBufRead + Send>>;

struct Watch(Lines<Reader>);

async fn watch(client: &kube::Client, query: &str) -> Watch {
    let path = format!("{ROOT}/failovergroups?watch=true&{query}");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let reader: Reader = Box::pin(client.request_stream(request).await.unwrap());
    Watch(reader.lines())
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        let line = self.0.next().await?.unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }

    /// Type and name of the next event.
    async fn told(&mut self) -> (String, String) {
        let event = self.next().await.expect("the watch goes on");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn pair(type_: &str, name: &str) -> (String, String) {
    (type_.to_owned(), name.to_owned())
}

async fn with_group() -> (Lab, kube::Client) {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    post(&client, &format!("{ROOT}/clusters"), &cluster([7381, 7481])).await.is(201);
    post(&client, &format!("{ROOT}/failovergroups"), &group("web")).await.is(201);
    (lab, client)
}

#[tokio::test]
async fn a_watch_resumes_where_the_list_was_read() {
    let (lab, client) = with_group().await;
    let list = get(&client, &format!("{ROOT}/failovergroups")).await.is(200).json();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    lab.publish_status("FailoverGroup", "web", online("node1"));
    post(&client, &format!("{ROOT}/failovergroups"), &group("other")).await.is(201);
    let mut watch = watch(&client, &format!("resourceVersion={version}")).await;
    assert_eq!(watch.told().await, pair("MODIFIED", "web"));
    assert_eq!(watch.told().await, pair("ADDED", "other"));
    lab.publish_status("FailoverGroup", "other", json!({"state": "Offline"}));
    assert_eq!(watch.told().await, pair("MODIFIED", "other"));
    let path = format!("{ROOT}/failovergroups/other");
    call(&client, Method::DELETE, &path, &[], "").await.is(200);
    assert_eq!(watch.told().await, pair("MODIFIED", "other"));
    assert_eq!(watch.told().await, pair("DELETED", "other"));
}

#[tokio::test]
async fn a_watch_from_nowhere_begins_with_what_is_and_marks_the_end_of_it() {
    let (lab, client) = with_group().await;
    let mut plain = watch(&client, "resourceVersion=0").await;
    assert_eq!(plain.told().await, pair("ADDED", "web"));
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut marked = watch(&client, query).await;
    assert_eq!(marked.told().await, pair("ADDED", "web"));
    let bookmark = marked.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    let metadata = &bookmark["object"]["metadata"];
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    lab.publish_status("FailoverGroup", "web", online("node1"));
    assert_eq!(marked.told().await, pair("MODIFIED", "web"));
}

#[tokio::test]
async fn a_watch_with_a_selector_tells_of_coming_and_going() {
    let (_lab, client) = with_group().await;
    let mut watch = watch(&client, "labelSelector=color%3Dblue").await;
    let path = format!("{ROOT}/failovergroups/web");
    let label = |color: Value| {
        let body = json!({"metadata": {"labels": {"color": color}}}).to_string();
        let (client, path) = (client.clone(), path.clone());
        async move {
            let headers = [(http::header::CONTENT_TYPE, "application/merge-patch+json")];
            call(&client, Method::PATCH, &path, &headers, body).await.is(200)
        }
    };
    label("blue".into()).await;
    assert_eq!(watch.told().await, pair("ADDED", "web"));
    label("red".into()).await;
    assert_eq!(watch.told().await, pair("DELETED", "web"));
}

#[tokio::test]
async fn a_watch_ends_in_time_and_when_the_leadership_changes() {
    let (lab, client) = with_group().await;
    let mut short = watch(&client, "timeoutSeconds=1").await;
    assert_eq!(short.told().await, pair("ADDED", "web"));
    assert_eq!(short.next().await, None);
    let mut long = watch(&client, "").await;
    assert_eq!(long.told().await, pair("ADDED", "web"));
    lab.publish_leader(None, false, "the majority is lost");
    assert_eq!(long.next().await, None);
}

#[tokio::test]
async fn versions_of_another_term_are_expired() {
    let (lab, client) = with_group().await;
    let list = get(&client, &format!("{ROOT}/failovergroups")).await.is(200).json();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    lab.publish_leader(None, false, "the majority is lost");
    lab.publish_leader(Some("node1"), true, "");
    lab.publish_status("FailoverGroup", "web", online("node1"));
    get(
        &client,
        &format!(
            "{ROOT}/failovergroups?watch=true&resourceVersion={}",
            version.parse::<u64>().unwrap() - 1
        ),
    )
    .await
    .fails(410, "Expired", "too old resource version");
}
