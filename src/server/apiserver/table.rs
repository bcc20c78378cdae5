//! Objects as rows: what `kubectl get` prints.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::Failure;
use super::jsonpath::Path;
use super::kinds::{Column, Kind};
use super::query::Query;

/// How much of each object goes with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// What a request asks for.
    pub(super) fn parse(query: &Query) -> Result<Self, Failure> {
        match query.get("includeObject") {
            Some("None") => Ok(Self::None),
            Some("Metadata") | None => Ok(Self::Metadata),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Failure::bad_request(format!(
                "includeObject must be one of None, Metadata, Object, not '{other}'"
            ))),
        }
    }
}

/// A table of objects.
pub(super) fn table(
    kind: &Kind,
    version: &str,
    metadata: Value,
    objects: &[Value],
    include: Include,
    now: Timestamp,
) -> Value {
    let columns: Vec<(&Column, Option<Path>)> =
        kind.columns.iter().map(|column| (column, Path::parse(&column.path))).collect();
    let definitions: Vec<Value> = kind.columns.iter().map(definition).collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns
                .iter()
                .map(|(column, path)| cell(column, path.as_ref(), object, now))
                .collect();
            let mut row = json!({"cells": cells});
            match include {
                Include::None => {}
                Include::Metadata => row["object"] = partial(object, version),
                Include::Object => row["object"] = object.clone(),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// Only the metadata of an object.
pub(super) fn partial(object: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object["metadata"],
    })
}

fn definition(column: &Column) -> Value {
    // Ages and references are made into text here.
    let type_ = match column.type_.as_str() {
        "object" => "string",
        other => other,
    };
    json!({
        "name": column.name,
        "type": type_,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

fn cell(column: &Column, path: Option<&Path>, object: &Value, now: Timestamp) -> Value {
    let Some(value) = path.and_then(|path| path.first(object)) else { return Value::Null };
    match column.type_.as_str() {
        "date" => match value.as_str().and_then(|time| time.parse::<Timestamp>().ok()) {
            Some(time) => age(now.duration_since(time).as_secs()).into(),
            None => "<unknown>".into(),
        },
        "object" => {
            let part = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", part("kind").to_lowercase(), part("name")).into()
        }
        "string" => match value {
            Value::String(_) | Value::Null => value.clone(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                value.to_string().into()
            }
        },
        _ => value.clone(),
    }
}

/// A span of time as people read it: `5s`, `2m10s`, `45m`, `3h5m`, `30h`, `2d4h`, `9d`, `3y`.
fn age(seconds: i64) -> String {
    // A clock slightly behind the server's is no reason to show nonsense.
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: i64, one: &str, second: i64, other: &str| {
        if second == 0 { format!("{first}{one}") } else { format!("{first}{one}{second}{other}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}
