//! The `stead` command. One file per subcommand.
//!
//! Everything that concerns a running cluster goes through its API with the `kube` client: nothing
//! here can do what kubectl could not.

mod agent;
mod apply;
mod cluster;
mod completion;
mod connection;
mod delete;
mod describe;
mod disk_arbiter;
mod docs;
mod doctor;
mod events;
mod explain;
mod failure;
mod generate;
mod get;
mod group;
mod iam_policy;
mod init;
mod keeper;
mod keeper_guard;
mod kinds;
mod operation;
mod output;
mod past;
mod port_check;
mod rehearse;
mod server;
mod status;
mod table;
mod why;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::agent::telemetry::LogFormat;
use failure::Failure;

/// What every subcommand can end with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error: no server answers, a file can't be read, nothing of that name
  2  the command line is wrong
  3  not done within the time to wait; the cluster goes on with it
  4  refused: a manifest is wrong, the cluster says no, an operation failed or was superseded
(port-check, rehearse and doctor have their own, as their help says.)

Files:
  /etc/stead/pki/admin.kubeconfig   how to reach the cluster, unless --kubeconfig or KUBECONFIG
                                    says otherwise; every context in it is tried";

/// Failover cluster for cloud VMs, operated like Kubernetes.
///
/// An agent on each VM keeps every failover group active on exactly one of them. Objects are YAML,
/// applied with `stead apply` or kubectl; `stead status` shows everything at a glance, and `stead
/// why` says how it came to be so.
#[derive(Debug, Parser)]
#[command(name = "stead", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every subcommand.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// Kubeconfig to reach the cluster with [default: $KUBECONFIG, then
    /// /etc/stead/pki/admin.kubeconfig].
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context only, instead of trying all.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// How log lines are written to standard error. STEAD_LOG sets their level: error, warn,
    /// info, debug, trace.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: Format,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Agent(agent::Agent),
    Keeper(keeper::Keeper),
    #[command(hide = true)]
    KeeperGuard(keeper_guard::KeeperGuard),
    Apply(apply::Arguments),
    Get(get::Arguments),
    Describe(describe::Arguments),
    Delete(delete::Arguments),
    Status(status::Arguments),
    Group(group::Arguments),
    Server(server::Arguments),
    Cluster(cluster::Arguments),
    Events(events::Arguments),
    Why(why::Arguments),
    Explain(explain::Arguments),
    IamPolicy(iam_policy::Arguments),
    Doctor(doctor::Arguments),
    Rehearse(rehearse::Arguments),
    DiskArbiter(disk_arbiter::Arguments),
    PortCheck(port_check::Arguments),
    Completion(completion::Arguments),
    #[command(hide = true)]
    Generate(generate::Arguments),
}

/// Reads the command line; help and errors are printed here, and give the exit code.
///
/// # Errors
/// With the exit code, where there is nothing left to run.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let error = match Cli::try_parse_from(&arguments) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // Nobody is left to tell where the terminal is gone.
    let _ = error.print();
    let port_check = arguments.get(1).is_some_and(|word| word == "port-check");
    Err(match (asked_for, port_check) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(port_check::BAD_ARGUMENTS),
        (false, false) => ExitCode::from(failure::USAGE),
    })
}

/// Does what was asked for.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let global = cli.global;
    let format = match global.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let result = match cli.command {
        Command::PortCheck(arguments) => return port_check::run(&arguments),
        Command::Doctor(arguments) => return doctor::run(&global, &arguments),
        Command::Init(command) => command.run(),
        Command::Agent(command) => command.run(format).map_err(Failure::from),
        Command::Keeper(command) => command.run(format).map_err(Failure::from),
        Command::KeeperGuard(command) => command.run(format).map_err(Failure::from),
        Command::DiskArbiter(arguments) => disk_arbiter::run(arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::IamPolicy(arguments) => iam_policy::run(&global, &arguments),
        Command::Rehearse(arguments) => rehearse::run(&global, &arguments),
        Command::Completion(arguments) => completion::run(&arguments),
        Command::Cluster(arguments) => on_runtime(cluster::run(&global, &arguments)),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Apply(arguments) => on_runtime(apply::run(&global, &arguments)),
        Command::Get(arguments) => on_runtime(get::run(&global, &arguments)),
        Command::Describe(arguments) => on_runtime(describe::run(&global, &arguments)),
        Command::Delete(arguments) => on_runtime(delete::run(&global, &arguments)),
        Command::Status(arguments) => on_runtime(status::run(&global, &arguments)),
        Command::Group(arguments) => on_runtime(group::run(&global, &arguments)),
        Command::Server(arguments) => on_runtime(server::run(&global, &arguments)),
        Command::Events(arguments) => on_runtime(events::run(&global, &arguments)),
        Command::Why(arguments) => on_runtime(why::run(&global, &arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                // Nobody is left to tell where standard error is closed.
                let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// The command line as clap knows it, for completions and the documentation.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// `docs/cli.md`: every subcommand with its help.
#[must_use]
pub fn reference() -> String {
    docs::markdown(&command())
}

#[cfg(test)]
mod tests;
