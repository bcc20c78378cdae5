//! Removes a floating address from its interface: one netlink message, no runtime.
//!
//! No kernel takes an address away because the keeper was killed. What is in its charge therefore
//! stands in a file beside its socket: its agent removes it where the keeper is lost, and the next
//! keeper before it serves anybody.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use tracing::{debug, warn};

use super::protocol::Address;

/// The kernel answers while it is asked; this only bounds the unthinkable.
const ANSWER_MILLISECONDS: i64 = 50;
const HEADER_LENGTH: usize = 16;

/// Where the addresses in charge of the keeper with this socket are written down.
#[must_use]
pub fn list_path(socket: &Path) -> PathBuf {
    socket.with_extension("addresses")
}

/// Writes down what is in the keeper's charge.
///
/// # Errors
/// Where the file can't be written; what it said before holds.
pub fn save(list: &Path, addresses: &BTreeSet<Address>) -> io::Result<()> {
    let bytes = postcard::to_stdvec(addresses).map_err(io::Error::other)?;
    let new = list.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, list)
}

/// Removes what a keeper that was killed left. One that ended in good order left a list of
/// addresses that are gone.
pub fn clear(list: &Path) {
    let mut addresses: BTreeSet<Address> = match fs::read(list) {
        Ok(bytes) => postcard::from_bytes(&bytes).unwrap_or_else(|error| {
            warn!(list = %list.display(), %error, "the list of floating addresses is damaged");
            BTreeSet::new()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            warn!(list = %list.display(), %error, "failed to read the list of floating addresses");
            return;
        }
    };
    remove_all(&mut addresses);
    if let Err(error) = fs::remove_file(list) {
        warn!(list = %list.display(), %error, "failed to remove the list of floating addresses");
    }
}

/// Removes all of them; what the kernel refuses is said, and left in the set.
pub fn remove_all(addresses: &mut BTreeSet<Address>) {
    addresses.retain(|address| match remove(address) {
        Ok(()) => false,
        Err(error) => {
            warn!(%error, address = %address.address, "failed to remove the address");
            true
        }
    });
}

/// Removes it; one that is not there is removed.
///
/// # Errors
/// Where the kernel refuses.
pub fn remove(address: &Address) -> io::Result<()> {
    let Ok(interface) = if_nametoindex(address.interface.as_str()) else {
        // An interface that is gone took its addresses with it.
        return Ok(());
    };
    match change(libc::RTM_DELADDR, interface, address) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Ok(()),
        result => result,
    }
}

/// Goes the whole way for an address that no interface has.
pub fn rehearse() {
    let address = Ipv4Addr::UNSPECIFIED.into();
    let nothing = Address { interface: "lo".to_owned(), address, prefix: 32 };
    if let Err(error) = remove(&nothing) {
        debug!(%error, "an address that is not there was not removed");
    }
}

fn change(action: u16, interface: u32, address: &Address) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(ANSWER_MILLISECONDS))?;
    let request = request(action, interface, address);
    sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let error = answer[..length].get(HEADER_LENGTH..).and_then(|rest| rest.first_chunk());
    match error.map(|bytes| i32::from_ne_bytes(*bytes)) {
        None => Err(io::Error::other("the kernel's answer is too short")),
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
    }
}

/// Header, `ifaddrmsg`, one attribute.
fn request(action: u16, interface: u32, address: &Address) -> Vec<u8> {
    let (family, octets) = match address.address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let attribute_length = u16::try_from(4 + octets.len()).unwrap_or_default();
    let mut body = vec![family, address.prefix, 0, 0];
    body.extend(interface.to_ne_bytes());
    body.extend(attribute_length.to_ne_bytes());
    body.extend(libc::IFA_LOCAL.to_ne_bytes());
    body.extend(octets);
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK).unwrap_or_default();
    let mut message = Vec::with_capacity(HEADER_LENGTH + body.len());
    let length = u32::try_from(HEADER_LENGTH + body.len()).unwrap_or_default();
    message.extend(length.to_ne_bytes());
    message.extend(action.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    #[test]
    fn an_address_is_removed_once_and_again() {
        // A network namespace of this thread's own.
        let test = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let interface = if_nametoindex("lo").unwrap();
            for (text, prefix) in [("10.77.0.9", 24), ("fd77::9", 64)] {
                let address: IpAddr = text.parse().unwrap();
                let address = Address { interface: "lo".to_owned(), address, prefix };
                change(libc::RTM_NEWADDR, interface, &address).unwrap();
                assert!(change(libc::RTM_NEWADDR, interface, &address).is_err(), "it is there");
                remove(&address).unwrap();
                remove(&address).unwrap();
                change(libc::RTM_NEWADDR, interface, &address).unwrap();
            }
            let gone = Address {
                interface: "gone0".to_owned(),
                address: [10, 77, 0, 9].into(),
                prefix: 24,
            };
            remove(&gone).unwrap();
        };
        thread::spawn(test).join().unwrap();
    }
}
