//! Handing requests to the leader: over TLS with this server's certificate, naming the caller.
//!
//! What is handed on ends when the leadership changes: an answer from a former leader is old news,
//! and its versions mean nothing to the next.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName as TlsName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::answer::{Answer, BodyError};
use super::identity::{Identity, REMOTE_GROUP, REMOTE_USER};
use super::listen::ApiTls;
use super::storage::{Leadership, Storage};
use crate::api::names::ServerName;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the leader may take to begin its answer: longer than its own longest wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Unused connections kept.
const IDLE_MAX: usize = 8;
/// Names the server that hands a request on: nobody hands it on twice.
pub(super) const FORWARDED_BY: HeaderName = HeaderName::from_static("x-stead-forwarded-by");

/// Why the leader did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyError {
    /// It was not reached: nothing has happened.
    Unreachable(String),
    /// It was reached and did not answer: anything may have happened.
    Silent(String),
}

/// The way to the leader.
pub(super) struct Proxy {
    client: Client<Connector, Full<Bytes>>,
    server: ServerName,
}

impl Proxy {
    /// For this server, in its own name.
    pub(super) fn new(
        server: ServerName,
        tls: watch::Receiver<ApiTls>,
        storage: Arc<Storage>,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Connector { tls, storage });
        Self { client, server }
    }

    /// Hands a request on.
    pub(super) async fn forward(
        &self,
        leader: &ServerName,
        parts: &Parts,
        body: Bytes,
        who: &Identity,
        mut leadership: watch::Receiver<Leadership>,
        is_watch: bool,
    ) -> Result<Answer, ProxyError> {
        let request = self.request(leader, parts, body, who)?;
        let answer = self.client.request(request);
        let answer = tokio::select! {
            answer = tokio::time::timeout(ANSWER_TIMEOUT, answer) => answer,
            _ = leadership.changed() => {
                return Err(ProxyError::Silent("the leadership changed meanwhile".into()));
            }
        };
        match answer {
            // Told to the caller as it is, it would be about a certificate that is not theirs.
            Ok(Ok(answer)) if answer.status() == StatusCode::UNAUTHORIZED => {
                Err(ProxyError::Unreachable("it refused this server's certificate".into()))
            }
            Ok(Ok(answer)) => {
                let (mut parts, body) = answer.into_parts();
                for name in [CONNECTION, TRANSFER_ENCODING] {
                    parts.headers.remove(name);
                }
                Ok(Answer::from_parts(parts, relay(body, leadership, is_watch)))
            }
            Ok(Err(error)) if error.is_connect() => Err(ProxyError::Unreachable(chain(&error))),
            Ok(Err(error)) => Err(ProxyError::Silent(chain(&error))),
            Err(_) => Err(ProxyError::Silent("no answer in time".into())),
        }
    }

    fn request(
        &self,
        leader: &ServerName,
        parts: &Parts,
        body: Bytes,
        who: &Identity,
    ) -> Result<Request<Full<Bytes>>, ProxyError> {
        let wrong = |what: &str| ProxyError::Unreachable(format!("{what} cannot be handed on"));
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri =
            format!("https://{leader}{path}").parse().map_err(|_| wrong("the address"))?;
        let mut headers: HeaderMap = parts
            .headers
            .iter()
            .filter(|(name, _)| {
                let own = [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, HOST, FORWARDED_BY];
                !own.contains(name) && ![REMOTE_USER, REMOTE_GROUP].contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let value =
            |text: &str| HeaderValue::from_str(text).map_err(|_| wrong("the caller's name"));
        headers.insert(FORWARDED_BY, value(self.server.as_str())?);
        headers.insert(HeaderName::from_static(REMOTE_USER), value(&who.user)?);
        for group in &who.groups {
            headers.append(HeaderName::from_static(REMOTE_GROUP), value(group)?);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// An error with what led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// A body from the leader, for as long as it leads. A watch just ends then; anything else breaks
/// off, so that nobody takes a part for the whole.
fn relay(
    body: Incoming,
    leadership: watch::Receiver<Leadership>,
    is_watch: bool,
) -> super::answer::Body {
    let frames = stream::unfold((body, leadership), move |(mut body, mut leadership)| async move {
        let frame: Option<Result<Frame<Bytes>, BodyError>> = tokio::select! {
            frame = body.frame() => frame.map(|frame| frame.map_err(Into::into)),
            _ = leadership.changed() => {
                (!is_watch).then(|| Err("the leadership changed meanwhile".into()))
            }
        };
        frame.map(|frame| (frame, (body, leadership)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Connects to a server by its name, at the addresses that the Cluster gives.
#[derive(Clone)]
struct Connector {
    tls: watch::Receiver<ApiTls>,
    storage: Arc<Storage>,
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let name = uri.host().unwrap_or_default().to_owned();
        let addresses = self.storage.addresses(&name);
        let client = self.tls.borrow().client.clone();
        Box::pin(async move {
            let mut last = io::Error::other(format!("the Cluster names no address of {name}"));
            for address in addresses {
                match connect(&name, address, TlsConnector::from(client.clone())).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => {
                        last = io::Error::new(error.kind(), format!("{address}: {error}"));
                    }
                }
            }
            Err(last)
        })
    }
}

async fn connect(name: &str, address: SocketAddr, tls: TlsConnector) -> io::Result<Stream> {
    let name = TlsName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        super::listen::prepare(&stream);
        tls.connect(name, stream).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(stream) => Ok(Stream(TokioIo::new(stream?))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A connection to another server.
struct Stream(TokioIo<TlsStream<TcpStream>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
