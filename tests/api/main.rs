//! The API server against real clients: several releases of kubectl, and the `kube` crate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod client;
mod harness;
mod kubectl;
mod leadership;
mod watching;
mod wire;
