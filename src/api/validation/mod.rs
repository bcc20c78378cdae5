//! What must hold for an object and between objects.
//!
//! Every rule says what was found, where, and what would be right; sums are shown with their terms.
//! An object that is wrong in itself takes part in the rules between objects as far as it can be
//! read, so that one run shows everything.

mod arbitration;
mod aws;
mod cluster;
mod fencing;
mod groups;
mod metadata;
mod monitors;
mod operations;
mod platform;
mod resources;
mod timeouts;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use metadata::check_metadata;

use super::kinds::{ClusterSpec, FailoverGroupSpec, MonitorSpec, OperationSpec, ResourceSpec};
use super::problem::{Problem, suggestion};
use super::schema;

/// Everything that is wrong with a whole cluster's objects, each alone and between them. Objects
/// may leave out what has a default.
#[must_use]
pub fn validate(objects: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for object in objects {
        problems.extend(check_one(object));
    }
    // Where the form is wrong already, the rules between objects add only noise.
    let places: BTreeSet<(String, String, String)> = problems.iter().map(place).collect();
    let related = validate_relations(objects);
    problems.extend(related.into_iter().filter(|problem| !places.contains(&place(problem))));
    problems
}

/// What is wrong with an object that is to be stored: with its form, with what it changes that may
/// not change, and between it and all others. What was wrong with others before stays unsaid.
#[must_use]
pub fn validate_write(stored: &[Value], new: &Value) -> Vec<Problem> {
    let kind = new["kind"].as_str().unwrap_or_default();
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    let same = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let mut problems = check_one(new);
    if let Some(old) = stored.iter().find(same) {
        problems.extend(validate_update(old, new));
    }
    let mut after: Vec<Value> = stored.iter().filter(|object| !same(object)).cloned().collect();
    after.push(new.clone());
    let places: BTreeSet<(String, String, String)> = problems.iter().map(place).collect();
    let mut related = validate_relations(&after);
    let own = |problem: &Problem| problem.kind == kind && problem.name == name;
    if !related.iter().all(own) {
        let before = validate_relations(stored);
        related.retain(|problem| own(problem) || !before.contains(problem));
    }
    problems.extend(related.into_iter().filter(|problem| !places.contains(&place(problem))));
    problems
}

/// What may not change from the stored object to its new form.
#[must_use]
pub fn validate_update(old: &Value, new: &Value) -> Vec<Problem> {
    let kind = new["kind"].as_str().unwrap_or_default();
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    schema::check_update(kind, old, new).into_iter().map(|problem| problem.of(kind, name)).collect()
}

/// What is wrong between objects.
#[must_use]
pub fn validate_relations(objects: &[Value]) -> Vec<Problem> {
    let set = Set::new(objects);
    let mut problems = Vec::new();
    cluster::check(&set, &mut problems);
    groups::check(&set, &mut problems);
    resources::check(&set, &mut problems);
    monitors::check(&set, &mut problems);
    operations::check(&set, &mut problems);
    platform::check(&set, &mut problems);
    timeouts::check(&set, &mut problems);
    problems
}

fn check_one(object: &Value) -> Vec<Problem> {
    let mut problems = schema::check(object["kind"].as_str().unwrap_or_default(), object);
    problems.extend(check_metadata(object));
    problems
}

fn place(problem: &Problem) -> (String, String, String) {
    (problem.kind.clone(), problem.name.clone(), problem.field.clone())
}

/// All objects, as far as they can be read.
struct Set {
    /// Names of all Clusters.
    clusters: Vec<String>,
    /// The first Cluster.
    cluster: Option<ClusterSpec>,
    /// Names of all servers.
    servers: BTreeSet<String>,
    groups: Kind<FailoverGroupSpec>,
    resources: Kind<ResourceSpec>,
    monitors: Kind<MonitorSpec>,
    /// Operations that are not begun.
    operations: Kind<OperationSpec>,
    /// Server objects.
    server_objects: BTreeSet<String>,
    /// Resources of each group.
    members: BTreeMap<String, Vec<String>>,
}

