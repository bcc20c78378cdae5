//! `stead init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::output::print;
use crate::agent::config::PowerMode;
use crate::agent::init::{InitError, InitOptions, init};
use crate::api::problem;

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
    pub(super) fn run(self) -> Result<(), Failure> {
        let made = init(&InitOptions {
            files: self.filename,
            out: self.out,
            force: self.force,
            power: match self.power {
                Power::Real => PowerMode::Real,
                Power::Namespace => PowerMode::Namespace,
                Power::None => PowerMode::None,
            },
        })
        .map_err(|error| {
            if let InitError::Manifest(problems) = &error {
                return Failure::Problems(problem::render(problems));
            }
            Failure::Error(error.into())
        })?;
        for warning in &made.warnings {
            eprintln!("{warning}");
        }
        let mut text = format!("Cluster {} with id {}.\n", made.cluster, made.id);
        for (server, folder) in &made.servers {
            let folder = folder.display();
            text.push_str(&format!("  {server}: copy {folder}/etc/stead to /etc/stead there\n"));
        }
        text.push_str("Then start stead-keeper and stead-agent on each server, and use\n");
        text.push_str(&format!("  export KUBECONFIG={}\n", made.kubeconfig.display()));
        print(&text)
    }
}
