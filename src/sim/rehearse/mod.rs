//! Rehearsals: every single and every double fault of somebody's own manifest, through the engine
//! that runs in production, in the simulated world.
//!
//! A world is brought online once. Each play begins with a copy of it, so a fault costs only what
//! comes after it; and each second fault begins with a copy of the first one's play at the moment
//! when it comes. What happens is judged by what physically runs, never by what an engine believes.

mod advice;
mod arbiters;
mod cases;
pub mod chart;
mod cuts;
mod durations;
mod outcome;
mod play;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub use cases::{Case, Category};
pub use chart::Phase;
pub use durations::{Durations, Known, Measured, MeasuredResource, ResourceDurations};
pub use outcome::{Fate, GroupOutcome};

use self::arbiters::Arbiters;
use self::cases::Lister;
use self::cuts::Cuts;
pub use self::cuts::Pauses;
use self::play::Play;
use super::checkers::Violation;
use super::clock::TrueTime;
use super::options::{ArbiterKind, Options};
use super::stage::Stage;
use super::trace::Detail;
use super::world::{Told, World};
use crate::api::kinds::{Cluster, OperationType};
use crate::api::{FINALIZER, NAMESPACE};
use crate::engine::Engine;
use crate::engine::ids::Revision;
use crate::engine::model::{
    Arbiter, CompileError, Model, ObjectKey, Objects, StoredObject, compile,
};

/// How often somebody looks whether the starting cluster is online.
const LOOK: Duration = Duration::from_millis(500);

/// Why nothing can be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The objects make no spec.
    #[error("failed to read the manifest as a whole: {0}")]
    Compile(#[from] CompileError),
    /// The Cluster object can't be read.
    #[error("failed to read the Cluster: {0}")]
    Cluster(#[source] serde_json::Error),
    /// There are more servers than a rehearsal can hold.
    #[error("{0} servers are more than the 64 that a rehearsal holds")]
    Servers(usize),
    /// Even without a fault not every group comes online.
    #[error(
        "the cluster does not come online, even without a fault, within {within:?}: {problems}; \
         mend that first"
    )]
    NeverOnline {
        /// How long it was given.
        within: Duration,
        /// What is not as it should be.
        problems: String,
    },
    /// The engine broke one of its own rules.
    #[error("the engine broke a rule while the cluster started: {0}; please report it")]
    Broken(String),
}

/// When a second fault comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// With the first.
    Together,
    /// In the middle of what the first led to.
    During(Phase),
    /// When nothing moves any more after the first.
    AfterRecovery,
}

impl Moment {
    /// Short, for an id.
    #[must_use]
    pub fn slug(&self) -> String {
        match self {
            Self::Together => "together".into(),
            Self::During(Phase::Detection) => "detection".into(),
            Self::During(Phase::Arbitration) => "arbitration".into(),
            Self::During(Phase::Startup) => "startup".into(),
            Self::During(Phase::TakeoverWait) => "wait".into(),
            Self::During(Phase::Recovery) => "recovery".into(),
            Self::During(Phase::Start(resource)) => format!("start-{resource}"),
            Self::During(Phase::Stop(resource)) => format!("stop-{resource}"),
            Self::During(Phase::Route) => "route".into(),
            Self::During(Phase::Down) => "down".into(),
            Self::AfterRecovery => "after".into(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Together => f.write_str("at the same instant"),
            Self::During(phase) => write!(f, "during the {phase}"),
            Self::AfterRecovery => f.write_str("after recovery"),
        }
    }
}

/// What one play came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index of the first fault.
    pub first: usize,
    /// Index of the second, and when it came.
    pub second: Option<(usize, Moment)>,
    /// What became of each group.
    pub groups: Vec<GroupOutcome>,
    /// It was cut off while something still moved.
    pub endless: bool,
    /// The engine broke one of its own rules: how.
    pub broken: Option<String>,
    /// What would mend it.
    pub advice: Vec<String>,
}

