//! Connections: TLS on the given addresses and no others, within limits.
//!
//! Who shows no client certificate, or one that is refused, may still connect: load balancers ask
//! whether we live. Everything else answers them 401, with the reason.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::identity::Caller;
use super::proxy::Proxy;
use super::service::Service;
use super::storage::Storage;
use super::write::Writes;
use super::writer::Writer;
use crate::api::names::ServerName;

/// Connections at once, over all addresses.
const CONNECTIONS_MAX: usize = 512;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest head of a request.
const HEADER_MAX: u32 = 64 << 10;
/// Between two signs of life on HTTP/2, and how long one may stay unanswered.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a connection may go without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long data may stay unacknowledged before a peer counts as gone.
const UNACKNOWLEDGED_MAX: u32 = 30_000;
/// How long open answers are waited for at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Reads from a caller that was refused, before it is cut off.
const REFUSED_READS_MAX: usize = 64;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// TLS on both ends.
#[derive(Clone, Debug)]
pub struct ApiTls {
    /// For callers: asks for a client certificate, and lets in who has none, or any.
    pub server: Arc<ServerConfig>,
    /// Judges a caller's certificate after the handshake.
    pub callers: Arc<dyn ClientCertVerifier>,
    /// For requests handed to the leader: shows this server's certificate.
    pub client: Arc<ClientConfig>,
}

/// Where and as whom the API is served.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Name of this server.
    pub server: ServerName,
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Certificates; new ones count for new connections.
    pub tls: watch::Receiver<ApiTls>,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} for the API: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// The API server, listening.
pub struct ApiServer {
    listeners: Vec<TcpListener>,
    tls: watch::Receiver<ApiTls>,
    service: Arc<Service>,
}

impl ApiServer {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where an address cannot be listened on.
    pub async fn bind(
        options: ApiOptions,
        storage: Arc<Storage>,
        writer: Arc<dyn Writer>,
    ) -> Result<Self, ListenError> {
        let mut listeners = Vec::new();
        for address in options.listen {
            let listener = TcpListener::bind(address).await;
            listeners.push(listener.map_err(|source| ListenError { address, source })?);
        }
        let writes = Writes::new(storage.clone(), writer);
        let proxy = Proxy::new(options.server.clone(), options.tls.clone(), storage.clone());
        let service = Arc::new(Service::new(options.server, storage, writes, proxy));
        Ok(Self { listeners, tls: options.tls, service })
    }

    /// The addresses listened on.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `shutdown` comes, then lets open answers end.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let (tls, service) = (self.tls.clone(), self.service.clone());
            accepting.spawn(accept(listener, tls, service, permits.clone(), stopped.clone()));
        }
        drop(stopped);
        shutdown.await;
        stop.send_replace(true);
        while accepting.join_next().await.is_some() {}
        // Every connection holds a permit until it has ended.
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, permits.acquire_many(all)).await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: watch::Receiver<ApiTls>,
    service: Arc<Service>,
    permits: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        // Who comes while all places are taken waits in the kernel's queue.
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection to the API");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let tls = tls.borrow().clone();
        let (service, stopped) = (service.clone(), stopped.clone());
        tokio::spawn(async move {
            connection(stream, tls, service, stopped).await;
            drop(permit);
        });
    }
}

/// Makes a connection quick, and sure to notice that the other side is gone.
pub(super) fn prepare(stream: &TcpStream) {
    // Without these it works as well, only slower.
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(stream, sockopt::KeepAlive, &true);
    let _ = setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MAX);
}

/// What goes on on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: AtomicUsize,
    since_start: AtomicUsize,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Active(Arc<Activity>);

impl Active {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.since_start.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(
    stream: TcpStream,
    tls: ApiTls,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    prepare(&stream);
    let handshake = TlsAcceptor::from(tls.server).accept(stream).into_fallible();
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            tracing::debug!(%error, "a caller of the API was refused in the handshake");
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, part(stream)).await;
            return;
        }
        Err(_) => return,
    };
    let (_, session) = stream.get_ref();
    let caller = Caller::of(session.peer_certificates(), &*tls.callers);
    if let Caller::Refused(reason) = &caller {
        tracing::debug!(reason, "the certificate of a caller of the API was refused");
    }
    let http2 = session.alpn_protocol() == Some(b"h2");
    let activity = Arc::new(Activity::default());
    let answered = activity.clone();
    let handler = service_fn(move |request: Request<Incoming>| {
        let (service, caller) = (service.clone(), caller.clone());
        let active = Active::new(&answered);
        async move {
            let answer = service.answer(request, caller, active).await;
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let builder = builder(http2);
    let connection = builder.serve_connection(TokioIo::new(stream), handler);
    let mut connection = std::pin::pin!(connection);
    let mut seen = 0;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection to the API broke off");
                }
                return;
            }
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = tokio::time::sleep(IDLE_TIMEOUT) => {
                let total = activity.since_start.load(Ordering::Relaxed);
                if activity.requests.load(Ordering::Relaxed) == 0 && total == seen {
                    break;
                }
                seen = total;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, connection).await;
}

/// Ends a refused connection so that the alert with the reason arrives: closed with something
/// unread, it would be reset, and the alert lost.
async fn part(mut stream: TcpStream) {
    let mut rest = [0; 4096];
    if stream.shutdown().await.is_err() {
        return;
    }
    for _ in 0..REFUSED_READS_MAX {
        if !matches!(stream.read(&mut rest).await, Ok(1..)) {
            return;
        }
    }
}

fn builder(http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
