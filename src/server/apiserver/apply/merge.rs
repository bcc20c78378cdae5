//! What an apply makes of an object.

use serde_json::{Map, Value};

use super::fields::{FieldSet, Shape, Step, children, field_schema, keys_of, shape};
use super::managed::Managers;

/// What an apply came to.
#[derive(Clone, Debug)]
pub(in super::super) struct Applied {
    /// The object.
    pub(in super::super) object: Value,
    /// Who owns what now.
    pub(in super::super) managers: Managers,
}

/// Fields that others own with other values: who, and the path.
type Conflicts = Vec<(String, String)>;

/// Applies a configuration to an object in the name of a manager. With `force` it takes over what
/// others own; without, that is a conflict.
pub(in super::super) fn apply(
    live: &Value,
    managers: &Managers,
    configuration: &Value,
    schema: &Value,
    manager: &str,
    force: bool,
) -> Result<Applied, Conflicts> {
    let wanted = FieldSet::of(configuration, schema);
    let mut managers = managers.clone();
    let before = managers.applied_by(manager);
    let mut contested = FieldSet::default();
    let mut conflicts = Vec::new();
    let ownable = super::fields::ownable(configuration);
    differing(&ownable, live, schema, "", &mut |path, steps| {
        for owner in managers.others_owning(manager, steps) {
            conflicts.push((owner, path.to_owned()));
            insert(&mut contested, steps);
        }
    });
    if !conflicts.is_empty() && !force {
        conflicts.sort();
        conflicts.dedup();
        return Err(conflicts);
    }
    managers.take_from_others(manager, &contested);
    let mut object = live.clone();
    merge(&mut object, &ownable, schema);
    // What this manager no longer applies and nobody else owns goes away.
    let mut dropped = before;
    dropped.subtract(&wanted);
    let mut kept = wanted.clone();
    kept.add(&managers.owned_by_others(manager));
    remove(&mut object, &dropped, &kept, schema);
    managers.set_applied(manager, wanted);
    Ok(Applied { object, managers })
}

/// Calls back for each leaf of `wanted` that has another value in `live`.
fn differing(
    wanted: &Value,
    live: &Value,
    schema: &Value,
    path: &str,
    found: &mut impl FnMut(&str, &[Step]),
) {
    fn walk(
        wanted: &Value,
        live: &Value,
        schema: &Value,
        path: &str,
        steps: &mut Vec<Step>,
        found: &mut impl FnMut(&str, &[Step]),
    ) {
        let wanted_children = children(wanted, schema);
        if wanted_children.is_empty() && !steps.is_empty() {
            // An empty structure changes nothing of one that is there.
            let adds_nothing = match shape(wanted, schema) {
                Shape::Fields(_) => live.is_object(),
                Shape::Map { .. } | Shape::Set => live.is_array(),
                Shape::Whole => false,
            };
            if wanted != live && !adds_nothing {
                found(path, steps);
            }
            return;
        }
        let live_children = children(live, schema);
        for (step, child, child_schema) in wanted_children {
            let other = live_children.iter().find(|(other, _, _)| *other == step);
            let Some((_, other, _)) = other else { continue };
            let path = format!("{path}{}", step.display());
            steps.push(step);
            walk(child, other, child_schema, &path, steps, found);
            steps.pop();
        }
    }
    walk(wanted, live, schema, path, &mut Vec::new(), found);
}

fn insert(set: &mut FieldSet, steps: &[Step]) {
    let leaf = steps.iter().fold(set, |set, step| set.children.entry(step.clone()).or_default());
    leaf.member = true;
}

/// Puts what is wanted into a value.
fn merge(live: &mut Value, wanted: &Value, schema: &Value) {
    match (shape(wanted, schema), wanted) {
        (Shape::Fields(schema), Value::Object(fields)) => {
            if !live.is_object() {
                *live = Value::Object(Map::new());
            }
            for (name, value) in fields {
                merge(&mut live[name], value, field_schema(schema, name));
            }
        }
        (Shape::Map { keys, items }, Value::Array(list)) => {
            let mut merged = take_list(live);
            for item in list {
                let step = keys_of(item, keys);
                match merged.iter_mut().find(|known| keys_of(known, keys) == step) {
                    Some(known) => merge(known, item, items),
                    None => merged.push(item.clone()),
                }
            }
            *live = Value::Array(merged);
        }
        (Shape::Set, Value::Array(list)) => {
            let mut merged = take_list(live);
            for item in list {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            *live = Value::Array(merged);
        }
        _ => *live = wanted.clone(),
    }
}

/// The items of a list; what is no list has none.
fn take_list(value: &mut Value) -> Vec<Value> {
    if let Value::Array(list) = std::mem::take(value) { list } else { Vec::new() }
}

/// Takes out of a value what is in `dropped` and not in `kept`; whether anything is left.
fn remove(value: &mut Value, dropped: &FieldSet, kept: &FieldSet, schema: &Value) {
    let nothing = FieldSet::default();
    for (step, dropped) in &dropped.children {
        let kept = kept.children.get(step).unwrap_or(&nothing);
        if dropped.member && kept.is_empty() {
            take_out(value, step, schema);
            continue;
        }
        let emptied = match child_mut(value, step, schema) {
            Some((child, child_schema)) => {
                remove(child, dropped, kept, child_schema);
                is_empty(child) && kept.is_empty()
            }
            None => false,
        };
        if emptied {
            take_out(value, step, schema);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn child_mut<'a, 'b>(
    value: &'a mut Value,
    step: &Step,
    schema: &'b Value,
) -> Option<(&'a mut Value, &'b Value)> {
    match step {
        Step::Field(name) => {
            Some((value.as_object_mut()?.get_mut(name)?, field_schema(schema, name)))
        }
        Step::Keys(_) => {
            let keys = &schema["x-kubernetes-list-map-keys"];
            let item =
                value.as_array_mut()?.iter_mut().find(|item| keys_of(item, keys) == *step)?;
            Some((item, &schema["items"]))
        }
        Step::Item(_) => None,
    }
}

fn take_out(value: &mut Value, step: &Step, schema: &Value) {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            fields.remove(name);
        }
        (Step::Keys(_), Value::Array(items)) => {
            let keys = &schema["x-kubernetes-list-map-keys"];
            items.retain(|item| keys_of(item, keys) != *step);
        }
        (Step::Item(_), Value::Array(items)) => {
            items.retain(|item| Step::Item(item.to_string()) != *step);
        }
        _ => {}
    }
}
