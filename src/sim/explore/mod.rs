//! Every state of a small cluster: two or three real engines, breadth first, until nothing new comes.
//!
//! What may go wrong is bounded, and how often; within the bounds the search is exhaustive or says
//! that it is not. See `state` for what is abstracted and `canon` for when two states are one.

mod canon;
mod place;
mod state;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::checkers::{Invariant, Violation};
use super::clock::TrueTime;
use super::options::ArbiterKind;
use super::setup::server_name;
use crate::engine::mutation::Flaw;
use canon::Canon;
use state::State;

/// What may happen at most in an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Two or three.
    pub servers: usize,
    /// A majority or a lease.
    pub arbiter: ArbiterKind,
    /// From the first start of the servers on; else once the group runs.
    pub from_start: bool,
    /// Terms above this are not followed further.
    pub terms: u64,
    /// Servers that lose power and start again at any later time.
    pub crashes: u8,
    /// Agents that are killed and start again at any later time.
    pub kills: u8,
    /// Cuts, one at a time, mended at any later time.
    pub cuts: u8,
    /// Packets, writes, drivers and arbiters' answers that come at any later time.
    pub late: u8,
    /// Packets that are lost.
    pub lost: u8,
    /// Servers whose timers are due together go first in turn.
    pub orders: bool,
    /// States after which it is given up, and not closed.
    pub states_max: usize,
    /// What is broken on purpose.
    pub flaw: Flaw,
}

