//! `HTTP`: whoever gets status 200 from a web server outside the cluster may go on.
//!
//! One HEAD request, one answer, within one time-out. Redirects are not followed: a portal that
//! redirects everybody is not the target. Whatever the network or the target does wrong is `Lost`;
//! `Unknown` is left for our own trouble, such as authorities that can't be read.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::api::kinds::{HttpArbitration, TlsMode};
use crate::engine::input::Verdict;

/// Why there was no verdict of status 200.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("failed to connect to {host}:{port}: {source}")]
    Connect { host: String, port: u16, source: io::Error },
    #[error("the proxy {proxy} {message}")]
    Proxy { proxy: String, message: String },
    #[error("the proxy {proxy} opened no way: {message}")]
    Tunnel { proxy: String, message: String },
    #[error("failed to agree on TLS with {host}: {source}")]
    Tls { host: String, source: io::Error },
    #[error("{host} answered with something that is not HTTP: {source}")]
    Exchange { host: String, source: hyper::Error },
    #[error("failed to read the authorities in {file}: {message}")]
    Authorities { file: String, message: String },
    #[error("failed to prepare TLS: {0}")]
    Prepare(#[from] rustls::Error),
    #[error("{host} is no name that a certificate could be for: {source}")]
    Name { host: String, source: InvalidDnsNameError },
    #[error("failed to make a request of {host} and {path}: {source}")]
    Request { host: String, path: String, source: http::Error },
}

impl HttpError {
    /// Whether the fault lies with us and says nothing about the network.
    fn is_ours(&self) -> bool {
        match self {
            HttpError::Connect { source, .. } => crate::drivers::is_local_shortage(source),
            HttpError::Tunnel { .. } | HttpError::Tls { .. } | HttpError::Exchange { .. } => false,
            HttpError::Proxy { .. }
            | HttpError::Authorities { .. }
            | HttpError::Prepare(_)
            | HttpError::Name { .. }
            | HttpError::Request { .. } => true,
        }
    }
}

/// Asks once.
pub async fn verdict(spec: &HttpArbitration) -> (Verdict, String) {
    let timeout = Duration::from(spec.timeout);
    let target = &spec.host;
    match tokio::time::timeout(timeout, status(spec)).await {
        Ok(Ok(StatusCode::OK)) => (Verdict::Held, format!("{target} answers 200")),
        Ok(Ok(status)) => (Verdict::Lost, format!("{target} answers {}, not 200", status.as_u16())),
        Ok(Err(error)) if error.is_ours() => (Verdict::Unknown, error.to_string()),
        Ok(Err(error)) => (Verdict::Lost, error.to_string()),
        Err(_) => (Verdict::Lost, format!("{target} did not answer within {}", spec.timeout)),
    }
}

async fn status(spec: &HttpArbitration) -> Result<StatusCode, HttpError> {
    // First what can fail here, so that such a failure is never taken for the network's.
    let request = request(spec)?;
    let tls = match spec.tls {
        TlsMode::Verify => Some((connector(spec).await?, server_name(spec)?)),
        TlsMode::Disabled => None,
    };
    let stream = connect(spec, tls.is_some()).await?;
    match tls {
        Some((connector, name)) => {
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(|source| HttpError::Tls { host: spec.host.clone(), source })?;
            exchange(spec, stream, request).await
        }
        None => exchange(spec, stream, request).await,
    }
}

/// The way to the web server, or to the proxy that asks it; through the proxy with TLS.
async fn connect(spec: &HttpArbitration, tunnel: bool) -> Result<TcpStream, HttpError> {
    let failed = |host: &str, port, source| HttpError::Connect { host: host.into(), port, source };
    let Some(proxy) = &spec.proxy else {
        let stream = TcpStream::connect((spec.host.as_str(), spec.port)).await;
        return stream.map_err(|source| failed(&spec.host, spec.port, source));
    };
    let (host, port) = proxy.rsplit_once(':').unwrap_or((proxy, ""));
    let port = port.parse().map_err(|_| HttpError::Proxy {
        proxy: proxy.clone(),
        message: "is not of the form host:port".to_owned(),
    })?;
    let stream = TcpStream::connect((host, port)).await;
    let mut stream = stream.map_err(|source| failed(host, port, source))?;
    if tunnel {
        open_tunnel(spec, proxy, &mut stream).await?;
    }
    Ok(stream)
}

/// Longest answer of a proxy to a request for a tunnel.
const TUNNEL_ANSWER_MAX: u64 = 8192;

async fn open_tunnel(
    spec: &HttpArbitration,
    proxy: &str,
    stream: &mut TcpStream,
) -> Result<(), HttpError> {
    let refused = |message: String| HttpError::Tunnel { proxy: proxy.to_owned(), message };
    let host = bracketed(&spec.host);
    let target = format!("{host}:{}", spec.port);
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| refused(error.to_string()))?;
    // A byte at a time: what follows the answer belongs to TLS.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() as u64 >= TUNNEL_ANSWER_MAX {
            return Err(refused("its answer has no end".to_owned()));
        }
        let byte = stream.read_u8().await.map_err(|error| refused(error.to_string()))?;
        answer.push(byte);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(_) | None => Err(refused(format!("it answers `{line}`"))),
    }
}

fn bracketed(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    }
}

async fn exchange(
    spec: &HttpArbitration,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, HttpError> {
    let failed = |source| HttpError::Exchange { host: spec.host.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let answer = sender.send_request(request);
    // The connection does the work and ends with this future, answered or not.
    tokio::pin!(connection, answer);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer.map_err(failed)?.status()),
            ended = &mut connection, if open => {
                open = false;
                ended.map_err(failed)?;
            }
        }
    }
}

fn request(spec: &HttpArbitration) -> Result<Request<Empty<Bytes>>, HttpError> {
    let host = bracketed(&spec.host);
    let usual = match spec.tls {
        TlsMode::Verify => 443,
        TlsMode::Disabled => 80,
    };
    let host = if spec.port == usual { host } else { format!("{host}:{}", spec.port) };
    // A proxy without a tunnel is told the whole address.
    let uri = match (&spec.proxy, spec.tls) {
        (Some(_), TlsMode::Disabled) => format!("http://{host}{}", spec.path),
        (Some(_), TlsMode::Verify) | (None, _) => spec.path.clone(),
    };
    Request::builder()
        .method(Method::HEAD)
        .uri(uri)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("stead/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|source| HttpError::Request {
            host: spec.host.clone(),
            path: spec.path.clone(),
            source,
        })
}

fn server_name(spec: &HttpArbitration) -> Result<ServerName<'static>, HttpError> {
    ServerName::try_from(spec.host.clone())
        .map_err(|source| HttpError::Name { host: spec.host.clone(), source })
}

/// A connector that trusts what `caFile` holds, else what this machine trusts.
async fn connector(spec: &HttpArbitration) -> Result<TlsConnector, HttpError> {
    let file = spec.ca_file.clone();
    let roots = tokio::task::spawn_blocking(move || authorities(file.as_deref()));
    let roots = roots.await.map_err(|error| HttpError::Authorities {
        file: spec.ca_file.clone().unwrap_or_default(),
        message: error.to_string(),
    })??;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(configuration)))
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let message = format!("none found; name some in caFile {}", errors.join("; "));
            return Err(HttpError::Authorities {
                file: "the system's store".into(),
                message: message.trim_end().to_owned(),
            });
        }
        return Ok(roots);
    };
    let failed = |message: String| HttpError::Authorities { file: file.to_owned(), message };
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate in PEM form".into()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
