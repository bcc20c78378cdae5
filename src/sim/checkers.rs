//! What must hold after every step (design.md 3), judged from outside: by what physically runs, what
//! was acknowledged, and what was done to the cluster, never by what an engine believes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;

use super::clock::TrueTime;
use super::options::{ArbiterKind, Options, Profile};
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::Change;
use crate::engine::ids::{Revision, Term};
use crate::engine::model::{ObjectKey, Objects};

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// A group is active on at most one server.
    I1,
    /// An acknowledged change is never lost.
    I2,
    /// Once faults heal, every automatic group is active again.
    I3,
    /// Nothing stops or moves without a cause.
    I4,
    /// Servers that came together again hold the same store.
    Stores,
    /// Same seed, same trace.
    I5,
    /// One leader per term.
    Term,
    /// Nothing starts without a live lease.
    Lease,
    /// Drivers are asked in the order of dependencies, one thing at a time.
    Drivers,
    /// No panic.
    Panic,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When.
    pub at: TrueTime,
    /// How.
    pub text: String,
}

impl Violation {
    /// A broken rule.
    pub fn new(invariant: Invariant, at: TrueTime, text: impl Into<String>) -> Self {
        Self { invariant, at, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} violated: {}", self.at, self.invariant, self.text)
    }
}

/// A change that was acknowledged.
#[derive(Clone, Debug)]
struct Acknowledged {
    /// The view that made it.
    term: Term,
    revision: Revision,
    removed: bool,
    /// Servers that certainly have it.
    carriers: BTreeSet<ServerName>,
}

/// What the rules need to remember.
#[derive(Clone, Debug)]
pub struct Checkers {
    profile: Profile,
    arbiter: ArbiterKind,
    acknowledged: BTreeMap<ObjectKey, Acknowledged>,
    leaders: BTreeMap<Term, ServerName>,
    /// The views that were installed, with their members.
    views: BTreeMap<Term, Vec<ServerName>>,
    /// Until when it needs no explanation that a group stops; none: any group, for ever.
    excused: BTreeMap<GroupName, TrueTime>,
    everything_excused: bool,
    /// Changes acknowledged and lost where no view shared a server: allowed, but counted.
    pub abandoned: u64,
}

