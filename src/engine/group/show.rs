//! What others are told of a group: its phase, its resources, and what monitors may follow.

use std::collections::{BTreeMap, BTreeSet};

use super::act::Desk;
use super::plan;
use super::state::{Belief, Doubt, Failure, Goal, Group, Instance, Shown};
use super::{Activity, ActivityState};
use crate::api::kinds::ResourceState;
use crate::api::names::ResourceName;
use crate::engine::effect::ResourceAction;
use crate::engine::message::{GroupPhase, Held, ResourceReport, Wants};
use crate::engine::model::GroupModel;
use crate::engine::mutation::{Flaw, flawed};
use crate::engine::note::{Note, group_key, resource_key};
use crate::engine::time::Now;

impl Group {
    /// Makes what is shown anew; a change raises the version, a new phase is told.
    pub fn show(&mut self, desk: &mut Desk, model: Option<&GroupModel>, now: Now) {
        let unwanted = plan::unwanted(self, model);
        let held = self
            .phase(desk.flaw, model, &unwanted)
            .map(|phase| Held { order: self.order_id(desk), phase });
        let report = match &held {
            Some(_) => self.report(&unwanted, now),
            None => BTreeMap::new(),
        };
        let shown = Shown { held, report, activity: self.activity(model, &unwanted) };
        if shown == self.shown {
            return;
        }
        desk.version += 1;
        let before = std::mem::replace(&mut self.shown, shown);
        let phase_before = before.held.map(|held| held.phase);
        let phase = self.shown.held.as_ref().map(|held| &held.phase);
        if let Some(phase) = phase
            && self.goal != Goal::Hold
            && phase_before.as_ref().map(phase_reason) != Some(phase_reason(phase))
        {
            let mut note = Note::new(group_key(&self.name), phase_reason(phase))
                .with("group", &self.name)
                .because(group_key(&self.name));
            if let GroupPhase::Failed { message, .. } | GroupPhase::StopFailed { message } = phase {
                note = note.with("message", message);
                note.because.extend(self.culprit().map(|name| resource_key(&name)));
            }
            desk.note(note);
        }
    }

    fn culprit(&self) -> Option<ResourceName> {
        self.instances
            .iter()
            .find(|(_, instance)| instance.stop_failure.is_some() || instance.failure.is_some())
            .map(|(name, _)| name.clone())
    }

    fn phase(
        &self,
        flaw: Flaw,
        model: Option<&GroupModel>,
        unwanted: &BTreeSet<ResourceName>,
    ) -> Option<GroupPhase> {
        let all_active = !self.instances.is_empty()
            && self.instances.values().all(|instance| instance.belief == Belief::Active);
        match self.goal {
            Goal::Hold => {
                let all_absent = self.instances.values().all(|i| i.belief == Belief::Absent);
                match (all_absent, all_active) {
                    (true, _) => None,
                    (false, true) => Some(GroupPhase::Online),
                    (false, false) => Some(GroupPhase::Starting),
                }
            }
            Goal::Stop | Goal::Isolated if self.certainly_stopped() => {
                // Whoever was told that it is being stopped waits to hear that it is, also where
                // nobody had ordered it.
                let told = self.shown.held.is_some() && !flawed!(flaw, UnorderedStopUntold);
                (self.order.is_some() || told).then_some(GroupPhase::Stopped)
            }
            Goal::Stop | Goal::Isolated => Some(self.stop_failed().unwrap_or(GroupPhase::Stopping)),
            Goal::Run => Some(
                self.stop_failed()
                    .or_else(|| self.failed())
                    .unwrap_or_else(|| self.running(model, unwanted)),
            ),
        }
    }

    fn stop_failed(&self) -> Option<GroupPhase> {
        self.instances.iter().find_map(|(name, instance)| {
            let message = instance.stop_failure.as_ref()?;
            Some(GroupPhase::StopFailed { message: format!("{name}: {message}") })
        })
    }

    /// The failure that asks for most; the ladder's wish counts as one.
    fn failed(&self) -> Option<GroupPhase> {
        let mut worst: Option<(String, &Failure)> = None;
        for (name, instance) in &self.instances {
            let Some(failure) = &instance.failure else { continue };
            if worst.as_ref().is_none_or(|(_, w)| urgency(failure.wants) > urgency(w.wants)) {
                worst = Some((name.to_string(), failure));
            }
        }
        let wish = self.wish.as_ref().map(|wish| GroupPhase::Failed {
            reason: "RecoveryRequested".to_owned(),
            message: wish.message.clone(),
            wants: wish.wants,
        });
        let failure = worst.map(|(name, failure)| GroupPhase::Failed {
            reason: failure.reason.clone(),
            message: format!("{name}: {}", failure.message),
            wants: failure.wants,
        });
        match (wish, failure) {
            (Some(wish), Some(failure)) => {
                Some(if wants(&wish) >= wants(&failure) { wish } else { failure })
            }
            (wish, failure) => wish.or(failure),
        }
    }

    fn running(&self, model: Option<&GroupModel>, unwanted: &BTreeSet<ResourceName>) -> GroupPhase {
        let Some(model) = model else { return GroupPhase::Starting };
        let kept_down = self.instances.iter().find(|(_, instance)| instance.held_down);
        let settled = self.instances.iter().all(|(name, instance)| match unwanted.contains(name) {
            true => instance.certainly_absent(),
            false => instance.belief == Belief::Active,
        });
        let complete = model
            .resources
            .iter()
            .all(|(name, resource)| resource.deleting || self.instances.contains_key(name));
        match (settled && complete, kept_down) {
            (false, _) => GroupPhase::Starting,
            (true, None) if self.cycle => GroupPhase::Starting,
            (true, None) => GroupPhase::Online,
            (true, Some((name, _))) => GroupPhase::Failed {
                reason: "ResourceStoppedByRecovery".to_owned(),
                message: format!("{name}: deactivated by the final action of a monitor"),
                wants: Wants::Nothing,
            },
        }
    }

