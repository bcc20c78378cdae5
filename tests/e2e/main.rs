//! Real processes, end to end: keepers, agents and the `stead` command on this machine's loopback,
//! every server under a root of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cli;
mod demo;
mod faults;
mod fencing;
mod harness;
mod lifecycle;
mod partition;
mod pauses;
mod refusals;
mod trust;
