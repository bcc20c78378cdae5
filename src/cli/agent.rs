//! `stead agent`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: Format,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        }
    }
}

impl Agent {
    pub(super) fn run(self) -> anyhow::Result<()> {
        telemetry::start(self.log_format.into());
        agent::run(&AgentOptions { root: self.root, config: self.config })?;
        Ok(())
    }
}
