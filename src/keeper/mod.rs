//! The keeper: a small process that is the parent of every service.

use std::path::{Path, PathBuf};

pub mod listeners;
pub mod protocol;

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

/// What names the log of a monitor: no resource's name has a full stop followed by these words.
#[must_use]
pub fn monitor_log(monitor: &str) -> String {
    format!("{monitor}.monitor")
}
