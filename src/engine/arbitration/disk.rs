//! The rule of the shared disk (CP guide 1.2.4): a slot for each server; the part with the server of
//! highest priority goes on.
//!
//! Decides whether these servers may act, by what the slots show. Every server writes its slot
//! again and again (that is how it lives); a leader writes its *claim* into it, and only then reads
//! the others'. It must never say `Held` on what was read before its own claim was written.
//!
//! Why two parts are never both told to go on: each writes its claim, then reads. Of two that did,
//! one read after the other had written, and saw that claim. It says `Held` all the same only when
//! that slot had stood still for the window, and then reports how long ago it last moved: that is
//! the age from which the engine waits. The other one, should it live, finds a claim with a higher
//! term at its next question, and is told `Lost`, because it writes and reads again each time. A
//! clock of another server is never looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::effect::ArbiterQuestion;
use super::super::ids::{Revision, Term};
use super::super::input::{ArbiterAnswer, Recorded, Verdict};
use super::super::mutation::{Flaw, flawed};
use super::super::time::Instant;
use crate::api::names::ServerName;

/// A leader's claim that its view acts as the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The view's term.
    pub term: Term,
    /// Its members.
    pub members: Vec<ServerName>,
}

/// What a server writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Who.
    pub server: ServerName,
    /// Which run of its agent: a number that no other has.
    pub run: u64,
    /// Grows with each writing.
    pub sequence: u64,
    /// What it claims.
    pub claim: Option<Claim>,
    /// How often this run has claimed: a claim that came and went between two looks shows here.
    pub claims: u64,
    /// The highest term that it ever claimed, in whatever run.
    pub highest: Option<Term>,
    /// The newest store that it knew when it claimed.
    pub revision: Revision,
}

impl Slot {
    /// A server that never claimed.
    #[must_use]
    pub fn of(server: ServerName, run: u64) -> Self {
        let (sequence, claims, revision) = (0, 0, Revision::default());
        Self { server, run, sequence, claim: None, claims, highest: None, revision }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never written.
    Empty,
    /// Not readable as a slot; the number tells one such content from another.
    Torn(u64),
    /// A slot.
    Slot(Slot),
}

/// What one server knows of the slots.
#[derive(Clone, Debug)]
pub struct Watch {
    me: ServerName,
    /// Highest priority first.
    servers: Vec<ServerName>,
    window: Duration,
    own: Slot,
    /// What this server was last told `Held` for, while its claim stands.
    held: Option<Claim>,
    tracks: BTreeMap<usize, Track>,
    flaw: Flaw,
}

/// One slot over time.
#[derive(Clone, Debug)]
struct Track {
    seen: Seen,
    /// The server that it last was known to belong to.
    server: Option<ServerName>,
    /// When it was last seen to have changed: not before it did.
    changed: Instant,
    /// When it was last seen changed with a claim in it, or seen without one after that.
    claimed: Option<Instant>,
}

impl Watch {
    /// Nothing was read yet. `servers`: highest priority first.
    #[must_use]
    pub fn new(me: ServerName, servers: Vec<ServerName>, window: Duration, run: u64) -> Self {
        let own = Slot::of(me.clone(), run);
        let (held, tracks, flaw) = (None, BTreeMap::new(), Flaw::default());
        Self { me, servers, window, own, held, tracks, flaw }
    }

    /// The same with a rule that is broken on purpose: for the simulator, which has to notice.
    #[must_use]
    pub fn flawed(mut self, flaw: Flaw) -> Self {
        self.flaw = flaw;
        self
    }

    /// The slot's next content.
    pub fn beat(&mut self) -> Slot {
        self.own.sequence += 1;
        self.own.clone()
    }

    /// The slot's next content, with a claim.
    pub fn claim(&mut self, question: &ArbiterQuestion) -> Slot {
        let term = question.term.clone();
        self.own.claims += 1;
        self.own.highest = self.own.highest.take().max(Some(term.clone()));
        self.own.revision = self.own.revision.max(question.revision);
        self.own.claim = Some(Claim { term, members: question.members.clone() });
        self.beat()
    }

    /// The slot's next content, without a claim.
    pub fn withdraw(&mut self) -> Slot {
        self.own.claim = None;
        self.held = None;
        self.beat()
    }

