//! The world: machines, network, arbiter, and the one queue of what happens next.
//!
//! One thing happens at a time. All that machines see of each other goes through [`Network`], all
//! that survives a crash through [`Disk`], and nothing is random but by the seed.

mod acting;
mod activity;
mod aim;
mod draw;
mod effects;
mod fences;
mod happenings;
mod operate;
mod strike;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::acts::{Act, TimedAct};
use super::arbiter::LeaseArbiter;
use super::checkers::{Checkers, Invariant, Violation};
use super::clock::{Clock, TrueTime};
use super::disk::Disk;
use super::doubles::Doubles;
use super::drivers::Drivers;
use super::faults::{Fault, FaultKind, FenceFailure};
use super::hardware::Hardware;
use super::keeper::Keeper;
use super::net::Network;
use super::node::{Birth, Node, Seen};
use super::options::{ArbiterKind, Options};
use super::queue::Queue;
use super::random::{Random, Stream};
use super::stage::Stage;
use super::trace::{Detail, Trace};
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};
use crate::engine::durable::{Durable, Identity};
use crate::engine::effect::{ArbiterQuestion, Change, PowerAction};
use crate::engine::ids::{ActionId, BootId, IncarnationId, Revision, Term};
use crate::engine::input::{ArbiterAnswer, FenceAnswer, Input};
use crate::engine::message::Envelope;
use crate::engine::model::{ObjectKey, Objects};
use crate::engine::time::Instant;
pub use activity::{Activity, Told};

/// Wakes at one and the same time before a node counts as spinning.
const SPINS_MAX: u32 = 1000;

/// What is going to happen.
#[derive(Clone, Debug)]
enum Happening {
    /// What a run of an agent is told that stood still with its machine.
    Feed { server: usize, boot: BootId, input: Box<Input> },
    /// A node's time-out.
    Wake { server: usize, boot: BootId },
    /// A peer's run has answered a question: from now on its packets count.
    Prove { server: usize, boot: BootId, peer: usize, peer_boot: BootId },
    /// A packet arrives; `stream`: it needs its path still.
    Arrive { to: usize, path: usize, stream: bool, envelope: Box<Envelope> },
    /// The oldest write is on disk.
    Disk { server: usize, boot: BootId },
    /// A driver ends its work.
    Work { server: usize, boot: BootId, id: ActionId },
    /// A check ends.
    Check { server: usize, boot: BootId, id: ActionId, check: Box<Check> },
    /// A recovery script ends.
    Script { server: usize, boot: BootId, id: ActionId, exit_code: Option<i32> },
    /// A question reaches the arbiter.
    Ask { server: usize, boot: BootId, id: ActionId, question: Box<ArbiterQuestion> },
    /// Its answer arrives.
    Answer { server: usize, boot: BootId, id: ActionId, answer: Box<ArbiterAnswer> },
    /// The keeper looks at its deadline.
    Deadline { server: usize, epoch: u32 },
    /// The keeper has ended every service.
    Killed { server: usize, epoch: u32 },
    /// The keeper runs again.
    Keeper { server: usize, epoch: u32 },
    /// A machine is switched off from outside.
    Fence { server: usize },
    /// What did that says so, or something else.
    Fenced { server: usize, boot: BootId, id: ActionId, answer: FenceAnswer, off: bool },
    /// The agent starts.
    Agent { server: usize, epoch: u32 },
    /// The machine starts.
    PowerOn { server: usize, epoch: u32 },
    /// The machine ends.
    PowerOff { server: usize, epoch: u32, action: PowerAction },
    /// The machine runs again after a freeze.
    Thaw { server: usize, epoch: u32 },
    /// The agent runs again after a stall.
    Resume { server: usize, boot: BootId },
    /// Something is drawn that breaks.
    Strike,
    /// A fault that waited for a moment meets a server.
    Ambushed { kind: FaultKind, server: usize },
    /// What broke is whole again.
    Mend(Box<Fault>),
    /// What the operator does is drawn.
    Operate,
    /// Something that was drawn before is done.
    Act(Box<Act>),
}

/// What somebody wants written, and the run of an agent that was asked.
#[derive(Clone, Debug)]
struct Write {
    server: usize,
    boot: Option<BootId>,
    changes: Vec<Change>,
}

