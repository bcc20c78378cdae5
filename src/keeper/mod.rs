//! k
pub mod listeners;
