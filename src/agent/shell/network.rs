//! Packets and frames on their way to the engine and from it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Running, Shell, ShellError};
use crate::agent::clock;
use crate::agent::telemetry::Counters;
use crate::agent::transport::datagram::{FRAMES_MAX, Refusal};
use crate::agent::transport::frame::{self, Frame};
use crate::agent::transport::outgoing::Outgoing;
use crate::agent::transport::sessions::Opened;
use crate::agent::transport::sockets::BUFFER_LENGTH;
use crate::api::names::{PathName, ServerName};
use crate::engine::ids::BootId;
use crate::engine::input::Input;
use crate::engine::message::{Ended, Envelope, Message, Report};
use crate::engine::time::Instant;
use crate::keeper::protocol::Datagram;

/// Packets read from one socket before the next gets its turn.
const PACKETS_MAX: usize = 64;
/// Between two log lines about dropped packets.
const REFUSALS_LOGGED: Duration = Duration::from_secs(60);

impl Shell {
    pub(super) fn stream(&self, to: &ServerName, bytes: Bytes) {
        let counters = &self.counters;
        let sent = self.streams.send(to, bytes);
        Counters::count(if sent { &counters.streamed } else { &counters.overflowed });
    }

    pub(super) fn send(
        &mut self,
        to: ServerName,
        to_boot: Option<BootId>,
        path: Option<&PathName>,
        number: u64,
        message: Message,
    ) {
        let (from, boot) = (self.me.clone(), self.boot);
        let envelope = Envelope { from, boot, to: to.clone(), to_boot, number, message };
        let to = &to;
        let bytes = match frame::encode(&Frame::Engine(Box::new(envelope))) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%to, %error, "a message was not sent");
                return;
            }
        };
        if bytes.len() > FRAMES_MAX {
            self.stream(to, bytes.into());
            return;
        }
        match path {
            Some(path) => self.outgoing.add(to, path, &bytes),
            None => {
                for (path, _) in self.sockets.iter() {
                    self.outgoing.add(to, path, &bytes);
                }
            }
        }
    }

    /// Sends what one input had the engine say.
    pub(super) fn flush(&mut self) {
        for Outgoing { to, path, frames } in self.outgoing.take() {
            let address = self.peers.borrow().get(&to).and_then(|peer| peer.heartbeat(&path));
            let Some(address) = address else { continue };
            let sent = self
                .sessions
                .seal(&to, &frames)
                .is_some_and(|packet| self.sockets.send(&path, address, &packet).is_ok());
            let counters = &self.counters;
            Counters::count(if sent { &counters.sent } else { &counters.send_failed });
        }
    }

    pub(super) fn read_sockets(
        &mut self,
        running: &mut Running,
        ready: &[bool],
    ) -> Result<(), ShellError> {
        let mut packets = Vec::new();
        let mut buffer = [0; BUFFER_LENGTH];
        let ready = self.sockets.iter().zip(ready).filter(|(_, ready)| **ready);
        for ((path, socket), _) in ready {
            for _ in 0..PACKETS_MAX {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        packets.push((path.clone(), from, buffer[..length].to_vec()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // What ICMP said about an earlier packet; the liveness rules notice.
                    Err(_) => {}
                }
            }
        }
        for (path, from, mut packet) in packets {
            let now = clock::boot_time()?;
            match self.sessions.open(now, &mut packet) {
                Ok(Opened::Frames { from, stream: _, frames }) => {
                    Counters::count(&self.counters.received);
                    for frame in frames {
                        self.on_frame(running, Some(path.clone()), from.clone(), frame)?;
                    }
                }
                Ok(Opened::Hello { from: peer, reply, proved }) => {
                    if proved {
                        tracing::info!(%peer, %path, "a peer's run was proved");
                        self.streams.restart(&peer);
                    }
                    self.reply(&path, from, reply);
                }
                Ok(Opened::Unproved { from: peer, reply }) => {
                    tracing::debug!(%peer, %path, "a peer's run is not proved yet");
                    self.reply(&path, from, reply);
                }
                Err(refusal) => self.on_refusal(running, now, from, refusal),
            }
        }
        Ok(())
    }

    fn reply(&self, path: &PathName, to: SocketAddr, reply: Option<Vec<u8>>) {
        let Some(reply) = reply else { return };
        let sent = self.sockets.send(path, to, &reply).is_ok();
        Counters::count(if sent { &self.counters.sent } else { &self.counters.send_failed });
    }

    fn on_refusal(&self, running: &mut Running, now: Instant, from: SocketAddr, refusal: Refusal) {
        self.counters.refuse(refusal);
        if refusal == Refusal::Replayed {
            // Networks double packets, and a keeper sends its farewell more than once.
            tracing::debug!(%from, "a packet came twice");
            return;
        }
        running.refusals += 1;
        let due = running.refusals_logged.is_none_or(|at| now.since(at) >= REFUSALS_LOGGED);
        if due {
            let count = running.refusals;
            tracing::warn!(%from, %refusal, count, "packets were dropped");
            running.refusals_logged = Some(now);
            running.refusals = 0;
        }
    }

    pub(super) fn on_frame(
        &mut self,
        running: &mut Running,
        path: Option<PathName>,
        from: ServerName,
        frame: Frame,
    ) -> Result<(), ShellError> {
        match frame {
            // Nobody speaks for another: the one exception, the keeper, speaks as its server.
            Frame::Engine(envelope) if envelope.from == from && envelope.to == self.me => {
                running.changed |= running.is_news(&from, &envelope.message);
                self.step(running, Input::Received { path, envelope })
            }
            Frame::Event(event) if event.event.server == from => {
                running.changed = true;
                self.keep(*event);
                Ok(())
            }
            Frame::Observed(there) if there.server == from => {
                running.on_observed(*there);
                Ok(())
            }
            Frame::Engine(_) | Frame::Event(_) | Frame::Observed(_) => {
                tracing::warn!(%from, "a message that is not its sender's own was dropped");
                Ok(())
            }
            Frame::Hello(_) | Frame::KeepAlive => Ok(()),
        }
    }

    /// Gives the keeper what it says to the others when this run is over.
    pub(super) fn give_farewell(&self) -> Result<(), ShellError> {
        let (me, boot) = (&self.me, self.boot);
        let copies = u64::try_from(self.sockets.iter().count()).unwrap_or(0);
        let packets = self.sessions.seal_farewell(copies, |to| {
            let envelope = Envelope {
                from: me.clone(),
                boot,
                to: to.clone(),
                to_boot: None,
                number: 0,
                message: Message::Ended(Ended { boot }),
            };
            frame::encode(&Frame::Engine(Box::new(envelope))).unwrap_or_default()
        })?;
        let peers = self.peers.borrow();
        let mut datagrams = Vec::new();
        for (peer, copies) in packets {
            let Some(endpoint) = peers.get(&peer) else { continue };
            for ((path, socket), bytes) in self.sockets.iter().zip(copies) {
                let (Ok(source), Some(destination)) =
                    (socket.local_addr(), endpoint.heartbeat(path))
                else {
                    continue;
                };
                datagrams.push(Datagram { source, destination, bytes });
            }
        }
        drop(peers);
        self.keeper.farewell(datagrams);
        Ok(())
    }
}

