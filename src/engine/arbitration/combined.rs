//! What the answers of several arbiters make (`rule: All | Any`).

use super::super::input::{ArbiterAnswer, Recorded, Verdict};

/// Held when all are; lost as soon as one is.
#[must_use]
pub fn all(answers: Vec<ArbiterAnswer>) -> Option<ArbiterAnswer> {
    let worst = |verdict: Verdict| match verdict {
        Verdict::Held => 0,
        Verdict::Unknown => 1,
        Verdict::Lost => 2,
    };
    let verdict = answers.iter().map(|answer| answer.verdict).max_by_key(|v| worst(*v))?;
    Some(together(verdict, answers))
}

/// Held as soon as one is; lost when all are.
#[must_use]
pub fn any(answers: Vec<ArbiterAnswer>) -> Option<ArbiterAnswer> {
    let best = |verdict: Verdict| match verdict {
        Verdict::Held => 2,
        Verdict::Unknown => 1,
        Verdict::Lost => 0,
    };
    let verdict = answers.iter().map(|answer| answer.verdict).max_by_key(|v| best(*v))?;
    Some(together(verdict, answers))
}

/// The most careful of what several answers say: the youngest former holder, the highest term.
fn together(verdict: Verdict, answers: Vec<ArbiterAnswer>) -> ArbiterAnswer {
    let handover = answers.iter().filter_map(|answer| answer.handover).min();
    let records = || answers.iter().filter_map(|answer| answer.recorded.as_ref());
    let term = records().map(|recorded| recorded.term.clone()).max();
    let revision = records().map(|recorded| recorded.revision).max();
    let recorded = term.zip(revision).map(|(term, revision)| Recorded { term, revision });
    let words: Vec<String> = answers.into_iter().map(|answer| answer.message).collect();
    ArbiterAnswer { verdict, handover, recorded, message: words.join("; ") }
}
