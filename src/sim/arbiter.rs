//! The stand-in for a lease arbiter: a record outside the cluster, (holder, term), that lasts for a
//! time unless it is renewed. Exclusive: two halves of a cut never both hold it.

use std::time::Duration;

use super::clock::TrueTime;
use crate::api::names::ServerName;
use crate::engine::ids::Term;
use crate::engine::input::Verdict;

/// The record and the service that keeps it.
#[derive(Debug)]
pub struct LeaseArbiter {
    record: Option<Entry>,
    time_to_live: Duration,
    /// It does not answer.
    pub away: bool,
}

#[derive(Debug)]
struct Entry {
    holder: ServerName,
    term: Term,
    renewed: TrueTime,
}

impl LeaseArbiter {
    /// An empty record.
    #[must_use]
    pub fn new(time_to_live: Duration) -> Self {
        Self { record: None, time_to_live, away: false }
    }

    /// A conditional write: refused for a lower term, and while somebody else holds it. Also says
    /// how long ago another holder, from whom it is taken, last renewed it.
    pub fn ask(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        term: &Term,
    ) -> (Verdict, Option<Duration>) {
        let free = self.record.as_ref().is_none_or(|entry| {
            let expired = now - entry.renewed >= self.time_to_live;
            *term >= entry.term && (entry.holder == *server || expired)
        });
        if !free {
            return (Verdict::Lost, None);
        }
        let other = self.record.as_ref().filter(|entry| entry.holder != *server);
        let handover = other.map(|entry| now - entry.renewed);
        self.record = Some(Entry { holder: server.clone(), term: term.clone(), renewed: now });
        (Verdict::Held, handover)
    }
}
