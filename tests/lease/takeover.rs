//! What a lease makes of two servers: each fault, and what users must see of it.

use crate::cluster::{Cluster, until};

fn says(status: &serde_json::Value, words: &str) -> bool {
    status["arbiter"].as_str().is_some_and(|arbiter| arbiter.contains(words))
}

fn members(status: &serde_json::Value) -> usize {
    status["members"].as_array().map_or(0, Vec::len)
}

/// One story, so that the servers start once.
#[test]
fn two_servers_with_a_lease_serve_through_every_single_fault_and_never_twice() {
    let mut cluster = Cluster::new();
    cluster.start();
    cluster.until(0, "both are members, and one holds", |status| {
        members(status) == 2 && says(status, " holds the lease in term ")
    });
    let service = cluster.service();
    let shown = cluster.stead(0, &["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("holds the lease in term"), "{shown}");
    assert!(shown.contains(" since 2") && shown.contains("s3://leases/stead/web"), "{shown}");

    // The store is gone alone: both servers answer each other, and the service goes on.
    cluster.reach_store(false);
    cluster.until(0, "the store is missed", |status| says(status, "no answer within"));
    let timing = cluster.until(0, "times are shown", |status| status["timing"].is_object());
    let lease = timing["status"]["timing"]["lease"].as_str().unwrap().to_owned();
    stays(&cluster, service, &lease);
    cluster.reach_store(true);
    cluster.until(0, "the lease is held again", |status| says(status, "holds the lease"));

    // The servers don't hear each other, and both reach the store: who holds goes on.
    cluster.heartbeats(false);
    let leader = leader_alone(&cluster);
    stays(&cluster, service, &lease);
    cluster.heartbeats(true);
    cluster.until(leader, "both are members again", |status| members(status) == 2);
    assert_eq!(cluster.service(), service, "the service never moved");

    // The server that serves is gone: the other one takes over after the TTL.
    let active = active(&cluster);
    cluster.kill(active);
    let other = 1 - active;
    let holds = format!("vm{} holds the lease in term", other + 1);
    cluster.until(other, "the other holds the lease", |status| says(status, &holds));
    let second = cluster.service();
    assert_ne!(second, service);

    // The peer is gone, and now the store: nobody may go on.
    cluster.reach_store(false);
    until("the service is stopped", || !cluster.serves());
    // It comes back by itself with the store.
    cluster.reach_store(true);
    let third = cluster.service();
    assert!(third != second && third != service);
    assert_eq!(cluster.most_at_once(), 1, "two services at once");
    assert!(!cluster.written().contains("hunter2"), "a secret in the log");
}

/// The service lives on for longer than two leases.
fn stays(cluster: &Cluster, service: i32, lease: &str) {
    let lease: f64 = lease.trim_end_matches(" ms").trim_end_matches('s').parse().unwrap_or(6.0);
    let lease = if lease > 100.0 { lease / 1000.0 } else { lease };
    let mut looks = (2.0 * lease / 0.05) as u32;
    until("two leases have passed", || {
        assert!(cluster.serves(), "the service ended");
        assert_eq!(cluster.service(), service, "the service moved");
        looks = looks.saturating_sub(1);
        looks == 0
    });
}

/// The server that leads without the other.
fn leader_alone(cluster: &Cluster) -> usize {
    let mut leader = None;
    until("one of them goes on alone", || {
        leader = (0..2).find(|server| {
            let output = cluster.stead(*server, &["get", "cluster", "--output", "json"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let item = if value["items"].is_array() { &value["items"][0] } else { &value };
            members(&item["status"]) == 1 && says(&item["status"], "holds the lease")
        });
        leader.is_some()
    });
    leader.unwrap()
}

/// The server that runs the group.
fn active(cluster: &Cluster) -> usize {
    let mut active = None;
    until("the group is on one server", || {
        let output = cluster.stead(0, &["get", "failovergroup", "web", "--output", "json"]);
        let group: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        active = match group["status"]["server"].as_str() {
            Some("vm1") => Some(0),
            Some("vm2") => Some(1),
            _ => None,
        };
        active.is_some()
    });
    active.unwrap()
}
