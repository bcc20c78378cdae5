//! The service manager that started the keeper: told how it stands, and that it is not stuck.

use std::os::unix::net::UnixDatagram;

use tracing::warn;

use super::processes::MILLISECOND;

/// Signs of life in the time that the manager waits for one.
const SIGNS: u64 = 3;

/// systemd, or nobody.
#[derive(Debug, Default)]
pub struct Manager {
    /// Between two signs of life, in nanoseconds; none: nobody waits for them.
    every: Option<u64>,
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
        let every = time.filter(|time| mine && *time > 0).map(|time| time * 1000 / SIGNS);
        Self { every: every.map(|every| every.max(MILLISECOND)), next: 0 }
    }

    /// Whether it ends the keeper, and all in its cgroup, when it is stuck.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.every.is_some()
    }

    /// When the next sign of life is due.
    #[must_use]
    pub fn next_feeding(&self) -> Option<u64> {
        self.every.map(|_| self.next)
    }

    /// Gives a sign of life where one is due.
    pub fn feed(&mut self, now: u64) {
        let Some(every) = self.every else { return };
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
        assert_eq!(Manager::with(Some("3000000"), Some(&own)).every, Some(1_000_000_000));
        assert_eq!(Manager::with(Some("3000000"), None).every, Some(1_000_000_000));
        for (microseconds, pid) in
            [(None, None), (Some("0"), None), (Some("soon"), None), (Some("3000000"), Some("1"))]
        {
            assert!(!Manager::with(microseconds, pid).watches(), "{microseconds:?} {pid:?}");
        }
    }
}
