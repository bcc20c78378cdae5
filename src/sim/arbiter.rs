//! The stand-in for a lease arbiter: a record outside the cluster, (holder, term), that lasts for a
//! time unless it is renewed. Exclusive: two halves of a cut never both hold it. And for arbiters that
//! are not: something that is there or is not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clock::TrueTime;
use super::hardware::{Hardware, Works};
use crate::api::names::ServerName;
use crate::engine::effect::ArbiterQuestion;
use crate::engine::ids::{Revision, Term};
use crate::engine::input::{ArbiterAnswer, Recorded, Verdict};

/// The serial line, as a part of the arbiter.
pub const LINE: usize = 0;
/// The disk, as a part of the arbiter.
pub const DISK: usize = 1;

/// The record and the service that keeps it.
#[derive(Clone, Debug)]
pub struct LeaseArbiter {
    record: Option<Entry>,
    /// How long the record belongs to who wrote it last.
    pub time_to_live: Duration,
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
    /// A disk or a line, where it is no record.
    pub hardware: Option<Hardware>,
}

#[derive(Clone, Debug)]
struct Entry {
    holder: ServerName,
    term: Term,
    revision: Revision,
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
            hardware: None,
        }
    }

    /// What works of its hardware for a server.
    fn works(&self, server: usize) -> Works {
        Works {
            line: !self.parts_away.contains(&LINE),
            disk: !self.away && !self.cut_off.contains(&server) && !self.parts_away.contains(&DISK),
        }
    }

    /// A server shows that it lives, where the arbiter has hardware to show it on.
    pub fn show(&mut self, now: TrueTime, server: usize) {
        let works = self.works(server);
        if let Some(hardware) = &mut self.hardware {
            hardware.show(now, server, works);
        }
    }

    /// Whether it gives a server no answer.
    #[must_use]
    pub fn is_away(&self, server: usize) -> bool {
        if self.hardware.is_some() {
            return false;
        }
        self.away || self.cut_off.contains(&server) || self.parts_away.len() >= self.parts
    }

    /// All of it answers everybody.
    pub fn heal(&mut self) {
        self.away = false;
        self.parts_away.clear();
        self.cut_off.clear();
    }

    /// A conditional write: refused for a lower term, and while a server outside the members holds
    /// it. Also says how long ago such a holder, from whom it is taken, last renewed it.
    pub fn ask(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        question: &ArbiterQuestion,
    ) -> ArbiterAnswer {
        let position = self.hardware.as_ref().and_then(|hardware| hardware.position(server));
        let works = position.map(|position| self.works(position));
        if let (Some(hardware), Some(works), Some(position)) = (&mut self.hardware, works, position)
        {
            return hardware.ask(now, position, question, works);
        }
        if self.shared {
            return ArbiterAnswer::new(Verdict::Held, "simulated");
        }
        let outside = |entry: &&Entry| !question.members.contains(&entry.holder);
        let other = self.record.as_ref().filter(outside);
        let taken = other.is_some_and(|entry| now - entry.renewed < self.time_to_live);
        let handover = other.map(|entry| now - entry.renewed);
        let entry = self.record.as_ref();
        let recorded =
            entry.map(|entry| Recorded { term: entry.term.clone(), revision: entry.revision });
        let outbid = entry.is_some_and(|entry| question.term < entry.term);
        let message = "simulated".into();
        if taken || outbid {
            return ArbiterAnswer { verdict: Verdict::Lost, handover: None, recorded, message };
        }
        self.record = Some(Entry {
            holder: server.clone(),
            term: question.term.clone(),
            revision: question.revision,
            renewed: now,
        });
        ArbiterAnswer { verdict: Verdict::Held, handover, recorded, message }
    }
}
