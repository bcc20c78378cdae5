//! Certificates, keys and clocks that are not as they should be.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Clock, Cluster, Server, until};
use crate::lifecycle::{group, lives, started};

const YEAR: i64 = 366 * 24 * 3600;

fn servers(number: &str) -> impl Fn(&Value) -> bool {
    move |cluster| cluster["status"]["servers"] == number
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn expired_certificates_are_told_and_stop_clients_but_no_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let past = Clock::ahead(folder.path(), -2 * YEAR);
    let mut cluster = Cluster::new_at(&group(&journal), Some(&past));
    cluster.servers.iter_mut().for_each(Server::start);
    let first = started(&journal, 1)[0];
    for server in &cluster.servers {
        until("it is told", || server.log().contains("it expired on"));
    }
    for refused in [cluster.stead(&["status"]), cluster.kubectl(&["get", "fg"])] {
        assert!(!refused.status.success());
        let said = text(&refused).to_lowercase();
        assert!(said.contains("expired"), "{said}");
    }
    // Nobody can be asked where it runs: its parent is the keeper of its server.
    let holder = cluster.servers.iter_mut().find(|server| {
        let parent = fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
        let keeper = server.keeper.as_ref().unwrap().id().to_string();
        parent.rsplit_once(") ").unwrap().1.split(' ').nth(1) == Some(keeper.as_str())
    });
    drop(holder.unwrap().agent.take());
    started(&journal, 2);
    until("the first service ends", || !lives(first));
}

#[test]
fn a_server_with_a_certificate_of_another_authority_is_named_and_parts_nobody_else() {
    let other = Cluster::new("");
    let mut cluster = Cluster::new("");
    cluster.servers[2].take_trust(&other.servers[2], &["server.crt", "server.key"]);
    cluster.servers.iter_mut().for_each(Server::start);
    // Heartbeats are authenticated by the cluster's key: it is a member like any other.
    cluster.until("cluster", "test", servers("3/3"));
    for server in &cluster.servers[..2] {
        let told = || server.log().contains("peer=node3 reason=\"invalid peer certificate");
        until("its certificate is refused, and who has it is told", told);
    }
    let direct = cluster.kubectl(&["--context=test-node3", "get", "srv"]);
    assert!(!direct.status.success());
    assert!(text(&direct).contains("failed to verify certificate"), "{}", text(&direct));
    // What is too large for a datagram reaches the two others all the same.
    assert!(cluster.stead(&["get", "srv"]).status.success());
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_refused_at_the_start() {
    let other = Cluster::new("");
    let cluster = Cluster::new("");
    let server = &cluster.servers[0];
    server.take_trust(&other.servers[0], &["server.key"]);
    let refused = server.second_agent();
    assert!(!refused.status.success());
    assert!(text(&refused).contains("failed to use the certificate or key"), "{}", text(&refused));
}

#[test]
fn a_server_with_another_clusters_key_is_not_heard_and_disturbs_nobody() {
    let other = Cluster::new("");
    let mut cluster = Cluster::new("");
    cluster.servers[2].take_trust(&other.servers[2], &["cluster.key"]);
    cluster.servers.iter_mut().for_each(Server::start);
    let formed = cluster.until("cluster", "test", servers("2/3"));
    for server in &cluster.servers[..2] {
        until("its packets are told of", || server.log().contains("refusal=not authentic"));
    }
    until("it tells the same", || cluster.servers[2].log().contains("refusal=not authentic"));
    let after = cluster.until("cluster", "test", servers("2/3"));
    assert_eq!(after["status"]["term"], formed["status"]["term"]);
    // With the right key it is one of them.
    cluster.servers[2].stop();
    let (good, bad) = cluster.servers.split_at(2);
    bad[0].take_trust(&good[0], &["cluster.key"]);
    cluster.servers[2].start();
    cluster.until("cluster", "test", servers("3/3"));
}

#[test]
fn a_server_whose_wall_clock_is_off_takes_part_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let (hour, years) = (folder.path().join("hour"), folder.path().join("years"));
    fs::create_dir_all(&hour).unwrap();
    fs::create_dir_all(&years).unwrap();
    let (hour, years) = (Clock::ahead(&hour, 3600), Clock::ahead(&years, 3 * YEAR));
    let mut cluster = Cluster::new(&group(&journal));
    cluster.servers[0].start();
    cluster.servers[1].start_at(Some(&hour));
    cluster.servers[2].start_at(Some(&years));
    cluster.until("cluster", "test", servers("3/3"));
    // Each is measured against the leader.
    let offset = |name: &str| {
        let server = cluster.object("server", name)?;
        server["status"]["clockOffsetMilliseconds"].as_i64()
    };
    until("the clock that is off is shown", || {
        let apart = offset("node2").zip(offset("node1")).map(|(two, one)| (two - one).abs());
        apart.is_some_and(|apart| (3_500_000..3_700_000).contains(&apart))
    });
    for to in ["node2", "node3"] {
        cluster.online("web");
        let moved = cluster.stead(&["group", "move", "web", "--to", to]);
        assert!(moved.status.success(), "{}", text(&moved));
        cluster.online_where("web", |now| now == to);
    }
    // An hour is within what certificates allow; three years are not, by that server's own clock.
    let hour = cluster.kubectl(&["--context=test-node2", "get", "srv"]);
    assert!(hour.status.success(), "{}", text(&hour));
    let years = cluster.kubectl(&["--context=test-node3", "get", "srv"]);
    assert!(!years.status.success());
    assert!(text(&years).contains("expired"), "{}", text(&years));
    assert!(cluster.servers[2].log().contains("it expired on"), "{}", cluster.servers[2].log());
}

#[test]
fn a_cluster_that_was_stopped_goes_on_with_new_keys_and_what_it_had_stored() {
    let mut cluster = Cluster::start("");
    cluster.until("cluster", "test", servers("3/3"));
    let label = cluster.stead(&["get", "cluster", "test", "--output", "json"]);
    let before: Value = serde_json::from_slice(&label.stdout).unwrap();
    let key = fs::read(cluster.servers[0].trust("cluster.key")).unwrap();
    cluster.servers.iter_mut().for_each(Server::stop);
    cluster.init_again();
    assert_ne!(fs::read(cluster.servers[0].trust("cluster.key")).unwrap(), key);
    cluster.servers.iter_mut().for_each(Server::start);
    // Whoever was stopped first may have been put out by those that were still there.
    let whole = |cluster: &Value| cluster["status"]["members"].as_array().map(Vec::len) == Some(3);
    let after = cluster.until("cluster", "test", whole);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let term = |cluster: &Value| cluster["status"]["term"].as_u64();
    assert!(term(&after) > term(&before), "{after}");
}
