//! Fencing one server: which methods are asked when, and what their answers add up to.
//!
//! Decides nothing about who may fence whom, or what follows. It must never take silence, or an
//! answer that says something else, for a confirmation: only `Fenced` is one.

use std::sync::Arc;
use std::time::Duration;

use super::ids::{ActionId, ActionIds};
use super::input::FenceAnswer;
use super::time::Instant;
use crate::api::kinds::{Fencing, FencingConfirmation, FencingMethod};
use crate::api::names::ServerName;

/// Between two tries of a method that said no at once.
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// What an answer may take longer than its method before it counts as lost.
pub const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// All that is done to fence one server, from the first method to the last.
#[derive(Clone, Debug)]
pub struct FenceRun {
    server: ServerName,
    fencing: Arc<Fencing>,
    level: usize,
    methods: Vec<Trial>,
    /// What failed, for people.
    failures: Vec<String>,
    state: FenceState,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceState {
    /// Methods are asked, the first of them then.
    Asking(Instant),
    /// The server is certainly off.
    Confirmed {
        /// By these methods.
        by: Vec<String>,
        /// What they said.
        message: String,
    },
    /// No level confirmed.
    Failed {
        /// When.
        at: Instant,
        /// What each method said.
        message: String,
    },
}

/// A question to a method.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Pairs the answer.
    pub id: ActionId,
    /// The method.
    pub method: Arc<FencingMethod>,
}

/// A try that did not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTry {
    /// The method.
    pub method: String,
    /// Which try it was.
    pub attempt: u32,
    /// Of how many.
    pub attempts: u32,
    /// What was said.
    pub message: String,
}

#[derive(Clone, Debug)]
struct Trial {
    method: Arc<FencingMethod>,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Due { attempt: u32, at: Instant },
    Asked { attempt: u32, id: ActionId, until: Instant },
    Confirmed(String),
    Failed,
}

impl FenceRun {
    /// Begins with the first level, then.
    #[must_use]
    pub fn new(server: ServerName, fencing: Arc<Fencing>, begin: Instant) -> Self {
        let mut run = Self {
            server,
            fencing,
            level: 0,
            methods: Vec::new(),
            failures: Vec::new(),
            state: FenceState::Asking(begin),
        };
        run.enter_level(begin);
        run
    }

    /// Whom it is about.
    #[must_use]
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// The methods it goes by.
    #[must_use]
    pub fn fencing(&self) -> &Arc<Fencing> {
        &self.fencing
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &FenceState {
        &self.state
    }

    /// Whether it still asks.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.state, FenceState::Asking(_))
    }

    /// Methods that confirmed, to be told to switch the server on again.
    pub fn confirming(&self) -> impl Iterator<Item = &Arc<FencingMethod>> {
        let confirmed = |trial: &&Trial| matches!(trial.step, Step::Confirmed(_));
        self.methods.iter().filter(confirmed).map(|trial| &trial.method)
    }

    /// Methods that are to be asked now.
    pub fn ask_due(&mut self, now: Instant, ids: &mut ActionIds) -> Vec<Ask> {
        let mut asks = Vec::new();
        if !self.is_asking() {
            return asks;
        }
        for trial in &mut self.methods {
            if let Step::Due { attempt, at } = trial.step
                && at <= now
            {
                let id = ids.next_id();
                let timeout: Duration = trial.method.timeout.into();
                trial.step = Step::Asked { attempt, id, until: now + timeout + ANSWER_GRACE };
                asks.push(Ask { id, method: trial.method.clone() });
            }
        }
        asks
    }

    /// A question that can't be answered before then is put again then; it was no try.
    pub fn postpone(&mut self, id: ActionId, until: Instant) {
        for trial in &mut self.methods {
            if let Step::Asked { attempt, id: asked, .. } = trial.step
                && asked == id
            {
                trial.step = Step::Due { attempt, at: until };
            }
        }
    }

