//! The form of each kind: generated from the types, refined once, and used for everything: the
//! CRDs, the OpenAPI we serve, defaults, pruning, checks and the reference in `docs/`.
//!
//! Extensions that begin with `x-stead-` (change class, bounds of durations) are in what
//! [`schema`] gives and in no CRD: a Kubernetes API server refuses what it does not know.

mod check;
mod generate;
mod rules;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::{Map, Value};

pub(crate) use check::{NAME_RULE, is_dns_label, join};
pub use check::{check, unknown_fields};
pub use rules::check_update;

use super::kinds::{Cluster, FailoverGroup, Monitor, Operation, Resource, Server};

/// Kinds, in the order in which they are read best and applied.
pub const KINDS: [&str; 6] =
    ["Cluster", "Server", "FailoverGroup", "Resource", "Monitor", "Operation"];

static SCHEMAS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    BTreeMap::from([
        ("Cluster", generate::generate::<Cluster>()),
        ("Server", generate::generate::<Server>()),
        ("FailoverGroup", generate::generate::<FailoverGroup>()),
        ("Resource", generate::generate::<Resource>()),
        ("Monitor", generate::generate::<Monitor>()),
        ("Operation", generate::generate::<Operation>()),
    ])
});

/// The schema of a kind, `x-stead-` extensions included; none for a kind that is not ours.
#[must_use]
pub fn schema(kind: &str) -> Option<&'static Value> {
    SCHEMAS.get(kind)
}

/// The definitions of all kinds, as they are installed in a Kubernetes cluster.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        with_schema(Cluster::crd(), "Cluster"),
        with_schema(Server::crd(), "Server"),
        with_schema(FailoverGroup::crd(), "FailoverGroup"),
        with_schema(Resource::crd(), "Resource"),
        with_schema(Monitor::crd(), "Monitor"),
        with_schema(Operation::crd(), "Operation"),
    ]
}

fn with_schema(mut crd: CustomResourceDefinition, kind: &str) -> CustomResourceDefinition {
    let props: Option<JSONSchemaProps> = schema(kind)
        .and_then(|schema| serde_json::from_value(generate::without_extensions(schema)).ok());
    for version in &mut crd.spec.versions {
        if let Some(validation) = &mut version.schema {
            validation.open_api_v3_schema = props.clone();
        }
    }
    crd
}

/// Numbers without a fraction as integers: bounds are read by people too.
#[must_use]
pub fn integral(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            // Written without its fraction of zero, a float reads as the integer it is.
            let text = number.as_f64().map(|float| float.to_string()).unwrap_or_default();
            text.parse::<i64>().map_or(Value::Number(number), Value::from)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(integral).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, integral(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// Fills in what the object's spec leaves to its defaults; takes away members that are null.
pub fn apply_defaults(kind: &str, object: &mut Value) {
    let Some(spec) = schema(kind).map(|schema| &schema["properties"]["spec"]) else { return };
    if let Some(value) = object.get_mut("spec") {
        defaults(spec, value);
    }
}

fn defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => object_defaults(schema, members),
        Value::Array(items) => {
            for item in items {
                defaults(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object_defaults(schema: &Value, members: &mut Map<String, Value>) {
    members.retain(|_, value| !value.is_null());
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if !members.contains_key(name)
            && let Some(default) = property.get("default")
        {
            members.insert(name.clone(), default.clone());
        }
        if let Some(value) = members.get_mut(name) {
            defaults(property, value);
        }
    }
}

/// Takes away the fields that the kind does not have.
pub fn prune(kind: &str, object: &mut Value) {
    let (Some(schema), Some(members)) = (schema(kind), object.as_object_mut()) else { return };
    members.retain(|name, _| check::ROOT_FIELDS.contains(&name.as_str()));
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| check::METADATA_FIELDS.contains(&name.as_str()));
    }
    for part in ["spec", "status"] {
        if let Some(value) = members.get_mut(part) {
            prune_value(&schema["properties"][part], value);
        }
    }
}

fn prune_value(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(items) = schema.get("additionalProperties") {
                for value in members.values_mut() {
                    prune_value(items, value);
                }
                return;
            }
            let properties = schema["properties"].as_object();
            members.retain(|name, _| properties.is_some_and(|known| known.contains_key(name)));
            for (name, value) in members {
                prune_value(&schema["properties"][name], value);
            }
        }
        Value::Array(items) => {
            for item in items {
                prune_value(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fields of the spec whose change from one form to the other takes effect only when what runs is
/// activated again (`x-stead-change: Restart`), as paths.
#[must_use]
pub fn restart_fields(kind: &str, old: &Value, new: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    if let Some(schema) = schema(kind) {
        let (mut old, mut new) = (old.clone(), new.clone());
        apply_defaults(kind, &mut old);
        apply_defaults(kind, &mut new);
        let spec = &schema["properties"]["spec"];
        collect_restarts(spec, "spec", &old["spec"], &new["spec"], &mut fields);
    }
    fields
}

fn collect_restarts(
    schema: &Value,
    path: &str,
    old: &Value,
    new: &Value,
    fields: &mut Vec<String>,
) {
    if old == new {
        return;
    }
    let Some(properties) = schema["properties"].as_object() else {
        if schema["x-stead-change"] == "Restart" {
            fields.push(path.to_owned());
        }
        return;
    };
    for (name, property) in properties {
        collect_restarts(property, &format!("{path}.{name}"), &old[name], &new[name], fields);
    }
}

#[cfg(test)]
mod tests;
