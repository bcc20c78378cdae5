//! Certificates of a cluster: one authority, one certificate per server, one for the admin.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::transport::expiry::{Client, DatelessServer};
use crate::engine::time::WallTime;
use crate::server::apiserver::ApiTls;

/// Group of the admin's certificate: may do everything.
pub const ADMINS: &str = "stead:admins";
/// Group of the servers' certificates.
pub const SERVERS: &str = "stead:servers";
/// Days that a certificate is valid.
const VALID_DAYS: i64 = 365;
/// Days that the authority is valid.
const AUTHORITY_VALID_DAYS: i64 = 3650;
const DAY_MILLISECONDS: i64 = 86_400_000;

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Making one failed.
    #[error("failed to make a certificate")]
    Make(#[from] rcgen::Error),
    /// The clock shows no date.
    #[error("failed to make a certificate: the wall clock shows no usable date")]
    Clock,
    /// One can't be read.
    #[error("failed to read {what}: {reason}")]
    Read {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// TLS does not accept it.
    #[error("failed to use the certificate or key")]
    Use(#[from] rustls::Error),
}

/// The authority of a new cluster.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}

impl Authority {
    /// Makes a new one, for the cluster of that name.
    ///
    /// # Errors
    /// Where the system gives no random numbers or no date.
    pub fn new(cluster: &str, now: WallTime) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        name(&mut params, &format!("stead cluster {cluster}"), "stead");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, now, AUTHORITY_VALID_DAYS)?;
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Its private key, PEM.
    #[must_use]
    pub fn private_key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a server, to be used on both ends of a connection.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn server(
        &self,
        server: &str,
        addresses: &[IpAddr],
        now: WallTime,
    ) -> Result<Certificate, PkiError> {
        let mut params = CertificateParams::new(vec![server.to_owned(), "localhost".to_owned()])?;
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        name(&mut params, server, SERVERS);
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, &both, now)
    }

    /// A certificate for a person.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn client(&self, user: &str, group: &str, now: WallTime) -> Result<Certificate, PkiError> {
        let mut params = CertificateParams::default();
        name(&mut params, user, group);
        self.sign(params, &[ExtendedKeyUsagePurpose::ClientAuth], now)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        usages: &[ExtendedKeyUsagePurpose],
        now: WallTime,
    ) -> Result<Certificate, PkiError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, now, VALID_DAYS)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate { certificate: certificate.pem(), private_key: key.serialize_pem() })
    }
}

fn name(params: &mut CertificateParams, common: &str, organization: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (type_, text) in [(DnType::OrganizationName, organization), (DnType::CommonName, common)] {
        params.distinguished_name.push(type_, DnValue::Utf8String(text.to_owned()));
    }
}

/// From a day ago, so that a server whose clock is behind can use it, for so many days.
fn validity(params: &mut CertificateParams, now: WallTime, days: i64) -> Result<(), PkiError> {
    let day = |offset: i64| {
        let time = jiff::Timestamp::from_millisecond(now.0 + offset * DAY_MILLISECONDS).ok()?;
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        let month = u8::try_from(date.month()).ok()?;
        let day = u8::try_from(date.day()).ok()?;
        Some(date_time_ymd(i32::from(date.year()), month, day))
    };
    params.not_before = day(-1).ok_or(PkiError::Clock)?;
    params.not_after = day(days).ok_or(PkiError::Clock)?;
    Ok(())
}

/// TLS of one server, on both ends.
#[derive(Clone)]
pub struct Tls {
    /// For connections from peers: a server's certificate is required.
    pub peers: Arc<ServerConfig>,
    /// For connections to the API: a certificate is asked for, and who has none, or one that
    /// `callers` refuses, is let in as nobody.
    pub api: Arc<ServerConfig>,
    /// Judges the certificates of the API's callers.
    pub callers: Arc<dyn ClientCertVerifier>,
    /// For connections to peers and to the leader's API.
    pub client: Arc<ClientConfig>,
}

