//! The API server against real clients: several releases of kubectl, and the `kube` crate.

mod bad_input;
mod client;
mod harness;
mod kubectl;
mod leadership;
mod watching;
mod wire;
