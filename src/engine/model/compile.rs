//! From stored objects to the model: defaults filled in, references resolved, automatic monitors
//! added.
//!
//! Objects are validated before they are stored, so what is still wrong here is what came in
//! between (a group is gone, its resource not yet): such an object is left out, never guessed at.
//! Only what makes the whole spec unusable is an error. Linear in the number of objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    Arbiter, ClusterModel, GroupModel, Model, MonitorModel, ObjectKey, Objects, ResourceModel,
    StoredObject, WatchdogPlan,
};
use crate::api::arbitration::{Combination, Safety};
use crate::api::kinds::{
    ClusterSpec, FailoverGroupSpec, MonitorSpec, MonitorTiming, RecoveryTargetKind, ResourceSpec,
    ResourceType, ServerRole,
};
use crate::api::names::{GroupName, MonitorName, PathName, ResourceName, ServerName};
use crate::api::timing::Timing;
use crate::api::types::automatic_monitor_specs;

/// Why the stored objects make no model.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// There is no Cluster.
    #[error("the store holds no Cluster: apply one")]
    NoCluster,
    /// There is more than one.
    #[error("the store holds two Clusters, {one} and {two}: delete one of them")]
    SeveralClusters {
        /// A Cluster.
        one: String,
        /// Another.
        two: String,
    },
    /// An object does not have the form of its kind.
    #[error("{kind}/{name} in the store does not have the form of its kind: {source}")]
    Malformed {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Resources depend on each other in a circle.
    #[error("resources of group {group} depend on each other in a circle: {}", circle.join(", "))]
    DependencyCycle {
        /// The group.
        group: GroupName,
        /// Resources that are on it or depend on one that is.
        circle: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Stored<Spec> {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// The objects that a model is made of.
pub fn spec_objects(objects: &Objects) -> impl Iterator<Item = (&ObjectKey, &StoredObject)> {
    let kinds = ["Cluster", "FailoverGroup", "Monitor", "Resource"];
    kinds.into_iter().flat_map(|kind| kind_range(objects, kind))
}

/// Makes the model of the stored objects. Its revision is that of the newest object.
///
/// # Errors
/// When there is not exactly one Cluster, an object is malformed, or dependencies are circular.
pub fn compile(objects: &Objects) -> Result<Model, CompileError> {
    let cluster = compile_cluster(objects)?;
    let mut groups = compile_groups(objects, &cluster)?;
    let mut resource_groups: BTreeMap<ResourceName, GroupName> = BTreeMap::new();
    let mut automatic: BTreeMap<MonitorName, (MonitorSpec, i64)> = BTreeMap::new();
    for (name, stored) in of_kind::<ResourceSpec>(objects, "Resource") {
        let stored = stored?;
        let group = GroupName::from(stored.spec.group.as_str());
        let Some(model) = groups.get_mut(&group) else { continue };
        for (monitor, spec) in automatic_monitor_specs(name, &stored.spec) {
            automatic.insert(monitor.into(), (spec, stored.metadata.generation));
        }
        let name = ResourceName::from(name);
        resource_groups.insert(name.clone(), group);
        model.resources.insert(name, resource_model(stored));
    }
    for (name, group) in &mut groups {
        resolve_dependencies(group);
        refuse_circles(name, group)?;
    }
    for (name, stored) in of_kind::<MonitorSpec>(objects, "Monitor") {
        let stored = stored?;
        automatic.insert(name.into(), (stored.spec, stored.metadata.generation));
    }
    let monitors = automatic
        .into_iter()
        .map(|(name, (spec, generation))| {
            (name, monitor_model(spec, generation, &cluster, &groups, &resource_groups))
        })
        .collect();
    let revision = objects.values().map(|object| object.revision).max().unwrap_or_default();
    Ok(Model { revision, cluster, groups, monitors })
}

fn kind_range<'a, 'b>(
    objects: &'a Objects,
    kind: &'b str,
) -> impl Iterator<Item = (&'a ObjectKey, &'a StoredObject)> + use<'a, 'b> {
    objects.range(ObjectKey::new(kind, "")..).take_while(move |(key, _)| key.kind == kind)
}

fn of_kind<'a, Spec: DeserializeOwned>(
    objects: &'a Objects,
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, Result<Stored<Spec>, CompileError>)> {
    kind_range(objects, kind).map(|(key, object)| {
        let parsed = serde_json::from_str(&object.json).map_err(|source| CompileError::Malformed {
            kind: key.kind.clone(),
            name: key.name.clone(),
            source,
        });
        (key.name.as_str(), parsed)
    })
}

fn compile_cluster(objects: &Objects) -> Result<ClusterModel, CompileError> {
    let mut clusters = of_kind::<ClusterSpec>(objects, "Cluster");
    let (name, stored) = clusters.next().ok_or(CompileError::NoCluster)?;
    if let Some((two, _)) = clusters.next() {
        return Err(CompileError::SeveralClusters { one: name.to_owned(), two: two.to_owned() });
    }
    let Stored { metadata, spec } = stored?;
    let paths = cluster_paths(&spec);
    let arbiters = Combination::of(&spec.arbitration);
    let timeout = spec.heartbeat.timeout.into();
    let timing = Timing::derive(timeout, arbiters.budget(timeout));
    Ok(ClusterModel {
        name: name.to_owned(),
        servers: spec.servers.iter().map(|server| server.name.as_str().into()).collect(),
        paths,
        timing,
        arbiter: arbiter(&arbiters),
        safety: Safety::of(&spec),
        arbiter_budget: arbiters.budget(timeout),
        witnesses: witnesses(&spec),
        fencing: spec.fencing.map(Arc::new),
        on_partition: spec.arbitration.on_partition,
        pause_max: spec.heartbeat.pause_max.into(),
        on_dual_activation: spec.arbitration.on_dual_activation,
        on_missed_changes: spec.arbitration.on_missed_changes,
        watchdog: WatchdogPlan {
            mode: spec.watchdog.mode,
            seconds: spec.watchdog.seconds(timeout),
        },
        wait_for_servers: spec.startup.wait_for_servers.into(),
        return_policy: spec.return_policy,
        final_actions_max: spec.guards.final_actions_max,
        final_action_window: spec.guards.final_action_window.into(),
        failovers_max: spec.guards.failovers_max,
        failover_window: spec.guards.failover_window.into(),
        generation: metadata.generation,
    })
}

/// The paths as written, or else all that the addresses name, by name.
fn cluster_paths(spec: &ClusterSpec) -> Vec<PathName> {
    if !spec.heartbeat.paths.is_empty() {
        return spec.heartbeat.paths.iter().map(|path| path.as_str().into()).collect();
    }
    let named: std::collections::BTreeSet<&str> = spec
        .servers
        .iter()
        .flat_map(|server| server.addresses.keys().map(String::as_str))
        .collect();
    named.into_iter().map(PathName::from).collect()
}

fn witnesses(spec: &ClusterSpec) -> BTreeSet<ServerName> {
    let witnesses = spec.servers.iter().filter(|server| server.role == ServerRole::Witness);
    witnesses.map(|server| server.name.as_str().into()).collect()
}

fn arbiter(arbiters: &Combination) -> Arbiter {
    let outside = arbiters.outside().next().is_some();
    match (arbiters.majority(), outside) {
        (true, false) => Arbiter::Majority,
        (true, true) => Arbiter::MajorityAndExternal,
        (false, true) => Arbiter::External { exclusive: arbiters.exclusive() },
        (false, false) => Arbiter::None,
    }
}

fn compile_groups(
    objects: &Objects,
    cluster: &ClusterModel,
) -> Result<BTreeMap<GroupName, GroupModel>, CompileError> {
    of_kind::<FailoverGroupSpec>(objects, "FailoverGroup")
        .map(|(name, stored)| {
            let Stored { metadata, spec } = stored?;
            let servers = known_servers(&spec.servers, cluster);
            let group = GroupModel {
                servers,
                startup: spec.startup,
                failover: spec.failover,
                failback: spec.failback,
                apply_changes: spec.apply_changes,
                resources: BTreeMap::new(),
                deleting: metadata.deletion_timestamp.is_some(),
                generation: metadata.generation,
            };
            Ok((name.into(), group))
        })
        .collect()
}

fn known_servers(names: &[String], cluster: &ClusterModel) -> Vec<ServerName> {
    names
        .iter()
        .map(|name| ServerName::from(name.as_str()))
        .filter(|name| cluster.servers.contains(name) && !cluster.witnesses.contains(name))
        .collect()
}

/// The servers that are no witnesses.
fn runners(cluster: &ClusterModel) -> Vec<ServerName> {
    let runs = |name: &&ServerName| !cluster.witnesses.contains(*name);
    cluster.servers.iter().filter(runs).cloned().collect()
}

fn resource_model(stored: Stored<ResourceSpec>) -> ResourceModel {
    let Stored { metadata, spec } = stored;
    let depends_on = spec.depends_on.iter().flatten().map(|name| name.as_str().into()).collect();
    ResourceModel {
        spec: Arc::new(spec),
        depends_on,
        deleting: metadata.deletion_timestamp.is_some(),
        generation: metadata.generation,
    }
}

/// Adds what a probe port implies (it opens last and closes first) and drops what is not there.
fn resolve_dependencies(group: &mut GroupModel) {
    let names: std::collections::BTreeSet<ResourceName> = group.resources.keys().cloned().collect();
    let others: Vec<ResourceName> = group
        .resources
        .iter()
        .filter(|(_, resource)| resource.spec.type_ != ResourceType::ProbePort)
        .map(|(name, _)| name.clone())
        .collect();
    // A resource that waits for a probe port is not waited for by that probe port.
    let waiting = |group: &GroupModel, probe: &ResourceName| -> Vec<ResourceName> {
        let mut waiting = std::collections::BTreeSet::from([probe.clone()]);
        loop {
            let before = waiting.len();
            for (name, resource) in &group.resources {
                if resource.depends_on.iter().any(|on| waiting.contains(on)) {
                    waiting.insert(name.clone());
                }
            }
            if waiting.len() == before {
                break;
            }
        }
        others.iter().filter(|name| !waiting.contains(*name)).cloned().collect()
    };
    let implied: Vec<(ResourceName, Vec<ResourceName>)> = group
        .resources
        .iter()
        .filter(|(_, resource)| {
            resource.spec.type_ == ResourceType::ProbePort && resource.spec.depends_on.is_none()
        })
        .map(|(name, _)| (name.clone(), waiting(group, name)))
        .collect();
    for (name, depends_on) in implied {
        if let Some(resource) = group.resources.get_mut(&name) {
            resource.depends_on = depends_on;
        }
    }
    for resource in group.resources.values_mut() {
        resource.depends_on.retain(|name| names.contains(name));
    }
}

/// Takes away what depends on nothing, again and again; what remains is on a circle or behind one.
fn refuse_circles(name: &GroupName, group: &GroupModel) -> Result<(), CompileError> {
    let mut waiting: BTreeMap<&ResourceName, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&ResourceName, Vec<&ResourceName>> = BTreeMap::new();
    for (resource, model) in &group.resources {
        waiting.insert(resource, model.depends_on.len());
        for on in &model.depends_on {
            dependents.entry(on).or_default().push(resource);
        }
    }
    let mut free: Vec<&ResourceName> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(resource) = free.pop() {
        waiting.remove(resource);
        for dependent in dependents.get(resource).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*dependent) {
                *count -= 1;
                if *count == 0 {
                    free.push(dependent);
                }
            }
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let circle = waiting.keys().map(ToString::to_string).collect();
    Err(CompileError::DependencyCycle { group: name.clone(), circle })
}

fn monitor_model(
    spec: MonitorSpec,
    generation: i64,
    cluster: &ClusterModel,
    groups: &BTreeMap<GroupName, GroupModel>,
    resource_groups: &BTreeMap<ResourceName, GroupName>,
) -> MonitorModel {
    let while_inactive: Option<ResourceName> =
        spec.load_balance.as_ref().map(|balance| balance.resource.as_str().into());
    let while_active = match spec.timing {
        MonitorTiming::Always => None,
        MonitorTiming::WhileActive => {
            spec.while_active.as_deref().or_else(|| spec.subject()).map(ResourceName::from)
        }
    };
    let (target_group, target_resource) =
        match (spec.recovery.target.kind, &spec.recovery.target.name) {
            (RecoveryTargetKind::Resource, Some(name)) => {
                let resource = ResourceName::from(name.as_str());
                match resource_groups.get(&resource) {
                    Some(group) => (Some(group.clone()), Some(resource)),
                    None => (None, None),
                }
            }
            (RecoveryTargetKind::Group, Some(name)) => (
                Some(GroupName::from(name.as_str())).filter(|name| groups.contains_key(name)),
                None,
            ),
            (RecoveryTargetKind::Resource | RecoveryTargetKind::Group, None)
            | (RecoveryTargetKind::AllGroups | RecoveryTargetKind::LocalServer, _) => (None, None),
        };
    let servers = match &spec.servers {
        Some(servers) => known_servers(servers, cluster),
        // The port is the resource's only on the servers of its group.
        None => while_inactive
            .as_ref()
            .and_then(|resource| groups.get(resource_groups.get(resource)?))
            .map_or_else(|| runners(cluster), |group| group.servers.clone()),
    };
    MonitorModel {
        servers,
        while_active,
        while_inactive,
        target_group,
        target_resource,
        generation,
        spec: Arc::new(spec),
    }
}
