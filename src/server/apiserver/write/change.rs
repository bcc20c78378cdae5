//! Creating and replacing objects.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::apply::{Managers, Operation};
use super::super::body::Parsed;
use super::super::failure::{self, Failure};
use super::super::kinds::Kind;
use super::super::prepare;
use super::super::storage::Served;
use super::{Options, Outcome, Plan, Writes};

/// How often another name is drawn for `generateName`.
const NAMES_MAX: usize = 4;

impl Writes {
    /// Creates an object.
    pub(in super::super) async fn create(
        &self,
        kind: &Kind,
        mut parsed: Parsed,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        prepare::check_type(kind, &parsed.value)?;
        prepare::set_namespace(kind, &mut parsed.value)?;
        if !parsed.value["metadata"]["resourceVersion"].is_null() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Failure::bad_request(message));
        }
        let mut noted = Vec::new();
        prepare::settle_fields(kind, &mut parsed, options.validation, &mut noted)?;
        let generated = parsed.value["metadata"]["name"].as_str().unwrap_or_default().is_empty();
        let mut tries = if generated { NAMES_MAX } else { 1 };
        loop {
            let name = prepare::name(&parsed.value)?;
            tries -= 1;
            let made = self
                .make(kind, &name, options.dry_run, |served, warnings| {
                    if served.is_some_and(|served| served.stored.is_some()) {
                        return Err(Failure::already_exists(kind, &name));
                    }
                    warnings.extend(noted.iter().cloned());
                    Ok(new(kind, parsed.value.clone(), &name, &options.manager))
                })
                .await;
            match made {
                Err(error) if error.code == StatusCode::CONFLICT && tries > 0 => {}
                made => return made,
            }
        }
    }

    /// Replaces an object.
    pub(in super::super) async fn replace(
        &self,
        kind: &Kind,
        name: &str,
        mut parsed: Parsed,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        prepare::check_type(kind, &parsed.value)?;
        prepare::set_namespace(kind, &mut parsed.value)?;
        let mut noted = Vec::new();
        prepare::settle_fields(kind, &mut parsed, options.validation, &mut noted)?;
        self.make(kind, name, options.dry_run, |served, warnings| {
            let served = served.ok_or_else(|| Failure::not_found(kind, name))?;
            warnings.extend(noted.iter().cloned());
            let object = parsed.value.clone();
            if object["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
                return Err(version_missing(kind, name));
            }
            changed(kind, name, served, object, &options.manager, warnings)
        })
        .await
    }
}

fn version_missing(kind: &Kind, name: &str) -> Failure {
    let problem = crate::api::problem::Problem::error(
        "VersionMissing",
        "metadata.resourceVersion",
        "must be specified for an update",
    );
    Failure::invalid(kind, name, &[problem])
}

/// A new object as it is stored.
pub(super) fn new(kind: &Kind, mut object: Value, name: &str, manager: &str) -> Plan {
    let now = now();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    prepare::settle_new(kind, &mut object, name, &now);
    let mut managers = Managers::default();
    managers.update(manager, None, &object, &kind.schema);
    managers.write(&mut object, &Managers::default(), &kind.api_version(), &now);
    Plan::Store { object, code: StatusCode::CREATED }
}

/// A changed object as it is stored, in the name of a manager that did not apply.
pub(super) fn changed(
    kind: &Kind,
    name: &str,
    served: &Served,
    object: Value,
    manager: &str,
    warnings: &mut Vec<String>,
) -> Result<Plan, Failure> {
    check_identity(kind, name, served, &object)?;
    let old = served.value();
    // Managers are changed by hand only where an older way of applying is left behind.
    let managers = if object["metadata"]["managedFields"] == old["metadata"]["managedFields"]
        || object["metadata"]["managedFields"].is_null()
    {
        Managers::of(&old)
    } else {
        Managers::of(&object)
    };
    settle(kind, &old, object, managers, (manager, Operation::Update), warnings)
}

/// Refuses what is meant for another object, or for an earlier version of this one.
fn check_identity(kind: &Kind, name: &str, served: &Served, object: &Value) -> Result<(), Failure> {
    let metadata = &object["metadata"];
    let named = metadata["name"].as_str().unwrap_or_default();
    if named != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != served.version.to_string() {
        return Err(Failure::modified(kind, name));
    }
    let old = served.value();
    let uid = metadata["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && old["metadata"]["uid"] != uid {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            old["metadata"]["uid"].as_str().unwrap_or_default()
        );
        return Err(Failure::conflict(kind, name, &why));
    }
    Ok(())
}

/// Makes an object ready to be stored, unless it is what is stored already.
pub(super) fn settle(
    kind: &Kind,
    old: &Value,
    mut object: Value,
    mut managers: Managers,
    (manager, operation): (&str, Operation),
    warnings: &mut Vec<String>,
) -> Result<Plan, Failure> {
    prepare::settle_update(kind, old, &mut object, warnings);
    let before = Managers::of(old);
    if operation == Operation::Update {
        managers.update(manager, Some(old), &object, &kind.schema);
    }
    if same(old, &object) && managers == before {
        return Ok(Plan::Keep { code: StatusCode::OK });
    }
    let deleting = !object["metadata"]["deletionTimestamp"].is_null();
    if deleting && object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let answer = failure::success(kind, name, &object["metadata"]["uid"]);
        return Ok(Plan::Remove { answer });
    }
    managers.write(&mut object, &before, &kind.api_version(), &now());
    Ok(Plan::Store { object, code: StatusCode::OK })
}

/// Whether two objects differ at most in what is not stored, and in who manages them.
fn same(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            for field in ["labels", "annotations", "finalizers"] {
                let empty = json!({});
                if metadata.get(field).is_some_and(|value| value.is_null() || *value == empty) {
                    metadata.remove(field);
                }
            }
        }
        object
    };
    bare(old) == bare(new)
}

/// Now, as metadata has it.
pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
