//! Wide draws: the whole fault model of design.md 3, at a high density of faults.
//!
//! Short and rough: a few time-outs of turbulence, then everything is healed and must recover. Some
//! schedules have one kind of fault only, so that what breaks an arbiter that is not exclusive can
//! be told by name.

use std::time::Duration;

use super::faults::FaultKind;
use super::fence::FencePlan;
use super::options::{ArbiterKind, Options, Profile};
use super::random::{Random, Stream};
use crate::api::kinds::{FencingFailure, FencingTakeover, PartitionAction, ReturnPolicy};

/// How often each arbiter is drawn.
const ARBITERS: [(ArbiterKind, u64); 11] = [
    (ArbiterKind::Majority, 30),
    (ArbiterKind::Lease, 20),
    (ArbiterKind::Disk, 10),
    (ArbiterKind::SerialDisk, 7),
    (ArbiterKind::MajorityAndReachable, 7),
    (ArbiterKind::DiskAndReachable, 6),
    (ArbiterKind::Reachable, 6),
    (ArbiterKind::Serial, 4),
    (ArbiterKind::Nobody, 4),
    (ArbiterKind::DiskOrReachable, 3),
    (ArbiterKind::DiskThenReachable, 3),
];

impl Options {
    /// Draws a schedule from the whole fault model.
    #[must_use]
    pub fn wide(seed: u64) -> Self {
        let mut random = Random::new(seed, Stream::Wide);
        let arbiter = draw_arbiter(&mut random);
        let servers = draw_servers(arbiter, &mut random);
        let mut options = Self::quiet(servers, arbiter);
        options.seed = seed;
        options.profile = Profile::Rough;
        options.patience = 2;
        options.timeout =
            Duration::from_millis(*random.pick(&[500, 700, 1000, 2000, 5000]).unwrap_or(&1000));
        let big = servers > 5;
        options.paths = if big || random.chance(650) { 1 } else { 2 };
        let longest = if big { 8 } else { 16 };
        options.turbulence = options.timeout * small(random.between(6, longest));
        options.groups = if big { 1 } else { random.between(1, 2) as usize };
        options.resources = random.between(1, 2) as usize;
        options.rich = random.chance(300);
        options.drift_max = *random.pick(&[0, 300, 5000]).unwrap_or(&0);
        options.wall_offset_max = if random.chance(300) { 3_600_000 } else { 0 };
        options.wait_for_servers = random.duration(Duration::from_secs(1), options.timeout * 4);
        if arbiter.counts() && servers > 2 && random.chance(150) {
            options.witnesses = 1;
        }
        options.widen_network(&mut random);
        options.widen_fencing(&mut random);
        options.widen_faults(&mut random);
        options.widen_operations(&mut random);
        options
    }

    fn widen_network(&mut self, random: &mut Random) {
        let interval = self.timeout / 10;
        let delays = [Duration::from_millis(1), Duration::from_millis(3), interval / 4, interval];
        self.delay_max = *random.pick(&delays).unwrap_or(&interval);
        self.duplicates = *random.pick(&[0, 5, 50]).unwrap_or(&0);
        self.loss = *random.pick(&[0, 0, 5, 20, 100]).unwrap_or(&0);
        self.stragglers = *random.pick(&[0, 2, 20]).unwrap_or(&0);
        self.failures = *random.pick(&[0, 0, 20, 150]).unwrap_or(&0);
        self.hangs = *random.pick(&[0, 0, 20]).unwrap_or(&0);
        self.disk_max = Duration::from_millis(*random.pick(&[2, 10, 40]).unwrap_or(&2));
        let budgets = [Duration::from_millis(20), Duration::from_millis(200), self.timeout / 2];
        if self.arbiter_budget > Duration::ZERO && !self.arbiter.has_disk() {
            self.arbiter_budget = *random.pick(&budgets).unwrap_or(&interval);
        }
    }

