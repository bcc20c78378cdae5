//! The leader's decisions about groups, from facts to orders to what members say of them.

use std::collections::BTreeMap;

use super::leading::{FailoverUnderWay, Leadership, Ran};
use super::surplus::Surplus;
use super::{Engine, events::text};
use crate::api::kinds::LastFailover;
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::GrantId;
use crate::engine::membership::lead::{Absent, Freedom};
use crate::engine::message::{GroupPhase, Held, Order, OrderAction, OrderReason, Wants};
use crate::engine::mutation::flawed;
use crate::engine::placement::{
    Decision, GroupFacts, Holder, KeptOut, Out, Refusal, Released, ServerFacts, View, plan,
};
use crate::engine::time::Instant;

impl Engine {
    /// Everything that a leader does after any input.
    pub(super) fn lead_on(&mut self) {
        let proposes = self.proposal.is_some()
            || self.view.as_ref().is_none_or(|view| view.term != self.promised);
        if !self.leading() || self.must_rejoin {
            return;
        }
        if proposes && !flawed!(self.flaw, ProposerGrants) {
            return;
        }
        self.synchronise_startup();
        self.fence_on();
        self.free_unknown();
        self.order_surplus();
        self.store_on();
        self.step_operations();
        self.replan();
    }

    /// CP-11: a cluster that starts waits for its servers, but not for ever.
    fn synchronise_startup(&mut self) {
        let Some(view) = &self.view else { return };
        if view.started {
            return;
        }
        let missing: Vec<String> = self
            .model
            .cluster
            .servers
            .iter()
            .filter(|name| !view.members.contains(name) && !self.known_out(name))
            .map(|name| name.to_string())
            .collect();
        let over = self.startup_deadline().is_none_or(|at| self.now.instant >= at)
            && !self.startup_waits_for_proof();
        if missing.is_empty() || over {
            if let Some(view) = &mut self.view {
                view.started = true;
            }
            let installed = self.chronicle.recall("installed");
            let missing = missing.join(", ");
            self.event_about_cluster("StartupComplete", &[("missing", &missing)], &[installed]);
            self.tell_history(&missing, installed);
            if let Some(leadership) = &mut self.leadership {
                leadership.dirty = true;
            }
            self.begin_round();
            return;
        }
        let told = self.leadership.as_ref().is_some_and(|leadership| leadership.told_waiting);
        if !told {
            let wait = match self.startup_waits_for_proof() {
                true => "as long as it takes".to_owned(),
                false => text(self.model.cluster.wait_for_servers),
            };
            let parameters = [("missing", &*missing.join(", ")), ("wait", &*wait)];
            self.event_about_cluster("StartupWaiting", &parameters, &[]);
            if let Some(leadership) = &mut self.leadership {
                leadership.told_waiting = true;
            }
        }
    }

    /// When start-up synchronisation ends without the missing servers; counted from this boot.
    pub(super) fn startup_deadline(&self) -> Option<Instant> {
        let waiting = self.view.as_ref().is_some_and(|view| !view.started);
        waiting.then(|| self.boot + self.model.cluster.wait_for_servers)
    }

    /// Groups of unknown holder are free once every absent server certainly holds nothing.
    fn free_unknown(&mut self) {
        let timing = self.timing();
        let as_of = self.certain_until();
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let lead = &leadership.lead;
        let unfree = lead.unfree(as_of, &timing);
        let newly: Vec<ServerName> = lead
            .absent
            .keys()
            .filter(|name| !leadership.freed.contains(*name) && !unfree.contains_key(*name))
            .cloned()
            .collect();
        let all_free = unfree.is_empty();
        leadership.freed.extend(newly.iter().cloned());
        leadership.dirty |= !newly.is_empty();
        if all_free {
            for (name, facts) in &mut leadership.groups {
                let doubted = leadership.doubts.iter().any(|(group, _)| group == name);
                if facts.holder == Holder::Unknown && !doubted {
                    facts.holder = Holder::Free;
                    leadership.dirty = true;
                }
            }
        }
        let due: Vec<Instant> = unfree.into_values().filter_map(Freedom::until).collect();
        for server in newly {
            self.note_freed(&server);
        }
        self.renew_authority_after(&due);
    }

