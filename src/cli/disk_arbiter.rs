//! `stead disk-arbiter`: makes a shared disk ready for the disk arbiter.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::print;
use crate::agent::config::{AgentConfig, Layout};
use crate::drivers::arbiters::disk::{self, DiskError, InitOptions};

/// Work on the shared disk of `arbitration: {type: Disk}`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Init(Init),
}

/// Make a disk or file ready: once, on one server.
///
/// Writes a header that names the cluster, and 64 empty slots: 260 KiB in all. Refuses a disk that is
/// mounted, too small, another cluster's, or that holds anything else.
#[derive(Debug, Args)]
struct Init {
    /// The block device or file that every server reaches.
    #[arg(long, value_name = "PATH")]
    device: PathBuf,
    /// Id of the cluster [default: that of etc/stead/agent.yaml].
    #[arg(long, value_name = "ID")]
    cluster: Option<String>,
    /// Folder that agent.yaml is under.
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    /// Make the file where there is none.
    #[arg(long)]
    create: bool,
    /// Overwrite whatever the disk holds.
    #[arg(long)]
    overwrite: bool,
}

/// Makes it ready, or says why not.
pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Action::Init(init) = arguments.action;
    let cluster = match init.cluster {
        Some(cluster) => cluster,
        None => {
            let layout = Layout::new(&init.root, None);
            AgentConfig::read(&layout).map_err(anyhow::Error::from)?.cluster
        }
    };
    let options = InitOptions { create: init.create, overwrite: init.overwrite };
    let device = init.device.display();
    match disk::init(&init.device, &cluster, options) {
        Ok(true) => print(&format!("{device} was ready for cluster {cluster} already\n")),
        Ok(false) => print(&format!("{device} is ready for cluster {cluster}\n")),
        Err(
            error @ (DiskError::HoldsData { .. }
            | DiskError::OtherCluster { .. }
            | DiskError::OtherVersion { .. }
            | DiskError::TooSmall { .. }),
        ) => Err(Failure::Refused(error.to_string())),
        Err(error) => Err(Failure::Error(error.into())),
    }
}
