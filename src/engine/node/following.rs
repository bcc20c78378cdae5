//! A member under its leader: renewals in, acks out, and the end of the lease.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::api::kinds::PartitionAction;
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::{Effect, PowerAction};
use crate::engine::ids::{BootId, Term};
use crate::engine::membership::view::View;
use crate::engine::message::{Ack, GroupPhase, Held, Message, Order, Renew};
use crate::engine::mutation::flawed;
use crate::engine::time::Instant;

/// Longer than any machine runs.
const NEVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

impl Engine {
    /// Whether a leader of this term may extend this server's life: the promise stands for it, and
    /// this run of the agent has made it (A3, A14).
    pub(super) fn follows(&self, from: &ServerName, term: &Term) -> bool {
        let earlier = self.promised.proposer == term.proposer
            && self.promised > *term
            && (*term > self.promised_to_others || flawed!(self.flaw, OldViewAfterOtherPromise));
        let stands = self.promised == *term || earlier || flawed!(self.flaw, AckInSpiteOfPromise);
        !self.must_rejoin && stands && term.proposer == *from && !self.out_of_service
    }

    pub(super) fn on_renew(&mut self, from: &ServerName, boot: BootId, renew: Renew) {
        let older = self.view.as_ref().is_some_and(|view| renew.term < view.term)
            && !flawed!(self.flaw, AckInSpiteOfPromise);
        if older || !self.follows(from, &renew.term) {
            return;
        }
        // The promise must be on disk before anything is done under it.
        if self.durable.promised < renew.term {
            return;
        }
        self.follow(from, boot, &renew);
        if let Some(echo) = renew.echo {
            let dropped = flawed!(self.flaw, AuthorityAgeDropped);
            let age = if dropped { Duration::ZERO } else { renew.authority_age };
            let receipt = flawed!(self.flaw, LeaseFromReceipt);
            self.extend_lease(if receipt { self.now.instant } else { echo } - age);
        }
        self.renewed = Some(self.now.instant);
        let mut news = false;
        if self.promised == renew.term && self.lease_live() {
            news = self.take_orders(&renew.orders);
        }
        self.commit(renew.committed);
        self.note_report_seen(renew.report_seen);
        // Its copy on another path needs no answer of its own: each answer takes every path, too.
        let stamp = (boot, renew.sent);
        if renew.answer && (news || self.answered != Some(stamp)) {
            self.answered = Some(stamp);
            self.send_ack(from, &renew);
            self.tick_along();
        }
    }

    /// A member's heartbeats leave with its answer: one packet for both, at one wake-up. Never later
    /// than they would, but for [`Self::tick_slack`].
    fn tick_along(&mut self) {
        if self.next_tick.since(self.now.instant) <= self.tick_interval() / 2 {
            self.next_tick = self.now.instant;
        }
    }

    /// What a member waits longer than an interval, for its leader's renewal to come first.
    pub(super) fn tick_slack(&self) -> Duration {
        let follows = self.view.as_ref().is_some_and(|view| view.leader != *self.me());
        if follows && self.lease_live() { self.tick_interval() / 20 } else { Duration::ZERO }
    }

    fn follow(&mut self, from: &ServerName, boot: BootId, renew: &Renew) {
        let known = self.view.as_ref().is_some_and(|view| view.term == renew.term);
        if known {
            if let Some(view) = &mut self.view {
                view.started |= renew.started;
            }
            return;
        }
        self.drop_leadership();
        self.candidacy.settle();
        self.last_members = renew.members.clone();
        self.view = Some(View {
            term: renew.term.clone(),
            leader: from.clone(),
            leader_boot: boot,
            members: renew.members.clone(),
            started: renew.started,
        });
        self.report_version += 1;
        self.report_sent = None;
        self.report_seen = 0;
    }

    /// Whether any was new.
    fn take_orders(&mut self, orders: &[Order]) -> bool {
        let mut news = false;
        for order in orders {
            let last = self.last_order(&order.group);
            if last.is_none_or(|last| order.id > last || self.retakes(order, &last)) {
                news = true;
                self.note_order(order);
                self.groups.on_order(self.now, order);
            }
        }
        news
    }

    /// Never: an order counts once, and none after a newer one.
    fn retakes(&self, order: &Order, last: &crate::engine::ids::GrantId) -> bool {
        flawed!(self.flaw, StaleOrderTaken) && order.id != *last
    }

    fn last_order(&self, group: &GroupName) -> Option<crate::engine::ids::GrantId> {
        self.orders_taken.get(group).cloned()
    }

    pub(super) fn note_order(&mut self, order: &Order) {
        self.orders_taken.insert(order.group.clone(), order.id.clone());
    }