impl Checkers {
    /// Nothing has happened.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            profile: options.profile,
            arbiter: options.arbiter,
            acknowledged: BTreeMap::new(),
            leaders: BTreeMap::new(),
            views: BTreeMap::new(),
            excused: BTreeMap::new(),
            everything_excused: options.profile == Profile::Rough,
            abandoned: 0,
        }
    }

    /// I1: `group` runs on `server`; so must it on no `other`.
    ///
    /// # Errors
    ///
    /// Where it does.
    pub fn active_once<'a>(
        at: TrueTime,
        group: &GroupName,
        server: &ServerName,
        mut others: impl Iterator<Item = &'a ServerName>,
    ) -> Result<(), Violation> {
        match others.next() {
            Some(other) => {
                let text = format!("group {group} is active on {other} and on {server}");
                Err(Violation::new(Invariant::I1, at, text))
            }
            None => Ok(()),
        }
    }

    /// The leader of a view says that changes are made.
    pub fn acknowledge(
        &mut self,
        changes: &[Change],
        revision: Revision,
        term: &Term,
        view: &[ServerName],
    ) {
        // Views follow each other by their terms, whenever they were installed: one that was let go
        // on without any of these servers need not be over for them.
        let later = (Bound::Excluded(term), Bound::Unbounded);
        let apart = |members: &Vec<ServerName>| !members.iter().any(|name| view.contains(name));
        if self.views.range(later).any(|(_, members)| apart(members)) {
            self.abandoned += 1;
            return;
        }
        for change in changes {
            if self.acknowledged.get(&change.key).is_some_and(|known| known.term > *term) {
                continue;
            }
            let acknowledged = Acknowledged {
                term: term.clone(),
                revision,
                removed: change.json.is_none(),
                carriers: view.iter().cloned().collect(),
            };
            self.acknowledged.insert(change.key.clone(), acknowledged);
        }
    }

    /// A view was installed and its leader's store is settled: I2, and one leader per term.
    ///
    /// # Errors
    ///
    /// Where the leader lacks an acknowledged change, or another server led in its term.
    pub fn installed(
        &mut self,
        at: TrueTime,
        server: &ServerName,
        term: &Term,
        members: &[ServerName],
        store: (Revision, &Objects),
        on_disk: impl Fn(&ObjectKey, Revision) -> BTreeSet<ServerName>,
    ) -> Result<(), Violation> {
        if let Some(other) = self.leaders.insert(term.clone(), server.clone()) {
            let text = format!("{other} and {server} both led in term {term}");
            return Err(Violation::new(Invariant::Term, at, text));
        }
        self.views.insert(term.clone(), members.to_vec());
        let mut abandoned = Vec::new();
        for (key, change) in &mut self.acknowledged {
            if change.term > *term {
                // This view was installed late: one that comes after it has made the change.
                continue;
            }
            if !self.arbiter.counts() {
                // Views need not share a server: whoever has it on disk carries it on.
                change.carriers = on_disk(key, change.revision);
            }
            if !members.iter().any(|member| change.carriers.contains(member)) {
                abandoned.push(key.clone());
                continue;
            }
            let stored = store.1.get(key).map(|object| object.revision);
            let kept = match stored {
                Some(revision) => revision >= change.revision,
                None => change.removed,
            };
            if !kept && !self.arbiter.exclusive() {
                // Two histories that met: one of them is kept.
                abandoned.push(key.clone());
                continue;
            }
            if !kept {
                let text = format!(
                    "{} {} was acknowledged at revision {}, but {server}, leader of {term} at \
                     revision {}, has it at {stored:?}",
                    key.kind, key.name, change.revision, store.0
                );
                return Err(Violation::new(Invariant::I2, at, text));
            }
        }
        if let (true, Some(key)) = (self.arbiter.counts(), abandoned.first()) {
            let text = format!("no member of {term} can know of {} {}", key.kind, key.name);
            return Err(Violation::new(Invariant::I2, at, text));
        }
        for key in abandoned {
            self.acknowledged.remove(&key);
            self.abandoned += 1;
        }
        Ok(())
    }

    /// All is settled: two stores of one number are one.
    ///
    /// # Errors
    ///
    /// Where they are not.
    pub fn agree<'a>(
        at: TrueTime,
        stores: impl Iterator<Item = (&'a ServerName, Revision, &'a Objects)>,
    ) -> Result<(), Violation> {
        let mut known: BTreeMap<Revision, (&ServerName, &Objects)> = BTreeMap::new();
        for (server, revision, objects) in stores {
            let (other, theirs) = *known.entry(revision).or_insert((server, objects));
            if theirs != objects {
                let text = format!("{other} and {server} hold different stores at {revision}");
                return Err(Violation::new(Invariant::Stores, at, text));
            }
        }
        Ok(())
    }

    /// Somebody asked for something that may stop or move a group until then.
    pub fn excuse(&mut self, group: &GroupName, until: TrueTime) {
        let entry = self.excused.entry(group.clone()).or_default();
        *entry = until.max(*entry);
    }

    /// From now on anything may stop.
    pub fn excuse_everything(&mut self) {
        self.everything_excused = true;
    }

    /// I4: a group that was online is being stopped.
    ///
    /// # Errors
    ///
    /// Where nothing was done that explains it.
    pub fn stopping(
        &self,
        at: TrueTime,
        group: &GroupName,
        server: &ServerName,
        how: &str,
    ) -> Result<(), Violation> {
        let excused = self.excused.get(group).is_some_and(|until| at <= *until);
        if self.everything_excused || excused {
            return Ok(());
        }
        let text =
            format!("{group} on {server} {how}, and nothing explains it ({:?})", self.profile);
        Err(Violation::new(Invariant::I4, at, text))
    }
}
