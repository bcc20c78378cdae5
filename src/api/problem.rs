//! What is wrong with a manifest, and how it is said.
//!
//! A problem names its place twice: by object and field path, which the API knows, and by file and
//! line, which only the reader of a file knows and fills in.

use std::fmt;

/// Whether an object can be stored in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It is stored, and somebody should look.
    Warning,
}

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file as it was named.
    pub file: String,
    /// Its line, counted from one.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the object is refused.
    pub severity: Severity,
    /// Id in the message catalogue.
    pub code: String,
    /// Kind of the object; empty where it has none.
    pub kind: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// Path of the field, as `spec.servers[0].name`; empty: the whole object.
    pub field: String,
    /// The value found there, as JSON text.
    pub found: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
    /// Further lines: the terms of a sum, the members of a circle.
    pub details: Vec<String>,
    /// File and line, where known.
    pub location: Option<Location>,
}

/// Longest found value that is shown whole.
const FOUND_MAX: usize = 80;

impl Problem {
    /// An error.
    pub fn error(code: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, field, message)
    }

    /// A warning.
    pub fn warning(code: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, field, message)
    }

    fn new(
        severity: Severity,
        code: &str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            kind: String::new(),
            name: String::new(),
            field: field.into(),
            found: None,
            message: message.into(),
            details: Vec::new(),
            location: None,
        }
    }

    /// Says which object it is about.
    #[must_use]
    pub fn of(mut self, kind: &str, name: &str) -> Self {
        self.kind = kind.to_owned();
        self.name = name.to_owned();
        self
    }

    /// Says what was found.
    #[must_use]
    pub fn found(mut self, value: &serde_json::Value) -> Self {
        self.found = Some(shorten(&value.to_string()));
        self
    }

    /// Adds a line of detail.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The object as `Kind/name`, or what is known of it.
    #[must_use]
    pub fn object(&self) -> String {
        match (self.kind.is_empty(), self.name.is_empty()) {
            (false, false) => format!("{}/{}", self.kind, self.name),
            (false, true) => self.kind.clone(),
            (true, _) => self.name.clone(),
        }
    }
}

/// Column that the code is aligned to where the line is shorter.
const CODE_COLUMN: usize = 100;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        if let Some(location) = &self.location {
            line.push_str(&format!("{location}  "));
        }
        if self.severity == Severity::Warning {
            line.push_str("warning: ");
        }
        let object = self.object();
        if !object.is_empty() {
            line.push_str(&format!("{object}  "));
        }
        if !self.field.is_empty() {
            line.push_str(&format!("{}: ", self.field));
        }
        if let Some(found) = &self.found {
            line.push_str(&format!("{found} "));
        }
        line.push_str(&self.message);
        write!(f, "{line:<CODE_COLUMN$}  {}", self.code)?;
        for detail in &self.details {
            write!(f, "\n    {detail}")?;
        }
        Ok(())
    }
}

/// All problems, one after another in the order of their places, and what they add up to.
#[must_use]
pub fn render(problems: &[Problem]) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| {
        (&problem.location, &problem.kind, &problem.name, &problem.field, &problem.code)
    });
    let mut text = String::new();
    for problem in sorted {
        text.push_str(&problem.to_string());
        text.push('\n');
    }
    text.push_str(&summary(problems));
    text.push('\n');
    text
}

/// How many problems there are, and what that means.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(count(errors, "error"));
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    if errors > 0 {
        parts.push("nothing applied".to_owned());
    }
    if parts.is_empty() { "no problems.".to_owned() } else { format!("{}.", parts.join(", ")) }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Whether any of the problems is an error.
#[must_use]
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(Problem::is_error)
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= FOUND_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(FOUND_MAX).collect();
    format!("{start}…")
}

/// The candidate that is most like a name, where one is alike enough to be meant, and no other is
/// just as like it.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (likeness(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|one, two| two.0.total_cmp(&one.0).then_with(|| one.1.cmp(two.1)));
    match scored.as_slice() {
        [] => None,
        [(_, only)] => Some(only),
        [(best, first), (next, _), ..] => (best > next).then_some(first),
    }
}

/// Between 0 and 1; two letters exchanged count as one slip.
fn likeness(one: &str, two: &str) -> f64 {
    let longest = one.chars().count().max(two.chars().count()).max(1);
    // Names are short: both counts are far below what a float holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let kept = 1.0 - strsim::osa_distance(one, two) as f64 / longest as f64;
    kept.max(strsim::jaro_winkler(one, two) - JARO_WINKLER_LENIENCE)
}

/// Two names at least this alike are taken for a slip of the pen: one letter in three.
const ALIKE: f64 = 0.6;
/// Jaro-Winkler calls names with the same beginning alike too easily.
const JARO_WINKLER_LENIENCE: f64 = 0.15;

/// `; did you mean NAME?`, or what there is to choose from, or nothing.
#[must_use]
pub fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(nearest) = nearest(name, candidates.iter().copied()) {
        return format!("; did you mean `{nearest}`?");
    }
    match candidates.len() {
        0 => String::new(),
        1..=CHOICES_MAX => format!("; there is {}", candidates.join(", ")),
        _ => format!("; there is {}, …", candidates[..CHOICES_MAX].join(", ")),
    }
}

/// Most names listed to choose from.
const CHOICES_MAX: usize = 16;
