use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use super::*;
use crate::agent::config::PowerMode;
use crate::agent::init::{InitOptions, Initialized, init};
use crate::agent::publish::EngineWriter;
use crate::engine::effect::{Change, Expected, WriteError};
use crate::engine::ids::Revision;
use crate::engine::model::ObjectKey;
use crate::keeper::protocol::{
    Answer, Call, Containment, Reply, Request, Welcome, read_frame, write_frame,
};
use crate::server::apiserver::Writer as _;

/// A keeper that agrees with everything and starts nothing.
fn agree(mut stream: UnixStream) {
    while let Ok(call) = read_frame::<Call>(&mut stream) {
        let reply = match call.request {
            Request::Hello(_) => Reply::Welcome(Welcome {
                version: VERSION,
                pid: 1,
                containment: Containment::ProcessGroups { reason: "a test".into() },
                successor: Successor::Guard,
                watchdog: None,
                all_ended: true,
            }),
            Request::List => Reply::Processes(Vec::new()),
            Request::Ports => Reply::Ports(Vec::new()),
            Request::Recall { .. } => Reply::Text(None),
            Request::Lease { .. }
            | Request::Farewell { .. }
            | Request::Spawn(_)
            | Request::Wait { .. }
            | Request::Kill { .. }
            | Request::Forget { .. }
            | Request::OpenPort { .. }
            | Request::ClosePort { .. }
            | Request::RegisterAddress(_)
            | Request::UnregisterAddress(_)
            | Request::Remember { .. }
            | Request::Watchdog(_)
            | Request::Retire => Reply::Done,
        };
        if call.id != 0 {
            let answer = Answer::Reply { id: call.id, result: Ok(reply) };
            if write_frame(&mut stream, &answer).is_err() {
                return;
            }
        }
    }
}

struct Running {
    inbox: Inbox,
    engine: JoinHandle<Result<(), ShellError>>,
}

/// A whole agent but for its process.
fn start(root: &Path, runtime: &Runtime) -> Running {
    let options = AgentOptions { root: root.to_owned(), config: None };
    let layout = Layout::new(root, None);
    std::fs::create_dir_all(layout.run()).unwrap();
    let _ = std::fs::remove_file(layout.keeper());
    let listener = UnixListener::bind(layout.keeper()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || agree(stream));
        }
    });
    let config = AgentConfig::read(&layout).unwrap();
    let parts = prepare(&options, &layout, config, runtime).unwrap();
    let shell = parts.shell;
    Running { inbox: parts.inbox, engine: std::thread::spawn(move || shell.run()) }
}

fn stop(running: Running) {
    running.inbox.tell(Told::Retire);
    running.engine.join().unwrap().unwrap();
}

fn cluster(folder: &Path) -> Initialized {
    // A network of the loopback that no other test of this machine has.
    let process = std::process::id();
    let (high, low) = (100 + process / 250 % 100, process % 250);
    let server = |number: u32| {
        format!(
            r#"{{"name":"node{number}","addresses":{{"lan":"127.{high}.{low}.{number}",
            "wan":"127.{high}.{low}.{}"}}}}"#,
            number + 100
        )
    };
    let manifest = format!(
        r#"{{"apiVersion":"stead.dev/v1alpha1","kind":"Cluster","metadata":{{"name":"web"}},
        "spec":{{"heartbeat":{{"timeout":"1s"}},"servers":[{},{},{}]}}}}"#,
        server(1),
        server(2),
        server(3)
    );
    let file = folder.join("cluster.json");
    std::fs::write(&file, manifest).unwrap();
    let (files, out) = (vec![file], folder.join("out"));
    init(&InitOptions { files, out, force: false, power: PowerMode::None }).unwrap()
}

/// Writes at whichever server leads, as soon as one does.
async fn write(servers: &[Running], name: &str, size: usize) -> Revision {
    let text = "x".repeat(size);
    let json = format!(
        r#"{{"apiVersion":"stead.dev/v1alpha1","kind":"Intent",
        "metadata":{{"name":"{name}"}},"spec":{{"text":"{text}"}}}}"#
    );
    loop {
        for server in servers {
            let change = Change {
                key: ObjectKey::new("Test", name),
                expected: Expected::Absent,
                json: Some(json.as_str().into()),
            };
            let writer = EngineWriter(server.inbox.clone());
            match writer.write(vec![change], Revision(0)).await {
                Ok(revision) => return revision,
                Err(WriteError::NotLeader { .. } | WriteError::Unknown) => {}
                Err(error @ (WriteError::Conflict { .. } | WriteError::ChangesAwaited)) => {
                    panic!("{error}")
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn three_agents_elect_a_leader_and_keep_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let made = cluster(folder.path());
    let runtime = Runtime::new().unwrap();
    let servers: Vec<Running> = made.servers.values().map(|root| start(root, &runtime)).collect();
    let first = runtime.block_on(write(&servers, "small", 10));
    // Larger than any datagram: it goes over the streams.
    let second = runtime.block_on(write(&servers, "large", 100_000));
    assert!(second > first);
    servers.into_iter().for_each(stop);
    let mut kept = 0;
    for root in made.servers.values() {
        let (_, loaded) = open_state(&Layout::new(root, None), &"node1".into()).unwrap();
        assert!(loaded.durable.promised.number > 0);
        let stored = &loaded.durable.objects;
        let large = stored.get(&ObjectKey::new("Test", "large"));
        kept += usize::from(large.is_some_and(|object| object.json.len() > 100_000));
        // A server that was not in the view at the time may lack both, never the first alone.
        assert!(large.is_none() || stored.contains_key(&ObjectKey::new("Test", "small")));
    }
    assert!(kept >= 2, "a majority must have it, {kept} do");
}

#[test]
fn a_panic_in_the_engine_has_the_keeper_end_every_service() {
    use crate::keeper::protocol::WaitFor;
    use crate::keeper::testing::{TestKeeper, shell};
    let runtime = Runtime::new().unwrap();
    let keeper = TestKeeper::start();
    let client = keeper.connect();
    let now = crate::agent::clock::boot_time().unwrap();
    client.lease(Some(now + Duration::from_secs(60)));
    let app = runtime.block_on(client.spawn(shell("app", "sleep 1000"))).unwrap();
    let panicked: End = std::panic::catch_unwind(|| panic!("a bug"));
    let error = conclude(Some(panicked), &client, &runtime).unwrap_err();
    assert!(matches!(error, AgentError::Panicked));
    let exit = runtime.block_on(client.wait(app.id, WaitFor::Empty)).unwrap();
    assert_eq!(exit.status, crate::keeper::protocol::ExitStatus::Signal(libc::SIGKILL));
}
