//! Who speaks, and in which run of its agent.
//!
//! A session of a peer counts only once it has proved that it lives: it must answer a question
//! that was drawn after its first packet came. So packets kept from an earlier run (of theirs or of
//! ours) are worth nothing, no clock and no number on disk is needed, and a replaced disk or a
//! clock set back locks nobody out. The proof takes one round trip at the start of an agent; the
//! packet that began it is dropped, as any packet may be.

use std::collections::BTreeMap;
use std::time::Duration;

use ring::aead::LessSafeKey;

use super::datagram::{self, Header, Refusal};
use super::frame::{self, Frame, Hello};
use super::keys::{ClusterKey, KeyError, Session, Stream, name_hash, random};
use super::replay::ReplayWindow;
use crate::api::names::ServerName;
use crate::engine::time::Instant;

/// Between two questions to, or answers for, one peer: what a flood of old packets can make us send.
const HELLO_INTERVAL: Duration = Duration::from_millis(5);

/// Seals and opens the datagrams of one agent.
pub struct Sessions {
    me: ServerName,
    /// How headers name it.
    my_hash: [u8; 8],
    key: ClusterKey,
    session: Session,
    peers: BTreeMap<[u8; 8], Peer>,
}

struct Peer {
    name: ServerName,
    outgoing: LessSafeKey,
    /// The counter of the next packet to it.
    counter: u64,
    incoming: Option<Incoming>,
    /// What its next run has to answer.
    question: [u8; 16],
    hello_sent: Option<Instant>,
}

/// The proved run of a peer.
struct Incoming {
    session: Session,
    agent: Receiving,
    farewell: Receiving,
}

struct Receiving {
    key: LessSafeKey,
    window: ReplayWindow,
}

/// What a packet was.
#[derive(Debug, PartialEq)]
pub enum Opened {
    /// Frames of a proved run.
    Frames {
        /// Who sent them.
        from: ServerName,
        /// Agent or keeper.
        stream: Stream,
        /// What they say, in the order in which it was said.
        frames: Vec<Frame>,
    },
    /// Part of a proof: to be answered with this packet, if any.
    Hello {
        /// Who sent it.
        from: ServerName,
        /// The answer.
        reply: Option<Vec<u8>>,
        /// Whether a run was proved by it.
        proved: bool,
    },
    /// Authentic, but of a run that has not proved itself: to be asked with this packet, if any.
    Unproved {
        /// Who sent it.
        from: ServerName,
        /// The question.
        reply: Option<Vec<u8>>,
    },
}

impl Sessions {
    /// For one run of the agent of `me`.
    ///
    /// # Errors
    /// Where keys or random numbers can't be made.
    pub fn new(
        me: ServerName,
        key: ClusterKey,
        peers: impl IntoIterator<Item = ServerName>,
    ) -> Result<Self, KeyError> {
        let session = Session::random()?;
        let my_hash = name_hash(&me);
        let mut sessions = Self { me, my_hash, key, session, peers: BTreeMap::new() };
        sessions.set_peers(peers)?;
        Ok(sessions)
    }

    /// Who the peers are; those that stay keep their state.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn set_peers(
        &mut self,
        names: impl IntoIterator<Item = ServerName>,
    ) -> Result<(), KeyError> {
        let mut before = std::mem::take(&mut self.peers);
        for name in names.into_iter().filter(|name| *name != self.me) {
            let hash = name_hash(&name);
            let peer = match before.remove(&hash) {
                Some(peer) => peer,
                None => Peer {
                    outgoing: self.key.derive(&self.me, &name, self.session, Stream::Agent)?,
                    name,
                    counter: 0,
                    incoming: None,
                    question: random()?,
                    hello_sent: None,
                },
            };
            self.peers.insert(hash, peer);
        }
        Ok(())
    }

    /// Seals frames for a peer; none where the peer is unknown or they are too large.
    pub fn seal(&mut self, to: &ServerName, frames: &[u8]) -> Option<Vec<u8>> {
        let template = self.header();
        // A few peers: looking through them is cheaper than a hash for each packet.
        let peer = self.peers.values_mut().find(|peer| peer.name == *to)?;
        peer.seal(template, frames)
    }

    /// Seals, for each peer, the last words of this run, which its keeper sends when it is over:
    /// once for each way they may take, so that no copy is taken for a replay.
    ///
    /// # Errors
    /// Where a key can't be made.
    pub fn seal_farewell(
        &self,
        copies: u64,
        frame_for: impl Fn(&ServerName) -> Vec<u8>,
    ) -> Result<BTreeMap<ServerName, Vec<Vec<u8>>>, KeyError> {
        let header = Header { stream: Stream::Farewell, ..self.header() };
        let mut packets = BTreeMap::new();
        for peer in self.peers.values() {
            let key = self.key.derive(&self.me, &peer.name, self.session, Stream::Farewell)?;
            let frame = frame_for(&peer.name);
            // The same words under the same counters each time: sealing them anew shows nothing.
            let sealed = (0..copies)
                .filter_map(|counter| datagram::seal(&key, &Header { counter, ..header }, &frame))
                .collect();
            packets.insert(peer.name.clone(), sealed);
        }
        Ok(packets)
    }

    /// Opens a packet.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn open(&mut self, now: Instant, packet: &mut [u8]) -> Result<Opened, Refusal> {
        let header = Header::parse(packet)?;
        if header.cluster != self.key.cluster() {
            return Err(Refusal::Foreign);
        }
        if header.key_id != self.key.id() {
            return Err(Refusal::UnknownKey);
        }
        let template = self.header();
        let peer = self.peers.get_mut(&header.sender).ok_or(Refusal::UnknownSender)?;
        match &mut peer.incoming {
            Some(incoming) if incoming.session == header.session => {
                let receiving = match header.stream {
                    Stream::Agent => &mut incoming.agent,
                    Stream::Farewell => &mut incoming.farewell,
                };
                let frames = decode(receiving.open(&header, packet)?)?;
                if let [Frame::Hello(hello)] = frames.as_slice() {
                    return Ok(peer.on_hello(now, template, hello, false));
                }
                Ok(Opened::Frames { from: peer.name.clone(), stream: header.stream, frames })
            }
            Some(_) | None => {
                let incoming = Incoming::new(&self.key, &peer.name, &self.me, header.session);
                let incoming = incoming.map_err(|_| Refusal::Forged)?;
                peer.on_new_session(now, template, incoming, &header, packet)
            }
        }
    }

    fn header(&self) -> Header {
        Header {
            key_id: self.key.id(),
            stream: Stream::Agent,
            cluster: self.key.cluster(),
            sender: self.my_hash,
            session: self.session,
            counter: 0,
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<Frame>, Refusal> {
    frame::decode(bytes).map_err(|_| Refusal::Malformed)
}

impl Receiving {
    fn open<'a>(&mut self, header: &Header, packet: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        if !self.window.is_new(header.counter) {
            return Err(Refusal::Replayed);
        }
        let frame = datagram::open(&self.key, header, packet)?;
        self.window.accept(header.counter);
        Ok(frame)
    }
}

