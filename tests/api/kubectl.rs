//! Real kubectl, old and new.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::harness::{self, Lab, cluster, group, online, program, target};

/// After this long without output kubectl is given something to show.
const NUDGE: Duration = Duration::from_millis(300);
/// After so many times it has hung.
const NUDGES_MAX: u32 = 200;

/// What a run of kubectl gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    #[track_caller]
    fn ok(self, expected: &str) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.says(expected)
    }

    #[track_caller]
    fn fails(self, expected: &str) -> Self {
        assert_ne!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.says(expected)
    }

    #[track_caller]
    fn says(self, expected: &str) -> Self {
        let all = format!("{}\n{}", self.out, self.err);
        assert!(all.contains(expected), "no `{expected}` in\n{all}");
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

struct Kubectl<'a> {
    program: PathBuf,
    lab: &'a Lab,
    user: &'static str,
}

impl Kubectl<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(self.lab.kubeconfig(self.user))
            .arg("--cache-dir")
            .arg(self.lab.folder.path().join("cache"))
            .args(arguments)
            .env("HOME", self.lab.folder.path())
            .env_remove("KUBECONFIG")
            .current_dir(self.lab.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        self.feed(arguments, "").await
    }

    async fn feed(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let run = Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        println!("$ kubectl {}\n[{}]\n{}{}", arguments.join(" "), run.code, run.out, run.err);
        run
    }

    /// Runs until a line of its output contains this, nudging it while nothing comes: when its
    /// watch has begun cannot be seen from outside.
    async fn until(&self, arguments: &[&str], expected: &str, mut nudge: impl FnMut(u32)) {
        println!("$ kubectl {}", arguments.join(" "));
        let mut child = self.command(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut nudges = 0;
        loop {
            match tokio::time::timeout(NUDGE, lines.next_line()).await {
                Ok(line) => {
                    let line = line.unwrap().expect("kubectl ended");
                    println!("{line}");
                    if line.contains(expected) {
                        child.kill().await.unwrap();
                        return;
                    }
                }
                Err(_) => {
                    nudges += 1;
                    assert!(nudges < NUDGES_MAX, "no `{expected}` came");
                    nudge(nudges);
                }
            }
        }
    }
}

/// The kubectls at hand: the two that Debian's archive has, and whatever stands in the path. In CI
/// all must be there.
fn programs() -> &'static [PathBuf] {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup-kubectl.sh");
        let made = std::process::Command::new(script).status().is_ok_and(|made| made.success());
        assert!(made || std::env::var_os("CI").is_none(), "{script} failed");
        let mut programs = Vec::new();
        for suite in ["bookworm", "sid"] {
            let program = target().join("kubectl").join(suite).join("kubectl");
            if program.exists() {
                programs.push(program);
            } else {
                eprintln!("SKIPPED: kubectl of Debian {suite} could not be had");
            }
        }
        let path = std::env::var_os("STEAD_KUBECTL_PATH").unwrap_or_default();
        programs.extend(std::env::split_paths(&path).filter(|program| program.is_file()));
        assert!(!programs.is_empty(), "there is no kubectl to test with");
        programs
    })
}

fn yaml(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}

fn manifests() -> String {
    yaml(&[cluster([7381, 7481]), group("web"), program("app", "web")])
}

macro_rules! with_each_kubectl {
    ($name:ident, $test:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for program in programs() {
                println!("===== {}", program.display());
                let lab = Lab::start().await;
                let kubectl = Kubectl { program: program.clone(), lab: &lab, user: "admin" };
                ($test)(&kubectl).await;
            }
        }
    };
}

with_each_kubectl!(kubectl_finds_out_what_there_is, looks_around);