    fn report(
        &self,
        unwanted: &BTreeSet<ResourceName>,
        now: Now,
    ) -> BTreeMap<ResourceName, ResourceReport> {
        self.instances
            .iter()
            .map(|(name, instance)| {
                let state = state(instance, self.goal, unwanted.contains(name));
                let since = match self.shown.report.get(name) {
                    Some(before) if before.state == state => before.since,
                    Some(_) | None => now.wall,
                };
                let message = match (&instance.stop_failure, &instance.failure) {
                    (Some(message), _) => message.clone(),
                    (None, Some(failure)) => failure.message.clone(),
                    (None, None) => instance.message.clone(),
                };
                let generation = instance.settings.generation;
                (name.clone(), ResourceReport { state, message, since, generation })
            })
            .collect()
    }

    fn activity(
        &self,
        model: Option<&GroupModel>,
        unwanted: &BTreeSet<ResourceName>,
    ) -> BTreeMap<ResourceName, Activity> {
        if self.goal != Goal::Run {
            return self.activity_without_order();
        }
        // What waits for something that will not come by itself has failed with it.
        let stuck = self.instances.values().any(|instance| instance.stop_failure.is_some());
        let mut blocked = BTreeSet::new();
        let mut kept_down = BTreeSet::new();
        for (name, instance) in &self.instances {
            if instance.held_down {
                kept_down.extend(plan::with_dependents(self, model, name));
            }
            if instance.failure.as_ref().is_some_and(|failure| !failure.passable) {
                blocked.extend(plan::with_dependents(self, model, name));
            }
        }
        let state = |name: &ResourceName, instance: &Instance| {
            let failed = instance.failure.is_some() || instance.stop_failure.is_some();
            let waiting = instance.belief != Belief::Active && blocked.contains(name);
            if instance.work.is_none() && instance.was_active && !kept_down.contains(name) {
                let unable = unwanted.contains(name) && stuck;
                if unable || ((failed || waiting) && !unwanted.contains(name)) {
                    return Some(ActivityState::Failed);
                }
            }
            match instance.belief {
                Belief::Active if !unwanted.contains(name) => Some(ActivityState::Active),
                Belief::Active | Belief::Unknown(_) => Some(ActivityState::Changing),
                // On its way back: it was active under this order and nothing keeps it down.
                Belief::Absent if instance.was_active && !failed && !kept_down.contains(name) => {
                    Some(ActivityState::Changing)
                }
                Belief::Absent => None,
            }
        };
        self.instances
            .iter()
            .filter_map(|(name, instance)| {
                let state = state(name, instance)?;
                Some((name.clone(), Activity { group: self.name.clone(), state }))
            })
            .collect()
    }

    /// What an earlier run left is active; what is being stopped is no monitor's business.
    fn activity_without_order(&self) -> BTreeMap<ResourceName, Activity> {
        self.instances
            .iter()
            .filter_map(|(name, instance)| {
                let state = match (instance.belief, self.goal) {
                    (Belief::Absent, _) => return None,
                    (Belief::Active, Goal::Hold) => ActivityState::Active,
                    (Belief::Active | Belief::Unknown(_), _) => ActivityState::Changing,
                };
                Some((name.clone(), Activity { group: self.name.clone(), state }))
            })
            .collect()
    }
}

/// The event, and the class of a phase.
fn phase_reason(phase: &GroupPhase) -> &'static str {
    match phase {
        GroupPhase::Starting => "GroupStarting",
        GroupPhase::Online => "GroupOnline",
        GroupPhase::Failed { .. } => "GroupFailed",
        GroupPhase::Stopping => "GroupStopping",
        GroupPhase::StopFailed { .. } => "GroupStopFailed",
        GroupPhase::Stopped => "GroupStopped",
    }
}

fn wants(phase: &GroupPhase) -> u8 {
    match phase {
        GroupPhase::Failed { wants, .. } => urgency(*wants),
        GroupPhase::Starting
        | GroupPhase::Online
        | GroupPhase::Stopping
        | GroupPhase::StopFailed { .. }
        | GroupPhase::Stopped => 0,
    }
}

/// A failover comes first: it also stops the group here.
fn urgency(wants: Wants) -> u8 {
    match wants {
        Wants::Nothing => 0,
        Wants::Stop => 1,
        Wants::Failover => 2,
    }
}

fn state(instance: &Instance, goal: Goal, unwanted: bool) -> ResourceState {
    if instance.stop_failure.is_some() {
        return ResourceState::StopFailed;
    }
    if instance.working_on(ResourceAction::Start) {
        return ResourceState::Starting;
    }
    if instance.working_on(ResourceAction::Stop) {
        return ResourceState::Stopping;
    }
    if instance.failure.is_some() && !unwanted {
        return ResourceState::Failed;
    }
    match instance.belief {
        Belief::Active => ResourceState::Online,
        Belief::Absent => ResourceState::Offline,
        Belief::Unknown(Doubt::Unproven) => ResourceState::Unknown,
        Belief::Unknown(
            Doubt::Lapsed
            | Doubt::StartFailed
            | Doubt::StartUnclear
            | Doubt::StopUnclear
            | Doubt::Remains,
        ) => match (goal, unwanted) {
            (Goal::Hold, _) => ResourceState::Unknown,
            (_, true) => ResourceState::Stopping,
            (_, false) => ResourceState::Starting,
        },
    }
}
