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

#[derive(Debug, Default)]
struct Pace {
    level: u32,
    next: Option<Instant>,
}

impl Throttle {
    /// Waits for a turn.
    async fn turn(&self) {
        let at = {
            let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if pace.level == 0 {
                return;
            }
            let at = pace.next.unwrap_or_else(Instant::now).max(Instant::now());
            pace.next = Some(at + GAP * 2_u32.pow(pace.level - 1));
            at
        };
        sleep_until(at).await;
    }

    fn slower(&self) {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pace.level = (pace.level + 1).min(LEVEL_MAX);
        let gap = GAP * 2_u32.pow(pace.level - 1);
        pace.next = Some(pace.next.unwrap_or_else(Instant::now).max(Instant::now() + gap));
    }

    fn faster(&self) {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pace.level = pace.level.saturating_sub(1);
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
        throttle.turn().await;
        if guard.is_some_and(|guard| !guard.permits()) {
            return Err(lease_lost(name));
        }
        if Instant::now() >= until {
            let detail = "it was not this call's turn before its time was over";
            return Err(AwsError::new(Cause::Throttled, name, detail));
        }
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
                throttle.faster();
                return Ok(answer);
            }
            Err(error) => error,
        };
        if error.cause == Cause::Throttled {
            throttle.slower();
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
