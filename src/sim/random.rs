//! Randomness with a stream per purpose, so that one more draw in one place moves nothing in
//! another. The generator is xoshiro256++ (public domain), seeded by splitmix64: fast, and of no
//! use for secrets.

use std::time::Duration;

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// The swarm options.
    Options = 1,
    /// Delays and losses.
    Network = 2,
    /// Disk delays and torn writes.
    Disk = 3,
    /// Durations and failures of drivers and checks.
    Drivers = 4,
    /// When what breaks.
    Faults = 5,
    /// The operator.
    Workload = 6,
    /// Boot ids, seeds of nodes, clocks.
    Machines = 7,
    /// The keeper's kill time.
    Keeper = 8,
    /// What fences do.
    Fences = 20,
    /// The options of wide draws.
    Wide = 21,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream of a seed for a purpose.
    #[must_use]
    pub fn new(seed: u64, stream: Stream) -> Self {
        let mut state = seed ^ (stream as u64).rotate_right(8);
        let mut word = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Self([word(), word(), word(), word()])
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; zero where that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is below 2^-30 for every bound used here.
        if bound == 0 { 0 } else { self.number() % bound }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// A duration from `low` to `high`.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let nanoseconds = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.between(nanoseconds(low), nanoseconds(high)))
    }

    /// A duration from `low` to `high` milliseconds.
    pub fn milliseconds(&mut self, low: u64, high: u64) -> Duration {
        self.duration(Duration::from_millis(low), Duration::from_millis(high))
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = self.below(of.len() as u64) as usize;
        of.get(index)
    }
}
