//! What setting would mend an outage, or keep two servers from running one group.

use std::time::Duration;

use super::cases::Category;
use super::chart::Phase;
use super::outcome::{Fate, GroupOutcome};
use super::play::Play;
use super::{Case, Rehearsal, Row};
use crate::api::kinds::FencingTakeover;
use crate::api::names::GroupName;
use crate::engine::model::Arbiter;
use crate::sim::faults::{Fault, FenceFailure};

/// A deactivation that takes longer than this is worth a word.
const LONG_STOP: Duration = Duration::from_secs(60);

/// Everything that would help, the most important first.
pub(super) fn advise(rehearsal: &Rehearsal, row: &Row, play: &Play) -> Vec<String> {
    let second = row.second.as_ref().map(|(second, _)| *second);
    let indices = [Some(row.first), second];
    let cases: Vec<&Case> =
        indices.into_iter().flatten().filter_map(|index| rehearsal.cases.get(index)).collect();
    let mut advice = Vec::new();
    if row.broken.is_some() {
        advice.push("this is a defect of stead: please report it with the manifest".to_owned());
    }
    for group in &row.groups {
        if group.is_dual() {
            advice.push(against_two(rehearsal, &cases, play));
        }
        if let Fate::Stops { .. } = group.fate {
            advice.extend(against_none(rehearsal, &cases, group, play));
        }
        advice.extend(against_length(group));
    }
    let mut known: Vec<String> = Vec::new();
    advice.retain(|text| {
        let new = !known.contains(text);
        known.push(text.clone());
        new
    });
    advice
}

fn against_two(rehearsal: &Rehearsal, cases: &[&Case], play: &Play) -> String {
    if cases.iter().any(|case| case.clock_stands) {
        let fenced = &rehearsal.model.cluster.fencing;
        return match fenced.as_ref().map(|fencing| fencing.takeover) {
            Some(FencingTakeover::FencedOrTime) => {
                "fencing.takeover: with Fenced no time frees a server whose clock stands still"
            }
            Some(FencingTakeover::Fenced) | None => {
                "a clock that stands still outlives every lease: only confirmed fencing covers it"
            }
        }
        .to_owned();
    }
    if play.told.iter().any(|told| told.event.reason == "FencingOverridden") {
        return "fencing.onFailure: Continue takes over from what may still run; Block does not"
            .to_owned();
    }
    for fault in cases.iter().flat_map(|case| &case.faults) {
        if let Fault::FenceFails(method, FenceFailure::Lies | FenceFailure::LiesLate) = fault {
            return format!(
                "fencing: have a second method confirm what {method} says (confirmedBy: All)"
            );
        }
    }
    match rehearsal.model.cluster.arbiter {
        Arbiter::None => {
            "arbitration: with None every part acts; use Majority with three servers, \
                          an exclusive arbiter, or fencing"
                .to_owned()
        }
        Arbiter::External { exclusive: false } => {
            let type_ = rehearsal.cluster.spec.arbitration.type_;
            format!(
                "arbitration: {type_:?} tells both parts to act; use Majority with three servers, \
                 an exclusive arbiter, or fencing"
            )
        }
        Arbiter::Majority
        | Arbiter::MajorityAndExternal
        | Arbiter::External { exclusive: true } => {
            "this must not happen: please report it with the manifest".to_owned()
        }
    }
}

fn against_none(
    rehearsal: &Rehearsal,
    cases: &[&Case],
    group: &GroupOutcome,
    play: &Play,
) -> Vec<String> {
    let mut advice = Vec::new();
    let servers = rehearsal.model.cluster.servers.len();
    let about = |category| cases.iter().any(|case: &&Case| case.category == category);
    let name = &group.group;
    let told = |reason: &str| play.told.iter().any(|told| told.event.reason == reason);
    match rehearsal.model.cluster.arbiter {
        Arbiter::Majority | Arbiter::MajorityAndExternal if play.world.leader().is_none() => advice.push(match servers {
            0..=2 => format!(
                "arbitration: a majority of {servers} survives nothing; add a third server, or use \
                 another arbiter"
            ),
            _ => "arbitration: more than half of all servers must be left; add servers".to_owned(),
        }),
        Arbiter::External { .. } if about(Category::Arbiter) && play.world.leader().is_none() => {
            advice.push(
                "arbitration: the arbiter is a single point of failure here; add a target, or use \
                 Majority with three servers"
                    .to_owned(),
            );
        }
        Arbiter::Majority
        | Arbiter::MajorityAndExternal
        | Arbiter::External { .. }
        | Arbiter::None => {}
    }
    for case in cases {
        if let Some(Fault::Break(_, resource)) = case.faults.first()
            && case.notice == Duration::ZERO
        {
            advice.push(format!("no monitor watches {resource}: add one"));
        }
    }
    let asked = cases.iter().any(|case| case.provocation.is_some());
    if told("OperationFailed") && asked {
        advice.push(format!("the administrator: `stead group start {name}` starts it elsewhere"));
    } else if told("ActivationGivenUp") {
        advice.push(format!("resources of {name}: raise activation.retries or .failovers"));
    }
    if told("FencingFailed") || told("TakeoverBlocked") {
        advice.push(
            "fencing: add a level with another method; a person who is certain says `stead server \
             confirm-down`"
                .to_owned(),
        );
    }
    if told("RecoveryExhausted") {
        advice.push("monitor: raise recovery.reactivations or .failovers".to_owned());
    }
    let policy = rehearsal.model.groups.get(&GroupName::from(name.as_str()));
    let policy = policy.map_or(0, |model| model.servers.len());
    if policy < 3 && advice.is_empty() {
        advice.push(format!("{name}: only {policy} servers may run it; add one to spec.servers"));
    }
    advice
}

fn against_length(group: &GroupOutcome) -> Option<String> {
    let long_stop = |(phase, long): &(Phase, Duration)| match phase {
        Phase::Stop(resource) if *long >= LONG_STOP => Some(resource.clone()),
        Phase::Detection
        | Phase::Arbitration
        | Phase::Startup
        | Phase::TakeoverWait
        | Phase::Recovery
        | Phase::Stop(_)
        | Phase::Start(_)
        | Phase::Route
        | Phase::Down => None,
    };
    let resource = group.split.iter().find_map(long_stop)?;
    Some(format!("{resource}: a shorter deactivation.timeout ends a stop that hangs earlier"))
}
