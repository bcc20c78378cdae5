//! `Exec`: one supervised command, or a pair of scripts.
//!
//! All processes belong to the keeper, which holds them in a cgroup of the resource. A command is
//! active while anything in that cgroup lives: a launcher that ends and leaves a daemon is still
//! supervised. Of a pair of scripts the keeper remembers that the start script succeeded, and
//! whether it left anything running; that is what a probe goes by.
//! A stop succeeds only when the cgroup is empty.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::agent::keeper_client::KeeperError;
use crate::api::names::ResourceName;
use crate::api::types::ExecSpec;
use crate::drivers::Host;
use crate::drivers::process::{self, KillOnDrop};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;
use crate::engine::message::OrderReason;
use crate::engine::time::Instant;
use crate::keeper::protocol::{
    EndedBy, Exit, ExitStatus, ProcessKind, ProcessReport, Spawn, Spawned, Target, WaitFor,
};

/// The tasks that wait for the end of active commands, one a resource.
pub type Supervisors = Arc<Mutex<BTreeMap<ResourceName, JoinHandle<()>>>>;

const START_FAILED: &str = "ActivationFailed";
const STOP_FAILED: &str = "DeactivationFailed";

/// What the keeper remembers of a start script that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Started {
    event: String,
    left_processes: bool,
}

/// Starts, stops or probes.
pub async fn run(host: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
    let Some(spec) = context.spec.exec.as_ref() else {
        return failed(START_FAILED, "spec.exec is missing".to_owned());
    };
    let exec = Exec { host, context, spec };
    let result = match (action, &spec.command) {
        (ResourceAction::Start, Some(command)) => exec.start_command(command).await,
        (ResourceAction::Start, None) => exec.start_script().await,
        (ResourceAction::Stop, Some(_)) => exec.stop_command().await,
        (ResourceAction::Stop, None) => exec.stop_script().await,
        (ResourceAction::Probe, Some(_)) => exec.probe_command().await,
        (ResourceAction::Probe, None) => exec.probe_script().await,
    };
    result.unwrap_or_else(|error| match (action, error) {
        (ResourceAction::Probe, error) => Outcome::Unknown { message: error.to_string() },
        (ResourceAction::Start, error) => failed(START_FAILED, error.to_string()),
        (ResourceAction::Stop, error) => failed(STOP_FAILED, error.to_string()),
    })
}

fn failed(reason: &str, message: String) -> Outcome {
    Outcome::Failed { reason: reason.to_owned(), message }
}

fn active(pid: u32) -> Outcome {
    Outcome::Active { message: format!("pid {pid}") }
}

/// Supervises a command no longer.
pub async fn forget(host: &Host, context: &ResourceContext) {
    if let Some(supervisor) = host.supervisors.lock().await.remove(&context.resource) {
        supervisor.abort();
        // Only once it is gone is it certain that it starts nothing any more.
        let _ = supervisor.await;
    }
}

struct Exec<'a> {
    host: &'a Host,
    context: &'a ResourceContext,
    spec: &'a ExecSpec,
}

