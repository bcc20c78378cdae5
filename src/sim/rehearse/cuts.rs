//! Pauses that may take long: a deactivation may hang for half an hour before it counts as hanging,
//! and a server that starts alone waits for the others for minutes.
//!
//! Meanwhile nothing happens but heartbeats. So they are played shorter, and what was left out is
//! added to the outage afterwards. Whoever wants to read the whole story plays it
//! whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::chart::Phase;
use super::durations::takeover_wait;
use super::outcome::GroupOutcome;
use crate::api::kinds::Duration as Written;
use crate::engine::model::{Model, ObjectKey, Objects};

/// A hanging deactivation is played for so many takeover waits: long enough for everything else
/// that goes on to come to its end.
const WAITS: u32 = 8;

/// How long pauses are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pauses {
    /// As long as they are.
    Whole,
    /// As long as anything else may go on.
    Cut,
}

/// Pauses that were cut, with what was left out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cuts {
    played: Duration,
    left_out: BTreeMap<Phase, Duration>,
}

impl Cuts {
    /// Cuts what is longer than it need be.
    pub(super) fn make(objects: &mut Objects, model: &Model) -> Self {
        let played = takeover_wait(model) * WAITS;
        let mut cuts = Self { played, left_out: BTreeMap::new() };
        for (name, resource) in model.groups.values().flat_map(|group| &group.resources) {
            let whole = Duration::from(resource.spec.deactivation.timeout);
            let key = ObjectKey::new("Resource", name.as_str());
            let Some(stored) = objects.get_mut(&key).filter(|_| whole > played) else { continue };
            let Ok(mut object) = serde_json::from_str::<Value>(&stored.json) else { continue };
            object["spec"]["deactivation"]["timeout"] = json!(Written::from(played));
            stored.json = object.to_string().into();
            cuts.left_out.insert(Phase::Stop(name.as_str().to_owned()), whole - played);
        }
        cuts.cut_startup(objects, model);
        cuts
    }

    fn cut_startup(&mut self, objects: &mut Objects, model: &Model) {
        let whole = model.cluster.wait_for_servers;
        let key = ObjectKey::new("Cluster", model.cluster.name.clone());
        let Some(stored) = objects.get_mut(&key).filter(|_| whole > self.played) else { return };
        let Ok(mut object) = serde_json::from_str::<Value>(&stored.json) else { return };
        object["spec"]["startup"]["waitForServers"] = json!(Written::from(self.played));
        stored.json = object.to_string().into();
        self.left_out.insert(Phase::Startup, whole - self.played);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Adds to an outage what was left out of each time-out that came to its end in it.
    pub(super) fn mend(&self, outcome: &mut GroupOutcome) {
        for (phase, long) in &mut outcome.split {
            let Some(left_out) = self.left_out.get(phase) else { continue };
            // What a report of the end takes is not missing from it.
            let played = self.played.as_nanos() * 95 / 100;
            let times = long.as_nanos() / played.max(1);
            let added = *left_out * u32::try_from(times).unwrap_or(u32::MAX);
            *long += added;
            outcome.outage += added;
        }
    }
}
