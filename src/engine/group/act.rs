//! Takes the planned steps and learns from their outcomes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::GroupEffect;
use super::plan::{self, Step};
use super::state::{Belief, Doubt, Failure, Goal, Group, Instance, Settings, Work};
use crate::api::kinds::{ActivationFailure, DeactivationFailure};
use crate::api::names::{GroupName, ResourceName, ServerName};
use crate::engine::effect::{PowerAction, ResourceAction, ResourceContext};
use crate::engine::ids::{ActionId, ActionIds, GrantId, Term};
use crate::engine::input::Outcome;
use crate::engine::message::{OrderReason, Wants};
use crate::engine::model::{GroupModel, Model};
use crate::engine::mutation::{Flaw, flawed};
use crate::engine::note::{Note, group_key, resource_key};
use crate::engine::time::{Instant, Now};

/// How long one probe may take: drivers look at the machine, or ask a cloud once.
const PROBE_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// How long after its own time-out a driver's answer counts as lost: it has to end what it ran.
const ANSWER_GRACE: Duration = Duration::from_secs(10);
/// Between two probes that could not tell; doubles up to `PROBE_PAUSE_MAX`.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// See `PROBE_PAUSE`.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Probes in a row that could not tell, after which a group that is to run stops the resource to
/// be sure of it. A group without an order goes on asking: it may change nothing.
const PROBES_MAX: u32 = 3;

/// Before the second further start; the first comes at once. Doubles up to `RETRY_WAIT_MAX`: an address
/// that somebody else has for a moment outlasts tries that follow each other within milliseconds.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// See `RETRY_WAIT`.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a resource waits that failed to start so many times in a row.
fn retry_wait(failed: u32) -> Duration {
    match failed.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => (RETRY_WAIT * 2_u32.pow(doublings.min(10))).min(RETRY_WAIT_MAX),
    }
}

/// What every group works with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub me: ServerName,
    pub ids: ActionIds,
    pub model: Option<Arc<Model>>,
    pub effects: VecDeque<GroupEffect>,
    /// Whose work is under way.
    pub works: BTreeMap<ActionId, (GroupName, ResourceName)>,
    pub version: u64,
    /// This server has no live lease: what runs may go on, but nothing is started.
    pub lapsed: bool,
    pub flaw: Flaw,
}

impl Desk {
    /// The order that a group is held under before any came.
    pub fn default_order(&self) -> GrantId {
        GrantId { term: Term { number: 0, proposer: self.me.clone() }, sequence: 0 }
    }

    pub fn note(&mut self, note: Note) {
        self.effects.push_back(GroupEffect::Note(note));
    }
}

fn resource_note(group: &GroupName, resource: &ResourceName, reason: &'static str) -> Note {
    Note::new(resource_key(resource), reason).with("resource", resource).with("group", group)
}

impl Group {
    /// Does all that can be done now, then tells what changed.
    pub fn settle(&mut self, desk: &mut Desk, now: Now) {
        let whole = desk.model.clone();
        let model = whole.as_ref().and_then(|model| model.groups.get(&self.name));
        loop {
            if self.cycle && self.certainly_stopped() {
                self.cycle = false;
            }
            let mut steps = plan::plan(self, model, now.instant, desk.flaw);
            if desk.lapsed && !flawed!(desk.flaw, StartsWithoutLease) {
                steps.retain(|step| !matches!(step, Step::Act(_, ResourceAction::Start)));
            }
            if steps.is_empty() {
                break;
            }
            for step in steps {
                match step {
                    Step::Cancel(name) => self.cancel(desk, &name),
                    Step::Act(name, action) => self.act(desk, model, now, &name, action),
                    Step::GiveUp(name) => self.give_up(desk, model, &name),
                }
            }
        }
        self.instances.retain(|name, instance| {
            let in_spec = model.is_some_and(|group| group.resources.contains_key(name));
            in_spec || !instance.certainly_absent()
        });
        self.wake = self.next_wake(now);
        self.show(desk, model, now);
    }

    fn next_wake(&self, now: Now) -> Option<Instant> {
        let deadlines = self.instances.values().flat_map(|instance| match &instance.work {
            Some(work) => [Some(work.deadline), None],
            None => [instance.probe_at, instance.start_at.filter(|at| *at > now.instant)],
        });
        deadlines.flatten().min()
    }