    fn note_freed(&mut self, server: &ServerName) {
        let timing = self.timing();
        let absent = self.leadership.as_ref().and_then(|it| it.lead.absent.get(server));
        let ended = absent.is_some_and(Absent::ended_for_certain);
        let since = absent.map(|absent| absent.since.0.to_string());
        let wait = text(timing.wait());
        let fenced = absent.is_some_and(|absent| absent.fenced);
        let how = match (fenced, ended) {
            (true, _) => "it was made sure of from outside",
            (false, true) => "its keeper ended everything",
            (false, false) => "its time is over",
        };
        let lease = text(timing.lease);
        let fence = text(timing.self_fence);
        let name = server.as_str();
        let parameters = [
            ("server", name),
            ("how", how),
            ("wait", &*wait),
            ("lease", &*lease),
            ("selfFence", &*fence),
            ("lastSupport", since.as_deref().unwrap_or_default()),
        ];
        let causes = ["installed".to_owned(), format!("lost/{server}"), format!("fenced/{server}")];
        let causes = causes.map(|topic| self.chronicle.recall(&topic));
        let number = self.event("Server", name, "ServerFree", &parameters, &causes);
        self.chronicle.remember("freed", number);
    }

    fn replan(&mut self) {
        let now = self.now.instant;
        let due = self.leadership.as_ref().is_some_and(|leadership| {
            leadership.dirty || leadership.report.again.is_some_and(|at| now >= at)
        });
        if !due {
            return;
        }
        let servers = self.server_facts();
        let hold = self.hold();
        let mut stops = self.stops_decided();
        let as_of = self.certain_until();
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        leadership.dirty = false;
        for (name, _) in self.model.groups.iter() {
            leadership.groups.entry(name.clone()).or_insert_with(|| GroupFacts {
                // New in the spec, and nobody reported it: certainly nobody's.
                holder: Holder::Free,
                ..GroupFacts::unknown()
            });
        }
        leadership.groups.retain(|name, facts| {
            self.model.groups.contains_key(name) || facts.holder != Holder::Free
        });
        for (name, facts) in &mut leadership.groups {
            facts.intent = self.intents.groups.get(name).cloned().unwrap_or_default();
            // What runs is stopped once that is written; nothing is started until then.
            if let Some(stopped) = stops.remove(name).filter(|_| facts.holder == Holder::Free) {
                facts.intent = stopped;
            }
        }
        let started = self.view.as_ref().is_some_and(|view| view.started);
        let view = View {
            model: &self.model,
            servers: &servers,
            groups: &leadership.groups,
            started,
            hold,
            now,
        };
        let (decisions, mut report) = plan(&view);
        let unfree = leadership.lead.unfree(as_of, &self.model.cluster.timing);
        let all_free = unfree.is_empty();
        self.fences.explain(&unfree, &mut report);
        leadership.report = report;
        for decision in decisions {
            match decision {
                // Another copy is still being ended: placement is asked again when it has.
                Decision::Run { group, .. }
                    if self.has_surplus(&group) && !flawed!(self.flaw, CopyNotAwaited) => {}
                // "Not certainly stopped" is no proof that it runs there: an absent server may
                // hold it, and what is not active may be started only once that is over.
                Decision::Run { reason: OrderReason::Adopted, .. } if !all_free => {}
                Decision::Run { group, server, reason, previous } => {
                    self.order_run(group, server, reason, previous);
                }
                Decision::Stop { group, reason } => self.order_stop(&group, reason),
            }
        }
        self.flush_orders();
    }

