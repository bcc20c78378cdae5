//! TLS connections between agents, for what does not fit into a datagram.
//!
//! One connection to each peer, opened when there is something to send and kept. Both ends prove
//! who they are; a frame counts as from the server that the certificate names. Nothing is
//! certain to arrive: what is lost, the engine sends again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::pki_types;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::frame::{self, FRAME_MAX, Frame};
use crate::agent::config::Endpoint;
use crate::agent::pki::{SERVERS, Tls, subject};
use crate::api::names::ServerName;

/// Frames that wait for one peer; more are dropped.
const QUEUE_MAX: usize = 256;
/// Accepted connections at a time: each of 64 servers has one, and one that is being replaced.
const ACCEPTED_MAX: usize = 128;
/// How long connecting may take, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one frame may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two frames at most: load balancers and firewalls of clouds forget a connection that
/// was silent for 240 s.
const KEEP_ALIVE: Duration = Duration::from_secs(200);
/// Silence after which a connection is given up.
const IDLE_MAX: Duration = Duration::from_secs(450);
/// How long sent bytes may stay unacknowledged, in milliseconds.
const UNACKNOWLEDGED_MAX: u32 = 10_000;
/// Pause after a listener failed to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is done with a frame that came.
pub type Deliver = Arc<dyn Fn(ServerName, Frame) + Send + Sync>;

/// All connections of one agent. Dropping it closes them.
pub struct Streams {
    runtime: Handle,
    tls: Tls,
    peers: Mutex<BTreeMap<ServerName, Connection>>,
    listeners: Vec<JoinHandle<()>>,
}

struct Connection {
    endpoint: Endpoint,
    queue: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

impl Streams {
    /// Serves connections from peers on these listeners.
    #[must_use]
    pub fn start(
        runtime: Handle,
        tls: Tls,
        listeners: Vec<TcpListener>,
        deliver: &Deliver,
    ) -> Self {
        let places = Arc::new(Semaphore::new(ACCEPTED_MAX));
        let acceptor = TlsAcceptor::from(tls.peers.clone());
        let listeners = listeners
            .into_iter()
            .map(|listener| {
                let (acceptor, places) = (acceptor.clone(), places.clone());
                runtime.spawn(accept(listener, acceptor, places, deliver.clone()))
            })
            .collect();
        Self { runtime, tls, peers: Mutex::new(BTreeMap::new()), listeners }
    }

    /// Who the peers are and where; connections to those that moved are closed.
    pub fn set_peers(&self, endpoints: &BTreeMap<ServerName, Endpoint>) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|name, connection| endpoints.get(name) == Some(&connection.endpoint));
        for (name, endpoint) in endpoints {
            if peers.contains_key(name) {
                continue;
            }
            peers.insert(name.clone(), self.connection(name, endpoint.clone()));
        }
    }

    /// A new run of a peer: what is written to a connection with the run before is lost, and a
    /// machine that lost its power has not even closed it.
    pub fn restart(&self, peer: &ServerName) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = peers.get(peer).map(|connection| connection.endpoint.clone()) {
            peers.insert(peer.clone(), self.connection(peer, endpoint));
        }
    }

    fn connection(&self, peer: &ServerName, endpoint: Endpoint) -> Connection {
        let (queue, frames) = mpsc::channel(QUEUE_MAX);
        let outgoing = Outgoing {
            peer: peer.clone(),
            addresses: endpoint.streams(),
            connector: TlsConnector::from(self.tls.client.clone()),
            stream: None,
            told: None,
        };
        let task = self.runtime.spawn(outgoing.run(frames));
        Connection { endpoint, queue, task }
    }

    /// Sends an encoded frame; false where the peer is unknown or its queue full.
    pub fn send(&self, to: &ServerName, frame: Bytes) -> bool {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(to).is_some_and(|connection| connection.queue.try_send(frame).is_ok())
    }
}

