//! What becomes of a group when its server's processes come and go.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{self, ALL, Cluster, journaled, lines, until, written};

/// A group of one service, which writes down each of its starts.
pub fn group(journal: &Path) -> String {
    harness::group(&ALL, &journaled("$$", journal))
}

/// The processes that the service was so far, as it wrote them down.
pub fn starts(journal: &Path) -> Vec<u32> {
    lines(journal).iter().map(|line| line.parse().unwrap()).collect()
}

/// The same once it was started this often, and no more.
pub fn started(journal: &Path, times: usize) -> Vec<u32> {
    written(journal, times).iter().map(|line| line.parse().unwrap()).collect()
}

pub fn lives(process: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return false };
    // One that has ended, and that nobody has asked about, still has a number.
    !status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

fn cluster() -> (tempfile::TempDir, std::path::PathBuf, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let cluster = Cluster::start(&group(&journal));
    (folder, journal, cluster)
}

#[test]
fn a_group_starts_and_survives_its_agents_replacement_untouched() {
    let (_folder, journal, mut cluster) = cluster();
    let server = cluster.online("web");
    let before = started(&journal, 1);
    // What takes effect at the next start only is still pending after the replacement.
    let change = r#"{"spec": {"exec": {"environment": {"CHANGED": "yes"}}}}"#;
    let patch =
        cluster.kubectl(&["patch", "resources.stead.dev", "app", "--type=merge", "-p", change]);
    assert!(patch.status.success(), "{}", String::from_utf8_lossy(&patch.stderr));
    cluster.until("failovergroup", "web", restart_pending);
    let agent = cluster.server(&server).agent.take().unwrap();
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(), "a retired agent ends in good order");
    assert!(lives(before[0]), "the service goes on without its agent");
    cluster.server(&server).start();
    cluster.until("server", &server, |server| server["status"]["state"] == "Online");
    cluster.until("failovergroup", "web", restart_pending);
    cluster.online_where("web", |now| now == server);
    assert_eq!(starts(&journal), before);
    assert!(lives(before[0]));
}

