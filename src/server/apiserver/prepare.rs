//! What the server makes of an object before it is stored: types, names, unknown fields, defaults,
//! and everything in `metadata` that is the server's to set.

use serde_json::{Map, Value};

use super::body::Parsed;
use super::derived;
use super::failure::Failure;
use super::kinds::Kind;
use super::query::Query;
use crate::api;

/// Characters that a generated name ends in: none that make words or look alike.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters added to `generateName`.
const NAME_SUFFIX: usize = 5;

/// What becomes of fields that the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldValidation {
    /// The object is refused.
    Strict,
    /// They are dropped, with a warning.
    Warn,
    /// They are dropped.
    Ignore,
}

impl FieldValidation {
    /// What a request asks for. Who does not ask is told of mistakes, too.
    pub(super) fn parse(query: &Query) -> Result<Self, Failure> {
        match query.get("fieldValidation") {
            Some("Strict") | None => Ok(Self::Strict),
            Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some(other) => Err(Failure::bad_request(format!(
                "fieldValidation must be one of Strict, Warn, Ignore, not '{other}'"
            ))),
        }
    }
}

/// Checks that an object is of the kind that the path names.
pub(super) fn check_type(kind: &Kind, object: &Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request(format!(
            "the body of the request must be a {} object",
            kind.kind
        )));
    }
    let (version, name) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let expected = kind.api_version();
    if version != Some(expected.as_str()) {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            version.unwrap_or("none")
        )));
    }
    if name != Some(kind.kind.as_str()) {
        return Err(Failure::bad_request(format!(
            "the kind in the data ({}) does not match the expected kind ({})",
            name.unwrap_or("none"),
            kind.kind
        )));
    }
    if !object["metadata"].is_null() && !object["metadata"].is_object() {
        return Err(Failure::bad_request("metadata must be an object"));
    }
    let finalizers = &object["metadata"]["finalizers"];
    let strings = finalizers.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if finalizers.is_null() || strings {
        return Ok(());
    }
    Err(Failure::bad_request("metadata.finalizers must be a list of strings"))
}

/// Checks the namespace of an object against that of the path, and sets it.
pub(super) fn set_namespace(kind: &Kind, object: &mut Value) -> Result<(), Failure> {
    if !kind.namespaced {
        return Ok(());
    }
    match object["metadata"]["namespace"].as_str() {
        None | Some("" | api::NAMESPACE) => {
            object["metadata"]["namespace"] = api::NAMESPACE.into();
            Ok(())
        }
        Some(_) => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}

/// Refuses, names or drops the fields that the kind does not have.
pub(super) fn settle_fields(
    kind: &Kind,
    parsed: &mut Parsed,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let duplicates = parsed.duplicates.iter().map(|field| format!("duplicate field \"{field}\""));
    let unknown = api::schema::unknown_fields(&kind.kind, &parsed.value);
    let unknown = unknown.iter().map(|problem| {
        let more = problem.message.strip_prefix("unknown field").unwrap_or(&problem.message);
        format!("unknown field \"{}\"{more}", problem.field)
    });
    let complaints: Vec<String> = duplicates.chain(unknown).collect();
    match validation {
        FieldValidation::Strict if !complaints.is_empty() => {
            return Err(Failure::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                kind.version,
                kind.kind,
                complaints.join(", ")
            )));
        }
        FieldValidation::Warn => warnings.extend(complaints),
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    api::schema::prune(&kind.kind, &mut parsed.value);
    Ok(())
}

/// The name that a new object gets.
pub(super) fn name(object: &Value) -> Result<String, Failure> {
    if let Some(name) = object["metadata"]["name"].as_str().filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    match object["metadata"]["generateName"].as_str().filter(|name| !name.is_empty()) {
        Some(beginning) => Ok(format!("{beginning}{}", random_suffix())),
        None => Err(Failure::bad_request("metadata.name or metadata.generateName is required")),
    }
}

/// Sets what the server sets in a new object.
pub(super) fn settle_new(kind: &Kind, object: &mut Value, name: &str, now: &str) {
    drop_status(object);
    let mut metadata = take_metadata(object);
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"]
    {
        metadata.remove(field);
    }
    metadata.insert("name".into(), name.into());
    metadata.insert("uid".into(), random_uid().into());
    metadata.insert("creationTimestamp".into(), now.into());
    metadata.insert("generation".into(), 1.into());
    if has_finalizer(kind) {
        keep_finalizer(&mut metadata);
    }
    object["metadata"] = Value::Object(metadata);
    apply_defaults(kind, object);
}

