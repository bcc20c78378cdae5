//! Whose turn it is to propose a view where nobody leads, and what keeps proposers apart.
//!
//! Nothing here is random. Servers take turns by their order; whoever promised another gives that
//! one time; and whoever is outbid again and again waits longer each time, the longer the further
//! back it stands: two that raise their terms against each other would do so for ever.

use std::collections::BTreeMap;

use super::Engine;
use crate::api::names::ServerName;
use crate::engine::ids::BootId;
use crate::engine::message::DiskHealth;
use crate::engine::mutation::flawed;
use crate::engine::time::Instant;

/// Time-outs without a leader after which each further server proposes in its turn: longer than a
/// view change takes that does come to something.
const CANDIDATE_TIMEOUTS: u32 = 3;
/// Proposals in a row that were outbid, from which on the wait gets no longer: with an interval
/// between neighbours for each, the slowest disk has promised by then.
const OUTBID_MAX: u32 = 10;

/// What is known of this server's own proposals.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidacy {
    /// Since when this server neither leads nor follows anybody.
    pub leaderless: Option<Instant>,
    /// It proposes nothing before.
    from: Instant,
    /// Its proposals in a row that others have outbid.
    outbid: u32,
    /// When it last promised another's term.
    promised: Option<Instant>,
}

impl Candidacy {
    /// It leads or follows somebody: what was before counts no more.
    pub fn settle(&mut self) {
        self.outbid = 0;
    }
}

impl Engine {
    /// Who proposes where nobody leads, in their order.
    pub(super) fn candidates(
        &self,
        of: &BTreeMap<ServerName, BootId>,
    ) -> impl Iterator<Item = &ServerName> {
        let can = |name: &&ServerName| {
            of.contains_key(*name)
                && self.liveness.disk(name) != DiskHealth::New
                && !self.resigns(name)
        };
        self.model.cluster.servers.iter().filter(can)
    }

    /// How many are to propose before this server; none: it is no candidate. One that waits for its
    /// pause to begin leads nobody where another can: without a leader it would wait for ever.
    fn rank(&self, of: &BTreeMap<ServerName, BootId>) -> Option<u32> {
        let rank = self.candidates(of).position(|name| name == self.me());
        let last = || self.pause_waits().then(|| self.candidates(of).count());
        rank.or_else(last).and_then(|rank| u32::try_from(rank).ok())
    }

    /// Whether it is before all others that this server is to propose.
    pub(super) fn is_first_candidate(&self, of: &BTreeMap<ServerName, BootId>) -> bool {
        self.rank(of) == Some(0)
    }

    /// The first proposes at once. The others do so in their turn where that comes to nothing:
    /// servers need not agree on who is first, and each would wait for another for ever.
    pub(super) fn is_candidate(&self, of: &BTreeMap<ServerName, BootId>, since: Instant) -> bool {
        let patience = self.timing().timeout * CANDIDATE_TIMEOUTS;
        self.rank(of).is_some_and(|rank| self.now.instant.since(since) >= patience * rank)
    }

    /// Whether it proposes nothing yet, whoever's turn it is.
    pub(super) fn holds_back(&self) -> bool {
        self.now.instant < self.candidacy.from || self.gives_time()
    }

    /// Whoever has this server's promise may come to something yet.
    fn gives_time(&self) -> bool {
        let proposer = &self.promised.proposer;
        let installed = self.view.as_ref().is_some_and(|view| view.term == self.promised);
        let lives = proposer != self.me() && self.liveness.alive(proposer);
        let timeout = self.timing().timeout;
        let lately = self.candidacy.promised.is_some_and(|at| self.now.instant.since(at) < timeout);
        let gives = !flawed!(self.flaw, NoTimeGiven);
        self.leadership.is_none() && !installed && lives && lately && gives
    }

    /// This server has promised another's term.
    pub(super) fn note_own_promise(&mut self) {
        self.candidacy.promised = Some(self.now.instant);
    }

    /// The disk refused this server's proposal.
    pub(super) fn propose_later(&mut self) {
        self.candidacy.from = self.now.instant + self.timing().interval;
    }

    /// Another has outbid this server's proposal. Its next one follows at once the first time.
    pub(super) fn propose_higher(&mut self) {
        let servers = &self.model.cluster.servers;
        let place = servers.iter().position(|name| name == self.me()).unwrap_or(servers.len());
        let wait = self.timing().interval * u32::try_from(place).unwrap_or(u32::MAX);
        let outbid = if flawed!(self.flaw, OutbidAtOnce) { 0 } else { self.candidacy.outbid };
        let wait = wait.saturating_mul(outbid);
        self.candidacy.outbid = (self.candidacy.outbid + 1).min(OUTBID_MAX);
        self.proposal = None;
        self.candidacy.from = self.now.instant + wait;
        let members = self.live_members();
        if wait.is_zero() && self.could_be_held(&members) {
            self.propose(members);
        }
    }
}
