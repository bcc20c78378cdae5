//! Processes at the level of the kernel.

pub mod sys;
