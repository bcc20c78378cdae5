//! Thousands of schedules, each drawn from its seed.
//!
//! `STEAD_SCHEDULES` says how many, `STEAD_SEED` which is the first: a failure prints both.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use stead::engine::Engine;
use stead::sim::{play, play_twice};

/// Schedules of an ordinary test run.
const SCHEDULES: u64 = 2000;
/// One of so many is played twice (I5).
const TWICE_EACH: u64 = 50;
/// Stories of failures that are printed; all are counted.
const STORIES_MAX: usize = 1;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

#[test]
fn schedules_keep_every_invariant() {
    let first = number("STEAD_SEED").unwrap_or(1);
    let end = first + number("STEAD_SCHEDULES").unwrap_or(SCHEDULES);
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let abandoned = AtomicU64::new(0);
    // Of all that happened in any of them: a change that only makes it faster leaves it as it is.
    let hash = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let twice = seed.is_multiple_of(TWICE_EACH);
                    match if twice { play_twice::<Engine>(seed) } else { play::<Engine>(seed) } {
                        Ok(passed) => {
                            abandoned.fetch_add(passed.abandoned, Ordering::Relaxed);
                            hash.fetch_add(passed.hash ^ seed, Ordering::Relaxed);
                        }
                        Err(failure) => failures.lock().unwrap().push((seed, failure)),
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|(seed, _)| *seed);
    for (_, failure) in failures.iter().take(STORIES_MAX) {
        println!("{failure}");
    }
    if let Some((_, failure)) = failures.first() {
        crate::saved::show_shrunk(failure);
    }
    for (seed, failure) in &failures {
        println!("seed {seed}: {}", failure.violation);
    }
    let lost = abandoned.into_inner();
    let hash = hash.into_inner();
    println!("{} schedules, hash {hash:016x}", end - first);
    println!("{lost} changes lost where views shared no server");
    assert!(failures.is_empty(), "{} of {} schedules failed", failures.len(), end - first);
}
