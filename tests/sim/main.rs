//! Seeded schedules of whole clusters, and scenarios, on the simulator.

mod schedules;
