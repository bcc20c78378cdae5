//! Frozen servers, in process namespaces of their own, are switched off by killing process 1.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;

use crate::harness::{
    ALL, Cluster, condition, group, journaled, lines, pause, signal_namespace, until, written,
};

/// A folder with a journal of the service's starts, one of the fence's uses, and the fence.
struct Lab {
    folder: tempfile::TempDir,
    _device: Device,
}

impl Lab {
    fn new(fence: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new(folder.path().to_owned());
        let lab = Self { folder, _device: device };
        let script = format!(
            "#!/bin/sh\nd={}\necho \"$STEAD_FENCE_MODE $STEAD_FENCE_SERVER\" >>$d/fence\n\
             [ $STEAD_FENCE_MODE = check ] && exit 0\n{fence}\n",
            lab.folder.path().display()
        );
        fs::write(lab.path("script"), script).unwrap();
        fs::set_permissions(lab.path("script"), fs::Permissions::from_mode(0o755)).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How the fence was used.
    fn uses(&self) -> Vec<String> {
        lines(&self.path("fence"))
    }

    /// Where the service was started, which was this often.
    fn starts(&self, times: usize) -> Vec<String> {
        written(&self.path("journal"), times)
    }

    fn stops(&self) -> usize {
        self.uses().iter().filter(|line| line.starts_with("stop")).count()
    }

    fn cluster(&self, fencing: &str) -> Cluster {
        let script = self.path("script");
        let script = script.display();
        let mut cluster = Cluster::new(&format!(
            "  fencing:\n    takeover: Fenced\n    retryInterval: 1s\n    {fencing}\n    levels:\n    \
             - methods:\n      - name: kill\n        type: Script\n        timeout: 20s\n        \
             retries: 0\n        script: {{command: [{script}]}}\n\
             {}",
            group(&ALL, &journaled("$STEAD_SERVER_NAME", &self.path("journal")))
        ));
        for server in &mut cluster.servers {
            let first = server.start_in_namespace();
            fs::write(self.path(&server.name), first.to_string()).unwrap();
        }
        cluster
    }
}

fn freeze(first: &Path) {
    let first = fs::read_to_string(first).unwrap();
    signal_namespace(first.parse().unwrap(), Signal::SIGSTOP);
}

/// Asks the device, and waits until it says that the server is off.
const KILL: &str = "touch $d/request.$STEAD_FENCE_SERVER\n\
                    while [ ! -e $d/off.$STEAD_FENCE_SERVER ]; do sleep 0.05; done; exit 0";

/// What stands outside of all servers and kills process 1 of whom it is asked to.
struct Device {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    fn new(folder: PathBuf) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                for server in ["node1", "node2", "node3"] {
                    if folder.join(format!("request.{server}")).exists() {
                        switch_off(&folder, server);
                    }
                }
                pause();
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn switch_off(folder: &Path, server: &str) {
    let off = folder.join(format!("off.{server}"));
    let Ok(first) = fs::read_to_string(folder.join(server)) else { return };
    if off.exists() {
        return;
    }
    let process = nix::unistd::Pid::from_raw(first.parse().unwrap());
    let _ = nix::sys::signal::kill(process, Signal::SIGKILL);
    if !Path::new(&format!("/proc/{first}/ns/pid")).exists() {
        fs::write(off, "").unwrap();
    }
}

#[test]
fn a_frozen_server_is_fenced_before_its_group_starts_elsewhere() {
    let lab = Lab::new(KILL);
    let cluster = lab.cluster("onFailure: Block");
    let first = cluster.online("web");
    lab.starts(1);
    cluster
        .until("cluster", "test", |cluster| condition(cluster, "FencingReady").0 == "FencingReady");
    assert_eq!(lab.stops(), 0);
    freeze(&lab.path(&first));
    let second = cluster.online_where("web", |now| now != first);
    // What was confirmed is what freed it: the frozen one can't thaw any more.
    let first_process = fs::read_to_string(lab.path(&first)).unwrap();
    assert!(!Path::new(&format!("/proc/{first_process}/ns/pid")).exists());
    assert_eq!(lab.uses().iter().filter(|line| **line == format!("stop {first}")).count(), 1);
    assert_eq!(lab.starts(2), [first.clone(), second]);
    let why = cluster.stead(&["why", "failovergroup/web"]);
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("ServerFenced"), "{why}");
}

#[test]
fn a_fence_that_fails_blocks_the_takeover_until_a_person_certifies_and_a_clean_stop_needs_none() {
    let lab = Lab::new("[ -e $d/repaired ] || { echo no such machine; exit 3; }\nexit 0");
    let mut cluster = lab.cluster("onFailure: Block");
    let first = cluster.online("web");
    lab.starts(1);
    freeze(&lab.path(&first));
    let group = cluster.until("failovergroup", "web", |group| {
        condition(group, "Ready").0 == "WaitingForFencingFailed"
    });
    let message = condition(&group, "Ready").1;
    assert!(message.contains("exited with code 3") && message.contains(&first), "{message}");
    assert_eq!(lab.starts(1), std::slice::from_ref(&first));
    // Without the flag nobody certifies anything.
    assert!(!cluster.stead(&["server", "confirm-down", &first]).status.success());
    let said = cluster.stead(&["server", "confirm-down", &first, "--certify"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let second = cluster.online_where("web", |now| now != first);
    lab.starts(2);
    // One that is heard can't be certified to be down.
    let said = cluster.stead(&["server", "confirm-down", &second, "--certify"]);
    assert!(!said.status.success());
    // By hand, once the device is repaired.
    fs::write(lab.path("repaired"), "").unwrap();
    let said = cluster.stead(&["server", "fence", &first]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    cluster.server(&first).kill_namespace();
}

#[test]
fn what_could_not_be_fenced_is_taken_over_loudly_where_the_manifest_accepts_it() {
    let lab = Lab::new("exit 1");
    let cluster = lab.cluster("onFailure: Continue");
    let first = cluster.online("web");
    lab.starts(1);
    freeze(&lab.path(&first));
    cluster.online_where("web", |now| now != first);
    let events = cluster.stead(&["events"]);
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    assert!(events.contains("FencingOverridden"), "{events}");
}

#[test]
fn a_server_that_was_stopped_in_good_order_is_not_fenced() {
    let lab = Lab::new(KILL);
    let mut cluster = lab.cluster("onFailure: Block");
    let first = cluster.online("web");
    // As `systemctl stop` of both units does.
    cluster.server(&first).end_in_namespace();
    cluster.online_where("web", |now| now != first);
    assert_eq!(lab.stops(), 0, "{:?}", lab.uses());
}

#[test]
fn a_device_that_can_not_be_used_is_found_before_it_is_needed() {
    let lab = Lab::new(KILL);
    let cluster = lab.cluster("checkInterval: 10s");
    cluster
        .until("cluster", "test", |cluster| condition(cluster, "FencingReady").0 == "FencingReady");
    fs::set_permissions(lab.path("script"), fs::Permissions::from_mode(0o644)).unwrap();
    let found = cluster.until("cluster", "test", |cluster| {
        condition(cluster, "FencingReady").0 == "FencingUnable"
    });
    let message = condition(&found, "FencingReady").1;
    assert!(message.contains("is not executable"), "{message}");
    until("it is told", || {
        let events = cluster.stead(&["events"]);
        String::from_utf8_lossy(&events.stdout).contains("FencingUnable")
    });
}

/// A fence agent that does what a file says: metadata as it should be, the rest not.
const AGENT: &str = r#"#!/bin/sh
while read -r line; do case $line in action=*) action=${line#action=};; esac; done
case $action in
metadata) cat <<END
<resource-agent name="fence_test"><parameters><parameter name="plug"/></parameters>
<actions><action name="off"/><action name="status"/></actions></resource-agent>
END
exit 0;;
esac
case $(cat DIR/does).$action in
wrong-password.*) echo "login denied" >&2; exit 1;;
lies.off) exit 0;;
lies.status) exit 0;;
hangs.status) exit 0;;
hangs.off) exec sleep 1000;;
works.off) touch DIR/off; exit 0;;
works.status) [ -e DIR/off ] && exit 2; exit 0;;
esac
exit 1
"#;

