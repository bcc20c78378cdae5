//! What drivers last read in clouds, resource by resource, for people.
//!
//! It goes beside the engine: nothing is decided on it. Where it is lost, nothing but a line of a
//! status is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::kinds::ObservedState;
use crate::api::names::ResourceName;

/// What was read of each resource that is active here. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Observations(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    states: BTreeMap<ResourceName, ObservedState>,
}

impl Observations {
    /// A driver or a monitor has read this.
    pub fn note(&self, resource: &str, state: ObservedState) {
        self.change(|states| states.insert(resource.into(), state));
    }

    /// The resource is not active here any more.
    pub fn forget(&self, resource: &str) {
        self.change(|states| states.remove(&ResourceName::from(resource)));
    }

    fn change<T>(&self, work: impl FnOnce(&mut BTreeMap<ResourceName, ObservedState>) -> T) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.version += 1;
        work(&mut inner.states);
    }

    /// Grows with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).version
    }

    /// All of it.
    #[must_use]
    pub fn all(&self) -> BTreeMap<ResourceName, ObservedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).states.clone()
    }
}
