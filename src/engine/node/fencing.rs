//! Fencing: the leader makes sure of lost servers from outside, and every server checks that it
//! could.
//!
//! Only the leader of an installed view fences, only what it asked for after the installation
//! counts (A15), and only `Fenced` is a confirmation. It never fences before start-up
//! synchronisation is over: a fenced server that boots alone waits for its peers like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::events::text;
use super::leading::Leadership;
use super::{Engine, MINIMUM_WAIT};
use crate::api::kinds::{
    AfterFence, Automation, Fencing, FencingFailure, FencingTakeover, FencingType, OperationState,
    OperationType,
};
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::{Effect, FenceAction};
use crate::engine::fencing::{ANSWER_GRACE, Ask, FailedTry, FenceRun, FenceState};
use crate::engine::ids::{ActionId, BootId};
use crate::engine::input::FenceAnswer;
use crate::engine::membership::lead::Freedom;
use crate::engine::message::FencingAbility;
use crate::engine::mutation::flawed;
use crate::engine::operations::{FenceFacts, FenceProgress};
use crate::engine::placement::{Desired, GroupFacts, Holder, Report, WaitingOn};
use crate::engine::time::{Instant, WallTime};

/// Fencing under way, and what is known of the ability to fence.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    /// By the server that is fenced; of the present leadership.
    runs: BTreeMap<ServerName, Run>,
    /// What became of earlier runs, by the operation that asked: nothing is fenced twice for one.
    answered: BTreeMap<String, (ServerName, FenceProgress)>,
    /// Servers that a person certified to be down, by the operation that said so.
    certified: BTreeMap<ServerName, Certified>,
    /// By server and method.
    checks: BTreeMap<(ServerName, String), Check>,
    /// The check under way, and when its answer is lost.
    checking: Option<(ActionId, (ServerName, String), Instant)>,
    /// What the checks were made for.
    configured: Option<Arc<Fencing>>,
}

#[derive(Clone, Debug)]
struct Run {
    fence: FenceRun,
    begun: Instant,
    /// The operations that asked for it, by uid.
    operations: BTreeSet<String>,
    /// The run of the server's agent that was heard last when it was confirmed.
    boot: Option<BootId>,
    confirmed: Option<Instant>,
    /// Every level failed at least once.
    has_failed: bool,
    /// It was told that the server lives all the same.
    told_alive: bool,
}

#[derive(Clone, Debug)]
struct Certified {
    operation: String,
    result: Result<(), &'static str>,
}

#[derive(Clone, Debug, Default)]
struct Check {
    due: Instant,
    able: Option<bool>,
    message: String,
    checked: Option<WallTime>,
}

impl Fences {
    /// When something is due.
    pub fn next_due(&self) -> Option<Instant> {
        let runs = self.runs.values().filter_map(|run| run.fence.next_due());
        // The checks have all the time in the world: they are looked at with each tick.
        runs.min()
    }

    fn answered_about(&self, server: &ServerName) -> BTreeMap<String, FenceProgress> {
        let answered = self.answered.iter().filter(|(_, (of, _))| of == server);
        answered.map(|(uid, (_, progress))| (uid.clone(), progress.clone())).collect()
    }

    /// What each check says.
    pub fn abilities(&self) -> Vec<FencingAbility> {
        let ability = |((server, method), check): (&(ServerName, String), &Check)| FencingAbility {
            server: server.clone(),
            method: method.clone(),
            able: check.able,
            message: check.message.clone(),
            checked: check.checked,
        };
        self.checks.iter().map(ability).collect()
    }

    /// Why groups wait that an absent server may hold.
    pub fn explain(&self, unfree: &BTreeMap<ServerName, Freedom>, report: &mut Report) {
        let failed = |(server, run): (&ServerName, &Run)| match run.fence.state() {
            FenceState::Failed { message, .. } => {
                Some(WaitingOn::FencingFailed(server.clone(), message.clone()))
            }
            FenceState::Asking(_) | FenceState::Confirmed { .. } => None,
        };
        let asking = |(server, run): (&ServerName, &Run)| {
            run.fence.is_asking().then(|| WaitingOn::Fencing(server.clone()))
        };
        // Where time frees it too, that is what is waited for.
        let runs = || {
            let never = |server: &ServerName| unfree.get(server) == Some(&Freedom::Never);
            self.runs.iter().filter(move |(server, _)| never(server))
        };
        let Some(why) = runs().find_map(failed).or_else(|| runs().find_map(asking)) else {
            return;
        };
        for group in report.groups.values_mut() {
            if group.waiting == Some(WaitingOn::Takeover) {
                group.waiting = Some(why.clone());
            }
        }
    }
}

