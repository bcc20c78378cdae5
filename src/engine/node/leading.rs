//! The leader's rounds: renewals out, acks in, authority, and who may be started at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::surplus::Surplus;
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::{ActionId, BootId, IncarnationId, Revision};
use crate::engine::input::Verdict;
use crate::engine::membership::lead::{Freedom, Lead, Stamp};
use crate::engine::membership::proposal::{ArbiterStep, Proposal};
use crate::engine::message::{Ack, Held, Message, Order, Renew, Report};
use crate::engine::model::{Arbiter, ObjectKey};
use crate::engine::mutation::flawed;
use crate::engine::placement::{self, GroupFacts};
use crate::engine::time::{Instant, WallTime};

/// What a leader keeps besides its lead.
#[derive(Clone, Debug)]
pub(super) struct Leadership {
    pub lead: Lead,
    /// When the view was installed.
    pub installed: Instant,
    /// Every group of the spec, and every group that somebody holds.
    pub groups: BTreeMap<GroupName, GroupFacts>,
    /// Groups held twice after a non-exclusive arbiter: the copies that are to end.
    /// The group starts nowhere before each has ended.
    pub surplus: BTreeMap<(GroupName, ServerName), Surplus>,
    /// Groups that several members ran at once, until the policy has settled it.
    pub duals: BTreeMap<GroupName, BTreeMap<ServerName, Held>>,
    /// Servers that the history which goes on takes for failed, though they went on by themselves,
    /// and where a copy is kept.
    pub not_failed: std::collections::BTreeSet<ServerName>,
    /// The revision that the arbiter's record named when the view was installed.
    pub recorded: Option<Revision>,
    /// Groups that this leader found certainly free, and granted: their release frees them. The
    /// release of one that a member only reported says nothing of absent servers.
    pub granted: std::collections::BTreeSet<GroupName>,
    /// Groups of unknown holder that a member, too, may turn out to run.
    pub doubts: std::collections::BTreeSet<(GroupName, ServerName)>,
    /// Orders that their server has not yet answered.
    pub orders: BTreeMap<ServerName, BTreeMap<GroupName, Order>>,
    /// Since when each server can be given groups.
    pub available_since: BTreeMap<ServerName, Instant>,
    /// Something changed that placement reads.
    pub dirty: bool,
    /// What placement said last.
    pub report: placement::Report,
    /// When failovers under way were decided.
    pub failing_over: BTreeMap<GroupName, FailoverUnderWay>,
    /// Absent servers that were said to be free.
    pub freed: std::collections::BTreeSet<ServerName>,
    /// When the arbiter was last asked, and under which id.
    pub asked: Option<(ActionId, Instant)>,
    /// Its last answer, in words.
    pub arbiter_said: String,
    /// Whether it last said `Held`.
    pub arbiter_held: bool,
    /// Whether "waiting for servers" was told.
    pub told_waiting: bool,
    /// Servers with orders that were not sent yet.
    pub unsent: std::collections::BTreeSet<ServerName>,
    /// State folders that this leader has written down.
    pub disks_written: BTreeMap<ServerName, IncarnationId>,
    /// When it last filled the store of a server outside the view.
    pub filled: BTreeMap<ServerName, Instant>,
}

/// A failover between its decision and the moment when the group is online.
#[derive(Clone, Debug)]
pub(super) struct FailoverUnderWay {
    pub from: Option<ServerName>,
    pub since: Instant,
    pub wall: WallTime,
    pub reason: String,
}

/// The last server on which a group was online; kept in the store as an `Intent` named
/// `ran.GROUP`, so that a new leader knows whom a group was taken from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ran {
    /// The server.
    pub server: String,
    /// The last failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<crate::api::kinds::LastFailover>,
}

impl Ran {
    pub fn key(group: &GroupName) -> ObjectKey {
        ObjectKey::new(placement::INTENT_KIND, format!("ran.{group}"))
    }
}

impl Leadership {
    pub fn new(lead: Lead, former: Option<Leadership>, now: Instant) -> Self {
        let (groups, failing_over, available_since) = match former {
            Some(former) => (former.groups, former.failing_over, former.available_since),
            None => Default::default(),
        };
        Self {
            lead,
            installed: now,
            groups,
            surplus: BTreeMap::new(),
            duals: BTreeMap::new(),
            not_failed: std::collections::BTreeSet::new(),
            recorded: None,
            granted: std::collections::BTreeSet::new(),
            doubts: std::collections::BTreeSet::new(),
            orders: BTreeMap::new(),
            available_since,
            dirty: true,
            report: placement::Report::default(),
            failing_over,
            freed: std::collections::BTreeSet::new(),
            asked: None,
            arbiter_said: String::new(),
            arbiter_held: true,
            told_waiting: false,
            unsent: std::collections::BTreeSet::new(),
            disks_written: BTreeMap::new(),
            filled: BTreeMap::new(),
        }
    }
}

impl Engine {
    pub(super) fn lead_tick(&mut self) {
        if !self.leading() {
            return;
        }
        self.ask_for_leader();
        self.extend_own_lease();
        self.begin_round();
        self.admit_disks();
    }

