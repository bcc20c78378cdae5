//! From "nobody leads" or "the members changed" to promises (design.md 3.1).

use std::collections::{BTreeMap, BTreeSet};

use super::{AfterPersist, Engine};
use crate::api::names::ServerName;
use crate::api::timing::Timing;
use crate::engine::effect::Record;
use crate::engine::ids::{BootId, Revision, Term};
use crate::engine::membership::proposal::{ArbiterStep, PreVoteRound, Proposal};
use crate::engine::message::{
    DiskHealth, GroupPhase, Message, Nack, PreVote, PreVoteReply, Promise, Propose,
};
use crate::engine::model::Arbiter;
use crate::engine::mutation::flawed;

/// Terms left out for each disk that was replaced: more than a server uses that is cut off from all
/// others. Who admits it may know none that came of one lost before, so they add up.
const TERMS_OF_LOST_DISK: u64 = 1000;

impl Engine {
    /// The leader that this server follows and hears, or itself while it may act.
    ///
    /// A member stays with it (A14). What counts is that the leader is *heard*, not that the lease
    /// is live: the lease outlasts the time-out so that a view change fits into it, and a member
    /// that promised nobody until its lease ended would lose its groups at every change of leader.
    pub(super) fn live_leader(&self) -> Option<&ServerName> {
        let view = self.view.as_ref()?;
        if view.leader == *self.me() {
            return self.leading().then_some(&view.leader);
        }
        let fresh = self
            .renewed
            .is_some_and(|renewed| self.now.instant.since(renewed) < self.timing().timeout);
        let leader = self.liveness.peer(&view.leader)?;
        let same_run = leader.boot.is_some_and(|boot| boot == view.leader_boot);
        // It follows another now, and renews nobody any more.
        let promised = leader.promised.as_ref();
        let left = promised.is_some_and(|it| *it > view.term && it.proposer != view.leader);
        (fresh && same_run && !left && self.liveness.alive(&view.leader)).then_some(&view.leader)
    }

    /// The same, without one that asks to be left: whoever can't write can't lead for long, nor can
    /// one that is about to stand still.
    pub(super) fn leader_to_stay_with(&self) -> Option<&ServerName> {
        self.live_leader().filter(|leader| !self.liveness.leaves(leader) && !self.resigns(leader))
    }

    /// Whether a change of the view is under way here, or a member is missed.
    #[must_use]
    pub fn view_changes(&self) -> bool {
        let missed = |name: &ServerName| !self.liveness.alive(name);
        let missing = self.view.as_ref().is_none_or(|view| view.members.iter().any(missed));
        missing || self.proposal.is_some() || self.pre_vote.is_some()
    }

    /// Whether this server takes part at all. One that starts first meets its keeper and finds out
    /// what runs: otherwise it would report as held whatever it has not looked at yet.
    fn takes_part(&self) -> bool {
        self.may_promise() && !self.is_stranger(self.me())
    }

    /// Whether it may be a member of a view that another proposes. A server that has forgotten
    /// what it promised may: whoever proposes it knows that, or was told by a person not to mind.
    fn may_promise(&self) -> bool {
        let proven = !self.must_rejoin || self.keeper.is_some() && self.groups.proven();
        let leaves = self.disk.health == DiskHealth::Leaving;
        let ends = self.out_of_service || self.ends_at.is_some();
        proven && !self.retired && !ends && !leaves
    }

    pub(super) fn consider_view(&mut self) {
        if !self.takes_part() {
            return;
        }
        if self.proposal.is_some() {
            self.drive_proposal();
            return;
        }
        if self.holds_back() {
            return;
        }
        if self.leadership.is_some() && !self.lease_live() {
            self.drop_leadership();
        }
        if self.leadership.is_some() || self.leader_to_stay_with().is_some() {
            self.candidacy.leaderless = None;
        }
        if let Some(leadership) = &self.leadership {
            let present = &leadership.lead.members;
            if self.lease_live() && self.view_is_outdated(present) {
                self.propose(self.live_members());
            }
            return;
        }
        if self.leader_to_stay_with().is_some() {
            self.pre_vote = None;
            return;
        }
        let members = self.live_members();
        let since = *self.candidacy.leaderless.get_or_insert(self.now.instant);
        if self.looks_around(&members) {
            self.pre_vote = None;
        } else if self.is_candidate(&members, since) && self.could_be_held(&members) {
            self.pre_vote_for(members);
        } else {
            self.pre_vote = None;
        }
    }

