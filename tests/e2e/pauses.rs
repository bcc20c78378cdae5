//! Servers that stand still as they announced, and servers that did not (OP-26).

use nix::sys::signal::Signal;

use crate::harness::{ALL, Cluster, group, journaled, signal_namespace, until, written};

fn events(cluster: &Cluster) -> String {
    String::from_utf8_lossy(&cluster.stead(&["events"]).stdout).into_owned()
}

#[test]
fn an_announced_standstill_moves_nothing_and_another_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut cluster = Cluster::new(&group(&ALL, &journaled("$STEAD_SERVER_NAME", &journal)));
    for server in &mut cluster.servers {
        server.start_in_namespace();
    }
    let first = cluster.online("web");
    written(&journal, 1);

    let refused = cluster.stead(&["server", "pause", &first, "--for", "5m"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("heartbeat.pauseMax"), "{said}");

    let announced = cluster.stead(&["server", "pause", &first, "--for", "8s"]);
    assert!(announced.status.success(), "{}", String::from_utf8_lossy(&announced.stderr));
    let process = cluster.server(&first).first.unwrap();
    signal_namespace(process, Signal::SIGSTOP);
    // It stands still as long as kubectl waits in vain for a takeover: three time-outs.
    let other = if first == "node1" { "node2" } else { "node1" };
    let taken_over = cluster.kubectl(&[
        &format!("--context=test-{other}"),
        "wait",
        "fg/web",
        "--for=condition=Ready=false",
        "--timeout=3s",
    ]);
    let said = String::from_utf8_lossy(&taken_over.stderr).into_owned();
    assert!(said.contains("timed out"), "{said}");
    signal_namespace(process, Signal::SIGCONT);
    let over = |cluster: &Cluster| events(cluster).contains("PauseEnds");
    until("the pause is over", || over(&cluster));
    assert_eq!(cluster.online("web"), first);
    assert_eq!(written(&journal, 1), std::slice::from_ref(&first));
    assert!(!events(&cluster).contains("ServerLost"), "{}", events(&cluster));

    signal_namespace(process, Signal::SIGSTOP);
    let second = cluster.online_where("web", |now| now != first);
    assert_eq!(written(&journal, 2), [first, second]);
}
