//! The keeper: a small process that is the parent of every service, so that the agent can be
//! replaced, or die, without anything being left to chance.
//!
//! It decides one thing: when all services end. They do when the lease passes, and when the agent
//! is gone without having retired. In the latter case it makes sure that the agent is dead and
//! every process has ended, and only then sends the farewell that frees the groups.
//! It must never prolong a lease by itself, start anything without one, or wait for a disk or a
//! network while the lease runs: the deadline has a thread of its own.
//! Where it stands still beyond the lease, or dies, its guard ends everything ([`guard`]). Where
//! both die, the kernel ends the processes that the keeper started (`PR_SET_PDEATHSIG`), its unit or
//! the agent what those left, and its successor whatever is still there. Floating addresses that it
//! held are removed by its guard, its agent and its successor: no kernel does it.

use std::path::{Path, PathBuf};

use nix::sys::mman::{MlockAllFlags, mlockall};
use tracing::warn;

use crate::agent::process::sys;

pub mod addresses;
mod connection;
pub mod containment;
mod farewell;
pub mod guard;
mod lease;
pub mod listeners;
mod manager;
mod output;
mod ports;
mod processes;
pub mod protocol;
mod server;
pub mod watchdog;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// How a keeper is run.
#[derive(Clone, Debug)]
pub struct KeeperOptions {
    /// All paths are below it; `/` by default.
    pub root: PathBuf,
    /// The cgroup v2 to use; by default one below the keeper's own.
    pub cgroup: Option<PathBuf>,
    /// Whether an agent that is lost is left alive: only where it is a test, whose connection is
    /// all that dies.
    pub spare_agent: bool,
    /// What its guard is run with.
    pub guard: guard::GuardCommand,
}

/// Serves agents until SIGTERM.
///
/// # Errors
/// Where the socket can't be made, because another keeper runs or the path can't be written.
pub fn run(options: &KeeperOptions) -> anyhow::Result<()> {
    let mut server = server::Server::open(options, watchdog::open_kernel_device)?;
    stay_in_memory();
    server.rehearse();
    server.run()
}

/// Where agent and keeper meet, under the root.
#[must_use]
pub fn socket_path(root: &Path) -> PathBuf {
    root.join("run/stead/keeper.sock")
}

/// The log of a resource, under the root.
#[must_use]
pub fn log_path(root: &Path, name: &str) -> PathBuf {
    root.join("var/lib/stead/log").join(format!("{name}.log"))
}

/// What names the log of a monitor, beside those of resources.
#[must_use]
pub fn monitor_log(monitor: &str) -> String {
    format!("{monitor}.monitor")
}

/// Keeps what it uses from being paged out, and itself from being chosen when memory runs out. Both
/// only make it more dependable: without them it says so and goes on.
///
/// What it uses is what it touches from here on, and the way to the end of all services is gone
/// once before anything is served ([`server::Server::rehearse`]). Locking everything would hold the
/// whole program in memory for good, of which the keeper is a hundredth; locking what the start
/// touched would hold mostly the reader of the command line.
fn stay_in_memory() {
    if let Err(error) = sys::give_back_memory() {
        warn!(%error, "this process holds more memory than it needs");
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)
    {
        warn!(%error, "this process's memory is not locked");
    }
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-1000") {
        warn!(%error, "this process may be chosen when memory runs out");
    }
}
