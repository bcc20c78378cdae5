//! A proposal under way: from the pre-vote to the arbiter's answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::ids::{ActionId, BootId, Revision, Term};
use super::super::message::Promise;
use super::super::time::Instant;
use crate::api::names::ServerName;

/// A candidate asks whether anybody would stay with a live leader.
#[derive(Clone, Debug)]
pub struct PreVoteRound {
    /// Its number.
    pub round: u64,
    /// When it was asked; after an interval it is asked again.
    pub asked: Instant,
    /// When they were first asked.
    pub begun: Instant,
    /// Who is asked, with the runs of their agents.
    pub members: BTreeMap<ServerName, BootId>,
    /// Who said that it would follow.
    pub granted: BTreeSet<ServerName>,
}

/// A proposal that this server made.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its term.
    pub term: Term,
    /// Its members, the proposer included, with the runs of their agents.
    pub members: BTreeMap<ServerName, BootId>,
    /// Members of the last view that it does without though they are not lost yet.
    pub without: Vec<ServerName>,
    /// When it was begun.
    pub begun: Instant,
    /// Whether the term is on disk; nothing is sent before.
    pub persisted: bool,
    /// When it was first sent: the basis of the authority that promises give (A2).
    pub first_sent: Option<Instant>,
    /// When it was last sent.
    pub last_sent: Option<Instant>,
    /// Promises, with the time they came.
    pub promises: BTreeMap<ServerName, (Instant, Promise)>,
    /// The arbiter, asked after the last promise.
    pub arbiter: ArbiterStep,
    /// The newest store is being fetched from this member, who was last asked then.
    pub fetching: Option<(ServerName, Instant)>,
}

/// Where the arbiter's answer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArbiterStep {
    /// Not asked: promises are missing.
    NotAsked,
    /// Asked then.
    Asked(ActionId, Instant),
    /// It did not say `Held`; asked again after an interval.
    Refused(Instant),
    /// Held.
    Held {
        /// When it was asked; none: it gave no answer, and every configured server has promised, so
        /// that there is nobody else who could be told to go on.
        asked: Option<Instant>,
        /// A lease's hand-over.
        handover: Option<Duration>,
        /// The store's revision that its record names.
        recorded: Option<Revision>,
    },
}

impl Proposal {
    /// Members other than the proposer that have not promised.
    pub fn missing<'a>(&'a self, me: &'a ServerName) -> impl Iterator<Item = &'a ServerName> {
        self.members.keys().filter(move |name| *name != me && !self.promises.contains_key(*name))
    }

    /// Whether every other member has promised.
    #[must_use]
    pub fn complete(&self, me: &ServerName) -> bool {
        self.persisted && self.missing(me).next().is_none()
    }
}
