//! The machine's interfaces, and which of them a floating address belongs on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, SockaddrStorage};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};

use super::frames::Mac;
use crate::api::address::same_subnet;

/// Why an interface or address could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The system did not list its interfaces.
    #[error("failed to list the machine's interfaces: {0}")]
    List(#[source] nix::Error),
    /// There is no such interface.
    #[error("there is no interface {name} on this server (it has {present})")]
    NoInterface {
        /// The interface asked for.
        name: String,
        /// What there is.
        present: String,
    },
    /// No interface has an address in the same subnet.
    #[error(
        "no interface of this server has an address in the subnet of {address}: name one in \
         `interface`, or in `perServer`"
    )]
    NoSubnet {
        /// The floating address.
        address: IpAddr,
    },
    /// The interface is down.
    #[error("interface {name} is down")]
    Down {
        /// The interface.
        name: String,
    },
    /// The kernel refused.
    #[error("failed to {act} {address} on {interface}: {message}")]
    Netlink {
        /// What was tried.
        act: &'static str,
        /// The address.
        address: IpAddr,
        /// The interface.
        interface: String,
        /// What the kernel said.
        message: String,
    },
    /// No netlink socket.
    #[error("failed to open a netlink socket: {0}")]
    Socket(#[source] std::io::Error),
}

/// An interface.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Whether it is up.
    pub up: bool,
    /// Its Ethernet address; none where neighbours are not found by asking (loopback, tunnels).
    pub mac: Option<Mac>,
    /// What packets are sent through.
    pub packet_address: Option<LinkAddr>,
    /// Its addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Link {
    /// Whether `address` is on it.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == address)
    }

    /// Length of the prefix of an own address whose subnet holds `address`, the longest of them.
    fn subnet(&self, address: IpAddr) -> Option<u8> {
        self.addresses
            .iter()
            .filter(|(own, prefix)| *own != address && same_subnet(*own, address, *prefix))
            .map(|(_, prefix)| *prefix)
            .max()
    }
}

/// Every interface of this network namespace.
pub fn links() -> Result<Vec<Link>, LinkError> {
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for entry in getifaddrs().map_err(LinkError::List)? {
        // An address with a label is listed under it, as `eth0:1`.
        let name = entry.interface_name.split(':').next().unwrap_or_default().to_owned();
        let link = links.entry(name.clone()).or_insert_with(|| Link {
            name,
            index: 0,
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
            mac: None,
            packet_address: None,
            addresses: Vec::new(),
        });
        let Some(address) = entry.address else {
            continue;
        };
        if let Some(packet) = address.as_link_addr() {
            link.index = u32::try_from(packet.ifindex()).unwrap_or(0);
            link.packet_address = Some(*packet);
            let silent = InterfaceFlags::IFF_LOOPBACK
                | InterfaceFlags::IFF_NOARP
                | InterfaceFlags::IFF_POINTOPOINT;
            if !entry.flags.intersects(silent) && packet.halen() == 6 {
                link.mac = packet.addr().map(Mac);
            }
        } else if let Some(ip) = ip_of(&address) {
            let prefix = entry.netmask.as_ref().and_then(ip_of).map_or(full(ip), ones);
            link.addresses.push((ip, prefix));
        }
    }
    Ok(links.into_values().filter(|link| link.index != 0).collect())
}

/// The interface that `address` belongs on, and the length of its prefix there.
pub fn choose(
    links: &[Link],
    address: IpAddr,
    interface: Option<&str>,
    prefix_length: Option<u8>,
) -> Result<(Link, u8), LinkError> {
    let found = match interface {
        Some(name) => links.iter().find(|link| link.name == name).ok_or_else(|| {
            let present: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            LinkError::NoInterface { name: name.to_owned(), present: present.join(", ") }
        })?,
        None => links
            .iter()
            .filter_map(|link| Some((link.subnet(address)?, link)))
            .max_by_key(|(prefix, link)| (*prefix, link.up))
            .map(|(_, link)| link)
            .ok_or(LinkError::NoSubnet { address })?,
    };
    if !found.up {
        return Err(LinkError::Down { name: found.name.clone() });
    }
    let prefix = prefix_length.or_else(|| found.subnet(address)).unwrap_or_else(|| full(address));
    Ok((found.clone(), prefix))
}

