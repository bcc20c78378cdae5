//! A keeper for the drivers' tests: it answers on a socket, opens real ports, keeps a list of
//! addresses, and starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::agent::clock;
use crate::agent::keeper_client::KeeperClient;
use crate::drivers::Host;
use crate::engine::effect::ResourceContext;
use crate::engine::ids::{GrantId, Term};
use crate::engine::message::OrderReason;
use crate::engine::time::Instant;
use crate::keeper::protocol::{
    Address, Answer, Call, Containment, Fault, Hello, PortReport, Reply, Request, Successor,
    VERSION, Welcome, read_frame, write_frame,
};

/// A host with such a keeper; the keeper goes with it.
pub struct FakeHost {
    pub host: Host,
    pub lease: watch::Sender<Option<Instant>>,
    pub addresses: Arc<Mutex<BTreeSet<Address>>>,
    _folder: TempDir,
}

impl FakeHost {
    /// A server named `node1` with an address on one path and a lease without end.
    pub fn new(address: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keeper.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let addresses = Arc::default();
        let kept = Arc::clone(&addresses);
        thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                serve(stream, &kept);
            }
        });
        let hello = Hello { version: VERSION, boot: 1, server: "node1".into() };
        let keeper = KeeperClient::connect(&path, hello).expect("the keeper");
        let (lease, receiver) = watch::channel(Some(Instant(u64::MAX)));
        let host = Host {
            server: "node1".into(),
            keeper,
            addresses: BTreeMap::from([("lan1".into(), address.parse().expect("an address"))]),
            root: folder.path().to_owned(),
            failures: mpsc::unbounded_channel().0,
            lease: receiver,
            clock: || clock::boot_time().expect("boot time"),
            cloud: Default::default(),
            supervisors: Arc::default(),
        };
        Self { host, lease, addresses, _folder: folder }
    }

    /// What the engine would tell the driver of a resource.
    pub fn context(spec: serde_json::Value) -> ResourceContext {
        ResourceContext {
            group: "group".into(),
            resource: "resource".into(),
            spec: Arc::new(serde_json::from_value(spec).expect("a resource")),
            generation: 1,
            order: GrantId { term: Term { number: 1, proposer: "node1".into() }, sequence: 1 },
            reason: OrderReason::Startup,
            home: true,
            previous: None,
            timeout: std::time::Duration::from_secs(10),
        }
    }
}

fn serve(mut stream: UnixStream, addresses: &Mutex<BTreeSet<Address>>) {
    let mut ports: BTreeMap<String, Vec<TcpListener>> = BTreeMap::new();
    while let Ok(Call { id, request }) = read_frame(&mut stream) {
        let result = answer(request, &mut ports, &mut addresses.lock().expect("no panic"));
        if id != 0 && write_frame(&mut stream, &Answer::Reply { id, result }).is_err() {
            break;
        }
    }
}

fn answer(
    request: Request,
    ports: &mut BTreeMap<String, Vec<TcpListener>>,
    addresses: &mut BTreeSet<Address>,
) -> Result<Reply, Fault> {
    match request {
        Request::Hello(_) => {
            return Ok(Reply::Welcome(Welcome {
                version: VERSION,
                pid: std::process::id(),
                containment: Containment::ProcessGroups { reason: "a test".into() },
                successor: Successor::Guard,
                watchdog: None,
                all_ended: true,
            }));
        }
        Request::OpenPort { name, addresses, port } => {
            let open = |address| TcpListener::bind(SocketAddr::new(address, port));
            let opened = addresses.into_iter().map(open).collect::<Result<_, _>>();
            let taken =
                |error: std::io::Error| Fault::PortTaken { port, holder: error.to_string() };
            ports.insert(name, opened.map_err(taken)?);
        }
        Request::ClosePort { name } => {
            ports.remove(&name);
        }
        Request::Ports => {
            let report = |(name, open): (&String, &Vec<TcpListener>)| PortReport {
                name: name.clone(),
                addresses: open.iter().flat_map(TcpListener::local_addr).collect(),
            };
            return Ok(Reply::Ports(ports.iter().map(report).collect()));
        }
        Request::RegisterAddress(address) => {
            addresses.insert(address);
        }
        Request::UnregisterAddress(address) => {
            addresses.remove(&address);
        }
        other @ (Request::Lease { .. }
        | Request::Farewell { .. }
        | Request::Spawn(_)
        | Request::Wait { .. }
        | Request::Kill { .. }
        | Request::List
        | Request::Forget { .. }
        | Request::Remember { .. }
        | Request::Recall { .. }
        | Request::Watchdog(_)
        | Request::Retire) => panic!("no driver of these asks for {other:?}"),
    }
    Ok(Reply::Done)
}
