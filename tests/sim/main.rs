//! Seeded schedules of whole clusters, and scenarios, on the simulator.

mod partition_table;
mod scenarios;
mod schedules;
