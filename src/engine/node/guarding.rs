//! What ends this server's services when its agent and its keeper can't: the keeper's guard, its
//! unit, the watchdog; how long that takes, and what the others are told of it.
//!
//! A longer time is told first and used only once every other server has it on disk (A13): one
//! that waits for less would start what still runs here. A shorter one is used first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::events::text;
use crate::api::kinds::{PartitionAction, WatchdogMode};
use crate::api::names::ServerName;
use crate::api::timing::{unit_self_fence, watchdog_self_fence};
use crate::engine::effect::Effect;
use crate::engine::input::{GuardNews, WatchdogArmed};
use crate::engine::message::{Guard, SelfFence};

/// What is known of the watchdog and of the keeper's successor.
#[derive(Clone, Debug, Default)]
pub(super) struct Guarding {
    armed: Option<WatchdogArmed>,
    /// What the keeper was asked for, until it answers.
    asked: Option<Option<u32>>,
    /// What it was last asked for, and answered.
    settled: Option<Option<u32>>,
    /// Why no device is armed, or not as wished.
    problem: String,
    successor: Option<Successor>,
    /// What each other server has on disk of this one.
    known_by: BTreeMap<ServerName, SelfFence>,
}

#[derive(Clone, Debug)]
enum Successor {
    Guard,
    Unit(Duration),
    Nothing(String),
}

impl Engine {
    /// The longest that services here may outlive the start of their lease.
    pub(super) fn self_fence(&self) -> SelfFence {
        self.with_pause(self.self_fence_without_pause())
    }

    fn self_fence_without_pause(&self) -> SelfFence {
        // Before a keeper was met nothing can have been started.
        let goes_on = self.model.cluster.on_partition == PartitionAction::Nothing;
        if goes_on || self.keeper == Some(false) {
            return SelfFence::None;
        }
        let plan = self.model.cluster.watchdog;
        let guarding = &self.guarding;
        let armed = guarding.armed.as_ref().map(|armed| armed.seconds);
        let lease = self.times_told().lease;
        let with = |seconds| SelfFence::Within(watchdog_self_fence(lease, seconds));
        match (plan.mode, armed) {
            // One that is to be stopped bites as long as it is there; one to be raised, later.
            (WatchdogMode::Off, Some(armed)) => with(armed),
            (WatchdogMode::Automatic | WatchdogMode::Required, Some(armed)) => {
                with(armed.max(plan.seconds))
            }
            (WatchdogMode::Required, None) if guarding.settled.is_some() => SelfFence::None,
            (WatchdogMode::Required, None) => with(plan.seconds),
            (WatchdogMode::Off | WatchdogMode::Automatic, None) => self.without_device(),
        }
    }

    /// Whether a device is armed that resets this machine where services outlive their lease.
    pub(super) fn watchdog_guards(&self) -> bool {
        self.guarding.armed.is_some() && self.self_fence() != SelfFence::None
    }

    /// The longest that a server is known to need.
    pub(super) fn self_fence_shown(&self, server: &ServerName) -> SelfFence {
        if server == self.me() { self.self_fence() } else { self.self_fence_known(server) }
    }

    fn without_device(&self) -> SelfFence {
        match &self.guarding.successor {
            Some(Successor::Nothing(_)) => SelfFence::None,
            Some(Successor::Unit(within)) => {
                SelfFence::Within(unit_self_fence(self.times_told().lease, *within))
            }
            Some(Successor::Guard) | None => SelfFence::Within(self.times_told().self_fence),
        }
    }

    /// Has the keeper arm, change or stop the device, when the time for it has come.
    pub(super) fn consider_watchdog(&mut self) {
        let plan = self.model.cluster.watchdog;
        let wanted = (plan.mode != WatchdogMode::Off).then_some(plan.seconds);
        let guarding = &self.guarding;
        // Once the successor is known, a device that the keeper had armed before is, too.
        let known = self.keeper == Some(true) && guarding.successor.is_some();
        if !known || guarding.asked.is_some() || guarding.settled == Some(wanted) {
            return;
        }
        let armed = guarding.armed.as_ref().map(|armed| armed.seconds);
        if wanted > armed && armed.is_some() && !self.lacking().is_empty() {
            return;
        }
        self.guarding.asked = Some(wanted);
        self.effects.push_back(Effect::Watchdog { seconds: wanted });
    }

    /// The servers that do not have this server's present `selfFence` on disk.
    pub(super) fn lacking(&self) -> BTreeSet<ServerName> {
        let mine = self.self_fence();
        let has = |server: &ServerName| {
            self.guarding.known_by.get(server).is_some_and(|known| *known >= mine)
        };
        let others = self.model.cluster.servers.iter().filter(|server| *server != self.me());
        others.filter(|server| !has(server)).cloned().collect()
    }

