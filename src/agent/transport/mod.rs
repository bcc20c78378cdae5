//! How agents talk: authenticated datagrams, and TLS streams for what does not fit into one.
//!
//! A datagram that is not certainly from a server of this cluster, made by the present run of its
//! agent and seen for the first time, never reaches the engine: it is dropped and counted.

pub mod datagram;
pub mod expiry;
pub mod frame;
pub mod keys;
pub mod outgoing;
pub mod replay;
pub mod sessions;
pub mod sockets;
pub mod stream;
