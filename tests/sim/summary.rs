//! What many schedules add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use stead::sim::{ArbiterKind, Count, FaultKind, Options, Passed};

#[derive(Debug, Default)]
pub struct Summary {
    schedules: u64,
    seconds: u64,
    abandoned: u64,
    standing: Count,
    arbiters: BTreeMap<ArbiterKind, u64>,
    faults: BTreeMap<FaultKind, u64>,
    /// Of clusters that nothing protects, where one kind of fault alone was drawn: schedules, and
    /// those in which something ran twice.
    alone: BTreeMap<(ArbiterKind, FaultKind), (u64, u64)>,
    /// The same for all kinds together.
    unguarded: BTreeMap<ArbiterKind, (u64, Count)>,
}

impl Summary {
    pub fn add(&mut self, options: &Options, passed: &Passed) {
        self.schedules += 1;
        self.seconds += passed.seconds;
        let tally = &passed.tally;
        self.abandoned += tally.abandoned;
        self.standing.merge(tally.standing);
        *self.arbiters.entry(options.arbiter).or_default() += 1;
        for (kind, times) in &tally.faults {
            *self.faults.entry(*kind).or_default() += times;
        }
        if options.guarded() {
            return;
        }
        let twice = u64::from(tally.unguarded.times > 0);
        let (schedules, count) = self.unguarded.entry(options.arbiter).or_default();
        *schedules += 1;
        count.merge(tally.unguarded);
        let drawn: BTreeSet<FaultKind> = options.faults.clone();
        let quiet = options.loss == 0 && options.stragglers == 0 && options.fencing.is_none();
        if let (Some(only), 1, true) = (drawn.first(), drawn.len(), quiet) {
            let (schedules, broken) = self.alone.entry((options.arbiter, *only)).or_default();
            *schedules += 1;
            *broken += twice;
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.seconds += other.seconds;
        self.abandoned += other.abandoned;
        self.standing.merge(other.standing);
        for (key, value) in other.arbiters {
            *self.arbiters.entry(key).or_default() += value;
        }
        for (key, value) in other.faults {
            *self.faults.entry(key).or_default() += value;
        }
        for (key, (schedules, broken)) in other.alone {
            let known = self.alone.entry(key).or_default();
            *known = (known.0 + schedules, known.1 + broken);
        }
        for (key, (schedules, count)) in other.unguarded {
            let known = self.unguarded.entry(key).or_default();
            known.0 += schedules;
            known.1.merge(count);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} schedules passed, {} s simulated", self.schedules, self.seconds)?;
        writeln!(f, "  arbiters: {:?}", self.arbiters)?;
        writeln!(f, "  faults: {:?}", self.faults)?;
        writeln!(f, "  changes lost where views shared no server: {}", self.abandoned)?;
        let Count { times, longest } = self.standing;
        writeln!(f, "  twice after a clock that stood still: {times}, at most {longest:?}")?;
        for (arbiter, (schedules, Count { times, longest })) in &self.unguarded {
            writeln!(
                f,
                "  {arbiter:?}, not exclusive: {schedules} schedules, twice {times} times, at \
                 most {longest:?}"
            )?;
            for ((_, kind), (schedules, broken)) in
                self.alone.iter().filter(|((of, _), (_, broken))| of == arbiter && *broken > 0)
            {
                writeln!(f, "    {kind:?} alone: {broken} of {schedules}")?;
            }
            let holds = self.alone.iter().filter(|((of, _), (_, n))| of == arbiter && *n == 0);
            let names: Vec<String> = holds.map(|((_, kind), _)| format!("{kind:?}")).collect();
            writeln!(f, "    held under, alone: {}", names.join(" "))?;
        }
        Ok(())
    }
}
