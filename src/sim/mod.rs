//! A deterministic simulator: whole clusters, from one seed, with the very same engine.
//!
//! Machines with their own drifting clocks, disks that lose what was not synced, keepers, drivers,
//! an arbiter and a network of lossy, slow, one-way links; on top, faults and an operator, all drawn
//! from the seed. After every step the invariants of design.md 3 are checked from outside, by what
//! physically runs and what was acknowledged. A run that breaks one prints its story and how to
//! replay it.
//!
//! Nothing here reads a clock, and the engine cannot tell it from the world.

mod acts;
mod arbiter;
mod brief;
mod checkers;
mod clock;
mod disk;
mod doubles;
mod drivers;
mod engine_node;
#[cfg(feature = "simulate")]
mod explore;
mod faults;
mod fence;
mod hardware;
mod keeper;
mod net;
mod node;
mod options;
mod queue;
mod random;
pub mod rehearse;
mod saved;
mod schedule;
mod setup;
mod shrink;
mod stage;
mod text_duration;
mod trace;
mod wide;
mod words;
mod world;

pub use acts::{Act, Edit, TimedAct};
pub use checkers::{Invariant, Violation};
pub use clock::TrueTime;
pub use doubles::Count;
#[cfg(feature = "simulate")]
pub use explore::{Bounds, Explored, explore};
pub use faults::{Fault, FaultKind, FenceFailure, both_ways, links};
pub use fence::FencePlan;
pub use net::Storm;
pub use node::{Birth, GroupSeen, Node, Seen};
pub use options::{ArbiterKind, Options, Profile};
pub use saved::{NoSchedule, Schedule};
pub use schedule::{Failed, Passed, Run, Tally, play, play_options, play_twice, run};
pub use shrink::{Shrunk, shrink};
pub use stage::{Pace, Stage, Work};
pub use trace::Detail;
pub use world::{Activity, Told, World};

#[cfg(test)]
mod tests;