    /// Whether a claim of this server's stands.
    #[must_use]
    pub fn claims(&self) -> bool {
        self.own.claim.is_some()
    }

    /// Where this server writes: its own slot, or else the first free one from its position on.
    #[must_use]
    pub fn place(&self, slots: &[Seen]) -> Option<usize> {
        let mine = |seen: &Seen| matches!(seen, Seen::Slot(slot) if slot.server == self.me);
        if let Some(own) = slots.iter().position(mine) {
            return Some(own);
        }
        let known = |server: &ServerName| self.servers.contains(server);
        let free = |index: &usize| match slots.get(*index) {
            Some(Seen::Empty) => true,
            Some(Seen::Slot(slot)) => !known(&slot.server),
            Some(Seen::Torn(_)) => *index == self.position(),
            None => false,
        };
        (self.position()..slots.len()).chain(0..self.position()).find(free)
    }

    fn position(&self) -> usize {
        self.servers.iter().position(|server| *server == self.me).unwrap_or(0)
    }

    /// Takes in what was read; `now`: when the reading had ended.
    pub fn observe(&mut self, now: Instant, slots: &[Seen]) {
        let counted = !flawed!(self.flaw, DiskClaimBetweenUnseen);
        for (index, seen) in slots.iter().enumerate() {
            let known = self.tracks.get(&index);
            if *seen == Seen::Empty && known.is_none() {
                continue;
            }
            if known.is_some_and(|track| track.seen == *seen) {
                continue;
            }
            self.remember_own(seen);
            let known = self.tracks.get(&index);
            let claimed = match known {
                Some(track) if claimed_between(&track.seen, seen) && counted => Some(now),
                Some(track) => track.claimed,
                None => (self.claimed_before(seen) && counted).then_some(now),
            };
            let server = match seen {
                Seen::Slot(slot) => Some(slot.server.clone()),
                Seen::Torn(_) | Seen::Empty => known.and_then(|track| track.server.clone()),
            };
            let track = Track { seen: seen.clone(), server, changed: now, claimed };
            self.tracks.insert(index, track);
        }
    }

    /// Whether a claim ever stood in a slot that is seen for the first time. It may be one of an
    /// earlier run, whose services the keeper has kept: nobody knows when it was withdrawn.
    fn claimed_before(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Slot(slot) if flawed!(self.flaw, DiskEarlierRunUnseen) => slot.claims > 0,
            Seen::Slot(_) | Seen::Torn(_) | Seen::Empty => claimed_between(&Seen::Empty, seen),
        }
    }

    /// What an earlier run of this server claimed counts for ever.
    fn remember_own(&mut self, seen: &Seen) {
        if let Seen::Slot(slot) = seen
            && slot.server == self.me
            && !flawed!(self.flaw, DiskOwnClaimForgotten)
        {
            self.own.highest = self.own.highest.take().max(slot.highest.clone());
            self.own.revision = self.own.revision.max(slot.revision);
        }
    }

    /// Slots of other configured servers, and such that may be theirs.
    fn others(&self) -> impl Iterator<Item = (&Track, Option<&ServerName>)> {
        self.tracks.values().filter_map(|track| match &track.server {
            Some(server) if *server == self.me || !self.servers.contains(server) => None,
            server => Some((track, server.as_ref())),
        })
    }

    fn fresh(&self, now: Instant, track: &Track) -> bool {
        let early = if flawed!(self.flaw, DiskSlotDiesEarly) { 8 } else { 1 };
        let endless = flawed!(self.flaw, DiskSlotNeverDies);
        let stands = now.since(track.changed) >= self.window / early && !endless;
        track.seen != Seen::Empty && !stands
    }

    fn priority(&self, server: &ServerName) -> usize {
        self.servers.iter().position(|s| s == server).unwrap_or(usize::MAX)
    }

