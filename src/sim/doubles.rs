//! Groups that run on two servers at once, where that may happen: counted, with how long.
//!
//! It may happen where neither an exclusive arbiter nor confirmed fencing protects; and for a while
//! after a machine went on whose clock stood still, where only time protects.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::TrueTime;
use crate::api::names::GroupName;

/// How often something ran twice, and for how long at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often.
    pub times: u64,
    /// The longest of them.
    pub longest: Duration,
}

impl Count {
    fn add(&mut self, lasted: Duration) {
        self.times += 1;
        self.longest = self.longest.max(lasted);
    }

    /// Together with another.
    pub fn merge(&mut self, other: Self) {
        self.times += other.times;
        self.longest = self.longest.max(other.longest);
    }
}

/// What runs twice, and what did.
#[derive(Clone, Debug, Default)]
pub struct Doubles {
    open: BTreeMap<GroupName, TrueTime>,
    /// Of clusters that nothing protects.
    pub unguarded: Count,
    /// After a clock that stood still.
    pub standing: Count,
}

impl Doubles {
    /// A group runs on two servers.
    pub fn begin(&mut self, now: TrueTime, group: &GroupName) {
        self.open.entry(group.clone()).or_insert(now);
    }

    /// Whether anything runs twice.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// What runs twice.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupName> {
        self.open.keys().cloned().collect()
    }

    /// A group runs on one server, or on none.
    pub fn end(&mut self, now: TrueTime, group: &GroupName, guarded: bool) {
        let Some(since) = self.open.remove(group) else { return };
        let count = if guarded { &mut self.standing } else { &mut self.unguarded };
        count.add(now - since);
    }
}
