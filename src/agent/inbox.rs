//! The way to the engine's thread: a queue, and a descriptor that wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::oneshot;

use super::config::AgentConfig;
use super::transport::frame::Frame;
use crate::api::names::ServerName;
use crate::engine::effect::{Change, WriteError};
use crate::engine::ids::Revision;
use crate::engine::input::Input;

/// Frames from streams that may wait for the engine; more are dropped, as the network may.
const FRAMES_MAX: usize = 1024;

/// What the engine's thread is told.
#[derive(Debug)]
pub enum Told {
    /// For the engine.
    Input(Input),
    /// Came over a stream.
    Frame {
        /// From whom.
        from: ServerName,
        /// What.
        frame: Frame,
    },
    /// The API wants to write.
    Write {
        /// The changes.
        changes: Vec<Change>,
        /// The revision must be greater than this.
        after: Revision,
        /// Takes the answer.
        reply: oneshot::Sender<Result<Revision, WriteError>>,
    },
    /// `agent.yaml` was read anew.
    Configured(Box<AgentConfig>),
    /// End in good order.
    Retire,
}

/// Gives to the engine's thread.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: Sender<Told>,
    frames: Arc<AtomicUsize>,
    wake: Arc<EventFd>,
}

/// The engine's end.
#[derive(Debug)]
pub struct Outbox {
    receiver: Receiver<Told>,
    frames: Arc<AtomicUsize>,
    wake: Arc<EventFd>,
}

/// Makes both ends.
///
/// # Errors
/// Where the kernel gives no descriptor.
pub fn inbox() -> nix::Result<(Inbox, Outbox)> {
    let (sender, receiver) = channel();
    let frames = Arc::new(AtomicUsize::new(0));
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let wake = Arc::new(EventFd::from_value_and_flags(0, flags)?);
    let inbox = Inbox { sender, frames: frames.clone(), wake: wake.clone() };
    Ok((inbox, Outbox { receiver, frames, wake }))
}

impl Inbox {
    /// Tells something; false where the engine's thread is gone, or there is too much already.
    pub fn tell(&self, told: Told) -> bool {
        let is_frame = matches!(told, Told::Frame { .. });
        if is_frame && self.frames.fetch_add(1, Ordering::Relaxed) >= FRAMES_MAX {
            self.frames.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let sent = self.sender.send(told).is_ok();
        // It fails only where the counter is full: then the thread is awake.
        let _ = self.wake.write(1);
        sent
    }

    /// Tells the engine something.
    pub fn input(&self, input: Input) {
        let _ = self.tell(Told::Input(input));
    }
}

impl Outbox {
    /// Readable when there is something.
    #[must_use]
    pub fn wake(&self) -> &EventFd {
        &self.wake
    }

    /// Begins anew to wait. Before [`Self::next`] is called, so that nothing is overlooked.
    pub fn rest(&self) {
        // Nothing to read says that nothing woke it.
        let _ = self.wake.read();
    }

    /// What came, if anything.
    pub fn next(&self) -> Option<Told> {
        let told = self.receiver.try_recv().ok()?;
        if matches!(told, Told::Frame { .. }) {
            self.frames.fetch_sub(1, Ordering::Relaxed);
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_bounded_and_answers_are_not() {
        let (inbox, outbox) = inbox().unwrap();
        let frame = || Told::Frame { from: "a".into(), frame: Frame::KeepAlive };
        assert!((0..FRAMES_MAX).all(|_| inbox.tell(frame())));
        assert!(!inbox.tell(frame()));
        assert!(inbox.tell(Told::Input(Input::Timer)));
        assert!(outbox.next().is_some());
        assert!(inbox.tell(frame()));
        let left = std::iter::from_fn(|| outbox.next()).count();
        assert_eq!(left, FRAMES_MAX + 1);
        drop(outbox);
        assert!(!inbox.tell(Told::Retire));
    }
}
