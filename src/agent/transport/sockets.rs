//! The datagram sockets: one for each path, bound to this server's address on it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use super::datagram::DATAGRAM_MAX;
use crate::agent::config::Endpoint;
use crate::api::names::PathName;

/// One byte more than any packet of ours, so that a longer one is noticed.
pub const BUFFER_LENGTH: usize = DATAGRAM_MAX + 1;

/// The sockets, by path.
pub struct Sockets {
    paths: BTreeMap<PathName, UdpSocket>,
}

/// A socket or listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {what} {address}{by}")]
pub struct BindError {
    /// UDP or TCP.
    pub what: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Who has it already, in words; empty where not known.
    pub by: String,
    /// Why.
    pub source: io::Error,
}

impl BindError {
    /// With the process that has the port, where one has.
    #[must_use]
    pub fn new(what: &'static str, address: SocketAddr, source: io::Error) -> Self {
        let kind = source.kind();
        let by = if kind == io::ErrorKind::AddrInUse && what == "TCP" {
            crate::keeper::listeners::listeners(address.port())
                .ok()
                .and_then(|found| {
                    let here = |other: &IpAddr| *other == address.ip() || other.is_unspecified();
                    let holder = found.iter().find(|one| here(&one.address.ip()))?;
                    Some(format!(", taken: {holder}"))
                })
                .unwrap_or_default()
        } else if kind == io::ErrorKind::AddrNotAvailable {
            ", which is no address of this machine (see `listen` in agent.yaml)".to_owned()
        } else {
            String::new()
        };
        Self { what, address, by, source }
    }
}

impl Sockets {
    /// Binds one for each path.
    ///
    /// # Errors
    /// Where an address is not this machine's, or its port is taken.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let mut paths = BTreeMap::new();
        for (path, address) in &endpoint.addresses {
            let address = SocketAddr::new(*address, endpoint.heartbeat_port);
            let socket = UdpSocket::bind(address)
                .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                .map_err(|source| BindError::new("UDP", address, source))?;
            paths.insert(path.as_str().into(), socket);
        }
        Ok(Self { paths })
    }

    /// Each path with its socket.
    pub fn iter(&self) -> impl Iterator<Item = (&PathName, &UdpSocket)> {
        self.paths.iter()
    }

    /// What to wait on, in the order of [`Self::iter`].
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.paths.values().map(AsFd::as_fd)
    }

    /// Sends from a path's own address.
    ///
    /// # Errors
    /// Where the path is unknown, or the network does not take it now.
    pub fn send(&self, path: &PathName, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let socket = self.paths.get(path).ok_or(io::ErrorKind::NotFound)?;
        socket.send_to(packet, to).map(drop)
    }
}
