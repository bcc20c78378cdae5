//! What happens to machines.

use std::time::Duration;

use super::{Happening, World};
use crate::engine::effect::{ArbiterQuestion, PowerAction};
use crate::engine::ids::{ActionId, BootId};
use crate::engine::input::{ArbiterAnswer, CheckResult, GuardNews, Input, Verdict, WatchdogArmed};
use crate::engine::message::{Envelope, Message};
use crate::engine::time::Instant;
use crate::sim::brief::brief;
use crate::sim::checkers::Violation;
use crate::sim::clock::Clock;
use crate::sim::keeper::Keeper;
use crate::sim::node::Node;

impl<N: Node> World<N> {
    pub(super) fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        let happening = match self.held_back(happening) {
            Some(happening) => happening,
            None => return Ok(()),
        };
        match happening {
            Happening::Feed { server, boot, input } => self.feed_boot(server, boot, *input),
            Happening::Wake { server, boot } => self.wake(server, boot),
            Happening::Prove { server, boot, peer, peer_boot } => {
                self.prove(server, boot, peer, peer_boot);
                Ok(())
            }
            Happening::Arrive { to, path, stream, envelope } => {
                self.arrive(to, path, stream, envelope)
            }
            Happening::Disk { server, boot } => self.disk_done(server, boot),
            Happening::Work { server, boot, id } => self.work_done(server, boot, id),
            Happening::Check { server, boot, id, check } => {
                let drivers = &self.machines[server].drivers;
                let well = check.about.as_ref().is_none_or(|resource| drivers.works_well(resource))
                    && !drivers.failing.contains(&check.monitor);
                let result = match (check.hangs, well) {
                    (true, _) => CheckResult::TimedOut,
                    (false, true) => CheckResult::Normal,
                    (false, false) => CheckResult::Error,
                };
                let message = "simulated".into();
                self.feed_boot(server, boot, Input::Checked { id, result, message })
            }
            Happening::Script { server, boot, id, exit_code } => {
                self.feed_boot(server, boot, Input::ScriptDone { id, exit_code })
            }
            Happening::Ask { server, boot, id, question } => {
                self.ask_arbiter(server, boot, id, &question);
                Ok(())
            }
            Happening::Answer { server, boot, id, answer } => {
                self.feed_boot(server, boot, Input::Verdict { id, answer: *answer })
            }
            Happening::Deadline { server, epoch } => {
                self.deadline(server, epoch);
                Ok(())
            }
            Happening::Killed { server, epoch } => self.killed(server, epoch),
            Happening::Keeper { server, epoch } => self.keeper_back(server, epoch),
            Happening::Fence { server } => {
                self.switched_off(server);
                Ok(())
            }
            Happening::Fenced { server, boot, id, answer, off: _ } => {
                let message = "simulated".into();
                self.feed_boot(server, boot, Input::FenceDone { id, answer, message })
            }
            Happening::Agent { server, epoch } => self.agent_due(server, epoch),
            Happening::PowerOn { server, epoch } => {
                if self.machines[server].epoch == epoch {
                    self.power_on(server)
                } else {
                    Ok(())
                }
            }
            Happening::PowerOff { server, epoch, action } => {
                self.power_off(server, epoch, action);
                Ok(())
            }
            Happening::Thaw { server, epoch } => self.thaw(server, epoch),
            Happening::Resume { server, boot } => self.resume(server, boot),
            Happening::Strike => self.strike(),
            Happening::Ambushed { kind, server } => self.strike_at(kind, server),
            Happening::Mend(fault) => self.mend(&fault),
            Happening::Operate => self.operate(),
            Happening::Act(act) => self.act(*act),
        }
    }

    /// Nothing happens on a frozen machine before it thaws.
    fn held_back(&mut self, happening: Happening) -> Option<Happening> {
        let server = match &happening {
            Happening::Feed { server, .. }
            | Happening::Wake { server, .. }
            | Happening::Prove { server, .. }
            | Happening::Arrive { to: server, .. }
            | Happening::Disk { server, .. }
            | Happening::Work { server, .. }
            | Happening::Check { server, .. }
            | Happening::Script { server, .. }
            | Happening::Answer { server, .. }
            | Happening::Deadline { server, .. }
            | Happening::Killed { server, .. }
            | Happening::Keeper { server, .. }
            | Happening::Agent { server, .. }
            | Happening::Fenced { server, .. }
            | Happening::PowerOff { server, .. }
            | Happening::Resume { server, .. } => *server,
            Happening::Ask { .. }
            | Happening::Fence { .. }
            | Happening::PowerOn { .. }
            | Happening::Thaw { .. }
            | Happening::Strike
            | Happening::Ambushed { .. }
            | Happening::Mend(_)
            | Happening::Operate
            | Happening::Act(_) => return Some(happening),
        };
        match &mut self.machines[server].frozen {
            Some(held) => {
                held.push(happening);
                None
            }
            None => Some(happening),
        }
    }

    /// Feeds an input that is meant for one run of the agent.
    fn feed_boot(&mut self, server: usize, boot: BootId, input: Input) -> Result<(), Violation> {
        if self.machines[server].agent.as_ref().is_some_and(|agent| agent.boot == boot) {
            let name = &self.names[server];
            self.trace.event(self.now, 60 + server as u64, || format!("{name} <- {input:?}"));
            self.feed(server, input)
        } else {
            Ok(())
        }
    }

    fn wake(&mut self, server: usize, boot: BootId) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        let now = machine.clock.instant(self.now);
        let Some(agent) = machine.agent.as_mut().filter(|agent| agent.boot == boot) else {
            return Ok(());
        };
        if agent.wake.is_some_and(|wake| wake <= self.now) {
            agent.wake = None;
        }
        if agent.stalled {
            return Ok(());
        }
        match agent.node.poll_timeout() {
            Some(timeout) if timeout <= now => self.feed(server, Input::Timer),
            Some(_) => self.set_timer(server),
            None => Ok(()),
        }
    }

    fn arrive(
        &mut self,
        to: usize,
        path: usize,
        stream: bool,
        envelope: Box<Envelope>,
    ) -> Result<(), Violation> {
        let name = &self.names[to];
        let from = &envelope.from;
        let sender = self.names.iter().position(|name| name == from).unwrap_or(to);
        if stream && !self.network.stream_open(sender, to, path) {
            return Ok(());
        }
        let Some(agent) = self.machines[to].agent.as_ref() else { return Ok(()) };
        if agent.proved[sender] != Some(envelope.boot) {
            let (boot, peer_boot) = (agent.boot, envelope.boot);
            self.ask_for_proof(to, boot, sender, peer_boot, path);
            return Ok(());
        }
        let kind = 70 + to as u64;
        let text = || format!("{name} <- {from} {}", brief(&envelope.message));
        if matches!(envelope.message, Message::Heartbeat(_)) {
            self.trace.quiet(self.now, kind, text);
        } else {
            self.trace.event(self.now, kind, text);
        }
        let path = (!stream).then(|| self.paths[path].clone());
        self.feed(to, Input::Received { path, envelope })
    }

    /// A packet of an unknown run: it counts once that run has answered a question, which takes a
    /// round trip and somebody who lives.
    fn ask_for_proof(
        &mut self,
        server: usize,
        boot: BootId,
        peer: usize,
        peer_boot: BootId,
        path: usize,
    ) {
        let [there, _] = self.network.datagram(server, peer, path);
        let [back, _] = self.network.datagram(peer, server, path);
        if let (Some(there), Some(back)) = (there, back) {
            self.after(there + back, Happening::Prove { server, boot, peer, peer_boot });
        }
    }

    fn prove(&mut self, server: usize, boot: BootId, peer: usize, peer_boot: BootId) {
        let machine = &self.machines[peer];
        let lives = machine.frozen.is_none()
            && machine
                .agent
                .as_ref()
                .is_some_and(|agent| agent.boot == peer_boot && !agent.stalled);
        if let Some(agent) =
            self.machines[server].agent.as_mut().filter(|a| a.boot == boot && lives)
        {
            agent.proved[peer] = Some(peer_boot);
        }
    }

    fn disk_done(&mut self, server: usize, boot: BootId) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        if machine.agent.as_ref().is_none_or(|agent| agent.boot != boot) {
            return Ok(());
        }
        if machine.disk.stalled {
            return Ok(());
        }
        match machine.disk.complete() {
            Some((id, result)) => self.feed_boot(server, boot, Input::Persisted { id, result }),
            None => Ok(()),
        }
    }

    fn work_done(&mut self, server: usize, boot: BootId, id: ActionId) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        if machine.agent.as_ref().is_none_or(|agent| agent.boot != boot) {
            return Ok(());
        }
        match machine.drivers.complete(id) {
            Some(outcome) => {
                let name = &machine.name;
                let text = || format!("{name} action {id}: {outcome:?}");
                self.trace.milestone(self.now, 4, text);
                self.feed_boot(server, boot, Input::ResourceDone { id, outcome })
            }
            None => Ok(()),
        }
    }

    fn ask_arbiter(
        &mut self,
        server: usize,
        boot: BootId,
        id: ActionId,
        question: &ArbiterQuestion,
    ) {
        let away = self.arbiter.is_away(server);
        let answer = if away {
            ArbiterAnswer::new(Verdict::Unknown, "simulated")
        } else {
            self.arbiter.ask(self.now, &self.names[server], question)
        };
        let name = &self.names[server];
        let (term, verdict, handover) = (&question.term, answer.verdict, answer.handover);
        let text = || format!("arbiter to {name} for {term}: {verdict:?} {handover:?}");
        if verdict == Verdict::Held && handover.is_none() {
            self.trace.event(self.now, 5, text);
        } else {
            self.trace.milestone(self.now, 5, text);
        }
        // An answer that never comes is one that came at the end of the budget.
        let lost = away || verdict == Verdict::Unknown && self.options.arbiter.has_target();
        let delay = if lost { self.options.arbiter_budget } else { self.arbiter_delay() };
        let delay = delay + self.arbiter.slow;
        let answer = Box::new(answer);
        self.after(delay, Happening::Answer { server, boot, id, answer });
    }

    fn deadline(&mut self, server: usize, epoch: u32) {
        let machine = &mut self.machines[server];
        let now = machine.clock.instant(self.now);
        let Some(until) = machine.keeper.lease.filter(|_| machine.epoch == epoch) else { return };
        if machine.keeper.expired(now) {
            let name = &machine.name;
            self.trace.milestone(self.now, 6, || format!("keeper of {name}: the lease is over"));
            machine.keeper.passed = true;
            self.kill(server);
        } else {
            let at = machine.clock.when(until);
            self.at(at, Happening::Deadline { server, epoch });
        }
    }

    fn killed(&mut self, server: usize, epoch: u32) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        if machine.epoch != epoch || !machine.keeper.killing {
            return Ok(());
        }
        machine.keeper.killing = false;
        self.services_end(server, "was ended by its keeper")?;
        self.send_farewells(server);
        self.tell_passed(server)
    }

    fn tell_passed(&mut self, server: usize) -> Result<(), Violation> {
        if std::mem::take(&mut self.machines[server].keeper.passed) {
            return self.feed(server, Input::ServicesEnded);
        }
        Ok(())
    }

    /// Every service is gone; some of them tell the agent.
    pub(super) fn services_end(&mut self, server: usize, how: &str) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        let name = machine.name.clone();
        let groups = machine.drivers.groups();
        let resources = machine.drivers.kill();
        self.trace.milestone(self.now, 7, || format!("services of {name} end: {resources:?}"));
        for group in groups {
            self.checkers.stopping(self.now, &group, &name, how)?;
        }
        for resource in resources {
            if self.randoms.keeper.chance(500) {
                let message = "killed".into();
                self.feed(server, Input::ResourceFailed { resource, message })?;
            }
        }
        Ok(())
    }

    fn keeper_back(&mut self, server: usize, epoch: u32) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        if machine.epoch != epoch || !machine.keeper.down {
            return Ok(());
        }
        machine.keeper.down = false;
        self.feed(server, Input::Keeper { present: true })?;
        self.tell_guard(server)
    }

    /// A keeper that is there says whether its machine's watchdog is armed.
    pub(super) fn tell_guard(&mut self, server: usize) -> Result<(), Violation> {
        let watchdogs = self.options.fencing.and_then(|plan| plan.watchdogs).unwrap_or_default();
        if self.machines[server].keeper.down || server >= watchdogs {
            return Ok(());
        }
        let seconds = u32::try_from(self.options.timeout.as_secs()).unwrap_or(u32::MAX).max(1);
        let (device, identity) = ("/dev/watchdog".to_owned(), "simulated".to_owned());
        let armed = WatchdogArmed { device, identity, seconds };
        self.feed(server, Input::Guard(GuardNews::WatchdogFound(armed)))?;
        self.feed(server, Input::Guard(GuardNews::SuccessorGuard))
    }

    fn agent_due(&mut self, server: usize, epoch: u32) -> Result<(), Violation> {
        let machine = &self.machines[server];
        let starts = machine.powered && !machine.ending && machine.agent.is_none();
        if machine.epoch != epoch || !starts {
            return Ok(());
        }
        if machine.keeper.killing {
            // The keeper answers its new agent only once it is done.
            self.after(Duration::from_millis(10), Happening::Agent { server, epoch });
            return Ok(());
        }
        self.start_agent(server)
    }

    /// A machine boots; its agent follows.
    pub(super) fn power_on(&mut self, server: usize) -> Result<(), Violation> {
        let random = &mut self.randoms.machines;
        let offset = random.duration(Duration::from_millis(500), Duration::from_secs(100));
        let drawn = random.milliseconds(1, 500);
        let prescribed = self.options.pace.as_ref().map(|pace| pace.boot);
        let delay = prescribed.unwrap_or(drawn);
        let machine = &mut self.machines[server];
        if machine.powered {
            return Ok(());
        }
        machine.powered = true;
        machine.epoch += 1;
        let epoch = machine.epoch;
        let drift = machine.clock.drift();
        let offset = Instant(0) + offset;
        machine.clock = Clock::new(self.now, offset, drift, machine.clock.wall_offset);
        machine.keeper = Keeper::default();
        let name = &machine.name;
        self.trace.milestone(self.now, 8, || format!("{name} boots"));
        self.after(delay, Happening::Agent { server, epoch });
        Ok(())
    }

    fn power_off(&mut self, server: usize, epoch: u32, action: PowerAction) {
        if self.machines[server].epoch != epoch || !self.machines[server].powered {
            return;
        }
        self.crash(server);
        let epoch = self.machines[server].epoch;
        if action == PowerAction::Reboot {
            let drawn = self.randoms.machines.milliseconds(1000, 6000);
            let prescribed = self.options.pace.is_some().then_some(Duration::ZERO);
            let delay = prescribed.unwrap_or(drawn);
            self.after(delay, Happening::PowerOn { server, epoch });
        }
    }

    /// Power is gone, at once.
    pub fn crash(&mut self, server: usize) {
        let machine = &mut self.machines[server];
        let name = &machine.name;
        self.trace.milestone(self.now, 9, || format!("{name} loses power"));
        machine.powered = false;
        machine.ending = false;
        machine.epoch += 1;
        machine.frozen = None;
        machine.stood_at = None;
        machine.agent = None;
        machine.disk.lose(&mut self.randoms.disk);
        machine.drivers.vanish();
        machine.keeper = Keeper::default();
    }

    fn thaw(&mut self, server: usize, epoch: u32) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        if machine.epoch != epoch {
            return Ok(());
        }
        let Some(held) = machine.frozen.take() else { return Ok(()) };
        if let Some(stood_at) = machine.stood_at.take() {
            let before = machine.clock.when(stood_at);
            let stood = i64::try_from((self.now - before).as_millis()).unwrap_or(i64::MAX);
            let wall = machine.clock.wall_offset - stood;
            machine.clock = Clock::new(self.now, stood_at, machine.clock.drift(), wall);
            self.excuse_standing_clock();
        }
        let machine = &mut self.machines[server];
        let name = &machine.name;
        self.trace.milestone(self.now, 9, || format!("{name} thaws"));
        // Where the guest's clock ran on: the first thing that its timers do is what is overdue. The
        // microseconds that this takes are the window that design.md 3 states, and not counted.
        let now = machine.clock.instant(self.now);
        let expired = machine.keeper.expired(now);
        if machine.keeper.killing || expired {
            if expired {
                machine.keeper.lease = None;
                machine.keeper.passed = true;
            }
            machine.keeper.killing = false;
            self.services_end(server, "was ended by its keeper")?;
            self.send_farewells(server);
            self.tell_passed(server)?;
        }
        self.check_active_once(server)?;
        // In their order, and before whatever comes at this very moment.
        for happening in held {
            self.happen(happening)?;
        }
        Ok(())
    }

    fn resume(&mut self, server: usize, boot: BootId) -> Result<(), Violation> {
        let timer_first = self.randoms.machines.chance(500);
        let name = &self.names[server];
        let Some(agent) = self.machines[server].agent.as_mut() else { return Ok(()) };
        if agent.boot != boot || !agent.stalled {
            return Ok(());
        }
        self.trace.milestone(self.now, 9, || format!("agent of {name} goes on"));
        agent.stalled = false;
        agent.wake = None;
        let waiting = std::mem::take(&mut agent.waiting);
        if timer_first {
            self.feed_boot(server, boot, Input::Timer)?;
        }
        for input in waiting {
            self.feed_boot(server, boot, input)?;
        }
        self.set_timer(server)
    }
}
