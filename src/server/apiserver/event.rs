//! Events as Kubernetes knows them, made from our own.

use serde_json::{Value, json};

use super::storage::PastEvent;
use crate::api;
use crate::api::catalogue::{self, Language, Severity};
use crate::engine::time::WallTime;

/// Name of an event: what it is about, and what numbers it, so that lists have the order of time.
pub(super) fn name(past: &PastEvent) -> String {
    format!("{}.{}.{:08}", past.event.object.name, past.boot, past.event.number)
}

/// An event as `v1` serves it. `events.k8s.io/v1` is the same under other names: see [`modern`].
pub(super) fn render(past: &PastEvent, uid: Option<Value>) -> Value {
    let event = &past.event;
    let time = event.wall.rfc3339();
    let causes: Vec<String> = event.causes.iter().map(u64::to_string).collect();
    let parameters: serde_json::Map<String, Value> =
        event.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut involved = json!({
        "apiVersion": api::API_VERSION,
        "kind": event.object.kind,
        "name": event.object.name,
        "namespace": api::NAMESPACE,
    });
    if let Some(uid) = uid {
        involved["uid"] = uid;
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name(past),
            "namespace": api::NAMESPACE,
            "uid": event_uid(past),
            "creationTimestamp": time,
            "annotations": {
                "stead.dev/server": event.server.as_str(),
                "stead.dev/boot": past.boot.to_string(),
                "stead.dev/number": event.number.to_string(),
                "stead.dev/causes": causes.join(","),
                "stead.dev/instant": event.instant.0.to_string(),
                "stead.dev/parameters": Value::Object(parameters).to_string(),
            },
        },
        "involvedObject": involved,
        "reason": event.reason,
        "message": catalogue::render(&event.reason, &event.parameters, Language::English),
        "type": event_type(&event.reason),
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "eventTime": micro_time(event.wall),
        "action": event.reason,
        "source": {"component": "stead", "host": event.server.as_str()},
        "reportingComponent": "stead.dev/agent",
        "reportingInstance": event.server.as_str(),
    })
}

/// The same event as `events.k8s.io/v1` names its fields.
pub(super) fn modern(mut event: Value) -> Value {
    let Some(fields) = event.as_object_mut() else { return event };
    fields.insert("apiVersion".into(), "events.k8s.io/v1".into());
    for (old, new) in [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("reportingComponent", "reportingController"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
    ] {
        if let Some(value) = fields.remove(old) {
            fields.insert(new.into(), value);
        }
    }
    event
}

fn event_uid(past: &PastEvent) -> String {
    let number = u128::from(past.boot.0) << 64 | u128::from(past.event.number);
    super::derived::uid(number.to_be_bytes())
}

fn event_type(reason: &str) -> &'static str {
    match catalogue::lookup(reason).map(|entry| entry.severity) {
        Some(Severity::Warning | Severity::Error) => "Warning",
        Some(Severity::Information) | None => "Normal",
    }
}

fn micro_time(wall: WallTime) -> String {
    jiff::Timestamp::from_millisecond(wall.0)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        .unwrap_or_default()
}
