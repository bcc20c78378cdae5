//! The network: one link for each sender, receiver and path.
//!
//! Datagrams are delayed, lost, doubled and overtaken. Streams (messages too large for a datagram)
//! arrive whole and in order or not at all: they fail with the path that they took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::TrueTime;
use super::options::Options;
use super::random::{Random, Stream};
use super::text_duration;

/// How late a straggler is, in heartbeat time-outs: well beyond a lease.
const STRAGGLER_TIMEOUTS: u32 = 3;

/// Trouble on every link at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Added to the longest delay.
    #[serde(with = "text_duration")]
    pub delay: Duration,
    /// Added to the loss, of a thousand.
    pub loss: u32,
}

/// All links.
#[derive(Clone, Debug)]
pub struct Network {
    servers: usize,
    paths: usize,
    /// How many faults keep each link cut.
    cuts: Vec<u32>,
    /// How much later each link carries everything.
    drags: Vec<Duration>,
    /// Arrival of the last stream message, by sender and receiver.
    streams: Vec<TrueTime>,
    random: Random,
    delay_min: Duration,
    delay_max: Duration,
    straggler_max: Duration,
    loss: u32,
    duplicates: u32,
    stragglers: u32,
    storm: Storm,
}

impl Network {
    /// A network in which every link works.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let pairs = options.servers * options.servers;
        Self {
            servers: options.servers,
            paths: options.paths,
            cuts: vec![0; pairs * options.paths],
            drags: vec![Duration::ZERO; pairs * options.paths],
            streams: vec![TrueTime::default(); pairs],
            random: Random::new(options.seed, Stream::Network),
            delay_min: options.delay_min,
            delay_max: options.delay_max,
            straggler_max: options.timeout * STRAGGLER_TIMEOUTS,
            loss: options.loss,
            duplicates: options.duplicates,
            stragglers: options.stragglers,
            storm: Storm::default(),
        }
    }

    fn index(&self, from: usize, to: usize, path: usize) -> usize {
        (from * self.servers + to) * self.paths + path
    }

    /// Cuts one direction of one path between two servers; cuts add up.
    pub fn cut(&mut self, from: usize, to: usize, path: usize) {
        let index = self.index(from, to, path);
        self.cuts[index] += 1;
    }

    /// Takes one cut back.
    pub fn mend(&mut self, from: usize, to: usize, path: usize) {
        let index = self.index(from, to, path);
        self.cuts[index] = self.cuts[index].saturating_sub(1);
    }

    /// From now on one direction of a path carries everything so much later.
    pub fn drag(&mut self, (from, to, path): (usize, usize, usize), by: Duration) {
        let index = self.index(from, to, path);
        self.drags[index] = by;
    }

    /// Worsens every link, until it is called with nothing.
    pub fn storm(&mut self, storm: Storm) {
        self.storm = storm;
    }

    /// Every link works again, and works well.
    pub fn heal(&mut self) {
        self.cuts.fill(0);
        self.drags.fill(Duration::ZERO);
        self.storm = Storm::default();
        self.loss = 0;
        self.stragglers = 0;
    }

    /// Whether packets from one server reach another on a path.
    #[must_use]
    pub fn open(&self, from: usize, to: usize, path: usize) -> bool {
        self.cuts[self.index(from, to, path)] == 0
    }

    fn delay(&mut self) -> Duration {
        self.random.duration(self.delay_min, self.delay_max + self.storm.delay)
    }

    /// After how long a datagram arrives: never, once or twice.
    pub fn datagram(&mut self, from: usize, to: usize, path: usize) -> [Option<Duration>; 2] {
        if !self.open(from, to, path) || self.random.chance(self.loss + self.storm.loss) {
            return [None, None];
        }
        let mut delay = self.delay() + self.drags[self.index(from, to, path)];
        if self.random.chance(self.stragglers) {
            delay = self.random.duration(delay, self.straggler_max);
        }
        let second = self.random.chance(self.duplicates).then(|| self.delay() * 2);
        [Some(delay), second]
    }

    /// The path that a stream takes and when its message arrives, if it still works then.
    pub fn stream(&mut self, now: TrueTime, from: usize, to: usize) -> Option<(usize, TrueTime)> {
        let path = (0..self.paths).find(|path| self.stream_open(from, to, *path))?;
        // Connecting, sending and a lost segment now and then.
        let mut delay = self.delay() * 3 + self.drags[self.index(from, to, path)];
        if self.random.chance(self.loss + self.storm.loss) {
            delay += Duration::from_millis(200);
        }
        let last = &mut self.streams[from * self.servers + to];
        let arrival = (now + delay).max(*last);
        *last = arrival;
        Some((path, arrival))
    }

    /// Whether a stream on a path works: it needs both directions.
    #[must_use]
    pub fn stream_open(&self, from: usize, to: usize, path: usize) -> bool {
        self.open(from, to, path) && self.open(to, from, path)
    }
}
