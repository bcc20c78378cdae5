//! An object against the schema of its kind: everything that is wrong with its form, at once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::generate::{has_required, union_members};
use super::{KINDS, rules, schema};
use crate::api::API_VERSION;
use crate::api::kinds::Duration;
use crate::api::problem::{Problem, nearest, suggestion};

/// Members of an object.
pub(super) const ROOT_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// Members of its metadata.
pub(super) const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Everything that is wrong with the object's form: types, enums, bounds, required and unknown
/// fields, unions, rules. All of it at once.
#[must_use]
pub fn check(kind: &str, object: &Value) -> Vec<Problem> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut problems = Vec::new();
    check_identity(kind, object, &mut problems);
    if let Some(schema) = schema(kind) {
        check_root(schema, object, &mut problems);
        // A value of the wrong type would be reported again by each rule that reads it.
        let places: BTreeSet<String> =
            problems.iter().map(|problem| problem.field.clone()).collect();
        problems.extend(
            rules::broken(kind, object)
                .into_iter()
                // Unions are checked above, where a slip of the pen is seen as one.
                .filter(|problem| {
                    !places.contains(&problem.field) && !problem.code.starts_with("UnionMember")
                }),
        );
    }
    problems.into_iter().map(|problem| problem.of(kind, name)).collect()
}

/// Fields that the kind does not have, each with the nearest right name.
#[must_use]
pub fn unknown_fields(kind: &str, object: &Value) -> Vec<Problem> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let Some(schema) = schema(kind) else { return Vec::new() };
    let mut problems = Vec::new();
    check_root(schema, object, &mut problems);
    problems
        .into_iter()
        .filter(|problem| problem.code == "UnknownField")
        .map(|problem| problem.of(kind, name))
        .collect()
}

fn check_identity(kind: &str, object: &Value, problems: &mut Vec<Problem>) {
    if object["apiVersion"] != API_VERSION {
        let message = format!("is not served; write `apiVersion: {API_VERSION}`");
        problems.push(with_found(
            Problem::error("UnknownVersion", "apiVersion", message),
            object.get("apiVersion"),
        ));
    }
    if !KINDS.contains(&kind) {
        let message = format!("is not a kind of {API_VERSION}{}", suggestion(kind, KINDS));
        problems
            .push(with_found(Problem::error("UnknownKind", "kind", message), object.get("kind")));
    }
}

fn with_found(problem: Problem, value: Option<&Value>) -> Problem {
    match value {
        Some(value) => problem.found(value),
        None => problem,
    }
}

fn check_root(schema: &Value, object: &Value, problems: &mut Vec<Problem>) {
    let Some(members) = object.as_object() else {
        problems.push(wrong_type("", object, "an object"));
        return;
    };
    for name in members.keys().filter(|name| !ROOT_FIELDS.contains(&name.as_str())) {
        let spec = schema["properties"]["spec"]["properties"].as_object();
        let problem = if spec.is_some_and(|spec| spec.contains_key(name)) {
            let message = format!("stands in the wrong place: `{name}` belongs under `spec`");
            Problem::error("UnknownField", name, message)
        } else {
            unknown_field(name, name, &mut ROOT_FIELDS.into_iter())
        };
        problems.push(problem);
    }
    if let Some(metadata) = object["metadata"].as_object() {
        for name in metadata.keys().filter(|name| !METADATA_FIELDS.contains(&name.as_str())) {
            let path = join("metadata", name);
            problems.push(unknown_field(&path, name, &mut METADATA_FIELDS.into_iter()));
        }
    }
    for part in ["spec", "status"] {
        match members.get(part).filter(|value| !value.is_null()) {
            Some(value) => check_value(&schema["properties"][part], part, value, problems),
            None if part == "spec" && schema["properties"]["spec"]["required"].is_array() => {
                problems.push(Problem::error("MissingField", "spec", "is missing"));
            }
            None => {}
        }
    }
}

fn unknown_field(path: &str, name: &str, candidates: &mut dyn Iterator<Item = &str>) -> Problem {
    Problem::error("UnknownField", path, format!("unknown field{}", suggestion(name, candidates)))
}

