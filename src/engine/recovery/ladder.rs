//! The ladder: which rung comes next. A function of the spec and of what was tried since the
//! monitor was last normal.

use crate::api::kinds::{FinalAction, Recovery, RecoveryTargetKind};

/// A rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    /// Run the recovery script.
    Script,
    /// Reactivate the target.
    Reactivation,
    /// Run the target's group elsewhere.
    Failover,
    /// The final action.
    Final(FinalAction),
    /// Nothing is left.
    End,
}

/// What was tried on this server since the monitor was last normal. A try that fails counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub script_runs: u32,
    pub reactivations: u32,
    pub failovers: u32,
    pub final_action_taken: bool,
}

/// The next rung.
pub(super) fn next(recovery: &Recovery, tried: &Counters) -> Rung {
    // A server is neither reactivated nor moved.
    let movable = recovery.target.kind != RecoveryTargetKind::LocalServer;
    if recovery.script.is_some() && tried.script_runs < recovery.script_runs {
        Rung::Script
    } else if movable && tried.reactivations < recovery.reactivations {
        Rung::Reactivation
    } else if movable && tried.failovers < recovery.failovers {
        Rung::Failover
    } else if tried.final_action_taken || recovery.final_action == FinalAction::None {
        Rung::End
    } else {
        Rung::Final(recovery.final_action)
    }
}

impl Counters {
    /// Counts a rung as tried.
    pub fn count(&mut self, rung: Rung) {
        match rung {
            Rung::Script => self.script_runs += 1,
            Rung::Reactivation => self.reactivations += 1,
            Rung::Failover => self.failovers += 1,
            Rung::Final(_) => self.final_action_taken = true,
            Rung::End => {}
        }
    }
}
