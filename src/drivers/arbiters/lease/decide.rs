//! What a record means for the server that asks: pure, and the heart of the arbiter's promise.
//!
//! The promise: of servers that may not be able to talk to each other, at most one is told `Held`
//! at a time, and who takes the lease from another learns how long ago that one renewed it. It
//! rests on the store's conditional writes and on the asker's own clock. The dates of the store and
//! of the holder are read by people only.
//!
//! 1. A record of a higher term refuses every lower one, for ever.
//! 2. Who has held the lease in a term renews only the record of that very (holder, term). It never
//!    takes the lease again in that term, not even where the record is gone (A4).
//! 3. A record of one of the members is taken over at once: each member has promised the new term,
//!    which ended what it led.
//! 4. Any other holder's record must stand unchanged for its TTL, counted from when this server
//!    first saw it.
//! 5. Where there is no record, somebody may have deleted that of a living holder; and absence has
//!    no nonce by which two looks could be told from one. So a claim is written first, which nobody
//!    holds, and rule 4 goes for that. Only where no server is missing is the lease taken at once.

use std::time::Duration;

use super::record::Record;
use crate::api::names::ServerName;
use crate::engine::ids::Term;
use crate::engine::input::Verdict;
use crate::engine::time::Instant;

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub struct Asker<'a> {
    /// Id of the cluster.
    pub cluster: &'a str,
    /// This server.
    pub server: &'a ServerName,
    /// The servers of the view.
    pub members: &'a [ServerName],
    /// Whether no configured server is missing among them.
    pub whole: bool,
    /// The term that every member has promised.
    pub term: &'a Term,
    /// How long a record must stand unchanged.
    pub ttl: Duration,
}

/// What this agent has seen and done so far; the record alone does not tell it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The nonce that stands in the store, and since when, on our own clock, we know it there.
    seen: Option<(String, Instant)>,
    /// The latest time at which a server outside our members may have renewed its lease.
    other: Option<Instant>,
    /// The highest term in which this agent was told `Held`.
    held: Option<Term>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Take or renew the lease, on condition that what was read still stands.
    Write,
    /// Write a claim, on condition that there still is no record.
    Claim,
    /// Answer that.
    Answer(Verdict, String),
    /// Somebody else holds it, and may be taken from after that time.
    Wait(Duration, String),
}

impl Memory {
    /// What the record that was received at `now` means.
    pub fn decide(&mut self, asker: &Asker, record: Option<&Record>, now: Instant) -> Decision {
        if let Some(record) = record.filter(|record| record.cluster != asker.cluster) {
            return Decision::Answer(Verdict::Unknown, foreign(asker, record));
        }
        let own_term = self.held.as_ref() == Some(asker.term);
        if self.held.as_ref().is_some_and(|held| held > asker.term) {
            let message = format!("the term {} is over for this server", asker.term);
            return Decision::Answer(Verdict::Lost, message);
        }
        let Some(record) = record else {
            return if own_term {
                let message = "the record was deleted; the next view makes it anew";
                Decision::Answer(Verdict::Lost, message.to_owned())
            } else if asker.whole {
                Decision::Write
            } else {
                Decision::Claim
            };
        };
        let since = self.note(record, now);
        let ours = record.holder == *asker.server;
        if record.term > *asker.term || own_term && !(ours && record.term == *asker.term) {
            return Decision::Answer(Verdict::Lost, taken(record));
        }
        if asker.whole || asker.members.contains(&record.holder) && !record.claim {
            return Decision::Write;
        }
        let ttl = asker.ttl.max(Duration::from_millis(record.ttl_milliseconds));
        let left = ttl.saturating_sub(now.since(since));
        if left.is_zero() {
            self.other = self.other.max(Some(since));
            return Decision::Write;
        }
        let message = format!(
            "{}; it may be taken when it has stood unchanged for {}",
            taken(record),
            seconds(ttl)
        );
        Decision::Wait(left, message)
    }

    /// Since when this record is known to stand.
    fn note(&mut self, record: &Record, now: Instant) -> Instant {
        match &self.seen {
            Some((nonce, since)) if *nonce == record.nonce => *since,
            Some(_) | None => {
                self.seen = Some((record.nonce.clone(), now));
                now
            }
        }
    }

    /// A write of ours stands in the store.
    pub fn wrote(&mut self, record: &Record, now: Instant) {
        self.note(record, now);
        self.held = self.held.take().max(Some(record.term.clone()));
    }

    /// Whether this agent was told `Held` in this term.
    #[must_use]
    pub fn holds(&self, term: &Term) -> bool {
        self.held.as_ref() == Some(term)
    }

    /// How long ago at least a server outside the members last renewed a lease that we have now.
    ///
    /// Kept for the agent's life, for the answer to the taking itself may be lost: who asks again
    /// finds its own record, and must wait for the former holder all the same.
    #[must_use]
    pub fn handover(&self, now: Instant) -> Option<Duration> {
        self.other.map(|other| now.since(other))
    }
}

fn foreign(asker: &Asker, record: &Record) -> String {
    format!(
        "the record belongs to cluster {}, and this is cluster {}: two clusters share one key; \
         give each its own",
        record.cluster, asker.cluster
    )
}

fn taken(record: &Record) -> String {
    if record.claim {
        let (holder, term) = (&record.holder, &record.term);
        return format!("there was no record, and {holder} claims the lease in term {term}");
    }
    format!("{} holds the lease in term {}", record.holder, record.term)
}

/// For people: to a tenth of a second.
pub(super) fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    match tenths % 10 {
        0 => format!("{}s", tenths / 10),
        rest => format!("{}.{rest}s", tenths / 10),
    }
}

#[cfg(test)]
mod tests;
