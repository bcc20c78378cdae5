//! ARP and neighbour discovery frames, built and read byte by byte (RFC 826, 5227, 4861, 4862).
//!
//! Pure: bytes in, bytes out. Whatever does not parse is somebody else's business, never an error.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::drivers::checksum::Checksum;

const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const IPV6_HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// "Override": whoever remembers another MAC for the address replaces it.
const ADVERTISEMENT_OVERRIDE: u8 = 0x20;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    const BROADCAST: Mac = Mac([0xff; 6]);

    /// The group address that IPv6 multicast is sent to.
    fn of_multicast(address: Ipv6Addr) -> Mac {
        let [.., a, b, c, d] = address.octets();
        Mac([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The frame that asks whether anybody uses `address`, without claiming it.
#[must_use]
pub fn probe(own: Mac, address: IpAddr) -> Vec<u8> {
    match address {
        // The unspecified sender keeps the question out of everybody's ARP tables.
        IpAddr::V4(target) => {
            arp(ARP_REQUEST, own, Mac::BROADCAST, Ipv4Addr::UNSPECIFIED, Mac([0; 6]), target)
        }
        IpAddr::V6(target) => {
            let group = solicited_node(target);
            let mut message = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
            message.extend(target.octets());
            icmpv6(own, Ipv6Addr::UNSPECIFIED, group, message)
        }
    }
}

/// The frames that tell everybody that `address` is at `own` now.
#[must_use]
pub fn announcements(own: Mac, address: IpAddr) -> Vec<Vec<u8>> {
    match address {
        // Some machines learn from the request's form only, some from the reply's.
        IpAddr::V4(address) => vec![
            arp(ARP_REQUEST, own, Mac::BROADCAST, address, Mac([0; 6]), address),
            arp(ARP_REPLY, own, Mac::BROADCAST, address, Mac::BROADCAST, address),
        ],
        IpAddr::V6(address) => {
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let mut message =
                vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, ADVERTISEMENT_OVERRIDE, 0, 0, 0];
            message.extend(address.octets());
            message.extend([2, 1]);
            message.extend(own.0);
            vec![icmpv6(own, address, all_nodes, message)]
        }
    }
}

/// The machine that `frame` shows to use `address`, or to be about to; none when it says nothing
/// of the kind or was sent by `own`.
#[must_use]
pub fn user_of(frame: &[u8], own: Mac, address: IpAddr) -> Option<Mac> {
    let sender = Mac(frame.get(6..12)?.try_into().ok()?);
    if sender == own {
        return None;
    }
    let ethertype = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
    let payload = frame.get(ETHERNET_HEADER..)?;
    match (address, ethertype) {
        (IpAddr::V4(address), ETHERTYPE_ARP) => user_in_arp(payload, own, address),
        (IpAddr::V6(address), ETHERTYPE_IPV6) => user_in_icmpv6(payload, sender, address),
        _ => None,
    }
}

fn user_in_arp(packet: &[u8], own: Mac, address: Ipv4Addr) -> Option<Mac> {
    let hardware = Mac(packet.get(8..14)?.try_into().ok()?);
    let sender: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    let target: [u8; 4] = packet.get(24..28)?.try_into().ok()?;
    if packet.get(..6)? != [0, 1, 8, 0, 6, 4] || hardware == own {
        return None;
    }
    let sender = Ipv4Addr::from(sender);
    let uses = sender == address;
    let also_asks = sender.is_unspecified() && Ipv4Addr::from(target) == address;
    (uses || also_asks).then_some(hardware)
}

fn user_in_icmpv6(packet: &[u8], sender: Mac, address: Ipv6Addr) -> Option<Mac> {
    let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
    let message = packet.get(IPV6_HEADER..)?;
    let kind = *message.first()?;
    let target: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    if *packet.get(6)? != NEXT_HEADER_ICMPV6 || Ipv6Addr::from(target) != address {
        return None;
    }
    match kind {
        NEIGHBOUR_ADVERTISEMENT => Some(target_link_layer(message).unwrap_or(sender)),
        NEIGHBOUR_SOLICITATION if Ipv6Addr::from(source).is_unspecified() => Some(sender),
        _ => None,
    }
}

/// The first option of an advertisement, where it holds the target's Ethernet address.
fn target_link_layer(message: &[u8]) -> Option<Mac> {
    match message.get(24..32)? {
        [2, 1, mac @ ..] => Some(Mac(mac.try_into().ok()?)),
        _ => None,
    }
}

fn arp(
    operation: u16,
    own: Mac,
    to: Mac,
    sender: Ipv4Addr,
    target_mac: Mac,
    target: Ipv4Addr,
) -> Vec<u8> {
    let mut frame = ethernet(to, own, ETHERTYPE_ARP);
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(own.0);
    frame.extend(sender.octets());
    frame.extend(target_mac.0);
    frame.extend(target.octets());
    frame
}

fn icmpv6(own: Mac, source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut sum = Checksum::default();
    sum.add(&source.octets());
    sum.add(&destination.octets());
    sum.add(&u32::from(length).to_be_bytes());
    sum.add(&[0, 0, 0, NEXT_HEADER_ICMPV6]);
    sum.add(&message);
    let checksum = sum.finish().to_be_bytes();
    message.splice(2..4, checksum);

    let mut frame = ethernet(Mac::of_multicast(destination), own, ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(length.to_be_bytes());
    // Hop limit 255 proves to the receiver that no router forwarded it.
    frame.extend([NEXT_HEADER_ICMPV6, 255]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(message);
    frame
}

fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(96);
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(ethertype.to_be_bytes());
    frame
}

fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let mut group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
    group[13..].copy_from_slice(&[a, b, c]);
    Ipv6Addr::from(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn v4() -> IpAddr {
        "10.77.0.100".parse().unwrap()
    }

    fn v6() -> IpAddr {
        "fd00::100".parse().unwrap()
    }

    #[test]
    fn an_arp_probe_claims_nothing() {
        let frame = probe(OWN, v4());
        assert_eq!(frame.len(), 42);
        assert_eq!(&frame[..6], &[0xff; 6]);
        assert_eq!(&frame[28..32], &[0; 4], "the sender is unspecified");
        assert_eq!(&frame[38..42], &[10, 77, 0, 100]);
    }

    #[test]
    fn a_solicitation_goes_to_the_solicited_node_group_and_sums_up() {
        let frame = probe(OWN, v6());
        assert_eq!(&frame[..6], &[0x33, 0x33, 0xff, 0, 1, 0]);
        let mut sum = Checksum::default();
        sum.add(&frame[22..54]);
        sum.add(&24_u32.to_be_bytes());
        sum.add(&[0, 0, 0, 58]);
        sum.add(&frame[54..]);
        assert_eq!(sum.finish(), 0);
    }

    #[test]
    fn an_announcement_of_another_machine_is_seen() {
        for address in [v4(), v6()] {
            for frame in announcements(OTHER, address) {
                assert_eq!(user_of(&frame, OWN, address), Some(OTHER), "{address}");
            }
        }
    }

    #[test]
    fn another_machine_that_asks_for_the_same_address_is_seen() {
        for address in [v4(), v6()] {
            assert_eq!(user_of(&probe(OTHER, address), OWN, address), Some(OTHER), "{address}");
        }
    }

    #[test]
    fn what_we_sent_ourselves_and_other_addresses_are_not_seen() {
        for address in [v4(), v6()] {
            assert_eq!(user_of(&probe(OWN, address), OWN, address), None);
            for frame in announcements(OWN, address) {
                assert_eq!(user_of(&frame, OWN, address), None);
            }
        }
        let elsewhere = announcements(OTHER, "10.77.0.9".parse().unwrap());
        assert_eq!(user_of(&elsewhere[0], OWN, v4()), None);
    }

    #[test]
    fn no_prefix_of_a_frame_is_taken_for_one() {
        for address in [v4(), v6()] {
            let frame = announcements(OTHER, address).remove(0);
            for length in 0..frame.len() - 8 {
                // Nothing to assert but that it neither panics nor names a third machine.
                let seen = user_of(&frame[..length], OWN, address);
                assert!(seen.is_none() || seen == Some(OTHER));
            }
        }
    }
}
