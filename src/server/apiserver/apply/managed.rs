//! `metadata.managedFields`: who owns which fields.

use serde_json::{Value, json};

use super::fields::{FieldSet, Step, children, ownable};

/// Managers kept per object; the oldest that only updated are forgotten first.
const MANAGERS_MAX: usize = 32;

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Operation {
    /// By server-side apply.
    Apply,
    /// Otherwise.
    Update,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Manager {
    name: String,
    operation: Operation,
    time: Option<String>,
    fields: FieldSet,
}

/// Everybody who owns fields of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Managers(Vec<Manager>);

impl Managers {
    /// Reads the managers of an object; entries that cannot be read are left out.
    pub(in super::super) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        Self(entries.into_iter().flatten().filter_map(decode).take(MANAGERS_MAX).collect())
    }

    /// Writes them into an object. Whoever's fields differ from `before` changed now.
    pub(in super::super) fn write(
        mut self,
        object: &mut Value,
        before: &Self,
        api_version: &str,
        now: &str,
    ) {
        self.0.retain(|manager| !manager.fields.is_empty());
        while self.0.len() > MANAGERS_MAX {
            self.0.remove(0);
        }
        self.0.sort_by(|one, two| (one.operation, &one.name).cmp(&(two.operation, &two.name)));
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|manager| {
                let same = |other: &&Manager| {
                    other.name == manager.name
                        && other.operation == manager.operation
                        && other.fields == manager.fields
                };
                let known = before.0.iter().find(same).and_then(|known| known.time.as_deref());
                encode(manager, api_version, known.unwrap_or(now))
            })
            .collect();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if entries.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert("managedFields".into(), entries.into());
            }
        }
    }

    /// What a manager applied last.
    pub(super) fn applied_by(&self, name: &str) -> FieldSet {
        self.0
            .iter()
            .find(|m| m.is(name, Operation::Apply))
            .map(|m| m.fields.clone())
            .unwrap_or_default()
    }

    /// What all but this one's applies own.
    pub(super) fn owned_by_others(&self, name: &str) -> FieldSet {
        let mut all = FieldSet::default();
        for manager in self.0.iter().filter(|manager| !manager.is(name, Operation::Apply)) {
            all.add(&manager.fields);
        }
        all
    }

    /// Who else owns exactly this path.
    pub(super) fn others_owning(&self, name: &str, steps: &[Step]) -> Vec<String> {
        let owns = |manager: &&Manager| {
            let leaf = steps.iter().try_fold(&manager.fields, |set, step| set.children.get(step));
            leaf.is_some_and(|leaf| leaf.member)
        };
        let others = self.0.iter().filter(|manager| !manager.is(name, Operation::Apply));
        others
            .filter(owns)
            .map(|manager| match manager.operation {
                Operation::Apply => format!("conflict with \"{}\"", manager.name),
                Operation::Update => {
                    format!("conflict with \"{}\" using {}", manager.name, crate::api::API_VERSION)
                }
            })
            .collect()
    }

    /// Takes fields away from all but this one's applies.
    pub(super) fn take_from_others(&mut self, name: &str, fields: &FieldSet) {
        for manager in self.0.iter_mut().filter(|manager| !manager.is(name, Operation::Apply)) {
            manager.fields.subtract(fields);
        }
    }

    /// Records what a manager applies from now on.
    pub(super) fn set_applied(&mut self, name: &str, fields: FieldSet) {
        self.entry(name, Operation::Apply).fields = fields;
    }

    /// Records an apply that made the object.
    pub(in super::super) fn apply_all(
        &mut self,
        name: &str,
        configuration: &Value,
        schema: &Value,
    ) {
        self.set_applied(name, FieldSet::of(configuration, schema));
    }

    /// Records a write that was no apply: what it changed is the writer's own from now on.
    pub(in super::super) fn update(
        &mut self,
        name: &str,
        old: Option<&Value>,
        new: &Value,
        schema: &Value,
    ) {
        let new = ownable(new);
        let changed = match old {
            Some(old) => changed(&ownable(old), &new, schema),
            None => FieldSet::of(&new, schema),
        };
        if !changed.is_empty() {
            for manager in &mut self.0 {
                if !manager.is(name, Operation::Update) {
                    manager.fields.subtract(&changed);
                }
            }
            self.entry(name, Operation::Update).fields.add(&changed);
        }
        for manager in &mut self.0 {
            manager.fields.retain_existing(&new, schema);
        }
    }

    fn entry(&mut self, name: &str, operation: Operation) -> &mut Manager {
        let position = match self.0.iter().position(|manager| manager.is(name, operation)) {
            Some(position) => position,
            None => {
                let fields = FieldSet::default();
                self.0.push(Manager { name: name.to_owned(), operation, time: None, fields });
                self.0.len() - 1
            }
        };
        &mut self.0[position]
    }
}

impl Manager {
    fn is(&self, name: &str, operation: Operation) -> bool {
        self.name == name && self.operation == operation
    }
}

/// The fields of `new` that `old` does not have with the same value.
fn changed(old: &Value, new: &Value, schema: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    let known = children(old, schema);
    for (step, value, child_schema) in children(new, schema) {
        let before = known.iter().find(|(other, _, _)| *other == step).map(|(_, value, _)| value);
        let child = match before {
            Some(before) if *before == value => continue,
            Some(before) if !children(value, child_schema).is_empty() => {
                changed(before, value, child_schema)
            }
            Some(_) => FieldSet { member: true, ..FieldSet::default() },
            None => added(&step, value, child_schema, schema),
        };
        set.children.insert(step, child);
    }
    set
}

/// All fields of a value that was not there.
fn added(step: &Step, value: &Value, schema: &Value, parent: &Value) -> FieldSet {
    let mut set = changed(&Value::Null, value, schema);
    let named = match step {
        Step::Field(name) => parent["properties"].get(name).is_some(),
        Step::Keys(_) | Step::Item(_) => false,
    };
    set.member |= !named || set.children.is_empty();
    set
}

fn decode(entry: &Value) -> Option<Manager> {
    let operation = match entry["operation"].as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    Some(Manager {
        name: entry["manager"].as_str()?.to_owned(),
        operation,
        time: entry["time"].as_str().map(str::to_owned),
        fields: FieldSet::decode(entry.get("fieldsV1")?, 0)?,
    })
}

fn encode(manager: &Manager, api_version: &str, time: &str) -> Value {
    json!({
        "manager": manager.name,
        "operation": match manager.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        },
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": manager.fields.encode(),
    })
}
