//! From a type to the schema of its kind.

use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Map, Value, json};

/// Longest duration where a field says nothing narrower: a week.
const DURATION_MAX: &str = "168h";
/// Longest text form of an address (IPv6 with an embedded IPv4 one).
const ADDRESS_LENGTH_MAX: u64 = 45;

/// The schema of a kind, in the structural form that Kubernetes demands.
pub(super) fn generate<Kind: JsonSchema>() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let mut schema = super::integral(generator.into_root_schema_for::<Kind>().to_value());
    if let Some(description) = schema["properties"]["spec"].get("description").cloned() {
        schema["description"] = description;
    }
    refine(&mut schema);
    change_classes(&mut schema["properties"]["spec"], "Live", 0);
    schema
}

/// Brings one node, and all below it, into the form we want.
fn refine(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    node.remove("title");
    // Nobody writes null to say "not set": it is left out, and our status is never null.
    node.remove("nullable");
    // Said of an object without members; with them it goes without saying.
    if node.get("additionalProperties") == Some(&Value::Bool(false)) {
        node.remove("additionalProperties");
    }
    if node.get("default") == Some(&Value::Null) {
        node.remove("default");
    }
    if let Some(Value::String(description)) = node.get_mut("description") {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    refine_format(node);
    add_union_rules(node);
    if node.get("x-stead-change").is_some_and(|class| class == "Immutable") {
        add_rule(
            node,
            "self == oldSelf",
            "ImmutableField: it can't be changed once it is made",
            None,
        );
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = node.get_mut(child) {
            refine(child);
        }
    }
    if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            refine(property);
        }
    }
}

fn refine_format(node: &mut Map<String, Value>) {
    let Some(format) = node.get("format").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    match format.as_str() {
        "uint8" | "uint16" | "int8" | "int16" => {
            node.insert("format".into(), "int32".into());
        }
        "uint32" | "uint64" | "uint" | "int" => {
            node.insert("format".into(), "int64".into());
        }
        "ip" => {
            node.remove("format");
            node.insert("x-stead-format".into(), "ip".into());
            node.insert("pattern".into(), "^[0-9A-Fa-f:.]+$".into());
            node.insert("maxLength".into(), ADDRESS_LENGTH_MAX.into());
        }
        "duration" => {
            let bound = |key: &str, default: &str| {
                node.get(key).and_then(Value::as_str).unwrap_or(default).to_owned()
            };
            let least = bound("x-stead-minimum", "0s");
            let most = bound("x-stead-maximum", DURATION_MAX);
            node.insert("x-stead-minimum".into(), least.clone().into());
            node.insert("x-stead-maximum".into(), most.clone().into());
            let rule = format!("self >= duration('{least}') && self <= duration('{most}')");
            add_rule(node, &rule, &format!("OutOfBounds: from {least} to {most}"), None);
        }
        _ => {}
    }
}

/// Members of a union: property name by variant, for an object with an enum `type` and members
/// that are named as its values.
pub(super) fn union_members(node: &Value) -> Vec<(String, String)> {
    let Some(variants) = node["properties"]["type"]["enum"].as_array() else { return Vec::new() };
    let Some(properties) = node["properties"].as_object() else { return Vec::new() };
    variants
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|variant| {
            let member = properties.keys().find(|name| name.eq_ignore_ascii_case(variant))?;
            Some((variant.to_owned(), member.clone()))
        })
        .collect()
}

fn add_union_rules(node: &mut Map<String, Value>) {
    for (variant, member) in union_members(&Value::Object(node.clone())) {
        let required = has_required(&node["properties"][&member]);
        if required {
            let rule = format!("self.type != '{variant}' || has(self.{member})");
            let message = format!("UnionMemberMissing: `type: {variant}` needs `{member}`");
            add_rule(node, &rule, &message, Some(&member));
        }
        let rule = format!("self.type == '{variant}' || !has(self.{member})");
        let message = format!("UnionMemberUnexpected: `{member}` belongs to `type: {variant}`");
        add_rule(node, &rule, &message, Some(&member));
    }
}

/// Whether an object must be written because something in it has no default.
pub(super) fn has_required(schema: &Value) -> bool {
    schema["required"].as_array().is_some_and(|required| !required.is_empty())
        || schema["x-kubernetes-validations"].is_array()
}

fn add_rule(node: &mut Map<String, Value>, rule: &str, message: &str, member: Option<&str>) {
    let mut entry = json!({ "rule": rule, "message": message });
    if let Some(member) = member {
        entry["fieldPath"] = format!(".{member}").into();
    }
    let rules = node.entry("x-kubernetes-validations").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(rules) = rules {
        rules.push(entry);
    }
}

/// Gives each field of the spec its change class, that of the field around it where it has none,
/// and says it in words at the top and where it is not the same as around it.
fn change_classes(node: &mut Value, inherited: &str, depth: usize) {
    let class = node["x-stead-change"].as_str().unwrap_or(inherited).to_owned();
    let Some(members) = node.as_object_mut() else { return };
    members.insert("x-stead-change".into(), class.clone().into());
    if let Some(Value::String(description)) = members.get_mut("description")
        && (class != inherited || depth == 1)
    {
        description.push_str(&format!(" Change: {class}."));
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = members.get_mut(child) {
            change_classes(child, &class, depth + 1);
        }
    }
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            change_classes(property, &class, depth + 1);
        }
    }
}

/// The schema as a CRD carries it.
pub(super) fn without_extensions(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(key, _)| !key.starts_with("x-stead-"))
                .map(|(key, value)| (key.clone(), without_extensions(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_extensions).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}
