//! What a resource claims for itself alone on the server where it is active.

use std::fmt;
use std::net::IpAddr;

use crate::api::kinds::ResourceSpec;

/// One thing that two resources can't have at the same time on one server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A TCP port.
    Port {
        /// The port.
        port: u16,
        /// The address it is listened on; none: every one.
        address: Option<IpAddr>,
        /// The field that says so.
        field: &'static str,
    },
    /// An address.
    Address {
        /// The address.
        address: IpAddr,
        /// The field that says so.
        field: &'static str,
    },
    /// Something outside that goes by a name.
    Name {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// The field that says so.
        field: &'static str,
    },
}

impl Claim {
    /// The field that makes the claim.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Port { field, .. } | Self::Address { field, .. } | Self::Name { field, .. } => {
                field
            }
        }
    }

    /// Whether the two can't both hold on one server.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Port { port: one, address: at, .. },
                Self::Port { port: two, address: and, .. },
            ) => one == two && (at.is_none() || and.is_none() || at == and),
            (Self::Address { address: one, .. }, Self::Address { address: two, .. }) => one == two,
            (Self::Name { what, name, .. }, Self::Name { what: other, name: named, .. }) => {
                (what, name) == (other, named)
            }
            (Self::Port { .. } | Self::Address { .. } | Self::Name { .. }, _) => false,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { port, .. } => write!(f, "port {port}"),
            Self::Address { address, .. } => write!(f, "address {address}"),
            Self::Name { what, name, .. } => write!(f, "{what} {name}"),
        }
    }
}

/// Everything that a resource claims.
#[must_use]
pub fn claims(spec: &ResourceSpec) -> Vec<Claim> {
    let mut claims = Vec::new();
    if let Some(probe) = &spec.probe_port {
        let field = "spec.probePort.port";
        claims.push(Claim::Port { port: probe.port, address: probe.address, field });
    }
    if let Some(floating) = &spec.floating_ip {
        let field = "spec.floatingIP.address";
        claims.push(Claim::Address { address: floating.address, field });
    }
    if let Some(own) = &spec.aws_virtual_ip {
        let field = "spec.awsVirtualIP.address";
        claims.push(Claim::Address { address: own.address, field });
    }
    if let Some(own) = &spec.aws_secondary_ip {
        let field = "spec.awsSecondaryIP.address";
        claims.push(Claim::Address { address: own.address, field });
    }
    if let Some(own) = &spec.aws_elastic_ip {
        let (what, field) = ("Elastic IP", "spec.awsElasticIP.allocationId");
        claims.push(Claim::Name { what, name: own.allocation_id.clone(), field });
    }
    if let Some(own) = &spec.aws_dns {
        // AAAA and A are records of their own.
        let (what, field) = ("record", "spec.awsDNS.recordName");
        let family = if own.is_ipv6() { "AAAA" } else { "A" };
        let name = format!("{} {family} in zone {}", own.record_name, own.hosted_zone_id);
        claims.push(Claim::Name { what, name, field });
    }
    claims
}
