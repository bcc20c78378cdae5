//! stead: a failover cluster for cloud VMs that is operated like Kubernetes.
#![deny(unsafe_code)]
pub mod agent;
pub mod api;
pub mod engine;
pub mod server;
