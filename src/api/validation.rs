//! What must hold for an object and between objects.

use serde_json::Value;

use super::problem::Problem;
use super::schema;

/// Everything that is wrong with a whole set of objects, each alone and between them. Objects may
/// leave out what has a default.
#[must_use]
pub fn validate(objects: &[Value]) -> Vec<Problem> {
    objects
        .iter()
        .flat_map(|object| schema::check(object["kind"].as_str().unwrap_or_default(), object))
        .collect()
}

/// What may not change from the stored object to its new form.
#[must_use]
pub fn validate_update(old: &Value, new: &Value) -> Vec<Problem> {
    schema::check_update(new["kind"].as_str().unwrap_or_default(), old, new)
}
