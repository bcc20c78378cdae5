//! What the kinds look like, for clients that check and explain: OpenAPI v3, and v2 as JSON and
//! as the protobuf that every kubectl up to 1.28 insists on.
//!
//! Both documents come from the same schemas, which are those of the CRDs with what every object
//! has besides: `apiVersion`, `kind` and `metadata`.

mod gnostic;
mod meta;
mod operations;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::kinds::{self, GROUPS, Kind};

/// How a document refers to its schemas, and what schemas may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// OpenAPI v2.
    Two,
    /// OpenAPI v3.
    Three,
}

impl Dialect {
    fn reference(self, name: &str) -> Value {
        match self {
            Self::Two => json!({"$ref": format!("#/definitions/{name}")}),
            Self::Three => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

/// The v2 document as JSON.
pub(super) static TWO: LazyLock<Bytes> = LazyLock::new(|| document_two().to_string().into());
/// The v2 document as protobuf.
pub(super) static TWO_PROTOBUF: LazyLock<Bytes> =
    LazyLock::new(|| gnostic::document(&document_two()).into());

/// The v3 documents, by group.
static THREE: LazyLock<BTreeMap<&str, Bytes>> = LazyLock::new(|| {
    let documents = GROUPS.into_iter();
    documents
        .map(|(group, version)| (group, document_three(group, version).to_string().into()))
        .collect()
});

/// The index of v3 documents. `hash` gives each document's content a name, for caches.
pub(super) fn index(hash: impl Fn(&[u8]) -> String) -> Value {
    let mut paths = Map::new();
    for (group, version) in GROUPS {
        let path = group_path(group, version);
        let hash = hash(&three(group));
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// The v3 document of a group.
pub(super) fn three(group: &str) -> Bytes {
    THREE.get(group).cloned().unwrap_or_default()
}

fn document_three(group: &str, version: &str) -> Value {
    let mut schemas = meta::schemas(Dialect::Three);
    let mut paths = Map::new();
    for kind in kinds::all().iter().filter(|kind| kind.group == group) {
        schemas.extend(kind_schemas(kind, Dialect::Three));
        paths.extend(operations::paths(kind, Dialect::Three));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "stead", "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn document_two() -> Value {
    let mut definitions = meta::schemas(Dialect::Two);
    let mut paths = Map::new();
    for kind in kinds::all() {
        definitions.extend(kind_schemas(kind, Dialect::Two));
        paths.extend(operations::paths(kind, Dialect::Two));
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "stead", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "definitions": definitions,
    })
}

fn group_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The unique name of a kind's schema.
fn schema_name(kind: &Kind) -> String {
    let prefix = match kind.group {
        "" => "io.k8s.api.core".to_owned(),
        "apiextensions.k8s.io" => {
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions".to_owned()
        }
        group => match group.strip_suffix(".k8s.io") {
            Some(group) => format!("io.k8s.api.{group}"),
            None => group.rsplit('.').collect::<Vec<_>>().join("."),
        },
    };
    format!("{prefix}.{}.{}", kind.version, kind.kind)
}

fn group_version_kind(kind: &Kind, suffix: &str) -> Value {
    json!({
        "group": kind.group,
        "version": kind.version,
        "kind": format!("{}{suffix}", kind.kind),
    })
}

fn kind_schemas(kind: &Kind, dialect: Dialect) -> [(String, Value); 2] {
    let name = schema_name(kind);
    let mut schema = adapted(&kind.schema, dialect);
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    for (field, value) in meta::type_properties() {
        schema["properties"][field] = value;
    }
    schema["properties"]["metadata"] =
        meta::described(dialect, meta::OBJECT_META, "Name, labels and what else every object has.");
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind, "")]);
    let mut list = json!({
        "type": "object",
        "description": format!("A list of {} objects.", kind.kind),
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "items": dialect.reference(&name)},
        },
        "x-kubernetes-group-version-kind": [group_version_kind(kind, "List")],
    });
    for (field, value) in meta::type_properties() {
        list["properties"][field] = value;
    }
    list["properties"]["metadata"] =
        meta::described(dialect, meta::LIST_META, "The list's version.");
    [(format!("{name}List"), list), (name, schema)]
}

/// What v2 can say of a schema.
const TWO_KEYWORDS: [&str; 20] = [
    "type",
    "format",
    "title",
    "description",
    "default",
    "maximum",
    "minimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "required",
    "enum",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-stead-change",
];

/// A schema without what the dialect cannot say.
fn adapted(schema: &Value, dialect: Dialect) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    if dialect == Dialect::Three {
        return schema.clone();
    }
    let mut adapted = Map::new();
    for (name, value) in fields {
        match name.as_str() {
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties: Map<String, Value> = properties
                    .map(|(name, schema)| (name.clone(), self::adapted(schema, dialect)))
                    .collect();
                adapted.insert(name.clone(), Value::Object(properties));
            }
            "items" | "additionalProperties" => {
                adapted.insert(name.clone(), self::adapted(value, dialect));
            }
            // A null in a list of values is v3's way to say that the field may be null.
            "enum" => {
                let values = value.as_array().into_iter().flatten();
                let values = values.filter(|value| !value.is_null()).cloned().collect();
                adapted.insert(name.clone(), Value::Array(values));
            }
            known if TWO_KEYWORDS.contains(&known) => {
                adapted.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(adapted)
}
