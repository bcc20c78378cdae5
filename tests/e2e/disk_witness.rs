//! Two servers and a disk that both reach (WS-2): they are parted, one is lost, the disk is lost.

use std::fs::{self, File};
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::harness::{Cluster, condition, group, until};
use crate::lifecycle::{lives, started};

/// A service that writes down its number, and before that whom of its forerunners it met alive.
const SERVICE: &str = r#"
for one in $(cat DIR/journal 2>/dev/null); do
    grep -q '^State:.[^Z]' "/proc/$one/status" 2>/dev/null && echo "$$ met $one" >> DIR/two
done
echo $$ >> DIR/journal
exec sleep 100000
"#;

/// A folder with the disk, the service and what it wrote.
struct Lab(tempfile::TempDir);

impl Lab {
    /// And a cluster that has started; the disk is made ready on one server only.
    fn new() -> (Self, Cluster) {
        let (lab, mut cluster) = Self::unstarted("");
        cluster.start_all();
        (lab, cluster)
    }

    /// The same, before any server starts, with more settings.
    fn unstarted(more: &str) -> (Self, Cluster) {
        let lab = Self(tempfile::tempdir().unwrap());
        let folder = lab.0.path().display().to_string();
        fs::write(lab.path("service"), SERVICE.replace("DIR", &folder)).unwrap();
        let disk = lab.path("disk").display().to_string();
        let command = format!("command: [/bin/sh, {folder}/service]");
        let cluster = Cluster::apart(&format!(
            "  arbitration: {{type: Disk, disk: {{device: {disk}, ioTimeout: 1s}}}}\n{more}{}",
            group(&["node1", "node2"], &command)
        ));
        for (index, answer) in [(0, "is ready for"), (1, "was ready for")] {
            let root = cluster.servers[index].root.display().to_string();
            let init = ["disk-arbiter", "init", "--create", "--device", &disk, "--root", &root];
            let said = cluster.stead(&init);
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(said.status.success() && text.contains(answer), "{said:?}");
        }
        (lab, cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The service of this start, the last one, which is alive.
    fn service(&self, start: usize) -> u32 {
        let last = started(&self.path("journal"), start)[start - 1];
        assert!(lives(last));
        last
    }

    /// None met another, the present one included.
    fn none_met_another(&self) {
        assert!(!self.path("two").exists(), "{:?}", fs::read_to_string(self.path("two")));
    }
}

/// The active server is the one that the disk does not favour: so the group moves.
#[test]
fn of_two_parted_servers_the_disk_lets_one_go_on_and_it_takes_over_from_a_lost_one() {
    let (lab, mut cluster) = Lab::new();
    cluster.online("web");
    let moved = cluster.stead(&["group", "move", "web", "--to", "node2"]);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    cluster.online_where("web", |now| now == "node2");
    let before = lab.service(2);

    cluster.part(true);
    cluster.online_where("web", |now| now == "node1");
    assert!(!lives(before));
    let after = lab.service(3);

    cluster.part(false);
    cluster.until("server", "node2", |server| server["status"]["state"] == "Out");
    assert_eq!(cluster.online("web"), "node1");
    lab.service(3);

    let returned = cluster.stead(&["server", "return", "node2"]);
    assert!(returned.status.success(), "{}", String::from_utf8_lossy(&returned.stderr));
    cluster.server("node1").cut_power(Some(after));
    cluster.online_where("web", |now| now == "node2");
    lab.service(4);
    lab.none_met_another();
}

#[test]
fn a_lost_disk_is_told_and_nothing_runs_without_disk_and_peer() {
    let (lab, mut cluster) = Lab::new();
    let first = cluster.online("web");
    let service = lab.service(1);
    let kept = fs::read(lab.path("disk")).unwrap();

    File::options().write(true).open(lab.path("disk")).unwrap().set_len(0).unwrap();
    let told = cluster
        .until("cluster", "test", |cluster| condition(cluster, "Degraded").1.contains("disk"));
    assert_eq!(condition(&told, "Degraded").0, "ArbitrationUnknown");
    assert_eq!(cluster.online("web"), first);
    lab.service(1);

    let peer = if first == "node1" { "node2" } else { "node1" };
    cluster.server(peer).cut_power(None);
    until("the service ends", || !lives(service));

    // The disk alone is enough.
    fs::write(lab.path("disk"), kept).unwrap();
    cluster.online_where("web", |now| now == first);
    lab.service(2);
    lab.none_met_another();
}

/// The new run has claimed nothing, and runs nothing; what the earlier one claimed, and started, its keeper
/// has kept.
#[test]
fn what_a_replaced_agent_had_claimed_is_waited_for_by_one_that_sees_the_disk_for_the_first_time() {
    let (lab, mut cluster) = Lab::unstarted("  startup: {waitForServers: 2s}\n");
    cluster.part(true);
    // First: what it owes to nobody but its own start is over when the other's service runs.
    cluster.server("node1").start_without(&lab.path("disk"));
    cluster.until("cluster", "test", |cluster| {
        cluster["status"]["arbiter"].as_str().unwrap_or_default().contains("to open the disk")
    });
    let read = cluster.stead(&["get", "servers"]);
    let warned = String::from_utf8_lossy(&read.stderr).into_owned();
    assert!(warned.starts_with("Warning: this server follows no leader"), "{warned}");
    let (reason, message) = condition(&cluster.object("failovergroup", "web").unwrap(), "Ready");
    assert_eq!(reason, "GroupUnknown");
    assert!(message.contains("does not lead"), "{message}");
    cluster.server("node2").start();
    // Who follows no leader is asked first; the other is found once it leads.
    let told = cluster.stead(&["group", "start", "web"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert_eq!(cluster.online("web"), "node2");
    lab.service(1);

    let agent = cluster.server("node2").agent.take().unwrap();
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait());
    let before = fs::read(lab.path("disk")).unwrap();
    cluster.server("node2").start();
    until("the new agent writes its slot", || fs::read(lab.path("disk")).unwrap() != before);
    let umount = format!("umount {}", lab.path("disk").display());
    cluster.server("node1").on_its_disk(&umount);

    cluster.online_where("web", |now| now == "node1");
    lab.service(2);
    lab.none_met_another();
}
