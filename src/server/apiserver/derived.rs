//! Objects that are served but not stored as such: what every cluster has (its namespace, the
//! definitions of the kinds), the servers, and the monitors that come with a resource.

use std::collections::BTreeMap;

use ring::digest;
use serde_json::{Value, json};

use crate::api;
use crate::api::kinds::ResourceSpec;
use crate::api::types::{AUTOMATIC_SUFFIXES, automatic_monitors};
use crate::engine::model::ObjectKey;

/// When the kinds themselves came to be: clients want a time.
const EPOCH: &str = "2026-01-01T00:00:00Z";
/// The kind of definitions.
pub(super) const DEFINITION_KIND: &str = "CustomResourceDefinition";
/// The kind of namespaces.
pub(super) const NAMESPACE_KIND: &str = "Namespace";

/// Whether a kind belongs to our group.
pub(super) fn is_ours(kind: &str) -> bool {
    api::schema::KINDS.contains(&kind)
}

/// What every cluster has.
pub(super) fn fixed_objects() -> Vec<(ObjectKey, Value)> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": NAMESPACE_KIND,
        "metadata": {
            "name": api::NAMESPACE,
            "uid": derived_uid("namespace", api::NAMESPACE),
            "creationTimestamp": EPOCH,
            "labels": {"kubernetes.io/metadata.name": api::NAMESPACE},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    });
    let mut objects = vec![(ObjectKey::new(NAMESPACE_KIND, api::NAMESPACE), namespace)];
    objects.extend(definitions());
    objects
}

fn definitions() -> impl Iterator<Item = (ObjectKey, Value)> {
    api::crds().into_iter().filter_map(|definition| {
        let mut value = serde_json::to_value(definition).ok()?;
        let name = value.pointer("/metadata/name")?.as_str()?.to_owned();
        value["apiVersion"] = "apiextensions.k8s.io/v1".into();
        value["kind"] = DEFINITION_KIND.into();
        value["metadata"]["uid"] = derived_uid("definition", &name).into();
        value["metadata"]["creationTimestamp"] = EPOCH.into();
        value["metadata"]["generation"] = 1.into();
        let names = value["spec"]["names"].clone();
        value["status"] = json!({
            "acceptedNames": names,
            "storedVersions": [api::VERSION],
            "conditions": [condition("NamesAccepted", "NoConflicts"),
                condition("Established", "InitialNamesAccepted")],
        });
        Some((ObjectKey::new(DEFINITION_KIND, name), value))
    })
}

fn condition(type_: &str, reason: &str) -> Value {
    json!({
        "type": type_,
        "status": "True",
        "reason": reason,
        "message": "built into stead",
        "lastTransitionTime": EPOCH,
    })
}

/// The servers of a cluster, by name.
pub(super) fn servers(cluster: &Value) -> BTreeMap<String, Value> {
    let servers = cluster.pointer("/spec/servers").and_then(Value::as_array);
    let names = servers.into_iter().flatten().filter_map(|server| server["name"].as_str());
    names
        .map(|name| {
            let value = json!({
                "apiVersion": api::API_VERSION,
                "kind": "Server",
                "metadata": metadata(name, cluster, json!({})),
                "spec": {},
            });
            (name.to_owned(), value)
        })
        .collect()
}

/// The resource whose automatic monitor has this name, if any has.
pub(super) fn resource_of_monitor(monitor: &str) -> Option<&str> {
    AUTOMATIC_SUFFIXES.iter().find_map(|suffix| monitor.strip_suffix(suffix))
}

/// The names that automatic monitors of a resource can have.
pub(super) fn monitor_names(resource: &str) -> impl Iterator<Item = String> {
    AUTOMATIC_SUFFIXES.iter().map(move |suffix| format!("{resource}{suffix}"))
}

/// The monitors that come with a resource, by name.
pub(super) fn monitors(name: &str, resource: &Value) -> BTreeMap<String, Value> {
    let Ok(spec) = serde_json::from_value::<ResourceSpec>(resource["spec"].clone()) else {
        return BTreeMap::new();
    };
    automatic_monitors(name, &spec)
        .into_iter()
        .filter_map(|monitor| {
            let mut value = serde_json::to_value(monitor).ok()?;
            let name = value.pointer("/metadata/name")?.as_str()?.to_owned();
            let labels = value["metadata"]["labels"].clone();
            value["metadata"] = metadata(&name, resource, labels);
            Some((name, value))
        })
        .collect()
}

/// Metadata of an object made from another one: the same each time and on each server.
fn metadata(name: &str, origin: &Value, labels: Value) -> Value {
    let uid = origin.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    let mut metadata = json!({
        "name": name,
        "namespace": api::NAMESPACE,
        "uid": derived_uid(uid, name),
        "generation": 1,
        "labels": labels,
    });
    if let Some(created) = origin.pointer("/metadata/creationTimestamp") {
        metadata["creationTimestamp"] = created.clone();
    }
    metadata
}

/// A uid that follows from what an object is made from.
fn derived_uid(origin: &str, name: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{origin}/{name}").as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uid(bytes)
}

/// Sixteen bytes in the form of a uid made by a rule of our own (version 8).
pub(super) fn uid(bytes: [u8; 16]) -> String {
    formatted(bytes, 0x80)
}

/// Sixteen random bytes in the form of a uid (version 4).
pub(super) fn random_uid(bytes: [u8; 16]) -> String {
    formatted(bytes, 0x40)
}

fn formatted(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = (bytes[6] & 0x0f) | version;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
