//! Schemas of what every object has.

use serde_json::{Map, Value, json};

use super::Dialect;

/// Name of the schema of `metadata`.
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// Name of the schema of a list's `metadata`.
pub(super) const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// Name of the schema of answers without an object.
pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
/// Name of the schema of a deletion's body.
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
/// Name of the schema of a patch.
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// `apiVersion` and `kind`.
pub(super) fn type_properties() -> [(&'static str, Value); 2] {
    [
        ("apiVersion", json!({"type": "string", "description": "Group and version of the kind."})),
        ("kind", json!({"type": "string", "description": "The kind of object."})),
    ]
}

/// A reference with a description beside it, which v3 allows only around the reference.
pub(super) fn described(dialect: Dialect, name: &str, description: &str) -> Value {
    match dialect {
        Dialect::Two => {
            let mut reference = dialect.reference(name);
            reference["description"] = description.into();
            reference
        }
        Dialect::Three => json!({
            "description": description,
            "default": {},
            "allOf": [dialect.reference(name)],
        }),
    }
}

/// The schemas, by name.
pub(super) fn schemas(dialect: Dialect) -> Map<String, Value> {
    let prefix = OBJECT_META.trim_end_matches("ObjectMeta");
    let owner = format!("{prefix}OwnerReference");
    let managed = format!("{prefix}ManagedFieldsEntry");
    let mut schemas = Map::new();
    schemas.insert(OBJECT_META.into(), object_meta(dialect, &owner, &managed));
    schemas.insert(owner, owner_reference());
    schemas.insert(managed, managed_fields());
    schemas.insert(
        LIST_META.into(),
        json!({"type": "object", "properties": {
            "continue": text("Where the next page begins."),
            "remainingItemCount": {"type": "integer", "format": "int64"},
            "resourceVersion": text("The version at which the list was read."),
            "selfLink": text("Not used."),
        }}),
    );
    schemas.insert(
        STATUS.into(),
        json!({"type": "object", "description": "What became of a request.", "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "status": text("Success or Failure."),
            "message": text("What happened."),
            "reason": text("Why, for programs."),
            "details": {"type": "object"},
            "code": {"type": "integer", "format": "int32"},
        }}),
    );
    schemas.insert(
        DELETE_OPTIONS.into(),
        json!({"type": "object", "description": "How to delete.", "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "dryRun": {"type": "array", "items": {"type": "string"}},
            "gracePeriodSeconds": {"type": "integer", "format": "int64"},
            "orphanDependents": {"type": "boolean"},
            "propagationPolicy": {"type": "string"},
            "preconditions": {"type": "object", "properties": {
                "uid": {"type": "string"}, "resourceVersion": {"type": "string"},
            }},
        }}),
    );
    schemas.insert(PATCH.into(), json!({"type": "object", "description": "A patch."}));
    schemas
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn map(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "string"},
    })
}

fn object_meta(dialect: Dialect, owner: &str, managed: &str) -> Value {
    json!({"type": "object", "description": "What every object has.", "properties": {
        "name": text("Name, unique within the kind."),
        "generateName": text("Beginning of a name that the server completes."),
        "namespace": text("Namespace; a stead cluster has one, `default`."),
        "labels": map("Labels, which selectors select by."),
        "annotations": map("Notes of tools and people."),
        "uid": text("Unique over time; set by the server."),
        "resourceVersion": text("Version of the object; set by the server."),
        "generation": {"type": "integer", "format": "int64",
            "description": "Counts changes of the spec; set by the server."},
        "creationTimestamp": time("When it was created; set by the server."),
        "deletionTimestamp": time("When its deletion was asked for; set by the server."),
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "finalizers": {"type": "array", "items": {"type": "string"},
            "description": "What must be done before it is gone.",
            "x-kubernetes-list-type": "set"},
        "ownerReferences": {"type": "array", "items": dialect.reference(owner),
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]},
        "managedFields": {"type": "array", "items": dialect.reference(managed),
            "x-kubernetes-list-type": "atomic"},
        "selfLink": text("Not used."),
    }})
}

fn owner_reference() -> Value {
    json!({
        "type": "object",
        "required": ["apiVersion", "kind", "name", "uid"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "name": {"type": "string"},
            "uid": {"type": "string"},
            "controller": {"type": "boolean"},
            "blockOwnerDeletion": {"type": "boolean"},
        },
    })
}

fn managed_fields() -> Value {
    json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"},
        "fieldsType": {"type": "string"},
        "fieldsV1": {"type": "object"},
        "manager": {"type": "string"},
        "operation": {"type": "string"},
        "subresource": {"type": "string"},
        "time": time("When it last changed."),
    }})
}