impl Exec<'_> {
    async fn start_command(&self, command: &[String]) -> Result<Outcome, KeeperError> {
        if let Some(service) = self.running(ProcessKind::Service).await? {
            self.supervise(service.id, service.pid).await;
            return Ok(active(service.pid));
        }
        self.clear().await?;
        let spawn = self.spawn(ProcessKind::Service, command, self.event());
        let Spawned { id, pid } = self.host.keeper.spawn(spawn).await?;
        let guard = KillOnDrop::new(&self.host.keeper, id);
        self.supervise(id, pid).await;
        guard.disarm();
        Ok(active(pid))
    }

    async fn start_script(&self) -> Result<Outcome, KeeperError> {
        if let Outcome::Active { message } = self.probe_script().await? {
            return Ok(Outcome::Active { message });
        }
        self.clear().await?;
        let Some(start) = &self.spec.start else {
            return Ok(failed(START_FAILED, "neither command nor start is given".to_owned()));
        };
        let event = self.event();
        let mut spawn = self.spawn(ProcessKind::Start, start, event);
        spawn.timeout_milliseconds = Some(milliseconds(self.context.timeout));
        let Spawned { id, .. } = self.host.keeper.spawn(spawn).await?;
        let guard = KillOnDrop::new(&self.host.keeper, id);
        let exit = self.host.keeper.wait(id, WaitFor::Exit).await?;
        if exit.status != ExitStatus::Code(0) || exit.ended_by.is_some() {
            drop(guard);
            return Ok(self.script_failure(START_FAILED, "start", exit));
        }
        guard.disarm();
        let left_processes = self.running(ProcessKind::Start).await?.is_some();
        self.host.keeper.forget(id);
        let started = Started { event: event.to_owned(), left_processes };
        let text = serde_json::to_string(&started).unwrap_or_default();
        self.host.keeper.remember(&self.key(), Some(text)).await?;
        Ok(Outcome::Active { message: "started by its script".to_owned() })
    }

    async fn stop_command(&self) -> Result<Outcome, KeeperError> {
        forget(self.host, self.context).await;
        self.end(self.grace()).await?;
        Ok(Outcome::Absent)
    }

    /// Another server ran it, too: whatever it still wrote could destroy data.
    fn at_once(&self) -> bool {
        self.context.reason == OrderReason::DualActivation
    }

    fn grace(&self) -> Duration {
        if self.at_once() { Duration::ZERO } else { self.spec.termination_grace.into() }
    }

    async fn stop_script(&self) -> Result<Outcome, KeeperError> {
        if let Some(stop) = self.spec.stop.as_ref().filter(|_| !self.at_once()) {
            let event = self.started().await?.map(|started| started.event);
            let event = event.as_deref().unwrap_or(self.event());
            let mut spawn = self.spawn(ProcessKind::Stop, stop, event);
            spawn.timeout_milliseconds = Some(milliseconds(self.context.timeout));
            let Spawned { id, .. } = self.host.keeper.spawn(spawn).await?;
            let guard = KillOnDrop::new(&self.host.keeper, id);
            let exit = self.host.keeper.wait(id, WaitFor::Exit).await?;
            guard.disarm();
            if exit.ended_by.is_some() {
                self.end(Duration::ZERO).await?;
                return Ok(self.script_failure(STOP_FAILED, "stop", exit));
            }
            self.host.keeper.forget(id);
            if exit.status != ExitStatus::Code(0) {
                return Ok(self.script_failure(STOP_FAILED, "stop", exit));
            }
        }
        self.end(self.grace()).await?;
        self.host.keeper.remember(&self.key(), None).await?;
        Ok(Outcome::Absent)
    }

    async fn probe_command(&self) -> Result<Outcome, KeeperError> {
        let Some(service) = self.running(ProcessKind::Service).await? else {
            return Ok(Outcome::Absent);
        };
        self.supervise(service.id, service.pid).await;
        Ok(active(service.pid))
    }

    async fn probe_script(&self) -> Result<Outcome, KeeperError> {
        let runs = self.running(ProcessKind::Start).await?.is_some();
        Ok(match self.started().await? {
            Some(started) if started.left_processes && !runs => Outcome::Absent,
            Some(_) => Outcome::Active { message: "started by its script".to_owned() },
            None if runs => Outcome::Unknown {
                message: "its start script has not ended, or was interrupted".to_owned(),
            },
            None => Outcome::Absent,
        })
    }

    /// Ends what a start that was interrupted left.
    async fn clear(&self) -> Result<(), KeeperError> {
        if self.processes().await?.is_empty() {
            return Ok(());
        }
        self.end(Duration::ZERO).await
    }

    /// Ends everything of this resource and lets the keeper forget it.
    async fn end(&self, grace: Duration) -> Result<(), KeeperError> {
        let target = Target::Resource {
            group: self.context.group.to_string(),
            resource: self.name().to_string(),
        };
        let grace = grace.min(self.context.timeout);
        self.host.keeper.kill(target, grace).await?;
        for process in self.processes().await? {
            self.host.keeper.forget(process.id);
        }
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<ProcessReport>, KeeperError> {
        let mut processes = self.host.keeper.list().await?;
        processes.retain(|process| {
            process.kind != ProcessKind::Monitor
                && process.group == self.context.group.as_str()
                && process.resource == self.name().as_str()
        });
        Ok(processes)
    }

    async fn running(&self, kind: ProcessKind) -> Result<Option<ProcessReport>, KeeperError> {
        let processes = self.processes().await?;
        Ok(processes.into_iter().find(|process| process.kind == kind && process.populated))
    }

    async fn started(&self) -> Result<Option<Started>, KeeperError> {
        let text = self.host.keeper.recall(&self.key()).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn supervise(&self, id: u64, pid: u32) {
        let mut supervisors = self.host.supervisors.lock().await;
        if supervisors.get(self.name()).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let supervisor = Supervisor {
            host: self.host.clone(),
            context: self.context.clone(),
            restarts: Vec::new(),
        };
        let task = tokio::spawn(supervisor.run(id, pid));
        supervisors.insert(self.name().clone(), task);
    }

    fn spawn(&self, kind: ProcessKind, command: &[String], event: &str) -> Spawn {
        Spawn {
            group: self.context.group.to_string(),
            resource: self.name().to_string(),
            kind,
            command: command.to_vec(),
            environment: self.environment(kind, event),
            working_directory: self.spec.working_directory.as_ref().map(PathBuf::from),
            timeout_milliseconds: None,
            input: None,
        }
    }

    fn environment(&self, kind: ProcessKind, event: &str) -> Vec<(String, String)> {
        let context = self.context;
        let mut environment = process::environment(self.host, &self.spec.environment);
        let previous = context.previous.as_ref().map_or("", |server| server.as_str());
        let factor = if kind == ProcessKind::Stop { factor(context.reason) } else { "" };
        let values = [
            ("EVENT", "EVENT", event),
            ("SERVER", "SERVER", if context.home { "HOME" } else { "OTHER" }),
            ("DISK", "DISK", "SUCCESS"),
            ("GROUP", "GROUPNAME", context.group.as_str()),
            ("RESOURCE", "RESOURCENAME", context.resource.as_str()),
            ("SERVER_PREVIOUS", "SERVER_PREV", previous),
            ("FACTOR", "FACTOR", factor),
        ];
        for (name, compatible, value) in values {
            environment.push((format!("STEAD_{name}"), value.to_owned()));
            if self.spec.compatibility_names {
                environment.push((format!("CLP_{compatible}"), value.to_owned()));
                environment.push((format!("ARMS_{compatible}"), value.to_owned()));
            }
        }
        environment
    }

    /// What scripts take for the occasion of a start.
    fn event(&self) -> &'static str {
        match self.context.reason {
            OrderReason::FailedOver => "FAILOVER",
            // A server that had been away has it again. A script is not run where its group does
            // not start: what takes the word for START would run twice then.
            OrderReason::FailedBack => "RECOVER",
            OrderReason::Startup
            | OrderReason::Started
            | OrderReason::Stopped
            | OrderReason::Moved
            | OrderReason::Restarted
            | OrderReason::Detached
            | OrderReason::Deleted
            | OrderReason::DualActivation
            | OrderReason::ClusterShutdown
            | OrderReason::Adopted => "START",
        }
    }

    fn script_failure(&self, reason: &str, script: &str, exit: Exit) -> Outcome {
        match exit.ended_by {
            Some(EndedBy::TimeOut) => Outcome::TimedOut,
            Some(EndedBy::Lease) => failed(reason, format!("the lease passed during {script}")),
            Some(EndedBy::Request | EndedBy::Shutdown) => {
                failed(reason, format!("{script} was ended"))
            }
            None => {
                let said = process::last_line(self.host, self.name().as_str());
                failed(reason, format!("{script} {}{said}", process::describe(exit.status)))
            }
        }
    }

    fn name(&self) -> &ResourceName {
        &self.context.resource
    }

    fn key(&self) -> String {
        format!("exec/{}", self.name())
    }
}