async fn looks_around(k: &Kubectl<'_>) {
    k.run(&["version"]).await.ok("+stead-");
    let kinds = k.run(&["api-resources"]).await.ok("failovergroups");
    for expected in ["hac", "srv", "fg", "res", "mon", "stead.dev/v1alpha1", "SelfSubject"] {
        assert!(kinds.out.contains(expected), "{expected} in {}", kinds.out);
    }
    k.run(&["api-versions"]).await.ok("stead.dev/v1alpha1");
    k.run(&["get", "namespaces"]).await.ok("default   Active");
    k.run(&["get", "crd"]).await.ok("failovergroups.stead.dev");
    k.run(&["get", "fg"]).await.ok("No resources found");
    k.run(&["get", "widgets"]).await.fails("doesn't have a resource type");
    k.run(&["explain", "fg.spec.servers"]).await.ok("first choice first");
    k.run(&["explain", "resource.spec.exec"]).await.ok("command");
    k.run(&["auth", "can-i", "create", "clusters.stead.dev"]).await.ok("yes");
    let viewer = Kubectl { program: k.program.clone(), lab: k.lab, user: "watcher" };
    viewer.run(&["auth", "can-i", "create", "clusters.stead.dev"]).await.fails("no");
    viewer.run(&["auth", "can-i", "list", "clusters.stead.dev"]).await.ok("yes");
    let rights = viewer.run(&["auth", "can-i", "--list"]).await.ok("[get list watch]");
    assert!(!rights.out.contains("create"), "{}", rights.out);
    k.run(&["get", "fg", "-n", "elsewhere"]).await.fails("one namespace");
}

with_each_kubectl!(kubectl_applies_changes_and_deletes, writes);

async fn writes(k: &Kubectl<'_>) {
    let run = k.feed(&["apply", "-f", "-"], &manifests()).await.ok("cluster.stead.dev/lab created");
    assert!(run.out.contains("failovergroup.stead.dev/web created"), "{}", run.out);
    k.feed(&["apply", "-f", "-"], &manifests()).await.ok("resource.stead.dev/app unchanged");
    let mut changed = group("web");
    changed["spec"]["failback"] = "Automatic".into();
    k.feed(&["diff", "-f", "-"], &yaml(&[changed.clone()])).await.fails("failback: Automatic");
    k.feed(&["apply", "-f", "-", "--dry-run=server"], &yaml(&[changed.clone()]))
        .await
        .ok("server dry run");
    let before = k.run(&["get", "fg", "web", "-o", "json"]).await.ok("").json();
    assert_eq!(before["metadata"]["generation"], 1);
    k.feed(&["apply", "-f", "-"], &yaml(&[changed])).await.ok("web configured");
    let after = k.run(&["get", "fg", "web", "-o", "json"]).await.ok("").json();
    assert_eq!(after["metadata"]["generation"], 2);
    assert_eq!(after["metadata"]["finalizers"], serde_json::json!(["stead.dev/deactivate"]));

    k.feed(&["create", "-f", "-"], &yaml(&[group("web")])).await.fails("already exists");
    k.feed(&["create", "-f", "-"], &yaml(&[group("other")])).await.ok("created");
    let merge = r#"{"spec":{"startup":"Manual"}}"#;
    k.run(&["patch", "fg", "other", "--type", "merge", "-p", merge]).await.ok("patched");
    let json = r#"[{"op":"test","path":"/spec/startup","value":"Manual"},
        {"op":"replace","path":"/spec/startup","value":"Automatic"}]"#;
    k.run(&["patch", "fg", "other", "--type", "json", "-p", json]).await.ok("patched");
    k.run(&["patch", "fg", "other", "--type", "json", "-p", json])
        .await
        .fails("request is invalid");
    k.run(&["patch", "fg", "other", "-p", merge]).await.fails("application/merge-patch+json");
    k.run(&["label", "fg", "other", "color=blue"]).await.ok("labeled");
    k.run(&["annotate", "fg", "other", "note=x"]).await.ok("annotate");
    k.run(&["get", "fg", "-l", "color=blue", "-o", "name"])
        .await
        .ok("failovergroup.stead.dev/other");

    k.lab.publish_status("FailoverGroup", "web", online("node1"));
    k.run(&["delete", "fg", "web"]).await.fails("deletionPolicy is Protect");
    k.lab.publish_status("FailoverGroup", "other", serde_json::json!({"state": "Offline"}));
    k.run(&["delete", "fg", "other"]).await.ok("deleted");
    k.run(&["get", "fg", "other"]).await.fails("not found");
    k.run(&["delete", "res", "app"]).await.ok("deleted");
    k.run(&["delete", "server", "node1"]).await.fails("Cluster.spec.servers");
}

with_each_kubectl!(kubectl_applies_on_the_server_side, server_side);

