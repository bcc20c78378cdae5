//! The CEL rules of the schemas, evaluated as a Kubernetes API server would.
//!
//! A rule's message begins with its id in the message catalogue: `Id: text`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationErrors, Validator, compile_schema};
use serde_json::Value;

use super::{KINDS, apply_defaults, schema};
use crate::api::problem::Problem;

static COMPILED: LazyLock<BTreeMap<&'static str, CompiledSchema>> = LazyLock::new(|| {
    KINDS.into_iter().filter_map(|kind| Some((kind, compile_schema(schema(kind)?)))).collect()
});

/// Rules that the object breaks, defaults filled in. Of a rule that can't be evaluated nothing is
/// said: what it needs is missing, which the check of the form has said.
pub(super) fn broken(kind: &str, object: &Value) -> Vec<Problem> {
    let mut object = object.clone();
    apply_defaults(kind, &mut object);
    evaluate(kind, &object, None)
}

/// The rules about what may not change, from `old` to `new`.
#[must_use]
pub fn check_update(kind: &str, old: &Value, new: &Value) -> Vec<Problem> {
    let (mut old, mut new) = (old.clone(), new.clone());
    apply_defaults(kind, &mut old);
    apply_defaults(kind, &mut new);
    let on_creation = evaluate(kind, &new, None);
    let mut problems = evaluate(kind, &new, Some(&old));
    problems.retain(|problem| !on_creation.contains(problem));
    problems
}

fn evaluate(kind: &str, new: &Value, old: Option<&Value>) -> Vec<Problem> {
    let Some(compiled) = COMPILED.get(kind) else { return Vec::new() };
    match Validator::new().validate_compiled(compiled, new, old) {
        Ok(()) => Vec::new(),
        Err(errors) => problems_of(errors, new),
    }
}

fn problems_of(errors: ValidationErrors, object: &Value) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors
        .into_vec()
        .into_iter()
        .filter(|error| error.kind == ErrorKind::ValidationFailure)
        .map(|error| {
            let (code, message) = split(&error.message);
            let field = error.field_path.trim_start_matches('.').to_owned();
            let found = super::check::at(object, &field).cloned();
            let problem = Problem::error(code, field, message);
            match found {
                Some(value) if !value.is_object() => problem.found(&value),
                Some(_) | None => problem,
            }
        })
        .collect();
    // The evaluator walks the members in no order that can be relied on.
    problems.sort_by(|one, two| (&one.field, &one.code).cmp(&(&two.field, &two.code)));
    problems
}

fn split(message: &str) -> (&str, &str) {
    match message.split_once(": ") {
        Some((code, rest)) if !code.contains(' ') => (code, rest),
        Some(_) | None => ("RuleBroken", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles() {
        for kind in KINDS {
            let compiled = COMPILED.get(kind).unwrap();
            assert!(compiled.compilation_errors().is_empty(), "{kind}");
        }
    }
}
