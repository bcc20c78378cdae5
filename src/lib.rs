//! stead: a failover cluster for cloud VMs that is operated like Kubernetes.
#![deny(unsafe_code)]
#[cfg(not(feature = "simulate"))]
pub mod agent;
pub mod api;
#[cfg(not(feature = "simulate"))]
pub mod cli;
#[cfg(not(feature = "simulate"))]
pub mod cloud;
#[cfg(not(feature = "simulate"))]
pub mod doctor;
#[cfg(not(feature = "simulate"))]
pub mod drivers;
pub mod engine;
#[cfg(not(feature = "simulate"))]
pub mod keeper;
#[cfg(not(feature = "simulate"))]
pub mod server;
pub mod sim;