    /// Whether it is too early to say who is missing: this server has just started, or the agent of
    /// another has.
    fn looks_around(&self, members: &BTreeMap<ServerName, BootId>) -> bool {
        let servers = &self.model.cluster.servers;
        // Once in a view it knows whom it was with; but a leader that renewed us a moment ago lives
        // even if its first heartbeats in both directions are still to come.
        let now = self.now.instant;
        let just_renewed =
            self.renewed.is_some_and(|renewed| now.since(renewed) < self.timing().interval * 3);
        let leader_ended = self.view.as_ref().is_some_and(|view| {
            let leader = self.liveness.peer(&view.leader);
            leader.is_some_and(|leader| leader.ended == Some(view.leader_boot))
        });
        let started = (self.view.is_none() || just_renewed && !leader_ended)
            && now.since(self.boot) < self.timing().timeout;
        let missing = members.len() < servers.len();
        missing && (started || servers.iter().any(|name| self.liveness.restarting(name)))
    }

    fn view_is_outdated(&self, present: &BTreeMap<ServerName, BootId>) -> bool {
        // Its new run is about to be heard: a view without it would take it for failed.
        if present.keys().any(|name| self.liveness.restarting(name)) {
            return false;
        }
        // Whoever announced that it stands still is waited for, unless there is another reason.
        if !self.live_members_are(present) {
            return self.could_be_held(&self.live_members());
        }
        // A member that promised a term which was never installed is deaf to this view: only a
        // higher one reaches it.
        let Some(view) = &self.view else { return false };
        // A proposal of its own was outbid, and it is to be the higher one again.
        if self.promised > view.term && self.promised.proposer == *self.me() {
            return !flawed!(self.flaw, ProposalAbandoned);
        }
        present
            .keys()
            .filter_map(|name| self.liveness.peer(name)?.promised.as_ref())
            .any(|promised| *promised > view.term && promised.proposer != *self.me())
    }

    /// Whether it makes sense to propose these members: half of the servers or fewer can never be
    /// a majority, and a proposal would only make others deaf.
    pub(super) fn could_be_held(&self, members: &BTreeMap<ServerName, BootId>) -> bool {
        match self.model.cluster.arbiter {
            Arbiter::MajorityAndExternal if flawed!(self.flaw, MajorityOfBothIgnored) => true,
            Arbiter::Majority | Arbiter::MajorityAndExternal => {
                let configured = self.model.cluster.servers.len();
                let half = flawed!(self.flaw, HalfIsMajority) && 2 * members.len() == configured;
                2 * members.len() > configured || half
            }
            Arbiter::External { .. } | Arbiter::None => true,
        }
    }

    fn pre_vote_for(&mut self, members: BTreeMap<ServerName, BootId>) {
        let now = self.now.instant;
        let (timeout, interval) = (self.timing().timeout, self.timing().interval);
        // Answers may take longer than an interval: those that came stay good for a while.
        let fresh =
            |round: &PreVoteRound| round.members == members && now.since(round.begun) < timeout;
        if !self.pre_vote.as_ref().is_some_and(fresh) {
            self.pre_vote_rounds += 1;
            let (round, granted) = (self.pre_vote_rounds, BTreeSet::new());
            let asked = now - interval;
            self.pre_vote = Some(PreVoteRound { round, asked, begun: now, members, granted });
        }
        let me = self.me().clone();
        if let Some(round) = self.pre_vote.as_mut().filter(|r| now.since(r.asked) >= interval) {
            round.asked = now;
            let number = round.round;
            let silent = |name: &&ServerName| **name != me && !round.granted.contains(*name);
            for peer in round.members.keys().filter(silent).cloned().collect::<Vec<_>>() {
                self.send(&peer, Message::PreVote(PreVote { round: number }));
            }
        }
        self.finish_pre_vote();
    }

    pub(super) fn on_pre_vote(&mut self, from: &ServerName, ask: &PreVote) {
        let hears_leader = self
            .leader_to_stay_with()
            .filter(|leader| *leader != from && !flawed!(self.flaw, LeaderLeft))
            .cloned();
        let promised = self.promised.clone();
        let reply = PreVoteReply { round: ask.round, hears_leader, promised };
        self.send(from, Message::PreVoteReply(reply));
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: &ServerName, reply: &PreVoteReply) {
        let Some(round) = &mut self.pre_vote else {
            return;
        };
        if round.round == reply.round && reply.hears_leader.is_none() {
            round.granted.insert(from.clone());
        }
        self.finish_pre_vote();
    }

