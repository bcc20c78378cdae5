//! Looks, before the first failover and afterwards, whether what a cluster relies on is there: the
//! manifest, the ways between servers, and everything of AWS that it names.
//!
//! It only asks: nothing is changed anywhere. Facts are gathered first, all at the same time, each
//! with an end of its own; then they are judged, so that one missing permission is told once and not
//! as the fault of everything that could not be seen for it.

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "without_aws.rs"]
mod aws;
mod finding;
mod holders;
mod ports;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

pub use self::finding::{Check, Finding, Outcome};
use crate::api::aws::Uses;
use crate::api::catalogue::lookup;
use crate::api::problem::Problem;
use crate::api::validation;

/// What is looked at, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only these checks.
    pub checks: BTreeSet<Check>,
    /// For each question.
    pub timeout: Duration,
    /// Called for each answer.
    pub answered: fn(),
    /// Milliseconds since 1970 on this machine's clock.
    pub clock: fn() -> i64,
}

impl Settings {
    fn wants(&self, checks: &[Check]) -> bool {
        checks.iter().any(|check| self.checks.contains(check))
    }
}

/// Everything that was found about a cluster's objects, by check. `problems` are those of reading
/// the manifest.
pub async fn examine(objects: &[Value], problems: &[Problem], settings: &Settings) -> Vec<Finding> {
    let uses = Uses::of(objects);
    let mut findings = manifest(objects, problems);
    let (cloud, ports) =
        tokio::join!(aws::examine(&uses, settings), ports::examine(objects, settings));
    findings.extend(cloud);
    findings.extend(ports);
    findings.retain(|finding| settings.checks.contains(&finding.check));
    findings.sort_by(|one, other| {
        (one.check, &one.object, other.outcome).cmp(&(other.check, &other.object, one.outcome))
    });
    findings
}

/// What the rules for manifests say.
fn manifest(objects: &[Value], problems: &[Problem]) -> Vec<Finding> {
    let all: Vec<Problem> = problems.iter().cloned().chain(validation::validate(objects)).collect();
    if all.is_empty() {
        let text = format!("{} objects, no problems", objects.len());
        return vec![Finding::ok(Check::Manifest, "all objects", text)];
    }
    let finding = |problem: &Problem| {
        let outcome = if problem.is_error() { Outcome::Error } else { Outcome::Warning };
        let place =
            if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        let found = problem.found.as_ref().map(|found| format!("{found} ")).unwrap_or_default();
        let entry = lookup(&problem.code);
        Finding {
            check: Check::Manifest,
            object: problem.object(),
            outcome,
            code: entry.map(|entry| entry.id),
            text: format!("{place}{found}{}", problem.message),
            remedy: entry.map(|entry| entry.remedy.en.to_owned()).unwrap_or_default(),
        }
    };
    all.iter().map(finding).collect()
}
