//! Which groups, versions and kinds there are, in the legacy and in the aggregated form.

use http::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::kinds::{self, GROUPS, Kind, api_version};

/// `/api` or `/apis` in the legacy form.
pub(super) fn groups(core: bool) -> Value {
    if core {
        return json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        });
    }
    let groups: Vec<Value> =
        named_groups().map(|(group, version)| describe(group, version)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(super) fn group(group: &str, version: &str) -> Value {
    let mut description = describe(group, version);
    description["kind"] = "APIGroup".into();
    description["apiVersion"] = "v1".into();
    description
}

/// `/apis/GROUP/VERSION`.
pub(super) fn resources(group: &str, version: &str) -> Value {
    let resources: Vec<Value> = of_group(group).flat_map(legacy).collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version(group, version),
        "resources": resources,
    })
}

/// `/api` or `/apis` in the aggregated form.
pub(super) fn aggregated(core: bool, form: &str) -> Value {
    let items: Vec<Value> = GROUPS
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, version)| {
            let resources: Vec<Value> = of_group(group).map(resource).collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({
                "metadata": metadata,
                "versions": [{
                    "version": version,
                    "resources": resources,
                    "freshness": "Current",
                }],
            })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{form}"),
        "metadata": {},
        "items": items,
    })
}

/// The content type of the aggregated form, which clients compare.
pub(super) fn aggregated_type(form: &str) -> HeaderValue {
    match form {
        "v2" => HeaderValue::from_static(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
        _ => HeaderValue::from_static(
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        ),
    }
}

fn named_groups() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUPS.into_iter().filter(|(group, _)| !group.is_empty())
}

fn of_group(group: &str) -> impl Iterator<Item = &'static Kind> {
    kinds::all().iter().filter(move |kind| kind.group == group)
}

fn describe(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": api_version(group, version), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

fn names(kind: &Kind) -> Map<String, Value> {
    let mut names = Map::new();
    if !kind.short_names.is_empty() {
        names.insert("shortNames".into(), json!(kind.short_names));
    }
    if !kind.categories.is_empty() {
        names.insert("categories".into(), json!(kind.categories));
    }
    names
}

fn legacy(kind: &Kind) -> Vec<Value> {
    let mut resource = names(kind);
    resource.insert("name".into(), json!(kind.plural));
    resource.insert("singularName".into(), json!(kind.singular));
    resource.insert("namespaced".into(), json!(kind.namespaced));
    resource.insert("kind".into(), json!(kind.kind));
    resource.insert("verbs".into(), json!(kind.verbs()));
    let mut resources = vec![Value::Object(resource)];
    if kind.status {
        resources.push(json!({
            "name": format!("{}/status", kind.plural),
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": ["get"],
        }));
    }
    resources
}

fn resource(kind: &Kind) -> Value {
    let response = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let mut resource = names(kind);
    resource.insert("resource".into(), json!(kind.plural));
    resource.insert("responseKind".into(), response.clone());
    let scope = if kind.namespaced { "Namespaced" } else { "Cluster" };
    resource.insert("scope".into(), json!(scope));
    resource.insert("singularResource".into(), json!(kind.singular));
    resource.insert("verbs".into(), json!(kind.verbs()));
    if kind.status {
        let status = json!({"subresource": "status", "responseKind": response, "verbs": ["get"]});
        resource.insert("subresources".into(), json!([status]));
    }
    Value::Object(resource)
}
