//! Clients of clouds, which drivers share: thin, typed, bounded, and with no decision of their own.

use std::sync::{Arc, Mutex, PoisonError};

use crate::api::kinds::{AwsAccess, ClusterSpec};

#[cfg(feature = "aws")]
pub mod aws;
mod observed;

pub use self::observed::Observations;

/// How clouds are reached, and the sessions with them. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    settings: Arc<Mutex<AwsAccess>>,
    /// What drivers last read there.
    pub observed: Observations,
    /// Sessions with AWS.
    #[cfg(feature = "aws")]
    pub aws: aws::Aws,
}

impl Cloud {
    /// Takes in what the Cluster says.
    pub fn prepare(&self, spec: &ClusterSpec) {
        let settings = spec.aws.clone().unwrap_or_default();
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// How AWS is reached.
    #[must_use]
    pub fn settings(&self) -> AwsAccess {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
