//! What datagrams and streams carry: a version byte, then one frame after the other in postcard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::names::{ResourceName, ServerName};
use crate::engine::effect::Event;
use crate::engine::ids::BootId;
use crate::engine::message::Envelope;

/// Version of the encoding. A release also reads the one before it.
pub const FRAME_VERSION: u8 = 1;
/// Bytes that its version takes.
const VERSION_LENGTH: usize = 1;
/// The largest frame on a stream: a whole store fits, a runaway peer does not fill the memory.
pub const FRAME_MAX: usize = 64 << 20;

/// One thing said between agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// Proof that a run of an agent is the present one; see [`super::sessions`].
    Hello(Hello),
    /// For the engine.
    Engine(Box<Envelope>),
    /// Something that the sender tells people, for the receiver's table.
    Event(Box<KeptEvent>),
    /// Keeps a stream open.
    KeepAlive,
    /// What the sender's drivers last read in clouds, for the receiver's statuses.
    Observed(Box<ObservedThere>),
}

/// What the drivers of one server last read in clouds: for people, beside the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedThere {
    /// The server.
    pub server: ServerName,
    /// Each resource that is active there, its state in JSON: what one release shows another may
    /// not know.
    pub resources: BTreeMap<ResourceName, String>,
}

/// An event, and the run of the agent that numbered it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptEvent {
    /// The run.
    pub boot: BootId,
    /// The event.
    pub event: Event,
}

/// A question only a living run can answer, and the answer to the receiver's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// To be sent back; none where the sender knows the receiver's run.
    pub ask: Option<[u8; 16]>,
    /// What the receiver asked.
    pub answer: Option<[u8; 16]>,
}

/// Bytes that are no frame, or a frame that can't be bytes.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Nothing there.
    #[error("an empty frame")]
    Empty,
    /// Another version.
    #[error("a frame of version {0}, this release reads version {FRAME_VERSION}")]
    Version(u8),
    /// Not what the version prescribes.
    #[error("a malformed frame")]
    Encoding(#[from] postcard::Error),
    /// Larger than anything that is sent.
    #[error("a frame of {0} bytes, the most is {FRAME_MAX}")]
    Size(usize),
}

/// Writes a frame.
///
/// # Errors
/// Where it would be larger than [`FRAME_MAX`].
pub fn encode(frame: &Frame) -> Result<Vec<u8>, FrameError> {
    let bytes = postcard::to_extend(frame, vec![FRAME_VERSION])?;
    if bytes.len() > FRAME_MAX { Err(FrameError::Size(bytes.len())) } else { Ok(bytes) }
}

/// Adds an encoded frame behind others.
pub fn join(frames: &mut Vec<u8>, frame: &[u8]) {
    frames.extend_from_slice(&frame[frames.len().min(VERSION_LENGTH)..]);
}

/// Reads frames: at least one.
///
/// # Errors
/// Where the bytes are no frames of this version.
pub fn decode(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
    let (version, mut rest) = bytes.split_first().ok_or(FrameError::Empty)?;
    if *version != FRAME_VERSION {
        return Err(FrameError::Version(*version));
    }
    let mut frames = Vec::new();
    loop {
        let (frame, left) = postcard::take_from_bytes(rest)?;
        frames.push(frame);
        if left.is_empty() {
            return Ok(frames);
        }
        rest = left;
    }
}