    fn widen_fencing(&mut self, random: &mut Random) {
        let share = if self.arbiter.exclusive() { 250 } else { 450 };
        if !random.chance(share) {
            return;
        }
        let takeover = match random.chance(500) {
            true => FencingTakeover::Fenced,
            false => FencingTakeover::FencedOrTime,
        };
        let on_failure = match random.chance(750) {
            true => FencingFailure::Block,
            false => FencingFailure::Continue,
        };
        let failures = *random.pick(&[0, 200, 600]).unwrap_or(&0);
        self.fencing = Some(FencePlan { takeover, on_failure, failures, watchdogs: None });
    }

    fn widen_faults(&mut self, random: &mut Random) {
        let all: Vec<FaultKind> = FaultKind::ALL
            .into_iter()
            .chain(FaultKind::WIDE)
            .filter(|kind| self.applies(*kind))
            .collect();
        let alone = if self.guarded() { 50 } else { 550 };
        if random.chance(alone) {
            self.faults = random.pick(&all).copied().into_iter().collect();
        } else {
            let share = *random.pick(&[150, 400, 1000]).unwrap_or(&400);
            // A clock that stands still excuses a lot: only some schedules have it.
            let pauses = random.chance(150);
            let wanted = |kind: &FaultKind| *kind != FaultKind::Pause || pauses;
            let drawn = all.iter().copied().filter(wanted);
            self.faults = drawn.filter(|_| random.chance(share)).collect();
            self.faults.insert(*random.pick(&FaultKind::ALL).unwrap_or(&FaultKind::Isolate));
        }
        self.fault_gap = random.duration(self.timeout / 4, self.timeout * 2);
        self.aimed = *random.pick(&[0, 300, 700]).unwrap_or(&300);
        self.grudge = *random.pick(&[0, 300, 700]).unwrap_or(&300);
        self.bursts = *random.pick(&[0, 150, 400]).unwrap_or(&150);
    }

    /// Whether a kind of fault can meet this cluster.
    fn applies(&self, kind: FaultKind) -> bool {
        let outside = [FaultKind::ArbiterAway, FaultKind::ArbiterCutOff, FaultKind::ArbiterSlow];
        let parts = self.arbiter.has_disk() || self.arbiter.has_line();
        let asks = self.arbiter_budget > Duration::ZERO || !outside.contains(&kind);
        asks && (parts || kind != FaultKind::ArbiterPartAway)
    }

    fn widen_operations(&mut self, random: &mut Random) {
        if random.chance(600) {
            self.operation_gap = Some(random.duration(self.timeout / 2, self.timeout * 5));
        }
        if random.chance(500) {
            self.return_policy = ReturnPolicy::Automatic;
        }
        self.failback = random.chance(200);
        self.on_partition = match random.below(10) {
            0 => PartitionAction::Shutdown,
            1 => PartitionAction::Reboot,
            2 => PartitionAction::Panic,
            3 => PartitionAction::Nothing,
            _ => PartitionAction::StopGroups,
        };
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn draw_arbiter(random: &mut Random) -> ArbiterKind {
    let mut number = random.below(ARBITERS.iter().map(|(_, weight)| weight).sum());
    for (arbiter, weight) in ARBITERS {
        if number < weight {
            return arbiter;
        }
        number -= weight;
    }
    ArbiterKind::Majority
}

/// Mostly few: what happens among sixteen happens among three, and that is played faster.
fn draw_servers(arbiter: ArbiterKind, random: &mut Random) -> usize {
    if arbiter.has_line() {
        return 2;
    }
    let of: &[usize] = if arbiter.counts() {
        &[2, 3, 3, 3, 3, 3, 4, 4, 5, 5]
    } else {
        &[2, 2, 2, 2, 2, 2, 3, 3, 3, 4]
    };
    let drawn = *random.pick(of).unwrap_or(&3);
    match random.chance(10) {
        true => random.between(6, 16) as usize,
        false => drawn,
    }
}
