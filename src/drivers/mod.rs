//! What touches the outside: resources, monitors, arbiters and fences, a file for each type and one
//! registry line.
//!
//! A driver is idempotent and bounded, probes before it believes, and says `Unknown` where it
//! can't tell. Dropping its future ends the work. It decides nothing: the engine does.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

use crate::agent::keeper_client::KeeperClient;
use crate::api::names::{PathName, ResourceName, ServerName};
use crate::cloud::Cloud;
use crate::engine::time::Instant;

pub mod arbiters;
mod checksum;
#[cfg(test)]
mod fake_keeper;
pub mod fences;
pub mod monitors;
#[cfg(test)]
mod netns;
#[cfg(feature = "aws")]
mod observed;
pub mod process;
pub mod resources;

/// What every driver works with. Clones share it.
#[derive(Clone, Debug)]
pub struct Host {
    /// This server.
    pub server: ServerName,
    /// The parent of every process.
    pub keeper: KeeperClient,
    /// This server's address on each heartbeat path.
    pub addresses: BTreeMap<PathName, IpAddr>,
    /// What `--root` names; `/` by default.
    pub root: PathBuf,
    /// Active resources that fail by themselves.
    pub failures: mpsc::UnboundedSender<(ResourceName, String)>,
    /// The end of this server's lease; nothing that the outside sees is begun past it.
    pub lease: watch::Receiver<Option<Instant>>,
    /// Boot time.
    pub clock: fn() -> Instant,
    /// How clouds are reached.
    pub cloud: Cloud,
    /// Tasks of active commands; empty at the start of the agent.
    pub supervisors: resources::exec::Supervisors,
}

impl Host {
    /// Whether this server holds a lease now.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.lease.borrow().is_some_and(|until| (self.clock)() < until)
    }
}

/// What a build without the SDK of AWS says of everything that needs it.
#[cfg(not(feature = "aws"))]
fn not_built(what: &str) -> String {
    let parameters = [("message".to_owned(), what.to_owned())];
    crate::api::catalogue::render("AwsNotBuilt", &parameters, Default::default())
}

/// Whether an error says that this machine is short of something, and nothing about the network.
fn is_local_shortage(error: &io::Error) -> bool {
    use nix::errno::Errno;
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(*errno as i32))
}
