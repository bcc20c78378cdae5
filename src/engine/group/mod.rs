//! Groups on this server: carries out the leader's orders, one resource at a time where they
//! depend on each other, all at once where they do not.
//!
//! It decides which resource is started, stopped or probed next, and what the leader is told. It
//! must never start what is not certainly absent, never say `Stopped` while anything may run, and
//! never choose a server. It fails towards holding: what it does not know counts as active.

mod act;
mod orders;
mod plan;
mod show;
mod state;
#[cfg(test)]
pub(in crate::engine) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::act::Desk;
use self::state::{Belief, Doubt, Goal, Group, Instance, Settings, Wish};
use super::effect::{PowerAction, ResourceAction, ResourceContext};
use super::ids::{ActionId, ActionIds, GrantId};
use super::input::Outcome;
use super::message::{Held, Order, OrderAction, ResourceReport, Wants};
use super::model::Model;
use super::mutation::{Flaw, flawed};
use super::note::Note;
use super::time::{Instant, Now};
use crate::api::names::{GroupName, ResourceName, ServerName};

/// What the groups of this server want done.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupEffect {
    /// Work on a resource: `Effect::Resource`. Work on one resource never overlaps: whatever was
    /// under way has been answered or cancelled before.
    Resource {
        /// Pairs the answer.
        id: ActionId,
        /// What to do.
        action: ResourceAction,
        /// Everything the driver needs.
        context: Arc<ResourceContext>,
    },
    /// End the work of an earlier effect: `Effect::Cancel`.
    Cancel {
        /// The effect's id.
        id: ActionId,
    },
    /// A resource can't be deactivated: the server is to be ended so that it certainly stops.
    /// Subject to the node's guards.
    Power {
        /// How.
        action: PowerAction,
        /// The group.
        group: GroupName,
        /// The resource.
        resource: ResourceName,
        /// In words.
        message: String,
    },
    /// Tell people.
    Note(Note),
}

/// What is recovered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A resource, with what depends on it.
    Resource(ResourceName),
    /// A whole group.
    Group(GroupName),
}

/// Why something asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not known here.
    #[error("failed to find {0} in the spec of this server")]
    Unknown(String),
    /// It is not ordered to run here.
    #[error("failed to act on {0}: it is not active on this server")]
    NotActive(String),
}

/// Where a resource that is not certainly absent stands, as monitors need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its group.
    pub group: GroupName,
    /// Where it stands.
    pub state: ActivityState,
}

/// See [`Activity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityState {
    /// It is active.
    Active,
    /// It was active under the present order and is not now, and nothing is under way.
    Failed,
    /// Something is under way, or nobody can tell.
    Changing,
}

/// The groups of this server.
#[derive(Clone, Debug)]
pub struct Groups {
    desk: Desk,
    groups: BTreeMap<GroupName, Group>,
    /// `probe_all` came before the spec was known.
    doubtful: bool,
    /// Nothing is started any more.
    closed: bool,
    /// Generations of what runs, as they were last said.
    settings_said: BTreeMap<ResourceName, i64>,
}

impl Groups {
    /// Nothing known, nothing ordered.
    #[must_use]
    pub fn new(me: ServerName, ids: ActionIds) -> Self {
        let desk = Desk {
            me,
            ids,
            model: None,
            effects: VecDeque::new(),
            works: BTreeMap::new(),
            version: 0,
            lapsed: false,
            flaw: Flaw::default(),
        };
        Self {
            desk,
            groups: BTreeMap::new(),
            doubtful: false,
            closed: false,
            settings_said: BTreeMap::new(),
        }
    }

    /// What decides how it goes on, for whoever explores states.
    #[cfg(feature = "simulate")]
    pub(super) fn deciding(&self) -> impl std::fmt::Debug {
        (&self.groups, &self.desk.works, self.doubtful, self.closed)
    }

