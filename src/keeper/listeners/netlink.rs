//! The kernel's own list of listeners, over netlink: it looks at these alone, where `/proc` walks the
//! machine's whole table of connections, which has room for hundreds of thousands.

use std::io;
use std::net::SocketAddr;

use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::sys::protocols::NETLINK_SOCK_DIAG;
use rtnetlink::sys::{Socket, SocketAddr as KernelAddress};

/// The kernel fills at most 32 KiB at once.
const BUFFER_LENGTH: usize = 32 * 1024;

/// Address and inode of every listener on `port` in this thread's network namespace.
///
/// # Errors
/// Also where the kernel was built without it.
pub fn listeners(port: u16) -> io::Result<Vec<(SocketAddr, u64)>> {
    let mut found = Vec::new();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let socket_id = SocketId { source_port: port, ..socket_id };
        ask(family, socket_id, &mut found)?;
    }
    // It was asked for this port alone; whether it looks at that is not relied on.
    found.retain(|(address, _)| address.port() == port);
    Ok(found)
}

fn ask(family: u8, socket_id: SocketId, found: &mut Vec<(SocketAddr, u64)>) -> io::Result<()> {
    let socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.connect(&KernelAddress::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id,
    };
    let mut packet = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut buffer = vec![0; BUFFER_LENGTH];
    loop {
        let length = socket.recv(&mut &mut buffer[..], 0)?;
        if read_answer(&buffer[..length], found)? {
            return Ok(());
        }
    }
}

/// Takes in what came at once; whether that was the last.
fn read_answer(mut rest: &[u8], found: &mut Vec<(SocketAddr, u64)>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let payload = message.payload;
        if let NetlinkPayload::Done(_) = payload {
            return Ok(true);
        }
        if let NetlinkPayload::Error(error) = payload {
            return Err(error.to_io());
        }
        if let NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) = payload {
            let id = &response.header.socket_id;
            let address = SocketAddr::new(id.source_address, id.source_port);
            found.push((address, response.header.inode.into()));
        }
        // Messages begin at multiples of four.
        let length = (message.header.length as usize).next_multiple_of(4);
        rest = rest.get(length.max(4)..).unwrap_or_default();
    }
    Ok(false)
}
