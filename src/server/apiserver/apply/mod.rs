//! Server-side apply: who owns which fields, and what an apply makes of an object.

mod fields;
mod managed;
mod merge;

pub(super) use fields::metadata_schema;
pub(super) use managed::{Managers, Operation};
pub(super) use merge::apply;

#[cfg(test)]
mod tests;
