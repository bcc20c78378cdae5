//! The leader's decision which group runs where: [`plan`], a pure function of a [`View`].
//!
//! Decides for groups that certainly nobody holds (start it here, or wait) and for groups that a
//! member holds (stop it there, or leave it). A move is two decisions: stop there, and, once the
//! group is free, run here. It must never start what may be active somewhere: a group whose holder
//! is unknown only gets a report. It can't fail; what it can't do, it reports.
//!
//! Chosen over a solver that weighs all groups at once: a rule that reads one group gives the same
//! answer whatever else the cluster runs, so every placement has a reason in one sentence.

mod choose;
mod decide;
mod facts;
mod intent;
mod report;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use choose::{Score, another, best, better, unavailable};
pub use facts::{GroupFacts, Hold, Holder, KeptOut, Out, Refusal, Released, ServerFacts, View};
pub use intent::{
    ClusterShutdown, Desired, DiskIntent, DualActivation, GroupIntent, INTENT_KIND, IntentOf,
    ServerIntent, disk_intent_key, group_intent_key, server_intent_key, shutdown_intent_key,
};
pub use report::{GroupReport, Report, WaitingOn, WhyNot};

use crate::api::kinds::Automation;
use crate::api::names::{GroupName, ServerName};
use crate::engine::message::{OrderAction, OrderReason};
use crate::engine::model::GroupModel;
use crate::engine::time::Instant;
use decide::{Case, Verdict};

/// An order to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start a free group.
    Run {
        /// The group.
        group: GroupName,
        /// Where.
        server: ServerName,
        /// Why.
        reason: OrderReason,
        /// The server that ran it before.
        previous: Option<ServerName>,
    },
    /// Stop a group where it is held.
    Stop {
        /// The group.
        group: GroupName,
        /// Why.
        reason: OrderReason,
    },
}

/// What to order now, and why everything is where it is. Groups in the order of their names.
#[must_use]
pub fn plan(view: &View<'_>) -> (Vec<Decision>, Report) {
    let mut decisions = Vec::new();
    let mut report = Report::default();
    let nothing_known = GroupFacts::unknown();
    for (name, group) in &view.model.groups {
        let facts = view.groups.get(name).unwrap_or(&nothing_known);
        let case = Case { view, name, group: Some(group), facts };
        decide_one(&case, &mut decisions, &mut report);
    }
    for (name, facts) in view.groups {
        if !view.model.groups.contains_key(name) && facts.holder != Holder::Free {
            let case = Case { view, name, group: None, facts };
            decide_one(&case, &mut decisions, &mut report);
        }
    }
    (decisions, report)
}

fn decide_one(case: &Case<'_>, decisions: &mut Vec<Decision>, report: &mut Report) {
    let group = case.name.clone();
    let mut waiting = None;
    let mut goes_to = None;
    match case.verdict() {
        Verdict::Stay => {}
        Verdict::Run { server, reason, previous } => {
            waiting = Some(WaitingOn::Activation(server.clone()));
            goes_to = Some(server.clone());
            decisions.push(Decision::Run { group: group.clone(), server, reason, previous });
        }
        Verdict::Stop { reason } => {
            if let Holder::Held { server, .. } = &case.facts.holder {
                waiting = Some(WaitingOn::Release(server.clone()));
            }
            decisions.push(Decision::Stop { group: group.clone(), reason });
        }
        Verdict::Wait(on) => {
            if let WaitingOn::FailoverDamped { .. } = on {
                report.again = earlier(report.again, case.damped_until());
            }
            waiting = Some(on);
        }
    }
    let not_on = case.group.map(|model| not_on(case, model, goes_to.as_ref())).unwrap_or_default();
    report.groups.insert(group, GroupReport { waiting, not_on });
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// Why the group is not on each server of its policy.
fn not_on(
    case: &Case<'_>,
    group: &GroupModel,
    goes_to: Option<&ServerName>,
) -> Vec<(ServerName, WhyNot)> {
    let here = match &case.facts.holder {
        Holder::Held { server, action: OrderAction::Run | OrderAction::Stop, .. } => Some(server),
        Holder::Free | Holder::Unknown => goes_to,
    };
    let here_index = here.and_then(|here| group.servers.iter().position(|server| server == here));
    let elsewhere = |index: usize| match (here, &case.facts.holder) {
        (None, Holder::Unknown) => WhyNot::HolderUnknown,
        (None, Holder::Free | Holder::Held { .. }) => WhyNot::RunsNowhere,
        (Some(here), _) if here_index.is_some_and(|own| own < index) => {
            WhyNot::Preferred(here.clone())
        }
        (Some(here), _) => match group.failback {
            Automation::Manual => WhyNot::FailbackManual(here.clone()),
            Automation::Automatic => WhyNot::RunsElsewhere(here.clone()),
        },
    };
    let mut reasons = Vec::with_capacity(group.servers.len());
    for (index, server) in group.servers.iter().enumerate() {
        if Some(server) == here {
            continue;
        }
        let refused = || {
            let refusal = case.facts.refused.get(server)?;
            Some(WhyNot::Refused(refusal.message.clone()))
        };
        let why = choose::server_unavailable(case.view, server)
            .or_else(refused)
            .unwrap_or_else(|| elsewhere(index));
        reasons.push((server.clone(), why));
    }
    reasons
}
