//! From the last promise to an installed view: arbiter, newest store, reports, holders.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::leading::Leadership;
use super::orders::{adopted, in_doubt};
use super::surplus::Surplus;
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::{ArbiterQuestion, Effect};
use crate::engine::ids::{ActionId, BootId, Term};
use crate::engine::input::{ArbiterAnswer, Verdict};
use crate::engine::membership::lead::{Absent, Lead, Stamp};
use crate::engine::membership::proposal::{ArbiterStep, Proposal};
use crate::engine::membership::view::View;
use crate::engine::message::{GroupPhase, Held, Message, Promise, SelfFence, StoreFetch, Support};
use crate::engine::model::Arbiter;
use crate::engine::mutation::flawed;
use crate::engine::placement::{GroupFacts, Holder};
use crate::engine::time::Instant;

/// Intervals after which a store that has not come is asked for again: long enough for a large one
/// to be under way, and shorter than the lease that the waiting members hold.
const FETCH_INTERVALS: u32 = 5;

impl Engine {
    pub(super) fn try_install(&mut self) {
        let me = self.me().clone();
        let Some(proposal) = &self.proposal else {
            return;
        };
        if !proposal.complete(&me) {
            return;
        }
        let now = self.now.instant;
        let interval = self.timing().interval;
        match &proposal.arbiter {
            ArbiterStep::NotAsked => self.ask_for_proposal(),
            ArbiterStep::Refused(at) if now.since(*at) >= interval => self.ask_for_proposal(),
            // A lost answer is no answer: ask again.
            ArbiterStep::Asked(_, at) if now.since(*at) >= self.timing().lease => {
                self.ask_for_proposal();
            }
            ArbiterStep::Refused(_) | ArbiterStep::Asked(..) => {}
            ArbiterStep::Held { .. } => self.fetch_or_install(),
        }
    }

    fn ask_for_proposal(&mut self) {
        let now = self.now.instant;
        let configured = self.model.cluster.servers.len();
        let arbiter = self.model.cluster.arbiter;
        let Some(proposal) = &mut self.proposal else {
            return;
        };
        let whole = proposal.members.len() == configured;
        let inside = match arbiter {
            Arbiter::Majority => {
                let half = 2 * proposal.members.len() == configured;
                let enough = half && flawed!(self.flaw, HalfIsMajority);
                Some(2 * proposal.members.len() > configured || enough)
            }
            Arbiter::None => Some(true),
            // With every server present there is no other part that could be told `Held`. A lease
            // is asked all the same: its record must carry the new term (A4).
            Arbiter::External { exclusive: false } | Arbiter::MajorityAndExternal if whole => {
                Some(true)
            }
            // A majority is exclusive by itself; the others need no record then.
            Arbiter::MajorityAndExternal
                if 2 * proposal.members.len() <= configured
                    && !flawed!(self.flaw, MajorityOfBothIgnored) =>
            {
                Some(false)
            }
            Arbiter::External { .. } | Arbiter::MajorityAndExternal => None,
        };
        match inside {
            Some(true) => {
                let (handover, recorded) = (None, None);
                proposal.arbiter = ArbiterStep::Held { asked: Some(now), handover, recorded };
                let words = self.inside_words();
                self.note_arbitration("ArbitrationHeld", &words);
                self.fetch_or_install();
            }
            Some(false) => proposal.arbiter = ArbiterStep::Refused(now),
            None => {
                let id = self.ids.next_id();
                proposal.arbiter = ArbiterStep::Asked(id, now);
                let members = proposal.members.keys().cloned().collect();
                let term = proposal.term.clone();
                self.ask_arbiter(id, members, term);
            }
        }
    }

    /// Asks the arbiter outside for these servers.
    pub(super) fn ask_arbiter(&mut self, id: ActionId, members: Vec<ServerName>, term: Term) {
        let now = self.now.instant;
        let heard = |name: &ServerName| {
            let peer = self.liveness.peer(name)?;
            peer.last_heard().map(|last| now.since(last))
        };
        let outside = self.model.cluster.servers.iter().filter(|name| !members.contains(*name));
        let has_no_vote = |name: &&ServerName| self.liveness.alive(name) && self.is_stranger(name);
        let (voiceless, others): (Vec<&ServerName>, Vec<&ServerName>) =
            outside.partition(has_no_vote);
        let absent = others.into_iter().map(|name| (name.clone(), heard(name))).collect();
        let voiceless = voiceless.into_iter().cloned().collect();
        let revision = self.newest_known();
        let question = ArbiterQuestion { members, term, revision, absent, voiceless };
        self.effects.push_back(Effect::AskArbiter { id, question });
    }

