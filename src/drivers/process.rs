//! What drivers that run processes share.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use crate::agent::keeper_client::KeeperClient;
use crate::drivers::Host;
use crate::keeper::log_path;
use crate::keeper::protocol::{ExitStatus, ProcessKind, Spawn, Target, WaitFor};

/// What a process finds of the agent's own environment, and what where the agent has none. All
/// else stays out: no script inherits a secret.
const INHERITED: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/"),
    ("LANG", "C.UTF-8"),
];
/// How much of a log's end is looked at for its last line.
const TAIL_BYTES: u64 = 1024;
/// How much of that line a message holds.
const LINE_CHARACTERS_MAX: usize = 200;

/// The environment every process gets; the manifest's variables before the server's name, so that
/// no manifest can hide it.
#[must_use]
pub fn environment(host: &Host, manifest: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let inherited = INHERITED.map(|(name, default)| {
        (name.to_owned(), std::env::var(name).unwrap_or_else(|_| default.to_owned()))
    });
    let mut environment = Vec::from(inherited);
    environment.extend(manifest.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment.push(("STEAD_SERVER_NAME".to_owned(), host.server.to_string()));
    environment
}

/// In words.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exited with code {code}"),
        ExitStatus::Signal(signal) => format!("was ended by signal {signal}"),
    }
}

/// `: ` and the last line of a log, or nothing.
#[must_use]
pub fn last_line(host: &Host, log: &str) -> String {
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(log_path(&host.root, log))?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = tail().unwrap_or_default();
    let Some(line) = text.lines().map(str::trim).rfind(|line| !line.is_empty()) else {
        return String::new();
    };
    let line: String =
        line.chars().filter(|letter| !letter.is_control()).take(LINE_CHARACTERS_MAX).collect();
    format!(": {line}")
}

/// Kills a process, and all it started, unless told that it need not.
#[derive(Debug)]
pub struct KillOnDrop {
    keeper: Option<KeeperClient>,
    id: u64,
}

impl KillOnDrop {
    /// For the process of that number.
    #[must_use]
    pub fn new(keeper: &KeeperClient, id: u64) -> Self {
        Self { keeper: Some(keeper.clone()), id }
    }

    /// Its end is no longer wanted.
    pub fn disarm(mut self) {
        self.keeper = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.kill_now(Target::Process(self.id));
            keeper.forget(self.id);
        }
    }
}

/// Runs the recovery script of a monitor: its exit code, or none where it could not be run or was
/// ended.
pub async fn recovery_script(
    host: &Host,
    monitor: &str,
    command: &[String],
    timeout: Duration,
) -> Option<i32> {
    let mut environment = environment(host, &BTreeMap::new());
    environment.push(("STEAD_MONITOR".to_owned(), monitor.to_owned()));
    let spawn = Spawn {
        // Not the monitor's own name: an asynchronous monitor looks for its process by that.
        resource: format!("{monitor}.recovery"),
        kind: ProcessKind::Monitor,
        command: command.to_vec(),
        environment,
        timeout_milliseconds: Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        ..Spawn::default()
    };
    let spawned = match host.keeper.spawn(spawn).await {
        Ok(spawned) => spawned,
        Err(error) => {
            tracing::warn!(monitor, %error, "the recovery script was not run");
            return None;
        }
    };
    let guard = KillOnDrop::new(&host.keeper, spawned.id);
    let exit = host.keeper.wait(spawned.id, WaitFor::Exit).await.ok()?;
    // What it started lives on: starting something may be what it is for.
    guard.disarm();
    host.keeper.forget(spawned.id);
    match (exit.status, exit.ended_by) {
        (ExitStatus::Code(code), None) => Some(code),
        (ExitStatus::Code(_) | ExitStatus::Signal(_), _) => None,
    }
}
