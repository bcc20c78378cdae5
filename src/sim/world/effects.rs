//! What nodes want done.

use std::sync::Arc;
use std::time::Duration;

use super::{Happening, Told, World};
use crate::api::catalogue::{self, Language};
use crate::api::kinds::{MonitorSpec, RecoveryTargetKind};
use crate::api::names::{MonitorName, PathName, ResourceName, ServerName};
use crate::engine::effect::{Effect, PowerAction, Record, ResourceAction, ResourceContext};
use crate::engine::ids::{ActionId, BootId};
use crate::engine::message::{Envelope, Message};
use crate::engine::time::Instant;
use crate::sim::brief::brief;
use crate::sim::checkers::{Invariant, Violation};
use crate::sim::clock::TrueTime;
use crate::sim::node::Node;

/// A message of more bytes than this does not fit a datagram.
const DATAGRAM_MAX: usize = 1000;
/// What a driver says that was not allowed to start anything.
const REFUSED: Duration = Duration::from_millis(1);

impl<N: Node> World<N> {
    pub(super) fn apply(&mut self, server: usize, effect: Effect) -> Result<(), Violation> {
        let Some(boot) = self.machines[server].agent.as_ref().map(|agent| agent.boot) else {
            return Ok(());
        };
        let name = &self.names[server];
        match &effect {
            Effect::Send { message: Message::Heartbeat(_), .. } => {
                self.trace.quiet(self.now, 10 + server as u64, || format!("{effect:?}"));
            }
            Effect::Send { to, path, message, .. } => {
                let text = || format!("{name} -> {to} {path:?} {}", brief(message));
                self.trace.event(self.now, 20 + server as u64, text);
            }
            Effect::Lease { .. } => {
                self.trace.event(self.now, 25 + server as u64, || format!("{name} {effect:?}"));
            }
            Effect::Resource { id, action, context } => {
                let text = || {
                    let ResourceContext { resource, order, reason, .. } = &**context;
                    format!("{name} {action:?} {resource} for {order} ({reason:?}) as {id}")
                };
                self.trace.milestone(self.now, 30 + server as u64, text);
            }
            Effect::Check { .. } => {
                self.trace.event(self.now, 35 + server as u64, || format!("{name} {effect:?}"));
            }
            Effect::Event(event) => {
                let text = || {
                    let (reason, parameters) = (&event.reason, &event.parameters);
                    let words = catalogue::render(reason, parameters, Language::English);
                    format!("{name}: {words} [{reason}]")
                };
                if event.reason.starts_with("Path") {
                    self.trace.event(self.now, 40 + server as u64, text);
                } else {
                    self.trace.milestone(self.now, 40 + server as u64, text);
                }
            }
            Effect::Persist { .. }
            | Effect::AskArbiter { .. }
            | Effect::RecoveryScript { .. }
            | Effect::Cancel { .. }
            | Effect::Fence { .. }
            | Effect::Power { .. }
            | Effect::Watchdog { .. }
            | Effect::Remember { .. }
            | Effect::KeepAside { .. }
            | Effect::WriteDone { .. } => {
                self.trace.event(self.now, 50 + server as u64, || format!("{name} {effect:?}"));
            }
        }
        self.watch_moment(server, &effect);
        self.carry_out(server, boot, effect)
    }