    /// A round: every member is renewed and answers; the answers make the leader's authority, which
    /// a second renewal passes on, so that a member's lease is as fresh as the leader's.
    pub(super) fn begin_round(&mut self) {
        let now = self.now.instant;
        if let Some(leadership) = &mut self.leadership {
            leadership.lead.round = Some((now, false));
        }
        self.renew_members(true, None);
    }

    fn renew_members(&mut self, answer: bool, only: Option<&ServerName>) {
        let me = self.me().clone();
        let now = self.now.instant;
        let Some(basis) = self.authority() else {
            return;
        };
        if now.since(basis) >= self.timing().lease {
            return;
        }
        let started = self.view.as_ref().is_some_and(|view| view.started);
        let Some(leadership) = &self.leadership else {
            return;
        };
        let round = leadership.lead.round.map(|(sent, _)| sent);
        let names: Vec<ServerName> = leadership.lead.members.keys().cloned().collect();
        for name in names.iter().filter(|name| **name != me) {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            let Some(leadership) = &self.leadership else {
                return;
            };
            let orders = leadership.orders.get(name);
            let report = leadership.lead.reports.get(name);
            let current = self.liveness.peer(name).and_then(|peer| peer.boot);
            let stamp = leadership.lead.stamps.get(name).copied();
            let stamp = stamp
                .filter(|stamp| Some(stamp.boot) == current || flawed!(self.flaw, StampOfAnyRun));
            // Who has not answered this round yet would get nothing out of its result: the stamp of
            // the round before came with that one's. It is passed on when the answer comes.
            let answered = stamp.is_some_and(|stamp| Some(stamp.received) >= round);
            if !answer && !answered {
                continue;
            }
            let renew = Renew {
                term: leadership.lead.term.clone(),
                members: names.clone(),
                sent: now,
                answer,
                echo: stamp.map(|stamp| stamp.sent),
                authority_age: now.since(basis),
                committed: self.store.committed(),
                started,
                orders: orders.map(|o| o.values().cloned().collect()).unwrap_or_default(),
                report_seen: report.map_or(0, |report| report.version),
            };
            let boot = leadership.lead.members.get(name).copied();
            // As old as the stamp that it echoes: the member's lease counts from there (A2).
            if let Some(stamp) = stamp.filter(|_| !flawed!(self.flaw, RenewalsAreNoSupport)) {
                self.support.give(stamp.received, name, boot);
            }
            self.send(name, Message::Renew(Box::new(renew)));
        }
    }

    /// New orders go out at once.
    pub(super) fn send_orders_to(&mut self, server: &ServerName) {
        self.renew_members(true, Some(server));
    }

    /// Since when this leader's right to act counts.
    pub(super) fn authority(&self) -> Option<Instant> {
        let leadership = self.leadership.as_ref()?;
        let cluster = &self.model.cluster;
        let now = self.now.instant;
        let mut configured = cluster.servers.as_slice();
        let arbiter = cluster.arbiter;
        if flawed!(self.flaw, LeaderNotBoundByAcks) {
            return Some(now);
        }
        if flawed!(self.flaw, HalfIsMajority) && configured.len().is_multiple_of(2) {
            configured = &configured[1..];
        }
        if flawed!(self.flaw, MajorityOfBothIgnored) && arbiter == Arbiter::MajorityAndExternal {
            let arbiter = Arbiter::External { exclusive: false };
            return leadership.lead.authority(now, self.me(), configured, arbiter);
        }
        let basis = leadership.lead.authority(now, self.me(), configured, arbiter);
        if flawed!(self.flaw, AcksOfSomeSuffice) {
            let majority = Arbiter::Majority;
            return basis.max(leadership.lead.authority(now, self.me(), configured, majority));
        }
        basis
    }

    /// Up to when it is certain that no other view was let act: as long as time alone frees.
    pub(super) fn certain_until(&self) -> Instant {
        if flawed!(self.flaw, FreedByOldAuthority) {
            return self.now.instant;
        }
        self.authority().unwrap_or_default()
    }

    /// Asks members and arbiter anew as soon as the time of an absent server is over, without
    /// waiting for the next interval.
    pub(super) fn renew_authority_after(&mut self, ends: &[Instant]) {
        let now = self.now.instant;
        let round = self.leadership.as_ref().and_then(|leadership| leadership.lead.round);
        let asked = round.map_or(Instant::default(), |(sent, _)| sent);
        if ends.iter().any(|end| *end <= now && asked < *end) {
            self.ask_for_leader();
            self.extend_own_lease();
            self.begin_round();
        }
    }

    pub(super) fn extend_own_lease(&mut self) {
        if let Some(basis) = self.authority() {
            self.extend_lease(basis);
            self.renewed = Some(self.now.instant);
        }
    }

