//! Who wrote the store, leader by leader: tells a store that is behind from one that went another
//! way.
//!
//! A number alone can't: two parts of a divided cluster that both went on give the same numbers to
//! different changes. The first write of each leader's term notes in the store itself up to which
//! revision the leaders before it had written. It never says "apart" of what it has forgotten.

use serde::{Deserialize, Serialize};

use super::ids::{Revision, Term};
use super::model::{ObjectKey, Objects};
use super::placement::INTENT_KIND;

/// Leaders that are remembered; a server that was away for more of them is taken for behind.
const LEADERS_MAX: usize = 32;

/// Whose writes a store consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lineage {
    /// The term of the last writer; none: nobody has written since `stead init`.
    pub writer: Option<Term>,
    /// Earlier writers, oldest first, each with the last revision it wrote.
    pub before: Vec<(Term, Revision)>,
}

impl Lineage {
    /// Where it is kept.
    #[must_use]
    pub fn key() -> ObjectKey {
        ObjectKey::new(INTENT_KIND, "lineage")
    }

    /// What a store says.
    #[must_use]
    pub fn read(objects: &Objects) -> Self {
        let text = objects.get(&Self::key()).map(|object| &*object.json);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// After a write of this leader on top of `last`; none where it wrote that already.
    #[must_use]
    pub fn continued(mut self, writer: &Term, last: Revision) -> Option<Self> {
        if self.writer.as_ref() == Some(writer) {
            return None;
        }
        if let Some(before) = self.writer.replace(writer.clone()) {
            self.before.push((before, last));
            let surplus = self.before.len().saturating_sub(LEADERS_MAX);
            self.before.drain(..surplus);
        }
        Some(self)
    }

    /// The text to store.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether a store of this lineage, now at `now`, contains what another one holds that was last
    /// written by `writer` as `revision`.
    #[must_use]
    pub fn holds(&self, now: Revision, writer: Option<&Term>, revision: Revision) -> bool {
        let Some(writer) = writer else { return true };
        if self.writer.as_ref() == Some(writer) {
            return revision <= now;
        }
        match self.before.iter().find(|(term, _)| term == writer) {
            Some((_, last)) => revision <= *last,
            None => {
                let oldest = self.before.first().filter(|_| self.before.len() >= LEADERS_MAX);
                oldest.is_some_and(|(oldest, _)| writer < oldest)
            }
        }
    }
}

/// How far a history has come: of two that met, the greater goes on. It is the last writer that counts,
/// not the number, for leaders of terms with one number may have written at the same time; and of them
/// the one of the higher term knew all that was acknowledged under the lower.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    term: u64,
    writer: Option<Term>,
    revision: Revision,
}

impl Position {
    /// Of a store.
    #[must_use]
    pub fn of(writer: Option<Term>, revision: Revision) -> Self {
        Self { term: revision.term(), writer, revision }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(number: u64, proposer: &str) -> Term {
        Term { number, proposer: proposer.into() }
    }

    #[test]
    fn a_store_that_is_behind_is_held_and_one_that_went_another_way_is_not() {
        let common = Lineage::default().continued(&term(4, "a"), Revision(1)).unwrap();
        let ours = common.clone().continued(&term(5, "a"), Revision(40)).unwrap();
        assert_eq!(ours.clone().continued(&term(5, "a"), Revision(51)), None);
        assert!(ours.holds(Revision(51), None, Revision(1)), "as stead init left it");
        assert!(ours.holds(Revision(51), Some(&term(4, "a")), Revision(40)));
        assert!(!ours.holds(Revision(51), Some(&term(4, "a")), Revision(41)), "never acknowledged");
        assert!(ours.holds(Revision(51), Some(&term(5, "a")), Revision(51)));
        assert!(!ours.holds(Revision(51), Some(&term(5, "b")), Revision(51)), "the same number");
        assert!(!ours.holds(Revision(51), Some(&term(5, "b")), Revision(7)));
    }

    #[test]
    fn of_what_it_has_forgotten_it_says_nothing_bad() {
        let mut lineage = Lineage::default();
        for number in 1..=100 {
            let last = Revision(number * 10);
            lineage = lineage.continued(&term(number, "a"), last).unwrap();
        }
        assert_eq!(lineage.before.len(), LEADERS_MAX);
        assert!(lineage.holds(Revision(2000), Some(&term(3, "b")), Revision(35)));
        assert!(!lineage.holds(Revision(2000), Some(&term(99, "b")), Revision(995)));
    }

    #[test]
    fn of_two_histories_the_one_with_the_higher_last_term_goes_on() {
        let at = |term: u64, index: u64| Revision((term << Revision::INDEX_BITS) + index);
        let position = |number, proposer: &str, index| {
            Position::of(Some(term(number, proposer)), at(number, index))
        };
        assert!(position(4, "a", 3) > position(4, "a", 2));
        assert!(position(5, "a", 1) > position(4, "b", 9));
        assert!(position(4, "b", 1) > position(4, "a", 9), "one number, two leaders");
        assert!(position(1, "a", 1) > Position::of(None, Revision(1)), "as stead init left it");
    }
}