impl Incoming {
    fn new(
        key: &ClusterKey,
        sender: &ServerName,
        receiver: &ServerName,
        session: Session,
    ) -> Result<Self, KeyError> {
        let receiving = |stream| -> Result<Receiving, KeyError> {
            let key = key.derive(sender, receiver, session, stream)?;
            Ok(Receiving { key, window: ReplayWindow::default() })
        };
        Ok(Self {
            session,
            agent: receiving(Stream::Agent)?,
            farewell: receiving(Stream::Farewell)?,
        })
    }
}

impl Peer {
    fn seal(&mut self, template: Header, frames: &[u8]) -> Option<Vec<u8>> {
        let header = Header { counter: self.counter, ..template };
        let packet = datagram::seal(&self.outgoing, &header, frames)?;
        // 2^64 packets are never sent; the counter does not wrap.
        self.counter += 1;
        Some(packet)
    }

    /// A packet of a run that is not the proved one: it can only prove itself.
    fn on_new_session(
        &mut self,
        now: Instant,
        template: Header,
        mut incoming: Incoming,
        header: &Header,
        packet: &mut [u8],
    ) -> Result<Opened, Refusal> {
        let receiving = match header.stream {
            Stream::Agent => &mut incoming.agent,
            // A farewell has nobody behind it who could prove anything.
            Stream::Farewell => return Err(Refusal::Unproved),
        };
        let frames = decode(receiving.open(header, packet)?)?;
        let [Frame::Hello(hello)] = frames.as_slice() else {
            let reply = self.hello(now, template, Some(self.question), None);
            return Ok(Opened::Unproved { from: self.name.clone(), reply });
        };
        if hello.answer == Some(self.question) {
            // Drawn anew, so that this answer is worth nothing from now on.
            self.question = random().map_err(|_| Refusal::Unproved)?;
            self.incoming = Some(incoming);
            return Ok(self.on_hello(now, template, hello, true));
        }
        let reply = self.hello(now, template, Some(self.question), hello.ask);
        Ok(Opened::Hello { from: self.name.clone(), reply, proved: false })
    }

    /// A greeting of the proved run, or the one that proved it.
    fn on_hello(&mut self, now: Instant, template: Header, hello: &Hello, proved: bool) -> Opened {
        let reply = match hello.ask {
            Some(_) => self.hello(now, template, None, hello.ask),
            None => None,
        };
        Opened::Hello { from: self.name.clone(), reply, proved }
    }

    fn hello(
        &mut self,
        now: Instant,
        template: Header,
        ask: Option<[u8; 16]>,
        answer: Option<[u8; 16]>,
    ) -> Option<Vec<u8>> {
        // Answers are not held back: each is one packet for one packet.
        if self.hello_sent.is_some_and(|sent| now.since(sent) < HELLO_INTERVAL) && answer.is_none()
        {
            return None;
        }
        self.hello_sent = Some(now);
        let frame = frame::encode(&Frame::Hello(Hello { ask, answer })).ok()?;
        self.seal(template, &frame)
    }
}

#[cfg(test)]
mod tests;
