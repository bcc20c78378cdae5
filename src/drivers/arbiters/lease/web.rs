//! The HTTP client of all stores: rustls with ring, and nothing that happens behind one's back.
//!
//! No request is sent again that may have been sent, no redirect followed, no proxy used, no body
//! read beyond a limit. A time-out belongs to the caller, who drops the future.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::store::StoreError;

/// What an answer has at most: a record, a page of errors, a token.
const BODY_MAX: usize = 256 * 1024;
/// How long an unused connection is kept: longer than the usual time between renewals.
const IDLE: Duration = Duration::from_secs(30);

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The request never left.
    #[error("failed to connect: {0}")]
    Connect(#[source] hyper_util::client::legacy::Error),
    /// It may have had its effect.
    #[error("the connection ended: {0}")]
    Exchange(#[source] hyper_util::client::legacy::Error),
    /// It was answered, but not to the end.
    #[error("the answer ended early, or has more than {BODY_MAX} bytes: {0}")]
    Body(String),
}

/// How servers and this client are known to each other.
#[derive(Clone, Debug, Default)]
pub struct Trust<'a> {
    /// Authorities in place of the system's.
    pub ca_file: Option<&'a str>,
    /// Certificate and key of this client.
    pub identity: Option<(&'a str, &'a str)>,
}

/// A client; clones share its connections.
#[derive(Clone, Debug)]
pub struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Web {
    /// Reads certificates; connects to nothing yet.
    ///
    /// # Errors
    /// Where a file can't be read or used.
    pub fn new(trust: &Trust, connect_timeout: Duration) -> Result<Self, StoreError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(configuration(trust)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(https);
        Ok(Self { client })
    }

    /// Sends one request and receives the whole answer.
    ///
    /// # Errors
    /// Where there is none; whether the request had its effect is then not certain.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, WebError> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() { WebError::Connect(error) } else { WebError::Exchange(error) }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await;
        let body = body.map_err(|error| WebError::Body(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

fn configuration(trust: &Trust) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::caused(&error))?
        .with_root_certificates(authorities(trust.ca_file)?);
    let Some((certificate, key)) = trust.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let failed = |file: &str, error: &dyn std::error::Error| {
        StoreError::new(format!("failed to read {file}: {error}"))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| failed(certificate, &error))
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    match file {
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Some(file) => {
            let failed = |error: &dyn std::error::Error| {
                StoreError::new(format!("failed to read the authorities in {file}: {error}"))
            };
            let certificates =
                CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| failed(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
            if roots.is_empty() {
                return Err(StoreError::new(format!("{file} holds no certificate in PEM form")));
            }
        }
    }
    // Without any, every https address fails with its own clear error; http needs none.
    Ok(roots)
}

#[cfg(test)]
mod tests;
