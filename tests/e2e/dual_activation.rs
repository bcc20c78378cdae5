//! A group that two parts of a divided cluster ran at once (CP-32): no arbiter kept either of them
//! from acting. What becomes of it when they meet.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Cluster, condition, group, until};
use crate::lifecycle::{lives, started, starts};

/// A folder with what the service wrote.
struct Lab(tempfile::TempDir);

impl Lab {
    /// Two servers, each of which runs the group and knows nothing of the other; the service's
    /// processes, in the order of their starts.
    fn divided(policy: &str) -> (Self, Cluster, [u32; 2]) {
        let lab = Self(tempfile::tempdir().unwrap());
        let (journal, stops) = (lab.path("journal"), lab.path("stops"));
        let exec = format!(
            "start: [/bin/sh, -c, 'sleep 100000 & echo $! >> {}']\n    \
             stop: [/bin/sh, -c, 'echo $STEAD_SERVER_NAME >> {}']",
            journal.display(),
            stops.display()
        );
        let mut cluster = Cluster::apart(&format!(
            "  arbitration: {{type: None, onDualActivation: {policy}}}\n{}",
            group(&["node1", "node2"], &exec)
        ));
        cluster.start_all();
        assert_eq!(cluster.online("web"), "node1");
        cluster.part(true);
        let both = started(&journal, 2);
        assert!(both.iter().all(|one| lives(*one)), "nothing is divided: {both:?}");
        (lab, cluster, [both[0], both[1]])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What ran a stop script, which writes.
    fn stopped_by_script(&self) -> String {
        fs::read_to_string(self.path("stops")).unwrap_or_default()
    }

    fn starts(&self) -> usize {
        starts(&self.path("journal")).len()
    }
}

/// Both are told of it: each answers so for itself.
fn both_tell(cluster: &Cluster, reason: &str, words: &str) {
    for server in ["node1", "node2"] {
        until("each server tells it", || {
            let context = format!("test-{server}");
            let asked = ["get", "fg", "web", "--output", "json", "--context", &context];
            let said = cluster.stead(&asked).stdout;
            let group: Value = serde_json::from_slice(&said).unwrap_or_default();
            let (because, message) = condition(&group, "DualActivation");
            because == reason && message.contains(words)
        });
    }
}

#[test]
fn copies_that_met_are_all_ended_and_the_group_waits_for_a_person() {
    let (lab, cluster, both) = Lab::divided("StopBoth");
    cluster.part(false);
    until("both copies end", || both.iter().all(|one| !lives(*one)));
    both_tell(&cluster, "BothStopped", "it ran on node1, node2 at once; every copy was ended");
    // A stop script would have written to the data that two had in hand.
    assert_eq!(lab.stopped_by_script(), "");
    assert_eq!(lab.starts(), 2);

    assert!(cluster.stead(&["group", "start", "web"]).status.success());
    cluster.online("web");
    let group = cluster.object("failovergroup", "web").unwrap();
    assert_eq!(condition(&group, "DualActivation").0, "");
    assert_eq!(lab.starts(), 3);
}

#[test]
fn the_preferred_copy_goes_on_untouched_where_the_manifest_says_so() {
    let (lab, cluster, [preferred, other]) = Lab::divided("KeepPreferred");
    cluster.part(false);
    until("the other copy ends", || !lives(other));
    both_tell(&cluster, "OneKept", "it ran on node1, node2 at once; the copy on node1 went on");
    assert_eq!(lab.stopped_by_script(), "");
    assert_eq!(cluster.online("web"), "node1");
    assert!(lives(preferred) && lab.starts() == 2, "the copy that is kept was disturbed");
}
