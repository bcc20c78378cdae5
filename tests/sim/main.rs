//! Seeded schedules of whole clusters, and scenarios, on the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a puppet answers what its test is about")]

mod cluster;
mod courses;
mod exploration;
mod fencing;
mod grounds;
mod histories;
mod hunt;
mod mutations;
mod partition_table;
mod pauses;
mod puppet;
mod puppets;
mod rehearsals;
mod saved;
mod scenarios;
mod schedules;
mod summary;