    /// Ends what is under way on a resource; what it leaves is in its belief already.
    pub fn cancel(&mut self, desk: &mut Desk, name: &ResourceName) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.suspect = false;
        if let Some(work) = instance.work.take() {
            desk.works.remove(&work.id);
            desk.effects.push_back(GroupEffect::Cancel { id: work.id });
        }
    }

    fn act(
        &mut self,
        desk: &mut Desk,
        model: Option<&GroupModel>,
        now: Now,
        name: &ResourceName,
        action: ResourceAction,
    ) {
        let order = self.order.clone();
        let order_id = self.order_id(desk);
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.probe_at = None;
        let timeout = match action {
            ResourceAction::Start => {
                if let Some(resource) = model.and_then(|group| group.resources.get(name)) {
                    instance.settings = Settings::of(resource);
                }
                instance.belief = Belief::Unknown(Doubt::Remains);
                instance.stop_attempts = 0;
                instance.settings.spec.activation.timeout.into()
            }
            ResourceAction::Stop => {
                instance.belief = Belief::Unknown(Doubt::Remains);
                instance.settings.spec.deactivation.timeout.into()
            }
            ResourceAction::Probe => {
                PROBE_TIMEOUT_MAX.min(instance.settings.spec.activation.timeout.into())
            }
        };
        let id = desk.ids.next_id();
        let deadline = now.instant + timeout + ANSWER_GRACE;
        instance.work = Some(Work { id, action, deadline });
        desk.works.insert(id, (self.name.clone(), name.clone()));
        let context = ResourceContext {
            group: self.name.clone(),
            resource: name.clone(),
            spec: instance.settings.spec.clone(),
            generation: instance.settings.generation,
            order: order_id,
            reason: order.as_ref().map_or(OrderReason::Adopted, |order| order.reason),
            home: model.is_some_and(|group| group.servers.first() == Some(&desk.me)),
            previous: order.and_then(|order| order.previous),
            timeout,
        };
        let reason = match action {
            ResourceAction::Start => Some("ResourceStarting"),
            ResourceAction::Stop => Some("ResourceStopping"),
            ResourceAction::Probe => None,
        };
        if let Some(reason) = reason {
            let note = resource_note(&self.name, name, reason).because(group_key(&self.name));
            desk.note(note);
        }
        let context = Arc::new(context);
        desk.effects.push_back(GroupEffect::Resource { id, action, context });
    }

    /// The latest order, or the one that stands for it.
    pub fn order_id(&self, desk: &Desk) -> GrantId {
        self.order.as_ref().map_or_else(|| desk.default_order(), |order| order.id.clone())
    }

    fn give_up(&mut self, desk: &mut Desk, model: Option<&GroupModel>, name: &ResourceName) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        let Some(resource) = model.and_then(|group| group.resources.get(name)) else { return };
        let activation = &resource.spec.activation;
        let (reason, message) = instance.last_failure.clone().unwrap_or_default();
        let on_failure = match activation.on_failure {
            ActivationFailure::Stop | ActivationFailure::Continue => Wants::Nothing,
            ActivationFailure::StopGroup => Wants::Stop,
        };
        let wants = match (instance.by_ladder, activation.failovers) {
            (true, _) => Wants::Nothing,
            (false, 0) => on_failure,
            (false, _) => Wants::Failover,
        };
        let attempts = instance.attempts;
        instance.failure = Some(Failure {
            reason,
            message: message.clone(),
            wants,
            passable: activation.on_failure == ActivationFailure::Continue,
        });
        let note = resource_note(&self.name, name, "ActivationGivenUp")
            .with("attempts", attempts)
            .with("message", message)
            .because(resource_key(name));
        desk.note(note);
    }

    /// A driver's work on a resource ended.
    pub fn on_outcome(&mut self, desk: &mut Desk, now: Now, name: &ResourceName, outcome: Outcome) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        let Some(work) = instance.work.take() else { return };
        desk.works.remove(&work.id);
        let suspect = std::mem::take(&mut instance.suspect);
        let outcome = match (outcome, work.action) {
            (Outcome::Active { .. }, ResourceAction::Start | ResourceAction::Probe) if suspect => {
                Outcome::Unknown { message: "it failed at the same time".to_owned() }
            }
            (outcome, _) => outcome,
        };
        match work.action {
            ResourceAction::Start => self.on_started(desk, now, name, outcome),
            ResourceAction::Stop => self.on_stopped(desk, name, outcome),
            ResourceAction::Probe => self.on_probed(desk, now, name, outcome),
        }
    }

    fn on_started(&mut self, desk: &mut Desk, now: Now, name: &ResourceName, outcome: Outcome) {
        let (belief, reason, message) = match outcome {
            Outcome::Active { message } => return self.become_active(desk, name, message),
            Outcome::Absent => {
                let message = "it ended while it was being activated".to_owned();
                (Belief::Absent, "ActivationFailed".to_owned(), message)
            }
            Outcome::Failed { reason, message } => {
                (Belief::Unknown(Doubt::StartFailed), reason, message)
            }
            Outcome::TimedOut if flawed!(desk.flaw, UnansweredStartIsAbsent) => {
                (Belief::Absent, "ActivationTimedOut".to_owned(), String::new())
            }
            Outcome::TimedOut => {
                let message = "no answer within the time-out".to_owned();
                (Belief::Unknown(Doubt::StartUnclear), "ActivationTimedOut".to_owned(), message)
            }
            Outcome::Unknown { message } => {
                (Belief::Unknown(Doubt::StartUnclear), "ActivationFailed".to_owned(), message)
            }
        };
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.attempts += 1;
        let at_once = flawed!(desk.flaw, RetriedAtOnce);
        let wait = if at_once { Duration::ZERO } else { retry_wait(instance.attempts) };
        instance.start_at = Some(now.instant + wait);
        instance.belief = belief;
        instance.message.clone_from(&message);
        let note = resource_note(&self.name, name, "ActivationFailed")
            .with("reason", &reason)
            .with("message", &message)
            .with("attempt", instance.attempts)
            .with("attempts", instance.settings.spec.activation.retries + 1)
            .because(resource_key(name));
        instance.last_failure = Some((reason, message));
        desk.note(note);
    }

    fn on_stopped(&mut self, desk: &mut Desk, name: &ResourceName, outcome: Outcome) {
        let message = match outcome {
            Outcome::Absent => return self.become_absent(desk, name),
            _ if flawed!(desk.flaw, FailedStopIsAbsent) => return self.become_absent(desk, name),
            Outcome::Active { message } => format!("it is still active: {message}"),
            Outcome::Failed { message, .. } | Outcome::Unknown { message } => message,
            Outcome::TimedOut => "no answer within the time-out".to_owned(),
        };
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.stop_attempts += 1;
        instance.belief = Belief::Unknown(Doubt::StopUnclear);
        instance.message.clone_from(&message);
        let note = resource_note(&self.name, name, "DeactivationFailed")
            .with("message", message)
            .with("attempt", instance.stop_attempts)
            .with("attempts", instance.settings.spec.deactivation.retries + 1)
            .because(resource_key(name));
        desk.note(note);
    }

    fn on_probed(&mut self, desk: &mut Desk, now: Now, name: &ResourceName, outcome: Outcome) {
        let belief = match self.instances.get_mut(name) {
            Some(instance) => {
                instance.fresh = false;
                instance.belief
            }
            None => return,
        };
        let unclear = match outcome {
            Outcome::Absent => return self.become_absent(desk, name),
            Outcome::Active { message } => return self.on_found(desk, name, belief, message),
            _ if flawed!(desk.flaw, UnclearProbeIsAbsent) => return self.become_absent(desk, name),
            Outcome::Failed { message, .. } | Outcome::Unknown { message } => message,
            Outcome::TimedOut => "no answer within the time-out".to_owned(),
        };
        if belief == Belief::Unknown(Doubt::StopUnclear) {
            return self.still_there(desk, name, unclear);
        }
        let stopping = {
            let whole = desk.model.clone();
            let model = whole.as_ref().and_then(|model| model.groups.get(&self.name));
            plan::unwanted(self, model).contains(name)
        };
        let goal = self.goal;
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.probes += 1;
        instance.message = format!("nobody can tell whether it is active: {unclear}");
        let give_up = goal == Goal::Run && instance.probes >= PROBES_MAX;
        instance.belief = match belief {
            Belief::Active => Belief::Active,
            Belief::Absent => Belief::Unknown(Doubt::Unproven),
            Belief::Unknown(_) if stopping || give_up => Belief::Unknown(Doubt::Remains),
            Belief::Unknown(doubt) => Belief::Unknown(doubt),
        };
        let doublings = instance.probes.saturating_sub(1).min(5);
        let pause = (PROBE_PAUSE * (1 << doublings)).min(PROBE_PAUSE_MAX);
        instance.probe_at = Some(now.instant + pause);
    }

    /// A probe found it active.
    fn on_found(&mut self, desk: &mut Desk, name: &ResourceName, belief: Belief, message: String) {
        match belief {
            Belief::Unknown(Doubt::StartFailed | Doubt::Remains) => {
                if let Some(instance) = self.instances.get_mut(name) {
                    instance.belief = Belief::Unknown(Doubt::Remains);
                }
            }
            Belief::Unknown(Doubt::StopUnclear) => self.still_there(desk, name, message),
            Belief::Unknown(Doubt::Unproven | Doubt::Lapsed | Doubt::StartUnclear)
            | Belief::Absent
            | Belief::Active => self.become_active(desk, name, message),
        }
    }

    /// It was to stop, and a probe could not say that it has.
    fn still_there(&mut self, desk: &mut Desk, name: &ResourceName, message: String) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        let deactivation = &instance.settings.spec.deactivation;
        instance.belief = Belief::Unknown(Doubt::Remains);
        if instance.stop_attempts <= deactivation.retries {
            return;
        }
        let message = format!("{}; {message}", instance.message);
        let action = match deactivation.on_failure {
            DeactivationFailure::Shutdown => Some(PowerAction::Shutdown),
            DeactivationFailure::Reboot => Some(PowerAction::Reboot),
            DeactivationFailure::Block => None,
        };
        instance.belief = Belief::Unknown(Doubt::StopUnclear);
        instance.stop_failure = Some(message.clone());
        let note = resource_note(&self.name, name, "DeactivationGivenUp")
            .with("message", &message)
            .with("attempts", instance.stop_attempts)
            .because(resource_key(name));
        desk.note(note);
        if let Some(action) = action {
            let (group, resource) = (self.name.clone(), name.clone());
            desk.effects.push_back(GroupEffect::Power { action, group, resource, message });
        }
    }

    fn become_active(&mut self, desk: &mut Desk, name: &ResourceName, message: String) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        // What is found when nobody here had started it is adopted, not started.
        let reason = match instance.belief {
            Belief::Active => None,
            Belief::Absent | Belief::Unknown(Doubt::Unproven) => Some("ResourceAdopted"),
            Belief::Unknown(_) => Some("ResourceOnline"),
        };
        instance.belief = Belief::Active;
        instance.was_active = true;
        instance.by_ladder = false;
        instance.attempts = 0;
        instance.probes = 0;
        instance.stop_attempts = 0;
        instance.failure = None;
        instance.message.clone_from(&message);
        if let Some(reason) = reason {
            let note = resource_note(&self.name, name, reason)
                .with("message", message)
                .because(resource_key(name));
            desk.note(note);
        }
    }

    fn become_absent(&mut self, desk: &mut Desk, name: &ResourceName) {
        let goal = self.goal;
        let Some(instance) = self.instances.get_mut(name) else { return };
        let was_known = match instance.belief {
            Belief::Unknown(Doubt::Unproven) | Belief::Absent => false,
            Belief::Unknown(_) | Belief::Active => true,
        };
        instance.belief = Belief::Absent;
        instance.cycle = false;
        instance.probes = 0;
        instance.stop_attempts = 0;
        if goal != Goal::Run {
            instance.was_active = false;
        }
        if instance.failure.is_none() && instance.attempts == 0 {
            instance.message.clear();
        }
        if was_known {
            let note =
                resource_note(&self.name, name, "ResourceOffline").because(resource_key(name));
            desk.note(note);
        }
    }

    /// An active resource says that it has failed.
    pub fn on_failed(&mut self, desk: &mut Desk, now: Now, name: &ResourceName, message: &str) {
        let whole = desk.model.clone();
        let model = whole.as_ref().and_then(|model| model.groups.get(&self.name));
        let unwanted = plan::unwanted(self, model).contains(name);
        let running = self.goal == Goal::Run && !unwanted;
        let monitored = whole.as_ref().is_some_and(|model| is_monitored(model, &self.name, name));
        let Some(instance) = self.instances.get_mut(name) else { return };
        if instance.belief != Belief::Active {
            instance.suspect = instance.work.is_some();
            return;
        }
        instance.belief = Belief::Unknown(Doubt::Lapsed);
        instance.message = message.to_owned();
        let note = resource_note(&self.name, name, "ResourceFailed").with("message", message);
        desk.note(note);
        if !running {
            return;
        }
        if let Some((restart, of)) = instance.may_restart(now.instant) {
            let note = resource_note(&self.name, name, "ResourceRestarted")
                .with("restart", restart)
                .with("restarts", of)
                .because(resource_key(name));
            desk.note(note);
            return;
        }
        let supervised = instance.settings.spec.exec.is_some();
        // What a monitor watches is that monitor's to recover.
        let wants = match supervised || !monitored {
            true => Wants::Failover,
            false => Wants::Nothing,
        };
        instance.failure = Some(Failure {
            reason: "ResourceFailed".to_owned(),
            message: message.to_owned(),
            wants,
            passable: false,
        });
    }
}

impl Instance {
    /// Takes one of the restarts in place, if any is left: its number, and how many there are.
    fn may_restart(&mut self, now: Instant) -> Option<(usize, u32)> {
        let exec = self.settings.spec.exec.as_ref()?;
        let window: Duration = exec.restart_window.into();
        while self.restarts.front().is_some_and(|at| now.since(*at) >= window) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= exec.restarts as usize {
            return None;
        }
        self.restarts.push_back(now);
        Some((self.restarts.len(), exec.restarts))
    }
}

fn is_monitored(model: &Model, group: &GroupName, resource: &ResourceName) -> bool {
    model.monitors.values().any(|monitor| {
        !monitor.spec.suspended
            && match &monitor.target_resource {
                Some(target) => target == resource,
                None => monitor.target_group.as_ref() == Some(group),
            }
    })
}
