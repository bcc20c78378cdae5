//! Orders, outcomes and what comes of them, driven by hand: per input the list of effects.

pub mod bench;
mod every_outcome;
mod failures;
mod orders;
mod recovery;
