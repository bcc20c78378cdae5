//! Name, namespace, labels and annotations, as Kubernetes allows them.

use serde_json::Value;

use crate::api::problem::Problem;
use crate::api::schema::{NAME_RULE, is_dns_label};
use crate::api::{AUTOMATIC_LABEL, NAMESPACE};

/// Most bytes of all annotations of an object, as in Kubernetes.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;
/// Most labels of an object; more are a mistake, and each is kept in memory on each server.
const LABELS_MAX: usize = 64;

/// Everything that is wrong with an object's metadata.
#[must_use]
pub fn check_metadata(object: &Value) -> Vec<Problem> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let metadata = &object["metadata"];
    let mut problems = Vec::new();
    check_name(metadata, &mut problems);
    check_namespace(metadata, &mut problems);
    check_labels(metadata, &mut problems);
    check_annotations(metadata, &mut problems);
    let name = metadata["name"].as_str().unwrap_or_default();
    problems.into_iter().map(|problem| problem.of(kind, name)).collect()
}

fn check_name(metadata: &Value, problems: &mut Vec<Problem>) {
    let field = "metadata.name";
    match &metadata["name"] {
        Value::String(name) if is_dns_label(name) => {}
        Value::Null => {
            let message = "is missing: every object has a name";
            problems.push(Problem::error("MissingField", field, message));
        }
        Value::String(name) => {
            let mut message = NAME_RULE.to_owned();
            let lower = name.to_lowercase().replace(['_', '.', ' '], "-");
            if is_dns_label(&lower) {
                message.push_str(&format!("; `{lower}` would be one"));
            }
            problems.push(Problem::error("InvalidName", field, message).found(&metadata["name"]));
        }
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            let message = "is not a string: put it in quotes";
            problems.push(Problem::error("WrongType", field, message).found(other));
        }
    }
}

fn check_namespace(metadata: &Value, problems: &mut Vec<Problem>) {
    let namespace = &metadata["namespace"];
    if !namespace.is_null() && namespace != NAMESPACE {
        let message =
            format!("is not the namespace of this cluster: leave it out, or write `{NAMESPACE}`");
        problems
            .push(Problem::error("WrongNamespace", "metadata.namespace", message).found(namespace));
    }
}

fn check_labels(metadata: &Value, problems: &mut Vec<Problem>) {
    let Some(labels) = string_map(metadata, "labels", problems) else { return };
    if labels.len() > LABELS_MAX {
        let message = format!("has {} entries: at most {LABELS_MAX} are possible", labels.len());
        problems.push(Problem::error("WrongCount", "metadata.labels", message));
    }
    for (key, value) in labels {
        let field = format!("metadata.labels.{key}");
        if !is_key(key) {
            problems.push(invalid_key(&field));
        }
        let text = value.as_str().unwrap_or_default();
        if !text.is_empty() && !is_label_value(text) {
            let message = "is not a label's value: at most 63 letters, digits, `-`, `_` and `.`, \
                           beginning and ending with a letter or digit";
            problems.push(Problem::error("InvalidMetadata", &field, message).found(value));
        }
        if key == AUTOMATIC_LABEL {
            let message = "is set by the cluster, on monitors that it makes: leave it out";
            problems.push(Problem::warning("ReservedLabel", &field, message).found(value));
        }
    }
}

fn check_annotations(metadata: &Value, problems: &mut Vec<Problem>) {
    let Some(annotations) = string_map(metadata, "annotations", problems) else { return };
    let mut bytes = 0;
    for (key, value) in annotations {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        if !is_key(key) {
            problems.push(invalid_key(&format!("metadata.annotations.{key}")));
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        let message =
            format!("have {bytes} bytes in all: at most {ANNOTATIONS_BYTES_MAX} are possible");
        problems.push(Problem::error("InvalidMetadata", "metadata.annotations", message));
    }
}

fn string_map<'a>(
    metadata: &'a Value,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a serde_json::Map<String, Value>> {
    let value = metadata.get(name).filter(|value| !value.is_null())?;
    let Some(members) = value.as_object() else {
        let message = "is not an object (members with their names)";
        problems
            .push(Problem::error("WrongType", format!("metadata.{name}"), message).found(value));
        return None;
    };
    for (key, value) in members.iter().filter(|(_, value)| !value.is_string()) {
        let field = format!("metadata.{name}.{key}");
        let message = "is not a string: put it in quotes";
        problems.push(Problem::error("WrongType", field, message).found(value));
    }
    Some(members)
}

fn invalid_key(field: &str) -> Problem {
    let message = "is not a key: at most 63 letters, digits, `-`, `_` and `.`, with an optional \
                   DNS name and `/` before them";
    Problem::error("InvalidMetadata", field, message)
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= 253 && prefix.split('.').all(is_dns_label) && is_label_value(name)
        }
        None => is_label_value(key),
    }
}

fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}