/// One peer's connection, from this side.
struct Outgoing {
    peer: ServerName,
    addresses: Vec<SocketAddr>,
    connector: TlsConnector,
    stream: Option<TlsStream<TcpStream>>,
    /// Why the peer's certificate was refused, as a person was told.
    told: Option<String>,
}

impl Outgoing {
    async fn run(mut self, mut frames: mpsc::Receiver<Bytes>) {
        loop {
            let frame = if self.stream.is_some() {
                match timeout(KEEP_ALIVE, frames.recv()).await {
                    Ok(frame) => frame,
                    Err(_) => frame::encode(&Frame::KeepAlive).ok().map(Bytes::from),
                }
            } else {
                frames.recv().await
            };
            let Some(frame) = frame else { return };
            match self.send(&frame).await {
                Ok(()) => self.told = None,
                Err(error) => self.on_failure(&error),
            }
        }
    }

    /// A peer that is away is told of by others; one whose TLS is wrong looks well, and is cut off
    /// from all that is too large for a datagram.
    fn on_failure(&mut self, error: &io::Error) {
        self.stream = None;
        let peer = &self.peer;
        if error.kind() != io::ErrorKind::InvalidData {
            tracing::debug!(%peer, %error, "a stream frame was not sent");
            return;
        }
        let reason = error.to_string();
        if self.told.as_ref() != Some(&reason) {
            tracing::warn!(%peer, reason, "a peer's TLS is refused: large messages do not reach it");
            self.told = Some(reason);
        }
    }

    /// Over the open connection, or once more over a new one: the peer may have closed it.
    async fn send(&mut self, frame: &Bytes) -> io::Result<()> {
        if let Some(stream) = &mut self.stream {
            if write_frame(stream, frame).await.is_ok() {
                return Ok(());
            }
            self.stream = None;
        }
        let mut stream = self.connect().await?;
        write_frame(&mut stream, frame).await?;
        self.stream = Some(stream);
        Ok(())
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let name = pki_types::ServerName::try_from(self.peer.as_str().to_owned())
            .map_err(io::Error::other)?;
        let mut last = io::Error::other("it has no address");
        for address in &self.addresses {
            let attempt = async {
                let stream = TcpStream::connect(address).await?;
                prepare(&stream)?;
                self.connector.connect(name.clone(), stream).await
            };
            match timeout(CONNECT_TIMEOUT, attempt).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MAX).map_err(io::Error::from)
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    places: Arc<Semaphore>,
    deliver: Deliver,
) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let (acceptor, deliver) = (acceptor.clone(), deliver.clone());
                tokio::spawn(async move {
                    if let Err(error) = receive(stream, acceptor, deliver).await {
                        tracing::debug!(%from, %error, "a stream ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection of a peer");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Reads frames until the peer closes or breaks a rule.
async fn receive(stream: TcpStream, acceptor: TlsAcceptor, deliver: Deliver) -> io::Result<()> {
    prepare(&stream)?;
    let mut stream = timeout(CONNECT_TIMEOUT, acceptor.accept(stream)).await??;
    let certificates = stream.get_ref().1.peer_certificates();
    let peer = certificates
        .and_then(|chain| subject(chain.first()?))
        .filter(|subject| subject.groups.iter().any(|group| group == SERVERS))
        .ok_or_else(|| io::Error::other("the certificate is not a server's"))?;
    let from = ServerName::from(peer.name);
    loop {
        let bytes = timeout(IDLE_MAX, read_frame(&mut stream)).await??;
        for frame in frame::decode(&bytes).map_err(io::Error::other)? {
            match frame {
                Frame::KeepAlive | Frame::Hello(_) => {}
                Frame::Engine(_) | Frame::Event(_) | Frame::Observed(_) => {
                    deliver(from.clone(), frame);
                }
            }
        }
    }
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let write = async {
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(frame).await?;
        stream.flush().await
    };
    timeout(WRITE_TIMEOUT, write).await?
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await? as usize;
    if length > FRAME_MAX {
        return Err(io::Error::other(frame::FrameError::Size(length)));
    }
    // Grows with what really comes.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