    /// Breaks a rule on purpose.
    #[cfg(feature = "simulate")]
    pub(super) fn break_on_purpose(&mut self, flaw: Flaw) {
        self.desk.flaw = flaw;
    }

    /// Whether an answer is to an effect of these groups.
    #[must_use]
    pub fn gave(&self, id: ActionId) -> bool {
        self.desk.ids.gave(id)
    }

    /// The order that a group is held under before any order came.
    #[must_use]
    pub fn default_order(&self) -> GrantId {
        self.desk.default_order()
    }

    /// The model changed, or is known for the first time. What is new is probed; what runs keeps
    /// the settings it was started with until it is restarted, at once where the group says so.
    pub fn on_model(&mut self, now: Now, model: Arc<Model>) {
        self.desk.model = Some(model.clone());
        let belief = match self.doubtful {
            true => Belief::Unknown(Doubt::Unproven),
            false => Belief::Absent,
        };
        self.doubtful = false;
        for (name, group) in &mut self.groups {
            if !model.groups.contains_key(name) {
                group.on_removed();
            }
        }
        for (name, group_model) in &model.groups {
            let group = self.groups.entry(name.clone()).or_insert_with(|| Group::new(name.clone()));
            group.on_model(group_model, belief);
        }
        self.settle_all(now);
    }

    /// The settings that resources run with, for a successor of this agent; none where that is what
    /// was said last.
    pub fn news_of_settings(&mut self) -> Option<String> {
        let running = || {
            let instances = self.groups.values().flat_map(|group| group.instances.iter());
            instances.filter(|(_, instance)| instance.belief != Belief::Absent)
        };
        let generations: BTreeMap<ResourceName, i64> = running()
            .map(|(name, instance)| (name.clone(), instance.settings.generation))
            .collect();
        if generations == self.settings_said {
            return None;
        }
        let settings: BTreeMap<&ResourceName, &Settings> =
            running().map(|(name, instance)| (name, &instance.settings)).collect();
        let text = serde_json::to_string(&settings).ok()?;
        self.settings_said = generations;
        Some(text)
    }

    /// Whoever was to remember the settings has forgotten them.
    pub fn say_settings_again(&mut self) {
        self.settings_said.clear();
    }

    /// What an earlier run of this agent said of the settings of what ran: what still runs goes on
    /// with them, and is stopped by them.
    pub fn recall_settings(&mut self, text: &str) {
        let recalled: BTreeMap<ResourceName, Settings> =
            serde_json::from_str(text).unwrap_or_default();
        for (name, settings) in recalled {
            let mut groups = self.groups.values_mut();
            if let Some(instance) = groups.find_map(|group| group.instances.get_mut(&name)) {
                instance.settings.recall(settings);
            }
        }
    }

    /// Nothing is certain any more: every resource is probed before anything is started. Groups
    /// of other servers too: the spec may have changed while nobody looked.
    pub fn probe_all(&mut self, now: Now) {
        self.doubtful = self.desk.model.is_none();
        if flawed!(self.desk.flaw, NothingProbedAtStart) {
            return;
        }
        self.probe(now, |_| true);
    }

    /// The keeper has ended everything: what was active is probed. What was certainly absent still
    /// is, for only this agent starts anything.
    pub fn probe_again(&mut self, now: Now) {
        if flawed!(self.desk.flaw, NothingProbedAtStart) {
            return;
        }
        self.probe(now, |instance| instance.belief != Belief::Absent);
    }

    fn probe(&mut self, now: Now, which: impl Fn(&Instance) -> bool) {
        for group in self.groups.values_mut() {
            for instance in group.instances.values_mut().filter(|instance| which(instance)) {
                instance.fresh = false;
                instance.probe_at = None;
                let changing = instance.work.as_ref().is_some_and(|work| match work.action {
                    ResourceAction::Start | ResourceAction::Stop => true,
                    ResourceAction::Probe => false,
                });
                if !changing && instance.stop_failure.is_none() {
                    instance.belief = Belief::Unknown(Doubt::Unproven);
                }
            }
        }
        self.settle_all(now);
    }

