//! AWS, as far as moto plays it: calls through a proxy that fails on demand, and two real servers
//! whose surroundings another program (boto3) makes and looks at.
//!
//! scripts/setup-stores.sh fetches moto. No real account of AWS was ever asked.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod access;
mod answers;
mod calls;
mod causes;
mod chapters;
mod cloud;
mod cluster;
mod doctor;
mod fences;
mod lab;
mod metadata;
mod mistakes;
#[path = "../shared/network.rs"]
mod network;
mod pace;
#[path = "../lease/proxy.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod proxy;
mod rows;
mod secondary;
#[path = "../shared/store_network.rs"]
mod store_network;
mod takeover;
mod terraform;