    fn carry_out(&mut self, server: usize, boot: BootId, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Persist { id, record } => {
                self.check_promise(server, &record)?;
                let longest = self.options.disk_max;
                let delay = self.randoms.disk.duration(Duration::from_micros(100), longest);
                let done = self.machines[server].disk.submit(self.now + delay, id, record);
                self.at(done, Happening::Disk { server, boot });
            }
            Effect::Send { to, to_boot, path, number, message } => {
                let Some(receiver) = self.names.iter().position(|name| *name == to) else {
                    return Ok(());
                };
                self.arbiter.show(self.now, server);
                let from = self.names[server].clone();
                let envelope = Envelope { from, boot, to, to_boot, number, message };
                self.send(server, receiver, path.as_ref(), envelope);
            }
            Effect::Lease { until } => self.lease(server, until),
            Effect::AskArbiter { id, question } => {
                let delay = self.arbiter_delay();
                let question = Box::new(question);
                self.after(delay, Happening::Ask { server, boot, id, question });
            }
            Effect::Resource { id, action, context } => {
                self.begin_work(server, boot, id, action, context)?;
            }
            Effect::Check { id, monitor, spec, resource: _, timeout } => {
                self.begin_check(server, boot, (id, monitor), &spec, timeout);
            }
            Effect::RecoveryScript { id, timeout, .. } => {
                let random = &mut self.randoms.drivers;
                let drawn = random.milliseconds(5, 100).min(timeout);
                let (delay, exit_code) = match random.chance(self.options.hangs) {
                    true => (timeout, None),
                    false => (drawn, Some(i32::from(random.chance(self.options.failures)))),
                };
                self.after(delay, Happening::Script { server, boot, id, exit_code });
            }
            Effect::Fence { id, action, server: target, method } => {
                self.fence(server, boot, (id, action), &target, &method);
            }
            Effect::Cancel { id } => self.machines[server].drivers.cancel(id),
            Effect::Power { action } => self.end_machine(server, action),
            // For people.
            Effect::KeepAside { .. } => {}
            // Simulated machines have none: their keepers can't hang.
            Effect::Watchdog { .. } => {}
            Effect::Event(event) => {
                if let Some(told) = &mut self.told {
                    told.push(Told { at: self.now, event });
                }
            }
            Effect::Remember { text } => {
                let keeper = &mut self.machines[server].keeper;
                keeper.memory = (!keeper.down).then_some(text);
            }
            Effect::WriteDone { id, result } => {
                let agent = self.machines[server].agent.as_ref();
                let view = agent.and_then(|it| Some((it.node.term()?, it.node.members())));
                if let (Some(write), Ok(revision)) = (self.writes.remove(&id), result)
                    && let Some((term, members)) = view
                {
                    self.checkers.acknowledge(&write.changes, revision, &term, &members);
                }
            }
        }
        Ok(())
    }

    /// A promise never goes back behind another.
    fn check_promise(&self, server: usize, record: &Record) -> Result<(), Violation> {
        let machine = &self.machines[server];
        let known = &machine.disk.contents.promised;
        match record {
            Record::Promised(term) if term < known => {
                let text = format!("{} promises {term} after {known}", machine.name);
                Err(Violation::new(Invariant::Term, self.now, text))
            }
            Record::Promised(_)
            | Record::SelfFence(..)
            | Record::Timing(_)
            | Record::Append { .. }
            | Record::Snapshot { .. }
            | Record::FinalAction(_)
            | Record::Room(_) => Ok(()),
        }
    }

    pub(super) fn send(
        &mut self,
        from: usize,
        to: usize,
        path: Option<&PathName>,
        envelope: Envelope,
    ) {
        if is_stream(&envelope.message) {
            if let Some((path, at)) = self.network.stream(self.now, from, to) {
                let envelope = Box::new(envelope);
                self.at(at, Happening::Arrive { to, path, stream: true, envelope });
            }
            return;
        }
        // The last copy is the packet itself.
        let mut last = None;
        for index in 0..self.paths.len() {
            if path.is_some_and(|path| self.paths[index] != *path) {
                continue;
            }
            for delay in self.network.datagram(from, to, index).into_iter().flatten() {
                let place = (self.now + delay, self.next_number(), index);
                if let Some(before) = last.replace(place) {
                    self.arrives(to, before, envelope.clone());
                }
            }
        }
        if let Some(place) = last {
            self.arrives(to, place, envelope);
        }
    }

    fn arrives(&mut self, to: usize, place: (TrueTime, u64, usize), envelope: Envelope) {
        let (at, number, path) = place;
        let envelope = Box::new(envelope);
        let happening = Happening::Arrive { to, path, stream: false, envelope };
        self.queue.push(at, number, happening);
    }

    pub(super) fn arbiter_delay(&mut self) -> Duration {
        // Most questions and answers are quick; some take most of what the budget allows.
        let budget = self.options.arbiter_budget;
        let longest = if self.randoms.disk.chance(20) { budget / 2 } else { budget / 20 };
        let drawn = self.randoms.disk.duration(Duration::from_micros(500), longest);
        self.options.pace.as_ref().map_or(drawn, |pace| pace.arbiter)
    }

    fn lease(&mut self, server: usize, until: Option<Instant>) {
        let machine = &mut self.machines[server];
        if !machine.keeper.hears() {
            return;
        }
        let Some(until) = until else { return self.kill(server) };
        let before = machine.keeper.lease.replace(until);
        if before.is_none_or(|before| before > until) {
            let at = machine.clock.when(until);
            let epoch = machine.epoch;
            self.at(at, Happening::Deadline { server, epoch });
        }
    }

    /// The keeper begins to end every service.
    pub(super) fn kill(&mut self, server: usize) {
        let machine = &mut self.machines[server];
        machine.keeper.lease = None;
        if machine.keeper.killing || machine.keeper.down {
            return;
        }
        machine.keeper.killing = true;
        let busy = !machine.drivers.active().is_empty();
        let longest = if busy { 149 } else { 1 };
        let epoch = machine.epoch;
        // On the keeper's own clock; one millisecond is left for the fastest clock.
        let drawn = self.randoms.keeper.milliseconds(0, longest);
        let prescribed = self.options.pace.as_ref().filter(|_| busy).map(|pace| pace.kill);
        let delay = prescribed.unwrap_or(drawn);
        self.after(delay, Happening::Killed { server, epoch });
    }

    fn begin_work(
        &mut self,
        server: usize,
        boot: BootId,
        id: ActionId,
        action: ResourceAction,
        context: Arc<ResourceContext>,
    ) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        let now = machine.clock.instant(self.now);
        let keeper = &machine.keeper;
        if action == ResourceAction::Start && !keeper.permits(now) {
            if keeper.hears() && !keeper.killing {
                let text = format!(
                    "{} starts {} at {now:?} with a lease until {:?}",
                    machine.name, context.resource, keeper.lease
                );
                return Err(Violation::new(Invariant::Lease, self.now, text));
            }
            machine.drivers.refuse(id, context);
            self.after(REFUSED, Happening::Work { server, boot, id });
            return Ok(());
        }
        let group = context.group.clone();
        let well = machine.drivers.works_well(&context.resource);
        let random = &mut self.randoms.drivers;
        let duration = machine
            .drivers
            .begin(id, action, context, &self.options, random)
            .map_err(|misuse| Violation::new(Invariant::Drivers, self.now, misuse.0))?;
        self.after(duration, Happening::Work { server, boot, id });
        match action {
            ResourceAction::Start => self.check_active_once(server),
            ResourceAction::Stop if well => {
                self.checkers.stopping(self.now, &group, &self.names[server], "is being stopped")
            }
            ResourceAction::Stop | ResourceAction::Probe => Ok(()),
        }
    }

    fn begin_check(
        &mut self,
        server: usize,
        boot: BootId,
        (id, monitor): (ActionId, MonitorName),
        spec: &MonitorSpec,
        timeout: Option<Duration>,
    ) {
        let random = &mut self.randoms.drivers;
        let hangs = random.chance(self.options.hangs / 4);
        let delay = match timeout {
            Some(timeout) if hangs => timeout,
            Some(timeout) => {
                let drawn = random.milliseconds(1, 20);
                let pace = self.options.pace.as_ref();
                pace.and_then(|pace| pace.checks.get(&monitor).copied())
                    .unwrap_or(drawn)
                    .min(timeout)
            }
            // An asynchronous script's end is its failure.
            None if self.options.rich && !self.healed && random.chance(self.options.failures) => {
                random.milliseconds(500, 5000)
            }
            None => return,
        };
        let target = &spec.recovery.target;
        let name = match target.kind {
            RecoveryTargetKind::Resource => target.name.clone(),
            RecoveryTargetKind::Group
            | RecoveryTargetKind::AllGroups
            | RecoveryTargetKind::LocalServer => None,
        };
        let name = name.or_else(|| spec.while_active.clone());
        let about = name.map(ResourceName::from);
        if hangs {
            self.hung_until = self.hung_until.max(self.now + delay);
        }
        let check = Box::new(super::Check { monitor, about, hangs });
        self.after(delay, Happening::Check { server, boot, id, check });
    }

    fn end_machine(&mut self, server: usize, action: PowerAction) {
        let epoch = self.machines[server].epoch;
        self.agent_ends(server, true);
        self.kill(server);
        if !matches!(action, PowerAction::StopAgent | PowerAction::EndAgent) {
            self.machines[server].ending = true;
            let drawn = self.randoms.keeper.milliseconds(200, 2000);
            let delay = self.options.pace.as_ref().map_or(drawn, |pace| pace.shutdown);
            self.after(delay, Happening::PowerOff { server, epoch, action });
        }
    }

    /// The agent's process ends; with a farewell where it does not leave its services to another.
    pub(super) fn agent_ends(&mut self, server: usize, farewell: bool) {
        let machine = &mut self.machines[server];
        let Some(agent) = machine.agent.take() else { return };
        machine.disk.lose(&mut self.randoms.disk);
        machine.drivers.forget_works();
        if farewell || machine.keeper.killing {
            machine.keeper.farewells.push(agent.boot);
        }
    }

    /// The keeper tells all peers that a run of its agent has ended.
    pub(super) fn send_farewells(&mut self, server: usize) {
        let from: ServerName = self.names[server].clone();
        for boot in std::mem::take(&mut self.machines[server].keeper.farewells) {
            self.trace.milestone(self.now, 3, || format!("keeper of {from}: {boot} has ended"));
            for to in (0..self.names.len()).filter(|to| *to != server) {
                let message = Message::Ended(crate::engine::message::Ended { boot });
                let receiver = self.names[to].clone();
                let from = from.clone();
                let to_boot = None;
                let envelope = Envelope { from, boot, to: receiver, to_boot, number: 0, message };
                self.send(server, to, None, envelope);
            }
        }
    }
}

/// Whether a message is too large for a datagram.
fn is_stream(message: &Message) -> bool {
    match message {
        Message::StoreSnapshot(_) => true,
        Message::StoreAppend(append) => {
            let text = |json: &Option<Arc<str>>| json.as_ref().map_or(0, |json| json.len());
            let size: usize = append.changes.iter().map(|(_, json)| text(json) + 40).sum();
            size > DATAGRAM_MAX
        }
        // A resource or a monitor takes about a hundred bytes.
        Message::Report(report) => {
            (report.resources.len() + report.monitors.len() + report.paths.len()) * 100
                > DATAGRAM_MAX
        }
        Message::Heartbeat(_)
        | Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Propose(_)
        | Message::Promise(_)
        | Message::Nack(_)
        | Message::Renew(_)
        | Message::Ack(_)
        | Message::StoreAppended(_)
        | Message::StoreFetch(_)
        | Message::Ended(_) => false,
    }
}
