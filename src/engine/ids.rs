//! Numbers that are given once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::names::ServerName;

/// A term: unique, totally ordered, used whole everywhere (A6). Persisted by its proposer before
/// it is proposed and never reused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// Grows with each proposal.
    pub number: u64,
    /// Who proposed it.
    pub proposer: ServerName,
}

impl Term {
    /// The first revision that its leader may write.
    #[must_use]
    pub fn first_revision(&self) -> Revision {
        Revision((self.number << Revision::INDEX_BITS) + 1)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, self.proposer)
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl GrantId {
    /// Whether no leader gave it: what runs was found by a probe, under no order of this run.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        self.term.number == 0
    }
}

/// A leader's order about one group, numbered: what a release must name to free it (A10).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrantId {
    /// The term of the leader that gave the order.
    pub term: Term,
    /// Its number within the term.
    pub sequence: u64,
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.term, self.sequence)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $type(pub $inner);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

number!(
    /// One run of an agent; drawn at random at its start.
    BootId(u64), "{:016x}"
);
number!(
    /// One state folder; drawn at random when it is made.
    IncarnationId(u64), "{:016x}"
);
number!(
    /// A version of the store, and of each object in it: `term · 2^40 + index`.
    Revision(u64), "{}"
);
number!(
    /// Pairs an effect with the input that answers it. Never reused within a boot.
    ActionId(u64), "{}"
);

/// Gives action ids. Several givers may share the numbers of one boot: each takes its own
/// remainder, so that [`ActionIds::gave`] alone says whose an answer is.
#[derive(Clone, Debug)]
pub struct ActionIds {
    next: u64,
    stride: u64,
}

impl Default for ActionIds {
    fn default() -> Self {
        Self::strided(1, 1)
    }
}

impl ActionIds {
    /// The ids `first`, `first + stride`, and so on; `first` is less than `stride`, or both are 1.
    #[must_use]
    pub fn strided(first: u64, stride: u64) -> Self {
        Self { next: first, stride: stride.max(1) }
    }

    /// The next one.
    pub fn next_id(&mut self) -> ActionId {
        let id = ActionId(self.next);
        self.next += self.stride;
        id
    }

    /// Whether this giver gave an id.
    #[must_use]
    pub fn gave(&self, id: ActionId) -> bool {
        id.0 < self.next && id.0 % self.stride == self.next % self.stride
    }
}

impl Revision {
    /// Bits that number the writes within one term.
    pub const INDEX_BITS: u32 = 40;

    /// The number of the term it was written in.
    #[must_use]
    pub fn term(self) -> u64 {
        self.0 >> Self::INDEX_BITS
    }
}
