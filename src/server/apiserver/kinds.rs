//! The kinds that are served, and what can be done with each.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::apply::metadata_schema;
use super::derived::{DEFINITION_KIND, NAMESPACE_KIND};
use super::storage::EVENT_KIND;
use crate::api;

/// What can be asked of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Writable,
    /// Looking only.
    ReadOnly,
    /// Looking; writes of what is there already are let through.
    Definitions,
    /// Creating only: an answer, nothing kept.
    Review,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Heading.
    pub(super) name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub(super) type_: String,
    /// `name` for the first column.
    pub(super) format: String,
    /// What it says.
    pub(super) description: String,
    /// Above zero: only in wide tables.
    pub(super) priority: i32,
    /// Where the value stands.
    pub(super) path: String,
}

/// A kind.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// API group; empty for the core.
    pub(super) group: &'static str,
    /// Version.
    pub(super) version: &'static str,
    /// Kind, as in the storage.
    pub(super) kind: String,
    /// Name in paths.
    pub(super) plural: String,
    /// Name of one.
    pub(super) singular: String,
    /// Short names.
    pub(super) short_names: Vec<String>,
    /// Categories.
    pub(super) categories: Vec<String>,
    /// Whether it lives in the namespace.
    pub(super) namespaced: bool,
    /// Whether it has a status of its own.
    pub(super) status: bool,
    /// What can be asked of it.
    pub(super) access: Access,
    /// Columns of its tables, the name included.
    pub(super) columns: Vec<Column>,
    /// JSON schema of an object, metadata left open.
    pub(super) schema: Value,
}

impl Kind {
    /// `plural.group`, as messages name it.
    pub(super) fn resource(&self) -> String {
        qualified(&self.plural, self.group)
    }

    /// `Kind.group`, as messages name it.
    pub(super) fn qualified_kind(&self) -> String {
        qualified(&self.kind, self.group)
    }

    /// `group/version`.
    pub(super) fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }

    /// The verbs of discovery.
    pub(super) fn verbs(&self) -> &'static [&'static str] {
        match self.access {
            Access::Writable => {
                &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            }
            Access::ReadOnly => &["get", "list", "watch"],
            Access::Definitions => &["create", "get", "list", "patch", "update", "watch"],
            Access::Review => &["create"],
        }
    }
}

/// `group/version`, or the version alone for the core.
pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds: Vec<Kind> = api::crds().iter().filter_map(ours).collect();
    kinds.extend([namespace(), event("", "v1"), event("events.k8s.io", "v1")]);
    kinds.push(definition());
    kinds.extend([review("SelfSubjectAccessReview"), review("SelfSubjectRulesReview")]);
    kinds
});

/// Every kind.
pub(super) fn all() -> &'static [Kind] {
    &KINDS
}

/// The kind that a path names.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// Served groups with their one version, in the order of discovery.
pub(super) const GROUPS: [(&str, &str); 5] = [
    ("", "v1"),
    (api::GROUP, api::VERSION),
    ("events.k8s.io", "v1"),
    ("apiextensions.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
];

fn ours(definition: &CustomResourceDefinition) -> Option<Kind> {
    let names = &definition.spec.names;
    let version = definition.spec.versions.first()?;
    let declared = version.additional_printer_columns.clone().unwrap_or_default();
    let columns = declared.into_iter().map(|column| Column {
        name: column.name,
        type_: column.type_,
        format: column.format.unwrap_or_default(),
        description: column.description.unwrap_or_default(),
        priority: column.priority.unwrap_or_default(),
        path: column.json_path,
    });
    // As in the definition, and with the change class of each field.
    let mut schema = api::schema::schema(&names.kind).cloned().unwrap_or_default();
    schema["properties"]["metadata"] = metadata_schema();
    Some(Kind {
        group: api::GROUP,
        version: api::VERSION,
        kind: names.kind.clone(),
        plural: names.plural.clone(),
        singular: names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase()),
        short_names: names.short_names.clone().unwrap_or_default(),
        categories: names.categories.clone().unwrap_or_default(),
        namespaced: true,
        status: true,
        access: if names.kind == "Server" { Access::ReadOnly } else { Access::Writable },
        columns: std::iter::once(name_column()).chain(columns).collect(),
        schema,
    })
}

