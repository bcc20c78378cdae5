//! Sets of field paths, in memory and as `FieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Objects nested deeper than this are taken whole: nothing we serve comes near it.
const DEPTH_MAX: usize = 64;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field.
    Field(String),
    /// An item of a list of type `map`, by its keys as JSON text.
    Keys(String),
    /// An item of a list of type `set`, as JSON text.
    Item(String),
}

impl Step {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Keys(keys) => format!("k:{keys}"),
            Self::Item(item) => format!("v:{item}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (form, rest) = text.split_once(':')?;
        match form {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => Some(Self::Keys(canonical(rest)?)),
            "v" => Some(Self::Item(canonical(rest)?)),
            _ => None,
        }
    }

    /// The step as messages write it after what comes before.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Field(name) => format!(".{name}"),
            Self::Item(item) => format!("[={item}]"),
            Self::Keys(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
        }
    }
}

/// The same JSON always as the same text.
fn canonical(text: &str) -> Option<String> {
    serde_json::from_str::<Value>(text).ok().map(|value| value.to_string())
}

/// How values of a schema are merged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'a> {
    /// Field by field.
    Fields(&'a Value),
    /// Item by item, by the values of these keys.
    Map { keys: &'a Value, items: &'a Value },
    /// Item by item, by value.
    Set,
    /// As a whole.
    Whole,
}

/// How this value is merged under this schema.
pub(super) fn shape<'a>(value: &Value, schema: &'a Value) -> Shape<'a> {
    match value {
        Value::Object(_) if schema["x-kubernetes-map-type"] != "atomic" => Shape::Fields(schema),
        Value::Array(items) => match schema["x-kubernetes-list-type"].as_str() {
            Some("map") if items.iter().all(Value::is_object) => {
                Shape::Map { keys: &schema["x-kubernetes-list-map-keys"], items: &schema["items"] }
            }
            Some("set") => Shape::Set,
            Some(_) | None => Shape::Whole,
        },
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Shape::Whole
        }
    }
}

/// The schema of a field.
pub(super) fn field_schema<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["properties"].get(name).unwrap_or(&schema["additionalProperties"])
}

/// The step to an item of a list of type `map`.
pub(super) fn keys_of(item: &Value, keys: &Value) -> Step {
    let names = keys.as_array().into_iter().flatten().filter_map(Value::as_str);
    let keys: Map<String, Value> =
        names.map(|name| (name.to_owned(), item[name].clone())).collect();
    Step::Keys(Value::Object(keys).to_string())
}

/// The children of a value with the steps to them and their schemas.
pub(super) fn children<'a, 'b>(
    value: &'a Value,
    schema: &'b Value,
) -> Vec<(Step, &'a Value, &'b Value)> {
    match (shape(value, schema), value) {
        (Shape::Fields(schema), Value::Object(fields)) => fields
            .iter()
            .map(|(name, value)| (Step::Field(name.clone()), value, field_schema(schema, name)))
            .collect(),
        (Shape::Map { keys, items }, Value::Array(list)) => {
            list.iter().map(|item| (keys_of(item, keys), item, items)).collect()
        }
        (Shape::Set, Value::Array(list)) => {
            list.iter().map(|item| (Step::Item(item.to_string()), item, &Value::Null)).collect()
        }
        _ => Vec::new(),
    }
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct FieldSet {
    /// Whether what the path leads to is itself in the set.
    pub(super) member: bool,
    /// Longer paths.
    pub(super) children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// The fields of an object that somebody can own.
    pub(in super::super) fn of(object: &Value, schema: &Value) -> Self {
        Self::collect(&ownable(object), schema, 0)
    }

    fn collect(value: &Value, schema: &Value, depth: usize) -> Self {
        let mut set = Self::default();
        let children = children(value, schema);
        if (children.is_empty() && depth > 0) || depth >= DEPTH_MAX {
            set.member = true;
            return set;
        }
        for (step, child, child_schema) in children {
            let named = match &step {
                Step::Field(name) => schema["properties"].get(name).is_some(),
                Step::Keys(_) | Step::Item(_) => false,
            };
            let mut child = Self::collect(child, child_schema, depth + 1);
            // Items and the entries of maps are there by themselves, fields of structures are not.
            child.member |= !named;
            set.children.insert(step, child);
        }
        set
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Adds another set.
    pub(super) fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, child) in &other.children {
            self.children.entry(step.clone()).or_default().add(child);
        }
    }

    /// Takes another set away.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, child) in &other.children {
            if let Some(own) = self.children.get_mut(step) {
                own.subtract(child);
            }
        }
        self.children.retain(|_, child| !child.is_empty());
    }

    /// Keeps only what leads to something in this value.
    pub(super) fn retain_existing(&mut self, value: &Value, schema: &Value) {
        let existing: BTreeMap<Step, (&Value, &Value)> = children(value, schema)
            .into_iter()
            .map(|(step, value, schema)| (step, (value, schema)))
            .collect();
        self.children.retain(|step, child| match existing.get(step) {
            Some((value, schema)) => {
                child.retain_existing(value, schema);
                !child.is_empty()
            }
            None => false,
        });
    }

    /// Reads `FieldsV1`.
    pub(super) fn decode(value: &Value, depth: usize) -> Option<Self> {
        let fields = value.as_object()?;
        if depth > DEPTH_MAX {
            return None;
        }
        let mut set = Self { member: fields.is_empty() && depth > 0, ..Self::default() };
        for (name, child) in fields {
            if name == "." {
                set.member = true;
            } else {
                set.children.insert(Step::decode(name)?, Self::decode(child, depth + 1)?);
            }
        }
        Some(set)
    }

    /// As `FieldsV1`.
    pub(super) fn encode(&self) -> Value {
        let mut fields = Map::new();
        for (step, child) in self.children.iter().filter(|(_, child)| !child.is_empty()) {
            fields.insert(step.encode(), child.encode());
        }
        if self.member && !fields.is_empty() {
            fields.insert(".".into(), json!({}));
        }
        Value::Object(fields)
    }
}

/// What of an object can be owned: not what the server sets, and not the status.
pub(super) fn ownable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "status"));
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| {
            matches!(name.as_str(), "labels" | "annotations" | "finalizers" | "ownerReferences")
        });
    }
    if object["metadata"].as_object().is_none_or(Map::is_empty)
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("metadata");
    }
    object
}

/// Schema of what can be owned of `metadata`.
pub(in super::super) fn metadata_schema() -> Value {
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "properties": {
            "labels": map,
            "annotations": map,
            "finalizers": {
                "type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set",
            },
            "ownerReferences": {
                "type": "array", "items": {"type": "object"},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            },
        },
    })
}
