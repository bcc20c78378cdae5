//! The view a server follows and the lease it holds in it.

use std::time::Duration;

use super::super::ids::{BootId, Term};
use super::super::message::ViewId;
use super::super::time::Instant;
use crate::api::names::ServerName;

/// An installed view, as a member knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its term.
    pub term: Term,
    /// Its leader.
    pub leader: ServerName,
    /// The run of the leader's agent that installed it.
    pub leader_boot: BootId,
    /// Its members, the leader included.
    pub members: Vec<ServerName>,
    /// Whether start-up synchronisation is over.
    pub started: bool,
}

impl View {
    /// The view by term and leader.
    #[must_use]
    pub fn id(&self) -> ViewId {
        ViewId { term: self.term.clone(), leader: self.leader.clone() }
    }
}

/// When this server's right to act began and how long it lasts. It runs from the server's own
/// send time, as the renewal echoes it, never from receipt (A2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    basis: Option<Instant>,
}

impl Lease {
    /// Extends the lease; an older basis changes nothing. Says whether it was extended.
    pub fn extend(&mut self, basis: Instant) -> bool {
        let longer = self.basis.is_none_or(|present| basis > present);
        if longer {
            self.basis = Some(basis);
        }
        longer
    }

    /// It is over.
    pub fn end(&mut self) {
        self.basis = None;
    }

    /// When it ends.
    #[must_use]
    pub fn until(&self, lease: Duration) -> Option<Instant> {
        self.basis.map(|basis| basis + lease)
    }

    /// Whether it is live.
    #[must_use]
    pub fn live(&self, now: Instant, lease: Duration) -> bool {
        self.until(lease).is_some_and(|until| now < until)
    }
}
