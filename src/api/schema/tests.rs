use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::api::kinds::{
    ClusterSpec, FailoverGroupSpec, MonitorSpec, OperationSpec, ResourceSpec, ServerSpec,
};
use crate::api::validation::validate_relations;

fn walk<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(schema);
    for child in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(child) {
            walk(child, visit);
        }
    }
    for property in schema["properties"].as_object().into_iter().flat_map(|all| all.values()) {
        walk(property, visit);
    }
}

#[test]
fn every_node_of_every_schema_is_structural_and_plain() {
    for kind in KINDS {
        walk(schema(kind).unwrap(), &mut |node| {
            assert!(node["type"].is_string(), "{kind}: {node}");
            for word in ["nullable", "anyOf", "oneOf", "allOf", "$ref", "title", "not"] {
                assert!(node.get(word).is_none(), "{kind}: {word} in {node}");
            }
            let format = node["format"].as_str().unwrap_or("int32");
            assert!(["int32", "int64", "duration"].contains(&format), "{kind}: {format}");
            if let Some(pattern) = node["pattern"].as_str() {
                let known = [check::NAME_PATTERN, "^[0-9A-Fa-f:.]+$"];
                assert!(known.contains(&pattern), "{kind}: {pattern} is not checked by us");
            }
            for bound in ["minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"] {
                assert!(node.get(bound).is_none_or(|bound| !bound.is_f64()), "{kind}: {node}");
            }
            for bound in ["x-stead-minimum", "x-stead-maximum"] {
                let text = node[bound].as_str().unwrap_or("1s");
                assert!(text.parse::<crate::api::kinds::Duration>().is_ok(), "{kind}: {text}");
            }
        });
    }
}

#[test]
fn every_field_of_a_spec_has_a_description_and_a_change_class() {
    for kind in KINDS {
        walk(&schema(kind).unwrap()["properties"]["spec"], &mut |node| {
            let class = node["x-stead-change"].as_str().unwrap_or_default();
            assert!(["Live", "Restart", "Immutable"].contains(&class), "{kind}: {node}");
            for (name, field) in node["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].is_string(), "{kind}: {name}");
            }
        });
    }
}

#[test]
fn no_definition_carries_an_extension_that_kubernetes_does_not_know() {
    for crd in crds() {
        let text = serde_json::to_string(&crd).unwrap();
        assert!(!text.contains("x-stead-"), "{}", crd.spec.names.kind);
        let kind = crd.spec.names.kind;
        // A Server has no spec to change.
        assert!(kind == "Server" || text.contains("Change: "), "{kind}");
        assert!(crd.spec.versions.iter().all(|version| version.schema.is_some()));
    }
}

#[test]
fn keys_of_map_lists_are_required_as_kubernetes_demands() {
    for kind in KINDS {
        walk(schema(kind).unwrap(), &mut |node| {
            for key in node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten() {
                let required = node["items"]["required"].as_array().unwrap();
                assert!(required.contains(key), "{kind}: {key}");
            }
        });
    }
}

fn defaults_agree<Spec: Serialize + DeserializeOwned>(kind: &str, spec: Value) {
    let mut object = json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "x" },
        "spec": spec.clone(),
    });
    assert_eq!(check(kind, &object), [], "{kind}");
    apply_defaults(kind, &mut object);
    assert_eq!(check(kind, &object), [], "{kind} with defaults");
    let read: Spec = serde_json::from_value(spec).unwrap();
    let from_types = serde_json::to_value(read).unwrap();
    let from_schema: Spec = serde_json::from_value(object["spec"].clone()).unwrap();
    assert_eq!(serde_json::to_value(from_schema).unwrap(), from_types, "{kind}");
    assert_eq!(object["spec"], from_types, "{kind}");
}

