//! `stead cluster recover`: the one thing that only a person may decide.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
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
}

/// Goes on with one server's store where no view can form: too many disks were replaced.
///
/// A server with a new disk has no vote before a view that was formed without it has filled it.
/// Where too few servers are left for such a view, this makes the store of the server it runs on
/// the cluster's: run it there as root, with the agent stopped, then start the agent. Changes that
/// only other servers had acknowledged are lost. Never do it while other servers lead.
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
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Recover(recover) = &arguments.command;
    let layout = Layout::new(&recover.root, recover.config.as_deref());
    let recovery =
        Recovery::prepare(&layout, &recover.from, wall_time()).map_err(anyhow::Error::from)?;
    print(&explain(&recovery))?;
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
        "Done. Start the agent of {server}, then those of the others; they are filled from it.\n"
    ))
}

fn explain(recovery: &Recovery) -> String {
    let kinds: Vec<String> =
        recovery.objects.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let others = recovery.others.join(", ");
    format!(
        "The store of {server} (state folder {incarnation}, revision {before}) becomes the \
         cluster's, as revision {after}.\n\
         It holds: {objects}.\n\
         What may be lost: every change after revision {before} that {others} acknowledged \
         without {server}.\n\
         {others} may then join with any state folder; what theirs hold is replaced.\n\
         Groups start only once a view can form: the arbitration of the Cluster stays in force.\n\
         Do this only if no other server leads: look at `stead status` on each of them first.\n",
        server = recovery.server,
        incarnation = recovery.incarnation,
        before = recovery.before,
        after = recovery.after,
        objects = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") },
    )
}

fn confirmed(server: &str) -> Result<bool, Failure> {
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        return Ok(false);
    }
    print(&format!("Type {server} to go on: "))?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim() == server)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}