/// Wrong credentials are found by day; what lies or hangs is no confirmation, and blocks.
#[test]
fn an_agent_with_a_wrong_password_is_found_by_day_and_one_that_lies_or_hangs_frees_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let does = |what: &str| fs::write(path("does"), what).unwrap();
    does("wrong-password");
    let agent = path("fence_test");
    fs::write(&agent, AGENT.replace("DIR", &folder.path().display().to_string())).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let (agent, journal) = (agent.display(), path("journal"));
    let mut cluster = Cluster::new(&format!(
        "  fencing:\n    takeover: Fenced\n    retryInterval: 1s\n    checkInterval: 10s\n    \
         levels:\n    - methods:\n      - name: bmc\n        type: FenceAgent\n        \
         timeout: 3s\n        retries: 0\n        fenceAgent: {{agent: {agent}}}\n        \
         perServer:\n        - {{name: node1, parameters: {{plug: \"1\"}}}}\n        \
         - {{name: node2, parameters: {{plug: \"2\"}}}}\n        \
         - {{name: node3, parameters: {{plug: \"3\"}}}}\n\
         {}",
        group(&ALL, &journaled("$STEAD_SERVER_NAME", &journal))
    ));
    for server in &mut cluster.servers {
        let first = server.start_in_namespace();
        fs::write(folder.path().join(&server.name), first.to_string()).unwrap();
    }
    let first = cluster.online("web");
    written(&journal, 1);
    let ready = |cluster: &Cluster, reason: &str| {
        let found = cluster
            .until("cluster", "test", |cluster| condition(cluster, "FencingReady").0 == reason);
        condition(&found, "FencingReady").1
    };
    let message = ready(&cluster, "FencingUnable");
    assert!(message.contains("login denied"), "{message}");
    // It reaches the device now, so no check can find what it is.
    does("lies");
    ready(&cluster, "FencingReady");
    freeze(&path(&first));
    let blocked = |cluster: &Cluster, why: &str| {
        cluster.until("failovergroup", "web", |group| {
            let (reason, message) = condition(group, "Ready");
            reason == "WaitingForFencingFailed" && message.contains(why)
        });
    };
    blocked(&cluster, "status says on still");
    does("hangs");
    blocked(&cluster, "no answer within");
    // Nothing was confirmed.
    written(&journal, 1);
    does("works");
    cluster.online_where("web", |now| now != first);
    written(&journal, 2);
    cluster.server(&first).kill_namespace();
}