    /// An order, newer than the last about this group, under a live lease.
    pub fn on_order(&mut self, now: Now, order: &Order) {
        if self.closed && order.action == OrderAction::Run {
            return;
        }
        let name = &order.group;
        let group = self.groups.entry(name.clone()).or_insert_with(|| Group::new(name.clone()));
        group.on_order(order);
        group.settle(&mut self.desk, now);
    }

    /// The keeper was told to end: every group is stopped in the order of its dependencies, and
    /// none is started again in this run.
    pub fn close(&mut self, now: Now) {
        self.closed = true;
        for group in self.groups.values_mut() {
            group.on_closed();
            group.settle(&mut self.desk, now);
        }
    }

    /// A driver ended its work. Answers to work that was cancelled are not looked at.
    pub fn on_resource_done(&mut self, now: Now, id: ActionId, outcome: Outcome) {
        let Some((group, resource)) = self.desk.works.get(&id).cloned() else { return };
        let Some(group) = self.groups.get_mut(&group) else { return };
        group.on_outcome(&mut self.desk, now, &resource, outcome);
        group.settle(&mut self.desk, now);
    }

    /// An active resource failed by itself.
    pub fn on_resource_failed(&mut self, now: Now, resource: &ResourceName, message: String) {
        for group in self.groups.values_mut() {
            if group.instances.contains_key(resource) {
                group.on_failed(&mut self.desk, now, resource, &message);
                group.settle(&mut self.desk, now);
            }
        }
    }

    /// The lease is gone and the keeper ends all services: what remains is deactivated, and
    /// nothing is started until a new order.
    pub fn on_isolated(&mut self, now: Now) {
        for group in self.groups.values_mut() {
            group.on_isolated(&mut self.desk);
            group.settle(&mut self.desk, now);
        }
    }

    /// Without a live lease nothing is started, even where what runs goes on.
    pub fn lapse(&mut self, now: Now, lapsed: bool) {
        if std::mem::replace(&mut self.desk.lapsed, lapsed) && !lapsed {
            self.settle_all(now);
        }
    }

    /// Deactivates and activates again, for the ladder; an activation that fails is the ladder's
    /// to answer, so the leader is not asked for a failover.
    ///
    /// # Errors
    /// Where the target is not ordered to run here.
    pub fn reactivate(&mut self, now: Now, target: &Target) -> Result<(), Refused> {
        let group = match target {
            Target::Resource(name) => self.group_of(name)?,
            Target::Group(name) => name.clone(),
        };
        let whole = self.desk.model.clone();
        let model = whole.as_ref().and_then(|model| model.groups.get(&group));
        let group = running(&mut self.groups, &group)?;
        let affected = match target {
            Target::Resource(name) => plan::with_dependents(group, model, name),
            Target::Group(_) => {
                group.cycle = true;
                group.instances.keys().cloned().collect()
            }
        };
        group.begin_reactivation(&affected, target);
        group.settle(&mut self.desk, now);
        Ok(())
    }

    /// Deactivates a resource and what depends on it until the next order (a final action).
    ///
    /// # Errors
    /// Where it is not ordered to run here.
    pub fn stop_resource(&mut self, now: Now, resource: &ResourceName) -> Result<(), Refused> {
        let name = self.group_of(resource)?;
        let group = running(&mut self.groups, &name)?;
        if let Some(instance) = group.instances.get_mut(resource) {
            instance.failure = None;
            instance.held_down = true;
        }
        group.settle(&mut self.desk, now);
        Ok(())
    }

