//! Seeded schedules of whole clusters, and scenarios, on the simulator.

mod fencing;
mod partition_table;
mod puppets;
mod scenarios;
mod schedules;
