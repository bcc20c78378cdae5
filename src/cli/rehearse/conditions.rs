//! `--fail-on`: what ends a rehearsal with an exit code of its own.

use std::time::Duration;

use super::report::Report;
use crate::api::kinds::Duration as Written;
use crate::cli::failure::Failure;
use crate::sim::rehearse::Row;

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    DualActive,
    Stops,
    Outage(Duration),
}

/// Any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conditions(Vec<(String, Condition)>);

const KNOWN: &str = "dual-active, stops and outage>TIME, as in outage>60s";

impl Conditions {
    /// Reads them; every one that means nothing is said.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut conditions = Vec::new();
        let mut errors = Vec::new();
        for word in text.split(',').map(str::trim) {
            match condition(word) {
                Ok(condition) => conditions.push((word.to_owned(), condition)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(conditions)) } else { Err(errors.join("; ")) }
    }

    /// An error where any row meets any condition.
    pub(super) fn judge(&self, report: &Report<'_>) -> Result<(), Failure> {
        let mut found = Vec::new();
        for (word, condition) in &self.0 {
            let rows: Vec<&Row> = report.rows().filter(|row| condition.holds(row)).collect();
            if let Some(first) = rows.iter().max_by_key(|row| row.badness()) {
                let number = first.id();
                found.push(format!(
                    "{word} holds for {} of {} plays (--explain {number})",
                    rows.len(),
                    report.rows().count(),
                ));
            }
        }
        if found.is_empty() { Ok(()) } else { Err(Failure::Findings(found.join("\n"))) }
    }
}

impl Condition {
    fn holds(self, row: &Row) -> bool {
        match self {
            Self::DualActive => row.is_dual() || row.broken.is_some(),
            Self::Stops => row.stops() || row.broken.is_some(),
            Self::Outage(longest) => {
                let long = row.groups.iter().any(|group| group.outage > longest);
                long || row.stops() || row.broken.is_some()
            }
        }
    }
}

fn condition(word: &str) -> Result<Condition, String> {
    match word {
        "dual-active" => Ok(Condition::DualActive),
        "stops" => Ok(Condition::Stops),
        _ => match word.strip_prefix("outage>") {
            Some(time) => match time.trim().parse::<Written>() {
                Ok(time) => Ok(Condition::Outage(time.into())),
                Err(error) => Err(format!("`{word}`: `{time}` {error}")),
            },
            None => Err(format!("`{word}` is no condition: there are {KNOWN}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_with_their_times() {
        let conditions = Conditions::parse("dual-active, outage>1m30s,stops").unwrap();
        let kinds: Vec<Condition> = conditions.0.iter().map(|(_, condition)| *condition).collect();
        let expected =
            [Condition::DualActive, Condition::Outage(Duration::from_secs(90)), Condition::Stops];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn every_word_that_means_nothing_is_said() {
        let error = Conditions::parse("dual,outage>soon,outage<3s,").unwrap_err();
        for part in ["`dual` is no condition", "`soon` is not a duration", "`outage<3s`", "``"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
