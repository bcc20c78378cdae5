//! What drivers read in clouds, on its way into statuses: from the server that read it to the one
//! that leads, beside the engine.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{Running, Shell};
use crate::agent::transport::frame::{self, Frame, ObservedThere};
use crate::api::names::{ResourceName, ServerName};

/// Longest text of one resource that is taken from a peer.
const TEXT_MAX: usize = 64 * 1024;

/// What each server's drivers last read.
pub type Observed = BTreeMap<ServerName, BTreeMap<ResourceName, Value>>;

impl Shell {
    /// Takes in what is read here, and tells the leader: at once when it changed, and again each time
    /// nothing else did, for a leader that is new or did not hear.
    pub(super) fn share_observed(&self, running: &mut Running, leader: Option<&ServerName>) {
        let observations = &self.work.host().cloud.observed;
        let version = observations.version();
        let told = (version, leader.cloned());
        let news = running.observed_told.as_ref() != Some(&told);
        let idle = !running.changed;
        if version == 0 || !(news || idle) {
            return;
        }
        running.observed_told = Some(told);
        let states = observations.all();
        // Our states have string keys only, which always make JSON.
        let json = |(name, state)| Some((name, serde_json::to_value(state).ok()?));
        let states: BTreeMap<ResourceName, Value> = states.into_iter().filter_map(json).collect();
        if let Some(leader) = leader.filter(|leader| **leader != self.me) {
            let resources = states.iter().map(|(name, state)| (name.clone(), state.to_string()));
            let there = ObservedThere { server: self.me.clone(), resources: resources.collect() };
            if let Ok(bytes) = frame::encode(&Frame::Observed(Box::new(there))) {
                self.stream(leader, Bytes::from(bytes));
            }
        }
        running.observed.insert(self.me.clone(), states);
    }
}

impl Running {
    /// A peer says what was read there.
    pub(super) fn on_observed(&mut self, there: ObservedThere) {
        let fits = |text: &String| text.len() <= TEXT_MAX;
        let states: BTreeMap<ResourceName, Value> = there
            .resources
            .into_iter()
            .filter(|(_, text)| fits(text))
            .filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?)))
            .collect();
        let before = self.observed.insert(there.server, states.clone());
        self.changed |= before != Some(states);
    }
}
