//! What is looked at in a certificate, and when.
//!
//! An expired certificate, or a wall clock that is off, must not stop takeover (design 6): between
//! servers the dates are not looked at, everything else is. The API looks at them.
//!
//! The API judges a certificate after the handshake, which only proves that the caller holds its
//! key. In TLS 1.3 a client has done its part before the server sees its certificate; refused by an
//! alert then, some show their user no reason. Answered with 401, they do.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Verifies a server as another verifier does, at a time when the certificate was valid.
#[derive(Debug)]
pub struct DatelessServer(pub Arc<dyn ServerCertVerifier>);

/// Verifies a client as another verifier does, but for what `look` overlooks.
#[derive(Debug)]
pub struct Client {
    verifier: Arc<dyn ClientCertVerifier>,
    look: Look,
}

#[derive(Debug)]
enum Look {
    Dateless,
    Later,
}

impl Client {
    /// At a time when the certificate was valid.
    pub fn dateless(verifier: Arc<dyn ClientCertVerifier>) -> Arc<Self> {
        Arc::new(Self { verifier, look: Look::Dateless })
    }

    /// Only that it holds the key: somebody judges the certificate after the handshake.
    pub fn judged_later(verifier: Arc<dyn ClientCertVerifier>) -> Arc<Self> {
        Arc::new(Self { verifier, look: Look::Later })
    }
}

/// The time nearest to `now` at which the certificate is valid.
fn within_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> UnixTime {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return now };
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    let first = seconds(parsed.validity().not_before.timestamp());
    let last = seconds(parsed.validity().not_after.timestamp());
    let nearest = now.as_secs().min(last).max(first);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(nearest))
}

impl ServerCertVerifier for DatelessServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let now = within_validity(end_entity, now);
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Client {
    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.look {
            Look::Dateless => {
                let now = within_validity(end_entity, now);
                self.verifier.verify_client_cert(end_entity, intermediates, now)
            }
            Look::Later => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
