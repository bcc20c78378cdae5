//! The packets that a dead agent sealed in advance: "this run has ended, and all it held".

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket,
};
use tracing::{info, warn};

use super::protocol::Datagram;

/// Each packet is sent this often: one loss does not cost the whole time-out.
const TIMES: u32 = 3;
/// Between them: a burst of loss is shorter.
const SPACING: Duration = Duration::from_millis(5);

/// Sends them all; the receiver drops the second and third as replays.
pub fn send(datagrams: &[Datagram]) {
    for time in 0..TIMES {
        if time > 0 {
            #[allow(clippy::disallowed_methods, reason = "the spacing is the purpose")]
            thread::sleep(SPACING);
        }
        for datagram in datagrams {
            if let Err(error) = send_one(datagram) {
                let destination = datagram.destination;
                warn!(%error, %destination, "failed to send a farewell");
            }
        }
    }
    info!(datagrams = datagrams.len(), "farewell sent");
}

fn send_one(datagram: &Datagram) -> io::Result<()> {
    // The next agent may have its port already. The packet is trusted for its seal, not for where
    // it comes from.
    let any_port = SocketAddr::new(datagram.source.ip(), 0);
    let socket = bound(datagram.source).or_else(|_| bound(any_port))?;
    socket.send_to(&datagram.bytes, datagram.destination)?;
    Ok(())
}

fn bound(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    setsockopt(&socket, ReusePort, &true)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(address))?;
    Ok(socket.into())
}
