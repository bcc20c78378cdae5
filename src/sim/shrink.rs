//! Makes a failing schedule smaller, as long as it breaks the same rule.
//!
//! Acts are left out by delta debugging, the cluster is made smaller and its surroundings quieter,
//! times are rounded: in rounds, until nothing helps or the tries are used up. A schedule that was
//! found with a broken engine must pass with the real one: otherwise it would be of another kind.

use std::time::Duration;

use super::acts::{Act, Edit, TimedAct};
use super::checkers::{Invariant, Violation};
use super::faults::Fault;
use super::node::Node;
use super::options::Options;
use super::saved::Schedule;
use super::schedule::{Failed, run};
use super::trace::Detail;
use crate::api::kinds::ReturnPolicy;
use crate::engine::mutation::Flaw;

/// The smallest that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// What is left.
    pub schedule: Schedule,
    /// What it breaks.
    pub violation: Violation,
    /// Who did what when, from the last calm moment on.
    pub story: String,
    /// Schedules that were played.
    pub tries: u32,
}

struct Shrinker {
    invariant: Invariant,
    tries_left: u32,
    options: Options,
    acts: Vec<TimedAct>,
}

/// A little more time than until the violation.
const MARGIN: Duration = Duration::from_millis(1);
/// Times become multiples of one of these, the simplest first.
const ROUNDED: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(10)];

/// Shrinks what failed, with so many tries.
#[must_use]
pub fn shrink<N: Node>(failed: &Failed, mutation: Option<String>, tries: u32) -> Shrunk {
    let mut shrinker = Shrinker {
        invariant: failed.violation.invariant,
        tries_left: tries,
        options: failed.options.clone(),
        acts: failed.acts.clone(),
    };
    let until = Duration::from_nanos(failed.violation.at.0) + MARGIN;
    let turbulence = failed.options.turbulence.min(until);
    let shorter = Options { turbulence, ..failed.options.clone() };
    shrinker.keep::<N>(&shorter, &failed.acts);
    let mut smaller = true;
    while smaller && shrinker.tries_left > 0 {
        smaller = shrinker.drop_acts::<N>();
        smaller |= shrinker.simplify_options::<N>();
        smaller |= shrinker.simplify_times::<N>();
    }
    let Shrinker { options, acts, tries_left, .. } = shrinker;
    let last = run::<N>(&options, Some(&acts), Detail::Lines);
    let violation = last.result.err().unwrap_or_else(|| failed.violation.clone());
    let schedule = Schedule { options, acts, mutation };
    Shrunk { schedule, violation, story: story(&last.milestones), tries: tries - tries_left }
}

impl Shrinker {
    /// Keeps a candidate that still fails.
    fn keep<N: Node>(&mut self, options: &Options, acts: &[TimedAct]) -> bool {
        if self.tries_left == 0 {
            return false;
        }
        self.tries_left -= 1;
        let fails = run::<N>(options, Some(acts), Detail::Outline).result;
        if !fails.is_err_and(|violation| violation.invariant == self.invariant) {
            return false;
        }
        if options.flaw != Flaw::default() {
            let real = Options { flaw: Flaw::default(), ..options.clone() };
            if run::<N>(&real, Some(acts), Detail::Outline).result.is_err() {
                return false;
            }
        }
        self.options = options.clone();
        self.acts = acts.to_vec();
        true
    }

    /// Leaves out ever smaller parts of the acts.
    fn drop_acts<N: Node>(&mut self) -> bool {
        let mut smaller = false;
        let mut size = self.acts.len().div_ceil(2);
        while size > 0 && self.tries_left > 0 {
            let mut begin = 0;
            while begin < self.acts.len() {
                let end = (begin + size).min(self.acts.len());
                let rest = [&self.acts[..begin], &self.acts[end..]].concat();
                if self.keep::<N>(&self.options.clone(), &rest) {
                    smaller = true;
                } else {
                    begin = end;
                }
            }
            size /= 2;
        }
        smaller
    }

    fn simplify_options<N: Node>(&mut self) -> bool {
        let mut smaller = false;
        for simpler in SIMPLER {
            let mut options = self.options.clone();
            simpler(&mut options);
            if options == self.options || options.servers < 2 {
                continue;
            }
            let acts: Vec<TimedAct> =
                self.acts.iter().filter_map(|act| fitted(act, &options)).collect();
            if options.timeout < self.options.timeout && !outlasts_delays(&options, &acts) {
                continue;
            }
            smaller |= self.keep::<N>(&options, &acts);
        }
        smaller
    }

    /// Shorter, and rounder.
    fn simplify_times<N: Node>(&mut self) -> bool {
        let mut smaller = false;
        for index in 0..self.acts.len() {
            for unit in ROUNDED {
                let mut acts = self.acts.clone();
                let act = &mut acts[index];
                act.after = rounded(act.after, unit);
                if let Act::Break { lasts, .. } = &mut act.act {
                    *lasts = rounded(*lasts, unit);
                }
                acts.sort_by_key(|act| act.after);
                if acts == self.acts {
                    break;
                }
                if self.keep::<N>(&self.options.clone(), &acts) {
                    smaller = true;
                    break;
                }
            }
        }
        smaller
    }
}

