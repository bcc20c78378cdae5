//! Deleting objects.
//!
//! What runs something goes in two steps: the request is recorded in the object, the cluster
//! deactivates what it runs and takes its finalizer off. What is protected stays while active.

use serde::Deserialize;
use serde_json::Value;

use super::super::failure::{self, Failure};
use super::super::kinds::Kind;
use super::super::storage::{Served, Storage};
use super::change::now;
use super::{Outcome, Plan, Writes};

/// The body of a deletion, as far as it means something here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct DeleteOptions {
    dry_run: Option<Vec<String>>,
    preconditions: Option<Preconditions>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Writes {
    /// Deletes an object.
    pub(in super::super) async fn delete(
        &self,
        kind: &Kind,
        name: &str,
        options: &DeleteOptions,
        dry_run: bool,
    ) -> Result<Outcome, Failure> {
        let dry_run = dry_run || options.dry_run.iter().flatten().any(|what| what == "All");
        let storage = &self.storage;
        self.make(kind, name, dry_run, |served, _| {
            let served = served.ok_or_else(|| Failure::not_found(kind, name))?;
            let object = served.value();
            check_preconditions(kind, name, &object, options)?;
            check_automatic(kind, name, served)?;
            if let Some(reason) = protection(storage, kind, &object) {
                return Err(Failure::forbidden(kind, name, reason));
            }
            Ok(plan(kind, name, object))
        })
        .await
    }
}

fn plan(kind: &Kind, name: &str, mut object: Value) -> Plan {
    let metadata = &mut object["metadata"];
    if metadata["finalizers"].as_array().is_none_or(Vec::is_empty) {
        return Plan::Remove { answer: failure::success(kind, name, &metadata["uid"]) };
    }
    if !metadata["deletionTimestamp"].is_null() {
        return Plan::Keep { code: http::StatusCode::OK };
    }
    metadata["deletionTimestamp"] = now().into();
    metadata["deletionGracePeriodSeconds"] = 0.into();
    let generation = metadata["generation"].as_i64().unwrap_or(0) + 1;
    metadata["generation"] = generation.into();
    let old = object.clone();
    super::super::prepare::keep_status(kind, &old, &mut object);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    Plan::Store { object, code: http::StatusCode::OK }
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    object: &Value,
    options: &DeleteOptions,
) -> Result<(), Failure> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    let pairs = [
        ("UID", "uid", &wanted.uid),
        ("ResourceVersion", "resourceVersion", &wanted.resource_version),
    ];
    for (title, field, wanted) in pairs {
        let is = object["metadata"][field].as_str().unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != is) {
            let why = format!(
                "Precondition failed: {title} in precondition: {wanted}, {title} in object meta: \
                 {is}"
            );
            return Err(Failure::conflict(kind, name, &why));
        }
    }
    Ok(())
}

/// What the cluster made itself goes with what it was made for.
fn check_automatic(kind: &Kind, name: &str, served: &Served) -> Result<(), Failure> {
    if served.stored.is_some() {
        return Ok(());
    }
    let why = "the cluster made it for a resource and it goes with that; apply a Monitor of the \
               same name to put your own in its place, with `suspended: true` to switch it off";
    Err(Failure::forbidden(kind, name, why))
}

/// Why an object may not be deleted now, if so.
fn protection(storage: &Storage, kind: &Kind, object: &Value) -> Option<String> {
    if object["spec"]["deletionPolicy"].as_str().is_some_and(|policy| policy != "Protect")
        || !object["metadata"]["deletionTimestamp"].is_null()
    {
        return None;
    }
    let way_out = "or set spec.deletionPolicy to Delete, which deactivates it first";
    match kind.kind.as_str() {
        "FailoverGroup" => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let state = activity(object)?;
            Some(format!(
                "it is {state} and its deletionPolicy is Protect: stop it first (stead group stop \
                 {name}), {way_out}"
            ))
        }
        "Cluster" => {
            let active: Vec<String> = storage
                .list("FailoverGroup", None)
                .items
                .into_iter()
                .filter_map(|(name, served)| {
                    Some(format!("{name} is {}", activity(&served.value())?))
                })
                .collect();
            (!active.is_empty()).then(|| {
                format!(
                    "its deletionPolicy is Protect and not every group is Offline ({}): stop them \
                     first, {way_out}",
                    active.join(", ")
                )
            })
        }
        _ => None,
    }
}

/// The state of a group that is not certainly active nowhere.
fn activity(group: &Value) -> Option<String> {
    match group["status"]["state"].as_str() {
        Some("Offline") => None,
        Some(state) => Some(match group["status"]["server"].as_str() {
            Some(server) if !server.is_empty() => format!("{state} on {server}"),
            Some(_) | None => state.to_owned(),
        }),
        None => Some("Unknown".to_owned()),
    }
}
