//! Servers that are cut off from the others: what goes on, what ends, and what ends it.

use nix::sys::signal::Signal;

use crate::harness::{Cluster, WITNESS, group, journaled, until};
use crate::lifecycle::{lives, started, starts};

/// WS-2 with a witness server: without it the service goes on and it is told, without it and the peer
/// nothing does.
#[test]
fn a_lost_witness_is_told_and_nothing_runs_without_witness_and_peer() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let command = journaled("$$", &journal);
    let mut cluster = Cluster::start(&format!("{WITNESS}{}", group(&["node1", "node2"], &command)));
    let first = cluster.online("web");
    assert_ne!(first, "node3");
    let process = started(&journal, 1)[0];

    cluster.server("node3").stop();
    cluster.until("cluster", "test", |cluster| {
        let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Degraded" && message.contains("node3")
        })
    });
    assert_eq!(cluster.online("web"), first);
    assert!(lives(started(&journal, 1)[0]));

    let peer = if first == "node1" { "node2" } else { "node1" };
    cluster.server(peer).stop();
    until("the service ends", || !lives(process));

    // One of the two is enough again.
    cluster.server("node3").start();
    started(&journal, 2);
    assert_eq!(cluster.online("web"), first);
}

/// An emergency shutdown does not wait for a stop script that hangs: the keeper ends it with all
/// services, and only then is the machine ended.
#[test]
fn an_emergency_shutdown_ends_services_though_their_stop_script_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, stops) = (folder.path().join("journal"), folder.path().join("stops"));
    let exec = format!(
        "start: [/bin/sh, -c, 'sleep 100000 & echo $! >> {}']\n    \
         stop: [/bin/sh, -c, 'echo $$ >> {}; exec sleep 100000']",
        journal.display(),
        stops.display()
    );
    let cluster = Cluster::start(&format!(
        "  arbitration: {{onPartition: Shutdown}}\n{}",
        group(&["node1", "node2"], &exec)
    ));
    let first = cluster.online("web");
    let service = started(&journal, 1)[0];
    let stop = cluster.stead(&["group", "stop", "web", "--no-wait"]);
    assert!(stop.status.success(), "{}", String::from_utf8_lossy(&stop.stderr));
    until("the stop script runs", || !starts(&stops).is_empty());
    let script = starts(&stops)[0];
    assert!(lives(script) && lives(service));

    for server in cluster.servers.iter().filter(|server| server.name != first) {
        server.agent.as_ref().unwrap().signal(Signal::SIGSTOP);
    }
    until("service and stop script end", || !lives(service) && !lives(script));
    // `power: None` in tests: it says what it would do.
    let name = first.clone();
    until("the machine is told to end", || {
        let server = cluster.servers.iter().find(|server| server.name == name).unwrap();
        server.log().contains("this machine is not ended")
    });
}