impl Row {
    /// Names the play: `3`, or `3+17@wait`.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.second {
            None => format!("{}", self.first + 1),
            Some((second, moment)) => {
                format!("{}+{}@{}", self.first + 1, second + 1, moment.slug())
            }
        }
    }

    /// The group that fared worst.
    #[must_use]
    pub fn worst(&self) -> Option<&GroupOutcome> {
        self.groups.iter().max_by_key(|group| group.badness())
    }

    /// Whether two servers could have served any group.
    #[must_use]
    pub fn is_dual(&self) -> bool {
        self.groups.iter().any(GroupOutcome::is_dual)
    }

    /// Whether nobody serves some group in the end.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.groups.iter().any(GroupOutcome::stops)
    }

    /// How bad it is: the worse, the greater.
    #[must_use]
    pub fn badness(&self) -> (bool, (bool, bool, Duration)) {
        let worst = self.worst().map(GroupOutcome::badness).unwrap_or_default();
        (self.broken.is_some(), worst)
    }
}

/// One line of a story.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Since the first fault.
    pub at: Duration,
    /// What the cluster told; none: what ran from then on, in `text`.
    pub event: Option<crate::engine::effect::Event>,
    /// What ran, or which fault came.
    pub text: String,
}

/// A single fault that was played, with the plays that second faults begin with.
#[derive(Debug)]
pub struct Single {
    /// What it came to.
    pub row: Row,
    moments: Vec<(Moment, Play)>,
}

/// A cluster that is online, with every fault that may befall it.
#[derive(Debug)]
pub struct Rehearsal {
    model: Arc<Model>,
    cluster: Cluster,
    durations: Durations,
    cuts: Cuts,
    world: World<Engine>,
    cases: Vec<Case>,
}

impl Rehearsal {
    /// Brings the cluster of these objects online. They are valid; defaults may be left out.
    ///
    /// # Errors
    /// Where they make no cluster, or one that does not come online.
    pub fn new(
        objects: &[Value],
        measured: &Measured,
        seed: u64,
        pauses: Pauses,
    ) -> Result<Self, RehearseError> {
        let mut objects = stored(objects);
        let mut model = compile(&objects)?;
        let cuts = match pauses {
            Pauses::Whole => Cuts::default(),
            Pauses::Cut => Cuts::make(&mut objects, &model),
        };
        if !cuts.is_empty() {
            model = compile(&objects)?;
        }
        let key = ObjectKey::new("Cluster", model.cluster.name.clone());
        let json = objects.get(&key).map_or("", |stored| &stored.json);
        let cluster: Cluster = serde_json::from_str(json).map_err(RehearseError::Cluster)?;
        if model.cluster.servers.len() > 64 {
            return Err(RehearseError::Servers(model.cluster.servers.len()));
        }
        let durations = Durations::new(&model, measured);
        let mut world = stage(&model, &durations, objects, seed);
        let arbiters = Arbiters::of(&cluster.spec.arbitration, model.cluster.timing.timeout);
        world.set_arbiter(arbiters.alternatives.max(1), arbiters.time_to_live);
        let model = Arc::new(model);
        bring_online(&mut world, &model)?;
        let holders: Vec<Option<usize>> = world
            .activity()
            .map(|activity| (activity.touched != 0).then(|| activity.touched.trailing_zeros()))
            .map(|server| server.map(|server| server as usize))
            .collect();
        into_mid_interval(&mut world, &model, &holders).map_err(broken)?;
        let lister = Lister { model: &model, durations: &durations, holders, arbiters: &arbiters };
        let cases = lister.list();
        Ok(Self { model, cluster, durations, cuts, world, cases })
    }

    /// The cluster as the engine reads it.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The durations that are reckoned with.
    #[must_use]
    pub fn durations(&self) -> &Durations {
        &self.durations
    }

    /// The longest that a server's services may outlive the start of its lease.
    #[must_use]
    pub fn self_fence(&self) -> Duration {
        durations::self_fence(&self.model)
    }

    /// How long a lost server is waited for, where nothing else frees its groups.
    #[must_use]
    pub fn takeover_wait(&self) -> Duration {
        durations::takeover_wait(&self.model)
    }

