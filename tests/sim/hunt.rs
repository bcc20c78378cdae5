//! `make hunt`: long runs of wide draws, in pieces that end in a bounded time.

use std::env;
use std::time::{Duration, Instant};

use super::schedules::{Draw, number, play_all};
use super::summary::Summary;

/// Seeds between two lines of progress.
const PIECE: u64 = 1000;
/// Without any other wish: a few beyond those that every test run plays.
const FROM: u64 = 100_001;
const COUNT: u64 = 100;
/// How long one call takes at most, unless it is told otherwise.
const SECONDS: u64 = 540;

#[test]
#[expect(clippy::disallowed_methods, reason = "people wait for it: it ends in a bounded time")]
fn hunt() {
    let draw = match env::var("STEAD_DRAW").as_deref() {
        Ok("ordinary") => Draw::Ordinary,
        Ok("grounds") => Draw::Grounds,
        _ => Draw::Wide,
    };
    let from = number("STEAD_FROM").unwrap_or(FROM);
    let end = from + number("STEAD_COUNT").unwrap_or(COUNT);
    let most = Duration::from_secs(number("STEAD_SECONDS").unwrap_or(SECONDS));
    let (began, mut next) = (Instant::now(), from);
    let (mut summary, mut failed) = (Summary::default(), Vec::new());
    while next < end && began.elapsed() < most {
        let count = PIECE.min(end - next);
        let (piece, failures) = play_all(draw, next, count);
        summary.merge(piece);
        next += count;
        for (seed, failure) in failures {
            println!("seed {seed}: {}\n{}", failure.violation, draw.replay(seed));
            failed.push(seed);
        }
        let speed = (next - from) as f64 / began.elapsed().as_secs_f64();
        println!("{} of {}, {speed:.0} a second, {} failed", next - from, end - from, failed.len());
    }
    println!("seeds {from} to {}\n{summary}", next - 1);
    if next < end {
        println!("goes on with: make hunt ARGS=\"--from {next} --count {}\"", end - next);
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