    fn finish_pre_vote(&mut self) {
        let me = self.me().clone();
        let Some(round) = &self.pre_vote else { return };
        let all = round.members.keys().all(|name| *name == me || round.granted.contains(name));
        if all {
            let members = round.members.clone();
            self.pre_vote = None;
            self.propose(members);
        }
    }

    /// Proposes a term above every one that is known, persisted before anybody sees it (A6).
    pub(super) fn propose(&mut self, members: BTreeMap<ServerName, BootId>) {
        let highest = self
            .liveness
            .peers()
            .filter_map(|(_, peer)| peer.promised.as_ref())
            .map(|term| term.number)
            .chain([self.promised.number])
            // A new disk knows of no promise: but what fills it shows the terms that were used.
            .chain([self.durable.revision.0 >> Revision::INDEX_BITS])
            .chain(self.recorded_term.as_ref().map(|term| term.number))
            .chain(self.terms_of_lost_disks())
            .max()
            .unwrap_or(0);
        let term = Term { number: highest + 1, proposer: self.me().clone() };
        self.promise(term.clone());
        let names: Vec<&str> = members.keys().map(ServerName::as_str).collect();
        let (text, names) = (term.to_string(), names.join(", "));
        let causes = self.view_change_causes(&members);
        let number = self.event_about_cluster(
            "ViewProposed",
            &[("term", &text), ("members", &names), ("server", self.me().clone().as_str())],
            &causes,
        );
        self.chronicle.remember("proposed", number);
        let without = |name: &&ServerName| {
            !members.contains_key(*name) && self.liveness.alive(name) && self.goes_without(name)
        };
        let without = self.last_members.iter().filter(without).cloned().collect();
        self.proposal = Some(Proposal {
            term: term.clone(),
            members,
            without,
            begun: self.now.instant,
            persisted: false,
            first_sent: None,
            last_sent: None,
            promises: BTreeMap::new(),
            arbiter: ArbiterStep::NotAsked,
            fetching: None,
        });
        let record = Record::Promised(term.clone());
        if flawed!(self.flaw, BallotNotPersisted) {
            self.durable.apply(&record);
            return self.on_proposed(&term);
        }
        self.persist(record.clone(), AfterPersist::Propose { term, record });
    }

    /// Terms that a server may have used whose disk was replaced since: without an exclusive arbiter
    /// it may have led alone, and nobody else knows.
    fn terms_of_lost_disks(&self) -> impl Iterator<Item = u64> {
        let lost = self.intents.disks.values().filter(|(disk, _)| disk.lost > 0);
        let counted = !flawed!(self.flaw, DiskTermsReused);
        lost.filter(move |_| counted)
            .map(|(disk, admitted)| admitted.term() + u64::from(disk.lost) * TERMS_OF_LOST_DISK)
    }

    fn view_change_causes(&self, members: &BTreeMap<ServerName, BootId>) -> Vec<Option<u64>> {
        self.model
            .cluster
            .servers
            .iter()
            .filter(|name| !members.contains_key(*name))
            .map(|name| self.chronicle.recall(&format!("lost/{name}")))
            .collect()
    }

    pub(super) fn on_proposed(&mut self, term: &Term) {
        let Some(proposal) = &mut self.proposal else {
            return;
        };
        if proposal.term == *term {
            proposal.persisted = true;
            self.must_rejoin = false;
            self.drive_proposal();
        }
    }

    /// Whether the arbiter refused the open proposal and its record holds a higher term: only one
    /// above that can ever be accepted.
    fn refused_by_term(&self) -> bool {
        self.proposal.as_ref().is_some_and(|proposal| {
            matches!(proposal.arbiter, ArbiterStep::Refused(_))
                && self.recorded_term.as_ref().is_some_and(|term| *term > proposal.term)
        })
    }

    /// Whether the arbiter refused the open proposal and somebody has promised a higher term.
    fn refused_and_outbid(&self) -> bool {
        let Some(proposal) = &self.proposal else { return false };
        let refused = matches!(proposal.arbiter, ArbiterStep::Refused(_));
        let outbid = || {
            self.liveness
                .peers()
                .filter_map(|(_, peer)| peer.promised.as_ref())
                .any(|promised| *promised > proposal.term)
        };
        refused && outbid()
    }