    /// Every single fault.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Plays a single fault. `doubles`: second ones are to follow.
    #[must_use]
    pub fn single(&self, first: usize, doubles: bool) -> Option<Single> {
        let case = self.cases.get(first)?;
        let mut play = Play::new(&self.world, durations::patience(&self.model));
        let result = play.strike(case, true).and_then(|()| play.finish());
        let row = self.judge(first, None, &mut play, result);
        let mut moments = Vec::new();
        if doubles && row.broken.is_none() {
            let found = self.moments(case, &play);
            let mut again = Play::new(&self.world, durations::patience(&self.model));
            moments.push((Moment::Together, again.clone()));
            // It went well before, and goes the same way again.
            if again.strike(case, true).is_ok() {
                for (at, moment) in found {
                    if again.run_to(at).is_err() {
                        break;
                    }
                    moments.push((moment, again.clone()));
                }
                moments.push((Moment::AfterRecovery, play));
            }
        }
        Some(Single { row, moments })
    }

    /// Every second fault `wanted` at every moment of a first one.
    #[must_use]
    pub fn doubles(&self, single: &Single, wanted: impl Fn(usize) -> bool) -> Vec<Row> {
        let first = single.row.first;
        let mut rows = Vec::new();
        for (second, case) in self.cases.iter().enumerate() {
            if second == first || !wanted(second) {
                continue;
            }
            let shows = self.shows_until(case, single);
            for (moment, play) in &single.moments {
                // Two faults at one instant have no order, but what the first provokes.
                let known = *moment == Moment::Together && second < first;
                if known || shows.is_none_or(|until| play.world.now() >= until) {
                    continue;
                }
                let mut play = play.clone();
                let result = self.strike_second(first, case, moment, &mut play);
                let result = result.and_then(|()| play.finish());
                let second = Some((second, moment.clone()));
                rows.push(self.judge(first, second, &mut play, result));
            }
        }
        rows
    }

    /// Until when a second fault changes what a first one leads to: a hidden one only before its
    /// resource is started or stopped there. None: never.
    fn shows_until(&self, second: &Case, single: &Single) -> Option<TrueTime> {
        let Some(hidden) = &second.hidden else { return Some(TrueTime(u64::MAX)) };
        let server = self.model.cluster.servers.get(hidden.server)?;
        let (_, play) = single.moments.last()?;
        let told = play.told.iter().rev().find(|told| {
            told.event.reason == hidden.reason
                && told.event.server == *server
                && told.event.object.name == hidden.resource.as_str()
        });
        told.map(|told| told.at)
    }

    fn strike_second(
        &self,
        first: usize,
        second: &Case,
        moment: &Moment,
        play: &mut Play,
    ) -> Result<(), Violation> {
        if let (Moment::Together, Some(case)) = (moment, self.cases.get(first)) {
            play.strike(case, true)?;
        }
        play.strike(second, false)
    }

    /// The story of one play by its id; none where there is no such play.
    #[must_use]
    pub fn story(&self, id: &str) -> Option<(Row, Vec<Line>)> {
        let (first, rest) = id.split_once('+').map_or((id, None), |(one, two)| (one, Some(two)));
        let index = |text: &str| text.parse::<usize>().ok()?.checked_sub(1);
        let first = index(first)?;
        let single = self.single(first, true)?;
        let Some((second, slug)) = rest.and_then(|rest| rest.split_once('@')) else {
            if rest.is_some() {
                return None;
            }
            let mut play = Play::new(&self.world, durations::patience(&self.model));
            // Where a rule is broken, the row says so.
            let _ = play.strike(self.cases.get(first)?, true).and_then(|()| play.finish());
            let lines = self.lines(&play, &[(Duration::ZERO, first)]);
            return Some((single.row, lines));
        };
        let second = index(second).filter(|second| *second != first)?;
        let case = self.cases.get(second)?;
        let (moment, play) = single.moments.iter().find(|(moment, _)| moment.slug() == slug)?;
        let mut play = play.clone();
        let at = play.world.now() - play.began;
        let result = self.strike_second(first, case, moment, &mut play);
        let result = result.and_then(|()| play.finish());
        let row = self.judge(first, Some((second, moment.clone())), &mut play, result);
        let lines = self.lines(&play, &[(Duration::ZERO, first), (at, second)]);
        Some((row, lines))
    }

