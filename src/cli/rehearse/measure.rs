//! Measured durations: from a file, or from what a cluster's events tell.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::api::problem::suggestion;
use crate::cli::failure::Failure;
use crate::cli::output::text;
use crate::sim::rehearse::{Measured, MeasuredResource};

/// Reads a file; names in it must be those of resources.
pub(super) fn read(file: &str, objects: &[Value]) -> Result<Measured, Failure> {
    let bytes = fs::read_to_string(file)
        .map_err(|error| Failure::error(format!("failed to read {file}: {error}")))?;
    let measured: Measured = serde_yaml::from_str(&bytes)
        .map_err(|error| Failure::Refused(format!("{file}: {error}")))?;
    let known: Vec<&str> = objects
        .iter()
        .filter(|object| object["kind"] == "Resource")
        .map(|object| text(object, "/metadata/name"))
        .collect();
    let unknown = measured.resources.keys().filter(|name| !known.contains(&name.as_str()));
    let said: Vec<String> = unknown
        .map(|name| {
            format!(
                "{file}: there is no resource `{name}`{}",
                suggestion(name, known.iter().copied())
            )
        })
        .collect();
    if said.is_empty() { Ok(measured) } else { Err(Failure::Refused(said.join("\n"))) }
}

/// The start and stop of each resource that the events tell: of several the one in the middle.
pub(super) fn from_events(events: &[Value]) -> Measured {
    let mut events: Vec<&Value> = events.iter().collect();
    events.sort_by_key(|event| instant(event));
    // By resource, server and boot: an instant means something within one boot only.
    let mut began: BTreeMap<[&str; 3], (bool, u64)> = BTreeMap::new();
    let mut seen: BTreeMap<(&str, bool), Vec<Duration>> = BTreeMap::new();
    for event in events {
        let annotation = |name: &str| {
            event["metadata"]["annotations"][format!("stead.dev/{name}")]
                .as_str()
                .unwrap_or_default()
        };
        let resource = text(event, "/involvedObject/name");
        let key = [resource, annotation("server"), annotation("boot")];
        let at = instant(event);
        let ended = match text(event, "/reason") {
            "ResourceStarting" => {
                began.insert(key, (true, at));
                continue;
            }
            "ResourceStopping" => {
                began.insert(key, (false, at));
                continue;
            }
            "ResourceOnline" => true,
            "ResourceOffline" => false,
            _ => continue,
        };
        if let Some((start, since)) = began.remove(&key)
            && start == ended
        {
            let took = Duration::from_nanos(at.saturating_sub(since));
            seen.entry((resource, start)).or_default().push(took);
        }
    }
    let mut measured = Measured::default();
    for ((resource, start), mut all) in seen {
        all.sort_unstable();
        let Some(took) = all.get(all.len() / 2) else { continue };
        let of: &mut MeasuredResource = measured.resources.entry(resource.to_owned()).or_default();
        let field = if start { &mut of.start } else { &mut of.stop };
        *field = Some((*took).into());
    }
    measured
}

fn instant(event: &Value) -> u64 {
    let annotation = &event["metadata"]["annotations"]["stead.dev/instant"];
    annotation.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(reason: &str, server: &str, at: u64) -> Value {
        json!({
            "reason": reason,
            "involvedObject": {"name": "app"},
            "metadata": {"annotations": {
                "stead.dev/server": server,
                "stead.dev/boot": "1",
                "stead.dev/instant": at.to_string(),
            }},
        })
    }

    #[test]
    fn the_middle_start_and_stop_count_and_servers_are_not_mixed() {
        let events = [
            event("ResourceStarting", "vm1", 1_000_000),
            event("ResourceStarting", "vm2", 2_000_000),
            event("ResourceOnline", "vm1", 21_000_000),
            event("ResourceOnline", "vm2", 7_000_000),
            event("ResourceStopping", "vm1", 30_000_000),
            event("ResourceOffline", "vm1", 33_000_000),
            event("ResourceOffline", "vm2", 99_000_000),
        ];
        let measured = from_events(&events);
        let app = &measured.resources["app"];
        assert_eq!(app.start, Some(Duration::from_millis(20).into()));
        assert_eq!(app.stop, Some(Duration::from_millis(3).into()));
        assert_eq!(app.route, None);
    }
}
