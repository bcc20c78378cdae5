//! `Custom`: a script that says whether something works.
//!
//! Synchronous: its exit code is the answer of one check, and nothing it started outlives the
//! check. Asynchronous: it runs on, and its end is the failure; an agent that was replaced finds
//! the one that runs.

use crate::agent::keeper_client::KeeperError;
use crate::api::kinds::MonitorSpec;
use crate::api::names::MonitorName;
use crate::api::types::{CustomMonitorMode, CustomMonitorSpec};
use crate::drivers::Host;
use crate::drivers::process::{self, KillOnDrop};
use crate::engine::input::CheckResult;
use crate::keeper::protocol::{EndedBy, Exit, ExitStatus, ProcessKind, Spawn, WaitFor};

/// Checks once; an asynchronous script is waited for.
pub async fn check(
    host: &Host,
    monitor: &MonitorName,
    spec: &MonitorSpec,
) -> (CheckResult, String) {
    let Some(custom) = &spec.custom else {
        return (CheckResult::Unknown, "spec.custom is missing".to_owned());
    };
    let result = match custom.mode {
        CustomMonitorMode::Synchronous => {
            let timeout: std::time::Duration = spec.timeout.into();
            let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            synchronous(host, monitor, custom, timeout).await
        }
        CustomMonitorMode::Asynchronous => asynchronous(host, monitor, custom).await,
    };
    result.unwrap_or_else(|error| (CheckResult::Unknown, error.to_string()))
}

async fn synchronous(
    host: &Host,
    monitor: &MonitorName,
    custom: &CustomMonitorSpec,
    timeout: u64,
) -> Result<(CheckResult, String), KeeperError> {
    let spawned = host.keeper.spawn(spawn(host, monitor, custom, Some(timeout))).await?;
    let _guard = KillOnDrop::new(&host.keeper, spawned.id);
    let exit = host.keeper.wait(spawned.id, WaitFor::Exit).await?;
    Ok(match (exit.ended_by, exit.status) {
        (Some(EndedBy::TimeOut), _) => {
            (CheckResult::TimedOut, format!("no answer within {timeout} ms"))
        }
        (Some(EndedBy::Request | EndedBy::Lease | EndedBy::Shutdown), _) => {
            (CheckResult::Unknown, "the check was ended".to_owned())
        }
        (None, ExitStatus::Code(code)) if custom.normal_values.contains(&code) => {
            (CheckResult::Normal, format!("exit code {code}"))
        }
        (None, ExitStatus::Code(_) | ExitStatus::Signal(_)) => {
            (CheckResult::Error, report(host, monitor, exit))
        }
    })
}

async fn asynchronous(
    host: &Host,
    monitor: &MonitorName,
    custom: &CustomMonitorSpec,
) -> Result<(CheckResult, String), KeeperError> {
    let running = host.keeper.list().await?.into_iter().find(|process| {
        process.kind == ProcessKind::Monitor
            && process.resource == monitor.as_str()
            && process.exit.is_none()
    });
    let id = match running {
        Some(process) => process.id,
        None => host.keeper.spawn(spawn(host, monitor, custom, None)).await?.id,
    };
    let _guard = KillOnDrop::new(&host.keeper, id);
    let exit = host.keeper.wait(id, WaitFor::Exit).await?;
    Ok(match exit.ended_by {
        Some(EndedBy::Request | EndedBy::Lease | EndedBy::Shutdown | EndedBy::TimeOut) => {
            (CheckResult::Unknown, "the script was ended".to_owned())
        }
        None => (CheckResult::Error, report(host, monitor, exit)),
    })
}

fn report(host: &Host, monitor: &MonitorName, exit: Exit) -> String {
    let said = process::last_line(host, &crate::keeper::monitor_log(monitor.as_str()));
    format!("{}{said}", process::describe(exit.status))
}

fn spawn(
    host: &Host,
    monitor: &MonitorName,
    custom: &CustomMonitorSpec,
    timeout_milliseconds: Option<u64>,
) -> Spawn {
    let mut environment = process::environment(host, &custom.environment);
    environment.push(("STEAD_MONITOR".to_owned(), monitor.to_string()));
    Spawn {
        resource: monitor.to_string(),
        kind: ProcessKind::Monitor,
        command: custom.command.clone(),
        environment,
        timeout_milliseconds,
        ..Spawn::default()
    }
}

#[cfg(test)]
mod tests;
