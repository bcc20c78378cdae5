//! Whether this server may still change what others see.
//!
//! A call that changes something is not begun without a live lease, nor when little of it is left;
//! one that is under way when the lease passes is given up. It may take effect all the same, which
//! is why a new holder looks again until such calls are over.

use std::time::Duration;

use tokio::sync::watch;

use crate::engine::time::Instant;

/// With less than this left of the lease no call is begun.
const LEAST: Duration = Duration::from_millis(200);

/// The lease, as a changing call needs it. A clone watches for itself.
#[derive(Clone, Debug)]
pub struct Guard {
    lease: watch::Receiver<Option<Instant>>,
    clock: fn() -> Instant,
}

impl Guard {
    /// Of this lease, on this clock.
    #[must_use]
    pub fn new(lease: watch::Receiver<Option<Instant>>, clock: fn() -> Instant) -> Self {
        Self { lease, clock }
    }

    /// Whether a call may begin now.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.lease.borrow().is_some_and(|until| (self.clock)() + LEAST < until)
    }

    /// Ends when the lease has passed, however often it is renewed before.
    pub async fn lapse(&self) {
        let mut lease = self.lease.clone();
        let mut seen: Option<Instant> = None;
        loop {
            let now = (self.clock)();
            // One that passed and came back is another lease: the group may have been elsewhere.
            if seen.is_some_and(|before| before <= now) {
                return;
            }
            let Some(until) = *lease.borrow_and_update() else { return };
            if until <= now {
                return;
            }
            seen = Some(until);
            tokio::select! {
                () = tokio::time::sleep(until.since(now)) => {}
                changed = lease.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::clock;

    fn now() -> Instant {
        clock::boot_time().unwrap()
    }

    #[tokio::test]
    async fn no_call_begins_without_a_lease_or_with_little_of_it_left() {
        let (sender, lease) = watch::channel(None);
        let guard = Guard::new(lease, now);
        assert!(!guard.permits());
        sender.send(Some(now() + Duration::from_secs(60))).unwrap();
        assert!(guard.permits());
        sender.send(Some(now() + LEAST / 2)).unwrap();
        assert!(!guard.permits());
    }

    #[tokio::test]
    async fn a_renewed_lease_does_not_lapse_and_one_that_is_taken_away_does() {
        let (sender, lease) = watch::channel(Some(now() + Duration::from_secs(60)));
        let guard = Guard::new(lease, now);
        let lapse = guard.lapse();
        tokio::pin!(lapse);
        assert!(futures_util::FutureExt::now_or_never(&mut lapse).is_none());
        sender.send(Some(now() + Duration::from_secs(120))).unwrap();
        assert!(futures_util::FutureExt::now_or_never(&mut lapse).is_none());
        sender.send(None).unwrap();
        lapse.await;
    }
}