    /// Questions whose answers are lost by now.
    #[must_use]
    pub fn lost(&self, now: Instant) -> Vec<ActionId> {
        let lost = |trial: &Trial| match trial.step {
            Step::Asked { id, until, .. } if until <= now => Some(id),
            Step::Asked { .. } | Step::Due { .. } | Step::Confirmed(_) | Step::Failed => None,
        };
        self.methods.iter().filter_map(lost).collect()
    }

    /// Questions that wait for their answer.
    #[must_use]
    pub fn open(&self) -> Vec<ActionId> {
        let open = |trial: &Trial| match trial.step {
            Step::Asked { id, .. } => Some(id),
            Step::Due { .. } | Step::Confirmed(_) | Step::Failed => None,
        };
        self.methods.iter().filter_map(open).collect()
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let due = |trial: &Trial| match trial.step {
            Step::Due { at, .. } => Some(at),
            Step::Asked { until, .. } => Some(until),
            Step::Confirmed(_) | Step::Failed => None,
        };
        let asking = self.is_asking();
        self.methods.iter().filter_map(due).filter(|_| asking).min()
    }

    /// A method answered; the try, where it did not confirm. None too where the question is not
    /// this run's, or no longer open: a late answer changes nothing.
    pub fn on_answer(
        &mut self,
        now: Instant,
        id: ActionId,
        answer: FenceAnswer,
        message: &str,
    ) -> Option<FailedTry> {
        let asked = |trial: &&mut Trial| matches!(trial.step, Step::Asked { id: i, .. } if i == id);
        let trial = self.methods.iter_mut().find(asked)?;
        let Step::Asked { attempt, .. } = trial.step else { return None };
        let failed = match answer {
            FenceAnswer::Fenced => {
                trial.step = Step::Confirmed(message.to_owned());
                None
            }
            FenceAnswer::NotFenced | FenceAnswer::Unknown => {
                let attempts = trial.method.retries + 1;
                trial.step = if attempt < attempts {
                    Step::Due { attempt: attempt + 1, at: now + TRY_PAUSE }
                } else {
                    Step::Failed
                };
                let method = trial.method.name.clone();
                Some(FailedTry { method, attempt, attempts, message: message.to_owned() })
            }
        };
        if let Some(failed) = failed.as_ref().filter(|failed| failed.attempt == failed.attempts) {
            self.failures.push(format!("{}: {}", failed.method, failed.message));
        }
        self.settle(now);
        failed
    }

    fn enter_level(&mut self, at: Instant) {
        let methods = self.fencing.levels.get(self.level).map(|level| &level.methods);
        let trial = |method: &FencingMethod| Trial {
            method: Arc::new(method.clone()),
            step: Step::Due { attempt: 1, at },
        };
        self.methods = methods.into_iter().flatten().map(trial).collect();
    }

    fn settle(&mut self, now: Instant) {
        let Some(level) = self.fencing.levels.get(self.level) else { return };
        let confirmed = |trial: &Trial| matches!(trial.step, Step::Confirmed(_));
        let failed = |trial: &Trial| trial.step == Step::Failed;
        let (done, over) = match level.confirmed_by {
            FencingConfirmation::All => {
                (self.methods.iter().all(confirmed), self.methods.iter().any(failed))
            }
            FencingConfirmation::Any => {
                (self.methods.iter().any(confirmed), self.methods.iter().all(failed))
            }
        };
        // A level without methods confirms nothing.
        if done && !self.methods.is_empty() {
            let said = |trial: &Trial| match &trial.step {
                Step::Confirmed(message) => Some((trial.method.name.clone(), message.clone())),
                Step::Due { .. } | Step::Asked { .. } | Step::Failed => None,
            };
            let (by, messages): (Vec<String>, Vec<String>) =
                self.methods.iter().filter_map(said).unzip();
            self.state = FenceState::Confirmed { by, message: messages.join("; ") };
        } else if over {
            self.level += 1;
            if self.level < self.fencing.levels.len() {
                self.enter_level(now);
            } else {
                let message = self.failures.join("; ");
                self.state = FenceState::Failed { at: now, message };
            }
        }
    }
}

#[cfg(test)]
mod tests;
