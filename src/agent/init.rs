//! `stead init`: makes a cluster's keys, and for each server the folder that it starts from.
//!
//! Every server gets the same objects as revision 1, so that the first view obeys the same rules
//! as any other: nothing is copied from one server to another before that. Never overwrites
//! anything unless told, because new keys make every running server a foreigner.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::wall_time;
use super::config::{AgentConfig, Endpoint, Peer, PowerMode, Trust, endpoints};
use super::pki::{ADMINS, Authority, Certificate, PkiError};
use super::transport::keys::{KEY_LENGTH, KeyError, random};
use crate::api::kinds::ClusterSpec;
use crate::api::manifest::{self, ManifestObject};
use crate::api::problem::{self, Problem};
use crate::api::{FINALIZER, NAMESPACE, schema, validation};
use crate::engine::durable::Durable;
use crate::engine::ids::{IncarnationId, Revision};
use crate::engine::model::{ObjectKey, Objects, StoredObject};
use crate::engine::placement::{DiskIntent, disk_intent_key};
use crate::engine::time::WallTime;

/// The revision that every server begins with.
pub const FIRST_REVISION: Revision = Revision(1);
/// Version of the bootstrap file.
const BOOTSTRAP_FORMAT: u32 = 1;
/// Name of the admin's kubeconfig.
const KUBECONFIG: &str = "admin.kubeconfig";