    fn judge(
        &self,
        first: usize,
        second: Option<(usize, Moment)>,
        play: &mut Play,
        result: Result<(), Violation>,
    ) -> Row {
        let mut row = Row {
            first,
            second,
            groups: outcome::outcomes(play, &self.model, &self.durations, &self.cuts),
            endless: play.endless,
            broken: result.err().map(|violation| violation.to_string()),
            advice: Vec::new(),
        };
        row.advice = advice::advise(self, &row, play);
        row
    }

    /// The middle of each thing that a first fault led to, in the order of time.
    fn moments(&self, case: &Case, play: &Play) -> BTreeMap<TrueTime, Moment> {
        let end = play.told.last().map_or(play.began, |told| told.at);
        let mut found: BTreeMap<TrueTime, Moment> = BTreeMap::new();
        for (name, group) in &self.model.groups {
            let ours = |resource: &str| group.resources.contains_key(&resource.into());
            let marks = outcome::marks(&play.told);
            let stretches = chart::divide(play.began.0, end.0, name.as_str(), ours, marks);
            for stretch in stretches {
                let moment = Moment::During(stretch.phase);
                let known = found.values().any(|other| *other == moment);
                if !known && is_a_moment(case, &moment) {
                    let middle = TrueTime(stretch.from + (stretch.to - stretch.from) / 2);
                    found.insert(middle, moment);
                }
            }
        }
        found
    }

    fn lines(&self, play: &Play, faults: &[(Duration, usize)]) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for (at, index) in faults {
            let text = self.cases.get(*index).map_or(String::new(), |case| case.text.clone());
            lines.push(Line { at: *at, event: None, text: format!("FAULT: {text}") });
        }
        for Told { at, event } in &play.told {
            let text = String::new();
            lines.push(Line { at: *at - play.began, event: Some(event.clone()), text });
        }
        for (index, name) in self.model.groups.keys().enumerate() {
            let mut before = None;
            for sample in &play.samples {
                let Some(now) = sample.groups.get(index).copied() else { continue };
                let text = format!(
                    "{name} runs on {}, serves clients on {}",
                    self.names(now.touched),
                    self.names(now.serving)
                );
                if before.as_ref() != Some(&text) {
                    let line = Line { at: sample.at - play.began, event: None, text: text.clone() };
                    lines.push(line);
                }
                before = Some(text);
            }
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    fn names(&self, servers: u64) -> String {
        let names = self.model.cluster.servers.iter().enumerate();
        let names = names.filter(|(index, _)| servers & (1 << index) != 0);
        let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
        if names.is_empty() { "no server".to_owned() } else { names.join(" and ") }
    }
}

/// Whether second faults come then. Of what an administrator does for a hidden fault's sake, only
/// what concerns it.
fn is_a_moment(case: &Case, moment: &Moment) -> bool {
    match moment {
        Moment::During(Phase::Start(resource)) => {
            case.hidden.as_ref().is_none_or(|hidden| hidden.resource.as_str() == resource)
        }
        Moment::During(Phase::Stop(resource)) => {
            case.hidden.as_ref().is_some_and(|hidden| hidden.resource.as_str() == resource)
        }
        Moment::During(Phase::Down | Phase::Route) => false,
        Moment::During(
            Phase::Detection
            | Phase::Arbitration
            | Phase::Startup
            | Phase::TakeoverWait
            | Phase::Recovery,
        )
        | Moment::Together
        | Moment::AfterRecovery => true,
    }
}

fn broken(violation: Violation) -> RehearseError {
    RehearseError::Broken(violation.to_string())
}

/// As the API would store them.
fn stored(objects: &[Value]) -> Objects {
    let mut stored = Objects::new();
    for object in objects {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("/kind").to_owned(), text("/metadata/name").to_owned());
        if !matches!(kind.as_str(), "Cluster" | "FailoverGroup" | "Resource" | "Monitor") {
            continue;
        }
        let mut object = object.clone();
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        let metadata = &mut object["metadata"];
        metadata["namespace"] = NAMESPACE.into();
        metadata["generation"] = json!(1);
        metadata["uid"] = json!(format!("{kind}-{name}"));
        metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        if matches!(kind.as_str(), "FailoverGroup" | "Resource") {
            metadata["finalizers"] = json!([FINALIZER]);
        }
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("deletionTimestamp");
        }
        let json = object.to_string().into();
        stored.insert(ObjectKey::new(kind, name), StoredObject { revision: Revision(1), json });
    }
    stored
}

