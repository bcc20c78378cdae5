//! One schedule from its seed: boot, turbulence, recovery; and what to print when it fails.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::checkers::{Invariant, Violation};
use super::node::Node;
use super::options::{Options, Profile};
use super::trace::Detail;
use super::world::World;

/// A schedule that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Of all that happened.
    pub hash: u64,
    /// Seconds played.
    pub seconds: u64,
    /// Changes acknowledged and lost where no view shared a server.
    pub abandoned: u64,
}

/// A schedule that did not, with its story.
#[derive(Debug)]
pub struct Failed {
    options: Options,
    /// The rule that was broken.
    pub violation: Violation,
    story: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.story)?;
        writeln!(f, "{}", self.options)?;
        writeln!(f, "{}", self.violation)?;
        let seed = self.options.seed;
        write!(
            f,
            "replay: STEAD_SEED={seed} STEAD_SCHEDULES=1 cargo test --profile simulate \
             --features simulate --test sim schedules -- --nocapture"
        )
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
    play_with::<N>(&options, Detail::Outline).map_err(|_| {
        match play_with::<N>(&options, Detail::Lines) {
            Err((violation, story)) => Box::new(Failed { options, violation, story }),
            Ok(_) => {
                let text = "it failed, and with the same seed it did not";
                let violation = Violation::new(Invariant::I5, Default::default(), text);
                Box::new(Failed { options, violation, story: String::new() })
            }
        }
    })
}

/// Plays the schedule of a seed twice and compares all that happened (I5).
///
/// # Errors
///
/// Where a rule is broken.
pub fn play_twice<N: Node>(seed: u64) -> Result<Passed, Box<Failed>> {
    let options = Options::draw(seed);
    let run = || match play_with::<N>(&options, Detail::Content) {
        Ok(passed) => Ok(passed),
        Err((violation, story)) => {
            Err(Box::new(Failed { options: options.clone(), violation, story }))
        }
    };
    let (first, second) = (run()?, run()?);
    if first == second {
        return Ok(first);
    }
    let text = format!("{first:?} and then {second:?}");
    let violation = Violation::new(Invariant::I5, Default::default(), text);
    Err(Box::new(Failed { options, violation, story: String::new() }))
}

fn play_with<N: Node>(options: &Options, detail: Detail) -> Result<Passed, (Violation, String)> {
    let mut world = World::<N>::new(options.clone(), detail);
    let outcome = catch_unwind(AssertUnwindSafe(|| phases(&mut world)));
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
    match result {
        Ok(()) => Ok(Passed {
            hash: world.trace().hash(),
            seconds: world.now().0 / 1_000_000_000,
            abandoned: world.abandoned(),
        }),
        Err(violation) => Err((violation, world.trace().to_string())),
    }
}

/// How often somebody looks whether a starting cluster is online.
const LOOK: Duration = Duration::from_millis(100);

fn phases<N: Node>(world: &mut World<N>) -> Result<(), Violation> {
    if world.options.profile == Profile::Rough {
        world.stir();
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
    world.stir();
    world.run_for(world.options.turbulence)?;
    world.recover()
}
