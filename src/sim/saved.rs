//! A schedule in a file: what differs from a quiet cluster, and what is done to it. JSON on each
//! line under comments, so that it is YAML.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::acts::TimedAct;
use super::checkers::Violation;
use super::options::Options;
use super::words;

/// What a schedule is, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What its cluster is like, and the seed of whatever is not an act.
    pub options: Options,
    /// What is done to it.
    pub acts: Vec<TimedAct>,
    /// The broken engine that it was found with; none: it was the real one.
    pub mutation: Option<String>,
}

/// Why a file is no schedule.
#[derive(Debug, thiserror::Error)]
pub enum NoSchedule {
    /// It is not what such a file holds.
    #[error("failed to read a schedule: {0}")]
    Form(String),
    /// The options don't fit.
    #[error("failed to read the options of a schedule")]
    Options(#[from] serde_json::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutation: Option<String>,
    options: Map<String, Value>,
    acts: Vec<TimedAct>,
}

fn fields(options: &Options) -> Map<String, Value> {
    match serde_json::to_value(options) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// What every file says, however usual.
const ALWAYS: [&str; 3] = ["seed", "servers", "arbiter"];

impl Schedule {
    /// As a file.
    #[must_use]
    pub fn text(&self, violation: &Violation) -> String {
        let quiet = fields(&Options::quiet(self.options.servers, self.options.arbiter));
        let mut unusual = fields(&self.options);
        unusual.retain(|name, value| {
            ALWAYS.contains(&name.as_str()) || quiet.get(name) != Some(value)
        });
        let mut text = format!("# {:?} violated: {}\n", violation.invariant, violation.text);
        for act in &self.acts {
            text.push_str(&format!("# {:?}: {}\n", act.after, words::of_act(&act.act)));
        }
        if let Some(mutation) = &self.mutation {
            text.push_str(&format!("mutation: {mutation}\n"));
        }
        text.push_str(&format!("options: {}\n", Value::Object(unusual)));
        if self.acts.is_empty() {
            text.push_str("acts: []\n");
        } else {
            text.push_str("acts:\n");
        }
        for act in &self.acts {
            let json = serde_json::to_string(act).unwrap_or_default();
            text.push_str(&format!("- {json}\n"));
        }
        text
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(text: &str) -> Result<Self, NoSchedule> {
        let File { mutation, options: unusual, acts } =
            serde_yaml::from_str(text).map_err(|error| NoSchedule::Form(error.to_string()))?;
        let field = |name: &str| unusual.get(name).cloned().unwrap_or(Value::Null);
        let servers = serde_json::from_value(field("servers"))?;
        let arbiter = serde_json::from_value(field("arbiter"))?;
        let mut all = fields(&Options::quiet(servers, arbiter));
        all.extend(unusual);
        let options = serde_json::from_value(Value::Object(all))?;
        Ok(Self { options, acts, mutation })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::acts::Act;
    use crate::sim::checkers::Invariant;
    use crate::sim::clock::TrueTime;
    use crate::sim::faults::Fault;

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        for seed in 1..50 {
            let fault = Fault::Cut(vec![(0, 1, 0)]);
            let act = Act::Break { fault, lasts: Duration::from_nanos(1_234_567_891) };
            let after = Duration::from_millis(1500);
            let mut options = Options::draw(seed);
            // Only what draws acts reads these.
            options.faults.clear();
            options.fault_gap = Duration::ZERO;
            options.operation_gap = None;
            let schedule =
                Schedule { options, acts: vec![TimedAct { after, act }], mutation: None };
            let violation = Violation::new(Invariant::I1, TrueTime(5), "two");
            let text = schedule.text(&violation);
            assert_eq!(Schedule::read(&text).unwrap(), schedule, "{text}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (text, reason) in [
            ("acts: []", "options"),
            ("options: {\"servers\": 2}\nacts: []", "failed to read the options"),
            ("options: {\"servers\": 2, \"arbiter\": \"Coin\"}\nacts: []", "options"),
            ("options: {}\nacts: [{after: 3 weeks, act: revive}]", "1.25s"),
        ] {
            let error = Schedule::read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
