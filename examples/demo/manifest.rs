//! What the demo reads from the manifest that it plays with.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stead::api::kinds::ClusterSpec;
use stead::api::manifest::{self, ManifestObject};

/// Length of the prefix of every network of the demo.
const PREFIX: u8 = 24;

/// A server as the manifest names it.
#[derive(Clone, Debug)]
pub struct ServerEntry {
    /// Its name.
    pub name: String,
    /// Its address on each path, with the length of its prefix.
    pub addresses: Vec<(String, IpAddr)>,
}

/// The parts of the manifest that the demo needs.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Name of the cluster.
    pub cluster: String,
    /// The servers.
    pub servers: Vec<ServerEntry>,
    /// The heartbeat time-out.
    pub timeout: Duration,
    /// How long the first servers wait for the others at a start.
    pub wait_for_servers: Duration,
    /// The group that is played with.
    pub group: String,
    /// Its resource of type ProbePort.
    pub probe: String,
    /// The port of that.
    pub probe_port: u16,
}

impl Manifest {
    /// Reads every file of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let entries = fs::read_dir(folder)
            .with_context(|| format!("failed to read the manifests in {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            files.push((path.display().to_string(), fs::read(&path)?));
        }
        files.sort();
        let (objects, problems) = manifest::parse(&files);
        ensure!(problems.is_empty(), "{}", stead::api::problem::render(&problems));
        Self::from_objects(&objects)
    }

    fn from_objects(objects: &[ManifestObject]) -> Result<Self> {
        let of_kind = |kind: &'static str, type_: Option<&'static str>| {
            objects
                .iter()
                .find(|object| {
                    let found = object.value["spec"]["type"].as_str();
                    object.kind == kind && type_.is_none_or(|type_| found == Some(type_))
                })
                .with_context(|| {
                    format!("the manifest has no {kind} {}", type_.unwrap_or_default())
                })
        };
        let cluster = of_kind("Cluster", None)?;
        let spec: ClusterSpec = serde_json::from_value(cluster.value["spec"].clone())?;
        let probe = of_kind("Resource", Some("ProbePort"))?;
        let probe_port = &probe.value["spec"]["probePort"]["port"];
        let probe_port = probe_port.as_u64().context("the probe port has a number")?;
        Ok(Self {
            cluster: cluster.name.clone(),
            timeout: spec.heartbeat.timeout.into(),
            wait_for_servers: spec.startup.wait_for_servers.into(),
            servers: spec
                .servers
                .into_iter()
                .map(|server| ServerEntry {
                    name: server.name,
                    addresses: server.addresses.into_iter().collect(),
                })
                .collect(),
            group: of_kind("FailoverGroup", None)?.name.clone(),
            probe: probe.name.clone(),
            probe_port: u16::try_from(probe_port)?,
        })
    }
}

impl ServerEntry {
    /// The address on the first path.
    pub fn address(&self) -> Result<IpAddr> {
        let (_, address) = self.addresses.first().context("a server has an address")?;
        Ok(*address)
    }

    /// Its place in each network.
    pub fn ports(&self) -> Vec<crate::lab::Port> {
        self.addresses
            .iter()
            .map(|(network, address)| crate::lab::Port {
                network: network.clone(),
                address: format!("{address}/{PREFIX}"),
            })
            .collect()
    }

    /// Another address of the same networks.
    pub fn neighbour(&self, host: u8) -> Result<crate::lab::Port> {
        let (network, address) = self.addresses.first().context("a server has an address")?;
        let IpAddr::V4(address) = address else {
            anyhow::bail!("the demo's networks are IPv4 ones");
        };
        let [a, b, c, _] = address.octets();
        Ok(crate::lab::Port {
            network: network.clone(),
            address: format!("{a}.{b}.{c}.{host}/{PREFIX}"),
        })
    }
}