    /// Why these servers may not act; none: nothing stands against it.
    #[must_use]
    pub fn obstacle(&self, now: Instant, question: &ArbiterQuestion) -> Option<String> {
        let members = &question.members;
        let first = members.iter().map(|member| self.priority(member)).min();
        if let Some(own) = self.own.highest.as_ref().filter(|own| **own > question.term) {
            return Some(format!("this server claimed the higher term {own}"));
        }
        for (track, server) in self.others() {
            let name = server.map_or("a server", |server| server.as_str());
            let member = server.is_some_and(|server| members.contains(server));
            let (claim, highest) = match &track.seen {
                Seen::Slot(slot) => (slot.claim.as_ref(), slot.highest.as_ref()),
                Seen::Torn(_) | Seen::Empty => (None, None),
            };
            if let Some(highest) = highest.filter(|highest| **highest > question.term)
                && !flawed!(self.flaw, DiskHigherTermUnseen)
            {
                return Some(format!("{name} claimed the higher term {highest}"));
            }
            if member || !self.fresh(now, track) {
                continue;
            }
            let without =
                |held: &&Claim| server.is_some_and(|server| !held.members.contains(server));
            let held = self.held.as_ref().filter(without);
            // That claim was read when this term was first let go on, or it found our term and was
            // refused. In a new term nothing is known of it: it may have been let go on since.
            if claim.is_some() && held.is_some_and(|held| held.term == question.term) {
                continue;
            }
            if let Some(claim) = claim
                && !flawed!(self.flaw, DiskClaimUnseen)
            {
                return Some(format!("{name} lives and claims term {}", claim.term));
            }
            if matches!(track.seen, Seen::Torn(_)) {
                return Some(format!("the slot of {name} can't be read, and it changes"));
            }
            let higher = server.map(|server| self.priority(server)) < first;
            let votes = server.is_none_or(|server| !question.voiceless.contains(server));
            let ranked = !flawed!(self.flaw, DiskPriorityIgnored);
            if higher && votes && held.is_none() && ranked {
                return Some(format!("{name} lives and has a higher priority"));
            }
        }
        None
    }

    /// The answer of one that nothing stands against, after its claim was written and everything
    /// read again.
    pub fn held(&mut self, now: Instant, question: &ArbiterQuestion) -> ArbiterAnswer {
        let outside = |server: Option<&ServerName>| {
            server.is_none_or(|server| !question.members.contains(server))
        };
        let claimed = self
            .others()
            .filter(|(_, server)| outside(*server))
            .filter_map(|(track, _)| track.claimed)
            .max();
        let alone = question.members.len() < self.servers.len();
        self.held = self.own.claim.clone();
        ArbiterAnswer {
            verdict: Verdict::Held,
            handover: claimed.map(|claimed| now.since(claimed)),
            recorded: self.recorded(),
            message: if alone {
                "no server of higher priority lives on the disk, and none claims".to_owned()
            } else {
                "every server is with us".to_owned()
            },
        }
    }

    /// The answer where something stands against it.
    #[must_use]
    pub fn lost(&self, message: String) -> ArbiterAnswer {
        let recorded = self.recorded();
        ArbiterAnswer { verdict: Verdict::Lost, handover: None, recorded, message }
    }

    /// The highest term and the newest store that anybody ever claimed with.
    fn recorded(&self) -> Option<Recorded> {
        let others = self.others().filter_map(|(track, _)| match &track.seen {
            Seen::Slot(slot) => Some(slot),
            Seen::Torn(_) | Seen::Empty => None,
        });
        let slots: Vec<&Slot> = others.chain([&self.own]).collect();
        let term = slots.iter().filter_map(|slot| slot.highest.clone()).max()?;
        let revision = slots.iter().map(|slot| slot.revision).max()?;
        Some(Recorded { term, revision })
    }
}

/// Whether a claim stood in the slot at some time between two looks, as far as they can tell.
fn claimed_between(before: &Seen, after: &Seen) -> bool {
    match (before, after) {
        // Nobody knows what it said.
        (Seen::Torn(_), _) | (_, Seen::Torn(_)) => true,
        (Seen::Slot(before), Seen::Slot(after)) => {
            before.run != after.run
                || before.claims != after.claims
                || before.claim.is_some()
                || after.claim.is_some()
        }
        (Seen::Empty, Seen::Slot(after)) => after.highest.is_some(),
        (Seen::Slot(_), Seen::Empty) => true,
        (Seen::Empty, Seen::Empty) => false,
    }
}

#[cfg(test)]
mod tests;