fn stage(model: &Model, durations: &Durations, objects: Objects, seed: u64) -> World<Engine> {
    let cluster = &model.cluster;
    let arbiter = match cluster.arbiter {
        Arbiter::Majority => ArbiterKind::Majority,
        Arbiter::External { exclusive: true } => ArbiterKind::Lease,
        Arbiter::External { exclusive: false } | Arbiter::MajorityAndExternal => {
            ArbiterKind::Reachable
        }
        Arbiter::None => ArbiterKind::Nobody,
    };
    let timing = &cluster.timing;
    let options = Options {
        seed,
        paths: cluster.paths.len(),
        timeout: timing.timeout,
        arbiter_budget: timing.lease.saturating_sub(timing.timeout + 2 * timing.interval),
        wait_for_servers: cluster.wait_for_servers,
        pace: Some(Arc::new(durations.pace(model))),
        ..Options::quiet(cluster.servers.len(), arbiter)
    };
    let stage = Stage {
        servers: cluster.servers.clone(),
        paths: cluster.paths.clone(),
        objects,
        groups: model
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), group.resources.keys().cloned().collect()))
            .collect(),
    };
    let mut world = World::staged(options, stage, Detail::Outline);
    world.observe();
    world
}

/// Lets the cluster start; groups that wait for a person are started.
fn bring_online(world: &mut World<Engine>, model: &Model) -> Result<(), RehearseError> {
    let starts = model.groups.values().flat_map(|group| group.resources.values());
    let starts: Duration =
        starts.map(|resource| Duration::from(resource.spec.activation.timeout)).sum();
    let within = model.cluster.wait_for_servers + model.cluster.timing.timeout * 40 + starts;
    let within = within.min(Duration::from_secs(3600));
    let end = world.now() + within;
    let mut asked = false;
    while !world.settled() {
        if world.now() >= end {
            let problems = world.problems().join("; ");
            return Err(RehearseError::NeverOnline { within, problems });
        }
        world.run_for(LOOK).map_err(broken)?;
        let leader = world.leader().filter(|_| !asked);
        if let Some(leader) =
            leader.filter(|_| world.members().len() == model.cluster.servers.len())
        {
            asked = true;
            for (name, group) in &model.groups {
                if group.startup == crate::api::kinds::Automation::Manual {
                    let name = Some(name.as_str());
                    let request = world.request(leader, OperationType::StartGroup, name, None);
                    request.map_err(broken)?;
                }
            }
        }
    }
    let delays = model.monitors.values().map(|monitor| Duration::from(monitor.spec.start_delay));
    let calm = delays.max().unwrap_or_default().min(Duration::from_secs(600));
    world.run_for(calm + durations::takeover_wait(model) * 2).map_err(broken)
}

/// Faults come in the middle between two renewals of a server that runs something: neither the
/// luckiest moment nor the unluckiest.
fn into_mid_interval(
    world: &mut World<Engine>,
    model: &Model,
    holders: &[Option<usize>],
) -> Result<(), Violation> {
    let timing = &model.cluster.timing;
    if let Some(server) = holders.iter().flatten().next() {
        let before = world.lease_until(*server);
        world.run_until(timing.timeout, |world| world.lease_until(*server) != before)?;
    }
    world.run_for(timing.interval / 2)
}