async fn server_side(k: &Kubectl<'_>) {
    let all = manifests();
    k.feed(&["apply", "--server-side", "-f", "-"], &all).await.ok("serverside-applied");
    let before = k.run(&["get", "fg", "web", "-o", "json"]).await.ok("").json();
    k.feed(&["apply", "--server-side", "-f", "-"], &all).await.ok("serverside-applied");
    let after = k.run(&["get", "fg", "web", "-o", "json"]).await.ok("").json();
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
    let merge = r#"{"spec":{"startup":"Manual"}}"#;
    k.run(&["patch", "fg", "web", "--type", "merge", "-p", merge]).await.ok("patched");
    let mut contested = group("web");
    contested["spec"]["startup"] = "Automatic".into();
    let contested = yaml(&[contested]);
    k.feed(&["apply", "--server-side", "-f", "-"], &contested).await.fails("conflict");
    k.feed(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &contested)
        .await
        .ok("applied");
    // From the client's side to the server's.
    k.feed(&["apply", "-f", "-"], &yaml(&[group("moved")])).await.ok("created");
    k.feed(&["apply", "--server-side", "-f", "-"], &yaml(&[group("moved")])).await.ok("applied");
}

with_each_kubectl!(kubectl_shows_and_waits, shows);

async fn shows(k: &Kubectl<'_>) {
    k.feed(&["apply", "-f", "-"], &manifests()).await.ok("created");
    k.lab.publish_status("FailoverGroup", "web", online("node1"));
    k.lab.publish_event(1, "FailoverGroup", "web", "ServerLost");
    k.lab.publish_event(2, "FailoverGroup", "web", "GroupOnline");
    let table = k.run(&["get", "fg"]).await.ok("LAST FAILOVER");
    let row = table.out.lines().nth(1).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..3], ["web", "Online", "node1"], "{row}");
    assert!(row.contains("True"), "{row}");
    k.run(&["get", "fg", "web", "-o", "wide"]).await.ok("node1");
    k.run(&["get", "fg", "web", "-o", "yaml"]).await.ok("state: Online");
    k.run(&["get", "fg,res,srv,hac"]).await.ok("node2");
    k.run(&["get", "stead"]).await.ok("failovergroup.stead.dev/web");
    let path = "jsonpath={.items[0].status.server}";
    k.run(&["get", "fg", "-o", path]).await.ok("node1");
    k.run(&["get", "fg", "--sort-by", ".metadata.name"]).await.ok("web");
    k.run(&["get", "fg", "-A"]).await.ok("default");
    k.run(&["get", "fg", "-o", "custom-columns=N:.metadata.name"]).await.ok("web");
    let about = k.run(&["describe", "fg", "web"]).await.ok("GroupOnline");
    assert!(about.out.contains("ServerLost"), "{}", about.out);
    k.run(&["get", "events"]).await.ok("failovergroup/web");
    let field = "involvedObject.name=web";
    k.run(&["get", "events", "--field-selector", field]).await.ok("ServerLost");
    let ready = ["wait", "--for=condition=Ready", "fg/web", "--timeout=20s"];
    k.run(&ready).await.ok("condition met");
    let status = |number: u32| {
        let mut status = online("node2");
        status["message"] = format!("change {number}").into();
        k.lab.publish_status("FailoverGroup", "web", status);
    };
    k.until(&["get", "fg", "-w"], "node2", status).await;
    k.until(&["get", "fg", "web", "-w"], "change 2", status).await;
}

with_each_kubectl!(kubectl_is_told_what_is_wrong, mistakes);

async fn mistakes(k: &Kubectl<'_>) {
    let mut typo = group("web");
    typo["spec"]["failbak"] = "Manual".into();
    k.feed(&["apply", "-f", "-"], &yaml(&[typo.clone()])).await.fails("failbak");
    let mut wrong = group("web");
    wrong["spec"]["startup"] = "Sometimes".into();
    k.feed(&["create", "--validate=false", "-f", "-"], &yaml(&[wrong])).await.fails("spec.startup");
    let mut old = group("web");
    old["apiVersion"] = "stead.dev/v1".into();
    k.feed(&["apply", "-f", "-"], &yaml(&[old])).await.fails("no matches for kind");
    let viewer = Kubectl { program: k.program.clone(), lab: k.lab, user: "watcher" };
    viewer.feed(&["create", "-f", "-"], &yaml(&[group("web")])).await.fails("forbidden");
    // A certificate of another authority.
    let foreign = stead::agent::pki::Authority::new("other", harness::now()).unwrap();
    let own = foreign.client("admin", stead::agent::pki::ADMINS, harness::now()).unwrap();
    k.lab.write_kubeconfig("foreign", &k.lab.authority.certificate(), &own);
    let foreign = Kubectl { program: k.program.clone(), lab: k.lab, user: "foreign" };
    foreign.run(&["get", "fg"]).await.fails("Unauthorized");
}
