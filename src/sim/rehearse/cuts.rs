//! Deactivations that may take half an hour before they count as hanging.
//!
//! While one hangs, nothing happens but heartbeats. So it is played with a shorter time-out, and what
//! was left out is added to the outage afterwards. Whoever wants to read the whole story plays it
//! whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::chart::Phase;
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

/// Deactivation time-outs that were cut, with what was left out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cuts {
    played: Duration,
    left_out: BTreeMap<String, Duration>,
}

impl Cuts {
    /// Cuts what is longer than it need be.
    pub(super) fn make(objects: &mut Objects, model: &Model) -> Self {
        let played = model.cluster.timing.wait() * WAITS;
        let mut cuts = Self { played, left_out: BTreeMap::new() };
        for (name, resource) in model.groups.values().flat_map(|group| &group.resources) {
            let whole = Duration::from(resource.spec.deactivation.timeout);
            let key = ObjectKey::new("Resource", name.as_str());
            let Some(stored) = objects.get_mut(&key).filter(|_| whole > played) else { continue };
            let Ok(mut object) = serde_json::from_str::<Value>(&stored.json) else { continue };
            object["spec"]["deactivation"]["timeout"] = json!(Written::from(played));
            stored.json = object.to_string().into();
            cuts.left_out.insert(name.as_str().to_owned(), whole - played);
        }
        cuts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Adds to an outage what was left out of each time-out that came to its end in it.
    pub(super) fn mend(&self, outcome: &mut GroupOutcome) {
        for (phase, long) in &mut outcome.split {
            let Phase::Stop(resource) = phase else { continue };
            let Some(left_out) = self.left_out.get(resource) else { continue };
            let times = long.as_nanos() / self.played.as_nanos().max(1);
            let added = *left_out * u32::try_from(times).unwrap_or(u32::MAX);
            *long += added;
            outcome.outage += added;
        }
    }
}