    pub(super) fn on_verdict(&mut self, id: ActionId, answer: &ArbiterAnswer) {
        let now = self.now.instant;
        self.note_record(answer);
        let verdict = match answer.verdict {
            Verdict::Unknown if flawed!(self.flaw, UnknownIsHeld) => Verdict::Held,
            verdict @ (Verdict::Held | Verdict::Lost | Verdict::Unknown) => verdict,
        };
        let members = self.proposal.as_ref().map_or(0, |proposal| proposal.members.len());
        let asked = self.proposal.as_mut().and_then(|proposal| match proposal.arbiter {
            ArbiterStep::Asked(asked, at) if asked == id => Some((&mut proposal.arbiter, at)),
            ArbiterStep::Asked(..)
            | ArbiterStep::NotAsked
            | ArbiterStep::Refused(_)
            | ArbiterStep::Held { .. } => None,
        });
        let Some((step, at)) = asked else {
            self.on_leader_verdict(id, verdict, &answer.message);
            return;
        };
        let message = &answer.message;
        // Every configured server has promised this term and follows no lower one, so an older
        // record can't be renewed any more; and authority comes from everybody's answers (A5).
        let whole = members == self.model.cluster.servers.len();
        match verdict {
            Verdict::Held => {
                let recorded = answer.recorded.as_ref().map(|recorded| recorded.revision);
                let handover = answer.handover;
                *step = ArbiterStep::Held { asked: Some(at), handover, recorded };
                self.note_arbitration("ArbitrationHeld", message);
                self.fetch_or_install();
            }
            Verdict::Lost => {
                *step = ArbiterStep::Refused(now);
                self.note_arbitration("ArbitrationLost", message);
            }
            Verdict::Unknown => {
                *step = if whole {
                    ArbiterStep::Held { asked: None, handover: None, recorded: None }
                } else {
                    ArbiterStep::Refused(now)
                };
                self.note_arbitration("ArbitrationUnknown", message);
                if whole {
                    self.fetch_or_install();
                }
            }
        }
    }

    /// A record that was taken over from somebody else supported whoever followed that one: that is
    /// kept like support of our own, for this view and for every later one (A4). The highest term
    /// recorded is the least that is worth proposing.
    fn note_record(&mut self, answer: &ArbiterAnswer) {
        let handover = answer.handover.filter(|_| !flawed!(self.flaw, HandoverIgnored));
        if let Some(age) = handover {
            let since = self.now.instant - age;
            let others = self.model.cluster.servers.iter().filter(|name| *name != self.me());
            for name in others.cloned().collect::<Vec<_>>() {
                self.support.give(since, &name, None);
            }
        }
        if let Some(recorded) = &answer.recorded {
            let known = self.recorded_term.take();
            self.recorded_term = known.max(Some(recorded.term.clone()));
        }
    }

    /// What decided, where no arbiter outside was asked.
    fn inside_words(&self) -> String {
        let configured = self.model.cluster.servers.len();
        let members = self.proposal.as_ref().map_or(0, |proposal| proposal.members.len());
        match self.model.cluster.arbiter {
            Arbiter::Majority => format!("{members} of {configured} servers are a majority"),
            Arbiter::External { .. } | Arbiter::MajorityAndExternal => {
                "every server is heard".to_owned()
            }
            Arbiter::None => "no arbiter is configured".to_owned(),
        }
    }

    fn note_arbitration(&mut self, reason: &'static str, message: &str) {
        // An arbiter that refuses is asked again and again: only what is new is told.
        let said = match reason {
            "ArbitrationHeld" => (reason, String::new()),
            refused => (refused, message.to_owned()),
        };
        let again = self.arbitration_said == said;
        if again && (self.leadership.is_some() || reason != "ArbitrationHeld") {
            // What was said before was about another view: it is no cause of this one.
            if reason == "ArbitrationHeld" {
                self.chronicle.forget("arbitration");
            }
            return;
        }
        let proposed = self.chronicle.recall("proposed");
        let number = self.event_about_cluster(reason, &[("message", message)], &[proposed]);
        self.chronicle.remember("arbitration", number);
        self.arbitration_said = said;
    }

    /// The newest store among the members becomes the leader's before the view is installed.
    fn fetch_or_install(&mut self) {
        let now = self.now.instant;
        let patience = self.timing().interval * FETCH_INTERVALS;
        let Some(proposal) = &self.proposal else { return };
        let promises = proposal.promises.iter().map(|(name, (_, promise))| {
            (self.position_of(promise.writer.clone(), promise.revision), name.clone())
        });
        let newest = promises.max();
        let newer = newest.filter(|(position, _)| *position > self.position());
        if let Some((_, name)) = newer.filter(|_| !flawed!(self.flaw, NewestStoreIgnored)) {
            let Some(proposal) = &mut self.proposal else { return };
            // Question and answer may be lost like any other message.
            let waits = proposal
                .fetching
                .as_ref()
                .is_some_and(|(from, asked)| *from == name && now.since(*asked) < patience);
            if !waits {
                proposal.fetching = Some((name.clone(), now));
                let term = proposal.term.clone();
                self.send(&name, Message::StoreFetch(StoreFetch { term }));
            }
            return;
        }
        if let Some(proposal) = self.proposal.take() {
            self.install(proposal);
        }
    }