fn check_value(schema: &Value, path: &str, value: &Value, problems: &mut Vec<Problem>) {
    match schema["type"].as_str().unwrap_or_default() {
        "object" => match value.as_object() {
            Some(members) => check_object(schema, path, members, problems),
            None => problems.push(wrong_type(path, value, "an object (members with their names)")),
        },
        "array" => match value.as_array() {
            Some(items) => check_array(schema, path, items, problems),
            None => problems.push(wrong_type(path, value, "a list")),
        },
        "string" => match value.as_str() {
            Some(text) => check_string(schema, path, text, value, problems),
            None if schema["format"] == "duration" => {
                let expected = "a duration: write a number and a unit, such as 500ms or 90s";
                problems.push(wrong_type(path, value, expected));
            }
            None => problems.push(wrong_type(path, value, "a string: put it in quotes")),
        },
        "integer" => check_integer(schema, path, value, problems),
        "boolean" if !value.is_boolean() => {
            problems.push(wrong_type(path, value, "true or false"));
        }
        _ => {}
    }
}

fn wrong_type(path: &str, value: &Value, expected: &str) -> Problem {
    Problem::error("WrongType", path, format!("is not {expected}")).found(value)
}

fn check_object(
    schema: &Value,
    path: &str,
    members: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) {
    if let Some(items) = schema.get("additionalProperties") {
        check_count(schema, "Properties", path, members.len(), problems);
        for (name, value) in members {
            check_value(items, &join(path, name), value, problems);
        }
        return;
    }
    let meant = meant_members(schema, members);
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap_or_default();
        // What is written with a slip of the pen is reported as that.
        if members.get(name).is_none_or(Value::is_null) && !meant.contains(name) {
            problems.push(missing(schema, path, name));
        }
    }
    for (name, value) in members {
        let field = join(path, name);
        match schema["properties"].get(name) {
            Some(property) if !value.is_null() => check_value(property, &field, value, problems),
            Some(_) => {}
            None => {
                let known = schema["properties"].as_object();
                let mut names = known.into_iter().flat_map(|known| known.keys());
                problems.push(unknown_field(&field, name, &mut names.by_ref().map(String::as_str)));
            }
        }
    }
    check_union(schema, path, members, &meant, problems);
}

/// The right names of members that are written with a slip of the pen.
fn meant_members<'a>(schema: &'a Value, members: &Map<String, Value>) -> BTreeSet<&'a str> {
    let Some(known) = schema["properties"].as_object() else { return BTreeSet::new() };
    members
        .keys()
        .filter(|name| !known.contains_key(*name))
        .filter_map(|name| nearest(name, known.keys().map(String::as_str)))
        .collect()
}

fn missing(schema: &Value, path: &str, name: &str) -> Problem {
    let property = &schema["properties"][name];
    let mut message = "is missing".to_owned();
    if let Some(values) = property["enum"].as_array() {
        message.push_str(&format!(": one of {}", list(values)));
    } else if let Some(description) = property["description"].as_str() {
        message.push_str(&format!(": {}", first_sentence(description)));
    }
    Problem::error("MissingField", join(path, name), message)
}

fn first_sentence(text: &str) -> String {
    let sentence = text.split(". ").next().unwrap_or(text).trim_end_matches('.');
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

fn check_union(
    schema: &Value,
    path: &str,
    members: &Map<String, Value>,
    meant: &BTreeSet<&str>,
    problems: &mut Vec<Problem>,
) {
    let chosen = members
        .get("type")
        .or_else(|| schema["properties"]["type"].get("default"))
        .and_then(Value::as_str);
    let Some(chosen) = chosen else { return };
    let known = schema["properties"]["type"]["enum"].as_array();
    if !known.is_some_and(|known| known.iter().any(|value| value == chosen)) {
        return;
    }
    for (variant, member) in union_members(schema) {
        let given = members.get(&member).is_some_and(|value| !value.is_null());
        let needed = !given && !meant.contains(member.as_str());
        if variant == chosen && needed && has_required(&schema["properties"][&member]) {
            let message = format!("is missing: `type: {variant}` needs it");
            problems.push(Problem::error("UnionMemberMissing", join(path, &member), message));
        }
        if variant != chosen && given {
            let message = format!("belongs to `type: {variant}`, and this is `type: {chosen}`");
            problems.push(Problem::error("UnionMemberUnexpected", join(path, &member), message));
        }
    }
}

fn check_array(schema: &Value, path: &str, items: &[Value], problems: &mut Vec<Problem>) {
    check_count(schema, "Items", path, items.len(), problems);
    for (index, item) in items.iter().enumerate() {
        check_value(&schema["items"], &format!("{path}[{index}]"), item, problems);
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let [key, ..] = keys.as_slice() else { return };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity: Vec<String> = keys.iter().map(|key| item[*key].to_string()).collect();
        if !item[*key].is_null() && !seen.insert(identity) {
            let field = format!("{path}[{index}].{key}");
            let message = "stands there twice: each may be listed once";
            problems.push(Problem::error("DuplicateEntry", field, message).found(&item[*key]));
        }
    }
}

fn check_count(schema: &Value, what: &str, path: &str, count: usize, problems: &mut Vec<Problem>) {
    let bound = |prefix: &str| schema[format!("{prefix}{what}")].as_u64();
    let count = count as u64;
    let (least, most) = (bound("min").unwrap_or(0), bound("max").unwrap_or(u64::MAX));
    if count < least {
        let message = format!("has {count} entries: at least {least} are needed");
        problems.push(Problem::error("WrongCount", path, message));
    }
    if count > most {
        let message = format!("has {count} entries: at most {most} are possible");
        problems.push(Problem::error("WrongCount", path, message));
    }
}

fn check_integer(schema: &Value, path: &str, value: &Value, problems: &mut Vec<Problem>) {
    let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    let Some(number) = number else {
        problems.push(wrong_type(path, value, "an integer"));
        return;
    };
    let bound = |key: &str| schema[key].as_i64().map(i128::from);
    let (least, most) = (bound("minimum"), bound("maximum"));
    if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
        let message = match (least, most) {
            (Some(least), Some(most)) => format!("is out of bounds: from {least} to {most}"),
            (Some(least), None) => format!("is out of bounds: at least {least}"),
            (None, Some(most)) => format!("is out of bounds: at most {most}"),
            (None, None) => return,
        };
        problems.push(Problem::error("OutOfBounds", path, message).found(value));
    }
}

