//! What is to be done next about a group: a function of what is believed and what is wanted.

use std::collections::BTreeSet;

use super::state::{Belief, Doubt, Goal, Group, Instance};
use crate::api::names::ResourceName;
use crate::engine::effect::ResourceAction;
use crate::engine::model::GroupModel;
use crate::engine::mutation::{Flaw, flawed};
use crate::engine::time::Instant;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Cut a start short.
    Cancel(ResourceName),
    /// Start, stop or probe.
    Act(ResourceName, ResourceAction),
    /// Try to start it no more.
    GiveUp(ResourceName),
}

/// The steps that may be taken at once. Every step changes what is believed or what is under
/// way, so that planning again after taking them ends.
pub(super) fn plan(
    group: &Group,
    model: Option<&GroupModel>,
    now: Instant,
    flaw: Flaw,
) -> Vec<Step> {
    let unwanted = unwanted(group, model);
    let cancels: Vec<Step> = unwanted
        .iter()
        .filter(|name| {
            group.instances.get(*name).is_some_and(|i| i.working_on(ResourceAction::Start))
        })
        .map(|name| Step::Cancel(name.clone()))
        .collect();
    if !cancels.is_empty() {
        return cancels;
    }
    let starts_allowed = starts_allowed(group, model);
    let dependents_absent = |name: &ResourceName| {
        dependents_absent(group, model, name) || flawed!(flaw, StopOrderIgnored)
    };
    group
        .instances
        .iter()
        .filter(|(_, instance)| instance.work.is_none())
        .filter_map(|(name, instance)| {
            let unwanted = unwanted.contains(name);
            let under = !unwanted && flawed!(flaw, RemainsStoppedFirst);
            match instance.belief {
                Belief::Absent if instance.fresh => {
                    Some(Step::Act(name.clone(), ResourceAction::Probe))
                }
                Belief::Absent if unwanted || !starts_allowed => None,
                Belief::Absent => start(group, now, model, name, instance, flaw),
                Belief::Unknown(_) | Belief::Active if instance.stop_failure.is_some() => None,
                Belief::Unknown(Doubt::Remains) => (under || dependents_absent(name))
                    .then(|| Step::Act(name.clone(), ResourceAction::Stop)),
                Belief::Unknown(
                    Doubt::Unproven
                    | Doubt::Lapsed
                    | Doubt::StartFailed
                    | Doubt::StartUnclear
                    | Doubt::StopUnclear,
                ) => instance
                    .probe_at
                    .is_none_or(|at| at <= now)
                    .then(|| Step::Act(name.clone(), ResourceAction::Probe)),
                Belief::Active => (unwanted && dependents_absent(name))
                    .then(|| Step::Act(name.clone(), ResourceAction::Stop)),
            }
        })
        .collect()
}

/// Resources that must not be active now: those nobody wants, and all that depends on them or on
/// what is to be stopped before it starts again.
pub(super) fn unwanted(group: &Group, model: Option<&GroupModel>) -> BTreeSet<ResourceName> {
    let mut unwanted: BTreeSet<ResourceName> = match group.goal {
        Goal::Hold => return BTreeSet::new(),
        Goal::Stop | Goal::Isolated => return group.instances.keys().cloned().collect(),
        Goal::Run => group
            .instances
            .iter()
            .filter(|(name, instance)| {
                group.cycle || instance.cycle || instance.held_down || !in_spec(model, name)
            })
            .map(|(name, _)| name.clone())
            .collect(),
    };
    let ends = |unwanted: &BTreeSet<ResourceName>, name: &ResourceName| {
        unwanted.contains(name) || group.instances.get(name).is_some_and(Instance::to_be_cleared)
    };
    loop {
        let before = unwanted.len();
        for (name, instance) in &group.instances {
            if depends_on(model, name, instance).iter().any(|other| ends(&unwanted, other)) {
                unwanted.insert(name.clone());
            }
        }
        if unwanted.len() == before {
            return unwanted;
        }
    }
}

/// What depends on a resource, directly or not, and the resource itself.
pub(super) fn with_dependents(
    group: &Group,
    model: Option<&GroupModel>,
    resource: &ResourceName,
) -> BTreeSet<ResourceName> {
    let mut found = BTreeSet::from([resource.clone()]);
    loop {
        let before = found.len();
        for (name, instance) in &group.instances {
            if depends_on(model, name, instance).iter().any(|other| found.contains(other)) {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Whether the spec has a resource and means to keep it.
pub(super) fn in_spec(model: Option<&GroupModel>, name: &ResourceName) -> bool {
    model.and_then(|group| group.resources.get(name)).is_some_and(|resource| !resource.deleting)
}

fn depends_on<'a>(
    model: Option<&'a GroupModel>,
    name: &ResourceName,
    instance: &'a Instance,
) -> &'a [ResourceName] {
    match model.and_then(|group| group.resources.get(name)) {
        Some(resource) => &resource.depends_on,
        None => &instance.settings.depends_on,
    }
}

fn dependents_absent(group: &Group, model: Option<&GroupModel>, name: &ResourceName) -> bool {
    group
        .instances
        .iter()
        .filter(|(other, instance)| depends_on(model, other, instance).contains(name))
        .all(|(_, instance)| instance.certainly_absent())
}

/// Nothing starts before everything was looked at, or beside what is deleted and still there:
/// it may hold the port or address that its successor needs.
fn starts_allowed(group: &Group, model: Option<&GroupModel>) -> bool {
    group.goal == Goal::Run
        && group.instances.iter().all(|(name, instance)| {
            !instance.unproven()
                && (in_spec(model, name)
                    || instance.certainly_absent()
                    || instance.stop_failure.is_some())
        })
}

fn start(
    group: &Group,
    now: Instant,
    model: Option<&GroupModel>,
    name: &ResourceName,
    instance: &Instance,
    flaw: Flaw,
) -> Option<Step> {
    if instance.failure.is_some() {
        return None;
    }
    let resource = model?.resources.get(name)?;
    if instance.attempts > resource.spec.activation.retries {
        return Some(Step::GiveUp(name.clone()));
    }
    if instance.attempts > 0 && instance.start_at.is_some_and(|at| at > now) {
        return None;
    }
    let ready = resource.depends_on.iter().all(|other| {
        group.instances.get(other).is_none_or(|other| {
            other.belief == Belief::Active
                || other.failure.as_ref().is_some_and(|failure| failure.passable)
        })
    });
    let ready = ready || flawed!(flaw, StartOrderIgnored);
    ready.then(|| Step::Act(name.clone(), ResourceAction::Start))
}