    pub(super) fn on_ack(&mut self, from: &ServerName, boot: BootId, ack: Ack) {
        let now = self.now.instant;
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let lead = &mut leadership.lead;
        let counts = ack.term == lead.term && lead.members.contains_key(from) && ack.echo <= now;
        if !counts {
            return;
        }
        let basis = lead.acks.entry(from.clone()).or_default();
        let echo = if flawed!(self.flaw, AuthorityFromReceipt) { now } else { ack.echo };
        *basis = (*basis).max(echo);
        let stamp = Stamp { boot, sent: ack.sent, received: now };
        let copy = lead.stamps.get(from).is_some_and(|it| it.boot == boot && it.sent == ack.sent);
        let known = lead.stamps.entry(from.clone()).or_insert(stamp);
        // An ack that was overtaken still proves that its renewal was answered, but what it says
        // of groups is over.
        let overtaken =
            known.boot == boot && ack.sent < known.sent && !flawed!(self.flaw, OvertakenAckCounts);
        if !overtaken {
            *known = stamp;
        }
        let round = lead.round;
        self.extend_own_lease();
        if !overtaken {
            self.on_holds(from, ack.holds);
        }
        let Some((sent, passed_on)) = round else {
            return;
        };
        if ack.echo != sent {
            return;
        }
        if passed_on {
            // Its copy on another path was heard already.
            if !copy {
                self.renew_members(false, Some(from));
            }
        } else if self.authority().is_some_and(|basis| basis >= sent) {
            if let Some(leadership) = &mut self.leadership {
                leadership.lead.round = Some((sent, true));
            }
            self.renew_members(false, None);
        }
    }

    pub(super) fn on_report(&mut self, from: &ServerName, report: Report) {
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        if !leadership.lead.members.contains_key(from) {
            return;
        }
        let fitness = |report: &Report| report.keeper;
        let before = leadership.lead.reports.get(from);
        if before.is_some_and(|before| before.version >= report.version) {
            return;
        }
        leadership.dirty |= before.map(fitness) != Some(report.keeper);
        leadership.dirty |= before.is_none_or(|before| before.pause != report.pause);
        // One that is being deleted goes as soon as it is known to be inactive.
        let resources = self.model.groups.values().flat_map(|group| group.resources.values());
        leadership.dirty |= resources.into_iter().any(|resource| resource.deleting);
        leadership.lead.reports.insert(from.clone(), report);
    }

    /// The arbiter is asked for as long as this leader may need its word: a lease always, the
    /// others only while a server is absent.
    fn ask_for_leader(&mut self) {
        let cluster = &self.model.cluster;
        let exclusive = match cluster.arbiter {
            Arbiter::External { exclusive } => exclusive,
            // The majority sees to it that one part goes on.
            Arbiter::MajorityAndExternal => false,
            Arbiter::Majority | Arbiter::None => return,
        };
        let now = self.now.instant;
        let lease = self.timing().lease;
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let whole = leadership.lead.is_whole(now, &cluster.servers, &self.liveness);
        let pending = leadership.asked.is_some_and(|(_, at)| now.since(at) < lease);
        // A proposer renews its old view, and with it the record, until that carries the new term.
        let asked = |proposal: &Proposal| proposal.arbiter != ArbiterStep::NotAsked;
        let proposes = self.proposal.as_ref().is_some_and(asked);
        if pending || proposes || whole && !exclusive {
            return;
        }
        let id = self.ids.next_id();
        leadership.asked = Some((id, now));
        let members = leadership.lead.members.keys().cloned().collect();
        let term = leadership.lead.term.clone();
        self.ask_arbiter(id, members, term);
    }

    pub(super) fn on_leader_verdict(&mut self, id: ActionId, verdict: Verdict, message: &str) {
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let Some((asked, at)) = leadership.asked else {
            return;
        };
        if asked != id {
            return;
        }
        leadership.asked = None;
        leadership.arbiter_said = message.to_owned();
        let held = verdict == Verdict::Held;
        let news = leadership.arbiter_held != held;
        leadership.arbiter_held = held;
        if held {
            let basis = &mut leadership.lead.arbiter_basis;
            *basis = (*basis).max(Some(at));
        }
        if news {
            let reason = match verdict {
                Verdict::Held => "ArbitrationHeld",
                Verdict::Lost => "ArbitrationLost",
                Verdict::Unknown => "ArbitrationUnknown",
            };
            let number = self.event_about_cluster(reason, &[("message", message)], &[]);
            self.chronicle.remember("arbitration", number);
        }
        self.extend_own_lease();
    }

    /// Leads no more; what was under way is settled.
    pub(super) fn drop_leadership(&mut self) {
        if self.leadership.take().is_some() {
            self.store_lost_leadership();
            self.end_fencing();
            self.report_sent = None;
            self.report_seen = 0;
        }
    }

    /// When the next absent server is certainly free.
    pub(super) fn next_freedom(&self) -> Option<Instant> {
        let leadership = self.leadership.as_ref()?;
        let timing = &self.model.cluster.timing;
        let now = self.now.instant;
        let until = |(_, freedom): (_, Freedom)| freedom.until();
        let free = leadership.lead.each_unfree(now, timing).filter_map(until).min();
        [free, self.startup_deadline(), leadership.report.again].into_iter().flatten().min()
    }
}
