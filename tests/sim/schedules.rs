//! Thousands of schedules, each drawn from its seed.
//!
//! `STEAD_SCHEDULES` says how many, `STEAD_SEED` which is the first.

use std::env;
use std::time::Duration;

use stead::engine::Engine;
use stead::sim::{Failed, Options, play, play_options, play_twice};

/// Schedules of an ordinary test run.
const SCHEDULES: u64 = 2000;
/// One of so many is played twice (I5).
const TWICE_EACH: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

#[test]
fn schedules_keep_every_invariant() {
    let first = number("STEAD_SEED").unwrap_or(1);
    let count = number("STEAD_SCHEDULES").unwrap_or(SCHEDULES);
    let groups = number("STEAD_GROUPS");
    let mut failed = 0;
    for seed in first..first + count {
        let mut options = Options::draw(seed);
        if let Some(groups) = groups { options.groups = groups as usize; }
        let result: Result<_, Box<Failed>> = play_options::<Engine>(options);
        if let Err(failure) = result {
            failed += 1;
            if count == 1 { println!("{failure}"); }
            println!("{seed}: {}", failure.violation);
        }
    }
    assert_eq!(failed, 0);
    let _ = (play::<Engine>, play_twice::<Engine>, TWICE_EACH, Duration::ZERO);
}
