//! stead: a failover cluster for cloud VMs that is operated like Kubernetes.
#![deny(unsafe_code)]
pub mod agent;
pub mod api;
pub mod cli;
pub mod drivers;
pub mod engine;
pub mod keeper;
pub mod server;
pub mod sim;
