//! `stead keeper`.

use std::path::PathBuf;

use clap::Args;

use crate::agent::telemetry::{self, LogFormat};
use crate::keeper::{self, KeeperOptions, guard};

/// Run this server's keeper, the parent of its services: what the service manager starts
#[derive(Debug, Args)]
pub struct Keeper {
    /// Folder that all files are under, for several keepers on one machine
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    /// Cgroup v2 for the services; by default one below the keeper's own
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
}

impl Keeper {
    pub(super) fn run(self, format: LogFormat) -> anyhow::Result<()> {
        telemetry::start(format);
        keeper::run(&KeeperOptions {
            root: self.root,
            cgroup: self.cgroup,
            spare_agent: false,
            guard: guard::own_program,
        })
    }
}
