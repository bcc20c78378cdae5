//! Every subcommand against a cluster, with the kubeconfig that `stead init` made.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::Cluster;

/// A group of one service and a spare one, which nobody has started.
const GROUPS: &str = "---
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {name: web}
spec: {servers: [node1, node2, node3]}
---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {name: app}
spec: {group: web, type: Exec, exec: {command: [/bin/sleep, '100000']}}
";

/// What applies well, and has a monitor of its own.
const MORE: &str = "apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {name: batch, labels: {tier: back}}
spec: {servers: [node2, node3], startup: Manual, deletionPolicy: Delete}
---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {name: job}
spec: {group: batch, type: Exec, exec: {command: [/bin/sleep, '100000']}}
";

/// What a run of the program gave.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Ends with this code, having said all of these.
    #[track_caller]
    fn is(self, code: i32, words: &[&str]) -> Self {
        let Self { out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "{out}\n{err}");
        for word in words {
            assert!(out.contains(word) || err.contains(word), "no `{word}` in\n{out}\n{err}");
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

impl Cluster {
    #[track_caller]
    fn says(&self, arguments: &str, code: i32, words: &[&str]) -> Run {
        println!("$ stead {arguments}");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        Run::of(&self.stead(&arguments)).is(code, words)
    }
}

#[test]
fn every_subcommand_works_against_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(GROUPS);
    let first = cluster.online("web");
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    shows(&cluster, &first);
    applies_and_deletes(&cluster, folder.path());
    let first = moves(&cluster, &first);
    takes_servers_out(&cluster, &first);
    refuses_what_is_wrong(&cluster, folder.path());
}

fn shows(cluster: &Cluster, first: &str) {
    let online = format!("Online on {first}");
    cluster.says("status", 0, &["test", "3 of 3 servers", "node3", "keeper ok", &online, "└─ app"]);
    let status = cluster.says("status -o json", 0, &[]).json();
    assert!(status.to_string().contains("\"web\""), "{status}");
    cluster.says("get fg", 0, &["NAME", "web", "Online", first]);
    cluster.says("get all", 0, &["cluster.stead.dev/test", "resource.stead.dev/app"]);
    cluster.says("get fg/web res/app -o name", 0, &["failovergroup.stead.dev/web"]);
    let group = cluster.says("get fg web -o json", 0, &[]).json();
    assert_eq!(group["status"]["server"], first);
    cluster.says("get fg web -o yaml", 0, &["kind: FailoverGroup", "state: Online"]);
    cluster.says("get mon -l tier=front", 0, &["there are no monitors"]);
    cluster.says("describe fg web", 0, &["Name:", "Conditions:", "Ready", "Events:"]);
    cluster.says("describe srv", 0, &["node1", "node2", "node3"]);
    cluster.says("events --for fg/web", 0, &["REASON", "GroupOnline", "web is active on"]);
    let events = cluster.says("events --last 2 -o json", 0, &[]).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
    cluster.says("why web", 0, &[&online, "because", "GroupGranted", "It is not on"]);
    cluster.says("why srv/node1", 0, &["node1 is Online"]);
    cluster.says("explain GroupOnline", 0, &["Cause", "Remedy"]);
    cluster.says("explain event ServerLst", 1, &["did you mean `ServerLost`?"]);
    for shell in ["bash", "zsh", "fish"] {
        cluster.says(&format!("completion {shell}"), 0, &["port-check"]);
    }
}

fn applies_and_deletes(cluster: &Cluster, folder: &Path) {
    let good = folder.join("good.yaml");
    fs::write(&good, MORE).unwrap();
    let good = good.display();
    let made = ["failovergroup.stead.dev/batch created", "resource.stead.dev/job created"];
    for how in ["client", "server"] {
        cluster.says(&format!("apply -f {good} --dry-run={how}"), 0, &["batch", "dry run"]);
        cluster.says("get fg batch", 1, &["\"batch\" not found"]);
    }
    cluster.says(&format!("apply -f {good}"), 0, &made);
    cluster.says(&format!("apply -f {good}"), 0, &["job unchanged"]);
    cluster.says("get fg -l tier=back -o name", 0, &["failovergroup.stead.dev/batch"]);
    cluster.says("group start batch --to node3", 0, &["batch is online on node3"]);

    let bad = folder.join("bad.yaml");
    fs::write(&bad, MORE.replace("node3", "node4").replace("command", "comand")).unwrap();
    let mistakes = ["bad.yaml:4", "node4", "node1, node2, node3", "bad.yaml:9", "`command`"];
    let refused = cluster.says(&format!("apply -f {}", bad.display()), 4, &mistakes);
    assert_eq!(refused.out, "");
    cluster.says(&format!("apply -f {}/none.yaml", folder.display()), 1, &["none.yaml"]);
    let unchanged = cluster.object("failovergroup", "batch").unwrap();
    assert_eq!(unchanged["spec"]["servers"][1], "node3");

    cluster.says("delete fg web", 4, &["deletionPolicy is Protect", "stead group stop web"]);
    cluster.says("delete fg nosuch", 1, &["\"nosuch\" not found"]);
    cluster.says("delete fg nosuch --ignore-not-found", 0, &[]);
    cluster.says(&format!("delete -f {good}"), 0, &["batch", "deleted"]);
    cluster.says("get res job", 1, &["not found"]);
}

fn moves(cluster: &Cluster, first: &str) -> String {
    let to = if first == "node2" { "node3" } else { "node2" };
    cluster.says(&format!("group move web --to {to}"), 0, &[&format!("online on {to}")]);
    cluster.says("group failover web", 0, &["web is online on"]);
    assert_ne!(cluster.online("web"), to);
    cluster.says("group stop web", 0, &["web"]);
    cluster.until("failovergroup", "web", |group| group["status"]["state"] == "Offline");
    cluster.says("group start web", 0, &["web is online on"]);
    cluster.says("group restart web", 0, &["web is online on"]);
    let before = cluster.online("web");
    let planned = cluster.says("group stop web --dry-run=client", 0, &["type: StopGroup"]);
    assert!(planned.out.contains("group: web"));
    assert_eq!(cluster.online("web"), before);
    cluster.says("get op", 0, &["MoveGroup", "FailoverGroup", "RestartGroup", "Succeeded"]);
    before
}

fn takes_servers_out(cluster: &Cluster, holder: &str) {
    cluster.says(&format!("server detach {holder}"), 0, &[holder]);
    let elsewhere = cluster.online_where("web", |server| server != holder);
    cluster.says(&format!("group move web --to {holder}"), 4, &["detached"]);
    let because = [&*format!("It is not on {holder} because"), "still holds web", "Detached"];
    let why = cluster.says("why web", 0, &because);
    assert!(!why.out.contains("Restarted"), "what was before the detachment is no cause of it");
    cluster.says(&format!("server return {holder}"), 0, &[holder]);
    assert_eq!(cluster.online("web"), elsewhere);
    cluster.says("events", 0, &["ServerReturned"]);
}

fn refuses_what_is_wrong(cluster: &Cluster, folder: &Path) {
    cluster.says("get fg nosuch", 1, &["\"nosuch\" not found"]);
    cluster.says("get fgx", 2, &["did you mean `fg`?"]);
    cluster.says("describe fg nosuch", 1, &["\"nosuch\" not found"]);
    cluster.says("why nosuch", 1, &["no object named nosuch"]);
    cluster.says("group move nosuch", 4, &["is no group of this cluster; there is web"]);
    cluster.says("group move web --to nosuch", 4, &["is no server of this cluster", "node3"]);
    cluster.says("server return nosuch", 4, &["is no server of this cluster"]);
    cluster.says("frobnicate", 2, &["unrecognized subcommand 'frobnicate'"]);
    cluster.says("status --bogus", 2, &["unexpected argument '--bogus'"]);
    cluster.says("group move", 2, &["<GROUP>"]);
    cluster.says("--context nosuch status", 1, &["no context nosuch"]);
    let missing = format!("--kubeconfig {}/none status", folder.display());
    cluster.says(&missing, 1, &["failed to read kubeconfig"]);
}

#[test]
fn where_no_server_answers_every_one_that_was_asked_is_named() {
    let cluster = Cluster::new(GROUPS);
    for command in ["status", "get fg", "group move web", "why web", "events"] {
        let all = ["no server of the cluster answers", "node1", "node2", "node3", "refused"];
        cluster.says(command, 1, &all);
    }
    // What needs no cluster goes on.
    cluster.says("explain ServerLost", 0, &["Remedy"]);
}

#[test]
fn a_ports_check_says_by_its_code_what_it_found() {
    let cluster = Cluster::new("");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = format!("port-check -h 127.0.0.1 -p {port}");
    let open = cluster.says(&check, 0, &[]);
    assert_eq!((open.out.as_str(), open.err.as_str()), ("", ""));
    drop(listener);
    cluster.says(&check, 1, &["refused"]);
    cluster.says("port-check -h 127.0.0.1 -p nosuch", 3, &["nosuch"]);
    cluster.says("port-check -h 127.0.0.1", 3, &["--port"]);
}

/// A bar for whoever looks at a terminal, and nothing of it in files and pipes.
#[test]
fn a_rehearsal_shows_its_progress_on_a_terminal_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plays.json");
    let stead = env!("CARGO_BIN_EXE_stead");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/quickstart");
    let words = ["rehearse", "-f", quickstart, "--faults", "single", "--filter", "power"];
    let words = [&words[..], &["-o", "json"]].concat();
    // Its own output goes to a file, so what is on the terminal came from elsewhere.
    let line = format!("'{stead}' '{}' > '{}'", words.join("' '"), file.display());
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    let shown = Run::of(&terminal.output().unwrap()).is(0, &["rehearsing [####", "3 of 3 faults"]);
    assert!(shown.out.ends_with("\x1b[K"), "the bar stays: {:?}", shown.out);

    let piped = Run::of(&Command::new(stead).args(words).output().unwrap()).is(0, &[]);
    assert_eq!(piped.err, "");
    assert_eq!(piped.out, fs::read_to_string(&file).unwrap());
    assert_eq!(piped.json()["plays"].as_array().unwrap().len(), 3);
}
