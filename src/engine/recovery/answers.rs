//! What an answer changes: the monitor's state, its counters, and whether it climbs.

use super::ladder::Counters;
use super::watch::Judgement;
use super::{Monitors, RecoveryEffect};
use crate::api::kinds::MonitorState;
use crate::api::names::MonitorName;
use crate::engine::time::Now;

impl Monitors {
    /// An answer came, was lost, or counts as one.
    pub(super) fn on_judgement(
        &mut self,
        now: Now,
        name: &MonitorName,
        judgement: Judgement,
        message: String,
    ) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let before = watch.state;
        let state = match judgement {
            Judgement::Normal => MonitorState::Normal,
            Judgement::Slow | Judgement::Warning => MonitorState::Warning,
            // Once in error it stays so until a check says otherwise.
            Judgement::Doubtful if before == MonitorState::Error => MonitorState::Error,
            Judgement::Doubtful => MonitorState::Warning,
            Judgement::Error => MonitorState::Error,
            Judgement::Unknown => MonitorState::Unknown,
            Judgement::Ignored => before,
        };
        watch.state = state;
        watch.message = match judgement {
            Judgement::Slow => format!(
                "{message} (took {} ms of {})",
                watch.milliseconds, watch.model.spec.timeout
            ),
            Judgement::Doubtful if before != MonitorState::Error => {
                format!("{message} (error {} of {})", watch.errors, watch.model.spec.retries + 1)
            }
            Judgement::Ignored => format!("{message} (ignored)"),
            Judgement::Normal
            | Judgement::Warning
            | Judgement::Doubtful
            | Judgement::Error
            | Judgement::Unknown => message,
        };
        let reason = match (before, state) {
            (before, state) if before == state => None,
            (_, MonitorState::Error) => Some("MonitorError"),
            (_, MonitorState::Warning) => Some("MonitorWarning"),
            (MonitorState::Error | MonitorState::Warning, MonitorState::Normal) => {
                Some("MonitorRecovered")
            }
            (MonitorState::Unknown | MonitorState::Suspended, MonitorState::Unknown) => None,
            (_, MonitorState::Unknown) => Some("MonitorUnknown"),
            (_, MonitorState::Normal | MonitorState::Suspended) => None,
        };
        let message = watch.message.clone();
        if let Some(reason) = reason {
            let note = self.note(name, reason).with("message", message);
            self.effects.push_back(RecoveryEffect::Note(note));
        }
        match judgement {
            Judgement::Normal | Judgement::Slow => self.on_works(name),
            Judgement::Error => self.climb(now, name),
            Judgement::Warning | Judgement::Doubtful | Judgement::Unknown | Judgement::Ignored => {}
        }
    }

    /// It works: all counters start over.
    fn on_works(&mut self, name: &MonitorName) {
        self.withdraw(name);
        let Some(watch) = self.watches.get_mut(name) else { return };
        watch.failures = 0;
        watch.errors = 0;
        watch.counters = Counters::default();
        watch.told = false;
    }

    /// Takes back what the leader was asked for, unless another monitor asks for the same.
    pub(super) fn withdraw(&mut self, name: &MonitorName) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let wishes = std::mem::take(&mut watch.wishes);
        for group in wishes {
            if !self.watches.values().any(|watch| watch.wishes.contains(&group)) {
                let monitor = name.clone();
                self.effects.push_back(RecoveryEffect::Withdraw { monitor, group });
            }
        }
    }
}
