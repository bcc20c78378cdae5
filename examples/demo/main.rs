//! `make demo`: three servers on this machine, two faults and a planned move, and what a client
//! saw of them.
//!
//! Each server has namespaces of its own and is set up as an administrator would do it: `stead
//! init`, a keeper, an agent, `stead apply`. HAProxy stands in front and asks the probe ports; a
//! client opens a connection every 10 ms; a recorder asks every server directly, every 5 ms,
//! whether two serve at once.

mod api;
mod balancer;
mod client;
mod cluster;
mod faults;
mod lab;
mod manifest;
mod plays;
mod recorder;
mod rehearsed;
mod split;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use cluster::Cluster;
use lab::Lab;
use plays::{Play, Stage};
use split::{Span, Split};

/// Starts three servers on this machine, plays two faults and a planned move, and shows what a
/// client saw of them.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Leave the cluster running, and print things to try.
    #[arg(long)]
    keep: bool,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Play everything so often; the figures are those of the median run.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Play ten faults instead, each of them rehearsed as well, and compare.
    #[arg(long)]
    rehearse: bool,
    /// Play real faults instead: names separated by commas, `short` for every one, `long` for what
    /// stands still, for 20 and 40 time-outs.
    #[arg(long, value_name = "FAULTS")]
    faults: Option<String>,
    /// Write the fault table, filled in, to this file.
    #[arg(long, value_name = "FILE", requires = "faults")]
    table: Option<PathBuf>,
    /// End a cluster that was left running, and do nothing else.
    #[arg(long)]
    stop: bool,
    /// The manifests to play with.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "manifests/quickstart",
        default_value_if("faults", clap::builder::ArgPredicate::IsPresent, "manifests/faults")
    )]
    manifests: PathBuf,
    /// The program to play with; by default the one that was built with this one.
    #[arg(long, value_name = "PROGRAM")]
    stead: Option<PathBuf>,
    /// Name of the lab, by which what it left behind is found: several can be had at once in
    /// networks of their own.
    #[arg(long, value_name = "NAME", default_value = "demo", hide = true)]
    lab: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.stop {
        return Lab::clear(&arguments.lab);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // Dropping the demo's future ends its machines.
        tokio::select! {
            result = demo(&arguments) => result,
            _ = interrupt.recv() => anyhow::bail!("interrupted; everything has been cleared away"),
            _ = terminate.recv() => anyhow::bail!("terminated; everything has been cleared away"),
        }
    })
}

async fn demo(arguments: &Arguments) -> Result<()> {
    let stead = match &arguments.stead {
        Some(stead) => stead.clone(),
        None => built("stead")?,
    };
    let web = built("examples/web")?;
    for program in [&stead, &web] {
        ensure!(program.exists(), "{} is not there: scripts/demo.sh builds it", program.display());
    }
    println!("starting three servers with {}", arguments.manifests.display());
    let for_faults = arguments.faults.is_some();
    let cluster =
        Cluster::start(&arguments.lab, &stead, &web, &arguments.manifests, for_faults).await?;
    let mut stage = Stage::new(cluster).await?;
    let result = match &arguments.faults {
        Some(which) => play_faults(&mut stage, which, arguments).await,
        None if arguments.rehearse => rehearsed::compare(&mut stage).await,
        None => play(&mut stage, arguments).await,
    };
    if arguments.keep {
        let cluster = stage.into_cluster();
        print_things_to_try(&cluster, &stead);
        cluster.keep()?;
    }
    result
}

/// Plays everything as often as asked for, and tells the figures.
async fn play(stage: &mut Stage, arguments: &Arguments) -> Result<()> {
    stage.cluster().apply().await?;
    let mut figures = Figures::default();
    for run in 1..=arguments.runs {
        if arguments.runs > 1 {
            println!("\nrun {run} of {}", arguments.runs);
        }
        figures.server_lost.push(stage.play(Play::ServerLost).await?);
        figures.agent_lost.push(stage.play(Play::AgentLost).await?);
        figures.planned_move.push(stage.play(Play::PlannedMove).await?);
    }
    let record = stage.record();
    figures.print();
    println!(
        "two active: {} of {} rounds ({} discarded: the machine was too busy to ask at once)",
        record.dual.len(),
        record.rounds,
        record.discarded
    );
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures.json(stage)?)?;
        fs::write(file, text + "\n")
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    ensure!(record.dual.is_empty(), "two servers answered at once: {:?}", record.dual);
    Ok(())
}

/// Plays faults, and tells what came of each.
async fn play_faults(stage: &mut Stage, which: &str, arguments: &Arguments) -> Result<()> {
    let outcomes = faults::play(stage, which).await?;
    faults::write(&outcomes, arguments.json.as_deref(), arguments.table.as_deref())
}

/// What was measured, a split a run.
#[derive(Default)]
struct Figures {
    server_lost: Vec<Split>,
    agent_lost: Vec<Split>,
    planned_move: Vec<Split>,
}

impl Figures {
    fn print(&self) {
        println!();
        for (name, runs) in [
            ("server lost", &self.server_lost),
            ("agent lost", &self.agent_lost),
            ("planned move", &self.planned_move),
        ] {
            let Some(median) = Split::median(runs) else { continue };
            let mut own: Vec<Span> = runs.iter().map(|split| split.overhead).collect();
            own.sort_unstable();
            let spread = match runs.len() {
                1 => String::new(),
                many => format!(
                    "   ({many} runs; ours: median {}, worst {})",
                    own[(many - 1) / 2],
                    own[many - 1]
                ),
            };
            println!("{name:<13} {median}{spread}");
        }
    }

    fn json(&self, stage: &Stage) -> Result<Value> {
        let median = |runs: &[Split]| Split::median(runs).context("everything was played");
        let planned = median(&self.planned_move)?;
        let cluster = stage.cluster();
        let mut servers = Vec::new();
        for server in &cluster.manifest().servers {
            servers.push(json!({
                "name": server.name,
                "address": server.address()?,
                "pids": cluster.pids(&server.name)?,
            }));
        }
        Ok(json!({
            "serverLost": median(&self.server_lost)?.json(),
            "agentLost": median(&self.agent_lost)?.json(),
            "plannedMove": {
                "outageMs": planned.outage.milliseconds(),
                "overheadMs": planned.overhead.milliseconds(),
            },
            "dualActiveSamples": stage.record().dual.len(),
            "heartbeatTimeoutMs": u64::try_from(cluster.manifest().timeout.as_millis())?,
            "kubeconfig": cluster.kubeconfig(),
            "servers": servers,
        }))
    }
}

fn print_things_to_try(cluster: &Cluster, stead: &Path) {
    let group = &cluster.manifest().group;
    let stead = stead.display();
    println!(
        "
the cluster goes on; things to try:
  export KUBECONFIG={}
  kubectl get fg
  kubectl describe fg {group}
  {stead} status
  {stead} why {group}
  {stead} group move {group}
  kubectl get events -w
make demo ARGS=--stop ends it",
        cluster.kubeconfig().display()
    );
}

/// A program that was built with this one.
fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).context("this program lies in a target folder")?;
    Ok(folder.join(name))
}
