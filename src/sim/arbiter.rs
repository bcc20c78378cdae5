//! The stand-in for a lease arbiter: a record outside the cluster, (holder, term), that lasts for a
//! time unless it is renewed. Exclusive: two halves of a cut never both hold it. And for arbiters that
//! are not: something that is there or is not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clock::TrueTime;
use super::hardware::{Hardware, Works};
use super::options::ArbiterKind;
use crate::api::names::ServerName;
use crate::engine::arbitration::combined::{all, any};
use crate::engine::effect::ArbiterQuestion;
use crate::engine::ids::{Revision, Term};
use crate::engine::input::{ArbiterAnswer, Recorded, Verdict};

/// The serial line, as a part of the arbiter.
pub const LINE: usize = 0;
/// The disk, as a part of the arbiter.
pub const DISK: usize = 1;
/// What is outside and must be reached, as a part of an arbiter with a disk.
pub const TARGET: usize = 2;

/// The record and the service that keeps it.
#[derive(Clone, Debug)]
pub struct LeaseArbiter {
    record: Option<Entry>,
    /// How long the record belongs to who wrote it last.
    pub time_to_live: Duration,
    /// It does not answer.
    pub away: bool,
    /// It answers so much later.
    pub slow: Duration,
    kind: ArbiterKind,
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
    /// Nobody has asked it.
    #[must_use]
    pub fn new(time_to_live: Duration, kind: ArbiterKind) -> Self {
        Self {
            record: None,
            time_to_live,
            away: false,
            slow: Duration::ZERO,
            kind,
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
        self.slow = Duration::ZERO;
        self.parts_away.clear();
        self.cut_off.clear();
    }

    /// Asks all that it consists of, as the drivers do.
    pub fn ask(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        question: &ArbiterQuestion,
    ) -> ArbiterAnswer {
        let nobody = || ArbiterAnswer::new(Verdict::Unknown, "nobody was asked");
        match self.kind {
            ArbiterKind::Reachable | ArbiterKind::MajorityAndReachable => {
                ArbiterAnswer::new(Verdict::Held, "simulated")
            }
            ArbiterKind::Disk | ArbiterKind::Serial | ArbiterKind::SerialDisk => {
                self.ask_hardware(now, server, question)
            }
            ArbiterKind::DiskAndReachable => {
                let looked = self.look(server);
                if looked.verdict != Verdict::Held {
                    return looked;
                }
                let written = self.ask_hardware(now, server, question);
                all(vec![looked, written]).unwrap_or_else(nobody)
            }
            ArbiterKind::DiskOrReachable => {
                let looked = self.look(server);
                let written = self.ask_hardware(now, server, question);
                any(vec![looked, written]).unwrap_or_else(nobody)
            }
            ArbiterKind::DiskThenReachable => {
                let written = self.ask_hardware(now, server, question);
                match written.verdict {
                    Verdict::Unknown => self.look(server),
                    Verdict::Held | Verdict::Lost => written,
                }
            }
            ArbiterKind::Lease | ArbiterKind::Majority | ArbiterKind::Nobody => {
                self.take_record(now, server, question)
            }
        }
    }

    /// Whether a server reaches what is outside.
    fn look(&self, server: &ServerName) -> ArbiterAnswer {
        let position = self.hardware.as_ref().and_then(|hardware| hardware.position(server));
        let cut_off = position.is_some_and(|server| self.cut_off.contains(&server));
        match self.away || cut_off || self.parts_away.contains(&TARGET) {
            true => ArbiterAnswer::new(Verdict::Unknown, "it does not answer"),
            false => ArbiterAnswer::new(Verdict::Held, "it answers"),
        }
    }

    fn ask_hardware(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        question: &ArbiterQuestion,
    ) -> ArbiterAnswer {
        let position = self.hardware.as_ref().and_then(|hardware| hardware.position(server));
        let works = position.map(|position| self.works(position));
        match (&mut self.hardware, works, position) {
            (Some(hardware), Some(works), Some(position)) => {
                hardware.ask(now, position, question, works)
            }
            (_, _, _) => ArbiterAnswer::new(Verdict::Unknown, "there is none"),
        }
    }

    /// A conditional write: refused for a lower term, and while a server outside the members holds
    /// it. Also says how long ago such a holder, from whom it is taken, last renewed it.
    fn take_record(
        &mut self,
        now: TrueTime,
        server: &ServerName,
        question: &ArbiterQuestion,
    ) -> ArbiterAnswer {
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
