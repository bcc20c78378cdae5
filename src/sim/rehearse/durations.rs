//! How long things take in a rehearsal: what the types assume, unless it was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::kinds::{Duration as Written, WatchdogMode};
use crate::api::names::ResourceName;
use crate::api::timing::watchdog_self_fence;
use crate::api::types::assumed;
use crate::engine::model::Model;
use crate::sim::stage::{Pace, Work};

/// From power on to the agent's start, where nobody has measured it.
const BOOT: Duration = Duration::from_secs(60);
/// From the order to end a machine to its end.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// systemd's own pause before it starts the agent or keeper again, with the start itself.
const UNIT_RESTART: Duration = Duration::from_millis(1100);
/// A keeper ends its services with one write to a cgroup; its bound is 150 ms.
const KILL: Duration = Duration::from_millis(10);
/// One way to an arbiter outside the cluster.
const ARBITER: Duration = Duration::from_millis(5);
/// From a request to a power switch or a cloud to the certainty that a server is off.
const FENCE: Duration = Duration::from_secs(5);
/// A check that connects to this machine.
const CHECK: Duration = Duration::from_millis(2);

/// What was measured, in a file for `--measured`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measured {
    /// Of resources.
    #[serde(default)]
    pub resources: BTreeMap<String, MeasuredResource>,
    /// From power on to the agent's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Written>,
    /// How long systemd takes to start an agent or keeper again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_restart: Option<Written>,
    /// By method of fencing: from the request to the confirmation that a server is off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fencing: BTreeMap<String, Written>,
}

/// Of one resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeasuredResource {
    /// To be activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Written>,
    /// To be deactivated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Written>,
    /// From its activation on another server to the first client that is sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Written>,
}

/// One duration with where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How long.
    pub value: Duration,
    /// It was measured, not assumed.
    pub measured: bool,
}

impl Known {
    fn new(measured: Option<Written>, assumed: Duration) -> Self {
        match measured {
            Some(value) => Self { value: value.into(), measured: true },
            None => Self { value: assumed, measured: false },
        }
    }
}

/// Durations of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceDurations {
    /// To be activated.
    pub start: Known,
    /// To be deactivated.
    pub stop: Known,
    /// From its activation on another server to the first client there.
    pub route: Known,
}

/// All durations of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations {
    /// Of each resource.
    pub resources: BTreeMap<ResourceName, ResourceDurations>,
    /// From power on to the agent's start.
    pub boot: Known,
    /// How long systemd takes to start an agent or keeper again.
    pub unit_restart: Known,
    /// From a request to the confirmation, by method of fencing.
    pub fencing: BTreeMap<String, Known>,
}

/// The longest that a server's services may outlive the start of its lease.
pub(super) fn self_fence(model: &Model) -> Duration {
    let cluster = &model.cluster;
    let timing = &cluster.timing;
    match cluster.watchdog.mode {
        // Simulated machines have no device: where none is required they do without.
        WatchdogMode::Off | WatchdogMode::Automatic => timing.self_fence,
        WatchdogMode::Required => {
            watchdog_self_fence(timing.lease, cluster.watchdog.seconds).max(timing.self_fence)
        }
    }
}

/// How long a lost server is waited for.
pub(super) fn takeover_wait(model: &Model) -> Duration {
    model.cluster.timing.takeover_wait(self_fence(model))
}

/// How long nothing may be heard of a takeover that comes: the wait, and each server's turn to
/// fence.
pub(super) fn patience(model: &Model) -> Duration {
    let turns = u32::try_from(model.cluster.servers.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let race = model.cluster.fencing.as_ref().map(|fencing| Duration::from(fencing.race_delay));
    takeover_wait(model) + race.unwrap_or_default() * turns
}

impl Durations {
    /// Those of a model.
    #[must_use]
    pub fn new(model: &Model, measured: &Measured) -> Self {
        let mut resources = BTreeMap::new();
        for (name, resource) in model.groups.values().flat_map(|group| &group.resources) {
            let assumed = assumed(&resource.spec);
            let found = measured.resources.get(name.as_str()).cloned().unwrap_or_default();
            let durations = ResourceDurations {
                start: Known::new(found.start, assumed.start),
                stop: Known::new(found.stop, assumed.stop),
                route: Known::new(found.route, assumed.route),
            };
            resources.insert(name.clone(), durations);
        }
        let methods = model.cluster.fencing.iter().flat_map(|fencing| fencing.methods());
        let fencing = methods.map(|method| {
            let found = measured.fencing.get(&method.name).copied();
            // What takes longer than it may would never confirm: nobody configures that.
            let assumed = FENCE.min(Duration::from(method.timeout) / 2);
            (method.name.clone(), Known::new(found, assumed))
        });
        Self {
            resources,
            fencing: fencing.collect(),
            boot: Known::new(measured.boot, BOOT),
            unit_restart: Known::new(measured.unit_restart, UNIT_RESTART),
        }
    }

    pub(super) fn pace(&self, model: &Model) -> Pace {
        let work = |d: &ResourceDurations| Work { start: d.start.value, stop: d.stop.value };
        Pace {
            resources: self.resources.iter().map(|(name, d)| (name.clone(), work(d))).collect(),
            checks: model.monitors.keys().map(|name| (name.clone(), CHECK)).collect(),
            boot: self.boot.value,
            shutdown: SHUTDOWN,
            arbiter: ARBITER,
            kill: KILL,
            fences: self.fencing.iter().map(|(name, d)| (name.clone(), d.value)).collect(),
        }
    }
}
