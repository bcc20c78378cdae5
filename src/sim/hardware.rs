//! The shared disk and the serial line of the arbiters that have them, played by the engine's own
//! rules (`engine::arbitration`).
//!
//! A server shows that it lives whenever it sends: its threads do so at each interval.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::TrueTime;
use super::options::Options;
use crate::api::names::ServerName;
use crate::engine::arbitration::disk::{Seen, Watch};
use crate::engine::arbitration::serial::judge_broken;
use crate::engine::effect::ArbiterQuestion;
use crate::engine::input::{ArbiterAnswer, Verdict};
use crate::engine::time::Instant;

/// Slots of the disk.
const SLOTS: usize = 16;

/// What works at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Works {
    /// The disk, for the server in question.
    pub disk: bool,
    /// The line.
    pub line: bool,
}

/// A disk, a line, or both.
#[derive(Clone, Debug)]
pub struct Hardware {
    names: Vec<ServerName>,
    options: Options,
    disk: Option<Vec<Seen>>,
    line: bool,
    watches: BTreeMap<usize, Watch>,
    /// Servers whose agents have looked at the disk since they started.
    looked: BTreeSet<usize>,
    /// When each server last heard the other one over the line.
    heard: BTreeMap<usize, TrueTime>,
    shown: BTreeMap<usize, TrueTime>,
}

fn instant(now: TrueTime) -> Instant {
    Instant(now.0)
}

impl Hardware {
    /// What the arbiter of these options has; none: nothing.
    #[must_use]
    pub fn of(options: &Options, names: &[ServerName]) -> Option<Self> {
        let (disk, line) = (options.arbiter.has_disk(), options.arbiter.has_line());
        if !disk && !line {
            return None;
        }
        Some(Self {
            names: names.to_vec(),
            options: options.clone(),
            disk: disk.then(|| vec![Seen::Empty; SLOTS]),
            line,
            watches: BTreeMap::new(),
            looked: BTreeSet::new(),
            heard: BTreeMap::new(),
            shown: BTreeMap::new(),
        })
    }

    /// The index of a server.
    #[must_use]
    pub fn position(&self, server: &ServerName) -> Option<usize> {
        self.names.iter().position(|name| name == server)
    }

    /// A new run of a server's agent.
    pub fn start(&mut self, server: usize, run: u64) {
        let window = self.options.disk_window();
        let name = self.names[server].clone();
        let watch = Watch::new(name, self.names.clone(), window, run).flawed(self.options.flaw);
        self.watches.insert(server, watch);
        self.heard.remove(&server);
        self.looked.remove(&server);
    }

    /// A server shows that it lives, and looks around.
    pub fn show(&mut self, now: TrueTime, server: usize, works: Works) {
        let interval = self.options.timing().interval;
        let last = self.shown.get(&server);
        if last.is_some_and(|last| now - *last < interval / 2) {
            return;
        }
        self.shown.insert(server, now);
        if self.line && works.line {
            for other in (0..self.names.len()).filter(|other| *other != server) {
                self.heard.insert(other, now);
            }
        }
        if works.disk {
            // What an earlier run of its agent claimed stands there still.
            if self.looked.insert(server) {
                self.look(now, server);
            }
            self.write(server, Watch::beat);
            self.look(now, server);
        }
    }

    fn write(
        &mut self,
        server: usize,
        content: impl Fn(&mut Watch) -> crate::engine::arbitration::disk::Slot,
    ) {
        let (Some(slots), Some(watch)) = (&mut self.disk, self.watches.get_mut(&server)) else {
            return;
        };
        let slot = content(watch);
        if let Some(place) = watch.place(slots) {
            slots[place] = Seen::Slot(slot);
        }
    }

    fn look(&mut self, now: TrueTime, server: usize) {
        if let (Some(slots), Some(watch)) = (&self.disk, self.watches.get_mut(&server)) {
            watch.observe(instant(now), slots);
        }
    }

    /// Asks as the drivers do.
    pub fn ask(
        &mut self,
        now: TrueTime,
        server: usize,
        question: &ArbiterQuestion,
        works: Works,
    ) -> ArbiterAnswer {
        if let Some(network) = question.absent.values().next().filter(|_| self.line) {
            let line = self.heard.get(&server).map(|heard| now - *heard);
            let (timeout, flaw) = (self.options.timeout, self.options.flaw);
            let (verdict, message) = judge_broken(line, *network, timeout, flaw);
            if verdict != Verdict::Held || self.disk.is_none() {
                return ArbiterAnswer::new(verdict, message);
            }
        } else if self.disk.is_none() {
            return ArbiterAnswer::new(Verdict::Held, "every server is with us");
        }
        if !works.disk {
            return ArbiterAnswer::new(Verdict::Unknown, "the disk gives no answer");
        }
        self.look(now, server);
        if let Some(lost) = self.refusal(now, server, question) {
            return lost;
        }
        self.write(server, |watch| watch.claim(question));
        self.look(now, server);
        if let Some(lost) = self.refusal(now, server, question) {
            return lost;
        }
        match self.watches.get_mut(&server) {
            Some(watch) => watch.held(instant(now), question),
            None => ArbiterAnswer::new(Verdict::Unknown, "nothing runs here"),
        }
    }

    fn refusal(
        &mut self,
        now: TrueTime,
        server: usize,
        question: &ArbiterQuestion,
    ) -> Option<ArbiterAnswer> {
        let obstacle = self.watches.get(&server)?.obstacle(instant(now), question)?;
        self.write(server, Watch::withdraw);
        Some(self.watches.get(&server)?.lost(obstacle))
    }
}
