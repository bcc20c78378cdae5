//! Seeded schedules of whole clusters, and scenarios, on the simulator.

mod scenarios;
mod schedules;
