//! Asks the network whether somebody uses an address, and tells it that we do.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{LinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::frames::{self, Mac};

/// Questions asked before an address counts as free.
const PROBES: u32 = 3;
/// Between two questions. RFC 5227 waits a second or more, for networks of 1,000 machines that are
/// switched on at once; an answer in a data centre takes well under a millisecond, and every
/// millisecond here is part of the outage.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// Largest frame worth reading.
const FRAME_MAX: usize = 2048;

/// A socket that sees and sends whole Ethernet frames of one kind on one interface.
///
/// Not UDP: the type only wraps the calls send and recv, which are the same here.
struct PacketSocket(UdpSocket);

impl PacketSocket {
    fn open(on: &LinkAddr, address: IpAddr) -> io::Result<Self> {
        let ethertype = match address {
            IpAddr::V4(_) => libc::ETH_P_ARP,
            IpAddr::V6(_) => libc::ETH_P_IPV6,
        };
        let protocol = u16::try_from(ethertype).unwrap_or(0).to_be();
        let kind = Type::from(libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let socket = Socket::new(
            Domain::from(libc::AF_PACKET),
            kind,
            Some(Protocol::from(i32::from(protocol))),
        )?;
        // Its own address names no protocol: the socket keeps the one it was opened for.
        bind(socket.as_raw_fd(), on)?;
        Ok(Self(UdpSocket::from_std(socket.into())?))
    }
}

/// The machine that uses `address` on this network, if one answers.
pub async fn user(on: &LinkAddr, own: Mac, address: IpAddr) -> io::Result<Option<Mac>> {
    let socket = PacketSocket::open(on, address)?;
    let question = frames::probe(own, address);
    let mut buffer = vec![0; FRAME_MAX];
    for _ in 0..PROBES {
        socket.0.send(&question).await?;
        let answer = tokio::time::timeout(PROBE_INTERVAL, async {
            loop {
                let length = socket.0.recv(&mut buffer).await?;
                if let Some(mac) = frames::user_of(&buffer[..length], own, address) {
                    return io::Result::Ok(mac);
                }
            }
        });
        if let Ok(answer) = answer.await {
            return answer.map(Some);
        }
    }
    Ok(None)
}

/// Tells every neighbour, once, that `address` is here.
pub async fn announce(on: &LinkAddr, own: Mac, address: IpAddr) -> io::Result<()> {
    let socket = PacketSocket::open(on, address)?;
    for frame in frames::announcements(own, address) {
        socket.0.send(&frame).await?;
    }
    Ok(())
}
