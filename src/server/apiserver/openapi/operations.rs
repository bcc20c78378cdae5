//! The requests that can be made, as OpenAPI describes them. kubectl looks here for the parameters
//! `fieldValidation` and `dryRun` of a kind's PATCH to know what the server can do.

use serde_json::{Map, Value, json};

use super::super::kinds::{Access, Kind};
use super::{Dialect, group_path, group_version_kind, meta, schema_name};

/// One request of a kind.
struct Operation {
    method: &'static str,
    action: &'static str,
    verb: &'static str,
    body: Option<Body>,
    parameters: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Body {
    Object,
    Patch,
    DeleteOptions,
}

const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const GET: &[(&str, &str)] = &[("resourceVersion", "string")];
const WRITE: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
    ("force", "boolean"),
];
const DELETE: &[(&str, &str)] = &[("dryRun", "string"), ("propagationPolicy", "string")];

const COLLECTION_OPERATIONS: [Operation; 3] = [
    Operation { method: "get", action: "list", verb: "list", body: None, parameters: LIST },
    Operation {
        method: "post",
        action: "post",
        verb: "create",
        body: Some(Body::Object),
        parameters: WRITE,
    },
    Operation {
        method: "delete",
        action: "deletecollection",
        verb: "deletecollection",
        body: Some(Body::DeleteOptions),
        parameters: LIST,
    },
];
const OBJECT_OPERATIONS: [Operation; 4] = [
    Operation { method: "get", action: "get", verb: "get", body: None, parameters: GET },
    Operation {
        method: "put",
        action: "put",
        verb: "update",
        body: Some(Body::Object),
        parameters: WRITE,
    },
    Operation {
        method: "patch",
        action: "patch",
        verb: "patch",
        body: Some(Body::Patch),
        parameters: PATCH,
    },
    Operation {
        method: "delete",
        action: "delete",
        verb: "delete",
        body: Some(Body::DeleteOptions),
        parameters: DELETE,
    },
];

/// The paths of a kind.
pub(super) fn paths(kind: &Kind, dialect: Dialect) -> Map<String, Value> {
    let root = format!("/{}", group_path(kind.group, kind.version));
    let plural = &kind.plural;
    let mut paths = Map::new();
    let collection = match kind.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{plural}"),
        false => format!("{root}/{plural}"),
    };
    if kind.namespaced {
        let everywhere = &COLLECTION_OPERATIONS[..1];
        let item = path_item(kind, dialect, everywhere, &[], "ForAllNamespaces");
        paths.insert(format!("{root}/{plural}"), item);
    }
    let names: &[&str] = if kind.namespaced { &["namespace"] } else { &[] };
    let item = path_item(kind, dialect, &COLLECTION_OPERATIONS, names, "");
    paths.insert(collection.clone(), item);
    if kind.access == Access::Review {
        return paths;
    }
    let names: &[&str] = if kind.namespaced { &["name", "namespace"] } else { &["name"] };
    let item = path_item(kind, dialect, &OBJECT_OPERATIONS, names, "");
    paths.insert(format!("{collection}/{{name}}"), item);
    if kind.status {
        let item = path_item(kind, dialect, &OBJECT_OPERATIONS[..1], names, "Status");
        paths.insert(format!("{collection}/{{name}}/status"), item);
    }
    paths
}

fn path_item(
    kind: &Kind,
    dialect: Dialect,
    operations: &[Operation],
    names: &[&str],
    suffix: &str,
) -> Value {
    let mut item = Map::new();
    let verbs = kind.verbs();
    for operation in operations.iter().filter(|operation| verbs.contains(&operation.verb)) {
        item.insert(operation.method.into(), describe(kind, dialect, operation, suffix));
    }
    let parameters: Vec<Value> =
        names.iter().map(|name| parameter(dialect, "path", name, "string")).collect();
    if !parameters.is_empty() {
        item.insert("parameters".into(), parameters.into());
    }
    Value::Object(item)
}

fn describe(kind: &Kind, dialect: Dialect, operation: &Operation, suffix: &str) -> Value {
    let name = schema_name(kind);
    let answer = match operation.action {
        "list" => format!("{name}List"),
        "delete" | "deletecollection" => meta::STATUS.to_owned(),
        _ => name.clone(),
    };
    let scope = if kind.namespaced && suffix != "ForAllNamespaces" { "Namespaced" } else { "" };
    let group: String = kind.group.split('.').map(capitalized).collect();
    let id = format!(
        "{}{group}{}{scope}{}{suffix}",
        operation.verb,
        capitalized(kind.version),
        kind.kind
    );
    let mut parameters: Vec<Value> = operation
        .parameters
        .iter()
        .map(|(name, type_)| parameter(dialect, "query", name, type_))
        .collect();
    let body = operation.body.map(|body| match body {
        Body::Object => dialect.reference(&name),
        Body::Patch => dialect.reference(meta::PATCH),
        Body::DeleteOptions => dialect.reference(meta::DELETE_OPTIONS),
    });
    let media = match operation.body {
        Some(Body::Patch) => vec![
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
        ],
        Some(Body::Object | Body::DeleteOptions) | None => vec!["application/json"],
    };
    let mut described = json!({
        "operationId": id,
        "description": format!("{} {}", operation.verb, kind.plural),
        "tags": [id_tag(kind)],
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": group_version_kind(kind, ""),
    });
    let schema = dialect.reference(&answer);
    match dialect {
        Dialect::Two => {
            if let Some(body) = body {
                parameters.push(json!({
                    "in": "body", "name": "body", "required": operation.method != "delete",
                    "schema": body,
                }));
            }
            described["consumes"] = json!(media);
            described["produces"] = json!(["application/json"]);
            described["responses"] = json!({"200": {"description": "OK", "schema": schema}});
        }
        Dialect::Three => {
            let content = |media: &[&str], schema: &Value| -> Value {
                let content = media.iter().map(|m| ((*m).to_owned(), json!({"schema": schema})));
                Value::Object(content.collect())
            };
            if let Some(body) = body {
                described["requestBody"] = json!({"content": content(&media, &body)});
            }
            let content = content(&["application/json"], &schema);
            described["responses"] = json!({"200": {"description": "OK", "content": content}});
        }
    }
    described["parameters"] = parameters.into();
    described
}

fn id_tag(kind: &Kind) -> String {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    format!("{group}_{}", kind.version)
}

fn parameter(dialect: Dialect, place: &str, name: &str, type_: &str) -> Value {
    let required = place == "path";
    let mut parameter = json!({"in": place, "name": name, "required": required});
    parameter["description"] = format!("The parameter {name} of the Kubernetes API.").into();
    match dialect {
        Dialect::Two => parameter["type"] = type_.into(),
        Dialect::Three => parameter["schema"] = json!({"type": type_}),
    }
    parameter
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + characters.as_str())
        .unwrap_or_default()
}