#[test]
fn schemas_and_types_have_the_same_defaults() {
    defaults_agree::<ClusterSpec>(
        "Cluster",
        json!({
            "servers": [{ "name": "a", "addresses": { "lan": "10.0.0.1" } }],
            "arbitration": { "type": "HTTP", "http": { "host": "example.com" } },
        }),
    );
    defaults_agree::<ServerSpec>("Server", json!({}));
    defaults_agree::<FailoverGroupSpec>("FailoverGroup", json!({ "servers": ["a"] }));
    for member in [
        json!({ "type": "Exec", "exec": { "command": ["x"] } }),
        json!({ "type": "FloatingIP", "floatingIP": { "address": "fd00::1" } }),
        json!({ "type": "ProbePort", "probePort": { "port": 26001 } }),
    ] {
        let mut spec = member;
        spec["group"] = "g".into();
        defaults_agree::<ResourceSpec>("Resource", spec);
    }
    for member in [
        json!({ "type": "TCP", "tcp": { "port": 80 } }),
        json!({ "type": "Custom", "custom": { "command": ["x"] } }),
        json!({ "type": "ProbePort", "probePort": { "resource": "r" } }),
        json!({ "type": "LoadBalance", "loadBalance": { "resource": "r" } }),
    ] {
        defaults_agree::<MonitorSpec>("Monitor", member);
    }
    defaults_agree::<OperationSpec>("Operation", json!({ "type": "StopGroup", "group": "g" }));
}

#[test]
fn null_members_are_as_if_they_were_not_written() {
    let mut object = json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "FailoverGroup",
        "metadata": { "name": "g" },
        "spec": { "servers": ["a"], "startup": null },
    });
    assert_eq!(check("FailoverGroup", &object), []);
    apply_defaults("FailoverGroup", &mut object);
    assert_eq!(object["spec"]["startup"], "Automatic");
}

#[test]
fn pruning_takes_away_exactly_what_is_unknown() {
    let mut object = json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": "Resource",
        "extra": 1,
        "metadata": { "name": "r", "extra": 1 },
        "spec": {
            "group": "g",
            "type": "Exec",
            "extra": 1,
            "exec": { "command": ["x"], "extra": 1, "environment": { "ANY": "kept" } },
        },
    });
    let fields: Vec<String> =
        unknown_fields("Resource", &object).into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["extra", "metadata.extra", "spec.exec.extra", "spec.extra"]);
    prune("Resource", &mut object);
    assert_eq!(unknown_fields("Resource", &object), []);
    assert_eq!(check("Resource", &object), []);
    assert_eq!(object["spec"]["exec"]["environment"]["ANY"], "kept");
}

#[test]
fn restart_fields_are_those_whose_change_needs_a_restart() {
    let resource = |command: &str, retries: u32| {
        json!({ "spec": {
            "group": "g",
            "type": "Exec",
            "exec": { "command": [command] },
            "activation": { "retries": retries },
        } })
    };
    let none: [String; 0] = [];
    assert_eq!(restart_fields("Resource", &resource("a", 0), &resource("a", 3)), none);
    assert_eq!(
        restart_fields("Resource", &resource("a", 0), &resource("b", 3)),
        ["spec.exec.command"]
    );
}

/// Every place of a right manifest, each with every kind of wrong value.
#[test]
fn no_value_anywhere_ends_in_a_panic() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/quickstart/cluster.yaml");
    let files = [("q".to_owned(), std::fs::read(path).unwrap())];
    let (objects, _) = crate::api::manifest::parse(&files);
    let objects: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let mut value = object.value;
            apply_defaults(&object.kind, &mut value);
            value
        })
        .collect();
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("99999999999999999999h"),
        json!([]),
        json!({}),
        json!([[null]]),
        json!({ "type": { "name": [] } }),
    ];
    for at in 0..objects.len() {
        let mut pointers = Vec::new();
        collect_pointers(&objects[at], String::new(), &mut pointers);
        for pointer in pointers {
            for value in &wrong {
                let mut changed = objects.clone();
                *changed[at].pointer_mut(&pointer).unwrap() = value.clone();
                let _ = validate_relations(&changed);
                let _ = check(changed[at]["kind"].as_str().unwrap_or_default(), &changed[at]);
                let kind = changed[at]["kind"].as_str().unwrap_or_default().to_owned();
                let mut pruned = changed[at].clone();
                prune(&kind, &mut pruned);
                apply_defaults(&kind, &mut pruned);
                let _ = check_update(&kind, &objects[at], &changed[at]);
            }
        }
    }
}

fn collect_pointers(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect_pointers(member, format!("{at}/{name}"), pointers);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_pointers(item, format!("{at}/{index}"), pointers);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    if !at.is_empty() {
        pointers.push(at);
    }
}
