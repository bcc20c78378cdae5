//! Objects on standard output, in the form that was asked for.

use std::io::{self, Write as _};

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::failure::Failure;
use super::kinds::KINDS;

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Columns.
    Table,
    /// All columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// `kind.group/name`, one a line.
    Name,
}

/// Forms of output where there is nothing but objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ObjectOutput {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// `kind.group/name`, one a line.
    Name,
}

/// Writes to standard output; that a pipe was closed is no failure of ours.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// An object, or a list, as text.
pub(super) fn render(value: &Value, output: ObjectOutput) -> Result<String, Failure> {
    match output {
        ObjectOutput::Json => json(value),
        ObjectOutput::Yaml => yaml(value),
        ObjectOutput::Name => {
            let items = match value.get("items").and_then(Value::as_array) {
                Some(items) => items.iter().collect(),
                None => vec![value],
            };
            Ok(items.into_iter().map(|item| name(item) + "\n").collect())
        }
    }
}

/// JSON text that ends with a line end.
pub(super) fn json(value: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|error| Failure::error(error.to_string()))? + "\n")
}

/// YAML text that ends with a line end.
pub(super) fn yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_yaml::to_string(value).map_err(|error| Failure::error(error.to_string()))?;
    Ok(format!("{}\n", text.trim_end()))
}

/// `failovergroup.stead.dev/web`.
pub(super) fn name(object: &Value) -> String {
    let kind = text(object, "/kind");
    let name = text(object, "/metadata/name");
    match KINDS.into_iter().find(|known| known.kind == kind) {
        Some(known) => known.object(name),
        None => format!("{}/{name}", kind.to_lowercase()),
    }
}

/// A field by JSON pointer; empty where it is missing or no string.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list by JSON pointer.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How long ago, as people say it: `12s`, `5m`, `3h7m`, `3d4h`; empty for no time.
pub(super) fn age(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return String::new() };
    duration(now.as_second().saturating_sub(then.as_second()).max(0))
}

/// Seconds, as people say them.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let both = |large: i64, unit: char, small: i64, small_unit: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{small_unit}"),
    };
    match (days, hours, minutes) {
        (8.., _, _) => format!("{days}d"),
        (1.., _, _) => both(days, 'd', hours % 24, 'h'),
        (0, 8.., _) => format!("{hours}h"),
        (0, 1.., _) => both(hours, 'h', minutes % 60, 'm'),
        (0, 0, 10..) => format!("{minutes}m"),
        (0, 0, 2..) => both(minutes, 'm', seconds % 60, 's'),
        _ => format!("{seconds}s"),
    }
}

/// The time of day with milliseconds, and the date where it is not today's.
pub(super) fn clock(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return time.to_owned() };
    let today = now.strftime("%Y-%m-%d").to_string() == then.strftime("%Y-%m-%d").to_string();
    let form = if today { "%H:%M:%S.%3f" } else { "%Y-%m-%d %H:%M:%S.%3f" };
    then.strftime(form).to_string()
}
