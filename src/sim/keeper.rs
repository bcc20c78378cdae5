//! The keeper of a server as the cluster sees it: it holds the deadline of the lease and ends every
//! service when that passes or when its agent is gone for good.

use crate::engine::ids::BootId;
use crate::engine::time::Instant;

/// One keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeper {
    /// Until when services may live; none: they may not.
    pub lease: Option<Instant>,
    /// It is ending every service.
    pub killing: bool,
    /// It ends them because the lease has passed: its agent is told.
    pub passed: bool,
    /// Runs of agents that died unexpectedly: told to all peers once every service has ended.
    pub farewells: Vec<BootId>,
    /// What agents had it remember.
    pub memory: Option<String>,
    /// It does not run.
    pub down: bool,
    /// The agent that runs has been told that it does: only then the two are connected.
    pub connected: bool,
}

impl Keeper {
    /// Whether what the agent asks for reaches it.
    #[must_use]
    pub fn hears(&self) -> bool {
        !self.down && self.connected
    }

    /// Whether a service may be started now.
    #[must_use]
    pub fn permits(&self, now: Instant) -> bool {
        self.hears() && !self.killing && self.lease.is_some_and(|until| now < until)
    }

    /// Whether the deadline has come.
    #[must_use]
    pub fn expired(&self, now: Instant) -> bool {
        self.lease.is_some_and(|until| now >= until)
    }
}