    /// What another server says that it has on disk of this one.
    pub(super) fn note_known_self_fence(&mut self, by: &ServerName, known: Option<SelfFence>) {
        if self.guarding.known_by.get(by).copied() == known {
            return;
        }
        match known {
            Some(known) => self.guarding.known_by.insert(by.clone(), known),
            None => self.guarding.known_by.remove(by),
        };
    }

    pub(super) fn on_guard(&mut self, news: GuardNews) {
        self.report_version += 1;
        match news {
            GuardNews::SuccessorGuard => self.guarding.successor = Some(Successor::Guard),
            GuardNews::SuccessorUnit { within } => {
                self.guarding.successor = Some(Successor::Unit(within));
            }
            GuardNews::SuccessorNone { reason } => {
                self.guarding.successor = Some(Successor::Nothing(reason));
            }
            GuardNews::WatchdogFound(armed) => self.guarding.armed = Some(armed),
            GuardNews::Watchdog(result) => self.on_watchdog(result),
            GuardNews::WatchdogFailed => {
                self.guarding.armed = None;
                self.guarding.problem = "the device can't be petted any more".to_owned();
                let message = self.guarding.problem.clone();
                self.event_about_me("WatchdogUnavailable", &[("message", &message)], &[]);
            }
        }
    }

    fn on_watchdog(&mut self, result: Result<Option<WatchdogArmed>, String>) {
        // An answer to what was asked before the keeper was lost.
        let Some(asked) = self.guarding.asked.take() else { return };
        self.guarding.settled = Some(asked);
        self.guarding.problem.clear();
        match result {
            Ok(armed) => {
                let before = std::mem::replace(&mut self.guarding.armed, armed.clone());
                if armed != before
                    && let Some(armed) = armed
                {
                    let fence = text(watchdog_self_fence(self.timing().lease, armed.seconds));
                    let timeout = text(Duration::from_secs(armed.seconds.into()));
                    let about = [
                        ("device", &*armed.device),
                        ("identity", &*armed.identity),
                        ("timeout", &*timeout),
                        ("selfFence", &*fence),
                    ];
                    self.event_about_me("WatchdogArmed", &about, &[]);
                }
            }
            Err(message) => {
                let matters = self.guarding.armed.is_some()
                    || self.model.cluster.watchdog.mode == WatchdogMode::Required;
                if matters {
                    self.event_about_me("WatchdogUnavailable", &[("message", &message)], &[]);
                }
                self.guarding.problem = message;
            }
        }
    }

    /// The keeper is lost: what it armed bites, unless the next one takes it over.
    pub(super) fn forget_watchdog(&mut self) {
        let known_by = std::mem::take(&mut self.guarding.known_by);
        self.guarding = Guarding { known_by, ..Guarding::default() };
    }

    /// For the leader, and for people.
    pub(super) fn guard(&self) -> Guard {
        let guarding = &self.guarding;
        let self_fence = self.self_fence();
        let (by, mut why) = match (&guarding.armed, &guarding.successor) {
            _ if self.model.cluster.on_partition == PartitionAction::Nothing => {
                ("None", "arbitration.onPartition is Nothing: services go on".to_owned())
            }
            _ if self.keeper == Some(false) => ("None", "the keeper does not answer".to_owned()),
            (Some(_), _) => ("Watchdog", "the device resets this machine".to_owned()),
            (None, _)
                if self_fence == SelfFence::None
                    && guarding.settled.is_some()
                    && self.model.cluster.watchdog.mode == WatchdogMode::Required =>
            {
                ("None", "the Cluster requires a watchdog, and none is armed".to_owned())
            }
            (None, Some(Successor::Nothing(reason))) => {
                ("None", format!("nothing outside the keeper can end services: {reason}"))
            }
            (None, Some(Successor::Unit(within))) => {
                let within = text(*within);
                let how = "the keeper; without its guard the service manager, which waits for";
                ("Keeper", format!("{how} {within}"))
            }
            (None, Some(Successor::Guard) | None) => {
                ("Keeper", "the keeper; its guard where the keeper can't".to_owned())
            }
        };
        let raising = guarding.armed.as_ref().is_some_and(|armed| {
            armed.seconds < self.model.cluster.watchdog.seconds
                && self.model.cluster.watchdog.mode != WatchdogMode::Off
        });
        let lacking = if raising { self.lacking() } else { BTreeSet::new() };
        if !lacking.is_empty() {
            let names: Vec<&str> = lacking.iter().map(ServerName::as_str).collect();
            why.push_str(&format!("; its time-out is raised once {} know of it", names.join(", ")));
        }
        let watchdog = match &guarding.armed {
            Some(armed) => format!("{} {} s", armed.identity, armed.seconds),
            None if guarding.problem.is_empty() => "none".to_owned(),
            None => format!("none: {}", guarding.problem),
        };
        Guard { by: by.to_owned(), why, watchdog, self_fence }
    }
}

#[cfg(test)]
mod tests;
