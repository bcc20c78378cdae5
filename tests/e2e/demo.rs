//! The demo, whole: three machines of namespaces, HAProxy, a client, a recorder; each play once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The demo's program, with all that it starts. Its package builds no programs of examples for
/// tests, so this does.
pub fn program() -> PathBuf {
    // As this test was built: the program lies where others of this run look for it.
    let features = [
        ("lease", cfg!(feature = "lease")),
        ("etcd", cfg!(feature = "etcd")),
        ("aws", cfg!(feature = "aws")),
    ];
    let features: Vec<&str> =
        features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bin", "stead", "--example", "demo", "--example", "web"])
        .args(["--features", &features.join(",")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success());
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/target").into());
    target.join("debug/examples/demo")
}

/// The demo in a network of its own, under a name that no other has.
pub fn demo(name: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]);
    command.arg(program()).arg("--lab").arg(format!("{name}{}", std::process::id()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A figure in milliseconds.
fn figure(play: &Value, name: &str) -> f64 {
    let figure = play[name].as_f64().unwrap_or_else(|| panic!("no {name} in {play}"));
    assert!(figure >= 0.0, "{name} is negative: {play}");
    figure
}

#[test]
fn the_demo_takes_over_and_its_figures_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");
    let output = demo("t").arg("--json").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    for words in ["power cut", "agent killed", "planned move", "was lost", "two active: 0 of"] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }

    let figures: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for play in ["serverLost", "agentLost"] {
        let play = &figures[play];
        let parts: f64 = ["prescribedMs", "applicationStartMs", "balancerMs", "overheadMs"]
            .map(|part| figure(play, part))
            .iter()
            .sum();
        // Each is rounded to the microsecond.
        assert!((parts - figure(play, "outageMs")).abs() < 0.01, "{play}");
    }
    let planned = &figures["plannedMove"];
    assert!(figure(planned, "overheadMs") <= figure(planned, "outageMs"), "{planned}");
    assert_eq!(figures["dualActiveSamples"], 0);
    assert_eq!(figures["heartbeatTimeoutMs"], 1000);
    let servers = figures["servers"].as_array().unwrap();
    let names: Vec<_> = servers.iter().map(|server| server["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["vm1", "vm2", "vm3"]);
    for server in servers {
        assert_eq!(server["pids"].as_array().map(Vec::len), Some(2), "{server}");
    }
    assert!(figures["kubeconfig"].is_string());
}
