//! Who lives, what was promised, who leads.

pub mod copies;
pub mod lead;
pub mod liveness;
pub mod proposal;
pub mod support;
mod table;
pub mod view;
