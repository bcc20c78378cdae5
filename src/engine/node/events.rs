//! Telling people, and remembering which event led to which.

use std::collections::BTreeMap;

use super::Engine;
use crate::api::names::ServerName;
use crate::engine::effect::{Effect, Event};
use crate::engine::model::ObjectKey;

/// Topics remembered for causes: a few per server and group.
const TOPICS_MAX: usize = 8192;

/// Numbers events and remembers the last one of each topic.
#[derive(Clone, Debug)]
pub(super) struct Chronicle {
    server: ServerName,
    number: u64,
    topics: BTreeMap<String, u64>,
}

impl Chronicle {
    pub(super) fn new(server: ServerName) -> Self {
        Self { server, number: 0, topics: BTreeMap::new() }
    }

    pub(super) fn remember(&mut self, topic: &str, number: u64) {
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(topic) {
            self.topics.pop_first();
        }
        self.topics.insert(topic.to_owned(), number);
    }

    /// The event of a topic is the cause of nothing further.
    pub(super) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    pub(super) fn recall(&self, topic: &str) -> Option<u64> {
        self.topics.get(topic).copied()
    }
}

impl Engine {
    /// Emits an event and gives its number.
    pub(super) fn event(
        &mut self,
        kind: &str,
        name: &str,
        reason: &str,
        parameters: &[(&str, &str)],
        causes: &[Option<u64>],
    ) -> u64 {
        self.chronicle.number += 1;
        let number = self.chronicle.number;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let event = Event {
            number,
            server: self.chronicle.server.clone(),
            instant: self.now.instant,
            wall: self.now.wall,
            object: ObjectKey::new(kind, name),
            reason: reason.to_owned(),
            parameters: parameters.iter().map(own).collect(),
            causes: causes.iter().flatten().copied().collect(),
        };
        self.effects.push_back(Effect::Event(event));
        number
    }

    pub(super) fn event_about_me(
        &mut self,
        reason: &str,
        parameters: &[(&str, &str)],
        causes: &[Option<u64>],
    ) -> u64 {
        let me = self.me().clone();
        let mut all = vec![("server", me.as_str())];
        all.extend_from_slice(parameters);
        self.event("Server", me.as_str(), reason, &all, causes)
    }

    pub(super) fn event_about_cluster(
        &mut self,
        reason: &str,
        parameters: &[(&str, &str)],
        causes: &[Option<u64>],
    ) -> u64 {
        let name = self.model.cluster.name.clone();
        self.event("Cluster", &name, reason, parameters, causes)
    }
}

/// A duration for people.
pub(super) fn text(duration: std::time::Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10),
    }
}
