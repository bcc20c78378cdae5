//! Patching objects: merge patch, JSON patch and server-side apply.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::super::apply::{self, Managers, Operation};
use super::super::body::{self, Media, Parsed};
use super::super::failure::Failure;
use super::super::kinds::Kind;
use super::super::prepare;
use super::super::storage::Served;
use super::change::{changed, new, now, settle};
use super::{Options, Outcome, Plan, Writes};

/// The forms of patches that are taken.
const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json, \
                        application/apply-patch+yaml";
/// Steps of one JSON patch, as in Kubernetes.
const STEPS_MAX: usize = 10_000;

impl Writes {
    /// Patches an object.
    pub(in super::super) async fn patch(
        &self,
        kind: &Kind,
        name: &str,
        media: Media,
        bytes: &Bytes,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        match media {
            Media::ApplyPatch => self.apply(kind, name, bytes, options).await,
            Media::MergePatch => {
                let patch = body::json(bytes)?;
                let merged = |mut object: Value| {
                    json_patch::merge(&mut object, &patch.value);
                    Ok(object)
                };
                self.patch_with(kind, name, options, &patch.duplicates, merged).await
            }
            Media::JsonPatch => {
                let patch = body::json(bytes)?.value;
                if patch.as_array().is_some_and(|steps| steps.len() > STEPS_MAX) {
                    return Err(Failure::too_large(STEPS_MAX));
                }
                let patch: json_patch::Patch = serde_json::from_value(patch).map_err(|error| {
                    Failure::bad_request(format!("the body is not a JSON patch: {error}"))
                })?;
                let patched = |mut object: Value| {
                    json_patch::patch(&mut object, &patch).map_err(|error| {
                        Failure::unprocessable(format!(
                            "the server rejected our request due to an error in our request: \
                             {error}"
                        ))
                    })?;
                    Ok(object)
                };
                self.patch_with(kind, name, options, &[], patched).await
            }
            Media::Json | Media::Yaml | Media::Protobuf | Media::Other => {
                Err(Failure::unsupported_media_type(ACCEPTED))
            }
        }
    }

    async fn patch_with(
        &self,
        kind: &Kind,
        name: &str,
        options: &Options,
        duplicates: &[String],
        patch: impl Fn(Value) -> Result<Value, Failure> + Sync,
    ) -> Result<Outcome, Failure> {
        self.make(kind, name, options.dry_run, |served, warnings| {
            let served = served.ok_or_else(|| Failure::not_found(kind, name))?;
            let value = patch(served.value())?;
            prepare::check_type(kind, &value)?;
            let mut parsed = Parsed { value, duplicates: duplicates.to_vec() };
            prepare::set_namespace(kind, &mut parsed.value)?;
            prepare::settle_fields(kind, &mut parsed, options.validation, warnings)?;
            changed(kind, name, served, parsed.value, &options.manager, warnings)
        })
        .await
    }

    async fn apply(
        &self,
        kind: &Kind,
        name: &str,
        bytes: &Bytes,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        if !options.manager_named {
            return Err(Failure::bad_request("fieldManager is required for apply patch"));
        }
        let mut parsed = body::yaml(bytes)?;
        prepare::check_type(kind, &parsed.value)?;
        prepare::set_namespace(kind, &mut parsed.value)?;
        let metadata = &parsed.value["metadata"];
        if !metadata["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let named = metadata["name"].as_str().unwrap_or(name);
        if named != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        let mut noted = Vec::new();
        prepare::settle_fields(kind, &mut parsed, options.validation, &mut noted)?;
        self.make(kind, name, options.dry_run, |served, warnings| {
            warnings.extend(noted.iter().cloned());
            match served {
                Some(served) => apply_to(kind, name, served, &parsed.value, options, warnings),
                None => Ok(apply_new(kind, name, &parsed.value, options)),
            }
        })
        .await
    }
}

fn apply_to(
    kind: &Kind,
    name: &str,
    served: &Served,
    configuration: &Value,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Plan, Failure> {
    let version = configuration["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != served.version.to_string() {
        return Err(Failure::modified(kind, name));
    }
    let old = served.value();
    let managers = Managers::of(&old);
    let applied =
        apply::apply(&old, &managers, configuration, &kind.schema, &options.manager, options.force)
            .map_err(|conflicts| Failure::apply_conflict(&conflicts))?;
    let writer = (options.manager.as_str(), Operation::Apply);
    settle(kind, &old, applied.object, applied.managers, writer, warnings)
}

fn apply_new(kind: &Kind, name: &str, configuration: &Value, options: &Options) -> Plan {
    let plan = new(kind, configuration.clone(), name, &options.manager);
    let Plan::Store { mut object, code: _ } = plan else { return plan };
    let mut managers = Managers::default();
    managers.apply_all(&options.manager, configuration, &kind.schema);
    managers.write(&mut object, &Managers::default(), &kind.api_version(), &now());
    Plan::Store { object, code: StatusCode::CREATED }
}
