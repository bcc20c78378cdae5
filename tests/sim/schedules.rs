//! Thousands of schedules, each drawn from its seed.
//!
//! `STEAD_SCHEDULES` says how many, `STEAD_SEED` which is the first, `STEAD_DRAW` whether they are
//! `wide`, `ordinary` or on the `grounds` of broken engines: a failure prints all three.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use stead::engine::Engine;
use stead::sim::{Detail, Failed, Options, Passed, World, play_options, play_twice};

use super::grounds::Ground;
use super::summary::Summary;

/// Schedules of an ordinary test run, of each draw.
const WIDE: u64 = 18_000;
const ORDINARY: u64 = 2000;
/// One of so many is played twice (I5).
const TWICE_EACH: u64 = 50;
/// Stories of failures that are printed; all are counted.
const STORIES_MAX: usize = 1;

/// How a schedule is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    Wide,
    Ordinary,
    /// Where broken engines are hunted.
    Grounds,
}

impl Draw {
    pub fn options(self, seed: u64) -> Options {
        match self {
            Draw::Wide => Options::wide(seed),
            Draw::Ordinary => Options::draw(seed),
            Draw::Grounds => Ground::any(seed),
        }
    }

    pub fn play(self, seed: u64) -> Result<Passed, Box<Failed>> {
        let options = self.options(seed);
        match seed.is_multiple_of(TWICE_EACH) {
            true => play_twice::<Engine>(options),
            false => play_options::<Engine>(options),
        }
    }

    pub fn replay(self, seed: u64) -> String {
        let draw = match self {
            Draw::Wide => "wide",
            Draw::Ordinary => "ordinary",
            Draw::Grounds => "grounds",
        };
        format!(
            "replay: STEAD_DRAW={draw} STEAD_SEED={seed} STEAD_SCHEDULES=1 cargo test --profile \
             simulate --features simulate --test sim schedules -- --nocapture"
        )
    }
}

pub fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Plays schedules on all processors; what was counted, and the seeds that failed.
pub fn play_all(draw: Draw, first: u64, count: u64) -> (Summary, Vec<(u64, Box<Failed>)>) {
    let end = first + count;
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let summary = Mutex::new(Summary::default());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = Summary::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match draw.play(seed) {
                        Ok(passed) => own.add(&draw.options(seed), &passed),
                        Err(failure) => failures.lock().unwrap().push((seed, failure)),
                    }
                }
                summary.lock().unwrap().merge(own);
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|(seed, _)| *seed);
    (summary.into_inner().unwrap(), failures)
}

#[expect(clippy::disallowed_methods, reason = "says how fast schedules are played")]
fn keep_every_invariant(draw: Draw, first: u64, count: u64) {
    let began = std::time::Instant::now();
    let (summary, failures) = play_all(draw, first, count);
    for (_, failure) in failures.iter().take(STORIES_MAX) {
        println!("{failure}");
    }
    if let Some((_, failure)) = failures.first() {
        crate::saved::show_shrunk(failure);
    }
    for (seed, failure) in &failures {
        println!("seed {seed}: {}\n{}", failure.violation, draw.replay(*seed));
    }
    let speed = count as f64 / began.elapsed().as_secs_f64();
    println!("{draw:?}: {count} schedules, {speed:.0} a second\n{summary}");
    assert!(failures.is_empty(), "{} of {count} schedules failed", failures.len());
}

#[test]
fn schedules_keep_every_invariant() {
    let draws = match env::var("STEAD_DRAW").as_deref() {
        Ok("wide") => vec![(Draw::Wide, WIDE)],
        Ok("ordinary") => vec![(Draw::Ordinary, ORDINARY)],
        Ok("grounds") => vec![(Draw::Grounds, ORDINARY)],
        _ => vec![(Draw::Ordinary, ORDINARY), (Draw::Wide, WIDE)],
    };
    for (draw, usual) in draws {
        let first = number("STEAD_SEED").unwrap_or(1);
        keep_every_invariant(draw, first, number("STEAD_SCHEDULES").unwrap_or(usual));
    }
}

#[test]
fn what_was_drawn_is_played_from_its_list_to_the_same_end() {
    for seed in 1..60 {
        let draw = if seed % 2 == 0 { Draw::Wide } else { Draw::Ordinary };
        let options = draw.options(seed);
        let turbulence = options.turbulence;
        let mut drawn = World::<Engine>::new(options.clone(), Detail::Content);
        drawn.stir();
        let first = drawn.run_for(turbulence);
        let mut played = World::<Engine>::new(options, Detail::Content);
        played.follow(drawn.acts());
        assert_eq!(first, played.run_for(turbulence), "{draw:?} {seed}");
        assert_eq!(drawn.trace().hash(), played.trace().hash(), "{draw:?} {seed}");
        assert_eq!(drawn.acts(), played.acts(), "{draw:?} {seed}");
    }
}