    /// Whether the newest store is awaited from somebody, and a member has promised a higher term
    /// since: it is deaf to this one, and would never give its store.
    fn awaits_the_deaf(&self) -> bool {
        self.proposal.as_ref().is_some_and(|proposal| {
            let promised = |name: &ServerName| {
                self.liveness.peer(name).and_then(|peer| peer.promised.as_ref())
            };
            let deaf = |name| promised(name).is_some_and(|promised| *promised > proposal.term);
            proposal.fetching.is_some() && proposal.members.keys().any(deaf)
        })
    }

    /// An open proposal is finished or replaced by a higher one.
    fn drive_proposal(&mut self) {
        let live = self.live_members();
        let waits = |name: &ServerName| self.liveness.restarting(name);
        if self.proposal.as_ref().is_some_and(|proposal| proposal.members.keys().any(waits)) {
            return;
        }
        if self.awaits_the_deaf() && self.could_be_held(&live) {
            self.propose(live);
            return;
        }
        if self.refused_and_outbid() {
            // An arbiter that knows the higher term refuses this one for ever.
            self.proposal = None;
            return;
        }
        let now = self.now.instant;
        let Timing { interval, lease, timeout, .. } = self.timing();
        let leads = self.leadership.is_some() && !flawed!(self.flaw, FollowerOfAnotherAwaited);
        let me = self.me().clone();
        let by_term = self.refused_by_term();
        let configured = self.model.cluster.servers.len();
        let Some(proposal) = &mut self.proposal else {
            return;
        };
        let stale = proposal.members.iter().any(|(name, boot)| live.get(name) != Some(boot));
        if stale {
            if self.leadership.is_none() && !self.could_be_held(&live) {
                self.proposal = None;
            } else if self.could_be_held(&live) {
                self.propose(live);
            }
            return;
        }
        let replaced = match proposal.arbiter {
            ArbiterStep::Refused(_) => {
                let hopeless = now.since(proposal.begun) >= lease || by_term;
                proposal.members != live || hopeless
            }
            // With every server there is no need of an answer that may take long.
            ArbiterStep::Asked(..) => proposal.members != live && live.len() == configured,
            // Another leader's follower stays with that one, which is heard by now.
            ArbiterStep::NotAsked if leads && now.since(proposal.begun) >= timeout => {
                proposal.members != live && !proposal.complete(&me)
            }
            ArbiterStep::NotAsked | ArbiterStep::Held { .. } => false,
        };
        if replaced {
            self.replace_unheld(live);
            return;
        }
        let Some(proposal) = &mut self.proposal else {
            return;
        };
        let due = proposal.last_sent.is_none_or(|last| now.since(last) >= interval);
        if proposal.persisted && due && !proposal.complete(&me) {
            proposal.last_sent = Some(now);
            proposal.first_sent.get_or_insert(now);
            let term = proposal.term.clone();
            let members: Vec<ServerName> = proposal.members.keys().cloned().collect();
            let missing: Vec<ServerName> = proposal.missing(&me).cloned().collect();
            for peer in missing {
                let propose = Propose { term: term.clone(), members: members.clone() };
                self.send(&peer, Message::Propose(propose));
            }
        }
        self.try_install();
    }

    /// The arbiter refuses, or takes its time: with whom this server hears now, under a higher term
    /// than the record may hold, it is another question; and perhaps another server's to ask.
    fn replace_unheld(&mut self, live: BTreeMap<ServerName, BootId>) {
        let ours = self.leadership.is_some()
            || self.is_first_candidate(&live) && self.leader_to_stay_with().is_none();
        if !ours {
            self.proposal = None;
        } else if self.could_be_held(&live) {
            self.propose(live);
        }
    }