/// Sets what the server sets in a changed object.
pub(super) fn settle_update(
    kind: &Kind,
    old: &Value,
    object: &mut Value,
    warnings: &mut Vec<String>,
) {
    keep_status(kind, old, object);
    apply_defaults(kind, object);
    let changed = outside_metadata(old) != outside_metadata(object);
    let mut metadata = take_metadata(object);
    metadata.remove("resourceVersion");
    metadata.remove("selfLink");
    for field in [
        "name",
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match old["metadata"].get(field) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
    let finalizers = old["metadata"]["finalizers"].as_array();
    let had = finalizers.is_some_and(|list| list.iter().any(|name| name == api::FINALIZER));
    // Who replaces an object without it means nothing by that; who wants to get rid of one does.
    let deleting = !old["metadata"]["deletionTimestamp"].is_null();
    if had && keep_finalizer(&mut metadata) && deleting {
        warnings.push(format!(
            "metadata.finalizers: {} is the cluster's own; it goes when what the object runs has \
             stopped",
            api::FINALIZER
        ));
    }
    if changed {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        metadata.insert("generation".into(), generation.into());
    }
    // A person's object is no longer the cluster's own.
    if old["metadata"]["labels"].get(api::AUTOMATIC_LABEL).is_some()
        && let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut)
    {
        labels.remove(api::AUTOMATIC_LABEL);
    }
    object["metadata"] = Value::Object(metadata);
}

/// Fills in defaults, but not in the items of lists: clients compare lists as a whole, and would
/// find a difference to what was applied forever.
fn apply_defaults(kind: &Kind, object: &mut Value) {
    let before = object.clone();
    api::schema::apply_defaults(&kind.kind, object);
    restore_lists(&before, object);
}

fn restore_lists(before: &Value, object: &mut Value) {
    match (before, object) {
        (Value::Object(before), Value::Object(fields)) => {
            for (name, before) in before {
                if let Some(value) = fields.get_mut(name) {
                    restore_lists(before, value);
                }
            }
        }
        (Value::Array(before), Value::Array(items)) => items.clone_from(before),
        _ => {}
    }
}

/// Whether objects of this kind run something that has to stop before they go.
fn has_finalizer(kind: &Kind) -> bool {
    matches!(kind.kind.as_str(), "Resource" | "FailoverGroup")
}

/// Makes sure that the finalizer is there; whether it was missing.
fn keep_finalizer(metadata: &mut Map<String, Value>) -> bool {
    let finalizers = metadata.entry("finalizers").or_insert(Value::Null);
    if finalizers.is_null() {
        *finalizers = Value::Array(Vec::new());
    }
    // What is no list is refused later, by the check of the metadata.
    let Some(list) = finalizers.as_array_mut() else { return false };
    let missing = !list.iter().any(|name| name == api::FINALIZER);
    if missing {
        list.push(api::FINALIZER.into());
    }
    missing
}

fn drop_status(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
}

/// Puts back the status that is stored with an object; that of most kinds is only observed.
pub(super) fn keep_status(kind: &Kind, old: &Value, object: &mut Value) {
    drop_status(object);
    if kind.kind == "Operation" && !old["status"].is_null() {
        object["status"] = old["status"].clone();
    }
}

/// The object without metadata and status: what counts generations.
pub(super) fn outside_metadata(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "metadata" | "status"));
    }
    object
}

/// Takes the metadata out of an object, to be changed and put back.
fn take_metadata(object: &mut Value) -> Map<String, Value> {
    if let Value::Object(metadata) = object["metadata"].take() { metadata } else { Map::new() }
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let random = ring::rand::SystemRandom::new();
    // Without the system's random numbers TLS would not have brought a request here.
    let filled = ring::rand::SecureRandom::fill(&random, &mut bytes);
    assert!(filled.is_ok(), "the system gives no random numbers");
    bytes
}

fn random_uid() -> String {
    derived::random_uid(random())
}

fn random_suffix() -> String {
    random::<NAME_SUFFIX>()
        .into_iter()
        .map(|byte| char::from(NAME_ALPHABET[usize::from(byte) % NAME_ALPHABET.len()]))
        .collect()
}
