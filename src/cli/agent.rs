//! `stead agent`.

use std::path::PathBuf;

use clap::Args;

use crate::agent::telemetry::{self, LogFormat};
use crate::agent::{self, AgentOptions};

/// Run this server's agent: what the service manager starts
#[derive(Debug, Args)]
pub struct Agent {
    /// Folder that all files are under, for several agents on one machine
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    /// Another configuration than etc/stead/agent.yaml under the root
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Agent {
    pub(super) fn run(self, format: LogFormat) -> anyhow::Result<()> {
        telemetry::start(format);
        agent::run(&AgentOptions { root: self.root, config: self.config })?;
        Ok(())
    }
}
