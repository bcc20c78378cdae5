//! The kinds: Cluster, Server, FailoverGroup, Resource, Monitor, Operation.

mod cluster;
mod conditions;
mod failover_group;
mod monitor;
mod operation;
mod resource;
mod server;

pub use cluster::*;
pub use conditions::*;
pub use failover_group::*;
pub use monitor::*;
pub use operation::*;
pub use resource::*;
pub use server::*;

/// Duration strings such as `90s`, `500ms` or `1m30s`.
pub use kube::core::Duration;
