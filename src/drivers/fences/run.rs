//! Running a script or an agent in a control group of its own, with its parameters on standard
//! input.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Use;
use crate::agent::keeper_client::KeeperError;
use crate::api::kinds::FencingMethod;
use crate::api::names::ServerName;
use crate::drivers::process::{self, KillOnDrop};
use crate::keeper::protocol::{
    EndedBy, Exit, ExitStatus, ProcessKind, Spawn, StandardInput, WaitFor,
};

/// Largest file of a secret.
const SECRET_BYTES_MAX: u64 = 4096;
/// What stands where a secret was.
const REDACTED: &str = "(secret)";

/// Why a method could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The member that the type names is missing.
    #[error("the settings that its type names are missing")]
    NoSettings,
    /// The keeper.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// A file of ours.
    #[error("failed to keep what it says: {0}")]
    Scratch(#[from] io::Error),
    /// The program.
    #[error("{program} {what}")]
    Program { program: String, what: &'static str },
}

/// Why a secret can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Reading failed.
    #[error("failed to read the secret {name} from {file}: {source}")]
    Read { name: String, file: String, source: io::Error },
    /// It is unfit.
    #[error("the secret {name} in {file} {what}")]
    Unfit { name: String, file: String, what: &'static str },
}

/// What a method is told.
#[derive(Clone)]
pub struct Input {
    /// Parameters that everybody may know.
    pub plain: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

impl Input {
    /// Reads the secrets.
    pub async fn read(method: &FencingMethod, server: &ServerName) -> Result<Self, SecretError> {
        let (parameters, files) = method.parameters_of(server.as_str());
        let own = |map: &BTreeMap<&str, &str>| -> BTreeMap<String, String> {
            map.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let plain = own(&parameters);
        let files = own(&files);
        if files.is_empty() {
            return Ok(Self { plain, secrets: BTreeMap::new() });
        }
        // A disk that hangs must hang nobody else.
        let read = tokio::task::spawn_blocking(move || {
            let secret = |(name, file): (String, String)| Ok((name.clone(), secret(&name, &file)?));
            files.into_iter().map(secret).collect::<Result<_, SecretError>>()
        });
        let secrets = read.await.unwrap_or_else(|error| {
            let (name, file) = (String::new(), String::new());
            Err(SecretError::Read { name, file, source: io::Error::other(error) })
        })?;
        Ok(Self { plain, secrets })
    }

    /// Lines of `name=value`, what is given here first.
    pub fn lines(&self, first: &[(&str, &str)]) -> StandardInput {
        let all = self.plain.iter().chain(&self.secrets);
        let own = all.map(|(name, value)| (name.as_str(), value.as_str()));
        let lines = first.iter().copied().chain(own);
        StandardInput(lines.map(|(name, value)| format!("{name}={value}\n")).collect())
    }

    /// Strikes out what nobody is to read.
    pub fn redact(&self, mut text: String) -> String {
        for secret in self.secrets.values().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), REDACTED);
        }
        text
    }

    /// Names of everything that it holds.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plain.keys().chain(self.secrets.keys()).map(String::as_str)
    }
}

fn secret(name: &str, file: &str) -> Result<String, SecretError> {
    let unfit = |what| SecretError::Unfit { name: name.to_owned(), file: file.to_owned(), what };
    let failed =
        |source| SecretError::Read { name: name.to_owned(), file: file.to_owned(), source };
    let known = std::fs::metadata(file).map_err(failed)?;
    if !known.is_file() {
        return Err(unfit("is not in a regular file"));
    }
    if known.mode() & 0o077 != 0 {
        return Err(unfit("may be read by others than root: chmod 600"));
    }
    if known.len() > SECRET_BYTES_MAX {
        return Err(unfit("is longer than 4096 bytes"));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    if text.contains(['\n', '\r', '\0']) {
        return Err(unfit("has more than one line"));
    }
    Ok(text)
}

/// Runs a program to its end; it and all that it started are killed at the end of the time.
pub async fn run(
    using: Use<'_>,
    command: &[String],
    environment: &BTreeMap<String, String>,
    input: StandardInput,
) -> Result<Exit, RunError> {
    check_program(command)?;
    let keeper = &using.host.keeper;
    let left = u64::try_from(using.left().as_millis()).unwrap_or(u64::MAX);
    let spawn = Spawn {
        resource: log_name(using),
        kind: ProcessKind::Monitor,
        command: command.to_vec(),
        environment: process::environment(using.host, environment),
        timeout_milliseconds: Some(left),
        input: Some(input),
        ..Spawn::default()
    };
    let spawned = keeper.spawn(spawn).await?;
    let _guard = KillOnDrop::new(keeper, spawned.id);
    Ok(keeper.wait(spawned.id, WaitFor::Exit).await?)
}

/// The exit code of a program that ended by itself.
pub fn code(exit: Exit) -> Option<i32> {
    match (exit.ended_by, exit.status) {
        (None, ExitStatus::Code(code)) => Some(code),
        (_, ExitStatus::Code(_) | ExitStatus::Signal(_)) => None,
    }
}

/// What a program did, in words, with the last that it printed.
pub fn describe(using: Use<'_>, exit: Exit) -> String {
    match exit.ended_by {
        Some(EndedBy::TimeOut) => format!("no answer within {}", using.method.timeout),
        Some(EndedBy::Request | EndedBy::Lease | EndedBy::Shutdown) => "it was ended".to_owned(),
        None => {
            let log = crate::keeper::monitor_log(&log_name(using));
            format!("{}{}", process::describe(exit.status), process::last_line(using.host, &log))
        }
    }
}

fn log_name(using: Use<'_>) -> String {
    format!("fence.{}.{}", using.method.name, using.server)
}

/// Said more plainly than the kernel does.
pub fn check_program(command: &[String]) -> Result<(), RunError> {
    let program = command.first().cloned().unwrap_or_default();
    let what = match std::fs::metadata(Path::new(&program)) {
        Ok(known) if !known.is_file() => "is not a file",
        Ok(known) if known.mode() & 0o111 == 0 => "is not executable: chmod +x",
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist",
        Err(_) => "can't be looked at",
    };
    Err(RunError::Program { program, what })
}
