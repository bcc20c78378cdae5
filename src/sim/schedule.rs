//! One schedule from its seed: boot, turbulence, recovery; and what to print when it fails.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::acts::TimedAct;
use super::checkers::{Invariant, Violation};
use super::doubles::Count;
use super::faults::FaultKind;
use super::node::Node;
use super::options::{Options, Profile};
use super::trace::Detail;
use super::world::World;

/// A schedule that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Of all that happened.
    pub hash: u64,
    /// Seconds played.
    pub seconds: u64,
    /// What is allowed, and counted.
    pub tally: Tally,
}

/// What is allowed, and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes acknowledged and lost where no view shared a server, or where two histories met.
    pub abandoned: u64,
    /// What ran twice in clusters that neither an exclusive arbiter nor fencing protects.
    pub unguarded: Count,
    /// What ran twice after a clock that stood still, where only time protects.
    pub standing: Count,
    /// How often each kind of fault was drawn.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// A schedule that did not, with its story.
#[derive(Debug)]
pub struct Failed {
    /// The schedule's.
    pub options: Options,
    /// What was done in it.
    pub acts: Vec<TimedAct>,
    /// The rule that was broken.
    pub violation: Violation,
    story: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.story)?;
        writeln!(f, "{}", self.options)?;
        write!(f, "{}", self.violation)
    }
}

/// Plays the schedule of a seed.
///
/// # Errors
///
/// Where a rule is broken; the schedule is then played again to tell its story.
pub fn play<N: Node>(seed: u64) -> Result<Passed, Box<Failed>> {
    play_options::<N>(Options::draw(seed))
}

/// Plays a schedule.
///
/// # Errors
///
/// Where a rule is broken; the schedule is then played again to tell its story.
pub fn play_options<N: Node>(options: Options) -> Result<Passed, Box<Failed>> {
    run::<N>(&options, None, Detail::Outline).result.map_err(|_| {
        let again = run::<N>(&options, None, Detail::Lines);
        let violation = again.result.err().unwrap_or_else(|| {
            let text = "it failed, and with the same seed it did not";
            Violation::new(Invariant::I5, Default::default(), text)
        });
        Box::new(Failed { options, acts: again.acts, violation, story: again.story })
    })
}

/// Plays a schedule twice and compares all that happened (I5).
///
/// # Errors
///
/// Where a rule is broken.
pub fn play_twice<N: Node>(options: Options) -> Result<Passed, Box<Failed>> {
    let first = run::<N>(&options, None, Detail::Content);
    // From the list of what was drawn it is the same run, too.
    let second = run::<N>(&options, Some(&first.acts), Detail::Content);
    let outcome = |run: &Run| run.result.clone().map(|passed| (passed.hash, passed.seconds));
    if outcome(&first) == outcome(&second) {
        return first.result.map_err(|violation| {
            let story = first.story;
            Box::new(Failed { options, acts: first.acts, violation, story })
        });
    }
    let text = format!("{:?} and then {:?}", first.result, second.result);
    let violation = Violation::new(Invariant::I5, Default::default(), text);
    Err(Box::new(Failed { options, acts: first.acts, violation, story: String::new() }))
}

/// One run of a schedule.
#[derive(Debug)]
pub struct Run {
    /// How it went.
    pub result: Result<Passed, Violation>,
    /// What was done in it.
    pub acts: Vec<TimedAct>,
    /// What happened, as far as that was recorded.
    pub story: String,
    /// The lines of it that matter most.
    pub milestones: Vec<String>,
}

/// Runs a schedule once: with these acts, or with those that its seed draws.
#[must_use]
pub fn run<N: Node>(options: &Options, acts: Option<&[TimedAct]>, detail: Detail) -> Run {
    let mut world = World::<N>::new(options.clone(), detail);
    let outcome = catch_unwind(AssertUnwindSafe(|| phases(&mut world, acts)));
    let result = match outcome {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "a panic".into());
            Err(Violation::new(Invariant::Panic, world.now(), text))
        }
    };
    let result = result.map(|()| Passed {
        hash: world.trace().hash(),
        seconds: world.now().0 / 1_000_000_000,
        tally: Tally {
            abandoned: world.abandoned(),
            unguarded: world.doubles().unguarded,
            standing: world.doubles().standing,
            faults: world.drawn().clone(),
        },
    });
    let trace = world.trace();
    let milestones = trace.milestones().cloned().collect();
    Run { result, acts: world.acts().to_vec(), story: trace.to_string(), milestones }
}

/// How often somebody looks whether a starting cluster is online.
const LOOK: Duration = Duration::from_millis(100);

fn phases<N: Node>(world: &mut World<N>, acts: Option<&[TimedAct]>) -> Result<(), Violation> {
    if world.options.profile == Profile::Rough {
        stir(world, acts);
        world.run_for(world.options.turbulence)?;
        return world.recover();
    }
    // Nothing may move once all is online: so everything is online before anything happens.
    let bound = world.options.recovery_bound();
    let end = world.now() + bound;
    while !world.settled() {
        if world.now() >= end {
            let text = format!("a cluster without faults is not online within {bound:?}");
            return Err(Violation::new(Invariant::I3, world.now(), text));
        }
        world.run_for(LOOK)?;
    }
    stir(world, acts);
    world.run_for(world.options.turbulence)?;
    world.recover()
}

fn stir<N: Node>(world: &mut World<N>, acts: Option<&[TimedAct]>) {
    match acts {
        Some(acts) => world.follow(acts),
        None => world.stir(),
    }
}
