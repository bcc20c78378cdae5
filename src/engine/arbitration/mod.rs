//! The rules of arbiters that are more than one question: what a shared disk and a serial line say.
//!
//! Pure, so that the drivers and the simulator play the same rules.

pub mod combined;
pub mod disk;
pub mod serial;
