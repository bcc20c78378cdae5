//! The kinds a user writes, what they default to, what they may hold and what we say about them.
//!
//! Everything here is plain data and pure functions: no I/O, no clock, no async.

pub mod address;
pub mod arbitration;
pub mod aws;
pub mod catalogue;
pub mod kinds;
pub mod manifest;
pub mod names;
pub mod problem;
pub mod reference;
pub mod schema;
pub mod timing;
pub mod types;
pub mod validation;

pub use schema::crds;

/// API group of every kind.
pub const GROUP: &str = "stead.dev";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every object.
pub const API_VERSION: &str = "stead.dev/v1alpha1";
/// The namespace of the embedded store: one cluster, one namespace.
pub const NAMESPACE: &str = "default";
/// Finalizer that keeps an object until what it runs is deactivated.
pub const FINALIZER: &str = "stead.dev/deactivate";
/// Label of objects that the cluster made itself.
pub const AUTOMATIC_LABEL: &str = "stead.dev/automatic";
