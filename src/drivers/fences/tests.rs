//! With a real keeper, real scripts, and the agents of the package where they are at hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::agent::clock;
use crate::keeper::testing::TestKeeper;

/// A keeper, and a folder for scripts and what they leave.
struct Lab {
    keeper: TestKeeper,
    host: Host,
}

impl Lab {
    fn new() -> Self {
        let keeper = TestKeeper::start();
        let host = Host {
            server: "node1".into(),
            keeper: keeper.connect(),
            addresses: Default::default(),
            root: keeper.root().to_owned(),
            failures: mpsc::unbounded_channel().0,
            lease: watch::channel(None).1,
            clock: || clock::boot_time().unwrap(),
            cloud: Default::default(),
            supervisors: crate::drivers::resources::exec::Supervisors::default(),
        };
        fs::create_dir_all(keeper.root().join("run/stead")).unwrap();
        Self { keeper, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keeper.root().join(name)
    }

    fn program(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn secret(&self, text: &str, mode: u32) -> String {
        let path = self.path("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_string_lossy().into_owned()
    }

    async fn off(&self, method: Value) -> (FenceAnswer, String) {
        self.act(FenceAction::Off, method).await
    }

    async fn act(&self, action: FenceAction, mut method: Value) -> (FenceAnswer, String) {
        method["name"] = "power".into();
        let method: FencingMethod = serde_json::from_value(method).unwrap();
        act(&self.host, action, &"node2".into(), &method).await
    }
}

fn script(program: &str) -> Value {
    json!({"type": "Script", "timeout": "20s", "script": {"command": [program, "argument"]}})
}

fn agent(program: &str, parameters: Value) -> Value {
    json!({
        "type": "FenceAgent",
        "timeout": "20s",
        "fenceAgent": {"agent": program},
        "perServer": [{"name": "node2", "parameters": parameters}],
    })
}

use FenceAnswer::{Fenced, NotFenced, Unknown};

#[tokio::test]
async fn only_exit_code_0_of_stop_is_a_confirmation() {
    let lab = Lab::new();
    for (text, expected) in [
        ("exit 0", Fenced),
        ("exit 1", NotFenced),
        ("exit 2", Unknown),
        ("exit 127", Unknown),
        ("kill -9 $$", Unknown),
    ] {
        let program = lab.program("fence", text);
        let (answer, message) = lab.off(script(&program)).await;
        assert_eq!(answer, expected, "{text}: {message}");
    }
    assert_eq!(lab.host.keeper.list().await.unwrap(), [], "exits are forgotten");
}

#[tokio::test]
async fn a_script_is_told_all_it_needs_and_inherits_nothing_else() {
    let lab = Lab::new();
    let out = lab.path("out");
    let program = lab.program("fence", &format!("(env; cat) >{}", out.display()));
    let mut method = script(&program);
    method["script"]["compatibilityNames"] = true.into();
    method["parameters"] = json!({"zone": "a", "instance-id": "none"});
    method["secrets"] = json!({"token": {"file": lab.secret("hush\n", 0o600)}});
    method["perServer"] = json!([{"name": "node2", "parameters": {"instance-id": "i-2"}}]);
    assert_eq!(lab.off(method).await.0, Fenced);
    let text = fs::read_to_string(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "STEAD_FENCE_MODE=stop",
        "STEAD_FENCE_SERVER=node2",
        "STEAD_FENCE_METHOD=power",
        "STEAD_SERVER_NAME=node1",
        "STEAD_PARAMETER_INSTANCE_ID=i-2",
        "CLP_FORCESTOP_MODE=1",
        "CLP_SERVER_DOWN=node2",
        "CLP_SERVER_LOCAL=node1",
        "mode=stop",
        "server=node2",
        "instance-id=i-2",
        "zone=a",
        "token=hush",
    ] {
        assert!(lines.contains(&line), "{line} is missing in\n{text}");
    }
    // Secrets are not in the environment, which other processes may see.
    assert_eq!(text.matches("hush").count(), 1);
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_and_says_nothing() {
    let lab = Lab::new();
    let left = lab.path("left");
    let text = format!("(sleep 5; touch {}) & sleep 1000", left.display());
    let program = lab.program("fence", &text);
    let mut method = script(&program);
    method["timeout"] = "300ms".into();
    let (answer, message) = lab.off(method).await;
    assert_eq!(answer, Unknown);
    assert_eq!(
        message,
        if message.starts_with("stop") {
            "stop no answer within 300ms"
        } else {
            "no answer within 300ms"
        }
    );
}

#[tokio::test]
async fn a_script_that_prints_gigabytes_neither_hangs_nor_fills_the_disk() {
    let lab = Lab::new();
    let program = lab.program("fence", "head -c 200000000 /dev/zero; echo; echo done; exit 1");
    let (answer, message) = lab.off(script(&program)).await;
    assert_eq!(answer, NotFenced, "{message}");
    assert!(message.len() < 400, "{message}");
}

#[tokio::test]
async fn a_script_that_does_nothing_is_found_out_where_status_confirms() {
    let lab = Lab::new();
    let lies = "case $STEAD_FENCE_MODE in stop) exit 0;; status) echo on; exit 1;; esac";
    let mut method = script(&lab.program("fence", lies));
    method["script"]["confirm"] = "Status".into();
    method["timeout"] = "2500ms".into();
    let (answer, message) = lab.off(method.clone()).await;
    assert_eq!(answer, NotFenced, "{message}");
    // One that needs a while is waited for.
    let state = lab.path("state");
    let slow = format!(
        "case $STEAD_FENCE_MODE in stop) exit 0;;
         status) echo x >>{0}; [ $(wc -l <{0}) -gt 2 ];; esac",
        state.display()
    );
    method["script"]["command"][0] = lab.program("slow", &slow).into();
    method["timeout"] = "20s".into();
    assert_eq!(lab.off(method).await.0, Fenced);
}

#[tokio::test]
async fn what_can_not_be_run_is_named_and_is_no_confirmation() {
    let lab = Lab::new();
    let (answer, message) = lab.off(script("/no/such/program")).await;
    assert_eq!((answer, &*message), (Unknown, "/no/such/program does not exist"));
    let program = lab.program("fence", "exit 0");
    fs::set_permissions(Path::new(&program), fs::Permissions::from_mode(0o644)).unwrap();
    let (answer, message) = lab.off(script(&program)).await;
    assert_eq!((answer, message), (Unknown, format!("{program} is not executable: chmod +x")));
    let (answer, message) = lab.off(script("/tmp")).await;
    assert_eq!((answer, &*message), (Unknown, "/tmp is not a file"));
    let broken = lab.path("broken");
    fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(lab.off(script(&broken.to_string_lossy())).await.0, Unknown);
}

#[tokio::test]
async fn a_secret_is_refused_where_others_may_read_it_and_struck_out_of_messages() {
    let lab = Lab::new();
    let mut method = script(&lab.program("fence", "cat; exit 1"));
    method["secrets"] = json!({"token": {"file": lab.secret("hush-hush", 0o644)}});
    let (answer, message) = lab.off(method.clone()).await;
    assert_eq!(answer, Unknown);
    assert!(message.contains("may be read by others"), "{message}");
    for (text, why) in [("two\nlines", "more than one line"), (&*"x".repeat(5000), "longer")] {
        method["secrets"]["token"]["file"] = lab.secret(text, 0o600).into();
        let (answer, message) = lab.off(method.clone()).await;
        assert!(answer == Unknown && message.contains(why), "{message}");
    }
    method["secrets"]["token"]["file"] = lab.secret("hush-hush", 0o600).into();
    let (answer, message) = lab.off(method.clone()).await;
    assert!(answer == NotFenced && !message.contains("hush"), "{message}");
    method["secrets"]["token"]["file"] = "/no/such/file".into();
    let (answer, message) = lab.off(method).await;
    assert!(answer == Unknown && message.contains("/no/such/file"), "{message}");
}

/// Answers as agents do; `$1` is nothing, all comes on standard input.
const AGENT: &str = r#"while read -r line; do case $line in action=*) action=${line#action=};; esac; done
case $action in
metadata) cat <<END
<resource-agent name="fence_test"><parameters><parameter name="plug"/></parameters>
<actions><action name="off"/><action name="status"/></actions></resource-agent>
END
;;"#;

#[tokio::test]
async fn an_agent_is_believed_only_where_status_says_off_afterwards() {
    let lab = Lab::new();
    let plug = json!({"plug": "2"});
    for (rest, expected) in [
        ("off) exit 0;; status) exit 2;; esac", Fenced),
        // It says that it did, and its status says that it did not.
        ("off) exit 0;; status) exit 0;; esac", NotFenced),
        // Off failed: that its status fails with 2 too is not "off".
        ("off) exit 1;; status) exit 2;; esac", Unknown),
        ("off) exit 2;; status) exit 2;; esac", Unknown),
        ("off) exit 0;; status) exit 1;; esac", Unknown),
        ("off) kill -9 $$;; status) exit 2;; esac", Unknown),
    ] {
        let program = lab.program("fence_test", &format!("{AGENT} {rest}"));
        let mut method = agent(&program, plug.clone());
        method["timeout"] = "2500ms".into();
        let (answer, message) = lab.off(method).await;
        assert_eq!(answer, expected, "{rest}: {message}");
    }
}

#[tokio::test]
async fn the_check_finds_a_misspelt_parameter_and_wrong_credentials() {
    let lab = Lab::new();
    let rest = "status) exit 2;; esac";
    let program = lab.program("fence_test", &format!("{AGENT} {rest}"));
    let check = FenceAction::Check;
    assert_eq!(lab.act(check, agent(&program, json!({"port": "2"}))).await.0, Fenced);
    let (answer, message) = lab.act(check, agent(&program, json!({"plugg": "2"}))).await;
    assert_eq!((answer, &*message), (NotFenced, "its metadata lists no parameter plugg"));
    let rest = "status) echo 'login denied' >&2; exit 1;; esac";
    let program = lab.program("fence_test", &format!("{AGENT} {rest}"));
    assert_eq!(lab.act(check, agent(&program, json!({"plug": "2"}))).await.0, NotFenced);
    // Metadata without end.
    let program = lab.program("fence_test", "yes '<parameter name=\"plug\"/>'");
    assert_eq!(lab.act(check, agent(&program, json!({"plug": "2"}))).await.0, Unknown);
}

/// `scripts/setup.sh` installs the package where the tests run.
fn packaged(name: &str) -> bool {
    Path::new("/usr/sbin").join(name).exists()
}

#[tokio::test]
async fn the_packages_dummy_agent_is_switched_off_and_on() {
    if !packaged("fence_dummy") {
        return;
    }
    let lab = Lab::new();
    let state = lab.path("state");
    fs::write(&state, "on").unwrap();
    let method = agent("fence_dummy", json!({"status_file": state.to_string_lossy()}));
    let (answer, message) = lab.act(FenceAction::Check, method.clone()).await;
    assert_eq!((answer, &*message), (Fenced, "status says on"));
    let (answer, message) = lab.off(method.clone()).await;
    assert_eq!((answer, &*message), (Fenced, "status says off"));
    assert_eq!(fs::read_to_string(&state).unwrap(), "off");
    // Off already: that is confirmed as well.
    assert_eq!(lab.off(method.clone()).await.0, Fenced);
    assert_eq!(lab.act(FenceAction::On, method).await.0, Fenced);
    assert_eq!(fs::read_to_string(&state).unwrap(), "on");
    // The agent itself would only warn of this and look at a file of its own.
    let (answer, message) =
        lab.act(FenceAction::Check, agent("fence_dummy", json!({"state-file": "x"}))).await;
    assert_eq!((answer, &*message), (NotFenced, "its metadata lists no parameter state-file"));
}

#[tokio::test]
async fn the_packages_agents_say_no_without_a_device() {
    let lab = Lab::new();
    let parameters = json!({"ip": "127.0.0.1", "username": "nobody", "plug": "node2"});
    for name in ["fence_virsh", "fence_apc", "fence_drac5"].into_iter().filter(|n| packaged(n)) {
        let (answer, message) = lab.act(FenceAction::Check, agent(name, parameters.clone())).await;
        assert_eq!(answer, NotFenced, "{name}: {message}");
        let (answer, message) = lab.off(agent(name, parameters.clone())).await;
        assert_eq!(answer, Unknown, "{name}: {message}");
    }
}
