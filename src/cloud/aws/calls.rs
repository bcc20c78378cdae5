//! How calls are made: one try after another until an end, all of them together slower when AWS
//! says that they are too many.
//!
//! The SDK repeats nothing. A call that changes something asks the guard before every try, and is
//! given up when the lease passes. Every call that is made here can be made twice without harm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::error::{AwsError, Cause};
use super::guard::Guard;

/// One try.
pub const ATTEMPT: Duration = Duration::from_secs(10);
/// Pauses after tries that failed: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Between two calls of all, after the first refusal for their number; doubled by each further one.
const GAP: Duration = Duration::from_millis(50);
/// Doublings at most: 3.2 s between calls.
const LEVEL_MAX: u32 = 7;

/// When the next call may be made, for all that share an account.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<Mutex<Pace>>);

impl Throttle {
    /// Waits for a turn and says when it came; none before `until`: nothing to wait for.
    async fn turn(&self, until: Instant) -> Option<Instant> {
        let at = self.pace(|pace| pace.turn(Instant::now(), until))?;
        sleep_until(at).await;
        Some(at)
    }

    fn pace<T>(&self, work: impl FnOnce(&mut Pace) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How far apart calls are.
#[derive(Debug, Default)]
struct Pace {
    level: u32,
    next: Option<Instant>,
    /// When AWS last had us go slower.
    slowed: Option<Instant>,
}

impl Pace {
    fn gap(&self) -> Duration {
        match self.level.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => GAP * 2_u32.pow(doublings),
        }
    }

    /// When a call that comes now may begin; the one after it waits its gap. One whose time is over
    /// before takes nobody's turn: else those that give up would keep all others waiting.
    fn turn(&mut self, now: Instant, until: Instant) -> Option<Instant> {
        let at = match self.level {
            0 => now,
            _ => self.next.map_or(now, |next| next.max(now)),
        };
        if at >= until {
            return None;
        }
        if self.level > 0 {
            self.next = Some(at + self.gap());
        }
        Some(at)
    }

    /// A call that began then was one too many. Calls that were under way together are refused
    /// together: that is one refusal, not one for each.
    fn slower(&mut self, began: Instant, now: Instant) {
        if self.slowed.is_some_and(|slowed| began < slowed) {
            return;
        }
        self.slowed = Some(now);
        self.level = (self.level + 1).min(LEVEL_MAX);
        let next = now + self.gap();
        self.next = Some(self.next.map_or(next, |before| before.max(next)));
    }

    /// A call that began then was answered. One from before the last refusal says nothing.
    fn faster(&mut self, began: Instant) {
        if self.slowed.is_none_or(|slowed| began >= slowed) {
            self.level = self.level.saturating_sub(1);
        }
    }
}

/// Makes a call until it has its answer, is refused for good, or the time is over.
///
/// # Errors
/// The last of them.
pub async fn call<T, F>(
    throttle: &Throttle,
    guard: Option<&Guard>,
    until: Instant,
    name: &'static str,
    attempt: impl Fn() -> F,
) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    let mut pause = PAUSE;
    loop {
        let began = throttle.turn(until).await;
        if guard.is_some_and(|guard| !guard.permits()) {
            return Err(lease_lost(name));
        }
        let Some(began) = began.filter(|_| Instant::now() < until) else {
            let detail = "it was not this call's turn before its time was over";
            return Err(AwsError::new(Cause::Throttled, name, detail));
        };
        let limit = ATTEMPT.min(until.saturating_duration_since(Instant::now()));
        let result = tokio::select! {
            result = timeout(limit, attempt()) => result.unwrap_or_else(|_| {
                let detail = format!("no answer within {} ms", limit.as_millis());
                Err(AwsError::new(Cause::NoAnswer, name, detail))
            }),
            () = lapse(guard) => return Err(lease_lost(name)),
        };
        let error = match result {
            Ok(answer) => {
                throttle.pace(|pace| pace.faster(began));
                return Ok(answer);
            }
            Err(error) => error,
        };
        if error.cause == Cause::Throttled {
            throttle.pace(|pace| pace.slower(began, Instant::now()));
        }
        if !error.may_pass() || Instant::now() + pause >= until {
            return Err(error);
        }
        tracing::debug!(%error, "tried again");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn lapse(guard: Option<&Guard>) {
    match guard {
        Some(guard) => guard.lapse().await,
        None => std::future::pending().await,
    }
}

fn lease_lost(name: &'static str) -> AwsError {
    AwsError::new(Cause::NoLease, name, "this server's lease has passed, or is about to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_refused_together_slow_all_down_by_one_step() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let end = after(60_000);
        // Sixteen calls begin at once; AWS refuses all of them.
        let began = [(); 16].map(|()| pace.turn(start, end));
        assert_eq!(began, [Some(start); 16]);
        for began in began.into_iter().flatten() {
            pace.slower(began, after(10));
        }
        // Whoever comes next comes one after the other, those that were not refused themselves too.
        let turns = [(); 4].map(|()| pace.turn(after(10), end).unwrap());
        assert_eq!(turns, [60, 110, 160, 210].map(after));
        // Refused again: twice as far apart, behind what was promised already.
        pace.slower(turns[0], after(70));
        let turns = [(); 3].map(|()| pace.turn(after(70), end).unwrap());
        assert_eq!(turns, [260, 360, 460].map(after));
        // Who would come too late takes nobody's turn.
        assert_eq!(pace.turn(after(70), after(560)), None);
        assert_eq!(pace.turn(after(70), after(561)), Some(after(560)));
        // An answer to a call from before the refusal says nothing; one from after it does.
        pace.faster(start);
        assert_eq!(pace.gap(), GAP * 2);
        pace.faster(after(260));
        assert_eq!(pace.gap(), GAP);
        pace.faster(after(360));
        assert_eq!((pace.gap(), pace.turn(after(400), end)), (Duration::ZERO, Some(after(400))));
    }

    #[test]
    fn the_pause_between_calls_has_an_end() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            pace.slower(now, now);
        }
        assert_eq!(pace.gap(), Duration::from_millis(3200));
    }
}