/// Objects of one kind.
struct Kind<Spec> {
    /// All names, also of objects that can't be read.
    names: BTreeSet<String>,
    /// What can be read.
    specs: BTreeMap<String, Spec>,
}

impl<Spec: DeserializeOwned> Kind<Spec> {
    fn new(kind: &str, objects: &[Value], wanted: impl Fn(&Value) -> bool) -> Self {
        let mut all = Self { names: BTreeSet::new(), specs: BTreeMap::new() };
        for object in objects.iter().filter(|object| object["kind"] == kind && wanted(object)) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if let Some(spec) = read(kind, object) {
                all.specs.insert(name.clone(), spec);
            }
            all.names.insert(name);
        }
        all
    }
}

/// The spec of an object with its defaults, where it can be read.
#[must_use]
pub fn read<Spec: DeserializeOwned>(kind: &str, object: &Value) -> Option<Spec> {
    // Most objects are right: only what is not read as it is gets pruned.
    if let Ok(spec) = Spec::deserialize(&object["spec"]) {
        return Some(spec);
    }
    let mut object = object.clone();
    schema::prune(kind, &mut object);
    schema::apply_defaults(kind, &mut object);
    serde_json::from_value(object["spec"].take()).ok()
}

impl Set {
    fn new(objects: &[Value]) -> Self {
        let any = |_: &Value| true;
        let clusters: Kind<ClusterSpec> = Kind::new("Cluster", objects, any);
        let names: Vec<String> = clusters.names.iter().cloned().collect();
        let cluster = clusters.specs.into_values().next();
        let servers = cluster.iter().flat_map(|spec| &spec.servers);
        let resources: Kind<ResourceSpec> = Kind::new("Resource", objects, any);
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, spec) in &resources.specs {
            members.entry(spec.group.clone()).or_default().push(name.clone());
        }
        Self {
            clusters: names,
            servers: servers.map(|server| server.name.clone()).collect(),
            cluster,
            groups: Kind::new("FailoverGroup", objects, any),
            resources,
            monitors: Kind::new("Monitor", objects, any),
            operations: Kind::new("Operation", objects, |object| {
                let state = &object["status"]["state"];
                state.is_null() || state == "Pending"
            }),
            server_objects: Kind::<Value>::new("Server", objects, any).names,
            members,
        }
    }

    /// Servers of a resource's group.
    fn servers_of(&self, resource: &ResourceSpec) -> &[String] {
        self.groups.specs.get(&resource.group).map_or(&[], |group| &group.servers)
    }

    /// Reports a server that the cluster does not have. Says nothing where there is no Cluster to
    /// be read: that is reported already.
    fn check_server(&self, name: &str, field: String) -> Option<Problem> {
        if self.cluster.is_none() || self.servers.contains(name) {
            return None;
        }
        Some(unknown("UnknownServer", "server", name, field, &self.servers))
    }
}

/// A name that nothing has.
fn unknown(code: &str, what: &str, name: &str, field: String, known: &BTreeSet<String>) -> Problem {
    let hint = suggestion(name, known.iter().map(String::as_str));
    Problem::error(code, field, format!("is no {what} of this cluster{hint}")).found(&name.into())
}

/// Positions of names that stood in the list before.
fn repeated(names: &[String]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    names.iter().enumerate().filter(|(_, name)| !seen.insert(*name)).map(|(at, _)| at).collect()
}

/// Names that stand in a list twice.
fn check_repeated(names: &[String], field: &str) -> Vec<Problem> {
    repeated(names)
        .into_iter()
        .map(|at| {
            let message = "stands there twice: each may be listed once";
            Problem::error("DuplicateEntry", format!("{field}[{at}]"), message)
                .found(&names[at].as_str().into())
        })
        .collect()
}

#[cfg(test)]
mod tests;
