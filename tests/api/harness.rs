//! An API server over a store in memory, with an authority of its own and a kubeconfig.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use stead::agent::pki::{Authority, Certificate, Tls};
use stead::api::names::ServerName;
use stead::engine::effect::{Change, Event, Expected, WriteError};
use stead::engine::ids::{BootId, Revision};
use stead::engine::model::{ObjectKey, Objects, StoredObject};
use stead::engine::time::{Instant, WallTime};
use stead::server::apiserver::{
    ApiOptions, ApiServer, ApiTls, OPERATORS, PastEvent, Storage, Update, VIEWERS, Writer,
};
use tokio::sync::{oneshot, watch};

/// The term that the leader of the tests has.
pub const TERM: u64 = 3;

/// What the engine would do with writes: keep them, and deactivate what is being deleted.
#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
    storage: Mutex<Option<Arc<Storage>>>,
}

#[derive(Default)]
struct State {
    objects: Objects,
    revision: u64,
    holds_deletions: bool,
    refuses: Option<WriteError>,
}

impl Memory {
    /// Objects being deleted stay until this is called with `false`.
    pub fn hold_deletions(&self, hold: bool) {
        self.state.lock().unwrap().holds_deletions = hold;
        if !hold {
            self.deactivate();
        }
    }

    /// Every write is answered like this from now on.
    pub fn refuse(&self, error: Option<WriteError>) {
        self.state.lock().unwrap().refuses = error;
    }

    fn deactivate(&self) {
        let mut state = self.state.lock().unwrap();
        if state.holds_deletions {
            return;
        }
        let before = state.objects.len();
        state.objects.retain(|_, stored| !stored.json.contains("\"deletionTimestamp\""));
        if state.objects.len() != before {
            state.revision += 1;
        }
        drop(state);
        self.publish(BTreeMap::new(), Vec::new());
    }

    fn publish(&self, statuses: BTreeMap<ObjectKey, Value>, events: Vec<PastEvent>) {
        let Some(storage) = self.storage.lock().unwrap().clone() else { return };
        let state = self.state.lock().unwrap();
        storage.publish(Update {
            leader: Some("node1".into()),
            leading: true,
            message: String::new(),
            term: TERM,
            revision: Revision(state.revision),
            objects: &state.objects,
            statuses,
            events,
        });
    }
}

/// A writer that is the memory.
#[derive(Clone)]
pub struct MemoryWriter(pub Arc<Memory>);

impl Writer for MemoryWriter {
    fn write(
        &self,
        changes: Vec<Change>,
        after: Revision,
    ) -> BoxFuture<'static, Result<Revision, WriteError>> {
        let memory = self.0.clone();
        Box::pin(async move {
            let mut deletes = false;
            let revision = {
                let mut state = memory.state.lock().unwrap();
                if let Some(error) = &state.refuses {
                    return Err(error.clone());
                }
                for change in &changes {
                    let current = state.objects.get(&change.key).map(|stored| stored.revision);
                    let met = match change.expected {
                        Expected::Absent => current.is_none(),
                        Expected::At(revision) => current == Some(revision),
                    };
                    if !met {
                        return Err(WriteError::Conflict { key: change.key.clone(), current });
                    }
                }
                state.revision = state.revision.max(after.0) + 1;
                let revision = Revision(state.revision);
                for change in changes {
                    match change.json {
                        Some(json) => {
                            deletes |= json.contains("\"deletionTimestamp\"");
                            state.objects.insert(change.key, StoredObject { revision, json });
                        }
                        None => {
                            state.objects.remove(&change.key);
                        }
                    }
                }
                revision
            };
            if deletes {
                tokio::spawn(async move { memory.deactivate() });
            }
            Ok(revision)
        })
    }
}

/// A running API server.
pub struct Lab {
    pub memory: Arc<Memory>,
    storage: Arc<Storage>,
    pub address: SocketAddr,
    pub authority: Arc<Authority>,
    pub folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
    tls: watch::Sender<ApiTls>,
}

impl Lab {
    /// A leader with an empty store.
    pub async fn start() -> Self {
        let authority = Arc::new(Authority::new("lab", now()).unwrap());
        let lab = Self::start_as("node1", authority, "127.0.0.1:0".parse().unwrap()).await;
        lab.memory.state.lock().unwrap().revision = TERM << Revision::INDEX_BITS;
        lab.publish_status("Cluster", "lab", json!({}));
        lab
    }

    /// A server that knows nothing of a leader.
    async fn start_as(name: &str, authority: Arc<Authority>, listen: SocketAddr) -> Self {
        let own = authority.server(name, &[listen.ip()], now()).unwrap();
        let tls = Tls::new(&authority.certificate(), &own).unwrap();
        let (keep, tls) = watch::channel(tls.into());
        let storage = Arc::new(Storage::new());
        let memory = Arc::new(Memory::default());
        *memory.storage.lock().unwrap() = Some(storage.clone());
        let options = ApiOptions { server: name.into(), listen: vec![listen], tls };
        let writer = Arc::new(MemoryWriter(memory.clone()));
        let server = ApiServer::bind(options, storage.clone(), writer).await.unwrap();
        let address = server.addresses()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        let folder = tempfile::tempdir().unwrap();
        let lab = Self { memory, storage, address, authority, folder, _stop: stop, tls: keep };
        for (user, group) in
            [("admin", stead::agent::pki::ADMINS), ("watcher", VIEWERS), ("operator", OPERATORS)]
        {
            let certificate = lab.authority.client(user, group, now()).unwrap();
            lab.write_kubeconfig(user, &lab.authority.certificate(), &certificate);
        }
        lab
    }

