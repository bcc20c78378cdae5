//! One datagram: a clear header, authenticated with the rest, and sealed frames.
//!
//! ```text
//! magic 4 | version 1 | key id 1 | stream 1 | reserved 1 | cluster 8 | sender 8 | session 16
//! | counter 8 | sealed frames … | tag 16
//! ```

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::keys::{Session, Stream};

/// The largest datagram: below every path's MTU with room for tunnels, so that none is fragmented.
pub const DATAGRAM_MAX: usize = 1200;
/// Version of the header.
pub const DATAGRAM_VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"stea";
/// Length of the header.
pub const HEADER_LENGTH: usize = 48;
const TAG_LENGTH: usize = 16;
/// The most that frames may take of it.
pub const FRAMES_MAX: usize = DATAGRAM_MAX - HEADER_LENGTH - TAG_LENGTH;

/// The clear part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The key it is sealed with.
    pub key_id: u8,
    /// Agent or keeper.
    pub stream: Stream,
    /// Hash of the cluster's id.
    pub cluster: [u8; 8],
    /// Hash of the sender's name.
    pub sender: [u8; 8],
    /// The run of the sender's agent.
    pub session: Session,
    /// Its number within session and stream.
    pub counter: u64,
}

/// Why a packet was dropped. Each has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Too short.
    #[error("truncated")]
    Truncated,
    /// Larger than any that is sent.
    #[error("oversized")]
    Oversized,
    /// Not one of ours.
    #[error("garbage")]
    Garbage,
    /// Of another release's format.
    #[error("unknown format version")]
    Version,
    /// Of another cluster.
    #[error("foreign cluster")]
    Foreign,
    /// Sealed with a key that this server does not have.
    #[error("unknown key id")]
    UnknownKey,
    /// From a server that is none of this cluster's.
    #[error("unknown sender")]
    UnknownSender,
    /// Not made with the cluster's key, or altered.
    #[error("not authentic")]
    Forged,
    /// Seen before.
    #[error("replayed")]
    Replayed,
    /// Authentic, but of a run of its sender's agent that has not proved to be the present one.
    #[error("session not proved")]
    Unproved,
    /// Authentic, but not readable.
    #[error("malformed frame")]
    Malformed,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Refusal; 11] = [
        Refusal::Truncated,
        Refusal::Oversized,
        Refusal::Garbage,
        Refusal::Version,
        Refusal::Foreign,
        Refusal::UnknownKey,
        Refusal::UnknownSender,
        Refusal::Forged,
        Refusal::Replayed,
        Refusal::Unproved,
        Refusal::Malformed,
    ];
}

impl Header {
    fn bytes(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = DATAGRAM_VERSION;
        bytes[5] = self.key_id;
        bytes[6] = self.stream.number();
        bytes[8..16].copy_from_slice(&self.cluster);
        bytes[16..24].copy_from_slice(&self.sender);
        bytes[24..40].copy_from_slice(&self.session.0);
        bytes[40..48].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    /// Reads the header; nothing in it is proved.
    ///
    /// # Errors
    /// Where the packet is none of ours by its form.
    pub fn parse(packet: &[u8]) -> Result<Self, Refusal> {
        if packet.len() > DATAGRAM_MAX {
            return Err(Refusal::Oversized);
        }
        if packet.len() >= MAGIC.len() && packet[..4] != MAGIC {
            return Err(Refusal::Garbage);
        }
        if packet.len() < HEADER_LENGTH + TAG_LENGTH {
            return Err(Refusal::Truncated);
        }
        if packet[4] != DATAGRAM_VERSION {
            return Err(Refusal::Version);
        }
        let stream = Stream::from_number(packet[6]).ok_or(Refusal::Garbage)?;
        Ok(Self {
            key_id: packet[5],
            stream,
            cluster: part(packet, 8),
            sender: part(packet, 16),
            session: Session(part(packet, 24)),
            counter: u64::from_be_bytes(part(packet, 40)),
        })
    }
}

/// `N` bytes of a packet whose length was checked.
fn part<const N: usize>(packet: &[u8], start: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&packet[start..start + N]);
    bytes
}

/// The counter alone: see [`super::keys`] for why it never comes twice under one key.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Seals frames; none where they do not fit into a datagram.
#[must_use]
pub fn seal(key: &LessSafeKey, header: &Header, frames: &[u8]) -> Option<Vec<u8>> {
    if frames.len() > FRAMES_MAX {
        return None;
    }
    let bytes = header.bytes();
    let mut packet = Vec::with_capacity(HEADER_LENGTH + frames.len() + TAG_LENGTH);
    packet.extend_from_slice(&bytes);
    packet.extend_from_slice(frames);
    let tag = key
        .seal_in_place_separate_tag(
            nonce(header.counter),
            Aad::from(bytes),
            &mut packet[HEADER_LENGTH..],
        )
        .ok()?;
    packet.extend_from_slice(tag.as_ref());
    Some(packet)
}

/// Opens a packet in place and gives its frames.
///
/// # Errors
/// [`Refusal::Forged`] where it was not made with this key, or altered.
pub fn open<'a>(
    key: &LessSafeKey,
    header: &Header,
    packet: &'a mut [u8],
) -> Result<&'a [u8], Refusal> {
    let (bytes, sealed) = packet.split_at_mut_checked(HEADER_LENGTH).ok_or(Refusal::Truncated)?;
    key.open_in_place(nonce(header.counter), Aad::from(&*bytes), sealed)
        .map(|frame| &*frame)
        .map_err(|_| Refusal::Forged)
}