impl Engine {
    /// Whether the end of an absent server's time frees it: without an exclusive arbiter it never
    /// does where fencing is configured (A15).
    pub(super) fn time_frees(&self) -> bool {
        let Some(fencing) = &self.model.cluster.fencing else { return true };
        let exclusive = self.model.cluster.arbiter.is_exclusive();
        if flawed!(self.flaw, TimeFreesUnexclusive) {
            return true;
        }
        exclusive && fencing.takeover == FencingTakeover::FencedOrTime
    }

    /// What a leader does about lost servers after any input.
    pub(super) fn fence_on(&mut self) {
        self.settle_time();
        self.take_certificates();
        self.drop_needless();
        self.begin_needed();
        self.begin_by_hand();
        self.lose_answers();
        self.ask_methods();
        self.begin_again();
        self.look_for_the_living();
    }

    /// The leadership is over: what it asked for counts no more, but for whoever asked for that.
    pub(super) fn end_fencing(&mut self) {
        for (server, run) in std::mem::take(&mut self.fences.runs) {
            self.cancel(run.fence.open());
            for uid in run.operations.iter().filter(|_| !run.fence.is_asking()) {
                let answer = (server.clone(), run.progress());
                self.fences.answered.insert(uid.clone(), answer);
            }
        }
        self.fences.certified.clear();
    }

    pub(super) fn on_fence_done(&mut self, id: ActionId, answer: FenceAnswer, message: &str) {
        if self.fences.checking.as_ref().is_some_and(|(asked, ..)| *asked == id) {
            self.on_checked_fence(answer, message);
            return;
        }
        let runs = &self.fences.runs;
        let of = runs.iter().find(|(_, run)| run.fence.open().contains(&id));
        if let Some(server) = of.map(|(server, _)| server.clone()) {
            self.on_fence_answer(&server, id, answer, message);
        }
    }

    /// What operations on fencing are judged by.
    pub(super) fn fence_facts(&self) -> BTreeMap<ServerName, FenceFacts> {
        let mut facts: BTreeMap<ServerName, FenceFacts> = BTreeMap::new();
        for name in &self.model.cluster.servers {
            let known = FenceFacts {
                leads: name == self.me(),
                heard: self.liveness.alive(name),
                run: self.fences.runs.get(name).map(Run::progress),
                answered: self.fences.answered_about(name),
                certified: self.fences.certified.get(name).map(|certified| {
                    (certified.operation.clone(), certified.result.map_err(str::to_owned))
                }),
            };
            facts.insert(name.clone(), known);
        }
        facts
    }

    /// A changed spec, or an accepted failure, changes what time is worth.
    fn settle_time(&mut self) {
        let time_frees = self.time_frees();
        let Some(leadership) = &mut self.leadership else { return };
        let continues = self
            .model
            .cluster
            .fencing
            .as_ref()
            .is_some_and(|fencing| fencing.on_failure == FencingFailure::Continue);
        for (name, absent) in &mut leadership.lead.absent {
            let run = self.fences.runs.get(name);
            let failed = run.is_some_and(|run| run.has_failed);
            absent.time_frees = time_frees || continues && failed;
        }
    }

    /// Operations by which a person says that a server is down.
    fn take_certificates(&mut self) {
        let Some(leadership) = &self.leadership else { return };
        let installed = leadership.installed;
        let said: Vec<(ServerName, String, bool)> = self
            .open_operations(OperationType::ConfirmServerDown)
            .map(|(server, uid, seen)| (server, uid, seen >= installed))
            .collect();
        for (server, operation, fresh) in said {
            let known = self.fences.certified.get(&server);
            if known.is_some_and(|known| known.operation == operation) {
                continue;
            }
            let result = self.certify(&server, fresh);
            self.fences.certified.insert(server.clone(), Certified { operation, result });
            if let Some(leadership) = &mut self.leadership {
                leadership.dirty = true;
            }
            if result.is_ok() {
                let parameters = [("server", server.as_str())];
                let lost = self.chronicle.recall(&format!("lost/{server}"));
                let number = self.event(
                    "Server",
                    server.as_str(),
                    "ServerConfirmedDown",
                    &parameters,
                    &[lost],
                );
                self.chronicle.remember(&format!("fenced/{server}"), number);
            }
        }
    }

