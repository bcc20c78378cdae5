//! `stead cluster`: the end of the whole cluster, and what only a person may decide.

mod others;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Global;
use super::connection::Connection;
use super::failure::Failure;
use super::kinds::kind;
use super::operation::{self, Options};
use super::output::{list, text};
use crate::agent::clock::wall_time;
use crate::agent::config::Layout;
use crate::agent::recover::Recovery;

/// Act on the cluster as a whole
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Recover(Recover),
    Shutdown(Shutdown),
}

/// Stops every group in order, then ends every agent; each says that it stopped cleanly.
///
/// To start the cluster again, start the agents (systemctl start stead-agent on each server) or the
/// machines: groups start as their attributes say, and one that was stopped before stays stopped. A
/// server that is not heard is not ended: what it may still run is waited for.
#[derive(Debug, Args)]
pub struct Shutdown {
    /// Switch the machines off, too, as far as `power` in each agent.yaml allows it.
    #[arg(long)]
    poweroff: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    options: Options,
}

/// Goes on with one server's store: where no view can form, or where the server with newer changes
/// will not come back.
///
/// A server with a new disk has no vote before a view that was formed without it has filled it.
/// Where too few servers are left for such a view, or `onMissedChanges: Wait` waits for a server
/// that is lost, this makes the store of the server it runs on
/// the cluster's: run it there as root, with the agent stopped, then start the agent. Changes that
/// only other servers had acknowledged are lost; where those servers come back, they keep them aside. The
/// others are asked first, and what they hold otherwise is listed.
/// Every group stays stopped until it is started. Never do it while other servers lead.
#[derive(Debug, Args)]
pub struct Recover {
    /// The server whose store is kept: the one this is run on.
    #[arg(long, value_name = "SERVER")]
    from: String,
    /// Say what would be done and lost, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Folder that all files are under.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Another agent.yaml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Does what was asked for.
///
/// # Errors
/// Where it was refused, or could not be done.
pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Recover(recover) => self::recover(recover).await,
        Command::Shutdown(shutdown) => self::shutdown(global, shutdown).await,
    }
}

async fn shutdown(global: &Global, shutdown: &Shutdown) -> Result<(), Failure> {
    if shutdown.options.in_earnest() && !shutdown.yes {
        let (name, what) = what_ends(global, shutdown.poweroff).await?;
        print(&what)?;
        if !confirmed(&name)? {
            let text = "nothing was done: not confirmed (type the cluster's name, or use --yes)";
            return Err(Failure::error(text));
        }
    }
    let machines = shutdown.poweroff.then_some("PowerOff");
    let fields = [("machines", machines)];
    operation::run_with(global, &shutdown.options, "ShutdownCluster", &fields).await
}

/// The cluster's name, and what its end means, as a list.
async fn what_ends(global: &Global, poweroff: bool) -> Result<(String, String), Failure> {
    let connection = Connection::open(global).await?;
    let clusters = connection.list(kind("hac")?).await?;
    let groups = connection.list(kind("fg")?).await?;
    let servers = connection.list(kind("srv")?).await?;
    let name = list(&clusters, "/items").first().map(|it| text(it, "/metadata/name"));
    let mut what = "This ends:\n".to_owned();
    for group in list(&groups, "/items") {
        let (name, server) = (text(group, "/metadata/name"), text(group, "/status/server"));
        if !server.is_empty() {
            what.push_str(&format!("  group {name}, active on {server}\n"));
        }
    }
    for server in list(&servers, "/items") {
        let (name, state) = (text(server, "/metadata/name"), text(server, "/status/state"));
        let ends = match (state, poweroff) {
            ("Lost", _) => "is not heard, and is not ended",
            (_, true) => "its agent, and its machine is switched off",
            (_, false) => "its agent; the machine goes on",
        };
        what.push_str(&format!("  server {name}: {ends}\n"));
    }
    Ok((name.unwrap_or_default().to_owned(), what))
}

async fn recover(recover: &Recover) -> Result<(), Failure> {
    let layout = Layout::new(&recover.root, recover.config.as_deref());
    let recovery =
        Recovery::prepare(&layout, &recover.from, wall_time()).map_err(anyhow::Error::from)?;
    print(&explain(&recovery, &others::compared(&layout, &recovery.objects).await?))?;
    if recover.dry_run {
        return print("Nothing was done (--dry-run).\n");
    }
    if !recover.yes && !confirmed(&recovery.server)? {
        let text = "nothing was done: not confirmed (type the server's name, or use --yes)";
        return Err(Failure::error(text));
    }
    let server = recovery.server.clone();
    recovery.carry_out().map_err(anyhow::Error::from)?;
    print(&format!(
        "Done. Start the agent of {server}, then those of the others; they are filled from it, and \
         keep what only they held in /var/lib/stead/aside.\nEvery group stays stopped until it is \
         started: stead group start GROUP\n"
    ))
}

/// `others`: what the other servers hold.
fn explain(recovery: &Recovery, others: &str) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for key in recovery.objects.keys() {
        *kinds.entry(&key.kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let names = recovery.others.join(", ");
    format!(
        "The store of {server} (state folder {incarnation}, revision {before}) becomes the \
         cluster's, as revision {after}.\n\
         It holds: {objects}.\n\
         What may be lost: every change after revision {before} that {names} acknowledged \
         without {server}.\n\
         {others}\
         {names} may then join with any state folder; what theirs hold is replaced.\n\
         Every group stays stopped until a person starts it, also once a view has formed: the \
         arbitration of the Cluster stays in force.\n\
         Do this only if no other server leads: look at `stead status` on each of them first.\n",
        server = recovery.server,
        incarnation = recovery.incarnation,
        before = recovery.before,
        after = recovery.after,
        objects = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") },
    )
}

fn confirmed(name: &str) -> Result<bool, Failure> {
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        return Ok(false);
    }
    print(&format!("Type {name} to go on: "))?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim() == name)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}
