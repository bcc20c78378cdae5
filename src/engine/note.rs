//! An event before it has its number: what the parts of the engine say, which the node numbers,
//! dates and sends.

use super::model::ObjectKey;
use crate::api::names::{GroupName, MonitorName, ResourceName};

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object it is about.
    pub object: ObjectKey,
    /// Id in the message catalogue.
    pub reason: &'static str,
    /// The catalogue text's parameters.
    pub parameters: Vec<(String, String)>,
    /// Objects whose latest event led to it; the node knows the numbers.
    pub because: Vec<ObjectKey>,
}

impl Note {
    /// A note without parameters.
    #[must_use]
    pub fn new(object: ObjectKey, reason: &'static str) -> Self {
        Self { object, reason, parameters: Vec::new(), because: Vec::new() }
    }

    /// With a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.parameters.push((name.to_owned(), value.to_string()));
        self
    }

    /// Led to by the latest event of an object.
    #[must_use]
    pub fn because(mut self, object: ObjectKey) -> Self {
        self.because.push(object);
        self
    }
}

/// The key of a group.
#[must_use]
pub fn group_key(name: &GroupName) -> ObjectKey {
    ObjectKey::new("FailoverGroup", name.as_str())
}

/// The key of a resource.
#[must_use]
pub fn resource_key(name: &ResourceName) -> ObjectKey {
    ObjectKey::new("Resource", name.as_str())
}

/// The key of a monitor.
#[must_use]
pub fn monitor_key(name: &MonitorName) -> ObjectKey {
    ObjectKey::new("Monitor", name.as_str())
}
