//! Real processes, end to end: keepers, agents and the `stead` command on this machine's loopback,
//! every server under a root of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cli;
mod demo;
mod disk_witness;
mod dual_activation;
mod faults;
mod fencing;
mod harness;
mod lifecycle;
#[path = "../shared/network.rs"]
mod network;
mod partition;
mod pauses;
mod refusals;
mod trust;
