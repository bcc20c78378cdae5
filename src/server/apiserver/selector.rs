//! Label and field selectors.

use std::collections::BTreeSet;

use serde_json::Value;

use super::failure::Failure;
use super::kinds::Kind;
use super::query::Query;
use super::storage::EVENT_KIND;

/// Terms in one selector: more than any client writes.
const TERMS_MAX: usize = 64;

/// What an object must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<Term>,
    fields: Vec<(Vec<String>, bool, String)>,
    /// The name that a field selector asks for.
    pub(super) name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Reads the selectors of a request.
    pub(super) fn parse(query: &Query, kind: &Kind) -> Result<Self, Failure> {
        let mut selector = Self::default();
        if let Some(text) = query.get("labelSelector") {
            selector.labels = labels(text).map_err(|why| {
                Failure::bad_request(format!("unable to parse labelSelector '{text}': {why}"))
            })?;
        }
        if let Some(text) = query.get("fieldSelector") {
            for term in text.split(',').filter(|term| !term.is_empty()).take(TERMS_MAX) {
                selector.add_field(term, kind)?;
            }
        }
        Ok(selector)
    }

    fn add_field(&mut self, term: &str, kind: &Kind) -> Result<(), Failure> {
        let (name, equal, value) = split_field(term).ok_or_else(|| {
            Failure::bad_request(format!(
                "unable to parse fieldSelector '{term}': it must be name=value or name!=value"
            ))
        })?;
        let of_event = kind.kind == EVENT_KIND && is_event_field(name);
        if !matches!(name, "metadata.name" | "metadata.namespace") && !of_event {
            let known = if kind.kind == EVENT_KIND {
                "metadata.name, metadata.namespace, involvedObject.*, reason, type"
            } else {
                "metadata.name, metadata.namespace"
            };
            return Err(Failure::bad_request(format!(
                "field label not supported: {name} (there is {known})"
            )));
        }
        if name == "metadata.name" && equal {
            self.name = Some(value.to_owned());
        }
        let path = name.split('.').map(str::to_owned).collect();
        self.fields.push((path, equal, value.to_owned()));
        Ok(())
    }

    /// Whether every object matches.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether this object matches.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|term| term.matches(labels))
            && self.fields.iter().all(|(path, equal, value)| {
                let found = path.iter().try_fold(object, |at, name| at.get(name));
                (found.and_then(Value::as_str).unwrap_or_default() == value) == *equal
            })
    }
}

impl Term {
    fn matches(&self, labels: &Value) -> bool {
        let label = |name: &str| labels.get(name).and_then(Value::as_str);
        match self {
            Self::In(name, values) => label(name).is_some_and(|value| values.contains(value)),
            Self::NotIn(name, values) => label(name).is_none_or(|value| !values.contains(value)),
            Self::Exists(name) => label(name).is_some(),
            Self::Absent(name) => label(name).is_none(),
        }
    }
}

fn is_event_field(name: &str) -> bool {
    let referenced = name.strip_prefix("involvedObject.").or(name.strip_prefix("regarding."));
    match referenced {
        Some(field) => matches!(
            field,
            "kind" | "name" | "namespace" | "uid" | "apiVersion" | "resourceVersion" | "fieldPath"
        ),
        None => matches!(
            name,
            "reason" | "type" | "source" | "reportingComponent" | "reportingController"
        ),
    }
}

fn split_field(term: &str) -> Option<(&str, bool, &str)> {
    if let Some((name, value)) = term.split_once("!=") {
        return Some((name.trim(), false, value.trim()));
    }
    let (name, value) = term.split_once('=')?;
    Some((name.trim(), true, value.trim_start_matches('=').trim()))
}

/// Splits at commas outside parentheses.
fn labels(text: &str) -> Result<Vec<Term>, String> {
    let mut depth = 0usize;
    let mut terms = vec![String::new()];
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character == ',' && depth == 0 {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(character);
        }
    }
    if terms.len() > TERMS_MAX {
        return Err(format!("more than {TERMS_MAX} terms"));
    }
    terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).map(label).collect()
}

fn label(term: &str) -> Result<Term, String> {
    if let Some(name) = term.strip_prefix('!') {
        return Ok(Term::Absent(key(name)?));
    }
    for (operator, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((name, value)) = term.split_once(operator) {
            let values = BTreeSet::from([value.trim().to_owned()]);
            let name = key(name)?;
            return Ok(if negative { Term::NotIn(name, values) } else { Term::In(name, values) });
        }
    }
    let Some((head, values)) = term.split_once('(') else {
        return Ok(Term::Exists(key(term)?));
    };
    let values = values.strip_suffix(')').ok_or("a closing parenthesis is missing")?;
    let values = values.split(',').map(|value| value.trim().to_owned()).collect();
    match head.trim().rsplit_once(char::is_whitespace) {
        Some((name, "in")) => Ok(Term::In(key(name)?, values)),
        Some((name, "notin")) => Ok(Term::NotIn(key(name)?, values)),
        _ => Err(format!("'{term}' must use one of =, ==, !=, in, notin")),
    }
}

fn key(name: &str) -> Result<String, String> {
    let name = name.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(format!("'{name}' is not the name of a label"));
    }
    Ok(name.to_owned())
}
