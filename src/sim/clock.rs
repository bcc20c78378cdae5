//! The clocks of one machine against the true time of the simulation.
//!
//! The boot clock drifts within the margin of design.md 3.5, starts anew with each boot of the
//! machine and runs on through a freeze; the wall clock may be hours off and may be stepped.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use crate::engine::time::{Instant, Now, WallTime};

/// Nanoseconds of the simulation: what an observer outside all machines would read.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrueTime(pub u64);

impl Add<Duration> for TrueTime {
    type Output = TrueTime;

    fn add(self, duration: Duration) -> TrueTime {
        TrueTime(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<TrueTime> for TrueTime {
    type Output = Duration;

    fn sub(self, earlier: TrueTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for TrueTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:3}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1000)
    }
}

impl fmt::Debug for TrueTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 2026-01-01T00:00:00Z, the wall time at which every simulation begins.
const EPOCH_MILLISECONDS: i64 = 1_767_225_600_000;
const MILLION: u64 = 1_000_000;

/// Both clocks of one machine.
#[derive(Clone, Debug)]
pub struct Clock {
    /// When the machine booted.
    booted: TrueTime,
    /// What the boot clock read then.
    offset: Instant,
    /// How fast it runs: parts per million of a right clock.
    rate: u64,
    /// How far the wall clock is off, in milliseconds.
    pub wall_offset: i64,
}

impl Clock {
    /// A clock that reads `offset` at `booted` and is `drift` parts per million fast.
    #[must_use]
    pub fn new(booted: TrueTime, offset: Instant, drift: i64, wall_offset: i64) -> Self {
        let rate = MILLION.saturating_add_signed(drift).max(1);
        Self { booted, offset, rate, wall_offset }
    }

    /// How it drifts, in parts per million.
    #[must_use]
    pub fn drift(&self) -> i64 {
        i64::try_from(self.rate).unwrap_or(0) - MILLION as i64
    }

    /// What the boot clock reads.
    #[must_use]
    pub fn instant(&self, at: TrueTime) -> Instant {
        let elapsed = at.0.saturating_sub(self.booted.0);
        let (whole, rest) = (elapsed / MILLION, elapsed % MILLION);
        let shown = whole.saturating_mul(self.rate).saturating_add(rest * self.rate / MILLION);
        Instant(self.offset.0.saturating_add(shown))
    }

    /// When the boot clock first reads `instant` or more.
    #[must_use]
    pub fn when(&self, instant: Instant) -> TrueTime {
        let shown = instant.0.saturating_sub(self.offset.0);
        let (whole, rest) = (shown / self.rate, shown % self.rate);
        let elapsed =
            whole.saturating_mul(MILLION).saturating_add((rest * MILLION).div_ceil(self.rate));
        TrueTime(self.booted.0.saturating_add(elapsed))
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self, at: TrueTime) -> Now {
        let milliseconds = i64::try_from(at.0 / MILLION).unwrap_or(i64::MAX / 2);
        let wall = WallTime(EPOCH_MILLISECONDS + milliseconds + self.wall_offset);
        Now { instant: self.instant(at), wall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_inverse_of_instant() {
        for drift in [-3000, 0, 3000] {
            let clock = Clock::new(TrueTime(5_000), Instant(77_000_000_000), drift, 0);
            for at in [5_000, 1_234_567_891, 99_999_999_999] {
                let instant = clock.instant(TrueTime(at));
                let back = clock.when(instant);
                assert!(clock.instant(back) >= instant, "{drift} {at}");
                assert!(back.0 <= at, "{drift} {at}: {back:?}");
                assert!(at - back.0 <= 2, "{drift} {at}: {back:?}");
            }
        }
    }
}
