//! What a manifest uses of AWS, and which rights that needs.
//!
//! [`ACTIONS`] is the one place that says which action of AWS belongs to what: policies, the doctor,
//! the texts of refusals and the table in docs/aws.md are made from it or compared with it.

mod actions;
mod policy;
mod uses;

pub use actions::{ACTIONS, Action, Caller, Limit, Use, needed_by, table};
pub use policy::{DOCUMENT_MAX, Place, Principal, Statement, document, length, partition, policy};
pub use uses::Uses;

#[cfg(test)]
mod tests;