fn check_string(
    schema: &Value,
    path: &str,
    text: &str,
    value: &Value,
    problems: &mut Vec<Problem>,
) {
    let mut report = |code: &str, message: String| {
        problems.push(Problem::error(code, path, message).found(value));
    };
    if let Some(values) = schema["enum"].as_array() {
        if !values.contains(value) {
            let names = values.iter().filter_map(Value::as_str);
            let message = match nearest(text, names) {
                Some(near) => {
                    format!("is not one of {}; did you mean `{near}`?", list(values))
                }
                None => format!("is not one of {}", list(values)),
            };
            report("InvalidValue", message);
        }
        return;
    }
    if schema["format"] == "duration" {
        if let Some((code, message)) = duration_fault(schema, text) {
            report(code, message);
        }
        return;
    }
    if schema["x-stead-format"] == "ip" {
        if text.parse::<IpAddr>().is_err() {
            report("InvalidAddress", "is not an IPv4 or IPv6 address".to_owned());
        }
        return;
    }
    let length = text.chars().count() as u64;
    let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
    if least.is_some_and(|least| length < least) {
        report("WrongLength", "is empty".to_owned());
    } else if let Some(most) = most.filter(|most| length > *most) {
        report("WrongLength", format!("has {length} characters: at most {most} are possible"));
    } else if schema["pattern"] == NAME_PATTERN && !is_dns_label(text) {
        report("InvalidName", NAME_RULE.to_owned());
    }
}

/// The one pattern that the schemas use for names; a test holds them to it.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The same in words.
pub(crate) const NAME_RULE: &str = "is not a name: at most 63 lower-case letters, digits and `-`, \
                                    beginning and ending with a letter or digit";

/// Whether a text is a DNS label (RFC 1123), as names of objects and servers are.
#[must_use]
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inside(*byte) || *byte == b'-')
        && bytes.first().copied().is_some_and(inside)
        && bytes.last().copied().is_some_and(inside)
}

fn duration_fault(schema: &Value, text: &str) -> Option<(&'static str, String)> {
    let duration: Duration = match text.parse() {
        Ok(duration) => duration,
        Err(error) => {
            let error: crate::api::kinds::ParseDurationError = error;
            return Some(("InvalidDuration", error.to_string()));
        }
    };
    let bound = |key: &str| schema[key].as_str().and_then(|text| text.parse::<Duration>().ok());
    let (least, most) = (bound("x-stead-minimum")?, bound("x-stead-maximum")?);
    (duration < least || duration > most)
        .then(|| ("OutOfBounds", format!("is out of bounds: from {least} to {most}")))
}

fn list(values: &[Value]) -> String {
    values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// The path of a member.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What stands at a path.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = object;
    for part in path.split('.') {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        value = value.get(name)?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            value = value.get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
        }
    }
    Some(value)
}
