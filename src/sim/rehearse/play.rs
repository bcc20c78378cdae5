//! One play: faults in a world that is whole, until nothing moves any more.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cases::Case;
use crate::api::kinds::OperationType;
use crate::api::names::ServerName;
use crate::engine::Engine;
use crate::engine::model::ObjectKey;
use crate::sim::checkers::Violation;
use crate::sim::clock::TrueTime;
use crate::sim::faults::Fault;
use crate::sim::world::{Activity, Told, World};

/// A play that still moves after so long is cut off.
const LONGEST: Duration = Duration::from_secs(7200);

/// What ran from an instant on, of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: TrueTime,
    /// What clients can't reach does not serve.
    pub(super) groups: Vec<Activity>,
}

#[derive(Clone, Debug)]
struct Mend {
    at: TrueTime,
    faults: Vec<Fault>,
    dark: u64,
}

/// A play, as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) world: World<Engine>,
    /// When the first fault came.
    pub(super) began: TrueTime,
    pub(super) samples: Vec<Sample>,
    pub(super) told: Vec<Told>,
    /// It was cut off while something still moved.
    pub(super) endless: bool,
    seen: Seen,
    /// What was told since the last change of what runs.
    known: BTreeSet<(ServerName, String, ObjectKey)>,
    news_since: Option<TrueTime>,
    last_news: TrueTime,
    mends: Vec<Mend>,
    dark: u64,
    notice: Duration,
    /// How long a lost server may be waited for in silence.
    patience: Duration,
}

impl Play {
    /// A play in a world that is whole and observed.
    pub(super) fn new(world: &World<Engine>, patience: Duration) -> Self {
        let mut play = Self {
            began: world.now(),
            world: world.clone(),
            samples: Vec::new(),
            told: Vec::new(),
            endless: false,
            seen: None,
            known: BTreeSet::new(),
            news_since: None,
            last_news: world.now(),
            mends: Vec::new(),
            dark: 0,
            notice: Duration::ZERO,
            patience,
        };
        play.world.take_told();
        play.look();
        play
    }

    fn look(&mut self) {
        look(&self.world, self.dark, &mut self.seen, &mut self.samples);
    }

    /// A fault comes now. `provoked`: somebody does what makes it show.
    pub(super) fn strike(&mut self, case: &Case, provoked: bool) -> Result<(), Violation> {
        self.notice = self.notice.max(case.notice);
        self.dark |= case.dark;
        for fault in &case.faults {
            self.world.break_it(fault)?;
        }
        self.look();
        if let Some(lasts) = case.lasts {
            let at = self.world.now() + lasts;
            self.mends.push(Mend { at, faults: case.faults.clone(), dark: case.dark });
        }
        if let (true, Some(provocation), Some(leader)) =
            (provoked, &case.provocation, self.world.leader())
        {
            let to = provocation.to.and_then(|server| self.world.server_name(server));
            let to = to.map(|name| name.as_str().to_owned());
            let group = provocation.group.as_str();
            self.world.request(leader, OperationType::MoveGroup, Some(group), to.as_deref())?;
        }
        Ok(())
    }

    /// Plays up to an instant.
    pub(super) fn run_to(&mut self, end: TrueTime) -> Result<(), Violation> {
        while let Some(next) = self.mends.iter().map(|mend| mend.at).min().filter(|at| *at <= end) {
            self.watch_to(next)?;
            let due = self.mends.extract_if(.., |mend| mend.at <= next).collect::<Vec<_>>();
            for mend in due {
                self.dark &= !mend.dark;
                for fault in &mend.faults {
                    self.world.mend(fault)?;
                }
            }
            self.look();
        }
        self.watch_to(end)
    }

    fn watch_to(&mut self, end: TrueTime) -> Result<(), Violation> {
        let now = self.world.now();
        if end > now {
            let Self { world, samples, seen, dark, .. } = self;
            world.watch_for(end - now, |world| look(world, *dark, seen, samples))?;
        }
        let told = self.world.take_told();
        self.take_news(told.into_iter().filter(|told| tells_something(&told.event.reason)));
        Ok(())
    }

    /// What a server tells again, while nothing that runs has changed, is no news: whoever is cut
    /// off proposes itself again and again, and what failed to fence is tried again, without end.
    fn take_news(&mut self, told: impl Iterator<Item = Told>) {
        let sample = self.samples.last().map(|sample| sample.at);
        if sample > self.news_since {
            self.news_since = sample;
            self.known.clear();
        }
        for told in told {
            let Told { at, event } = &told;
            let news = (event.server.clone(), event.reason.clone(), event.object.clone());
            if self.known.insert(news) {
                self.last_news = *at;
            }
            self.told.push(told);
        }
    }

    /// Plays until nothing moves any more.
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        let timing = self.world.options.timing();
        // Nothing is silent for longer that still comes to something ...
        let usual = (self.patience + timing.interval * 2).max(self.notice + timing.timeout);
        // ... but a server that starts and waits for the others.
        let starting = self.patience + self.world.options.wait_for_servers;
        let begin = self.world.now();
        loop {
            let now = self.world.now();
            let last = self.last_change().max(begin);
            let quiet = if self.is_starting() { usual.max(starting) } else { usual };
            let due = last + quiet;
            let busy = || self.world.busy(!self.fencing_has_failed());
            if now >= due && self.mends.is_empty() && !busy() {
                return Ok(());
            }
            if now - begin > LONGEST {
                self.endless = true;
                return Ok(());
            }
            self.run_to(now + usual / 4)?;
        }
    }

    /// Whether a server waits for others before it starts groups.
    fn is_starting(&self) -> bool {
        let said = self.told.iter().rev().map(|told| told.event.reason.as_str());
        let mut said = said.filter(|reason| reason.starts_with("Startup"));
        said.next() == Some("StartupWaiting")
    }

    /// What failed is tried again and again, without end.
    fn fencing_has_failed(&self) -> bool {
        let over = |told: &Told| {
            matches!(&*told.event.reason, "FencingFailed" | "FencingOverridden" | "TakeoverBlocked")
        };
        self.told.iter().any(over)
    }

    fn last_change(&self) -> TrueTime {
        let sample = self.samples.last().map(|sample| sample.at);
        sample.unwrap_or(self.began).max(self.last_news)
    }
}

/// Whether an event says that something goes on.
fn tells_something(reason: &str) -> bool {
    !matches!(reason, "MonitorNormal" | "MonitorUnknown" | "PathLost" | "PathRestored")
}

/// What the last look saw: the version of all activity, and what clients could not reach.
type Seen = Option<((u64, u64), u64)>;

/// Remembers what runs, where that has changed.
fn look(world: &World<Engine>, dark: u64, seen: &mut Seen, samples: &mut Vec<Sample>) {
    let version = Some((world.activity_version(), dark));
    if *seen == version {
        return;
    }
    *seen = version;
    let groups: Vec<Activity> = world
        .activity()
        .map(|activity| Activity { serving: activity.serving & !dark, touched: activity.touched })
        .collect();
    if samples.last().is_none_or(|last| last.groups != groups) {
        samples.push(Sample { at: world.now(), groups });
    }
}
