//! The service manager that started the keeper: told how it stands, and that it is not stuck.

use std::os::unix::net::UnixDatagram;

use tracing::warn;

use super::processes::MILLISECOND;

/// Signs of life in the time that the manager waits for one.
const SIGNS: u64 = 3;
/// A manager that waits for less would end a keeper that a busy machine holds up.
const WAIT_MIN: u64 = 1000 * MILLISECOND;

/// systemd, or nobody.
#[derive(Debug, Default)]
pub struct Manager {
    /// How long the unit has it wait, in nanoseconds; none: nobody waits for signs of life.
    unit: Option<u64>,
    /// How long it waits now.
    wait: Option<u64>,
    next: u64,
}

impl Manager {
    /// What the environment says.
    #[must_use]
    pub fn find() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self::with(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref())
    }

    fn with(microseconds: Option<&str>, pid: Option<&str>) -> Self {
        let mine = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let time: Option<u64> = microseconds.and_then(|text| text.parse().ok());
        let unit = time.filter(|time| mine && *time > 0).map(|time| time.saturating_mul(1000));
        Self { unit, wait: unit, next: 0 }
    }

    /// How long after its last sign of life it ends the keeper, and all in its cgroup; none: never.
    #[must_use]
    pub fn acts_within(&self) -> Option<u64> {
        self.unit
    }

    /// Has it wait no longer than a lease lasts, as far as the unit's own time is longer.
    pub fn follow(&mut self, until: Option<u64>, now: u64) {
        let (Some(unit), Some(wait), Some(until)) = (self.unit, self.wait, until) else { return };
        let wanted = until.saturating_sub(now).max(WAIT_MIN).min(unit);
        // A lease that came late is no shorter one.
        if wanted > wait || wanted < wait / 4 * 3 {
            self.wait = Some(wanted);
            self.next = 0;
            self.tell(&format!("WATCHDOG_USEC={}", wanted / 1000));
        }
    }

    fn every(&self) -> Option<u64> {
        self.wait.map(|wait| (wait / SIGNS).max(MILLISECOND))
    }

    /// When the next sign of life is due.
    #[must_use]
    pub fn next_feeding(&self) -> Option<u64> {
        self.wait.map(|_| self.next)
    }

    /// Gives a sign of life where one is due.
    pub fn feed(&mut self, now: u64) {
        let Some(every) = self.every() else { return };
        if self.next <= now {
            self.next = now.saturating_add(every);
            self.tell("WATCHDOG=1");
        }
    }

    /// Says how the keeper stands.
    pub fn tell(&self, state: &str) {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
        let told = UnixDatagram::unbound().and_then(|socket| {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::ffi::OsStrExt;
            match path.as_bytes().strip_prefix(b"@") {
                Some(name) => {
                    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                    socket.send_to_addr(state.as_bytes(), &address)
                }
                None => socket.send_to(state.as_bytes(), &path),
            }
        });
        if let Err(error) = told {
            warn!(%error, "failed to tell systemd how the keeper stands");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manager_that_waits_for_this_process_is_fed() {
        let own = std::process::id().to_string();
        assert_eq!(Manager::with(Some("3000000"), Some(&own)).every(), Some(1_000_000_000));
        assert_eq!(Manager::with(Some("3000000"), None).every(), Some(1_000_000_000));
        for (microseconds, pid) in
            [(None, None), (Some("0"), None), (Some("soon"), None), (Some("3000000"), Some("1"))]
        {
            let manager = Manager::with(microseconds, pid);
            assert_eq!(manager.acts_within(), None, "{microseconds:?} {pid:?}");
        }
    }

    #[test]
    fn the_unit_waits_as_long_as_a_lease_lasts_and_never_longer_than_it_says() {
        let mut manager = Manager::with(Some("3000000"), None);
        let mut wait = |milliseconds: Option<u64>| {
            manager.follow(milliseconds.map(|time| (time + 7) * MILLISECOND), 7 * MILLISECOND);
            manager.wait.unwrap_or_default() / MILLISECOND
        };
        assert_eq!(wait(None), 3000);
        assert_eq!(wait(Some(1200)), 1200);
        // Late ones, and none.
        assert_eq!(wait(Some(950)), 1200);
        assert_eq!(wait(None), 1200);
        assert_eq!(wait(Some(600)), 1200);
        assert_eq!(wait(Some(36_000)), 3000);
        assert_eq!(wait(Some(600)), 1000);
    }
}
