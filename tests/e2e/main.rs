//! Real processes, end to end: keepers, agents and the `stead` command on this machine's loopback,
//! every server under a root of its own.

mod harness;
mod lifecycle;
mod refusals;