    fn certify(&mut self, server: &ServerName, fresh: bool) -> Result<(), &'static str> {
        if self.liveness.alive(server) {
            return Err("it is heard: it is not down");
        }
        if !fresh {
            return Err(
                "the view changed before this was taken note of; look again and say it anew",
            );
        }
        let absent = self.leadership.as_mut().and_then(|l| l.lead.absent.get_mut(server));
        let Some(absent) = absent else {
            return Err("it is a member of the view still: wait until it is lost");
        };
        absent.fenced = true;
        Ok(())
    }

    /// Servers of open operations of a kind, with uid and the instant they were seen.
    fn open_operations(
        &self,
        type_: OperationType,
    ) -> impl Iterator<Item = (ServerName, String, Instant)> {
        self.intents.operations.values().filter_map(move |operation| {
            let open = operation.state == OperationState::Running && operation.spec.type_ == type_;
            let server = operation.spec.server.as_deref().filter(|_| open)?;
            Some((server.into(), operation.uid.clone(), operation.seen))
        })
    }

    /// A server that is heard again takes part in the next view; fencing it would end it for
    /// nothing.
    fn drop_needless(&mut self) {
        if self.fences.runs.is_empty() {
            return;
        }
        let configured = self.model.cluster.fencing.clone();
        let liveness = &self.liveness;
        let absent = self.leadership.as_ref().map(|leadership| &leadership.lead.absent);
        // Its keeper has spoken: it stopped cleanly.
        let ended = |server: &ServerName| {
            let absent = absent.and_then(|absent| absent.get(server));
            absent.is_some_and(|known| !known.fenced && known.ended_for_certain())
        };
        let needless = |server: &ServerName, run: &Run| {
            let automatic = run.fence.is_asking() && run.operations.is_empty();
            automatic && (liveness.alive(server) || ended(server))
                || configured.as_ref().is_none_or(|now| now != run.fence.fencing())
        };
        let gone: Vec<ServerName> = self
            .fences
            .runs
            .iter()
            .filter(|(server, run)| needless(server, run))
            .map(|(server, _)| server.clone())
            .collect();
        for server in gone {
            if let Some(run) = self.fences.runs.remove(&server) {
                self.cancel(run.fence.open());
            }
        }
    }

    /// Absent servers that may hold what is to start elsewhere.
    fn begin_needed(&mut self) {
        let started = self.view.as_ref().is_some_and(|view| view.started);
        let (Some(leadership), Some(fencing)) = (&self.leadership, &self.model.cluster.fencing)
        else {
            return;
        };
        let awaited = self.awaited(leadership);
        if !started || awaited.is_empty() {
            return;
        }
        let unfree = leadership.lead.unfree(self.now.instant, &self.timing());
        let needed: Vec<ServerName> = unfree
            .into_keys()
            .filter(|server| !self.fences.runs.contains_key(server))
            .filter(|server| !self.liveness.alive(server))
            .collect();
        let soonest = self.now.instant + self.race_delay(fencing);
        let words: BTreeMap<ServerName, Instant> =
            needed.iter().map(|name| (name.clone(), self.word_expected(name))).collect();
        let names: Vec<&str> = awaited.iter().map(GroupName::as_str).collect();
        let groups = names.join(", ");
        for server in needed {
            let word = words.get(&server).copied().unwrap_or_default();
            self.begin_run(server, soonest.max(word), BTreeSet::new(), &groups);
        }
    }

    /// A server whose agent ended in good order is given time: its keeper says that all has ended,
    /// by the end of the lease at the latest. And so is one that this run has never heard: whoever
    /// boots alone, perhaps because it was fenced itself, waits for the others as long as at any
    /// start, whatever its store says of them.
    fn word_expected(&self, server: &ServerName) -> Instant {
        let peer = self.liveness.peer(server);
        if peer.is_none_or(|peer| peer.boot.is_none()) {
            return self.boot + self.model.cluster.wait_for_servers;
        }
        let retired = peer.is_some_and(|peer| peer.retiring == peer.boot);
        let lead = self.leadership.as_ref().map(|leadership| &leadership.lead);
        let absent = lead.and_then(|lead| Some((lead.absent.get(server)?, lead.quiet_since())));
        match (absent, retired) {
            (Some((absent, quiet)), true) => match absent.by_time(quiet, &self.timing()) {
                Freedom::Until(instant) => instant,
                Freedom::Free | Freedom::Never => Instant::default(),
            },
            (Some(_) | None, _) => Instant::default(),
        }
    }

    /// Groups that start as soon as it is certain that nobody holds them.
    fn awaited(&self, leadership: &Leadership) -> Vec<GroupName> {
        let groups = leadership.groups.iter();
        groups.filter(|(name, facts)| self.awaits(name, facts)).map(|(n, _)| n.clone()).collect()
    }

    fn awaits(&self, name: &GroupName, facts: &GroupFacts) -> bool {
        let Some(group) = self.model.groups.get(name).filter(|group| !group.deleting) else {
            return false;
        };
        let intent = self.intents.groups.get(name);
        let automatic = match (&facts.lost_from, group.startup) {
            (Some(_), _) => group.failover == Automation::Automatic,
            (None, Automation::Automatic) => true,
            (None, Automation::Manual) => facts.ever_started,
        };
        let wanted = match intent.map(|intent| &intent.desired) {
            Some(Desired::Stopped { .. }) => false,
            Some(Desired::Running { .. }) => true,
            Some(Desired::Automatic) | None => automatic,
        };
        wanted && facts.holder == Holder::Unknown
    }

    /// Under an arbiter that lets several parts act, the part with the cluster's first server
    /// begins at once and the others later, so that not all of them end each other.
    fn race_delay(&self, fencing: &Fencing) -> Duration {
        if self.model.cluster.arbiter.is_exclusive() {
            return Duration::ZERO;
        }
        let members = self.leadership.iter().flat_map(|l| l.lead.members.keys());
        let first = members.map(|name| self.model.priority(name)).min().unwrap_or_default();
        let steps = u32::try_from(first).unwrap_or(u32::MAX);
        Duration::from(fencing.race_delay).saturating_mul(steps)
    }

    /// Servers that a person wants fenced; a run that is under way serves them too. What comes after
    /// it is another run, but only once what it was asked for has been answered: or two operations
    /// would take it from each other and fence the server again and again.
    fn begin_by_hand(&mut self) {
        let asked: Vec<(ServerName, String, Instant)> =
            self.open_operations(OperationType::FenceServer).collect();
        let open: BTreeSet<&String> = asked.iter().map(|(_, uid, _)| uid).collect();
        self.fences.answered.retain(|uid, _| open.contains(uid));
        let now = self.now.instant;
        for (server, uid, _) in &asked {
            if server == self.me() || self.fences.answered.contains_key(uid) {
                continue;
            }
            match self.fences.runs.get_mut(server) {
                Some(run) if run.fence.is_asking() => {
                    run.operations.insert(uid.clone());
                }
                Some(run) if run.operations.iter().any(|uid| open.contains(uid)) => {}
                Some(_) | None => {
                    let operations = BTreeSet::from([uid.clone()]);
                    self.begin_run(server.clone(), now, operations, "an operation asks for it");
                }
            }
        }
    }

    fn begin_run(
        &mut self,
        server: ServerName,
        begin: Instant,
        operations: BTreeSet<String>,
        groups: &str,
    ) {
        let Some(fencing) = self.model.cluster.fencing.clone() else { return };
        let now = self.now.instant;
        let delay = text(begin.since(now));
        let parameters = [("server", server.as_str()), ("groups", groups), ("delay", &*delay)];
        let causes =
            [self.chronicle.recall("installed"), self.chronicle.recall(&format!("lost/{server}"))];
        let number = self.event("Server", server.as_str(), "ServerFencing", &parameters, &causes);
        self.chronicle.remember(&format!("fencing/{server}"), number);
        let run = Run {
            fence: FenceRun::new(server.clone(), fencing, begin),
            begun: now,
            operations,
            boot: None,
            confirmed: None,
            has_failed: false,
            told_alive: false,
        };
        self.fences.runs.insert(server, run);
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
    }

    fn ask_methods(&mut self) {
        let now = self.now.instant;
        let mut asks = Vec::new();
        for (server, run) in &mut self.fences.runs {
            let due = run.fence.ask_due(now, &mut self.ids);
            asks.extend(due.into_iter().map(|ask| (server.clone(), ask)));
        }
        for (server, Ask { id, method }) in asks {
            if method.type_ == FencingType::Watchdog {
                self.ask_watchdog(&server, id);
                continue;
            }
            self.effects.push_back(Effect::Fence { id, action: FenceAction::Off, server, method });
        }
    }

    pub(super) fn postpone_fence(&mut self, server: &ServerName, id: ActionId, until: Instant) {
        if let Some(run) = self.fences.runs.get_mut(server) {
            run.fence.postpone(id, until);
        }
    }

    /// An answer that does not come is no answer.
    fn lose_answers(&mut self) {
        let now = self.now.instant;
        let runs = self.fences.runs.iter();
        let lost: Vec<(ServerName, ActionId)> = runs
            .flat_map(|(server, run)| {
                run.fence.lost(now).into_iter().map(|id| (server.clone(), id))
            })
            .collect();
        for (server, id) in lost {
            self.cancel(vec![id]);
            self.on_fence_answer(&server, id, FenceAnswer::Unknown, "it gave no answer");
        }
    }

    pub(super) fn on_fence_answer(
        &mut self,
        server: &ServerName,
        id: ActionId,
        answer: FenceAnswer,
        said: &str,
    ) {
        let now = self.now.instant;
        let taken = flawed!(self.flaw, FenceUnknownIsConfirmed) && answer == FenceAnswer::Unknown;
        let answer = if taken { FenceAnswer::Fenced } else { answer };
        let boot = self.liveness.peer(server).and_then(|peer| peer.boot);
        let Some(run) = self.fences.runs.get_mut(server) else { return };
        let before = run.fence.open();
        let failed = run.fence.on_answer(now, id, answer, said);
        let open = run.fence.open();
        let dropped = before.into_iter().filter(|known| *known != id && !open.contains(known));
        let dropped: Vec<ActionId> = dropped.collect();
        let state = run.fence.state().clone();
        if let FenceState::Confirmed { .. } = state {
            run.boot = boot;
            run.confirmed.get_or_insert(now);
        }
        let first = !run.has_failed;
        run.has_failed |= matches!(state, FenceState::Failed { .. });
        self.cancel(dropped);
        if let Some(failed) = failed {
            self.note_failed_try(server, &failed);
        }
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
        match state {
            FenceState::Asking(_) => {}
            FenceState::Confirmed { by, message } => self.on_confirmed(server, &by, &message),
            FenceState::Failed { message, .. } => self.on_failed(server, &message, first),
        }
    }

    fn on_confirmed(&mut self, server: &ServerName, by: &[String], message: &str) {
        let now = self.now.instant;
        let Some(run) = self.fences.runs.get(server) else { return };
        let took = text(now.since(run.begun));
        if let Some(absent) = self.leadership.as_mut().and_then(|l| l.lead.absent.get_mut(server)) {
            absent.fenced = true;
        }
        let methods = by.join(", ");
        let parameters = [
            ("server", server.as_str()),
            ("methods", &*methods),
            ("message", message),
            ("took", &*took),
        ];
        let cause = self.chronicle.recall(&format!("fencing/{server}"));
        let number = self.event("Server", server.as_str(), "ServerFenced", &parameters, &[cause]);
        self.chronicle.remember(&format!("fenced/{server}"), number);
        self.switch_on(server);
    }

    fn switch_on(&mut self, server: &ServerName) {
        let Some(run) = self.fences.runs.get(server) else { return };
        if run.fence.fencing().after_fence != AfterFence::PowerOn {
            return;
        }
        // A machine that its watchdog has reset boots by itself.
        let asked = run.fence.confirming().filter(|method| method.type_ != FencingType::Watchdog);
        let methods: Vec<_> = asked.cloned().collect();
        for method in methods {
            let id = self.ids.next_id();
            let server = server.clone();
            // Nothing waits for its answer: the server is heard, or it is not.
            self.effects.push_back(Effect::Fence { id, action: FenceAction::On, server, method });
        }
    }

    fn note_failed_try(&mut self, server: &ServerName, failed: &FailedTry) {
        let (attempt, attempts) = (failed.attempt.to_string(), failed.attempts.to_string());
        let parameters = [
            ("server", server.as_str()),
            ("method", &*failed.method),
            ("attempt", &*attempt),
            ("attempts", &*attempts),
            ("message", &*failed.message),
        ];
        let topic = format!("fencing/{server}");
        let cause = self.chronicle.recall(&topic);
        let number =
            self.event("Server", server.as_str(), "FencingTryFailed", &parameters, &[cause]);
        self.chronicle.remember(&topic, number);
    }

    /// Every level failed. `first`: it was not told before.
    fn on_failed(&mut self, server: &ServerName, message: &str, first: bool) {
        let absent = self.leadership.as_ref().is_some_and(|l| l.lead.absent.contains_key(server));
        let Some(fencing) = self.model.cluster.fencing.clone().filter(|_| first) else { return };
        let reason = match fencing.on_failure {
            FencingFailure::Continue if absent => "FencingOverridden",
            FencingFailure::Block | FencingFailure::Continue => "FencingFailed",
        };
        let parameters = [("server", server.as_str()), ("message", message)];
        let topic = format!("fencing/{server}");
        let cause = self.chronicle.recall(&topic);
        let number = self.event("Server", server.as_str(), reason, &parameters, &[cause]);
        self.chronicle.remember(&topic, number);
        let Some(leadership) = &self.leadership else { return };
        if reason == "FencingOverridden" {
            self.chronicle.remember(&format!("fenced/{server}"), number);
            return;
        }
        if !absent || !self.time_frees() {
            for group in self.awaited(leadership) {
                let name = group.to_string();
                let parameters = [("group", &*name), ("server", server.as_str())];
                let told = self.event(
                    "FailoverGroup",
                    &name,
                    "TakeoverBlocked",
                    &parameters,
                    &[Some(number)],
                );
                self.chronicle.remember(&format!("latest/FailoverGroup/{name}"), told);
            }
        }
    }

    /// What failed is tried anew after a while, where somebody waits for it still.
    fn begin_again(&mut self) {
        let now = self.now.instant;
        let Some(leadership) = self.leadership.as_ref().filter(|_| !self.fences.runs.is_empty())
        else {
            return;
        };
        let awaited = !self.awaited(leadership).is_empty();
        let unfree = leadership.lead.unfree(now, &self.timing());
        let liveness = &self.liveness;
        for (server, run) in &mut self.fences.runs {
            let FenceState::Failed { at, .. } = run.fence.state() else { continue };
            let due = *at + Duration::from(run.fence.fencing().retry_interval);
            let waits = awaited && unfree.contains_key(server) && !liveness.alive(server);
            if waits && now >= due {
                run.fence = FenceRun::new(server.clone(), run.fence.fencing().clone(), now);
            }
        }
    }

    /// Whoever was confirmed to be off and is heard all the same shows that a method lies.
    fn look_for_the_living(&mut self) {
        let timeout = self.timing().timeout;
        let now = self.now.instant;
        let mut living = Vec::new();
        for (server, run) in &mut self.fences.runs {
            // What is heard now came within the last time-out.
            let after = run.confirmed.is_some_and(|at| now.since(at) > timeout);
            let boot = self.liveness.peer(server).and_then(|peer| peer.boot);
            if after && !run.told_alive && self.liveness.hears(server) && boot == run.boot {
                run.told_alive = true;
                living.push(server.clone());
            }
        }
        for server in living {
            if let Some(absent) =
                self.leadership.as_mut().and_then(|l| l.lead.absent.get_mut(&server))
            {
                absent.fenced = false;
            }
            let cause = self.chronicle.recall(&format!("fenced/{server}"));
            let parameters = [("server", server.as_str())];
            self.event("Server", server.as_str(), "FencedServerHeard", &parameters, &[cause]);
        }
    }

    fn cancel(&mut self, ids: Vec<ActionId>) {
        self.effects.extend(ids.into_iter().map(|id| Effect::Cancel { id }));
    }

    /// With each tick: one check at a time, of whatever is due first.
    pub(super) fn check_fences(&mut self) {
        self.adopt_checks();
        let now = self.now.instant;
        if let Some((id, _, until)) = &self.fences.checking {
            if now < *until {
                return;
            }
            let id = *id;
            self.cancel(vec![id]);
            self.on_checked_fence(FenceAnswer::Unknown, "it gave no answer");
        }
        let Some(fencing) = self.model.cluster.fencing.clone() else { return };
        let due = self.fences.checks.iter().filter(|(_, check)| check.due <= now);
        let Some((key, _)) = due.min_by_key(|(_, check)| check.due) else { return };
        let key = key.clone();
        let Some(method) = fencing.methods().find(|method| method.name == key.1) else { return };
        let method = Arc::new(method.clone());
        let id = self.ids.next_id();
        let until = now + Duration::from(method.timeout) + ANSWER_GRACE;
        let server = key.0.clone();
        if method.type_ == FencingType::Watchdog {
            self.check_watchdog(key, id);
            return;
        }
        self.fences.checking = Some((id, key, until));
        self.effects.push_back(Effect::Fence { id, action: FenceAction::Check, server, method });
    }

    /// It is answered here; of a server that is not heard nothing new is known.
    fn check_watchdog(&mut self, key: (ServerName, String), id: ActionId) {
        let interval = self.timing().interval;
        if let Some((answer, message)) = self.watchdog_ability(&key.0) {
            self.fences.checking = Some((id, key.clone(), self.now.instant));
            self.on_checked_fence(answer, &message);
        }
        if let Some(check) = self.fences.checks.get_mut(&key) {
            // It costs nothing.
            check.due = self.now.instant + interval;
        }
    }

    /// A check for each method and each other server; all of them anew where the methods changed.
    fn adopt_checks(&mut self) {
        if self.fences.configured == self.model.cluster.fencing {
            return;
        }
        self.fences.configured = self.model.cluster.fencing.clone();
        if let Some((id, ..)) = self.fences.checking.take() {
            self.cancel(vec![id]);
        }
        let me = self.me().clone();
        let now = self.now.instant;
        let mut checks = BTreeMap::new();
        for method in self.model.cluster.fencing.iter().flat_map(|fencing| fencing.methods()) {
            for server in self.model.cluster.servers.iter().filter(|server| **server != me) {
                let key = (server.clone(), method.name.clone());
                checks.insert(key, Check { due: now + MINIMUM_WAIT, ..Check::default() });
            }
        }
        self.fences.checks = checks;
        self.report_version += 1;
    }

    fn on_checked_fence(&mut self, answer: FenceAnswer, message: &str) {
        let Some((_, key, _)) = self.fences.checking.take() else { return };
        let Some(fencing) = &self.model.cluster.fencing else { return };
        let due = self.now.instant + Duration::from(fencing.check_interval);
        let Some(check) = self.fences.checks.get_mut(&key) else { return };
        let able = answer == FenceAnswer::Fenced;
        let news = check.able != Some(able);
        let was_unable = check.able == Some(false);
        *check = Check {
            due,
            able: Some(able),
            message: message.to_owned(),
            checked: Some(self.now.wall),
        };
        if !news {
            return;
        }
        self.report_version += 1;
        let (server, method) = (key.0.to_string(), key.1);
        let parameters = [("target", &*server), ("method", &*method), ("message", message)];
        let topic = format!("unable/{server}/{method}");
        if !able {
            let number = self.event_about_me("FencingUnable", &parameters, &[]);
            self.chronicle.remember(&topic, number);
        } else if was_unable {
            let cause = self.chronicle.recall(&topic);
            self.event_about_me("FencingAble", &parameters, &[cause]);
        }
    }
}

impl Run {
    fn progress(&self) -> FenceProgress {
        let operations = self.operations.clone();
        match self.fence.state() {
            FenceState::Asking(_) => FenceProgress::Asking { operations },
            FenceState::Confirmed { by, message } => {
                let message = format!("{}: {message}", by.join(", "));
                FenceProgress::Confirmed { operations, message }
            }
            FenceState::Failed { message, .. } => {
                FenceProgress::Failed { operations, message: message.clone() }
            }
        }
    }
}
