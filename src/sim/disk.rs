//! The state folder of a server: what survives a crash, and what does not.
//!
//! A write is durable once its `Persisted` was delivered. One that was under way when the machine
//! or the agent died may have reached the disk or not; an earlier one always did if a later one did.

use std::collections::VecDeque;

use super::clock::TrueTime;
use super::random::Random;
use crate::engine::durable::Durable;
use crate::engine::effect::Record;
use crate::engine::ids::ActionId;

/// A disk with its queue of writes.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What is durable.
    pub contents: Durable,
    /// Writes fail while true.
    pub full: bool,
    /// Writes neither end nor fail while true.
    pub stalled: bool,
    queue: VecDeque<(ActionId, Record)>,
    last: TrueTime,
}

impl Disk {
    /// A disk that holds this.
    #[must_use]
    pub fn new(contents: Durable) -> Self {
        Self {
            contents,
            full: false,
            stalled: false,
            queue: VecDeque::new(),
            last: TrueTime::default(),
        }
    }

    /// Takes a write; it is done at the time returned, in order.
    pub fn submit(&mut self, done: TrueTime, id: ActionId, record: Record) -> TrueTime {
        self.queue.push_back((id, record));
        self.last = self.last.max(done);
        self.last
    }

    /// How many writes are under way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The oldest write is done.
    pub fn complete(&mut self) -> Option<(ActionId, Result<(), String>)> {
        let (id, record) = self.queue.pop_front()?;
        if self.full {
            return Some((id, Err("no space left on device".into())));
        }
        self.contents.apply(&record);
        Some((id, Ok(())))
    }

    /// Whoever writes is gone: of what is under way, some of the oldest made it.
    pub fn lose(&mut self, random: &mut Random) {
        let kept = random.below(self.queue.len() as u64 + 1);
        for _ in 0..kept {
            self.complete();
        }
        self.queue.clear();
    }
}