/// Down, but not to nothing.
fn rounded(duration: Duration, unit: Duration) -> Duration {
    let units = u32::try_from(duration.as_nanos() / unit.as_nanos()).unwrap_or(u32::MAX);
    if units == 0 { duration } else { unit * units }
}

/// From the last calm moment: who led and what ran before the first act.
fn story(milestones: &[String]) -> String {
    let acts = |line: &String| line.contains("FAULT") || line.contains("OPERATOR");
    let first = milestones.iter().position(acts).unwrap_or(0);
    let calm = |line: &&String| line.contains(" leads ") || line.contains("[GroupOnline]");
    let before = milestones[..first].iter().filter(calm).rev().take(2);
    let mut lines: Vec<&str> = before.map(String::as_str).collect();
    lines.reverse();
    lines.extend(milestones[first..].iter().map(String::as_str));
    lines.join("\n")
}

type Simpler = fn(&mut Options);

/// What makes a cluster smaller or its surroundings quieter, one at a time.
const SIMPLER: &[Simpler] = &[
    |options| options.faults.clear(),
    |options| options.operation_gap = None,
    |options| options.servers -= 1,
    |options| options.groups = 1,
    |options| options.resources = 1,
    |options| options.paths = 1,
    |options| options.turbulence /= 2,
    |options| options.loss = 0,
    |options| options.duplicates = 0,
    |options| options.stragglers = 0,
    |options| options.failures = 0,
    |options| options.hangs = 0,
    |options| options.drift_max = 0,
    |options| options.wall_offset_max = 0,
    |options| options.delay_max = Duration::from_millis(1),
    |options| options.disk_max = Duration::from_millis(2),
    |options| options.return_policy = ReturnPolicy::Manual,
    |options| options.failback = false,
    |options| options.fencing = None,
    |options| options.timeout = Duration::from_secs(1),
    |options| options.wait_for_servers = Duration::from_secs(2),
    |options| options.turbulence = options.turbulence.saturating_sub(options.turbulence / 8),
];

/// Whether the time-out is as long as it is drawn for such delays at least: a cluster that is set for
/// less than its network takes fails for that reason, and tells nothing of the one that was found.
fn outlasts_delays(options: &Options, acts: &[TimedAct]) -> bool {
    let timeout = options.timeout;
    let drawn = |timed: &TimedAct| match &timed.act {
        Act::Break { fault: Fault::Storm(storm), .. } => storm.delay <= timeout,
        Act::Break { fault: Fault::Drag(_, by) | Fault::ArbiterSlow(by), .. } => *by <= timeout * 2,
        Act::Break { .. }
        | Act::Operate { .. }
        | Act::Change { .. }
        | Act::Edit { .. }
        | Act::Revive => true,
    };
    options.delay_max * 10 <= timeout && acts.iter().all(drawn)
}

/// The act as far as it makes sense in such a cluster.
fn fitted(timed: &TimedAct, options: &Options) -> Option<TimedAct> {
    let is = |server: &usize| *server < options.servers;
    let mut timed = timed.clone();
    let fits = match &mut timed.act {
        Act::Break { fault: Fault::Cut(links) | Fault::Drag(links, _), .. } => {
            links.retain(|(from, to, path)| is(from) && is(to) && *path < options.paths);
            !links.is_empty()
        }
        Act::Break { fault, .. } => {
            // One about a resource that is no more there does nothing.
            fault.server().as_ref().is_none_or(is)
        }
        Act::Operate { at, group, server, .. } => {
            at.as_ref().is_none_or(is)
                && server.as_ref().is_none_or(is)
                && group.is_none_or(|group| group < options.groups)
        }
        Act::Change { at, group, .. } => at.as_ref().is_none_or(is) && *group < options.groups,
        Act::Edit { at, edit } => {
            let group = match edit {
                Edit::Timeout(_) => 0,
                Edit::Suspend(group, _) | Edit::Policy(group, _) | Edit::Environment(group, _) => {
                    *group
                }
            };
            at.as_ref().is_none_or(is) && group < options.groups
        }
        Act::Revive => true,
    };
    fits.then_some(timed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::net::Storm;
    use crate::sim::options::ArbiterKind;

    #[test]
    fn a_time_out_that_is_lowered_stays_above_what_the_network_takes() {
        let fits = |delay_max, fault: Option<Fault>| {
            let options = Options { delay_max, ..Options::quiet(3, ArbiterKind::Majority) };
            let act = fault.map(|fault| Act::Break { fault, lasts: Duration::from_secs(1) });
            let acts = act.map(|act| TimedAct { after: Duration::from_secs(1), act });
            outlasts_delays(&options, &acts.into_iter().collect::<Vec<_>>())
        };
        let (short, long) = (Duration::from_millis(100), Duration::from_millis(2500));
        assert!(fits(short, None));
        assert!(!fits(short * 2, None));
        assert!(fits(short, Some(Fault::Storm(Storm { delay: short, loss: 0 }))));
        assert!(!fits(short, Some(Fault::Storm(Storm { delay: long, loss: 0 }))));
        assert!(!fits(short, Some(Fault::Drag(vec![(0, 1, 0)], long))));
        assert!(!fits(short, Some(Fault::ArbiterSlow(long))));
    }
}
