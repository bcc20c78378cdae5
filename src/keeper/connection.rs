//! One client of the keeper's socket. What it sends is not trusted to be well formed.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Uid;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::protocol::{self, Answer, Call};

/// Answers that a client leaves unread.
const UNREAD_MAX: usize = 16 << 20;

/// A client.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    /// Its process.
    pub pid: i32,
    received: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    /// Takes a client in.
    ///
    /// # Errors
    /// Where it is not of this keeper's user.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let peer = getsockopt(&stream, PeerCredentials)?;
        if Uid::from_raw(peer.uid()) != Uid::effective() {
            let text = format!("user {} may not use the keeper", peer.uid());
            return Err(io::Error::new(ErrorKind::PermissionDenied, text));
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream, pid: peer.pid(), received: Vec::new(), unsent: Vec::new() })
    }

    /// What becomes readable when its process is dead.
    ///
    /// # Errors
    /// Where there is no such process in sight.
    pub fn watch(&self) -> io::Result<OwnedFd> {
        let pid = Pid::from_raw(self.pid).ok_or(ErrorKind::NotFound)?;
        Ok(pidfd_open(pid, PidfdFlags::empty())?)
    }

    /// To wait for its next words.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether answers wait for room.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// All calls that have come whole.
    ///
    /// # Errors
    /// Where the client has gone, or what it sent is no call: then it is done with.
    pub fn receive(&mut self) -> io::Result<Vec<Call>> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.received.len() > protocol::FRAME_MAX {
                break;
            }
        }
        let mut calls = Vec::new();
        while let Some(call) = protocol::take_frame(&mut self.received)? {
            calls.push(call);
        }
        Ok(calls)
    }

    /// Answers, now or when there is room.
    ///
    /// # Errors
    /// Where the client has gone, or does not read.
    pub fn send(&mut self, answer: &Answer) -> io::Result<()> {
        if self.unsent.len() > UNREAD_MAX {
            return Err(io::Error::other("it does not read its answers"));
        }
        self.unsent.extend(protocol::encode(answer)?);
        self.flush()
    }

    /// Sends what waits for room.
    ///
    /// # Errors
    /// Where the client has gone.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
