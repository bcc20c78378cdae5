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
    /// Until when a group of them may go on, because a copy of it was being stopped.
    prolonged: BTreeMap<GroupName, TrueTime>,
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

    /// A group that runs twice may do so for longer.
    pub fn prolong(&mut self, group: &GroupName, until: TrueTime) {
        self.prolonged.insert(group.clone(), until);
    }

    /// Whether a group may run twice still.
    #[must_use]
    pub fn may_last(&self, now: TrueTime, group: &GroupName) -> bool {
        self.prolonged.get(group).is_some_and(|until| now < *until)
    }

    /// A group runs on one server, or on none.
    pub fn end(&mut self, now: TrueTime, group: &GroupName, guarded: bool) {
        self.prolonged.remove(group);
        let Some(since) = self.open.remove(group) else { return };
        let count = if guarded { &mut self.standing } else { &mut self.unguarded };
        count.add(now - since);
    }
}
