//! Who asks, and what they may do.

use http::HeaderMap;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::kinds::Kind;

/// May do everything.
pub const ADMINS: &str = "stead:admins";
/// May read, and ask for operations.
pub const OPERATORS: &str = "stead:operators";
/// May read.
pub const VIEWERS: &str = "stead:viewers";
/// The agents: may speak for others.
pub const SERVERS: &str = "stead:servers";

/// The user of a request that another agent hands on.
pub(super) const REMOTE_USER: &str = "x-remote-user";
/// A group of that user; once per group.
pub(super) const REMOTE_GROUP: &str = "x-remote-group";

/// Who is on the other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Shows no certificate.
    Nobody,
    /// Shows one that does not count, and why it does not.
    Refused(String),
    /// Is who the certificate says.
    Known(Identity),
}

impl Caller {
    /// Judges what was shown in the handshake, which has proved that the caller holds the key.
    pub(super) fn of(
        chain: Option<&[CertificateDer<'_>]>,
        verifier: &dyn ClientCertVerifier,
    ) -> Self {
        let Some((certificate, intermediates)) = chain.and_then(<[_]>::split_first) else {
            return Self::Nobody;
        };
        let identity = Identity::from_certificate(certificate);
        let name = identity.as_ref().map_or("", |identity| &identity.user).to_owned();
        match verifier.verify_client_cert(certificate, intermediates, UnixTime::now()) {
            Ok(_) => identity.map_or_else(
                || Self::Refused("the client certificate names no user (common name)".into()),
                Self::Known,
            ),
            Err(error) => {
                Self::Refused(format!("the client certificate of \"{name}\" {}", flaw(&error)))
            }
        }
    }
}

/// What is wrong with a certificate.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the library's words do for what no user can mend"
)]
fn flaw(error: &Error) -> String {
    let Error::InvalidCertificate(invalid) = error else {
        return format!("is refused ({error})");
    };
    match invalid {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired, or this server's clock is ahead".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet, or this server's clock is behind".into()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by this cluster's authority".into()
        }
        _ => format!("is refused ({error})"),
    }
}

/// Who asks: the subject of the client certificate, the common name as user and each
/// organization as a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl Identity {
    /// Reads a client certificate.
    fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let groups = subject
            .iter_organization()
            .filter_map(|organization| Some(organization.as_str().ok()?.to_owned()))
            .collect();
        Some(Self { user, groups })
    }

    /// The one for whom this one speaks, where it may speak for others.
    pub(super) fn speaking_for(&self, headers: &HeaderMap) -> Option<Self> {
        let user = headers.get(REMOTE_USER)?.to_str().ok()?.to_owned();
        let groups = headers
            .get_all(REMOTE_GROUP)
            .iter()
            .filter_map(|group| Some(group.to_str().ok()?.to_owned()))
            .collect();
        self.is_in(SERVERS).then_some(Self { user, groups })
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// Whether this one may do something with objects of a resource.
    pub(super) fn may(&self, verb: &str, group: &str, resource: &str) -> bool {
        let reads = matches!(verb, "get" | "list" | "watch");
        if self.is_in(ADMINS) || self.is_in("system:masters") {
            return true;
        }
        let operations = group == crate::api::GROUP && resource == "operations";
        if self.is_in(OPERATORS) && operations && verb == "create" {
            return true;
        }
        reads && [OPERATORS, VIEWERS, SERVERS].into_iter().any(|group| self.is_in(group))
    }

    /// Why not.
    pub(super) fn refusal(&self, verb: &str, kind: &Kind, namespace: Option<&str>) -> String {
        let scope = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        format!(
            "User \"{}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}: {ADMINS} may \
             do everything, {OPERATORS} read and create operations, {VIEWERS} read; this \
             certificate's groups are [{}]",
            self.user,
            kind.plural,
            kind.group,
            self.groups.join(", ")
        )
    }
}