    pub(super) fn server_facts(&mut self) -> BTreeMap<ServerName, ServerFacts> {
        let me = self.me().clone();
        let now = self.now.instant;
        let mut facts = BTreeMap::new();
        let servers = self.model.cluster.servers.clone();
        let own_keeper = self.keeper != Some(false) && !self.closing;
        let out = |server: &ServerName| Some((server.clone(), self.out_intent(server)?));
        let mut kept_out: BTreeMap<_, _> = servers.iter().filter_map(out).collect();
        let Some(leadership) = &mut self.leadership else {
            return facts;
        };
        for server in servers {
            let member = leadership.lead.members.contains_key(&server);
            let fit = if server == me {
                own_keeper
            } else {
                leadership.lead.reports.get(&server).is_none_or(|report| report.keeper)
            };
            let unfit =
                || KeptOut { out: Out::Unfit, message: "its keeper does not answer".to_owned() };
            let disk = if server == me { self.disk.health } else { self.liveness.disk(&server) };
            let ailing = || KeptOut { out: Out::Ailing, message: DISK_FAILS.to_owned() };
            let kept_out = kept_out
                .remove(&server)
                .filter(|it| it.out != Out::Failed || !leadership.not_failed.contains(&server))
                .map(|intent| intent.kept_out())
                .or_else(|| (!fit).then(unfit))
                .or_else(|| disk.fails().then(ailing))
                .filter(|_| !flawed!(self.flaw, PlacedOnServerOut));
            let available = member && kept_out.is_none();
            if available {
                leadership.available_since.entry(server.clone()).or_insert(now);
            } else {
                leadership.available_since.remove(&server);
            }
            let available_since =
                leadership.available_since.get(&server).copied().unwrap_or_default();
            facts.insert(server, ServerFacts { member, kept_out, available_since });
        }
        facts
    }

    fn order_run(
        &mut self,
        group: GroupName,
        server: ServerName,
        reason: OrderReason,
        previous: Option<ServerName>,
    ) {
        let now = self.now.instant;
        let wall = self.now.wall;
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let id = leadership.next_order();
        let Some(facts) = leadership.groups.get_mut(&group) else {
            return;
        };
        let previous = previous.or_else(|| facts.lost_from.clone());
        facts.holder = Holder::Held {
            server: server.clone(),
            order: id.clone(),
            phase: None,
            action: OrderAction::Run,
            reason,
        };
        facts.placed = now;
        if reason != OrderReason::Adopted {
            leadership.granted.insert(group.clone());
        }
        if reason == OrderReason::FailedOver {
            facts.failovers.push(now);
            let surplus = facts.failovers.len().saturating_sub(FAILOVERS_REMEMBERED);
            facts.failovers.drain(..surplus);
            let from = previous.clone();
            // The outage began when the lost server last got support.
            let absent = from.as_ref().and_then(|from| leadership.lead.absent.get(from));
            let since = absent.map_or(now, |absent| absent.since);
            leadership.failing_over.entry(group.clone()).or_insert(FailoverUnderWay {
                from,
                since,
                wall,
                reason: "ServerLost".to_owned(),
            });
        }
        let order =
            Order { group, id, action: OrderAction::Run, reason, previous: previous.clone() };
        self.note_decision("GroupGranted", &order, &server);
        self.give(server, order);
    }

    pub(super) fn order_stop(&mut self, group: &GroupName, reason: OrderReason) {
        let now = self.now.instant;
        let wall = self.now.wall;
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let id = leadership.next_order();
        let Some(facts) = leadership.groups.get_mut(group) else {
            return;
        };
        let Holder::Held { server, order, phase, action, reason: why } = &mut facts.holder else {
            return;
        };
        let server = server.clone();
        let failed = match phase {
            Some(GroupPhase::Failed { message, wants: Wants::Failover, .. }) => {
                Some(message.clone())
            }
            _ => None,
        };
        *order = id.clone();
        *action = OrderAction::Stop;
        *why = reason;
        if reason == OrderReason::FailedOver {
            leadership.failing_over.insert(
                group.clone(),
                FailoverUnderWay {
                    from: Some(server.clone()),
                    since: now,
                    wall,
                    reason: failed.unwrap_or_else(|| "GroupFailed".to_owned()),
                },
            );
        }
        let order =
            Order { group: group.clone(), id, action: OrderAction::Stop, reason, previous: None };
        self.note_decision("GroupOrderedToStop", &order, &server);
        self.give(server, order);
    }

    pub(super) fn give(&mut self, server: ServerName, order: Order) {
        if let Some(leadership) = &mut self.leadership {
            let orders = leadership.orders.entry(server.clone()).or_default();
            orders.insert(order.group.clone(), order);
            leadership.unsent.insert(server);
        }
    }