fn name_column() -> Column {
    Column {
        name: "Name".into(),
        type_: "string".into(),
        format: "name".into(),
        description: "Name of the object.".into(),
        priority: 0,
        path: ".metadata.name".into(),
    }
}

fn column(name: &str, type_: &str, path: &str) -> Column {
    Column {
        name: name.into(),
        type_: type_.into(),
        format: String::new(),
        description: String::new(),
        priority: 0,
        path: path.into(),
    }
}

fn namespace() -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind: NAMESPACE_KIND.into(),
        plural: "namespaces".into(),
        singular: "namespace".into(),
        short_names: vec!["ns".into()],
        categories: Vec::new(),
        namespaced: false,
        status: false,
        access: Access::ReadOnly,
        columns: vec![
            name_column(),
            column("Status", "string", ".status.phase"),
            column("Age", "date", ".metadata.creationTimestamp"),
        ],
        schema: json!({
            "type": "object",
            "description": "A namespace. A stead cluster has one, `default`.",
            "properties": {
                "spec": {"type": "object", "properties": {
                    "finalizers": {"type": "array", "items": {"type": "string"}},
                }},
                "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
            },
        }),
    }
}

fn event(group: &'static str, version: &'static str) -> Kind {
    let core = group.is_empty();
    let object = if core { ".involvedObject" } else { ".regarding" };
    let message = if core { ".message" } else { ".note" };
    let last = if core { ".lastTimestamp" } else { ".deprecatedLastTimestamp" };
    let mut source = column("Source", "string", ".reportingInstance");
    source.priority = 1;
    let mut name = name_column();
    name.priority = 1;
    Kind {
        group,
        version,
        kind: EVENT_KIND.into(),
        plural: "events".into(),
        singular: "event".into(),
        short_names: vec!["ev".into()],
        categories: Vec::new(),
        namespaced: true,
        status: false,
        access: Access::ReadOnly,
        columns: vec![
            column("Last Seen", "date", last),
            column("Type", "string", ".type"),
            column("Reason", "string", ".reason"),
            column("Object", "object", object),
            source,
            column("Message", "string", message),
            name,
        ],
        schema: event_schema(core),
    }
}

fn event_schema(core: bool) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let reference = json!({"type": "object", "description": "The object it is about.",
    "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"},
        "name": {"type": "string"}, "namespace": {"type": "string"},
        "uid": {"type": "string"},
    }});
    let mut properties = json!({
        "reason": text("Id in the message catalogue."),
        "type": text("Normal or Warning."),
        "action": text("What was done."),
        "eventTime": text("When it happened."),
        "reportingInstance": text("The server that says it."),
    });
    let (object, message) =
        if core { ("involvedObject", "message") } else { ("regarding", "note") };
    properties[object] = reference;
    properties[message] = text("What happened, in words.");
    json!({"type": "object", "description": "Something that happened.", "properties": properties})
}

fn definition() -> Kind {
    Kind {
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: DEFINITION_KIND.into(),
        plural: "customresourcedefinitions".into(),
        singular: "customresourcedefinition".into(),
        short_names: vec!["crd".into(), "crds".into()],
        categories: vec!["api-extensions".into()],
        namespaced: false,
        status: false,
        access: Access::Definitions,
        columns: vec![name_column(), column("Created At", "date", ".metadata.creationTimestamp")],
        schema: json!({
            "type": "object",
            "description": "The definition of a kind. stead's own are built in.",
            "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        }),
    }
}

fn review(kind: &str) -> Kind {
    Kind {
        group: "authorization.k8s.io",
        version: "v1",
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: false,
        status: false,
        access: Access::Review,
        columns: vec![name_column()],
        schema: json!({
            "type": "object",
            "description": "Asks what the caller may do.",
            "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        }),
    }
}