impl Tls {
    /// From PEM texts: the authority's certificate, and this server's with its key.
    ///
    /// # Errors
    /// Where they can't be read or do not belong together.
    pub fn new(authority: &str, own: &Certificate) -> Result<Self, PkiError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in certificates("the authority's certificate", authority)? {
            roots.add(certificate)?;
        }
        let roots = Arc::new(roots);
        let chain = certificates("this server's certificate", &own.certificate)?;
        let key = || {
            PrivateKeyDer::from_pem_slice(own.private_key.as_bytes()).map_err(|_| {
                // The cause could show a part of the secret.
                let reason = "it is no private key in PEM form".to_owned();
                PkiError::Read { what: "this server's private key", reason }
            })
        };
        let wrong = |error: rustls::server::VerifierBuilderError| PkiError::Read {
            what: "the authority's certificate",
            reason: error.to_string(),
        };
        let verifier =
            || WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let server = |verifier: Arc<dyn ClientCertVerifier>| -> Result<ServerConfig, PkiError> {
            Ok(ServerConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()?
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain.clone(), key()?)?)
        };
        // Load balancers ask without a certificate whether the API lives; all else is refused there.
        let callers = verifier().allow_unauthenticated().build().map_err(wrong)?;
        let mut api = server(Client::judged_later(callers.clone()))?;
        api.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let peers = server(Client::dateless(verifier().build().map_err(wrong)?))?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(wrong)?;
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(DatelessServer(servers)))
            .with_client_auth_cert(chain.clone(), key()?)?;
        Ok(Self { peers: Arc::new(peers), api: Arc::new(api), callers, client: Arc::new(client) })
    }
}

impl From<Tls> for ApiTls {
    fn from(tls: Tls) -> Self {
        Self { server: tls.api, callers: tls.callers, client: tls.client }
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let wrong = |reason: String| PkiError::Read { what, reason };
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(found)
}

/// Why a certificate, PEM, is not valid now, in words; none where it is.
#[must_use]
pub fn out_of_date(certificate: &str, now: WallTime) -> Option<String> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let (first, last) = (parsed.validity().not_before, parsed.validity().not_after);
    let seconds = now.0.div_euclid(1000);
    if seconds > last.timestamp() {
        Some(format!("it expired on {last}"))
    } else if seconds < first.timestamp() {
        Some(format!("it is valid from {first} on"))
    } else {
        None
    }
}

/// Who a verified certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Common name.
    pub name: String,
    /// Organizations.
    pub groups: Vec<String>,
}

/// Reads the subject of a certificate; verified it must be already.
#[must_use]
pub fn subject(certificate: &CertificateDer<'_>) -> Option<Subject> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = parsed
        .subject()
        .iter_organization()
        .filter_map(|group| group.as_str().ok().map(str::to_owned))
        .collect();
    Some(Subject { name, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_790_000_000_000);

    #[test]
    fn a_server_certificate_names_its_server_and_group() {
        let authority = Authority::new("web", NOW).unwrap();
        let address = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let server = authority.server("node1", &address, NOW).unwrap();
        let der = certificates("it", &server.certificate).unwrap();
        let expected = Subject { name: "node1".into(), groups: vec![SERVERS.into()] };
        assert_eq!(subject(&der[0]), Some(expected));
        let (_, parsed) = x509_parser::parse_x509_certificate(&der[0]).unwrap();
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 4);
        let days = (parsed.validity().not_after.timestamp() - NOW.0 / 1000) / 86400;
        assert!((364..=365).contains(&days), "{days}");
        Tls::new(&authority.certificate(), &server).unwrap();
    }

    #[test]
    fn garbage_instead_of_a_certificate_says_which_and_shows_no_key() {
        let authority = Authority::new("web", NOW).unwrap();
        let mut admin = authority.client("admin", ADMINS, NOW).unwrap();
        let error = Tls::new("nothing", &admin).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("authority"), "{error}");
        admin.private_key = "SECRET".into();
        let error = Tls::new(&authority.certificate(), &admin).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
