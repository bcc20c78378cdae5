//! Events as the cluster tells them, and what led to what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::output::{clock, text};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// The run of an agent that says it, as `server/boot`.
    pub(super) run: String,
    /// Its number there.
    pub(super) number: u64,
    /// Numbers of the events there that led to it.
    causes: Vec<u64>,
    /// The leader's order that it is about, if any: leads to that order's own event.
    grant: Option<String>,
    /// When, RFC 3339 with fractions.
    pub(super) time: String,
    /// `Kind/name` of what it is about.
    pub(super) object: String,
    /// Id in the message catalogue.
    pub(super) reason: String,
    /// In words.
    pub(super) message: String,
    /// `Normal` or `Warning`.
    pub(super) type_: String,
}

impl Past {
    /// Reads a `v1` Event.
    pub(super) fn read(event: &Value) -> Self {
        let annotation = |name: &str| {
            let annotations = event.pointer("/metadata/annotations");
            annotations.and_then(|all| all[name].as_str()).unwrap_or_default()
        };
        let time = ["/eventTime", "/lastTimestamp", "/metadata/creationTimestamp"]
            .into_iter()
            .map(|pointer| text(event, pointer))
            .find(|time| !time.is_empty());
        let object =
            [text(event, "/involvedObject/kind"), text(event, "/involvedObject/name")].join("/");
        Self {
            run: format!("{}/{}", annotation("stead.dev/server"), annotation("stead.dev/boot")),
            number: annotation("stead.dev/number").parse().unwrap_or(0),
            causes: annotation("stead.dev/causes")
                .split(',')
                .filter_map(|number| number.trim().parse().ok())
                .collect(),
            grant: serde_json::from_str(annotation("stead.dev/parameters"))
                .ok()
                .and_then(|parameters: BTreeMap<String, String>| parameters.get("grant").cloned()),
            time: time.unwrap_or_default().to_owned(),
            object,
            reason: text(event, "/reason").to_owned(),
            message: text(event, "/message").to_owned(),
            type_: text(event, "/type").to_owned(),
        }
    }

    /// Whether it is the leader's order that `event` carries out.
    fn orders(&self, event: &Past) -> bool {
        let given = matches!(self.reason.as_str(), "GroupGranted" | "GroupOrderedToStop");
        given && self.grant.is_some() && self.grant == event.grant && self.object == event.object
    }

    fn order(&self) -> (Option<Timestamp>, &str, u64) {
        (self.time.parse().ok(), &self.run, self.number)
    }

    /// `14:02:11.482   message   Reason`.
    pub(super) fn line(&self, now: Timestamp) -> String {
        let time = clock(&self.time, now);
        format!("  {time}  {:<72}  {}\n", self.message, self.reason)
    }
}

/// Reads a list of events, oldest first.
pub(super) fn read_all(events: &[Value]) -> Vec<Past> {
    let mut all: Vec<Past> = events.iter().map(Past::read).collect();
    all.sort_by(|one, other| one.order().cmp(&other.order()));
    all
}

/// Most events of a chain that are shown.
const CHAIN_MAX: usize = 40;

/// The latest event about an object, and everything that led to it; oldest first.
pub(super) fn chain(events: &[Past], object: &str) -> Vec<Past> {
    let by_number: BTreeMap<(&str, u64), &Past> =
        events.iter().map(|event| ((event.run.as_str(), event.number), event)).collect();
    let latest = events
        .iter()
        .filter(|event| event.object == object)
        .max_by(|one, other| one.order().cmp(&other.order()));
    let Some(latest) = latest else { return Vec::new() };
    let mut seen = BTreeSet::from([(latest.run.as_str(), latest.number)]);
    let mut open = vec![latest];
    let mut found = vec![latest.clone()];
    while let Some(event) = open.pop() {
        let own = event.causes.iter().map(|number| (event.run.as_str(), *number));
        let order = events.iter().find(|other| other.orders(event));
        let order = order.map(|other| (other.run.as_str(), other.number));
        for key in own.chain(order) {
            let Some(cause) = by_number.get(&key) else { continue };
            if found.len() < CHAIN_MAX && seen.insert(key) {
                found.push((*cause).clone());
                open.push(cause);
            }
        }
    }
    found.sort_by(|one, other| one.order().cmp(&other.order()));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(number: u64, object: &str, causes: &str) -> Value {
        let (kind, name) = object.split_once('/').unwrap();
        json!({
            "metadata": {"annotations": {
                "stead.dev/server": "node1", "stead.dev/boot": "b", "stead.dev/causes": causes,
                "stead.dev/number": number.to_string(),
            }},
            "involvedObject": {"kind": kind, "name": name},
            "reason": "Some", "message": "words", "type": "Normal",
            "eventTime": format!("2026-01-01T00:00:0{number}.000000Z"),
        })
    }

    #[test]
    fn a_chain_is_what_led_to_the_latest_event_of_the_object_and_nothing_else() {
        let events = read_all(&[
            event(5, "FailoverGroup/web", "4"),
            event(1, "Server/node2", ""),
            event(2, "Server/node3", ""),
            event(4, "Cluster/c", "1,9"),
            event(3, "FailoverGroup/web", ""),
        ]);
        let numbers: Vec<u64> =
            chain(&events, "FailoverGroup/web").iter().map(|event| event.number).collect();
        assert_eq!(numbers, [1, 4, 5]);
        assert_eq!(chain(&events, "FailoverGroup/none"), []);
    }

    #[test]
    fn what_a_server_does_leads_to_the_order_of_the_leader_on_another() {
        let with = |mut event: Value, server: &str, reason: &str| {
            let annotations = &mut event["metadata"]["annotations"];
            annotations["stead.dev/server"] = json!(server);
            annotations["stead.dev/parameters"] = json!(r#"{"grant":"7.node1/3"}"#);
            event["reason"] = json!(reason);
            event
        };
        let events = read_all(&[
            with(event(4, "FailoverGroup/web", "3"), "node1", "GroupGranted"),
            event(3, "Server/node3", ""),
            with(event(5, "FailoverGroup/web", ""), "node2", "GroupStarting"),
        ]);
        let numbers: Vec<u64> =
            chain(&events, "FailoverGroup/web").iter().map(|event| event.number).collect();
        assert_eq!(numbers, [3, 4, 5]);
    }

    #[test]
    fn a_circle_of_causes_ends() {
        let events = read_all(&[event(1, "Server/a", "2"), event(2, "Server/a", "1")]);
        assert_eq!(chain(&events, "Server/a").len(), 2);
    }
}
