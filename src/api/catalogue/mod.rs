//! The only source of what users read.
