//! `stead describe`.

use jiff::Timestamp;
use serde_json::Value;

use super::Global;
use super::connection::Connection;
use super::failure::Failure;
use super::get::events_of;
use super::kinds::{EVENT, Kind, kind, object};
use super::output::{age, list, print, text, yaml};
use super::past::read_all;
use super::table::Table;
use crate::api::kinds::ResourceSpec;
use crate::api::types::reach;

/// Show all there is to say about objects: settings, status, conditions and events.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The kind, or KIND/NAME.
    #[arg(value_name = "KIND")]
    kind: String,
    /// The objects; all of the kind where none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let (kind, mut names) = match arguments.kind.contains('/') {
        true => {
            let (kind, name) = object(&arguments.kind)?;
            (kind, vec![name.to_owned()])
        }
        false => (kind(&arguments.kind)?, Vec::new()),
    };
    names.extend(arguments.names.iter().cloned());
    let connection = Connection::open(global).await?;
    let mut objects = Vec::new();
    if names.is_empty() {
        let answer = connection.list(kind).await?;
        objects.extend(list(&answer, "/items").iter().cloned());
    }
    for name in &names {
        objects.push(connection.get(&kind.path(Some(name))).await?);
    }
    let mut first = true;
    for object in &objects {
        let name = text(object, "/metadata/name");
        let events = match kind.kind == EVENT.kind {
            true => Vec::new(),
            false => events_of(&connection, kind.kind, name).await?,
        };
        let separator = if first { "" } else { "\n\n" };
        first = false;
        print(&(separator.to_owned() + &describe(kind, object, &events)?))?;
    }
    Ok(())
}

/// Most events that are shown.
const EVENTS_MAX: usize = 20;

fn describe(kind: &Kind, object: &Value, events: &[Value]) -> Result<String, Failure> {
    let now = Timestamp::now();
    let created = text(object, "/metadata/creationTimestamp");
    let mut out = format!("Name:         {}\n", text(object, "/metadata/name"));
    out.push_str(&format!("Kind:         {}\n", kind.kind));
    out.push_str(&format!("Created:      {created} ({} ago)\n", age(created, now)));
    if let Some(deleted) = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str) {
        out.push_str(&format!("Deleted:      {deleted} (waits for its finalizers)\n"));
    }
    for (title, pointer) in
        [("Labels", "/metadata/labels"), ("Annotations", "/metadata/annotations")]
    {
        let Some(pairs) = object.pointer(pointer).and_then(Value::as_object) else { continue };
        for (key, value) in pairs {
            let value = value.as_str().unwrap_or_default();
            out.push_str(&format!("{:<13} {key}={value}\n", format!("{title}:")));
        }
    }
    if let Some(spec) = object.get("spec") {
        out.push_str(&section("Spec", spec)?);
    }
    let mut status = object.get("status").cloned().unwrap_or_default();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("conditions");
        if !fields.is_empty() {
            out.push_str(&section("Status", &status)?);
        }
    }
    let spec = object.get("spec").cloned().unwrap_or_default();
    if let Ok(spec) = serde_json::from_value::<ResourceSpec>(spec) {
        let lines = reach(&spec).into_iter().map(|line| format!("  {line}\n"));
        let lines: String = lines.collect();
        if !lines.is_empty() {
            out.push_str(&format!("Reach:\n{lines}"));
        }
    }
    out.push_str(&conditions(object, now));
    if kind.kind == EVENT.kind {
        out.push_str(&format!("Message:      {}\n", text(object, "/message")));
        return Ok(out);
    }
    let past = read_all(events);
    if past.is_empty() {
        return Ok(out + "Events:       none\n");
    }
    let mut table = Table::new(["  AGE", "TYPE", "REASON", "MESSAGE"]);
    for event in past.iter().skip(past.len().saturating_sub(EVENTS_MAX)) {
        let age = format!("  {}", age(&event.time, now));
        table.row([age, event.type_.clone(), event.reason.clone(), event.message.clone()]);
    }
    Ok(out + "Events:\n" + &table.render())
}

fn section(title: &str, value: &Value) -> Result<String, Failure> {
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(String::new());
    }
    let lines: String = yaml(value)?.lines().map(|line| format!("  {line}\n")).collect();
    Ok(format!("{title}:\n{lines}"))
}

fn conditions(object: &Value, now: Timestamp) -> String {
    let conditions = list(object, "/status/conditions");
    if conditions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["  TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    for condition in conditions {
        table.row([
            format!("  {}", text(condition, "/type")),
            text(condition, "/status").to_owned(),
            age(text(condition, "/lastTransitionTime"), now),
            text(condition, "/reason").to_owned(),
            text(condition, "/message").to_owned(),
        ]);
    }
    format!("Conditions:\n{}", table.render())
}