/// Puts the address on the interface; no error where it is there already.
pub async fn add(link: &Link, address: IpAddr, prefix: u8) -> Result<(), LinkError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Socket)?;
    let connection = tokio::spawn(connection);
    let mut request = handle.address().add(link.index, address, prefix).replace();
    if address.is_ipv6() {
        // Who else uses it was asked already, and the kernel's own check would take a second
        // without being able to name anybody.
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    let result = request.execute().await.map_err(|error| refused("add", address, link, &error));
    connection.abort();
    result
}

/// Takes the address off every interface; no error where it is on none.
pub async fn remove(address: IpAddr) -> Result<(), LinkError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Socket)?;
    let connection = tokio::spawn(connection);
    let result = async {
        let name = |index: u32| format!("interface {index}");
        let failed = |act: &'static str, index: u32, error: &rtnetlink::Error| LinkError::Netlink {
            act,
            address,
            interface: name(index),
            message: error.to_string(),
        };
        let mut present = handle.address().get().set_address_filter(address).execute();
        let mut messages = Vec::new();
        while let Some(message) =
            present.try_next().await.map_err(|error| failed("find", 0, &error))?
        {
            messages.push(message);
        }
        for message in messages {
            let index = message.header.index;
            match handle.address().del(message).execute().await {
                Ok(()) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(failed("remove", index, &error)),
            }
        }
        Ok(())
    }
    .await;
    connection.abort();
    result
}

fn is_absent(error: &rtnetlink::Error) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message)
        if message.raw_code() == -libc::EADDRNOTAVAIL)
}

fn refused(act: &'static str, address: IpAddr, link: &Link, error: &rtnetlink::Error) -> LinkError {
    LinkError::Netlink { act, address, interface: link.name.clone(), message: error.to_string() }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(IpAddr::V4(v4.ip()));
    }
    address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))
}

fn ones(mask: IpAddr) -> u8 {
    let count = match mask {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    };
    u8::try_from(count).unwrap_or(128)
}

fn full(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, addresses: &[(&str, u8)]) -> Link {
        Link {
            name: name.into(),
            index: 1,
            up: true,
            mac: None,
            packet_address: None,
            addresses: addresses.iter().map(|(a, p)| (a.parse().unwrap(), *p)).collect(),
        }
    }

    #[test]
    fn the_interface_in_the_same_subnet_is_chosen_the_narrowest_first() {
        let links = [
            link("wide", &[("10.0.0.1", 8)]),
            link("lan1", &[("10.77.0.1", 24)]),
            link("lan2", &[("10.78.0.1", 24), ("fd00::1", 64)]),
        ];
        let choose = |address: &str| choose(&links, address.parse().unwrap(), None, None);
        let (chosen, prefix) = choose("10.77.0.100").unwrap();
        assert_eq!((chosen.name.as_str(), prefix), ("lan1", 24));
        assert_eq!(choose("fd00::100").unwrap().0.name, "lan2");
        assert_eq!(choose("10.1.1.1").unwrap().0.name, "wide");
        assert!(matches!(choose("192.168.0.1"), Err(LinkError::NoSubnet { .. })));
    }

    #[test]
    fn a_named_interface_without_a_subnet_gets_a_host_prefix() {
        let links = [link("lo", &[("127.0.0.1", 8)])];
        let address = "10.5.0.200".parse().unwrap();
        assert_eq!(choose(&links, address, Some("lo"), None).unwrap().1, 32);
        assert_eq!(choose(&links, address, Some("lo"), Some(24)).unwrap().1, 24);
        let error = choose(&links, address, Some("eth9"), None).unwrap_err();
        assert_eq!(error.to_string(), "there is no interface eth9 on this server (it has lo)");
    }

    #[test]
    fn the_floating_address_itself_does_not_make_a_subnet() {
        let links = [link("lan1", &[("10.77.0.100", 24)])];
        let address = "10.77.0.100".parse().unwrap();
        assert!(matches!(choose(&links, address, None, None), Err(LinkError::NoSubnet { .. })));
    }
}