/// What `stead init` is asked for.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Manifests: files, or folders of them.
    pub files: Vec<PathBuf>,
    /// Where the folders are written.
    pub out: PathBuf,
    /// Overwrite what is there.
    pub force: bool,
    /// What the agents may do to their machines.
    pub power: PowerMode,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// Name of the cluster.
    pub cluster: String,
    /// Its id.
    pub id: String,
    /// Each server's folder; its content belongs at the root of that server.
    pub servers: BTreeMap<String, PathBuf>,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Warnings about the manifest.
    pub warnings: Vec<Problem>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The manifest is wrong.
    #[error("{}", problem::render(.0))]
    Manifest(Vec<Problem>),
    /// It has no Cluster, or several.
    #[error("the manifest has {found} Clusters, it must have one: the servers are named there")]
    Clusters {
        /// How many.
        found: usize,
    },
    /// The Cluster can't be read.
    #[error("failed to read Cluster/{name}: {reason}")]
    Cluster {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Something is there already.
    #[error(
        "{} exists already; --force overwrites it, but with new keys: servers that run with the \
         old ones will not hear the new ones", .0.display()
    )]
    Exists(PathBuf),
    /// A file can't be read or written.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Keys or certificates can't be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The cluster's key can't be made.
    #[error("failed to make the cluster key")]
    Key(#[from] KeyError),
    /// A file's content can't be made.
    #[error("failed to write {what}: {reason}")]
    Encode {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// The bootstrap file.
#[derive(Debug, Serialize, Deserialize)]
struct Bootstrap {
    format: u32,
    revision: u64,
    objects: Vec<Value>,
    /// The state folders that the servers begin with.
    #[serde(default)]
    incarnations: BTreeMap<String, u64>,
}

/// Makes everything.
///
/// # Errors
/// Where the manifest is wrong, something is there already, or a file can't be written.
pub fn init(options: &InitOptions) -> Result<Initialized, InitError> {
    let (objects, warnings) = read_manifests(&options.files)?;
    let now = wall_time();
    let (cluster, spec) = the_cluster(&objects)?;
    let plan = Plan {
        cluster,
        id: uuid()?,
        endpoints: endpoints(&spec).into_iter().map(|(name, e)| (name.to_string(), e)).collect(),
        names: spec.servers.iter().map(|server| server.name.clone()).collect(),
        power: options.power,
    };
    refuse_existing(options, &plan.names)?;
    let authority = Authority::new(&plan.cluster, now)?;
    let secret: [u8; KEY_LENGTH] = random()?;
    let bootstrap = bootstrap_text(&objects, &plan.names, now)?;
    let mut servers = BTreeMap::new();
    for (name, endpoint) in &plan.endpoints {
        let folder = options.out.join(name);
        let addresses: Vec<_> = endpoint.addresses.values().copied().collect();
        let certificate = authority.server(name, &addresses, now)?;
        write_server(&folder, &plan, name, &authority, &certificate, &secret, &bootstrap)?;
        servers.insert(name.clone(), folder);
    }
    write(&options.out.join("ca.key"), authority.private_key().as_bytes())?;
    let admin = authority.client("admin", ADMINS, now)?;
    let kubeconfig = options.out.join(KUBECONFIG);
    write(&kubeconfig, kubeconfig_text(&plan, &authority, &admin)?.as_bytes())?;
    Ok(Initialized { cluster: plan.cluster, id: plan.id, servers, kubeconfig, warnings })
}

/// Reads the objects that a server begins with.
///
/// # Errors
/// In words, where the file is missing or holds something else.
pub fn read_bootstrap(path: &Path) -> Result<Durable, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let bootstrap: Bootstrap = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if bootstrap.format > BOOTSTRAP_FORMAT {
        let found = bootstrap.format;
        return Err(format!("it has format {found}, this release reads {BOOTSTRAP_FORMAT}"));
    }
    let revision = Revision(bootstrap.revision);
    let mut objects = Objects::new();
    for value in bootstrap.objects {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (Some(kind), Some(name)) = (text("/kind"), text("/metadata/name")) else {
            return Err("it holds an object without kind or name".to_owned());
        };
        let object = StoredObject { revision, json: value.to_string().into() };
        objects.insert(ObjectKey::new(kind, name), object);
    }
    for (server, incarnation) in bootstrap.incarnations {
        let incarnation = IncarnationId(incarnation);
        let disk =
            DiskIntent { incarnation, since: WallTime(0), first: true, holds: None, lost: 0 };
        let json = disk.json().ok_or_else(|| "it names a state folder wrongly".to_owned())?;
        let key = disk_intent_key(&server.as_str().into());
        objects.insert(key, StoredObject { revision, json: json.into() });
    }
    Ok(Durable::bootstrap(objects, revision))
}

struct Plan {
    cluster: String,
    id: String,
    names: Vec<String>,
    endpoints: BTreeMap<String, Endpoint>,
    power: PowerMode,
}

fn read_manifests(files: &[PathBuf]) -> Result<(Vec<ManifestObject>, Vec<Problem>), InitError> {
    let mut contents = Vec::new();
    for path in files {
        let io_error = |source| InitError::Io { action: "read", path: path.clone(), source };
        if !path.is_dir() {
            contents.push((path.display().to_string(), fs::read(path).map_err(io_error)?));
            continue;
        }
        let mut found: Vec<PathBuf> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(io_error)?;
        found.retain(|file| {
            let extension = file.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("yaml" | "yml" | "json"))
        });
        found.sort();
        for file in found {
            let text = fs::read(&file);
            let text = text.map_err(|source| InitError::Io {
                action: "read",
                path: file.clone(),
                source,
            })?;
            contents.push((file.display().to_string(), text));
        }
    }
    let (mut objects, mut problems) = manifest::parse(&contents);
    let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let mut found = validation::validate(&values);
    manifest::locate(&mut found, &objects);
    problems.append(&mut found);
    if problem::has_errors(&problems) {
        return Err(InitError::Manifest(problems));
    }
    for object in &mut objects {
        schema::apply_defaults(&object.kind, &mut object.value);
    }
    Ok((objects, problems))
}

fn the_cluster(objects: &[ManifestObject]) -> Result<(String, ClusterSpec), InitError> {
    let mut clusters = objects.iter().filter(|object| object.kind == "Cluster");
    let (Some(cluster), None) = (clusters.next(), clusters.next()) else {
        let found = objects.iter().filter(|object| object.kind == "Cluster").count();
        return Err(InitError::Clusters { found });
    };
    let spec = serde_json::from_value(cluster.value["spec"].clone()).map_err(|error| {
        InitError::Cluster { name: cluster.name.clone(), reason: error.to_string() }
    })?;
    Ok((cluster.name.clone(), spec))
}

fn refuse_existing(options: &InitOptions, servers: &[String]) -> Result<(), InitError> {
    if options.force {
        return Ok(());
    }
    let names = servers.iter().map(String::as_str).chain(["ca.key", KUBECONFIG]);
    match names.map(|name| options.out.join(name)).find(|path| path.exists()) {
        Some(path) => Err(InitError::Exists(path)),
        None => Ok(()),
    }
}

