//! Addresses and blocks of them.

use std::net::IpAddr;

/// Whether two addresses have so many first bits in common.
#[must_use]
pub fn same_subnet(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let shift = 32_u32.saturating_sub(prefix.into());
            u32::from(one).checked_shr(shift) == u32::from(other).checked_shr(shift)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let shift = 128_u32.saturating_sub(prefix.into());
            u128::from(one).checked_shr(shift) == u128::from(other).checked_shr(shift)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Whether a block of addresses, as `10.0.0.0/16`, holds this one.
#[must_use]
pub fn block_holds(block: &str, address: IpAddr) -> bool {
    let Some((network, length)) = block.split_once('/') else { return false };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u8>()) else {
        return false;
    };
    same_subnet(network, address, length)
}

/// Whether an address is for use inside of networks only: the Internet leads nowhere for it.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_inside_of_a_block_is_found() {
        let inside = |block: &str, address: &str| block_holds(block, address.parse().unwrap());
        assert!(inside("10.0.0.0/16", "10.0.255.1"));
        assert!(!inside("10.0.0.0/16", "10.1.0.20"));
        assert!(inside("fd00:1::/56", "fd00:1::20"));
        assert!(!inside("fd00:1::/56", "10.1.0.20"));
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let private = |address: &str| is_private(address.parse().unwrap());
        assert!(private("10.0.0.1") && private("fd00::1"));
        assert!(!private("52.0.0.1") && !private("2001:db8::1"));
    }
}