    /// Orders to others go out at once, those to ourselves are taken.
    pub(super) fn flush_orders(&mut self) {
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let servers = std::mem::take(&mut leadership.unsent);
        for server in servers {
            if server != *self.me() {
                self.send_orders_to(&server);
                continue;
            }
            let Some(leadership) = &mut self.leadership else {
                return;
            };
            let orders = leadership.orders.remove(&server).unwrap_or_default();
            for order in orders.values() {
                self.note_order(order);
                self.groups.on_order(self.now, order);
            }
        }
    }

    fn note_decision(&mut self, reason: &str, order: &Order, server: &ServerName) {
        let group = order.group.to_string();
        let id = order.id.to_string();
        let why = format!("{:?}", order.reason);
        let previous = order.previous.as_ref().map(ToString::to_string).unwrap_or_default();
        let parameters = [
            ("group", &*group),
            ("server", server.as_str()),
            ("grant", &*id),
            ("reason", &*why),
            ("previous", &*previous),
        ];
        let latest = format!("latest/FailoverGroup/{group}");
        let from_loss = matches!(order.reason, OrderReason::FailedOver | OrderReason::Startup);
        let freed = if from_loss { self.chronicle.recall("freed") } else { None };
        let installed = if from_loss { self.chronicle.recall("installed") } else { None };
        // A group that leaves a detached server does so for no reason of its own.
        let leaves = order.reason == OrderReason::Detached && order.action == OrderAction::Stop;
        let topic = if leaves { &format!("detached/{server}") } else { &latest };
        let causes = [freed.or(installed), self.chronicle.recall(topic)];
        let number = self.event("FailoverGroup", &group, reason, &parameters, &causes);
        self.chronicle.remember(&latest, number);
    }

    /// What the leader itself holds, as any member would tell it.
    pub(super) fn take_own_phases(&mut self) {
        if self.leadership.is_some() {
            let me = self.me().clone();
            let holds = self.groups.holds();
            self.on_holds(&me, holds);
            self.lead_on();
        }
    }

    /// What a member says of the groups it holds.
    pub(super) fn on_holds(&mut self, from: &ServerName, holds: BTreeMap<GroupName, Held>) {
        if let Some(leadership) = &mut self.leadership {
            let remains = |group: &GroupName| holds.get(group).is_some_and(in_doubt);
            leadership.doubts.retain(|(group, server)| server != from || remains(group));
        }
        for (group, held) in holds {
            self.on_held(from, &group, &held);
        }
    }

    fn on_held(&mut self, from: &ServerName, group: &GroupName, held: &Held) {
        let (now, as_of) = (self.now.instant, self.certain_until());
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        if let Some(orders) = leadership.orders.get_mut(from)
            && orders.get(group).is_some_and(|order| order.id <= held.order)
        {
            orders.remove(group);
        }
        let timing = self.model.cluster.timing;
        let all_free = leadership.lead.all_free(as_of, &timing);
        if leadership.on_surplus_held(now, group, from, held) {
            return;
        }
        let Some(facts) = leadership.groups.get_mut(group) else {
            return;
        };
        let holder = match &mut facts.holder {
            Holder::Held { server, order, phase, action, reason } if server == from => {
                Some((order, phase, *action, *reason))
            }
            Holder::Held { .. } | Holder::Free | Holder::Unknown => None,
        };
        let Some((order, phase, action, reason)) = holder else {
            if held.phase != GroupPhase::Stopped {
                leadership.on_unexpected(group, from, held);
            }
            return;
        };
        let unnamed = flawed!(self.flaw, ReleaseWithoutNumber);
        if *order != held.order && !unnamed || phase.as_ref() == Some(&held.phase) {
            return;
        }
        let starting = matches!(phase, None | Some(GroupPhase::Starting));
        *phase = Some(held.phase.clone());
        leadership.dirty = true;
        match &held.phase {
            GroupPhase::Stopped => {
                let ended =
                    if action == OrderAction::Stop { reason } else { OrderReason::FailedOver };
                facts.released = Some(Released { server: from.clone(), reason: ended });
                let granted = leadership.granted.contains(group);
                let certain = all_free || granted || flawed!(self.flaw, ReportedReleaseIsFree);
                facts.holder = if certain { Holder::Free } else { Holder::Unknown };
            }
            GroupPhase::Failed { reason, message, wants } if starting => {
                let (reason, message) = (reason.clone(), message.clone());
                facts.refused.insert(from.clone(), Refusal { resource: None, reason, message });
                facts.activation_failovers += u32::from(*wants == Wants::Failover);
            }
            GroupPhase::Online => self.on_group_online(group, from),
            GroupPhase::Starting
            | GroupPhase::Stopping
            | GroupPhase::Failed { .. }
            | GroupPhase::StopFailed { .. } => {}
        }
    }