    fn install(&mut self, proposal: Proposal) {
        let now = self.now.instant;
        let me = self.me().clone();
        let ArbiterStep::Held { asked, handover, recorded } = proposal.arbiter else {
            return;
        };
        let names: Vec<ServerName> = proposal.members.keys().cloned().collect();
        let own = self.own_promise(&proposal.term, &names);
        let mut promises: BTreeMap<ServerName, (Instant, Promise)> = proposal.promises;
        if !flawed!(self.flaw, OwnReportNotTaken) {
            promises.insert(me.clone(), (now, own));
        }
        let basis = proposal.first_sent.unwrap_or(now);
        // Promises that took longer than a lease give no authority: they are asked for anew.
        if now.since(basis) >= self.timing().lease {
            let live = self.live_members();
            self.propose(live);
            return;
        }
        let others = || names.iter().filter(|name| **name != me);
        let started = promises.values().any(|(_, promise)| promise.started);
        let mut lead = Lead {
            term: proposal.term.clone(),
            members: proposal.members,
            acks: others().map(|name| (name.clone(), basis)).collect(),
            stamps: BTreeMap::new(),
            arbiter_basis: asked,
            round: None,
            absent: self.absent_servers(&names, &promises, handover, basis),
            reports: BTreeMap::new(),
            sequence: 0,
        };
        for name in others() {
            if let (Some((_, promise)), Some(boot)) = (promises.get(name), lead.members.get(name)) {
                let stamp = Stamp { boot: *boot, sent: promise.sent, received: now };
                lead.stamps.insert(name.clone(), stamp);
            }
        }
        // The newest store is the leader's: its times count for what absent servers may do.
        self.commit(self.durable.revision);
        self.end_fencing();
        let former = self.leadership.take();
        let mut leadership = Leadership::new(lead, former, now);
        leadership.recorded = recorded;
        leadership.take_reports(&self.model, &promises, basis, &self.timing());
        self.leadership = Some(leadership);
        let known = || names.iter().chain(&proposal.without);
        let former_members = std::mem::replace(&mut self.last_members, known().cloned().collect());
        self.view = Some(View {
            term: proposal.term,
            leader: me,
            leader_boot: self.identity.boot,
            members: names,
            started,
        });
        self.renewed = Some(now);
        self.candidacy.settle();
        self.note_installed();
        self.note_missed_changes(recorded);
        self.mark_failed_servers(&former_members);
        self.mark_lost_groups();
        self.store_installed(&promises);
        self.extend_own_lease();
        self.begin_round();
    }

    /// What every member together knows of the servers outside the view. `as_of`: the beginning of
    /// this leader's authority; up to there nobody else was let act, and not up to now.
    fn absent_servers(
        &self,
        members: &[ServerName],
        promises: &BTreeMap<ServerName, (Instant, Promise)>,
        handover: Option<Duration>,
        as_of: Instant,
    ) -> BTreeMap<ServerName, Absent> {
        let now = self.now.instant;
        let handover = handover.filter(|_| !flawed!(self.flaw, HandoverIgnored));
        let time_frees = self.time_frees();
        let servers = &self.model.cluster.servers;
        let outside = || servers.iter().filter(|name| !members.contains(*name));
        let wait = self.longest_wait(outside(), promises);
        let (as_of, time_counts) = match flawed!(self.flaw, FarewellByTime) {
            true => (now, true),
            false => (as_of, time_frees),
        };
        let long_ago = |at: Instant, support: &Support| {
            time_counts && wait.is_some_and(|wait| as_of.since(at - support.age) >= wait)
        };
        let absent = |name: &ServerName| {
            // What nobody gave anything for so long lives no more, whatever run it was, where time
            // ends anything; but what another absent server got it may have passed on.
            let alone = outside().filter(|other| *other != name).all(|other| {
                let gave = |(at, promise): &(Instant, Promise)| {
                    promise.gave.get(other).is_some_and(|support| long_ago(*at, support))
                };
                promises.values().all(gave)
            });
            let mut since = handover.map_or(Instant::default(), |age| now - age);
            let mut supported: Option<BTreeSet<BootId>> = Some(BTreeSet::new());
            let mut ended = None;
            let mut self_fence = SelfFence::Within(Duration::ZERO);
            for (giver, (at, promise)) in promises {
                if flawed!(self.flaw, OthersSupportIgnored) && giver != self.me() {
                    continue;
                }
                match promise.gave.get(name) {
                    Some(support) => {
                        since = since.max(*at - support.age);
                        if !(alone && long_ago(*at, support)) {
                            supported = supported.zip(support.boot).map(|(mut boots, boot)| {
                                boots.insert(boot);
                                boots
                            });
                        }
                    }
                    // It says nothing about this server: it may have supported it just now.
                    None => {
                        since = now;
                        supported = None;
                    }
                }
                ended = ended.or(promise.ended.get(name).copied());
                let known = promise.self_fence_of.get(name).copied().unwrap_or(SelfFence::None);
                self_fence = self_fence.max(known);
            }
            // Another holder's lease record is support that no member can name a run for.
            if handover.is_some() {
                supported = None;
            }
            Absent { since, supported, ended, self_fence, fenced: false, time_frees }
        };
        let servers = outside().map(|name| (name.clone(), absent(name)));
        #[cfg(feature = "simulate")]
        let servers = servers.filter_map(|(name, absent)| {
            let timing = self.timing();
            Some((name, self.flaw.absent(absent, &timing)?))
        });
        servers.collect()
    }

