//! `stead init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::agent::config::PowerMode;
use crate::agent::init::{InitOptions, init};

/// Make the keys of a new cluster, and the folder that each server starts from
///
/// Reads the Cluster and everything else from manifests. Writes DIR/SERVER/etc/stead for each
/// server, which belongs at the root of that server, and DIR/admin.kubeconfig. DIR/ca.key signs
/// further certificates: keep it away from the servers.
#[derive(Debug, Args)]
pub struct Init {
    /// Manifest, or folder of manifests
    #[arg(short, long = "filename", required = true, value_name = "FILE|DIR")]
    filename: Vec<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite what is there: the servers get new keys
    #[arg(long)]
    force: bool,
    /// What the agents may do to end their machines
    #[arg(long, value_enum, default_value_t = Power::Real)]
    power: Power,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Power {
    /// Shut down or reboot the machine
    Real,
    /// End the PID namespace that the agent lives in
    Namespace,
    /// Only write that they would have
    None,
}

impl Init {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let made = init(&InitOptions {
            files: self.filename,
            out: self.out,
            force: self.force,
            power: match self.power {
                Power::Real => PowerMode::Real,
                Power::Namespace => PowerMode::Namespace,
                Power::None => PowerMode::None,
            },
        })?;
        for warning in &made.warnings {
            eprintln!("{warning}");
        }
        println!("Cluster {} with id {}.", made.cluster, made.id);
        for (server, folder) in &made.servers {
            println!("  {server}: copy {}/etc/stead to /etc/stead there", folder.display());
        }
        println!("Then start stead-keeper and stead-agent on each server, and use");
        println!("  export KUBECONFIG={}", made.kubeconfig.display());
        Ok(())
    }
}