    pub(super) fn on_propose(&mut self, from: &ServerName, propose: &Propose) {
        let addressed = propose.term.proposer == *from && propose.members.contains(self.me());
        // One that forgot what it promised has no vote; it learns so by being filled.
        if !addressed || self.is_stranger(from) {
            return;
        }
        let again = propose.term == self.durable.promised && propose.term == self.promised;
        if again {
            self.send_promise(from, &propose.term, &propose.members);
            return;
        }
        if propose.term == self.promised {
            return; // On its way to the disk.
        }
        let stays = self.leader_to_stay_with().is_some_and(|leader| leader != from)
            && !self.yields_to(from)
            && !flawed!(self.flaw, LeaderLeft);
        let lower = propose.term < self.promised
            && !(flawed!(self.flaw, BareTerm) && propose.term.number == self.promised.number);
        if lower || stays || !self.may_promise() {
            let promised = self.promised.clone();
            let nack = Nack { term: propose.term.clone(), promised };
            self.send(from, Message::Nack(nack));
            return;
        }
        self.promise(propose.term.clone());
        let record = Record::Promised(propose.term.clone());
        if flawed!(self.flaw, PromiseNotPersisted) {
            self.durable.apply(&record);
            return self.on_promised(from, &propose.term, &propose.members);
        }
        let after = AfterPersist::Promise {
            to: from.clone(),
            term: propose.term.clone(),
            members: propose.members.clone(),
            record: record.clone(),
        };
        self.persist(record, after);
    }

    fn promise(&mut self, term: Term) {
        if self.promised.proposer != term.proposer {
            self.promised_to_others = self.promised.clone().max(self.promised_to_others.clone());
        }
        self.promised = term;
    }

    /// Two leaders that meet: after a non-exclusive arbiter let both act, the one of lower
    /// priority follows the other. Following is never unsafe; stickiness only spares view changes.
    fn yields_to(&self, other: &ServerName) -> bool {
        let leads = |peer: &crate::engine::membership::liveness::Peer| {
            peer.view.as_ref().is_some_and(|view| view.leader == *other)
        };
        self.leadership.is_some()
            && self.liveness.peer(other).is_some_and(leads)
            && self.model.priority(other) < self.model.priority(self.me())
    }

    pub(super) fn on_promised(&mut self, to: &ServerName, term: &Term, members: &[ServerName]) {
        if self.promised != *term {
            return; // A higher one came in between.
        }
        self.must_rejoin = false;
        self.pre_vote = None;
        self.proposal = None;
        self.note_own_promise();
        if self.leadership.is_some() {
            self.drop_leadership();
        }
        self.send_promise(to, term, members);
    }

    fn send_promise(&mut self, to: &ServerName, term: &Term, members: &[ServerName]) {
        let boot = self.liveness.peer(to).and_then(|peer| peer.boot);
        self.support.give(self.now.instant, to, boot);
        let promise = self.own_promise(term, members);
        self.send(to, Message::Promise(Box::new(promise)));
    }

    /// This server's report for a view of these members, as it stands now (A7, A11).
    pub(super) fn own_promise(&self, term: &Term, members: &[ServerName]) -> Promise {
        let absent = || self.model.cluster.servers.iter().filter(|name| !members.contains(*name));
        let now = self.now.instant;
        let mut holds = self.not_certainly_stopped();
        if flawed!(self.flaw, StoppingNotReported) {
            holds.retain(|_, held| held.phase != GroupPhase::Stopping);
        }
        Promise {
            term: term.clone(),
            sent: now,
            holds,
            gave: absent().map(|name| (name.clone(), self.support.report(now, name))).collect(),
            self_fence_of: absent()
                .map(|name| (name.clone(), self.self_fence_known(name)))
                .collect(),
            ended: absent()
                .filter_map(|name| Some((name.clone(), self.liveness.peer(name)?.ended?)))
                .collect(),
            revision: self.durable.revision,
            writer: self.writer(),
            started: self.was_started || self.view.as_ref().is_some_and(|view| view.started),
        }
    }

    pub(super) fn on_promise(&mut self, from: &ServerName, promise: Promise) {
        let now = self.now.instant;
        let Some(proposal) = &mut self.proposal else {
            return;
        };
        if proposal.term != promise.term || !proposal.members.contains_key(from) {
            return;
        }
        proposal.promises.insert(from.clone(), (now, promise));
        self.drive_proposal();
    }

    pub(super) fn on_nack(&mut self, from: &ServerName, nack: &Nack) {
        let Some(proposal) = &self.proposal else {
            return;
        };
        if proposal.term != nack.term || !proposal.members.contains_key(from) {
            return;
        }
        if nack.promised > proposal.term {
            self.liveness.note_promised(from, &nack.promised);
            self.propose_higher();
        } else if self.leadership.is_none() {
            // It hears a live leader: that one will propose above our term.
            self.proposal = None;
        }
    }
}
