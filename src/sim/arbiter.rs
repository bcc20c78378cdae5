//! The stand-in for a lease arbiter: a record outside the cluster, (holder, term), that lasts for a
//! time unless it is renewed. Exclusive: two halves of a cut never both hold it. And for arbiters that
//! are not: something that is there or is not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clock::TrueTime;
use crate::api::names::ServerName;
use crate::engine::ids::Term;
use crate::engine::input::Verdict;

/// The record and the service that keeps it.
#[derive(Clone, Debug)]
pub struct LeaseArbiter {
    record: Option<Entry>,
    time_to_live: Duration,
    /// It does not answer.
    pub away: bool,
    /// Whoever reaches it holds it.
    shared: bool,
    /// What it consists of: one part that answers suffices.
    pub parts: usize,
    /// Parts that do not answer.
    pub parts_away: BTreeSet<usize>,
    /// Servers that it is away for.
    pub cut_off: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    holder: ServerName,
    term: Term,
    renewed: TrueTime,
}

impl LeaseArbiter {
    /// An empty record; `shared`: whoever reaches it holds it.
    #[must_use]
    pub fn new(time_to_live: Duration, shared: bool) -> Self {
        Self {
            record: None,
            time_to_live,
            away: false,
            shared,
            parts: 1,
            parts_away: BTreeSet::new(),
            cut_off: BTreeSet::new(),
        }
    }

    /// Whether it gives a server no answer.
    #[must_use]
    pub fn is_away(&self, server: usize) -> bool {
        self.away || self.cut_off.contains(&server) || self.parts_away.len() >= self.parts
    }

    /// All of it answers everybody.
    pub fn heal(&mut self) {
        self.away = false;
        self.parts_away.clear();
        self.cut_off.clear();
    }

    /// A conditional write: refused for a lower term, and while somebody else holds it. Also says
    /// how long ago another holder, from whom it is taken, last renewed it.
    pub fn ask(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        term: &Term,
    ) -> (Verdict, Option<Duration>) {
        if self.shared {
            return (Verdict::Held, None);
        }
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
