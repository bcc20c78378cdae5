//! The decisions of one server: a pure function of what it was told (design.md 2).
//!
//! The contract of the run loop: call [`Engine::handle`] once, then [`Engine::poll_effect`] until it
//! gives `None`, then wait until the instant of [`Engine::poll_timeout`] or for the next input.
//! An effect with an outcome carries an id; its answer comes back as an input. A lost answer is
//! `Unknown`, never "failed".
//!
//! Nothing here reads a clock, locks, awaits or draws a random number that was not handed in.

pub mod arbitration;
pub mod durable;
pub mod effect;
pub mod fencing;
pub mod group;
pub mod ids;
pub mod input;
pub mod lineage;
pub mod membership;
pub mod message;
pub mod model;
pub mod mutation;
mod node;
pub mod note;
pub mod observe;
pub mod operations;
pub mod placement;
pub mod recovery;
pub mod time;

pub use node::Engine;