    /// Another server of the same cluster, which knows nothing yet.
    pub async fn follower(&self, name: &str) -> Self {
        Self::start_as(name, self.authority.clone(), "127.0.0.1:0".parse().unwrap()).await
    }

    /// Hands requests on with a certificate of this time from now on.
    pub fn hands_on_with_a_certificate_of(&self, time: WallTime) {
        let own = self.authority.server("node2", &[self.address.ip()], time).unwrap();
        let client = Tls::new(&self.authority.certificate(), &own).unwrap().client;
        self.tls.send_modify(|tls| tls.client = client);
    }

    /// Writes a kubeconfig and returns where.
    pub fn write_kubeconfig(&self, user: &str, authority: &str, own: &Certificate) -> PathBuf {
        let file = |name: &str, content: &str| {
            let path = self.folder.path().join(format!("{user}.{name}"));
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority": file("ca.pem", authority),
            }}],
            "users": [{"name": "user", "user": {
                "client-certificate": file("pem", &own.certificate),
                "client-key": file("key", &own.private_key),
            }}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
        });
        let path = self.kubeconfig(user);
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// The kubeconfig of a user.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.kubeconfig"))
    }

    /// A client of the `kube` crate, which shows each answer as it comes.
    pub async fn client(&self, user: &str) -> kube::Client {
        let config = kube::config::Kubeconfig::read_from(self.kubeconfig(user)).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(config, &options).await.unwrap();
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }

    /// What the leader observes of an object.
    pub fn publish_status(&self, kind: &str, name: &str, status: Value) {
        let statuses = BTreeMap::from([(ObjectKey::new(kind, name), status)]);
        self.memory.publish(statuses, Vec::new());
    }

    /// Something happened to an object.
    pub fn publish_event(&self, number: u64, kind: &str, name: &str, reason: &str) {
        let event = Event {
            number,
            server: "node1".into(),
            instant: Instant(number * 1_000_000_000),
            wall: now(),
            object: ObjectKey::new(kind, name),
            reason: reason.to_owned(),
            parameters: vec![("server".to_owned(), "node2".to_owned())],
            causes: if number > 1 { vec![number - 1] } else { Vec::new() },
        };
        let event = PastEvent { boot: BootId(0xab), event };
        self.memory.publish(BTreeMap::new(), vec![event]);
    }

    /// What a server that does not lead is told.
    pub fn publish_leader(&self, leader: Option<&str>, leading: bool, message: &str) {
        let state = self.memory.state.lock().unwrap();
        self.storage.publish(Update {
            leader: leader.map(ServerName::from),
            leading,
            message: message.to_owned(),
            term: TERM,
            revision: Revision(state.revision),
            objects: &state.objects,
            statuses: BTreeMap::new(),
            events: Vec::new(),
        });
    }

    /// Takes over the store of another server, as replication does.
    pub fn replicate(&self, from: &Self) {
        let source = from.memory.state.lock().unwrap();
        let mut state = self.memory.state.lock().unwrap();
        state.objects = source.objects.clone();
        state.revision = source.revision;
    }
}

/// Now.
pub fn now() -> WallTime {
    WallTime(jiff::Timestamp::now().as_millisecond())
}

/// When certificates were made that have expired since.
pub fn years_ago() -> WallTime {
    WallTime(now().0 - 800 * 86_400_000)
}

/// A cluster of two servers, whose API ports are given.
pub fn cluster(ports: [u16; 2]) -> Value {
    json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "lab"},
        "spec": {
            "servers": [
                {"name": "node1", "addresses": {"lan": "127.0.0.1"}, "apiPort": ports[0]},
                {"name": "node2", "addresses": {"lan": "127.0.0.1"}, "apiPort": ports[1],
                    "heartbeatPort": 7480},
            ],
            "heartbeat": {"timeout": "1s", "paths": ["lan"]},
            "arbitration": {"type": "Disk", "disk": {"device": "/dev/shared"}},
        },
    })
}

/// A group.
pub fn group(name: &str) -> Value {
    json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "FailoverGroup",
        "metadata": {"name": name, "labels": {"tier": "front"}},
        "spec": {"servers": ["node1", "node2"]},
    })
}

/// A program in a group.
pub fn program(name: &str, group: &str) -> Value {
    json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "Resource",
        "metadata": {"name": name},
        "spec": {"group": group, "type": "Exec",
            "exec": {"command": ["/usr/bin/sleep", "infinity"]}},
    })
}

/// A status of a group, online on a server.
pub fn online(server: &str) -> Value {
    json!({
        "observedGeneration": 1,
        "state": "Online",
        "server": server,
        "since": "2026-01-01T00:00:00Z",
        "message": "",
        "conditions": [{"type": "Ready", "status": "True", "reason": "GroupOnline",
            "message": "every resource is active", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    })
}

/// The folder that builds go to.
pub fn target() -> PathBuf {
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
}