/// What stop scripts take for the reason of a stop.
fn factor(reason: OrderReason) -> &'static str {
    match reason {
        OrderReason::Stopped
        | OrderReason::Deleted
        | OrderReason::DualActivation
        | OrderReason::ClusterShutdown => "GROUPSTOP",
        OrderReason::Moved | OrderReason::FailedBack | OrderReason::Detached => "GROUPMOVE",
        OrderReason::FailedOver => "GROUPFAILOVER",
        OrderReason::Restarted => "GROUPRESTART",
        // No order to stop: the resource alone is started anew.
        OrderReason::Startup | OrderReason::Started | OrderReason::Adopted => "RESOURCERESTART",
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Waits for the end of an active command, and starts it again while it may.
struct Supervisor {
    host: Host,
    context: ResourceContext,
    restarts: Vec<Instant>,
}

impl Supervisor {
    async fn run(mut self, mut id: u64, mut pid: u32) {
        loop {
            let message = match self.host.keeper.wait(id, WaitFor::Empty).await {
                Ok(exit) => {
                    self.host.keeper.forget(id);
                    match exit.ended_by {
                        Some(EndedBy::Request) => return,
                        Some(EndedBy::Lease) => "ended: the lease had passed".to_owned(),
                        Some(EndedBy::Shutdown) => "ended with the keeper".to_owned(),
                        Some(EndedBy::TimeOut) | None => {
                            let said = process::last_line(&self.host, self.name().as_str());
                            let message =
                                format!("pid {pid} {}{said}", process::describe(exit.status));
                            if let Some(spawned) = self.restart().await {
                                tracing::warn!(resource = %self.name(), message, "restarted");
                                (id, pid) = (spawned.id, spawned.pid);
                                continue;
                            }
                            message
                        }
                    }
                }
                Err(error) => format!("pid {pid} ended: {error}"),
            };
            // The agent may be ending.
            let _ = self.host.failures.send((self.name().clone(), message));
            return;
        }
    }

    async fn restart(&mut self) -> Option<Spawned> {
        let spec = self.context.spec.exec.as_ref()?;
        let now = (self.host.clock)();
        let window: Duration = spec.restart_window.into();
        self.restarts.retain(|restart| now.since(*restart) < window);
        if self.restarts.len() >= spec.restarts as usize {
            return None;
        }
        self.restarts.push(now);
        let exec = Exec { host: &self.host, context: &self.context, spec };
        let spawn = exec.spawn(ProcessKind::Service, spec.command.as_ref()?, "START");
        self.host.keeper.spawn(spawn).await.ok()
    }

    fn name(&self) -> &ResourceName {
        &self.context.resource
    }
}

#[cfg(test)]
mod tests;