impl Bounds {
    /// Nothing goes wrong.
    #[must_use]
    pub fn quiet(servers: usize, arbiter: ArbiterKind) -> Self {
        Self {
            servers,
            arbiter,
            from_start: false,
            terms: 4,
            crashes: 0,
            kills: 0,
            cuts: 0,
            late: 0,
            lost: 0,
            orders: false,
            states_max: usize::MAX,
            flaw: Flaw::default(),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} servers, {:?}, to term {}: ", self.servers, self.arbiter, self.terms)?;
        write!(f, "{} crashes, {} kills, ", self.crashes, self.kills)?;
        write!(f, "{} cuts, {} late, {} lost", self.cuts, self.late, self.lost)?;
        f.write_str(if self.orders { ", any server first" } else { "" })?;
        f.write_str(if self.from_start { ", from the start" } else { "" })
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Time passes.
    Tick,
    /// A server's agent starts.
    Start(usize),
    /// A server loses power; so many of its late writes reach the disk.
    Crash(usize, usize),
    /// An agent is killed; the same.
    Kill(usize, usize),
    /// Links are cut.
    Cut(usize),
    /// They work again.
    Mend,
    /// Something late comes.
    Release(usize),
}

/// Choices within one move, tried one after another.
#[derive(Debug, Default)]
pub struct Choices {
    taken: Vec<(usize, usize)>,
    next: usize,
    notes: Vec<String>,
}

impl Choices {
    /// One of so many.
    pub fn choose(&mut self, of: usize) -> usize {
        if of < 2 {
            return 0;
        }
        if self.next == self.taken.len() {
            self.taken.push((0, of));
        }
        self.next += 1;
        self.taken[self.next - 1].0
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Whether there are others than those that were taken.
    fn advance(&mut self) -> bool {
        self.next = 0;
        self.notes.clear();
        while let Some((chosen, of)) = self.taken.pop() {
            if chosen + 1 < of {
                self.taken.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// What an exploration found.
#[derive(Debug)]
pub struct Explored {
    /// Within which bounds.
    pub bounds: Bounds,
    /// States that differ.
    pub states: usize,
    /// Moves that were made.
    pub transitions: usize,
    /// Moves to the farthest state.
    pub depth: usize,
    /// States that reached a term beyond the bound.
    pub beyond: usize,
    /// Nothing new comes.
    pub closed: bool,
    /// The first rule that was broken, and how it came to that.
    pub violation: Option<(Violation, Vec<String>)>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = if self.closed { "closed" } else { "NOT closed" };
        write!(f, "{}: {closed}, {} states, ", self.bounds, self.states)?;
        write!(f, "{} transitions, depth {}, ", self.transitions, self.depth)?;
        write!(f, "{} beyond the terms", self.beyond)?;
        if let Some((violation, story)) = &self.violation {
            for line in story {
                write!(f, "\n{line}")?;
            }
            write!(f, "\n{violation}")?;
        }
        Ok(())
    }
}

/// How a state was reached: from which one, and how.
struct Step {
    from: usize,
    words: String,
}

struct Search {
    canon: Canon,
    seen: BTreeSet<u128>,
    steps: Vec<Step>,
    frontier: VecDeque<(State, usize, usize)>,
    explored: Explored,
}

/// Moves without any trouble that a cluster may need until it repeats itself.
const WARM_MAX: usize = 1000;

/// Explores.
#[must_use]
pub fn explore(bounds: Bounds) -> Explored {
    let explored = Explored {
        bounds,
        states: 0,
        transitions: 0,
        depth: 0,
        beyond: 0,
        closed: false,
        violation: None,
    };
    let mut search = Search {
        canon: Canon::default(),
        seen: BTreeSet::new(),
        steps: Vec::new(),
        frontier: VecDeque::new(),
        explored,
    };
    match search.begin(bounds) {
        Ok(first) => search.add(first, 0, 0, &|| "calm".into()),
        Err(violation) => {
            search.explored.violation = Some((violation, Vec::new()));
            return search.explored;
        }
    }
    search.run();
    search.explored.states = search.seen.len();
    search.explored
}

impl Search {
    /// The first state: where asked for, once all runs and nothing changes any more.
    fn begin(&mut self, bounds: Bounds) -> Result<State, Violation> {
        let mut state = State::new(bounds)?;
        self.canon.horizon = u64::try_from(state.horizon().as_nanos()).unwrap_or(u64::MAX);
        if bounds.from_start {
            return Ok(state);
        }
        let troubles = (state.left.late, state.left.lost);
        (state.left.late, state.left.lost) = (0, 0);
        let mut seen = BTreeSet::new();
        for _ in 0..WARM_MAX {
            state.make(Move::Tick, &mut Choices::default())?;
            if state.settled() && !seen.insert(state.fingerprint(&mut self.canon)) {
                (state.left.late, state.left.lost) = troubles;
                state.grid = state.now;
                return Ok(state);
            }
        }
        let before = self.canon.compared();
        state.make(Move::Tick, &mut Choices::default())?;
        let _ = state.fingerprint(&mut self.canon);
        let after = self.canon.compared();
        let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
        let part = |text: &str| -> String {
            text.chars().skip(same.saturating_sub(200)).take(400).collect()
        };
        let (before, after) = (part(&before), part(&after));
        let text = format!("never calm: {}\n{before}\n{after}", state.words());
        Err(Violation::new(Invariant::I3, TrueTime(state.now), text))
    }

    fn run(&mut self) {
        while let Some((state, index, depth)) = self.frontier.pop_front() {
            let moves = state.moves();
            for next in moves.into_iter().chain([Move::Tick]) {
                if !self.make(&state, index, depth, next) {
                    return;
                }
            }
            if self.seen.len() > self.explored.bounds.states_max {
                return;
            }
        }
        self.explored.closed = true;
    }

    /// All that one move leads to; `false` where a rule is broken.
    fn make(&mut self, state: &State, index: usize, depth: usize, next: Move) -> bool {
        let mut choices = Choices::default();
        loop {
            let mut after = state.clone();
            let made = catch_unwind(AssertUnwindSafe(|| after.make(next, &mut choices)));
            let made = made.unwrap_or_else(|_| {
                let text = "an engine panics";
                Err(Violation::new(Invariant::Panic, TrueTime(state.now), text))
            });
            self.explored.transitions += 1;
            let notes = choices.notes.join(", ");
            let words = || format!("{} {notes}", words(next, state));
            if let Err(violation) = made {
                let mut story = self.story(index);
                story.push(format!("{} => {}", words(), after.words()));
                self.explored.violation = Some((violation, story));
                return false;
            }
            if after.term() > self.explored.bounds.terms {
                self.explored.beyond += 1;
            } else {
                self.add(after, index, depth + 1, &words);
            }
            if !choices.advance() {
                return true;
            }
        }
    }

    fn add(&mut self, state: State, from: usize, depth: usize, words: &dyn Fn() -> String) {
        if !self.seen.insert(state.fingerprint(&mut self.canon)) {
            return;
        }
        self.explored.depth = self.explored.depth.max(depth);
        let words = format!("{} => {}", words(), state.words());
        let words =
            if self.explored.bounds.flaw == Flaw::default() { String::new() } else { words };
        self.steps.push(Step { from, words });
        self.frontier.push_back((state, self.steps.len() - 1, depth));
    }

    /// How a state was reached.
    fn story(&self, mut index: usize) -> Vec<String> {
        let mut story = Vec::new();
        loop {
            let step = &self.steps[index];
            story.push(step.words.clone());
            if index == 0 {
                break;
            }
            index = step.from;
        }
        story.reverse();
        story
    }
}

fn words(next: Move, state: &State) -> String {
    let seconds = state.now % 1_000_000_000_000 / 1_000_000;
    let what = match next {
        Move::Tick => "time passes".into(),
        Move::Start(server) => format!("{} starts", server_name(server)),
        Move::Crash(server, _) => format!("{} loses power", server_name(server)),
        Move::Kill(server, _) => format!("the agent of {} is killed", server_name(server)),
        Move::Cut(cut) => {
            let links = &state.cuts[cut];
            let link = |(from, to): &(usize, usize)| {
                format!("{} -> {}", server_name(*from), server_name(*to))
            };
            format!("cut: {}", links.iter().map(link).collect::<Vec<_>>().join(", "))
        }
        Move::Mend => "the cut is mended".into(),
        Move::Release(index) => format!("late comes {}", state.late[index].words()),
    };
    format!("{seconds} ms: {what}")
}
