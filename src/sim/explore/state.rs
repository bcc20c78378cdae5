//! A state of a small cluster of real engines, and what may happen next in it.
//!
//! What is abstracted: all clocks are one, and whole intervals or the next timer pass at once; what
//! is sent, written, asked and worked on takes no time, but for what is chosen to come late; ticks
//! of all servers coincide, and so do their heartbeats, which are lost by cuts only; nothing is
//! monitored; nobody operates.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::canon::Canon;
use super::place::{Place, clock};
use super::{Bounds, Choices, Move};
use crate::api::names::ServerName;
use crate::engine::durable::{Durable, Identity};
use crate::engine::effect::{Effect, PowerAction, Record, ResourceAction};
use crate::engine::ids::{ActionId, BootId, IncarnationId, Revision, Term};
use crate::engine::input::{ArbiterAnswer, Input};
use crate::engine::message::{Ended, Envelope, Message};
use crate::engine::time::Instant;
use crate::sim::arbiter::LeaseArbiter;
use crate::sim::checkers::{Invariant, Violation};
use crate::sim::clock::TrueTime;
use crate::sim::node::{Birth, Node};
use crate::sim::options::{ArbiterKind, Options};
use crate::sim::{setup, stage::Stage};

/// What was begun and is not done.
#[derive(Clone, Debug)]
pub enum Item {
    /// A packet is under way.
    Packet { to: usize, envelope: Box<Envelope> },
    /// A write is.
    Disk { server: usize, boot: BootId, id: ActionId, record: Box<Record> },
    /// A driver works.
    Work { server: usize, boot: BootId, id: ActionId },
    /// The keeper answers an agent that has started.
    Keeper { server: usize, boot: BootId },
    /// The arbiter answers.
    Answer { server: usize, boot: BootId, id: ActionId, answer: ArbiterAnswer },
}

impl Item {
    /// Whether it may come late: heartbeats are so many that none matters alone.
    fn matters(&self) -> bool {
        match self {
            Self::Packet { envelope, .. } => !matches!(envelope.message, Message::Heartbeat(_)),
            Self::Keeper { .. } => false,
            Self::Disk { .. } | Self::Work { .. } | Self::Answer { .. } => true,
        }
    }

    fn is_write_of(&self, of: usize) -> bool {
        matches!(self, Self::Disk { server, .. } if *server == of)
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Packet { to, envelope } => {
                let kind = format!("{:?}", envelope.message);
                let kind = kind.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
                format!("{kind} from {} to {}", envelope.from, setup::server_name(*to))
            }
            Self::Disk { server, .. } => format!("a write of {}", setup::server_name(*server)),
            Self::Keeper { server, .. } => format!("the keeper of {}", setup::server_name(*server)),
            Self::Work { server, .. } => format!("a driver of {}", setup::server_name(*server)),
            Self::Answer { server, .. } => {
                format!("the arbiter's answer to {}", setup::server_name(*server))
            }
        }
    }
}

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// Nanoseconds.
    pub now: u64,
    /// The servers.
    pub places: Vec<Place>,
    /// What comes late.
    pub late: Vec<Item>,
    /// The links that are cut, one of [`cuts`].
    pub cut: Option<usize>,
    arbiter: LeaseArbiter,
    leaders: BTreeMap<Term, ServerName>,
    /// Faults begin and end whole intervals after this.
    pub grid: u64,
    /// What may still go wrong.
    pub left: Bounds,
    /// See [`cuts`].
    pub cuts: Arc<Vec<Vec<(usize, usize)>>>,
    options: Arc<Options>,
    queue: VecDeque<Item>,
}

/// When every exploration begins: long after what counts as never.
const BEGIN: u64 = 1_000_000_000_000;

/// Every set of links (from, to) that is cut at once: one direction between two servers, both
/// directions, and all of one server.
fn cuts(servers: usize) -> Vec<Vec<(usize, usize)>> {
    let mut cuts = Vec::new();
    let both = |one: usize, other: usize| vec![(one, other), (other, one)];
    for one in 0..servers {
        for other in (0..servers).filter(|other| *other != one) {
            cuts.push(vec![(one, other)]);
            if one < other {
                cuts.push(both(one, other));
            }
        }
        if servers > 2 {
            let others = (0..servers).filter(|other| *other != one);
            cuts.push(others.flat_map(|other| both(one, other)).collect());
        }
    }
    cuts
}