impl Running {
    /// Whether a message changes what is shown by more than numbers that change all the time.
    fn is_news(&mut self, from: &ServerName, message: &Message) -> bool {
        match message {
            Message::Heartbeat(_) | Message::Ack(_) => false,
            Message::Renew(renew) => !renew.orders.is_empty(),
            Message::Report(report) => {
                let gist = gist(report);
                self.gists.insert(from.clone(), gist) != Some(gist)
            }
            Message::PreVote(_)
            | Message::PreVoteReply(_)
            | Message::Propose(_)
            | Message::Promise(_)
            | Message::Nack(_)
            | Message::StoreAppend(_)
            | Message::StoreSnapshot(_)
            | Message::StoreAppended(_)
            | Message::StoreFetch(_)
            | Message::Ended(_) => true,
        }
    }
}

/// A report without its measurements, as one number.
fn gist(report: &Report) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, resource) in &report.resources {
        (name, resource.state as u8, &resource.message, resource.generation).hash(&mut hasher);
    }
    for (name, monitor) in &report.monitors {
        (name, monitor.state as u8, monitor.failures, monitor.failovers).hash(&mut hasher);
    }
    for path in &report.paths {
        (&path.peer, &path.path, path.up).hash(&mut hasher);
    }
    report.keeper.hash(&mut hasher);
    hasher.finish()
}