    fn on_group_online(&mut self, group: &GroupName, server: &ServerName) {
        let now = self.now.instant;
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let failover = leadership.failing_over.remove(group);
        let Some(facts) = leadership.groups.get_mut(group) else {
            return;
        };
        facts.refused.clear();
        facts.activation_failovers = 0;
        facts.released = None;
        facts.ever_started = true;
        let previous = facts.lost_from.take();
        let known = self.intents.ran.get(group).cloned().unwrap_or_default();
        let failover = failover.map(|failover| {
            let from = failover.from.or(previous).map(|name| name.to_string());
            let took = now.since(failover.since);
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            LastFailover {
                time: failover.wall.rfc3339(),
                duration_milliseconds: milliseconds,
                text: format!("{} ({})", failover.wall.rfc3339(), text(took)),
                from,
                to: server.to_string(),
                reason: failover.reason,
            }
        });
        let ran = Ran { server: server.to_string(), failover: failover.or(known.failover.clone()) };
        if ran != known
            && let Ok(json) = serde_json::to_string(&ran)
        {
            self.write_intent(Ran::key(group), Some(json));
        }
    }
}

/// Why a server is given nothing whose disk fails.
pub(super) const DISK_FAILS: &str = "its disk takes no writes";

/// Failovers of one group that are remembered: the largest `failoversMax`.
const FAILOVERS_REMEMBERED: usize = 1000;

impl Leadership {
    pub(super) fn next_order(&mut self) -> GrantId {
        self.lead.sequence += 1;
        GrantId { term: self.lead.term.clone(), sequence: self.lead.sequence }
    }

    /// A member holds what this leader did not know it to hold.
    fn on_unexpected(&mut self, group: &GroupName, from: &ServerName, held: &Held) {
        let Some(facts) = self.groups.get_mut(group) else {
            return;
        };
        self.dirty = true;
        match &facts.holder {
            Holder::Held { server, order, phase, .. } => {
                let present = phase.clone().map(|phase| Held { order: order.clone(), phase });
                let copies = present.map(|present| [(server.clone(), present)]);
                let copies = copies.into_iter().flatten().chain([(from.clone(), held.clone())]);
                let copies: Vec<_> = copies.collect();
                self.note_copies(group, copies.iter().map(|(server, held)| (server, held)));
                self.surplus.insert((group.clone(), from.clone()), Surplus::default());
            }
            // In doubt there until a probe has said so, while an absent server may hold it: what
            // ends the doubt must not make it free.
            Holder::Unknown
                if in_doubt(held)
                    && self.lead.absent.keys().any(|name| !self.freed.contains(name)) =>
            {
                self.doubts.insert((group.clone(), from.clone()));
            }
            // Found by a probe after the report was taken.
            Holder::Free | Holder::Unknown => {
                facts.holder = adopted(from.clone(), held.clone());
            }
        }
    }
}

/// Whether a member has not found out yet whether a group runs there.
pub(super) fn in_doubt(held: &Held) -> bool {
    held.order.is_nobodys() && held.phase == GroupPhase::Starting
}

/// A group that runs already when a leader learns of it.
pub(super) fn adopted(server: ServerName, held: Held) -> Holder {
    let stopping = matches!(held.phase, GroupPhase::Stopping | GroupPhase::StopFailed { .. });
    let action = if stopping { OrderAction::Stop } else { OrderAction::Run };
    let reason = OrderReason::Adopted;
    Holder::Held { server, order: held.order, phase: Some(held.phase), action, reason }
}
