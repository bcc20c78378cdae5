//! The `stead` command: one file for each subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod agent;
mod init;

/// A failover cluster for cloud VMs that is operated like Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "stead", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Agent(agent::Agent),
}

/// Runs a command; errors go to standard error.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Init(command) => command.run(),
        Command::Agent(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stead: {error:#}");
            ExitCode::FAILURE
        }
    }
}
