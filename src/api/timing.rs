//! The one knob and all that is derived from it (design.md 3.5).
//!
//! Everything that needs a protocol time asks [`Timing`]; nobody multiplies a time-out on its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shortest heartbeat time-out: below it the scheduler's own jitter looks like a dead server.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(500);
/// Longest heartbeat time-out.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// What `Cluster.spec.heartbeat.timeout` is when nothing is written.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// The keeper's kill time: how long after the lease's end its services may still live.
pub const KEEPER_KILL: Duration = Duration::from_millis(150);

/// `selfFence` with a watchdog device of this time-out: one time-out from the last look at the lease
/// until the device bites, and that look may itself be one time-out late.
#[must_use]
pub fn watchdog_self_fence(lease: Duration, seconds: u32) -> Duration {
    lease + 2 * Duration::from_secs(seconds.into())
}

/// `selfFence` where only the service manager is left, which ends what is silent for so long: the
/// keeper may stand still from the very end of its lease, and would have ended its services then.
#[must_use]
pub fn unit_self_fence(lease: Duration, within: Duration) -> Duration {
    lease + within + KEEPER_KILL
}

/// All protocol times of a cluster, derived from the heartbeat time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Silence after which a server is taken for lost.
    pub timeout: Duration,
    /// Between two heartbeats, two renewals.
    pub interval: Duration,
    /// How long a holder may act after the send time that its last answered message carried.
    pub lease: Duration,
    /// When at the latest its services have ended, counted as the lease is.
    pub self_fence: Duration,
}

impl Timing {
    /// Derives every time from the heartbeat time-out and the arbiter's budget (zero for majority).
    #[must_use]
    pub fn derive(timeout: Duration, arbiter_budget: Duration) -> Self {
        let interval = timeout / 10;
        let lease = timeout + 2 * interval + arbiter_budget;
        Self { timeout, interval, lease, self_fence: lease + KEEPER_KILL }
    }

    /// How long after the last support an absent server may still hold what it held, given the
    /// largest `selfFence` any absent server advertised.
    #[must_use]
    pub fn takeover_wait(&self, self_fence_max: Duration) -> Duration {
        // 1 % covers the drift of both clocks, one interval their granularity.
        self_fence_max + self_fence_max / 100 + self.interval
    }

    /// [`Self::takeover_wait`] where every server advertises what this one derives.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.takeover_wait(self.self_fence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_gives_the_times_of_the_design() {
        let timing = Timing::derive(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(timing.interval, Duration::from_millis(100));
        assert_eq!(timing.lease, Duration::from_millis(1200));
        assert_eq!(timing.self_fence, Duration::from_millis(1350));
        assert_eq!(timing.wait(), Duration::from_micros(1_463_500));
    }
}