fn bootstrap_text(
    objects: &[ManifestObject],
    servers: &[String],
    now: WallTime,
) -> Result<String, InitError> {
    let mut incarnations = BTreeMap::new();
    for server in servers {
        incarnations.insert(server.clone(), u64::from_be_bytes(random()?));
    }
    let mut stored = Vec::new();
    for object in objects {
        let mut value = object.value.clone();
        complete(&mut value, now)?;
        stored.push(value);
    }
    let revision = FIRST_REVISION.0;
    let bootstrap = Bootstrap { format: BOOTSTRAP_FORMAT, revision, objects: stored, incarnations };
    serde_json::to_string_pretty(&bootstrap)
        .map_err(|error| InitError::Encode { what: "bootstrap.json", reason: error.to_string() })
}

/// Adds what the API adds to an object that is created.
fn complete(value: &mut Value, now: WallTime) -> Result<(), InitError> {
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    let metadata = &mut value["metadata"];
    metadata["namespace"] = NAMESPACE.into();
    metadata["uid"] = uuid()?.into();
    metadata["generation"] = 1.into();
    metadata["creationTimestamp"] = now.rfc3339().into();
    if matches!(kind.as_str(), "FailoverGroup" | "Resource") {
        metadata["finalizers"] = json!([FINALIZER]);
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    Ok(())
}

fn write_server(
    folder: &Path,
    plan: &Plan,
    name: &str,
    authority: &Authority,
    certificate: &Certificate,
    secret: &[u8],
    bootstrap: &str,
) -> Result<(), InitError> {
    let etc = folder.join("etc/stead");
    let config = agent_config(plan, name)?;
    let text = serde_yaml::to_string(&config)
        .map_err(|error| InitError::Encode { what: "agent.yaml", reason: error.to_string() })?;
    let text = format!(
        "# Who this server is in its cluster. The agent reads it at its start and at SIGHUP.\n\
         # power: Real lets the agent shut down or reboot this machine, Namespace ends the PID\n\
         # namespace that it lives in, None only writes that it would have.\n{text}"
    );
    write(&etc.join("agent.yaml"), text.as_bytes())?;
    write(&etc.join("pki/ca.crt"), authority.certificate().as_bytes())?;
    write(&etc.join("pki/server.crt"), certificate.certificate.as_bytes())?;
    write(&etc.join("pki/server.key"), certificate.private_key.as_bytes())?;
    write(&etc.join("pki/cluster.key"), format!("{}\n", STANDARD.encode(secret)).as_bytes())?;
    write(&etc.join("bootstrap.json"), bootstrap.as_bytes())
}

fn agent_config(plan: &Plan, name: &str) -> Result<AgentConfig, InitError> {
    let listen = plan.endpoints.get(name).cloned().ok_or_else(|| InitError::Cluster {
        name: plan.cluster.clone(),
        reason: format!("server {name} has no addresses"),
    })?;
    let peers = plan
        .names
        .iter()
        .filter(|peer| *peer != name)
        .filter_map(|peer| {
            let endpoint = plan.endpoints.get(peer)?.clone();
            Some(Peer { name: peer.clone(), endpoint })
        })
        .collect();
    Ok(AgentConfig {
        cluster: plan.id.clone(),
        server: name.to_owned(),
        trust: Trust {
            authority: "pki/ca.crt".into(),
            certificate: "pki/server.crt".into(),
            private_key: "pki/server.key".into(),
            cluster_key: "pki/cluster.key".into(),
            cluster_key_id: 1,
        },
        listen,
        peers,
        power: plan.power,
        watchdog: None,
        keeper: None,
    })
}

fn kubeconfig_text(
    plan: &Plan,
    authority: &Authority,
    admin: &Certificate,
) -> Result<String, InitError> {
    let user = format!("{}-admin", plan.cluster);
    let (mut clusters, mut contexts) = (Vec::new(), Vec::new());
    for name in &plan.names {
        let Some(endpoint) = plan.endpoints.get(name) else { continue };
        let Some(address) = endpoint.addresses.values().next() else { continue };
        let context = format!("{}-{name}", plan.cluster);
        clusters.push(json!({"name": context, "cluster": {
            "server": format!("https://{}", SocketAddr::new(*address, endpoint.api_port)),
            "certificate-authority-data": STANDARD.encode(authority.certificate()),
        }}));
        contexts.push(json!({"name": context, "context": {
            "cluster": context, "user": user, "namespace": NAMESPACE,
        }}));
    }
    let current = contexts.first().map(|context| context["name"].clone());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": clusters,
        "contexts": contexts,
        "users": [{"name": user, "user": {
            "client-certificate-data": STANDARD.encode(&admin.certificate),
            "client-key-data": STANDARD.encode(&admin.private_key),
        }}],
    });
    serde_yaml::to_string(&config)
        .map_err(|error| InitError::Encode { what: KUBECONFIG, reason: error.to_string() })
}

