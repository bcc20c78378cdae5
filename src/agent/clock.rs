//! The clocks of the real world.
//!
//! Decisions use boot time: it counts through suspension and no administrator can set it. The wall
//! clock is only shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::engine::time::{Instant, Now, WallTime};

/// A clock that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the clock CLOCK_BOOTTIME; the agent needs Linux 2.6.39 or newer")]
pub struct ClockError(#[from] nix::Error);

/// Reads boot time.
///
/// # Errors
/// Where the kernel has no such clock.
pub fn boot_time() -> Result<Instant, ClockError> {
    let time: Duration = clock_gettime(ClockId::CLOCK_BOOTTIME)?.into();
    Ok(Instant(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}

/// Reads the wall clock; a time before 1970 counts as 1970.
#[must_use]
pub fn wall_time() -> WallTime {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Reads both.
///
/// # Errors
/// As [`boot_time`].
pub fn now() -> Result<Now, ClockError> {
    Ok(Now { instant: boot_time()?, wall: wall_time() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_never_goes_back() -> Result<(), ClockError> {
        let first = boot_time()?;
        assert!(boot_time()? >= first);
        assert!(first.0 > 0);
        Ok(())
    }

    #[test]
    fn the_wall_clock_is_past_2020() {
        assert!(wall_time().0 > 1_577_836_800_000);
    }
}
