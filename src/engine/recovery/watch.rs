//! One monitor on this server: when it checks, and what its answers mean.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ladder::{Counters, Rung};
use crate::api::kinds::{MonitorServerStatus, MonitorState, TimeoutAction};
use crate::api::names::{GroupName, ServerName};
use crate::api::types::CustomMonitorMode;
use crate::engine::ids::ActionId;
use crate::engine::input::CheckResult;
use crate::engine::model::MonitorModel;
use crate::engine::time::Instant;

/// What a recovery works on while it is under way. Nobody else works on it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This server.
    Server,
    /// These groups, or resources of them: a resource takes along what depends on it.
    Groups(BTreeSet<GroupName>),
}

impl Claim {
    pub fn overlaps(&self, other: &Claim) -> bool {
        match (self, other) {
            (Claim::Server, Claim::Server) => true,
            (Claim::Groups(mine), Claim::Groups(others)) => !mine.is_disjoint(others),
            (Claim::Server, Claim::Groups(_)) | (Claim::Groups(_), Claim::Server) => false,
        }
    }
}

/// What a monitor is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It does not monitor now.
    Idle,
    /// It checks then.
    Waiting { next: Instant },
    /// A check is under way.
    Checking {
        id: ActionId,
        since: Instant,
        /// When its answer counts as lost.
        deadline: Option<Instant>,
        /// When a script that runs until it ends has run long enough to be normal.
        settles: Option<Instant>,
    },
    /// A recovery script is under way.
    Script { id: ActionId, deadline: Instant, claim: Claim },
    /// The groups or the leader were asked for something.
    Recovering {
        rung: Rung,
        claim: Claim,
        /// It has begun.
        begun: bool,
        /// When it counts as refused if it has not begun.
        until: Instant,
    },
}

/// One monitor on this server.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub model: MonitorModel,
    pub phase: Phase,
    pub state: MonitorState,
    pub message: String,
    pub milliseconds: u64,
    /// Errors in a row.
    pub failures: u32,
    /// Errors in a row since the last rung: retries are made on every rung.
    pub errors: u32,
    pub counters: Counters,
    /// It was told that the target is not active here, or that nothing is left to try.
    pub told: bool,
    /// Groups that the leader was asked to move or stop.
    pub wishes: BTreeSet<GroupName>,
    pub shown: Option<MonitorServerStatus>,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It works.
    Normal,
    /// It works, slowly.
    Slow,
    /// Something is off.
    Warning,
    /// It may not work: to be checked again first.
    Doubtful,
    /// It does not work.
    Error,
    /// Nobody can tell.
    Unknown,
    /// As if it had not been checked.
    Ignored,
}

impl Watch {
    pub fn new(model: MonitorModel) -> Self {
        Self {
            model,
            phase: Phase::Idle,
            state: MonitorState::Suspended,
            message: String::new(),
            milliseconds: 0,
            failures: 0,
            errors: 0,
            counters: Counters::default(),
            told: false,
            wishes: BTreeSet::new(),
            shown: None,
        }
    }

    /// It runs one script until that ends.
    pub fn asynchronous(&self) -> bool {
        self.model
            .spec
            .custom
            .as_ref()
            .is_some_and(|custom| custom.mode == CustomMonitorMode::Asynchronous)
    }

    pub fn interval(&self) -> Duration {
        self.model.spec.interval.into()
    }

    /// What an answer means, and counts errors in a row.
    pub fn judge(&mut self, result: CheckResult, took: Duration) -> Judgement {
        let spec = &self.model.spec;
        let result = match (result, self.asynchronous()) {
            // Its end is the failure, however it ends.
            (CheckResult::Normal | CheckResult::Warning | CheckResult::TimedOut, true) => {
                CheckResult::Error
            }
            (result, _) => result,
        };
        let timeout: Duration = spec.timeout.into();
        let slow = took * 100 >= timeout * spec.warn_at_percent && !self.asynchronous();
        let error = match (result, spec.on_timeout) {
            (CheckResult::Normal, _) if slow => return Judgement::Slow,
            (CheckResult::Normal, _) => return Judgement::Normal,
            (CheckResult::Unknown, _) => return Judgement::Unknown,
            (CheckResult::TimedOut, TimeoutAction::Ignore) => return Judgement::Ignored,
            (CheckResult::TimedOut, TimeoutAction::Warn) | (CheckResult::Warning, _) => false,
            (CheckResult::Error, _) | (CheckResult::TimedOut, TimeoutAction::Recover) => true,
        };
        if !error {
            self.failures = 0;
            self.errors = 0;
            return Judgement::Warning;
        }
        self.failures = self.failures.saturating_add(1);
        self.errors = self.errors.saturating_add(1);
        match self.errors > spec.retries {
            true => Judgement::Error,
            false => Judgement::Doubtful,
        }
    }

    pub fn claim(&self) -> Option<&Claim> {
        match &self.phase {
            Phase::Script { claim, .. } | Phase::Recovering { claim, .. } => Some(claim),
            Phase::Idle | Phase::Waiting { .. } | Phase::Checking { .. } => None,
        }
    }

    /// When something is to be done without being told.
    pub fn wake(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Waiting { next } => Some(*next),
            Phase::Checking { deadline, settles, .. } => {
                deadline.iter().chain(settles).min().copied()
            }
            Phase::Script { deadline, .. } => Some(*deadline),
            Phase::Recovering { begun: true, .. } => None,
            Phase::Recovering { until, .. } => Some(*until),
        }
    }

    pub fn status(&self, me: &ServerName) -> MonitorServerStatus {
        MonitorServerStatus {
            server: me.to_string(),
            state: self.state,
            message: self.message.clone(),
            milliseconds: self.milliseconds,
            failures: self.failures,
            script_runs: self.counters.script_runs,
            reactivations: self.counters.reactivations,
            failovers: self.counters.failovers,
            final_action_taken: self.counters.final_action_taken,
        }
    }
}
