//! `--filter`: which faults are played.

use std::collections::BTreeSet;

use crate::api::problem::suggestion;
use crate::cli::failure::Failure;
use crate::sim::rehearse::{Category, Rehearsal};

/// Indices of the faults that are wanted.
pub(super) struct Filter(BTreeSet<usize>);

impl Filter {
    /// Those that any of the words names; without words all.
    pub(super) fn new(words: &[String], rehearsal: &Rehearsal) -> Result<Self, Failure> {
        let cases = rehearsal.cases();
        if words.is_empty() {
            return Ok(Self((0..cases.len()).collect()));
        }
        let mut wanted = BTreeSet::new();
        let mut unknown = Vec::new();
        for word in words {
            let category = Category::ALL.into_iter().find(|category| category.name() == word);
            let of_category = |index: &usize| Some(cases[*index].category) == category;
            let named = |index: &usize| cases[*index].about.contains(word);
            let found: Vec<usize> =
                (0..cases.len()).filter(|index| of_category(index) || named(index)).collect();
            if found.is_empty() && category.is_none() {
                unknown.push(word.as_str());
            }
            wanted.extend(found);
        }
        if unknown.is_empty() {
            return Ok(Self(wanted));
        }
        let kinds = Category::ALL.map(Category::name);
        let names: BTreeSet<&str> =
            cases.iter().flat_map(|case| case.about.iter().map(String::as_str)).collect();
        let known: Vec<&str> = kinds.into_iter().chain(names.iter().copied()).collect();
        let said: Vec<String> = unknown
            .iter()
            .map(|word| {
                format!(
                    "no fault is of kind or about `{word}`{}",
                    suggestion(word, known.iter().copied())
                )
            })
            .collect();
        Err(Failure::Usage(format!(
            "{}; kinds: {}; names: {}",
            said.join("; "),
            kinds.join(", "),
            names.into_iter().collect::<Vec<_>>().join(", ")
        )))
    }

    /// Whether a fault is wanted.
    pub(super) fn wants(&self, index: usize) -> bool {
        self.0.contains(&index)
    }

    /// All that are wanted.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }
}