/// Writes a file that only its owner reads, under another name first.
fn write(path: &Path, content: &[u8]) -> Result<(), InitError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let new = path.with_extension("new");
    let attempt = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    attempt().map_err(|source| InitError::Io { action: "write", path: path.to_owned(), source })
}

/// A random UUID.
fn uuid() -> Result<String, KeyError> {
    let mut bytes: [u8; 16] = random()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::agent::config::Layout;
    use crate::agent::pki::Tls;

    const CLUSTER: &str = r#"{"apiVersion":"stead.dev/v1alpha1","kind":"Cluster",
        "metadata":{"name":"web"},"spec":{"arbitration":{"type":"None"},"servers":[
        {"name":"node1","addresses":{"lan":"10.0.0.1","wan":"fd00::1"}},
        {"name":"node2","addresses":{"lan":"10.0.0.2","wan":"fd00::2"},"heartbeatPort":9000}]}}"#;

    fn options(folder: &Path, manifest: &str) -> InitOptions {
        let file = folder.join("cluster.json");
        fs::write(&file, manifest).unwrap();
        InitOptions {
            files: vec![file],
            out: folder.join("out"),
            force: false,
            power: PowerMode::None,
        }
    }

    #[test]
    fn each_server_can_start_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let made = init(&options(folder.path(), CLUSTER)).unwrap();
        assert_eq!(made.cluster, "web");
        for (name, root) in &made.servers {
            let layout = Layout::new(root, None);
            let config = AgentConfig::read(&layout).unwrap();
            assert_eq!((&config.server, &config.cluster), (name, &made.id));
            assert_eq!(config.peers.len(), 1);
            assert_eq!(config.power, PowerMode::None);
            config.cluster_key(&layout).unwrap();
            let read = |path: &Path| fs::read_to_string(layout.etc().join(path)).unwrap();
            let own = Certificate {
                certificate: read(&config.trust.certificate),
                private_key: read(&config.trust.private_key),
            };
            Tls::new(&read(&config.trust.authority), &own).unwrap();
            let durable = read_bootstrap(&layout.bootstrap()).unwrap();
            assert_eq!(durable.revision, FIRST_REVISION);
            let key = ObjectKey::new("Cluster", "web");
            let stored: Value = serde_json::from_str(&durable.objects[&key].json).unwrap();
            assert_eq!(stored["metadata"]["namespace"], "default");
            assert_eq!(stored["metadata"]["generation"], 1);
        }
        let config = fs::read_to_string(&made.kubeconfig).unwrap();
        assert!(config.contains("https://10.0.0.1:7381"), "{config}");
        assert!(config.contains("web-node2"), "{config}");
    }

    #[test]
    fn nothing_is_readable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        init(&options(folder.path(), CLUSTER)).unwrap();
        let mut folders = vec![folder.path().join("out")];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                if path.is_dir() {
                    assert_eq!(mode, 0o700, "{}", path.display());
                    folders.push(path);
                } else {
                    assert_eq!(mode, 0o600, "{}", path.display());
                    files += 1;
                }
            }
        }
        assert_eq!(files, 2 * 6 + 2);
    }

    #[test]
    fn what_is_there_is_overwritten_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), CLUSTER);
        let first = init(&options).unwrap();
        let error = init(&options).unwrap_err();
        assert!(matches!(error, InitError::Exists(_)), "{error}");
        options.force = true;
        assert_ne!(init(&options).unwrap().id, first.id);
    }

    #[test]
    fn a_manifest_without_a_cluster_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let group = r#"{"apiVersion":"stead.dev/v1alpha1","kind":"FailoverGroup",
            "metadata":{"name":"web"},"spec":{"servers":["node1"]}}"#;
        assert!(init(&options(folder.path(), group)).is_err());
        assert!(!folder.path().join("out").exists());
    }
}
