//! x
pub mod frames;
pub mod links;
pub mod neighbours;
