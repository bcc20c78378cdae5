//! AWS, as far as moto plays it: calls through a proxy that fails on demand, and two real servers
//! whose surroundings another program (boto3) makes and looks at.
//!
//! scripts/setup-stores.sh fetches moto. No real account of AWS was ever asked.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod calls;
mod cloud;
mod cluster;
#[path = "../shared/network.rs"]
mod network;
#[path = "../lease/proxy.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod proxy;
mod takeover;
mod terraform;
