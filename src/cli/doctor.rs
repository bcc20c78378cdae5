//! `stead doctor`: looks whether what a cluster relies on is there.

mod report;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

use super::apply::{existing, read_files};
use super::connection::Connection;
use super::failure::Failure;
use super::output::print;
use super::{Global, on_runtime};
use crate::agent::clock::wall_time;
use crate::api::manifest;
use crate::api::problem::{self, Problem};
use crate::doctor::{Check, Finding, Outcome, Settings, examine};

/// Nothing but OK and Skipped.
const FINE: u8 = 0;
/// At least one warning.
const WARNINGS: u8 = 1;
/// At least one error, or nothing could be looked at.
const ERRORS: u8 = 2;

/// Look whether everything that a cluster relies on is there.
///
/// Run it on each server before the first failover, and daily: it sees what that server sees, with
/// that server's credentials. Without -f it looks at what the cluster has. It changes nothing: what
/// an agent would change is asked of AWS as a dry run, or, of records, as the removal of one that is
/// not there.
///
/// manifest: the rules that apply checks too. credentials: where they come from, whose they are.
/// region. endpoints: EC2 and Route 53 answer. clock: it is as that of AWS. permissions: every action
/// that the manifest needs. vpc: virtual addresses are outside of it. interfaces: there, in the VPC,
/// attached to the instance that fencing stops, Source/Dest check off. routes: entries for virtual
/// addresses, table by table. elastic-ip: the address, the Internet gateway, the way to AWS of servers
/// without it. dns: zone, record, the VPC's resolver. zones: their state; servers in different ones.
/// instances: there, running, without stop protection. ports: those of other servers can be reached,
/// own ones are free or held by stead. Checks of AWS are made where the manifest uses it, by a program
/// that was built with the feature `aws`.
///
/// Skipped says that something could not be looked at, and why; it is no warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  all is well, as far as it could be looked at
  1  warnings
  2  errors; or nothing was looked at: a file can't be read, no server answers, the command line is
     wrong

Examples:
  stead doctor -f manifests/
  stead doctor
  stead doctor --only permissions,routes -o wide
  stead doctor -o json | jq '.findings[] | select(.result != \"OK\")'")]
pub(super) struct Arguments {
    /// Manifests: files, folders of .yaml, .yml and .json files, or `-` for standard input
    /// [default: what the cluster has].
    #[arg(short, long, value_name = "FILE|DIR|-")]
    filename: Vec<String>,
    /// Only these checks, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    only: Vec<Check>,
    /// How long each question may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Form of the output; wide: also the id of each message, for `stead explain`.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people: a row each, with what mends it below.
    Table,
    /// The same with the ids of messages.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The exit code is the verdict.
pub(super) fn run(global: &Global, arguments: &Arguments) -> ExitCode {
    match look(global, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(std::io::stderr(), "{}", failure.to_string().trim_end());
            ExitCode::from(ERRORS)
        }
    }
}

fn look(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let (objects, problems) = objects(global, arguments)?;
    if !objects.iter().any(|object| object["kind"] == "Cluster") {
        let mut words = "there is no Cluster: without one there is nothing to look at".to_owned();
        if problem::has_errors(&problems) {
            words = format!("{words}\n{}", problem::render(&problems));
        }
        return Err(Failure::Refused(words));
    }
    let only = arguments.only.iter().copied();
    let checks = if arguments.only.is_empty() { Check::ALL.into() } else { only.collect() };
    let shown = std::io::stderr().is_terminal();
    let settings = Settings {
        checks,
        timeout: Duration::from_secs(arguments.timeout),
        answered: if shown { answered } else { || {} },
        clock: || wall_time().0,
    };
    let findings = on_runtime(async { Ok(examine(&objects, &problems, &settings).await) })?;
    if shown {
        // Nobody looks where standard error is gone.
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    print(&report::render(&findings, arguments.output)?)?;
    Ok(verdict(&findings))
}

fn objects(global: &Global, arguments: &Arguments) -> Result<(Vec<Value>, Vec<Problem>), Failure> {
    if arguments.filename.is_empty() {
        let objects = on_runtime(async { existing(&Connection::open(global).await?).await })?;
        return Ok((objects, Vec::new()));
    }
    let (objects, problems) = manifest::parse(&read_files(&arguments.filename)?);
    Ok((objects.into_iter().map(|object| object.value).collect(), problems))
}

/// Shows that it goes on.
fn answered() {
    static ANSWERS: AtomicUsize = AtomicUsize::new(0);
    let answers = ANSWERS.fetch_add(1, Ordering::Relaxed) + 1;
    // Nobody looks where standard error is gone.
    let _ = write!(std::io::stderr(), "\rlooking: {answers} answers");
}

fn verdict(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.outcome).max() {
        None | Some(Outcome::Ok | Outcome::Skipped) => FINE,
        Some(Outcome::Warning) => WARNINGS,
        Some(Outcome::Error) => ERRORS,
    }
}

#[cfg(test)]
mod tests;