/// What a check is about.
#[derive(Clone, Debug)]
struct Check {
    monitor: MonitorName,
    about: Option<ResourceName>,
    hangs: bool,
}

/// A run of an agent.
#[derive(Clone, Debug)]
struct Agent<N> {
    node: N,
    boot: BootId,
    /// Stopped by a signal: it sees nothing until it is continued.
    stalled: bool,
    waiting: VecDeque<Input>,
    wake: Option<TrueTime>,
    spins: u32,
    led: Option<Term>,
    /// The run of each peer's agent that has proved to be the present one: the transport drops
    /// packets of any other.
    proved: Vec<Option<BootId>>,
}

/// One server.
#[derive(Clone, Debug)]
struct Machine<N> {
    name: ServerName,
    powered: bool,
    /// Counts its boots: what was scheduled for an earlier one is void.
    epoch: u32,
    clock: Clock,
    incarnation: IncarnationId,
    disk: Disk,
    keeper: Keeper,
    drivers: Drivers,
    agent: Option<Agent<N>>,
    /// Holds back everything while the machine is frozen.
    frozen: Option<Vec<Happening>>,
    /// What its clock reads while it is frozen, where that stands still.
    stood_at: Option<Instant>,
    /// It is being shut down: no agent starts any more.
    ending: bool,
}

#[derive(Clone, Debug)]
struct Randoms {
    disk: Random,
    drivers: Random,
    faults: Random,
    workload: Random,
    machines: Random,
    keeper: Random,
    fences: Random,
}

/// A whole cluster and what surrounds it.
#[derive(Clone, Debug)]
pub struct World<N> {
    /// What it is like.
    pub options: Options,
    now: TrueTime,
    queue: Queue<Happening>,
    scheduled: u64,
    machines: Vec<Machine<N>>,
    /// What a new disk holds: the folder that `stead init` wrote.
    bootstrap: Durable,
    names: Vec<ServerName>,
    paths: Vec<PathName>,
    /// The groups with their resources.
    groups: BTreeMap<GroupName, Vec<ResourceName>>,
    /// What nodes told, where somebody observes the world.
    told: Option<Vec<Told>>,
    network: Network,
    arbiter: LeaseArbiter,
    checkers: Checkers,
    trace: Trace,
    randoms: Randoms,
    /// Methods of fencing that fail, and how.
    fences_failing: BTreeMap<String, FenceFailure>,
    /// Nothing breaks any more.
    healed: bool,
    /// Until when each keeper let services live when all was healed.
    leases_healed: Vec<Option<Instant>>,
    /// When the last check that hangs is given up.
    hung_until: TrueTime,
    /// A fault that waits for a moment.
    ambush: Option<aim::Ambush>,
    /// Whom the last fault met.
    victim: Option<usize>,
    drawn: BTreeMap<FaultKind, u64>,
    /// Machines that were switched off from outside.
    fenced: u64,
    /// What runs twice.
    doubles: Doubles,
    /// Until when a clock that stood still excuses that something runs twice.
    excused: TrueTime,
    /// The longest time-out that was in force.
    longest_timeout: Duration,
    /// When the turbulence began.
    stirred: TrueTime,
    /// What was done to it since.
    acts: Vec<TimedAct>,
    writes: BTreeMap<ActionId, Write>,
    writes_made: u64,
}

impl<N: Node> World<N> {
    /// A cluster whose machines are about to boot.
    #[must_use]
    pub fn new(options: Options, detail: Detail) -> Self {
        let stage = Stage::drawn(&options);
        Self::staged(options, stage, detail)
    }

