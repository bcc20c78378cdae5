//! Monitors and ladders, driven by hand: per input the list of effects.

mod bench;
mod checks;
mod ladders;
mod together;