fn restart_pending(group: &serde_json::Value) -> bool {
    let conditions = group["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "RestartPending"))
}

#[test]
fn a_replaced_disk_is_filled_by_the_others_and_two_of_them_wait_for_a_person() {
    let (_folder, _journal, mut cluster) = cluster();
    cluster.online("web");
    let first = cluster.object("server", "node3").unwrap()["status"]["incarnation"].clone();
    cluster.servers[2].lose_disk();
    cluster.servers[2].start();
    let filled = cluster.until("server", "node3", |server| {
        server["status"]["state"] == "Out" && server["status"]["incarnation"] != first
    });
    assert!(filled["status"]["incarnation"].is_string());
    cluster.until("cluster", "test", |cluster| {
        cluster["status"]["members"].as_array().is_some_and(|members| members.len() == 3)
    });
    cluster.servers.iter_mut().for_each(crate::harness::Server::stop);
    cluster.servers[0].lose_disk();
    cluster.servers[1].lose_disk();
    cluster.servers.iter_mut().for_each(crate::harness::Server::start);
    for server in &cluster.servers[..2] {
        until("the new disk is told", || server.log().contains("DiskUnknown"));
    }
    let refused = cluster.servers[2].recover(&["--yes"]);
    assert!(!refused.status.success(), "its agent runs");
    cluster.servers[2].stop();
    let tried = cluster.servers[2].recover(&["--dry-run"]);
    let text = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(tried.status.success() && text.contains("What may be lost"), "{text}");
    let done = cluster.servers[2].recover(&["--yes"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    cluster.servers[2].start();
    // A forced return: what it is to run on is for a person to say, too.
    cluster.until("failovergroup", "web", |group| {
        group["status"]["message"].as_str().is_some_and(|text| text.contains("was recovered from"))
    });
    assert!(cluster.stead(&["group", "start", "web"]).status.success());
    cluster.online("web");
}

/// What would be lost is listed first: what a server holds that answers, and who does not.
#[test]
fn a_recovery_lists_what_only_other_servers_hold() {
    let (_folder, _journal, mut cluster) = cluster();
    cluster.online("web");
    cluster.servers[2].stop();
    cluster.until("server", "node3", |server| server["status"]["state"] != "Online");
    let spare = "apiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\n\
                 metadata: {name: spare}\nspec: {servers: [node1, node2]}\n";
    let file = cluster.servers[2].root.join("spare.yaml");
    fs::write(&file, spare).unwrap();
    let applied = cluster.stead(&["apply", "--filename", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let change = r#"{"spec": {"exec": {"environment": {"CHANGED": "yes"}}}}"#;
    let patch =
        cluster.kubectl(&["patch", "resources.stead.dev", "app", "--type=merge", "-p", change]);
    assert!(patch.status.success(), "{}", String::from_utf8_lossy(&patch.stderr));

    let words = |cluster: &Cluster| {
        let tried = cluster.servers[2].recover(&["--dry-run"]);
        assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
        String::from_utf8_lossy(&tried.stdout).into_owned()
    };
    let said = words(&cluster);
    for server in ["node1", "node2"] {
        for words in [
            "holds, and this store does not, so that it is lost:\n  FailoverGroup/spare\n",
            "holds otherwise than this store, whose form goes on:\n  Resource/app\n",
            "says that node",
        ] {
            assert!(said.contains(&format!("{server} {words}")), "{said}");
        }
    }
    // One that is left without a majority still says what it has.
    cluster.servers[0].stop();
    until("nobody leads", || !words(&cluster).contains("LEADS NOW"));
    let said = words(&cluster);
    assert!(said.contains("node1 can't be asked"), "{said}");
    assert!(said.contains("node2 holds,") && said.contains("FailoverGroup/spare"), "{said}");
}

#[test]
fn a_cluster_is_shut_down_on_purpose_and_starts_again_when_its_agents_do() {
    let (_folder, journal, mut cluster) = cluster();
    cluster.online("web");
    let asked = cluster.stead(&["cluster", "shutdown"]);
    assert!(!asked.status.success(), "nobody at a terminal confirmed it");
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(text.contains("group web, active on") && text.contains("server node3"), "{text}");
    let tried = cluster.stead(&["cluster", "shutdown", "--dry-run=server"]);
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
    let done = cluster.stead(&["cluster", "shutdown", "--yes"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for server in &mut cluster.servers {
        let agent = server.agent.take().unwrap();
        assert!(agent.wait(), "{} ends in good order", server.name);
        assert!(server.log().contains("has stopped cleanly"), "{}", server.log());
    }
    assert!(!lives(started(&journal, 1)[0]));
    cluster.servers.iter_mut().for_each(crate::harness::Server::start);
    cluster.online("web");
    started(&journal, 2);
    for server in ["node1", "node2", "node3"] {
        cluster.until("server", server, |server| server["status"]["state"] == "Online");
    }
}

#[test]
fn a_lost_agent_takes_its_services_with_it_and_the_group_goes_elsewhere() {
    let (_folder, journal, mut cluster) = cluster();
    let first = cluster.online("web");
    let process = started(&journal, 1)[0];
    let agent = cluster.server(&first).agent.take().unwrap();
    agent.signal(Signal::SIGKILL);
    assert!(!agent.wait());
    let second = cluster.online_where("web", |now| now != first);
    until("the first service ends", || !lives(process));
    started(&journal, 2);
    assert_ne!(first, second);
    // It comes back, and stays out until a person returns it.
    cluster.server(&first).start();
    cluster.until("server", &first, |server| server["status"]["state"] == "Out");
    assert!(cluster.stead(&["server", "return", &first]).status.success());
    cluster.until("server", &first, |server| server["status"]["state"] == "Online");
    started(&journal, 2);
}

#[test]
fn a_lost_server_is_taken_over_from_and_a_restarted_cluster_remembers() {
    let (_folder, journal, mut cluster) = cluster();
    let first = cluster.online("web");
    let server = cluster.server(&first);
    let (keeper, agent) = (server.keeper.take().unwrap(), server.agent.take().unwrap());
    keeper.signal(Signal::SIGKILL);
    agent.signal(Signal::SIGKILL);
    drop((keeper, agent));
    let second = cluster.online_where("web", |now| now != first);
    let context = format!("--context=test-{second}");
    let label = cluster.kubectl(&[&context, "label", "failovergroup", "web", "test=kept"]);
    assert!(label.status.success(), "{}", String::from_utf8_lossy(&label.stderr));
    for server in &mut cluster.servers {
        server.agent = None;
        server.keeper = None;
    }
    until("every service ends", || !starts(&journal).iter().any(|process| lives(*process)));
    cluster.servers.iter_mut().for_each(crate::harness::Server::start);
    cluster.online("web");
    let group = cluster.object("failovergroup", "web").unwrap();
    assert_eq!(group["metadata"]["labels"]["test"], "kept");
}

#[test]
fn a_lost_keeper_takes_its_services_with_it_and_the_group_does_not_wait_for_the_next() {
    let (_folder, journal, mut cluster) = cluster();
    let first = cluster.online("web");
    let process = started(&journal, 1)[0];
    let keeper = cluster.server(&first).keeper.take().unwrap();
    keeper.signal(Signal::SIGKILL);
    assert!(!keeper.wait());
    until("the service ends with its keeper", || !lives(process));
    cluster.online_where("web", |now| now != first);
    let processes = started(&journal, 2);
    assert!(lives(processes[1]));
    cluster.server(&first).start();
    cluster.until("server", &first, |server| server["status"]["keeper"] == "ok");
}

#[test]
fn a_full_disk_is_told_holds_up_no_change_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut cluster = Cluster::new(&group(&journal));
    cluster.servers[0].start();
    cluster.servers[1].start_on_small_disk("2m");
    cluster.servers[2].start();
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    let server = cluster.online("web");
    cluster.servers[1].on_its_disk("dd if=/dev/zero of=fill bs=4096");
    // Larger than any page that the state file has free.
    let note = format!("note={}", "x".repeat(60_000));
    let writing = std::thread::scope(|scope| {
        let writing = scope.spawn(|| cluster.kubectl(&["annotate", "failovergroup", "web", &note]));
        let told = || cluster.servers[1].log().contains("No space left on device");
        until("the full disk is told", told);
        assert_eq!(cluster.online("web"), server);
        writing.join().unwrap()
    });
    // Its server has left the view, so that the others could go on.
    assert!(writing.status.success(), "{}", String::from_utf8_lossy(&writing.stderr));
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "2/3");
    cluster.servers[1].on_its_disk("rm fill");
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    assert_eq!(starts(&journal).len(), 1);
}

#[test]
fn a_planned_move_stops_before_it_starts() {
    let (_folder, journal, cluster) = cluster();
    let first = cluster.online("web");
    let target = if first == "node1" { "node2" } else { "node1" };
    let moved = cluster.stead(&["group", "move", "web", "--to", target]);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    cluster.online_where("web", |now| now == target);
    let processes = started(&journal, 2);
    assert!(!lives(processes[0]) && lives(processes[1]));
}
