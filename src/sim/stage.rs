//! What a world is made of: the cluster that its options draw, or somebody's own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::options::Options;
use super::setup;
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};
use crate::engine::model::Objects;

/// Servers, paths and what is stored on each of them.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The servers; `Options::servers` is their number.
    pub servers: Vec<ServerName>,
    /// The paths; `Options::paths` is their number.
    pub paths: Vec<PathName>,
    /// The store at revision 1.
    pub objects: Objects,
    /// The groups with their resources.
    pub groups: BTreeMap<GroupName, Vec<ResourceName>>,
}

impl Stage {
    /// What the options draw.
    #[must_use]
    pub fn drawn(options: &Options) -> Self {
        let resources = |group| {
            (0..setup::resources(options)).map(move |r| setup::resource_name(group, r).into())
        };
        let group = |group| (setup::group_name(group).into(), resources(group).collect());
        Self {
            servers: (0..options.servers).map(|i| setup::server_name(i).into()).collect(),
            paths: (0..options.paths).map(|i| setup::path_name(i).into()).collect(),
            objects: setup::objects(options),
            groups: (0..options.groups).map(group).collect(),
        }
    }
}

/// How long things take, where that is prescribed instead of drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Activations and deactivations.
    pub resources: BTreeMap<ResourceName, Work>,
    /// Checks.
    pub checks: BTreeMap<MonitorName, Duration>,
    /// From power on to the agent's start.
    pub boot: Duration,
    /// From the order to end a machine to its end.
    pub shutdown: Duration,
    /// One way to the arbiter.
    pub arbiter: Duration,
    /// How long the keeper takes to end every service.
    pub kill: Duration,
    /// From a request to switch a server off to the answer, by method of fencing.
    pub fences: BTreeMap<String, Duration>,
}

/// How long a resource takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// To be activated.
    pub start: Duration,
    /// To be deactivated.
    pub stop: Duration,
}