    fn send_ack(&mut self, to: &ServerName, renew: &Renew) {
        let boot = self.liveness.peer(to).and_then(|peer| peer.boot);
        self.support.give(self.now.instant, to, boot);
        let ack = Ack {
            term: renew.term.clone(),
            echo: renew.sent,
            sent: self.now.instant,
            holds: self.groups.holds(),
        };
        self.send(to, Message::Ack(Box::new(ack)));
    }

    /// A phase changed: the leader is told at once rather than at the next renewal. That is no
    /// support, for it echoes nothing.
    pub(super) fn tell_phases(&mut self) {
        let Some(view) = &self.view else { return };
        let leader = view.leader.clone();
        if leader == *self.me() || !self.lease_live() {
            return;
        }
        let ack = Ack {
            term: view.term.clone(),
            echo: Instant::default(),
            sent: self.now.instant,
            holds: self.groups.holds(),
        };
        self.send(&leader, Message::Ack(Box::new(ack)));
    }

    /// Every group not certainly stopped here (A11).
    pub(super) fn not_certainly_stopped(&self) -> BTreeMap<GroupName, Held> {
        let mut holds = self.groups.holds();
        holds.retain(|_, held| held.phase != GroupPhase::Stopped);
        holds
    }

    /// What the keeper is told. With `onPartition: Nothing` services outlive the lease, and this
    /// server says that no time ends them (`selfFence: None`).
    fn services_until(&self) -> Option<Instant> {
        let until = self.lease.until(self.lease_length())?;
        match self.model.cluster.on_partition {
            PartitionAction::Nothing => Some(until + NEVER),
            PartitionAction::StopGroups
            | PartitionAction::Shutdown
            | PartitionAction::Reboot
            | PartitionAction::Panic => Some(until),
        }
    }

    pub(super) fn extend_lease(&mut self, basis: Instant) {
        if self.lease.extend(basis) && self.lease_live() {
            let mut until = self.services_until();
            if flawed!(self.flaw, KeeperToldTooLate) {
                until = until.map(|until| until + self.timing().interval * 5);
            }
            self.effects.push_back(Effect::Lease { until });
            self.isolated = false;
            self.groups.lapse(self.now, false);
            self.forget_inherited_pause();
        }
    }

    /// A lease that time has ended is over before anything else is looked at.
    pub(super) fn expire_lease(&mut self) {
        let Some(until) = self.lease.until(self.lease_length()) else {
            return;
        };
        let ignored = flawed!(self.flaw, LeaseEndIgnored);
        if self.now.instant < until || self.isolated || ignored {
            return;
        }
        self.isolate("LeaseLost");
    }

    fn isolate(&mut self, reason: &str) {
        self.isolated = true;
        let nothing = self.model.cluster.on_partition == PartitionAction::Nothing;
        self.drop_leadership();
        self.lease.end();
        self.was_started |= self.view.take().is_some_and(|view| view.started);
        self.renewed = None;
        self.groups.lapse(self.now, true);
        if !nothing {
            self.effects.push_back(Effect::Lease { until: None });
            self.groups.on_isolated(self.now);
        }
        let lost = self.chronicle.recall("lost/any");
        let lease = format!("{:?}", self.timing().lease);
        self.event_about_me(reason, &[("lease", &lease)], &[lost]);
        match self.model.cluster.on_partition {
            PartitionAction::StopGroups | PartitionAction::Nothing => {}
            PartitionAction::Shutdown => self.power_down(PowerAction::Shutdown, reason),
            PartitionAction::Reboot => self.power_down(PowerAction::Reboot, reason),
            PartitionAction::Panic => self.power_down(PowerAction::Panic, reason),
        }
    }

    pub(super) fn on_keeper(&mut self, present: bool) {
        let before = self.keeper.replace(present);
        if before == Some(present) {
            return;
        }
        self.report_version += 1;
        self.forget_watchdog();
        if !present {
            self.event_about_me("KeeperLost", &[], &[]);
            return;
        }
        if before == Some(false) {
            self.event_about_me("KeeperRestored", &[], &[]);
        }
        // What the keeper holds is found out, not assumed; one that was lost has ended everything.
        match before {
            None => self.groups.probe_all(self.now),
            Some(_) => {
                self.groups.say_settings_again();
                self.groups.probe_again(self.now);
            }
        }
        self.tell_keeper();
    }

    /// The keeper counts with the deadline that it was told last.
    pub(super) fn tell_keeper(&mut self) {
        if let Some(until) = self.services_until().filter(|_| self.lease_live()) {
            self.effects.push_back(Effect::Lease { until: Some(until) });
        }
    }
}
