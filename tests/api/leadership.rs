//! Any server takes any request: who does not lead hands it on, and without a leader the last
//! state is read, with a warning.

use futures_util::io::AsyncBufReadExt;
use futures_util::stream::StreamExt;
use http::{Method, Request};
use serde_json::{Value, json};

use super::harness::{Lab, cluster, group, online, years_ago};
use super::wire::{ROOT, call, get, post};

/// A leader and a follower that knows it.
async fn pair() -> (Lab, Lab) {
    let leader = Lab::start().await;
    // The same authority signs for both: a copy of its key, as `stead init` keeps it.
    let follower = leader.follower("node2").await;
    let client = leader.client("admin").await;
    let ports = [leader.address.port(), follower.address.port()];
    post(&client, &format!("{ROOT}/clusters"), &cluster(ports)).await.is(201);
    post(&client, &format!("{ROOT}/failovergroups"), &group("web")).await.is(201);
    follower.replicate(&leader);
    follower.publish_leader(Some("node1"), false, "");
    (leader, follower)
}

#[tokio::test]
async fn a_follower_hands_requests_to_the_leader_with_the_callers_rights() {
    let (leader, follower) = pair().await;
    leader.publish_status("FailoverGroup", "web", online("node1"));
    let client = follower.client("admin").await;
    let path = format!("{ROOT}/failovergroups/web");
    let seen = get(&client, &path).await.is(200).json();
    assert_eq!(seen["status"]["server"], "node1");
    post(&client, &format!("{ROOT}/failovergroups"), &group("other")).await.is(201);
    let own = leader.client("admin").await;
    get(&own, &format!("{ROOT}/failovergroups/other")).await.is(200);
    let viewer = follower.client("watcher").await;
    get(&viewer, &path).await.is(200);
    post(&viewer, &format!("{ROOT}/failovergroups"), &group("x")).await.fails(
        403,
        "Forbidden",
        "watcher",
    );
}

#[tokio::test]
async fn a_watch_through_a_follower_goes_on_until_the_leadership_changes() {
    let (leader, follower) = pair().await;
    let client = follower.client("admin").await;
    let request =
        Request::get(format!("{ROOT}/failovergroups?watch=true")).body(Vec::new()).unwrap();
    let mut lines = Box::pin(client.request_stream(request).await.unwrap()).lines();
    let mut next = async || -> Option<Value> {
        lines.next().await.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    };
    assert_eq!(next().await.unwrap()["type"], "ADDED");
    leader.publish_status("FailoverGroup", "web", online("node2"));
    assert_eq!(next().await.unwrap()["object"]["status"]["server"], "node2");
    follower.publish_leader(None, false, "no view is installed");
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn a_leader_that_refuses_a_followers_certificate_is_named_to_the_caller() {
    let (_leader, follower) = pair().await;
    follower.hands_on_with_a_certificate_of(years_ago());
    let client = follower.client("admin").await;
    let refused = "the leader node1 does not answer: it refused this server's certificate";
    let path = format!("{ROOT}/failovergroups");
    post(&client, &path, &group("x")).await.fails(503, "ServiceUnavailable", refused);
    get(&client, &path).await.is(200).warns(refused);
}

#[tokio::test]
async fn without_a_leader_reads_warn_and_writes_wait() {
    let (_leader, follower) = pair().await;
    follower.publish_leader(None, false, "2 of 3 servers are not heard");
    let client = follower.client("admin").await;
    let path = format!("{ROOT}/failovergroups");
    let list = get(&client, &path).await.is(200).warns("2 of 3 servers are not heard").json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let refused = post(&client, &path, &group("x")).await.fails(
        503,
        "ServiceUnavailable",
        "2 of 3 servers are not heard",
    );
    assert_eq!(refused.headers["retry-after"], "1");
    get(&client, "/readyz").await.is(503);
    get(&client, "/livez").await.is(200);
}

#[tokio::test]
async fn a_leader_that_is_not_there_is_as_none() {
    let (leader, follower) = pair().await;
    drop(leader);
    let client = follower.client("admin").await;
    let path = format!("{ROOT}/failovergroups/web");
    get(&client, &path).await.is(200).warns("node1 does not answer");
    let body = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    let headers = [(http::header::CONTENT_TYPE, "application/merge-patch+json")];
    let refused = call(&client, Method::PATCH, &path, &headers, body).await;
    assert!(refused.code == 503 || refused.code == 500, "{refused:?}");
}

#[tokio::test]
async fn nobody_hands_a_request_on_twice() {
    let (leader, follower) = pair().await;
    // Two servers that each take the other for the leader.
    leader.publish_leader(Some("node2"), false, "");
    let client = follower.client("admin").await;
    let path = format!("{ROOT}/failovergroups/web");
    get(&client, &path).await.fails(503, "ServiceUnavailable", "node2 is about to lead");
}
