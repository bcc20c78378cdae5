//! The Kubernetes wire API for our kinds, as far as an unmodified kubectl needs it.
//!
//! Any agent accepts any request; only the leader's [`Storage`] is authoritative, so the others
//! hand the whole request to the leader. Nothing here decides what the cluster does: a write is
//! checked, then given to the [`Writer`], and what comes of it is read back from the storage.

mod derived;
mod event;
mod storage;
mod writer;

pub use storage::{Leadership, PastEvent, Storage, Update};
pub use writer::Writer;
