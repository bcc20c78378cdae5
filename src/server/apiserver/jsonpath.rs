//! The part of JSONPath that printer columns use: `.a.b`, `['a']`, `[0]`, `[*]` and
//! `[?(@.type=='Ready')]`.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    All,
    Filter { field: Vec<String>, equal: bool, value: String },
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Reads a path; none where it uses what we do not know.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.trim().trim_start_matches('$');
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                steps.push(Step::Field(after[..end].to_owned()));
                rest = &after[end..];
            } else {
                let after = rest.strip_prefix('[')?;
                let end = end_of_bracket(after)?;
                steps.push(bracket(&after[..end])?);
                rest = &after[end + 1..];
            }
        }
        Some(Self(steps))
    }

    /// The first value that the path leads to.
    pub(super) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        find(&self.0, value)
    }
}

/// The closing bracket, outside quotes.
fn end_of_bracket(text: &str) -> Option<usize> {
    let mut quote = None;
    for (position, character) in text.char_indices() {
        match (quote, character) {
            (None, ']') => return Some(position),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(name) = unquote(text) {
        return Some(Step::Field(name.to_owned()));
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (left, equal, right) = match filter.split_once("!=") {
            Some((left, right)) => (left, false, right),
            None => {
                let (left, right) = filter.split_once("==")?;
                (left, true, right)
            }
        };
        let field = left.trim().strip_prefix("@.")?.split('.').map(str::to_owned).collect();
        let right = right.trim();
        let value = unquote(right).unwrap_or(right).to_owned();
        return Some(Step::Filter { field, equal, value });
    }
    text.parse().ok().map(Step::Index)
}

fn unquote(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

fn find<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        Step::Field(name) => find(rest, value.get(name)?),
        Step::Index(index) => find(rest, value.get(index)?),
        Step::All => value.as_array()?.iter().find_map(|item| find(rest, item)),
        Step::Filter { field, equal, value: wanted } => value
            .as_array()?
            .iter()
            .filter(|item| {
                let found = field.iter().try_fold(*item, |at, name| at.get(name));
                let text = match found {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => return false,
                };
                (text == *wanted) == *equal
            })
            .find_map(|item| find(rest, item)),
    }
}
