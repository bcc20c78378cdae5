//! What an agent serves to people and their tools.

pub mod apiserver;