impl State {
    /// All servers start now.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn new(bounds: Bounds) -> Result<Self, Violation> {
        let mut options = Options::quiet(bounds.servers, bounds.arbiter);
        options.paths = 1;
        options.resources = 1;
        options.wait_for_servers = Duration::from_secs(2);
        options.flaw = bounds.flaw;
        let mut stage = Stage::drawn(&options);
        // Checks would be most of what happens, and decide nothing while all is well.
        stage.objects.retain(|key, _| key.kind != "Monitor");
        for (index, name) in stage.servers.iter().enumerate() {
            setup::put_disk(&mut stage.objects, name, IncarnationId(index as u64));
        }
        let disk = Durable::bootstrap(stage.objects, Revision(1));
        let count = stage.servers.len();
        let place = |(index, name)| Place::new(index, name, disk.clone(), count);
        let mut state = Self {
            now: BEGIN,
            places: stage.servers.into_iter().enumerate().map(place).collect(),
            late: Vec::new(),
            cut: None,
            arbiter: LeaseArbiter::new(options.timing().wait(), options.arbiter),
            leaders: BTreeMap::new(),
            grid: BEGIN,
            left: bounds,
            cuts: Arc::new(cuts(count)),
            options: Arc::new(options),
            queue: VecDeque::new(),
        };
        (0..count).for_each(|server| state.start(server));
        // Nothing that is sent here counts yet: nobody has proved to live.
        state.drain(&mut Choices::default())?;
        Ok(state)
    }

    /// The horizon beyond which times are equal.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        self.options.timing().wait() * 2 + self.options.wait_for_servers
    }

    fn interval(&self) -> u64 {
        u64::try_from(self.options.timing().interval.as_nanos()).unwrap_or(u64::MAX)
    }

    fn since_grid(&self) -> u64 {
        (self.now - self.grid) % self.interval()
    }

    /// Whether every server runs and one of them the resource.
    #[must_use]
    pub fn settled(&self) -> bool {
        let well = |place: &Place| place.engine.as_ref().is_some_and(|e| e.view().is_some());
        self.places.iter().all(well) && self.places.iter().filter(|place| place.active).count() == 1
    }

    /// The highest term that any server has seen.
    #[must_use]
    pub fn term(&self) -> u64 {
        let engines = self.places.iter().map(|place| place.disk.promised.number);
        engines.max().unwrap_or(0)
    }

    /// What tells it from others.
    #[must_use]
    pub fn fingerprint(&self, canon: &mut Canon) -> u128 {
        canon.begin();
        for (index, place) in self.places.iter().enumerate() {
            canon.new_ids();
            let keeper = (place.lease, place.ends, place.passed, place.farewell, place.active);
            canon.add(self.now, &(keeper, place.boot, &place.works, &place.proved));
            match &place.engine {
                Some(engine) => canon.add(self.now, &engine.deciding()),
                None => canon.add(
                    self.now,
                    &(&place.disk.promised, &place.disk.self_fence_of, place.disk.revision),
                ),
            }
            for item in self.late.iter().filter(|item| item.place() == index) {
                canon.add(self.now, item);
            }
        }
        let left = &self.left;
        let left = (left.crashes, left.kills, left.cuts, left.late, left.lost);
        canon.add(self.now, &(self.cut, left, self.since_grid()));
        canon.add(self.now, &(&self.arbiter, &self.leaders));
        canon.fingerprint()
    }

    /// What can happen next, besides that time passes.
    #[must_use]
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.since_grid() > 0 {
            return moves;
        }
        for (server, place) in self.places.iter().enumerate() {
            if place.engine.is_none() {
                if place.ends.is_none() {
                    moves.push(Move::Start(server));
                }
                continue;
            }
            let writes = self.late.iter().filter(|item| item.is_write_of(server)).count();
            for kept in 0..=writes {
                if self.left.crashes > 0 {
                    moves.push(Move::Crash(server, kept));
                }
                if self.left.kills > 0 {
                    moves.push(Move::Kill(server, kept));
                }
            }
        }
        match self.cut {
            Some(_) => moves.push(Move::Mend),
            None if self.left.cuts > 0 => {
                moves.extend((0..self.cuts.len()).map(Move::Cut));
            }
            None => {}
        }
        moves.extend((0..self.late.len()).map(Move::Release));
        moves
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Where a rule is broken.
    pub fn make(&mut self, next: Move, choices: &mut Choices) -> Result<(), Violation> {
        match next {
            Move::Tick => self.tick(choices)?,
            Move::Start(server) => self.start(server),
            Move::Crash(server, kept) => {
                self.left.crashes -= 1;
                self.writes_end(server, kept);
                self.places[server].crash();
            }
            Move::Kill(server, kept) => {
                self.left.kills -= 1;
                self.writes_end(server, kept);
                self.agent_ends(server);
            }
            Move::Cut(cut) => {
                self.left.cuts -= 1;
                self.cut = Some(cut);
            }
            Move::Mend => self.cut = None,
            Move::Release(index) => self.release(index),
        }
        self.drain(choices)
    }

    /// Of a dead agent's writes, the oldest may have reached the disk.
    fn writes_end(&mut self, server: usize, kept: usize) {
        let (writes, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|item| item.is_write_of(server));
        for write in writes.into_iter().take(kept) {
            if let Item::Disk { record, .. } = write {
                self.places[server].disk.apply(&record);
            }
        }
        // Answers to a dead run reach nobody.
        let boot = self.places[server].boot;
        self.late = rest.into_iter().filter(|item| !item.is_for(server, boot)).collect();
    }

    fn agent_ends(&mut self, server: usize) {
        let place = &mut self.places[server];
        place.agent_ends();
        place.farewell = Some(place.boot);
        place.kill(self.now);
    }

    /// What came late comes; a disk's other writes after it.
    fn release(&mut self, index: usize) {
        let item = self.late.remove(index);
        if let Item::Disk { server, .. } = item {
            let of = |item: &Item| item.is_write_of(server);
            let (more, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.late).into_iter().partition(of);
            self.late = rest;
            self.queue.push_back(item);
            self.queue.extend(more);
        } else {
            self.queue.push_back(item);
        }
    }

    fn start(&mut self, server: usize) {
        let identity = Identity {
            server: self.places[server].name.clone(),
            boot: BootId(0),
            incarnation: IncarnationId(0),
            version: "explored".into(),
        };
        let durable = self.places[server].disk.clone();
        let exclusive = self.options.arbiter == ArbiterKind::Lease;
        let flaw = self.options.flaw;
        let birth = Birth { identity, durable, exclusive, seed: 0, flaw };
        self.places[server].start(self.now, birth, server);
        let boot = self.places[server].boot;
        self.queue.push_back(Item::Keeper { server, boot });
    }

    /// Time passes until something is due.
    fn tick(&mut self, choices: &mut Choices) -> Result<(), Violation> {
        let due = self.places.iter().filter_map(|place| place.due(self.now)).min();
        let next = self.now + self.interval() - self.since_grid();
        let due = due.map_or(next, |due| due.0.max(self.now + 1)).min(next);
        self.now = due;
        for server in 0..self.places.len() {
            self.keeper_looks(server)?;
        }
        let first = if self.left.orders { choices.choose(self.places.len()) } else { 0 };
        for step in 0..self.places.len() {
            let server = (first + step) % self.places.len();
            let timeout = self.places[server].engine.as_ref().and_then(|e| e.poll_timeout());
            if timeout.is_some_and(|at| at.0 <= self.now) {
                self.feed(server, Input::Timer)?;
            }
        }
        Ok(())
    }

    fn keeper_looks(&mut self, server: usize) -> Result<(), Violation> {
        let place = &mut self.places[server];
        if place.lease.is_some_and(|until| until.0 <= self.now) {
            place.passed = true;
            place.kill(self.now);
        }
        if place.ends.is_none_or(|ends| ends.0 > self.now) {
            return Ok(());
        }
        place.ends = None;
        let passed = std::mem::take(&mut place.passed);
        let ran = std::mem::take(&mut place.active);
        if let Some(boot) = place.farewell.take() {
            self.send_farewell(server, boot);
        }
        if passed {
            self.feed(server, Input::ServicesEnded)?;
        } else if ran {
            let resource = setup::resource_name(0, 0).into();
            self.feed(server, Input::ResourceFailed { resource, message: "killed".into() })?;
        }
        Ok(())
    }

    fn send_farewell(&mut self, server: usize, boot: BootId) {
        for to in (0..self.places.len()).filter(|to| *to != server) {
            let message = Message::Ended(Ended { boot });
            let (from, to_name) = (self.places[server].name.clone(), self.places[to].name.clone());
            let envelope = Envelope { from, boot, to: to_name, to_boot: None, number: 0, message };
            self.send(server, to, envelope);
        }
    }

    fn send(&mut self, from: usize, to: usize, envelope: Envelope) {
        if self.open(from, to) {
            self.queue.push_back(Item::Packet { to, envelope: Box::new(envelope) });
        }
    }

    fn open(&self, from: usize, to: usize) -> bool {
        self.cut.is_none_or(|cut| !self.cuts[cut].contains(&(from, to)))
    }

    /// All that was begun is done, but for what is chosen to come late, or never.
    fn drain(&mut self, choices: &mut Choices) -> Result<(), Violation> {
        while let Some(item) = self.queue.pop_front() {
            let behind = |server: usize| self.late.iter().any(|item| item.is_write_of(server));
            if matches!(item, Item::Disk { server, .. } if behind(server)) {
                self.late.push(item);
                continue;
            }
            let late = self.left.late > 0 && item.matters();
            let lost = self.left.lost > 0 && item.matters() && matches!(item, Item::Packet { .. });
            let chosen = choices.choose(1 + usize::from(late) + usize::from(lost));
            if chosen == 0 {
                self.arrive(item)?;
            } else if chosen == 1 && late {
                choices.note(format!("late: {}", item.words()));
                self.left.late -= 1;
                self.late.push(item);
            } else {
                choices.note(format!("lost: {}", item.words()));
                self.left.lost -= 1;
            }
        }
        Ok(())
    }

    fn arrive(&mut self, item: Item) -> Result<(), Violation> {
        match item {
            Item::Packet { to, envelope } => self.receive(to, envelope),
            Item::Disk { server, boot, id, record } => {
                self.places[server].disk.apply(&record);
                self.feed_run(server, boot, Input::Persisted { id, result: Ok(()) })
            }
            Item::Keeper { server, boot } => {
                self.feed_run(server, boot, Input::Keeper { present: true })
            }
            Item::Work { server, boot, id } => {
                if self.places[server].boot != boot {
                    return Ok(());
                }
                match self.places[server].work_done(id) {
                    Some(outcome) => self.feed(server, Input::ResourceDone { id, outcome }),
                    None => Ok(()),
                }
            }
            Item::Answer { server, boot, id, answer } => {
                self.feed_run(server, boot, Input::Verdict { id, answer })
            }
        }
    }

    fn receive(&mut self, to: usize, envelope: Box<Envelope>) -> Result<(), Violation> {
        let from = self.places.iter().position(|place| place.name == envelope.from).unwrap_or(to);
        if self.places[to].engine.is_none() {
            return Ok(());
        }
        if self.places[to].proved[from] != Some(envelope.boot) {
            // Whoever lives answers a question; that packet itself does not count yet.
            let lives = self.places[from].engine.is_some();
            let same = self.places[from].boot == envelope.boot;
            if lives && same && self.open(from, to) && self.open(to, from) {
                self.places[to].proved[from] = Some(envelope.boot);
            }
            return Ok(());
        }
        let path = Some(setup::path_name(0).as_str().into());
        self.feed(to, Input::Received { path, envelope })
    }

    fn feed_run(&mut self, server: usize, boot: BootId, input: Input) -> Result<(), Violation> {
        if self.places[server].boot == boot { self.feed(server, input) } else { Ok(()) }
    }

    fn feed(&mut self, server: usize, input: Input) -> Result<(), Violation> {
        let now = clock(self.now);
        let Some(engine) = &mut self.places[server].engine else { return Ok(()) };
        engine.handle(now, input);
        while let Some(effect) =
            self.places[server].engine.as_mut().and_then(|engine| engine.poll_effect())
        {
            self.apply(server, effect)?;
        }
        self.check_term(server)
    }

    fn apply(&mut self, server: usize, effect: Effect) -> Result<(), Violation> {
        let boot = self.places[server].boot;
        match effect {
            Effect::Persist { id, record } => {
                let record = Box::new(record);
                self.queue.push_back(Item::Disk { server, boot, id, record });
            }
            Effect::Send { to, to_boot, path: _, number, message } => {
                let Some(receiver) = self.places.iter().position(|place| place.name == to) else {
                    return Ok(());
                };
                let from = self.places[server].name.clone();
                let envelope = Envelope { from, boot, to, to_boot, number, message };
                self.send(server, receiver, envelope);
            }
            Effect::Lease { until: Some(until) } => self.places[server].lease = Some(until),
            Effect::Lease { until: None } => self.places[server].kill(self.now),
            Effect::AskArbiter { id, question } => {
                let name = self.places[server].name.clone();
                let answer = self.arbiter.ask(TrueTime(self.now), &name, &question);
                self.queue.push_back(Item::Answer { server, boot, id, answer });
            }
            Effect::Resource { id, action, context: _ } => self.work(server, id, action)?,
            Effect::Cancel { id } => self.places[server].works.retain(|(work, _)| *work != id),
            Effect::Power { action } => match action {
                PowerAction::StopAgent | PowerAction::EndAgent => self.agent_ends(server),
                PowerAction::Shutdown | PowerAction::Reboot | PowerAction::Panic => {
                    self.writes_end(server, 0);
                    self.places[server].crash();
                }
            },
            Effect::Check { .. }
            | Effect::RecoveryScript { .. }
            | Effect::Fence { .. }
            | Effect::Watchdog { .. }
            | Effect::Remember { .. }
            | Effect::KeepAside { .. }
            | Effect::Event(_)
            | Effect::WriteDone { .. } => {}
        }
        Ok(())
    }

    fn work(
        &mut self,
        server: usize,
        id: ActionId,
        action: ResourceAction,
    ) -> Result<(), Violation> {
        let now = TrueTime(self.now);
        let place = &mut self.places[server];
        if action == ResourceAction::Start {
            if place.permits(self.now) {
                place.active = true;
                let others = self.places.iter().enumerate();
                let other = others.into_iter().find(|(i, other)| *i != server && other.active);
                if let Some((_, other)) = other {
                    let name = &self.places[server].name;
                    let text = format!("the group is active on {} and on {name}", other.name);
                    return Err(Violation::new(Invariant::I1, now, text));
                }
            } else if place.ends.is_none() {
                let text = format!("{} starts a group without a live lease", place.name);
                return Err(Violation::new(Invariant::Lease, now, text));
            }
        }
        let place = &mut self.places[server];
        place.works.push((id, action));
        let boot = place.boot;
        self.queue.push_back(Item::Work { server, boot, id });
        Ok(())
    }

    /// One leader per term.
    fn check_term(&mut self, server: usize) -> Result<(), Violation> {
        let place = &self.places[server];
        let leads = place.engine.as_ref().and_then(|engine| Node::leads(&**engine));
        let Some(term) = leads else { return Ok(()) };
        let name = &place.name;
        if self.leaders.get(&term).is_some_and(|other| other == name) {
            return Ok(());
        }
        if let Some(other) = self.leaders.insert(term.clone(), name.clone()) {
            let text = format!("{other} and {name} both led in term {term}");
            return Err(Violation::new(Invariant::Term, TrueTime(self.now), text));
        }
        Ok(())
    }

    /// In words, for the story of a violation.
    #[must_use]
    pub fn words(&self) -> String {
        let place = |place: &Place| {
            let view = place.engine.as_ref().map(|engine| match engine.view() {
                Some(view) => {
                    let leads = if engine.leading() { ", leads" } else { "" };
                    format!("view {} of {:?}{leads}", view.term, view.members)
                }
                None => "no view".into(),
            });
            let view = view.unwrap_or_else(|| "off".into());
            let runs = if place.active { ", runs the group" } else { "" };
            let lease = place
                .lease
                .map(|until| format!(", lease for {:?}", until.since(Instant(self.now))));
            format!("{}: {view}{}{runs}", place.name, lease.unwrap_or_default())
        };
        self.places.iter().map(place).collect::<Vec<_>>().join("; ")
    }
}

impl Item {
    /// Whose it is to take.
    fn place(&self) -> usize {
        match self {
            Self::Packet { to, .. } => *to,
            Self::Disk { server, .. }
            | Self::Keeper { server, .. }
            | Self::Work { server, .. }
            | Self::Answer { server, .. } => *server,
        }
    }

    fn is_for(&self, of: usize, run: BootId) -> bool {
        match self {
            Self::Packet { .. } => false,
            Self::Disk { server, boot, .. }
            | Self::Keeper { server, boot }
            | Self::Work { server, boot, .. }
            | Self::Answer { server, boot, .. } => *server == of && *boot == run,
        }
    }
}
