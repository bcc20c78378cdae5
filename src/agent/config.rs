//! `agent.yaml` and the places of all files.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::transport::keys::{ClusterKey, KeyError};
use crate::api::kinds::ClusterSpec;
use crate::api::names::{PathName, ServerName};

/// Where the files of one agent are: everything under one root, `/` by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    config: PathBuf,
}

impl Layout {
    /// Under `root`; `config` names another `agent.yaml`, whose folder then holds the keys too.
    #[must_use]
    pub fn new(root: &Path, config: Option<&Path>) -> Self {
        let config = config.map_or_else(|| root.join("etc/stead/agent.yaml"), Path::to_owned);
        Self { root: root.to_owned(), config }
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of configuration and keys.
    #[must_use]
    pub fn etc(&self) -> &Path {
        self.config.parent().unwrap_or(&self.root)
    }

    /// The objects to begin with.
    #[must_use]
    pub fn bootstrap(&self) -> PathBuf {
        self.etc().join("bootstrap.json")
    }

    /// Says that a state folder was made from [`Layout::bootstrap`]: the next one is a new disk.
    #[must_use]
    pub fn bootstrap_used(&self) -> PathBuf {
        self.etc().join("bootstrap.used")
    }

    /// The state file.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/stead/state.redb")
    }

    /// The folder of histories that others took the place of.
    #[must_use]
    pub fn aside(&self) -> PathBuf {
        self.root.join("var/lib/stead/aside")
    }

    /// The folder of sockets and locks.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run/stead")
    }

    /// Held by a running agent.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.run().join("agent.pid")
    }

    /// The keeper's socket.
    #[must_use]
    pub fn keeper(&self) -> PathBuf {
        self.run().join("keeper.sock")
    }
}

/// What `agent.yaml` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// Id of the cluster.
    pub cluster: String,
    /// Name of this server.
    pub server: String,
    /// Keys and certificates; paths are relative to this file's folder.
    pub trust: Trust,
    /// This server's address on each path.
    pub listen: Endpoint,
    /// The other servers, for as long as the stored Cluster is not known.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// What may end this machine.
    #[serde(default)]
    pub power: PowerMode,
    /// The watchdog device of this machine; by default `/dev/watchdog`. Opened only with
    /// `power: Real`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<PathBuf>,
    /// The keeper's socket; by default `run/stead/keeper.sock` under the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<PathBuf>,
}

/// Keys and certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    /// The cluster's authority, PEM.
    pub authority: PathBuf,
    /// This server's certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub private_key: PathBuf,
    /// The cluster's key of datagrams: base64 of 32 bytes.
    pub cluster_key: PathBuf,
    /// Its id.
    #[serde(default)]
    pub cluster_key_id: u8,
}

/// Where a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Its address on each path.
    pub addresses: BTreeMap<String, IpAddr>,
    /// UDP and TCP port of heartbeats and peers.
    pub heartbeat_port: u16,
    /// TCP port of the API.
    pub api_port: u16,
}

/// Another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
}

/// What an order to end the machine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerMode {
    /// It ends the machine.
    Real,
    /// It ends the PID namespace that the agent lives in, by killing its first process.
    Namespace,
    /// It is only logged, and the agent takes no part any more.
    #[default]
    None,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error(
        "failed to read {}; `stead init` writes the folder of each server", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be understood.
    #[error("failed to understand {}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is wrong.
    #[error("failed to use the cluster key {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

impl AgentConfig {
    /// Reads `agent.yaml`.
    ///
    /// # Errors
    /// Where it is missing, unreadable, or holds what it should not.
    pub fn read(layout: &Layout) -> Result<Self, ConfigError> {
        let path = layout.config();
        let text = read(path)?;
        let wrong = |reason: String| ConfigError::Parse { path: path.to_owned(), reason };
        let config: Self = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if config.listen.addresses.is_empty() {
            return Err(wrong("listen.addresses names no address".to_owned()));
        }
        Ok(config)
    }

    /// Reads the key of datagrams.
    ///
    /// # Errors
    /// Where the file is missing or holds no key.
    pub fn cluster_key(&self, layout: &Layout) -> Result<ClusterKey, ConfigError> {
        let path = layout.etc().join(&self.trust.cluster_key);
        let secret = STANDARD.decode(read(&path)?.trim()).map_err(|_| ConfigError::Parse {
            path: path.clone(),
            // The cause would show a part of the secret.
            reason: "it is not base64".to_owned(),
        })?;
        ClusterKey::new(&self.cluster, self.trust.cluster_key_id, &secret)
            .map_err(|source| ConfigError::Key { path, source })
    }

    /// The other servers as configured here.
    #[must_use]
    pub fn first_peers(&self) -> BTreeMap<ServerName, Endpoint> {
        let others = self.peers.iter().filter(|peer| peer.name != self.server);
        others.map(|peer| (peer.name.as_str().into(), peer.endpoint.clone())).collect()
    }
}

impl Endpoint {
    /// Where heartbeats go on a path.
    #[must_use]
    pub fn heartbeat(&self, path: &PathName) -> Option<SocketAddr> {
        let address = self.addresses.get(path.as_str())?;
        Some(SocketAddr::new(*address, self.heartbeat_port))
    }

    /// Where peers connect, on each path.
    #[must_use]
    pub fn streams(&self) -> Vec<SocketAddr> {
        self.addresses
            .values()
            .map(|address| SocketAddr::new(*address, self.heartbeat_port))
            .collect()
    }

    /// Where the API is, on each path.
    #[must_use]
    pub fn api(&self) -> Vec<SocketAddr> {
        self.addresses.values().map(|address| SocketAddr::new(*address, self.api_port)).collect()
    }
}

/// Where each server of a Cluster is.
#[must_use]
pub fn endpoints(spec: &ClusterSpec) -> BTreeMap<ServerName, Endpoint> {
    spec.servers
        .iter()
        .map(|server| {
            let endpoint = Endpoint {
                addresses: server.addresses.clone(),
                heartbeat_port: server.heartbeat_port,
                api_port: server.api_port,
            };
            (server.name.as_str().into(), endpoint)
        })
        .collect()
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}
