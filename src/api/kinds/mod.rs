//! The kinds: Cluster, Server, FailoverGroup, Resource, Monitor, Operation.

mod cluster;
mod conditions;
mod duration;
mod failover_group;
mod monitor;
mod operation;
mod resource;
mod server;

pub use cluster::*;
pub use conditions::*;
pub use duration::*;
pub use failover_group::*;
pub use monitor::*;
pub use operation::*;
pub use resource::*;
pub use server::*;
