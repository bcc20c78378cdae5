use serde_json::{Value, json};

use super::{Managers, apply, metadata_schema};

/// A structure, a map, and lists of each type.
fn schema() -> Value {
    json!({"type": "object", "properties": {
        "metadata": metadata_schema(),
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer"},
            "nested": {"type": "object", "properties": {
                "one": {"type": "string"}, "two": {"type": "string"},
            }},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "whole": {"type": "array", "items": {"type": "string"}},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "value": {"type": "integer"},
                    "other": {"type": "integer"},
                }},
            },
        }},
    }})
}

/// An object and who owns it, through a number of applies.
struct Lab {
    object: Value,
    managers: Managers,
}

impl Lab {
    fn new() -> Self {
        Self { object: json!({"metadata": {"name": "x"}}), managers: Managers::default() }
    }

    fn apply(&mut self, manager: &str, spec: Value) -> Result<(), Vec<(String, String)>> {
        self.apply_with(manager, spec, false)
    }

    fn apply_with(
        &mut self,
        manager: &str,
        spec: Value,
        force: bool,
    ) -> Result<(), Vec<(String, String)>> {
        let configuration = json!({"metadata": {"name": "x"}, "spec": spec});
        let applied =
            apply(&self.object, &self.managers, &configuration, &schema(), manager, force)?;
        self.object = applied.object;
        self.managers = applied.managers;
        Ok(())
    }

    fn update(&mut self, manager: &str, spec: Value) {
        let mut new = self.object.clone();
        new["spec"] = spec;
        self.managers.update(manager, Some(&self.object), &new, &schema());
        self.object = new;
    }

    /// `fieldsV1` of a manager.
    fn fields(&self, manager: &str) -> Value {
        let mut object = self.object.clone();
        self.managers.clone().write(&mut object, &Managers::default(), "v1", "now");
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let entry = entries.into_iter().find(|entry| entry["manager"] == manager);
        entry.map(|entry| entry["fieldsV1"]["f:spec"].clone()).unwrap_or_default()
    }
}

#[test]
fn what_is_no_longer_applied_goes_unless_others_own_it() {
    let mut lab = Lab::new();
    lab.apply("a", json!({"replicas": 1, "map": {"x": "1", "y": "2"}})).unwrap();
    lab.apply("b", json!({"map": {"y": "2", "z": "3"}})).unwrap();
    assert_eq!(lab.object["spec"]["map"], json!({"x": "1", "y": "2", "z": "3"}));
    lab.apply("a", json!({"replicas": 1})).unwrap();
    assert_eq!(lab.object["spec"], json!({"replicas": 1, "map": {"y": "2", "z": "3"}}));
    assert_eq!(lab.fields("a"), json!({"f:replicas": {}}));
    lab.apply("b", json!({})).unwrap();
    assert_eq!(lab.object["spec"], json!({"replicas": 1}));
}

#[test]
fn another_value_for_what_another_owns_is_a_conflict_and_can_be_forced() {
    let mut lab = Lab::new();
    lab.apply("a", json!({"replicas": 1, "nested": {"one": "x"}})).unwrap();
    // The same value is shared.
    lab.apply("b", json!({"replicas": 1})).unwrap();
    let conflict = lab.apply("c", json!({"replicas": 2, "nested": {"one": "y"}})).unwrap_err();
    let named =
        |manager: &str, field: &str| (format!("conflict with \"{manager}\""), field.to_owned());
    assert_eq!(
        conflict,
        vec![
            named("a", ".spec.nested.one"),
            named("a", ".spec.replicas"),
            named("b", ".spec.replicas"),
        ]
    );
    lab.apply_with("c", json!({"replicas": 2}), true).unwrap();
    assert_eq!(lab.object["spec"]["replicas"], 2);
    assert_eq!(lab.fields("a"), json!({"f:nested": {"f:one": {}}}));
    assert_eq!(lab.fields("b"), Value::Null);
}

#[test]
fn an_update_takes_over_what_it_changes_and_forgets_what_it_removes() {
    let mut lab = Lab::new();
    lab.apply("a", json!({"replicas": 1, "nested": {"one": "x", "two": "y"}})).unwrap();
    lab.update("edit", json!({"replicas": 5, "nested": {"one": "x"}}));
    assert_eq!(lab.fields("edit"), json!({"f:replicas": {}}));
    assert_eq!(lab.fields("a"), json!({"f:nested": {"f:one": {}}}));
    let conflict = lab.apply("a", json!({"replicas": 1})).unwrap_err();
    assert_eq!(conflict[0].0, "conflict with \"edit\" using stead.dev/v1alpha1");
}

#[test]
fn lists_are_merged_by_key_by_value_or_not_at_all() {
    let mut lab = Lab::new();
    lab.apply(
        "a",
        json!({
            "whole": ["1", "2"], "set": ["1", "2"],
            "items": [{"name": "x", "value": 1}, {"name": "y", "value": 2}],
        }),
    )
    .unwrap();
    assert_eq!(
        lab.fields("a")["f:items"]["k:{\"name\":\"x\"}"],
        json!({".": {}, "f:name": {}, "f:value": {}})
    );
    assert_eq!(lab.fields("a")["f:set"], json!({"v:\"1\"": {}, "v:\"2\"": {}}));
    lab.apply("b", json!({"set": ["2", "3"], "items": [{"name": "y", "other": 7}]})).unwrap();
    assert_eq!(lab.object["spec"]["set"], json!(["1", "2", "3"]));
    lab.apply("b", json!({"whole": ["3"]})).unwrap_err();
    lab.apply("a", json!({"items": [{"name": "x", "value": 1}]})).unwrap();
    assert_eq!(
        lab.object["spec"],
        json!({
            "set": ["2", "3"],
            "items": [{"name": "x", "value": 1}, {"name": "y", "other": 7}],
        })
    );
}

#[test]
fn managed_fields_survive_being_written_and_read() {
    let mut lab = Lab::new();
    lab.apply("a", json!({"map": {"x": "1"}, "items": [{"name": "x", "value": 1}]})).unwrap();
    lab.update("edit", json!({"replicas": 3, "map": {"x": "1"}, "nested": {}}));
    let mut object = lab.object.clone();
    lab.managers.clone().write(&mut object, &Managers::default(), "v1", "then");
    let read = Managers::of(&object);
    let mut again = object.clone();
    read.clone().write(&mut again, &read, "v1", "now");
    assert_eq!(object, again);
    // Emptied by hand: nobody owns anything.
    object["metadata"]["managedFields"] = json!([{}]);
    assert_eq!(Managers::of(&object), Managers::default());
}
