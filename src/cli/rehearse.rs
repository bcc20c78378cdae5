//! `stead rehearse`.

mod conditions;
mod filter;
mod measure;
mod report;
#[cfg(test)]
mod tests;
mod work;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use serde_json::Value;

use super::apply::{check_manifests, existing, read_files};
use super::connection::Connection;
use super::failure::Failure;
use super::kinds::EVENT;
use super::output::{list, print};
use super::{Global, on_runtime};
use crate::sim::rehearse::{Measured, Pauses, Rehearsal, RehearseError};
use conditions::Conditions;
use filter::Filter;
use report::Report;

/// Play every fault of a manifest, before it happens.
///
/// Every single and every double fault that the manifest gives rise to is played through the very
/// decisions that the agents take, in a simulated world: servers, agents, keepers, paths, arbiters,
/// resources, monitors. Nothing is changed anywhere, and no cluster is needed. Out comes what
/// happens, who takes over, how long nobody serves and why, whether two servers could have served
/// at once, and what setting would mend it.
///
/// A second fault comes at each of: the same instant, during detection, arbitration, the takeover
/// wait, each resource's start, after recovery.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Conditions of --fail-on, separated by commas:
  dual-active    two servers could have served one group
  stops          nobody serves a group in the end
  outage>TIME    nobody served a group for longer than that, or nobody does in the end

Exit codes:
  0  rehearsed; no condition of --fail-on holds
  1  error: a file can't be read, no server answers
  2  the command line is wrong
  4  refused: the manifest is wrong, or its cluster does not come online even without a fault
  5  a condition of --fail-on holds

Examples:
  stead rehearse -f manifests/
  stead rehearse -f manifests/ --faults single --fail-on 'dual-active,outage>60s'
  stead rehearse -f manifests/ --filter power,vm1 -o wide
  stead rehearse -f manifests/ --explain 3+17@wait
  stead rehearse --from-cluster -o html > faults.html")]
pub(super) struct Arguments {
    /// Manifests: files, folders of .yaml, .yml and .json files, or `-` for standard input.
    #[arg(
        short,
        long,
        value_name = "FILE|DIR|-",
        required_unless_present = "from_cluster",
        conflicts_with = "from_cluster"
    )]
    filename: Vec<String>,
    /// Rehearse what the cluster has, with the durations that its events tell.
    #[arg(long)]
    from_cluster: bool,
    /// A file with measured durations (docs/rehearse.md); others are assumed.
    #[arg(long, value_name = "FILE")]
    measured: Option<String>,
    /// One fault at a time, or two as well.
    #[arg(long, value_enum, default_value_t = Faults::Double)]
    faults: Faults,
    /// Only faults of these kinds, or of these servers, paths, resources and monitors.
    #[arg(long, value_delimiter = ',', value_name = "KIND|NAME")]
    filter: Vec<String>,
    /// Exit with 5 where any of these holds.
    #[arg(long, value_name = "CONDITIONS", value_parser = Conditions::parse)]
    fail_on: Option<Conditions>,
    /// Seed of everything that is left to chance: delays of packets and of disks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell the story of one play: its number in the first column.
    #[arg(long, value_name = "NUMBER")]
    explain: Option<String>,
    /// Form of the output; wide: every play with the parts of its outage.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

/// How many faults at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Faults {
    /// One at a time.
    Single,
    /// One, and two.
    Double,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// Everything, for people.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A page for a repository.
    Markdown,
    /// A page for a browser.
    Html,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let (objects, mut measured) = if arguments.from_cluster {
        on_runtime(from_cluster(global))?
    } else {
        let files = read_files(&arguments.filename)?;
        let objects = check_manifests(&files)?;
        if !objects.iter().any(|object| object["kind"] == "Cluster") {
            return Err(Failure::Refused(
                "the manifest holds no Cluster: without one there is nothing to rehearse".into(),
            ));
        }
        (objects, Measured::default())
    };
    if let Some(file) = &arguments.measured {
        measured = measure::read(file, &objects)?;
    }
    // Whoever reads a story wants its true times.
    let pauses = if arguments.explain.is_some() { Pauses::Whole } else { Pauses::Cut };
    let rehearsal = Rehearsal::new(&objects, &measured, arguments.seed, pauses).map_err(refusal)?;
    let filter = Filter::new(&arguments.filter, &rehearsal)?;
    if let Some(id) = &arguments.explain {
        return print(&report::story(&rehearsal, id)?);
    }
    let doubles = arguments.faults == Faults::Double;
    let progress = std::io::stderr().is_terminal();
    let rows = work::rows(&rehearsal, &filter, doubles, progress)?;
    let report = Report::new(&rehearsal, rows);
    print(&report.render(arguments.output)?)?;
    match &arguments.fail_on {
        Some(conditions) => conditions.judge(&report),
        None => Ok(()),
    }
}

fn refusal(error: RehearseError) -> Failure {
    Failure::Refused(error.to_string())
}

/// What the cluster has, and how long its resources took.
async fn from_cluster(global: &Global) -> Result<(Vec<Value>, Measured), Failure> {
    let connection = Connection::open(global).await?;
    let objects = existing(&connection).await?;
    let events = connection.list(&EVENT).await?;
    Ok((objects, measure::from_events(list(&events, "/items"))))
}
