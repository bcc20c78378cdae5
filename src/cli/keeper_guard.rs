//! `stead keeper-guard`.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use clap::Args;

use crate::agent::telemetry::{self, LogFormat};
use crate::keeper::guard::{self, GuardOptions};

/// Watch a keeper: only the keeper itself starts this
#[derive(Debug, Args)]
pub struct KeeperGuard {
    /// As the keeper's
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The keeper's cgroup
    #[arg(long, value_name = "DIR")]
    cgroup: PathBuf,
    /// The keeper's process
    #[arg(long, value_name = "PID")]
    keeper: i32,
    /// Its descriptor that says that it has ended everything
    #[arg(long, value_name = "NUMBER")]
    done: i32,
}

impl KeeperGuard {
    pub(super) fn run(self, format: LogFormat) -> anyhow::Result<()> {
        telemetry::start(format);
        let timer = std::io::stdin().as_fd().try_clone_to_owned()?;
        let Self { root, cgroup, keeper, done } = self;
        guard::run(&GuardOptions { root, cgroup, keeper, done }, timer, std::io::stdout())
    }
}
