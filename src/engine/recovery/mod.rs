//! Monitors on this server and the ladder that their errors climb (CP-18, CP-20).
//!
//! It decides when each monitor checks, what its answers mean, and which rung comes next. It must
//! never let two monitors act on one target at once, never act on a target that is not active on
//! this server, and never carry anything out itself: the node does, or refuses. It fails towards
//! doing nothing: an answer that does not come is no error of what is monitored.

mod answers;
mod climb;
mod ladder;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::watch::{Judgement, Phase, Watch};

use super::effect::PowerAction;
use super::group::{Activity, ActivityState};
use super::ids::{ActionId, ActionIds};
use super::input::CheckResult;
use super::model::{Model, MonitorModel};
use super::mutation::Flaw;
use super::note::{Note, monitor_key};
use super::time::{Instant, Now};
use crate::api::kinds::{MonitorServerStatus, MonitorSpec, MonitorState, ResourceSpec};
use crate::api::names::{GroupName, MonitorName, ResourceName, ServerName};

/// What the monitors of this server want done.
#[derive(Clone, Debug, PartialEq)]
pub enum RecoveryEffect {
    /// Check once: `Effect::Check`.
    Check {
        /// Pairs the answer.
        id: ActionId,
        /// The monitor.
        monitor: MonitorName,
        /// Its settings.
        spec: Arc<MonitorSpec>,
        /// The resource that a probe-port or load-balance monitor is about.
        resource: Option<Arc<ResourceSpec>>,
        /// When it counts as unanswered; none: it runs until it ends.
        timeout: Option<Duration>,
    },
    /// Run a recovery script: `Effect::RecoveryScript`.
    RecoveryScript {
        /// Pairs the answer.
        id: ActionId,
        /// The monitor.
        monitor: MonitorName,
        /// Program and arguments.
        command: Vec<String>,
        /// When it is ended.
        timeout: Duration,
    },
    /// End the work of an earlier effect: `Effect::Cancel`.
    Cancel {
        /// The effect's id.
        id: ActionId,
    },
    /// Tell people.
    Note(Note),
    /// Ask the groups to reactivate a resource; `on_refused` answers where they refuse.
    ReactivateResource {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        resource: ResourceName,
    },
    /// Ask the groups to reactivate a group; `on_refused` answers where they refuse.
    ReactivateGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
    },
    /// Ask the leader to run a group elsewhere: `Groups::wish(Failover)`.
    FailoverGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
        /// Why.
        message: String,
    },
    /// It works again: a wish about the group is taken back, `Groups::wish(Nothing)`.
    Withdraw {
        /// Who asked.
        monitor: MonitorName,
        /// What.
        group: GroupName,
    },
    /// Final action: deactivate a resource, `Groups::stop_resource`.
    StopResource {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        resource: ResourceName,
    },
    /// Final action: ask the leader to stop a group, `Groups::wish(Stop)`.
    StopGroup {
        /// Who asks.
        monitor: MonitorName,
        /// What.
        group: GroupName,
        /// Why.
        message: String,
    },
    /// Final action: end this server or its part in the cluster, if the node's guards allow it.
    FinalAction {
        /// Who asks.
        monitor: MonitorName,
        /// How.
        action: PowerAction,
        /// Why.
        message: String,
    },
}

/// How long after its own time-out an answer counts as lost: a driver has to end what it ran.
const ANSWER_GRACE: Duration = Duration::from_secs(10);

/// The monitors of this server.
#[derive(Clone, Debug)]
pub struct Monitors {
    me: ServerName,
    ids: ActionIds,
    model: Option<Arc<Model>>,
    activity: BTreeMap<ResourceName, Activity>,
    watches: BTreeMap<MonitorName, Watch>,
    /// Whose check or script is under way.
    works: BTreeMap<ActionId, MonitorName>,
    effects: VecDeque<RecoveryEffect>,
    version: u64,
    /// When the next watch is due.
    wake: Option<Instant>,
    flaw: Flaw,
}

impl Monitors {
    /// No monitors yet.
    #[must_use]
    pub fn new(me: ServerName, ids: ActionIds) -> Self {
        Self {
            me,
            ids,
            model: None,
            activity: BTreeMap::new(),
            watches: BTreeMap::new(),
            works: BTreeMap::new(),
            effects: VecDeque::new(),
            version: 0,
            wake: None,
            flaw: Flaw::default(),
        }
    }

    /// Breaks a rule on purpose.
    #[cfg(feature = "simulate")]
    pub(super) fn break_on_purpose(&mut self, flaw: Flaw) {
        self.flaw = flaw;
    }

    /// Whether an answer is to an effect of these monitors.
    #[must_use]
    pub fn gave(&self, id: ActionId) -> bool {
        self.ids.gave(id)
    }

