//! What happened: a hash of it always, lines to read when asked for.
//!
//! A schedule runs without lines, which is fast; one that fails is run again with them, which is
//! the same run (I5).

use std::collections::VecDeque;
use std::fmt;

use super::clock::TrueTime;

/// Lines kept of everything.
const RECENT_MAX: usize = 400;
/// Lines kept of what matters most (views, orders, faults, operations, violations).
const MILESTONES_MAX: usize = 2000;

/// How much is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The order and kind of events, hashed.
    Outline,
    /// All content, hashed.
    Content,
    /// All content, hashed, and lines to read.
    Lines,
}

/// The record of one run.
#[derive(Clone, Debug)]
pub struct Trace {
    detail: Detail,
    hash: u64,
    recent: VecDeque<String>,
    milestones: VecDeque<String>,
}

impl Trace {
    /// An empty record.
    #[must_use]
    pub fn new(detail: Detail) -> Self {
        // The offset basis of 64-bit FNV-1a.
        let hash = 0xcbf2_9ce4_8422_2325;
        Self { detail, hash, recent: VecDeque::new(), milestones: VecDeque::new() }
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// One event that nobody wants to read.
    pub fn quiet(&mut self, at: TrueTime, kind: u64, text: impl FnOnce() -> String) {
        self.mix(at.0);
        self.mix(kind);
        if self.detail == Detail::Content {
            text().bytes().for_each(|byte| self.mix(u64::from(byte)));
        }
    }

    /// One event; `text` is only made where it is wanted.
    pub fn event(&mut self, at: TrueTime, kind: u64, text: impl FnOnce() -> String) {
        self.mix(at.0);
        self.mix(kind);
        if self.detail == Detail::Outline {
            return;
        }
        let text = text();
        for byte in text.bytes() {
            self.mix(u64::from(byte));
        }
        if self.detail == Detail::Lines {
            push(&mut self.recent, format!("{at} {text}"), RECENT_MAX);
        }
    }

    /// One event that the reader of a failure needs however long ago it was.
    pub fn milestone(&mut self, at: TrueTime, kind: u64, text: impl FnOnce() -> String) {
        let mut line = None;
        self.event(at, kind, || {
            let text = text();
            line = Some(text.clone());
            text
        });
        if let (Detail::Lines, Some(text)) = (self.detail, line) {
            push(&mut self.milestones, format!("{at} {text}"), MILESTONES_MAX);
        }
    }

    /// The lines that the reader of a failure needs.
    pub fn milestones(&self) -> impl Iterator<Item = &String> {
        self.milestones.iter()
    }

    fn mix(&mut self, value: u64) {
        self.hash ^= value;
        // The prime of 64-bit FNV-1a.
        self.hash = self.hash.wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }
}

fn push(lines: &mut VecDeque<String>, line: String, max: usize) {
    if lines.len() >= max {
        lines.pop_front();
    }
    lines.push_back(line);
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- milestones")?;
        for line in &self.milestones {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "--- the last {} events", self.recent.len())?;
        for line in &self.recent {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
