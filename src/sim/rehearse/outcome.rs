//! What a play came to, for each group.

use std::time::Duration;

use super::chart::{self, Mark, Phase, Stretch};
use super::cuts::Cuts;
use super::durations::Durations;
use super::play::{Play, Sample};
use crate::api::names::{GroupName, ResourceName};
use crate::engine::model::{GroupModel, Model};
use crate::sim::world::{Activity, Told};

/// Whether business goes on, as the fault table of the CLUSTERPRO guide asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It goes on as if nothing had happened.
    Continues,
    /// It goes on where it was, after an interruption.
    Resumes,
    /// Another server goes on with it.
    Moves {
        /// Which.
        to: String,
    },
    /// Nobody goes on with it.
    Stops {
        /// What the cluster says of it.
        reason: String,
    },
}

/// What became of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOutcome {
    /// The group.
    pub group: String,
    /// The server that served it before; none where nobody did.
    pub before: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// How long nobody served it, as far as the play went.
    pub outage: Duration,
    /// What that was made of; the parts add up to it.
    pub split: Vec<(Phase, Duration)>,
    /// How long two servers could have served it.
    pub dual: Duration,
    /// Two still can at the end.
    pub dual_lasts: bool,
}

impl GroupOutcome {
    /// Whether two servers could have served it.
    #[must_use]
    pub fn is_dual(&self) -> bool {
        self.dual > Duration::ZERO
    }

    /// Whether nobody serves it in the end.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.fate, Fate::Stops { .. })
    }

    /// How bad it is: the worse, the greater.
    #[must_use]
    pub fn badness(&self) -> (bool, bool, Duration) {
        (self.is_dual(), self.stops(), self.outage)
    }
}

/// Outcomes of every group.
pub(super) fn outcomes(
    play: &mut Play,
    model: &Model,
    durations: &Durations,
    cuts: &Cuts,
) -> Vec<GroupOutcome> {
    // What a leader says takes long to say: it is asked only where a group stops.
    let served = |at: Option<&Sample>, index| of(at, index).serving != 0;
    let stops = (0..model.groups.len())
        .any(|index| served(play.samples.first(), index) && !served(play.samples.last(), index));
    let seen = if stops { play.world.seen() } else { None }.unwrap_or_default();
    let lone = play.world.leader().is_none();
    let mut outcomes = Vec::new();
    for (index, (name, group)) in model.groups.iter().enumerate() {
        let reason = match seen.groups.get(name) {
            _ if lone => "no server leads the cluster".to_owned(),
            Some(seen) => seen.message.clone(),
            None => String::new(),
        };
        let mut outcome = outcome(play, index, name, group, durations, reason);
        cuts.mend(&mut outcome);
        outcomes.push(outcome);
    }
    outcomes
}

fn outcome(
    play: &Play,
    index: usize,
    name: &GroupName,
    group: &GroupModel,
    durations: &Durations,
    reason: String,
) -> GroupOutcome {
    let server = |servers: u64| {
        let lowest = servers.trailing_zeros() as usize;
        play.world.server_name(lowest).map(|name| name.as_str().to_owned())
    };
    let before = first(play, index).serving;
    let after = last(play, index).serving;
    let mut outage = Duration::ZERO;
    let mut dual = Duration::ZERO;
    let mut stretches = Vec::new();
    for (from, to, activity) in spans(play, index) {
        let long = Duration::from_nanos(to - from);
        if activity.touched.count_ones() > 1 {
            dual += long;
        }
        if activity.serving == 0 && before != 0 {
            outage += long;
            stretches.push((from, to));
        }
    }
    let stays = after & before != 0;
    let fate = match (before, after) {
        (0, 0) => Fate::Continues,
        (_, 0) => Fate::Stops { reason },
        _ if stays && outage == Duration::ZERO => Fate::Continues,
        _ if stays => Fate::Resumes,
        _ => Fate::Moves { to: server(after).unwrap_or_default() },
    };
    let mut split = chart::sums(&charted(play, &merged(&stretches), name, group));
    let route = route(group, durations);
    if matches!(fate, Fate::Moves { .. }) && route > Duration::ZERO {
        split.push((Phase::Route, route));
        outage += route;
    }
    GroupOutcome {
        group: name.as_str().to_owned(),
        before: (before != 0).then(|| server(before)).flatten(),
        fate,
        outage,
        split,
        dual,
        dual_lasts: last(play, index).touched.count_ones() > 1,
    }
}

/// The longest that it takes until clients are sent to another server.
fn route(group: &GroupModel, durations: &Durations) -> Duration {
    let of = |name: &ResourceName| durations.resources.get(name).map(|d| d.route.value);
    group.resources.keys().filter_map(of).max().unwrap_or_default()
}

fn first(play: &Play, index: usize) -> Activity {
    of(play.samples.first(), index)
}

fn last(play: &Play, index: usize) -> Activity {
    of(play.samples.last(), index)
}

fn of(sample: Option<&Sample>, index: usize) -> Activity {
    sample.and_then(|sample| sample.groups.get(index)).copied().unwrap_or_default()
}

/// From when to when what ran.
fn spans(play: &Play, index: usize) -> impl Iterator<Item = (u64, u64, Activity)> {
    let ends = play.samples.iter().skip(1).map(|sample| sample.at).chain([play.world.now()]);
    play.samples.iter().zip(ends).map(move |(sample, end)| {
        (sample.at.0.max(play.began.0), end.0.max(play.began.0), of(Some(sample), index))
    })
}

/// Neighbours as one.
fn merged(gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in gaps.iter().filter(|(from, to)| to > from) {
        match merged.last_mut() {
            Some(last) if last.1 == *from => last.1 = *to,
            _ => merged.push((*from, *to)),
        }
    }
    merged
}

fn charted(play: &Play, gaps: &[(u64, u64)], name: &GroupName, group: &GroupModel) -> Vec<Stretch> {
    let ours = |resource: &str| group.resources.contains_key(&ResourceName::from(resource));
    let divide =
        |(from, to): &(u64, u64)| chart::divide(*from, *to, name.as_str(), ours, marks(&play.told));
    gaps.iter().flat_map(divide).collect()
}

pub(super) fn marks(told: &[Told]) -> impl Iterator<Item = Mark<'_>> {
    told.iter().map(|told| Mark {
        at: told.at.0,
        reason: &told.event.reason,
        kind: &told.event.object.kind,
        name: &told.event.object.name,
    })
}
