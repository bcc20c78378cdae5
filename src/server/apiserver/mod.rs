//! The Kubernetes wire API for our kinds, as far as an unmodified kubectl needs it.
//!
//! Any agent accepts any request; only the leader's [`Storage`] is authoritative, so the others
//! hand the whole request to the leader. Nothing here decides what the cluster does: a write is
//! checked, then given to the [`Writer`], and what comes of it is read back from the storage.
//!
//! ```text
//! listen ─ service ─┬─ route, identity, negotiate, query     what is asked, by whom, in which form
//!                   ├─ discovery, openapi, kinds             what there is
//!                   ├─ read, watch, selector, table          storage -> answer
//!                   ├─ write, prepare, apply, body           answer <- storage <- writer
//!                   └─ proxy                                 to the leader
//! ```

mod answer;
mod apply;
mod body;
mod derived;
mod discovery;
mod event;
mod failure;
mod identity;
mod jsonpath;
mod kinds;
mod listen;
mod negotiate;
mod openapi;
mod prepare;
mod proxy;
mod query;
mod read;
mod review;
mod route;
mod selector;
mod service;
mod storage;
mod table;
mod watch;
mod write;
mod writer;

pub use identity::{ADMINS, Identity, OPERATORS, SERVERS, VIEWERS};
pub use listen::{ApiOptions, ApiServer, ApiTls, ListenError};
pub use storage::{Leadership, PastEvent, Storage, Update};
pub use writer::Writer;

#[cfg(test)]
mod tests;