    /// Somebody's own cluster, whose machines are about to boot.
    #[must_use]
    pub fn staged(options: Options, stage: Stage, detail: Detail) -> Self {
        let seed = options.seed;
        let time_to_live = options.timing().wait();
        let mut world = Self {
            now: TrueTime(0),
            queue: Queue::default(),
            scheduled: 0,
            machines: Vec::new(),
            bootstrap: Durable::bootstrap(stage.objects, Revision(1)),
            paths: stage.paths,
            groups: stage.groups,
            told: None,
            network: Network::new(&options),
            arbiter: LeaseArbiter::new(time_to_live, options.arbiter),
            checkers: Checkers::new(&options),
            trace: Trace::new(detail),
            randoms: Randoms {
                disk: Random::new(seed, Stream::Disk),
                drivers: Random::new(seed, Stream::Drivers),
                faults: Random::new(seed, Stream::Faults),
                workload: Random::new(seed, Stream::Workload),
                machines: Random::new(seed, Stream::Machines),
                keeper: Random::new(seed, Stream::Keeper),
                fences: Random::new(seed, Stream::Fences),
            },
            fences_failing: BTreeMap::new(),
            healed: false,
            leases_healed: Vec::new(),
            hung_until: TrueTime(0),
            ambush: None,
            victim: None,
            drawn: BTreeMap::new(),
            fenced: 0,
            doubles: Doubles::default(),
            excused: TrueTime(0),
            longest_timeout: options.timeout,
            stirred: TrueTime(0),
            acts: Vec::new(),
            writes: BTreeMap::new(),
            writes_made: 0,
            names: stage.servers,
            options,
        };
        world.trace.milestone(world.now, 0, || world.options.to_string());
        world.arbiter.hardware = Hardware::of(&world.options, &world.names);
        world.make_machines();
        world
    }

    fn make_machines(&mut self) {
        for name in self.names.clone() {
            let random = &mut self.randoms.machines;
            let span = self.options.drift_max;
            let drift = random.between(0, 2 * span).cast_signed() - span.cast_signed();
            let wall_span = self.options.wall_offset_max;
            let wall = random.between(0, 2 * wall_span).cast_signed() - wall_span.cast_signed();
            let machine = Machine {
                name,
                powered: false,
                epoch: 0,
                clock: Clock::new(self.now, Instant(0), drift, wall),
                incarnation: IncarnationId(random.number()),
                disk: Disk::new(self.bootstrap.clone()),
                keeper: Keeper::default(),
                drivers: Drivers::default(),
                agent: None,
                frozen: None,
                stood_at: None,
                ending: false,
            };
            let server = self.machines.len();
            self.machines.push(machine);
            let delay = self.randoms.machines.milliseconds(0, 1000);
            self.after(delay, Happening::PowerOn { server, epoch: 0 });
        }
        for machine in &self.machines {
            super::setup::put_disk(&mut self.bootstrap.objects, &machine.name, machine.incarnation);
        }
        for machine in &mut self.machines {
            machine.disk = Disk::new(self.bootstrap.clone());
        }
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> TrueTime {
        self.now
    }

    /// What happened.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Acknowledged changes that no later view could know of.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.checkers.abandoned
    }

    fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, at: TrueTime, happening: Happening) {
        let number = self.next_number();
        self.queue.push(at.max(self.now), number, happening);
    }

    fn next_number(&mut self) -> u64 {
        self.scheduled += 1;
        self.scheduled
    }

    /// Plays for a while.
    ///
    /// # Errors
    ///
    /// Where a rule is broken.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), Violation> {
        let end = self.now + duration;
        self.run_until(duration, |_| false)?;
        self.now = end;
        Ok(())
    }

    /// Plays until something holds, but not longer than so; whether it does.
    ///
    /// # Errors
    ///
    /// Where a rule is broken.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, Violation> {
        let end = self.now + limit;
        loop {
            if holds(self) {
                return Ok(true);
            }
            let Some((at, happening)) = self.queue.pop_until(end) else { return Ok(false) };
            self.now = at;
            self.happen(happening)?;
            if self.doubles.any() {
                self.end_doubles()?;
            }
        }
    }

    /// Tells a node something and does all that it wants done.
    fn feed(&mut self, server: usize, input: Input) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        let now = machine.clock.now(self.now);
        let Some(agent) = machine.agent.as_mut() else { return Ok(()) };
        if let Some(held) = &mut machine.frozen {
            let (boot, input) = (agent.boot, Box::new(input));
            held.push(Happening::Feed { server, boot, input });
            return Ok(());
        }
        if agent.stalled {
            agent.waiting.push_back(input);
            return Ok(());
        }
        if let Input::Keeper { present } = &input {
            machine.keeper.connected = *present;
        }
        if let Input::ResourceFailed { resource, .. } = &input {
            machine.drivers.told(resource);
        }
        agent.node.handle(now, input);
        while let Some(effect) =
            self.machines[server].agent.as_mut().and_then(|agent| agent.node.poll_effect())
        {
            self.apply(server, effect)?;
        }
        self.look(server)?;
        self.set_timer(server)
    }

    /// Sees whether a node leads now, and whether it may.
    fn look(&mut self, server: usize) -> Result<(), Violation> {
        let Some(agent) = self.machines[server].agent.as_mut() else { return Ok(()) };
        let leads = agent.node.leads();
        if leads == agent.led {
            return Ok(());
        }
        agent.led.clone_from(&leads);
        let on_disk = |key: &ObjectKey, revision: Revision| {
            let has = |machine: &&Machine<N>| {
                let stored = machine.disk.contents.objects.get(key);
                stored.is_some_and(|object| object.revision >= revision)
            };
            self.machines.iter().filter(has).map(|machine| machine.name.clone()).collect()
        };
        let machine = &self.machines[server];
        let Some(agent) = machine.agent.as_ref() else { return Ok(()) };
        let name = machine.name.clone();
        let members = agent.node.members();
        let text = || format!("{name} leads {leads:?} with {members:?}");
        self.trace.milestone(self.now, 1, text);
        match &leads {
            Some(term) if self.told.is_none() => {
                let store = agent.node.store();
                self.checkers.installed(self.now, &name, term, &members, store, on_disk)?;
                self.watch_installation(server);
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn set_timer(&mut self, server: usize) -> Result<(), Violation> {
        let machine = &mut self.machines[server];
        let Some(agent) = machine.agent.as_mut() else { return Ok(()) };
        let Some(timeout) = agent.node.poll_timeout() else { return Ok(()) };
        let due = machine.clock.when(timeout);
        if due <= self.now {
            agent.spins += 1;
            if agent.spins > SPINS_MAX {
                let text = format!("{} asks again and again to be woken at once", machine.name);
                return Err(Violation::new(Invariant::Panic, self.now, text));
            }
        } else {
            agent.spins = 0;
        }
        if agent.wake.is_some_and(|wake| wake <= due && wake >= self.now) {
            return Ok(());
        }
        // A scheduler never wakes anybody early, and seldom exactly on time.
        let late =
            self.randoms.machines.duration(Duration::from_micros(5), Duration::from_micros(120));
        let wake = due.max(self.now) + late;
        agent.wake = Some(wake);
        let boot = agent.boot;
        self.at(wake, Happening::Wake { server, boot });
        Ok(())
    }

    /// Starts an agent on a machine that has none.
    fn start_agent(&mut self, server: usize) -> Result<(), Violation> {
        let boot = BootId(self.randoms.machines.number());
        let seed = self.randoms.machines.number();
        let exclusive = self.options.arbiter == ArbiterKind::Lease;
        if let Some(hardware) = &mut self.arbiter.hardware {
            hardware.start(server, boot.0);
        }
        let machine = &mut self.machines[server];
        let birth = Birth {
            identity: Identity {
                server: machine.name.clone(),
                boot,
                incarnation: machine.incarnation,
                version: "simulated".into(),
            },
            durable: machine.disk.contents.clone(),
            exclusive,
            seed,
            flaw: self.options.flaw,
        };
        // Whoever starts takes over what its predecessor left; its farewell would lie.
        machine.keeper.farewells.clear();
        let present = !machine.keeper.down;
        let memory = machine.keeper.memory.clone();
        let node = N::start(birth, machine.clock.now(self.now));
        machine.agent = Some(Agent {
            node,
            boot,
            stalled: false,
            waiting: VecDeque::new(),
            wake: None,
            spins: 0,
            led: None,
            proved: vec![None; self.names.len()],
        });
        let name = &machine.name;
        self.trace.milestone(self.now, 2, || format!("agent of {name} starts as {boot}"));
        if let Some(text) = memory {
            self.feed(server, Input::Recalled { text })?;
        }
        self.feed(server, Input::Keeper { present })?;
        self.tell_guard(server)
    }

    /// Writes of the operator's that were not answered with a revision.
    #[must_use]
    pub fn writes_unacknowledged(&self) -> usize {
        self.writes.len()
    }

    /// The index of a server.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|server| server.as_str() == name)
    }

    /// The leader of the highest term that runs.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |machine: &Machine<N>| {
            let agent = machine.agent.as_ref().filter(|agent| !agent.stalled)?;
            agent.node.leads()
        };
        (0..self.machines.len())
            .filter(|server| self.machines[*server].frozen.is_none())
            .filter_map(|server| Some((leads(&self.machines[server])?, server)))
            .max()
            .map(|(_, server)| server)
    }

    /// What the leader says.
    #[must_use]
    pub fn seen(&mut self) -> Option<Seen> {
        let leader = self.leader()?;
        Some(self.machines[leader].agent.as_mut()?.node.seen())
    }

    /// Members of the leader's view.
    #[must_use]
    pub fn members(&self) -> Vec<ServerName> {
        let agent = self.leader().and_then(|leader| self.machines[leader].agent.as_ref());
        agent.map(|agent| agent.node.members()).unwrap_or_default()
    }

    /// The store of a server whose agent runs.
    #[must_use]
    pub fn store(&self, server: usize) -> Option<(Revision, &Objects)> {
        self.machines.get(server)?.agent.as_ref().map(|agent| agent.node.store())
    }

    /// Servers on which anything of a group runs.
    #[must_use]
    pub fn active_on(&self, group: &str) -> Vec<String> {
        let group = GroupName::from(group);
        let runs = |machine: &&Machine<N>| machine.frozen.is_none() && machine.drivers.runs(&group);
        self.machines.iter().filter(runs).map(|machine| machine.name.to_string()).collect()
    }

    /// I1 for all that runs on one machine.
    fn check_active_once(&mut self, server: usize) -> Result<(), Violation> {
        let machine = &self.machines[server];
        if machine.frozen.is_some() || self.told.is_some() {
            return Ok(());
        }
        for group in machine.drivers.groups() {
            let machine = &self.machines[server];
            let others = self
                .machines
                .iter()
                .filter(|other| other.name != machine.name)
                .filter(|other| other.frozen.is_none() && other.drivers.runs(&group));
            let names = others.map(|other| &other.name);
            match Checkers::active_once(self.now, &group, &machine.name, names) {
                Err(violation) if self.options.guarded() && !self.is_excused(&group) => {
                    return Err(violation);
                }
                Err(_) => self.doubles.begin(self.now, &group),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// What ran twice, and does no more.
    fn end_doubles(&mut self) -> Result<(), Violation> {
        let guarded = self.options.guarded();
        for group in self.doubles.groups() {
            let active = self.active_on(group.as_str());
            if active.len() < 2 {
                self.doubles.end(self.now, &group, guarded);
            } else if guarded && self.is_stopping(&group) {
                // Whether a stop that timed out did its work is looked at before the next try.
                self.doubles.prolong(&group, self.now + self.longest_wait());
            } else if guarded && !self.is_excused(&group) {
                let text = format!("group {group} is still active on {active:?}");
                return Err(Violation::new(Invariant::I1, self.now, text));
            }
        }
        Ok(())
    }

    /// Whether a copy is being stopped: a stop that hangs does so until its time-out.
    fn is_stopping(&self, group: &GroupName) -> bool {
        self.machines.iter().any(|machine| machine.drivers.stops(group))
    }

    /// Whether a group may run twice now, for a clock stood still.
    fn is_excused(&self, group: &GroupName) -> bool {
        self.now < self.excused || self.doubles.may_last(self.now, group)
    }

    /// The takeover wait with the longest time-out that was in force.
    fn longest_wait(&self) -> Duration {
        let longest = Options { timeout: self.longest_timeout, ..self.options.clone() };
        longest.timing().wait()
    }

    /// A machine goes on whose clock stood still. What it takes for its lease lasts as long as that,
    /// and so does what it passes on meanwhile.
    fn excuse_standing_clock(&mut self) {
        if !self.options.covers_standing_clocks() {
            self.excused = self.now + self.longest_wait() * 2;
        }
    }

    /// What ran twice.
    #[must_use]
    pub fn doubles(&self) -> &Doubles {
        &self.doubles
    }

    /// How often each kind of fault was drawn.
    #[must_use]
    pub fn drawn(&self) -> &BTreeMap<FaultKind, u64> {
        &self.drawn
    }
}