    /// The model changed, or is known for the first time. A monitor that changed begins anew.
    pub fn on_model(&mut self, now: Now, model: Arc<Model>) {
        let gone: Vec<MonitorName> = self
            .watches
            .iter()
            .filter(|(name, watch)| {
                model.monitors.get(*name).is_none_or(|monitor| {
                    !monitor.servers.contains(&self.me) || !same(&watch.model, monitor)
                })
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.end_work(&name);
            self.withdraw(&name);
            self.watches.remove(&name);
            self.version += 1;
        }
        for (name, monitor) in &model.monitors {
            if monitor.servers.contains(&self.me) {
                self.watches
                    .entry(name.clone())
                    .or_insert_with(|| Watch::new(monitor.clone()))
                    .model
                    .generation = monitor.generation;
            }
        }
        self.model = Some(model);
        self.follow_all(now);
        self.set_wake();
    }

    /// What is active here changed: `Groups::activity`.
    pub fn on_group_state(&mut self, now: Now, activity: BTreeMap<ResourceName, Activity>) {
        self.activity = activity;
        self.follow_all(now);
        self.set_wake();
    }

    /// A check ended.
    pub fn on_checked(&mut self, now: Now, id: ActionId, result: CheckResult, message: String) {
        let Some(name) = self.works.remove(&id) else { return };
        let Some(watch) = self.watches.get_mut(&name) else { return };
        let Phase::Checking { since, .. } = watch.phase else { return };
        let took = now.instant.since(since);
        watch.milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        watch.phase = Phase::Waiting { next: now.instant + watch.interval() };
        let judgement = watch.judge(result, took);
        let message = match result {
            CheckResult::TimedOut => format!("no answer within {}", watch.model.spec.timeout),
            CheckResult::Normal
            | CheckResult::Warning
            | CheckResult::Error
            | CheckResult::Unknown => message,
        };
        self.on_judgement(now, &name, judgement, message);
        self.show(&name);
        self.set_wake();
    }

    /// A recovery script ended.
    pub fn on_script_done(&mut self, now: Now, id: ActionId, exit_code: Option<i32>) {
        let Some(name) = self.works.remove(&id) else { return };
        let result = exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let note = self.note(&name, "RecoveryScriptEnded").with("exitCode", result);
        self.effects.push_back(RecoveryEffect::Note(note));
        self.recovered(now, &name);
        self.show(&name);
        self.set_wake();
    }

    /// What a monitor asked for last is not done; it counts all the same.
    pub fn on_refused(&mut self, now: Now, monitor: &MonitorName, message: String) {
        let Some(watch) = self.watches.get_mut(monitor) else { return };
        if matches!(watch.phase, Phase::Recovering { begun: false, .. }) {
            let note = self.note(monitor, "RecoveryRefused").with("message", message);
            self.effects.push_back(RecoveryEffect::Note(note));
            self.recovered(now, monitor);
            self.show(monitor);
            self.set_wake();
        }
    }

    /// The instant of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.wake.is_none_or(|wake| wake > now.instant) {
            return;
        }
        let due: Vec<MonitorName> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.wake().is_some_and(|wake| wake <= now.instant))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.on_due(now, &name);
            self.show(&name);
        }
        self.set_wake();
    }

    /// Whatever changes a watch ends with this.
    fn set_wake(&mut self) {
        self.wake = self.watches.values().filter_map(Watch::wake).min();
    }

    fn on_due(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        match &mut watch.phase {
            Phase::Idle => {}
            Phase::Waiting { .. } => self.check(now, name),
            Phase::Checking { settles, deadline, .. } => {
                if deadline.is_some_and(|deadline| deadline <= now.instant) {
                    watch.phase = Phase::Waiting { next: now.instant + watch.interval() };
                    let message = "the answer of the check was lost".to_owned();
                    self.end_lost(name);
                    self.on_judgement(now, name, Judgement::Unknown, message);
                } else if settles.take().is_some() {
                    self.on_judgement(now, name, Judgement::Normal, "it runs".to_owned());
                }
            }
            Phase::Script { .. } => {
                self.end_lost(name);
                self.recovered(now, name);
            }
            Phase::Recovering { .. } => self.recovered(now, name),
        }
    }

    /// When `handle_timeout` is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<RecoveryEffect> {
        self.effects.pop_front()
    }

    /// Grows whenever `report` changed; a check that takes a little longer or shorter than the
    /// one before is no change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What each monitor says on this server.
    #[must_use]
    pub fn report(&self) -> BTreeMap<MonitorName, MonitorServerStatus> {
        self.watches.iter().map(|(name, watch)| (name.clone(), watch.status(&self.me))).collect()
    }

    fn note(&self, name: &MonitorName, reason: &'static str) -> Note {
        Note::new(monitor_key(name), reason)
            .with("monitor", name)
            .with("server", &self.me)
            .because(monitor_key(name))
    }

    /// Begins and ends monitoring as the spec and what is active here say.
    fn follow_all(&mut self, now: Now) {
        let names: Vec<MonitorName> = self.watches.keys().cloned().collect();
        for name in names {
            self.follow_recovery(now, &name);
            self.follow(now, &name);
            self.show(&name);
        }
    }

    fn follow(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get(name) else { return };
        let reason = self.reason_not_to_monitor(&watch.model);
        let Some(watch) = self.watches.get_mut(name) else { return };
        match (&watch.phase, reason) {
            (Phase::Idle, None) => {
                let delay: Duration = watch.model.spec.start_delay.into();
                watch.phase = Phase::Waiting { next: now.instant + delay };
                watch.state = MonitorState::Unknown;
                watch.message = "not checked yet".to_owned();
                watch.failures = 0;
                watch.errors = 0;
                watch.told = false;
                if delay.is_zero() {
                    self.check(now, name);
                }
            }
            (Phase::Idle, Some(reason)) => watch.message = reason,
            (Phase::Waiting { .. } | Phase::Checking { .. }, Some(reason)) => {
                self.end_work(name);
                if let Some(watch) = self.watches.get_mut(name) {
                    watch.phase = Phase::Idle;
                    watch.state = MonitorState::Suspended;
                    watch.message = reason;
                }
            }
            // A recovery is seen through.
            (Phase::Waiting { .. } | Phase::Checking { .. }, None)
            | (Phase::Script { .. } | Phase::Recovering { .. }, _) => {}
        }
    }

    fn reason_not_to_monitor(&self, monitor: &MonitorModel) -> Option<String> {
        if monitor.spec.suspended {
            return Some("suspended".to_owned());
        }
        if let Some(resource) = &monitor.while_active {
            match self.activity.get(resource).map(|activity| activity.state) {
                Some(ActivityState::Active | ActivityState::Failed) => {}
                Some(ActivityState::Changing) => return Some(format!("{resource} is changing")),
                None => return Some(format!("{resource} is not active here")),
            }
        }
        match &monitor.while_inactive {
            Some(resource) if self.activity.contains_key(resource) => {
                Some(format!("{resource} is active here"))
            }
            Some(_) | None => None,
        }
    }

    fn check(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let spec = watch.model.spec.clone();
        let asynchronous = watch.asynchronous();
        let resource = spec.subject().and_then(|name| {
            let model = self.model.as_ref()?;
            Some(model.resource(&name.into())?.1.spec.clone())
        });
        let timeout: Option<Duration> = (!asynchronous).then(|| spec.timeout.into());
        let id = self.ids.next_id();
        watch.phase = Phase::Checking {
            id,
            since: now.instant,
            deadline: timeout.map(|timeout| now.instant + timeout + ANSWER_GRACE),
            settles: asynchronous.then(|| now.instant + watch.interval()),
        };
        self.works.insert(id, name.clone());
        let monitor = name.clone();
        self.effects.push_back(RecoveryEffect::Check { id, monitor, spec, resource, timeout });
    }

    /// Ends a check or script under way.
    fn end_work(&mut self, name: &MonitorName) {
        let id = match self.watches.get(name).map(|watch| &watch.phase) {
            Some(Phase::Checking { id, .. } | Phase::Script { id, .. }) => *id,
            Some(Phase::Idle | Phase::Waiting { .. } | Phase::Recovering { .. }) | None => return,
        };
        self.works.remove(&id);
        self.effects.push_back(RecoveryEffect::Cancel { id });
    }

    /// Ends what gave no answer.
    fn end_lost(&mut self, name: &MonitorName) {
        let lost: Vec<ActionId> =
            self.works.iter().filter(|(_, monitor)| *monitor == name).map(|(id, _)| *id).collect();
        for id in lost {
            self.works.remove(&id);
            self.effects.push_back(RecoveryEffect::Cancel { id });
        }
    }

    fn show(&mut self, name: &MonitorName) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let mut status = watch.status(&self.me);
        // The last check's time counts as changed where it has about doubled or halved.
        status.milliseconds = u64::from((status.milliseconds | 15).ilog2());
        if watch.shown.as_ref() != Some(&status) {
            watch.shown = Some(status);
            self.version += 1;
        }
    }
}

fn same(one: &MonitorModel, other: &MonitorModel) -> bool {
    let MonitorModel {
        spec,
        servers,
        while_active,
        while_inactive,
        target_group,
        target_resource,
        generation: _,
    } = one;
    *spec == other.spec
        && *servers == other.servers
        && *while_active == other.while_active
        && *while_inactive == other.while_inactive
        && *target_group == other.target_group
        && *target_resource == other.target_resource
}
