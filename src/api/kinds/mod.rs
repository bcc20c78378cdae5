//! The kinds: Cluster, Server, FailoverGroup, Resource, Monitor, Operation.

// Printer columns are arguments of one attribute that have parts in common, no duplicates.
#![allow(clippy::duplicated_attributes)]

mod arbitration;
mod aws;
mod cluster;
mod conditions;
mod duration;
mod failover_group;
mod fencing;
mod lease_arbitration;
mod monitor;
mod observed;
mod operation;
mod platform;
mod resource;
mod server;

pub use arbitration::*;
pub use aws::*;
pub use cluster::*;
pub use conditions::*;
pub use duration::*;
pub use failover_group::*;
pub use fencing::*;
pub use lease_arbitration::*;
pub use monitor::*;
pub use observed::*;
pub use operation::*;
pub use platform::*;
pub use resource::*;
pub use server::*;