    /// How long any of these servers may live on its last support, if time ends that at all.
    fn longest_wait<'a>(
        &self,
        outside: impl Iterator<Item = &'a ServerName>,
        promises: &BTreeMap<ServerName, (Instant, Promise)>,
    ) -> Option<Duration> {
        let timing = self.timing();
        let known = outside.flat_map(|name| {
            promises.values().map(move |(_, promise)| {
                promise.self_fence_of.get(name).copied().unwrap_or(SelfFence::None)
            })
        });
        match known.max().unwrap_or(SelfFence::Within(Duration::ZERO)) {
            SelfFence::Within(longest) => {
                Some(timing.takeover_wait(longest.max(timing.self_fence)))
            }
            SelfFence::None => None,
        }
    }

    fn note_installed(&mut self) {
        let Some(view) = &self.view else { return };
        let term = view.term.to_string();
        let members: Vec<&str> = view.members.iter().map(ServerName::as_str).collect();
        let (members, count) = (members.join(", "), members.len().to_string());
        let configured = self.model.cluster.servers.len().to_string();
        let leader = view.leader.to_string();
        let parameters = [
            ("term", &*term),
            ("members", &*members),
            ("leader", &*leader),
            ("count", &*count),
            ("configured", &*configured),
        ];
        let causes = [self.chronicle.recall("arbitration"), self.chronicle.recall("proposed")];
        let number = self.event_about_cluster("ViewInstalled", &parameters, &causes);
        self.chronicle.remember("installed", number);
    }
}

impl Leadership {
    /// Who holds what, from every member's report (rule 1: the leader's own is taken now).
    pub(super) fn take_reports(
        &mut self,
        model: &crate::engine::model::Model,
        promises: &BTreeMap<ServerName, (Instant, Promise)>,
        as_of: Instant,
        timing: &crate::api::timing::Timing,
    ) {
        let mut held: BTreeMap<GroupName, Vec<(ServerName, Held)>> = BTreeMap::new();
        for (server, (_, promise)) in promises {
            for (group, state) in &promise.holds {
                held.entry(group.clone()).or_default().push((server.clone(), state.clone()));
            }
        }
        let free = self.lead.all_free(as_of, timing);
        let names: BTreeSet<GroupName> = model.groups.keys().chain(held.keys()).cloned().collect();
        for name in names {
            let mut holders = held.remove(&name).unwrap_or_default();
            // Whoever may still be ending what an earlier order began is no better a holder than
            // whoever runs it now, and the latest order says who that is.
            holders.sort_by_cached_key(|(server, state)| {
                let ending =
                    matches!(state.phase, GroupPhase::Stopping | GroupPhase::StopFailed { .. });
                (ending, std::cmp::Reverse(state.order.clone()), model.priority(server))
            });
            self.note_copies(&name, holders.iter().map(|(server, held)| (server, held)));
            // Only in doubt on members, while an absent server may hold it: nobody can tell.
            if !free && holders.iter().all(|(_, state)| in_doubt(state)) {
                let doubts = holders.drain(..).map(|(server, _)| (name.clone(), server));
                self.doubts.extend(doubts);
            }
            let mut holders = holders.into_iter();
            let holder = match holders.next() {
                Some((server, state)) => adopted(server, state),
                None if free => Holder::Free,
                None => Holder::Unknown,
            };
            for (server, _) in holders {
                self.surplus.insert((name.clone(), server), Surplus::default());
            }
            self.groups.entry(name).or_insert_with(GroupFacts::unknown).holder = holder;
        }
    }
}