    /// The ladder wants the leader to move or stop a group that is active here (`Held` says so
    /// as `Failed`), or takes that back (`Wants::Nothing`).
    ///
    /// # Errors
    /// Where it is not ordered to run here.
    pub fn wish(
        &mut self,
        now: Now,
        group: &GroupName,
        wants: Wants,
        message: String,
    ) -> Result<(), Refused> {
        let group = running(&mut self.groups, group)?;
        group.wish = match wants {
            Wants::Nothing => None,
            Wants::Failover | Wants::Stop => Some(Wish { wants, message }),
        };
        group.settle(&mut self.desk, now);
        Ok(())
    }

    /// The instant of `poll_timeout` has come: answers that are overdue count as lost, probes
    /// that had to wait are made.
    pub fn handle_timeout(&mut self, now: Now) {
        for group in self.groups.values_mut() {
            if group.wake.is_none_or(|wake| wake > now.instant) {
                continue;
            }
            let overdue: Vec<ResourceName> = group
                .instances
                .iter()
                .filter(|(_, i)| i.work.as_ref().is_some_and(|w| w.deadline <= now.instant))
                .map(|(name, _)| name.clone())
                .collect();
            for name in overdue {
                let Some(work) = group.instances.get(&name).and_then(|i| i.work.as_ref()) else {
                    continue;
                };
                self.desk.effects.push_back(GroupEffect::Cancel { id: work.id });
                group.on_outcome(&mut self.desk, now, &name, Outcome::TimedOut);
            }
            group.settle(&mut self.desk, now);
        }
    }

    /// When `handle_timeout` is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.groups.values().filter_map(|group| group.wake).min()
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<GroupEffect> {
        self.desk.effects.pop_front()
    }

    /// Whether every resource was looked at since this agent started.
    #[must_use]
    pub fn proven(&self) -> bool {
        let unproven = |instance: &Instance| instance.belief == Belief::Unknown(Doubt::Unproven);
        !self.groups.values().flat_map(|group| group.instances.values()).any(unproven)
    }

    /// Every group not certainly stopped, and those `Stopped` until their next order.
    #[must_use]
    pub fn holds(&self) -> BTreeMap<GroupName, Held> {
        self.groups
            .iter()
            .filter_map(|(name, group)| Some((name.clone(), group.shown.held.clone()?)))
            .collect()
    }

    /// Grows whenever `holds`, `report` or `activity` changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.desk.version
    }

    /// Every resource of the groups in `holds`.
    #[must_use]
    pub fn report(&self) -> BTreeMap<ResourceName, ResourceReport> {
        self.groups.values().flat_map(|group| group.shown.report.clone()).collect()
    }

    /// Every resource that monitors may take for active here, or on its way; what is missing is
    /// certainly not active here.
    #[must_use]
    pub fn activity(&self) -> BTreeMap<ResourceName, Activity> {
        self.groups.values().flat_map(|group| group.shown.activity.clone()).collect()
    }

    fn settle_all(&mut self, now: Now) {
        for group in self.groups.values_mut() {
            group.settle(&mut self.desk, now);
        }
        let model = self.desk.model.clone();
        self.groups.retain(|name, group| {
            let known = model.as_ref().is_some_and(|model| model.groups.contains_key(name));
            let over = match group.goal {
                Goal::Hold | Goal::Stop | Goal::Isolated => group.certainly_stopped(),
                Goal::Run => false,
            };
            known || !over
        });
    }

    fn group_of(&self, resource: &ResourceName) -> Result<GroupName, Refused> {
        self.groups
            .values()
            .find(|group| group.instances.contains_key(resource))
            .map(|group| group.name.clone())
            .ok_or_else(|| Refused::Unknown(resource.to_string()))
    }
}

fn running<'a>(
    groups: &'a mut BTreeMap<GroupName, Group>,
    name: &GroupName,
) -> Result<&'a mut Group, Refused> {
    let group = groups.get_mut(name).ok_or_else(|| Refused::Unknown(name.to_string()))?;
    match group.goal {
        Goal::Run => Ok(group),
        Goal::Hold | Goal::Stop | Goal::Isolated => Err(Refused::NotActive(name.to_string())),
    }
}
