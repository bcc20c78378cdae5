//! Keys of datagrams: one per direction, run and stream, derived from the cluster's key.
//!
//! A key belongs to one (sender, receiver, session, stream), and a session is drawn at random at
//! each start of an agent. So the counter alone can be the nonce: no pair of key and nonce comes
//! twice, not across boots, not between two servers, not between agent and keeper.

use std::fmt;

use ring::aead::{CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::api::names::ServerName;

/// Length of the cluster's key.
pub const KEY_LENGTH: usize = 32;

/// The secret that every server of a cluster has.
#[derive(Clone)]
pub struct ClusterKey {
    id: u8,
    secret: Prk,
    cluster: [u8; 8],
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey(id {}, secret not shown)", self.id)
    }
}

/// A key that could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The secret has the wrong length.
    #[error("the cluster key has {found} bytes, it must have {KEY_LENGTH}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
    /// Derivation failed.
    #[error("failed to derive a key from the cluster key")]
    Derivation,
}

/// One run of an agent, as datagrams name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub [u8; 16]);

impl Session {
    /// Draws one.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        Ok(Self(random()?))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Who speaks in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// The agent.
    Agent,
    /// The keeper's farewell, sealed in advance by the agent.
    Farewell,
}

impl Stream {
    /// As the header has it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Stream::Agent => 0,
            Stream::Farewell => 1,
        }
    }

    /// From the header.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Stream::Agent),
            1 => Some(Stream::Farewell),
            _ => None,
        }
    }
}

struct OneKey;

impl KeyType for OneKey {
    fn len(&self) -> usize {
        KEY_LENGTH
    }
}

/// Random bytes from the system.
///
/// # Errors
/// Where the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

impl ClusterKey {
    /// Takes the secret of the cluster `cluster_id`; `id` tells two keys apart during a rotation.
    ///
    /// # Errors
    /// Where the secret has the wrong length.
    pub fn new(cluster_id: &str, id: u8, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() != KEY_LENGTH {
            return Err(KeyError::Length { found: secret.len() });
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, cluster_id.as_bytes());
        let mut cluster = [0; 8];
        cluster.copy_from_slice(&digest.as_ref()[..8]);
        let secret = Salt::new(HKDF_SHA256, cluster_id.as_bytes()).extract(secret);
        Ok(Self { id, secret, cluster })
    }

    /// The id that headers carry.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The hash of the cluster's id that headers carry.
    #[must_use]
    pub fn cluster(&self) -> [u8; 8] {
        self.cluster
    }

    /// The key of one direction, run and stream.
    ///
    /// # Errors
    /// Where the derivation fails.
    pub fn derive(
        &self,
        sender: &ServerName,
        receiver: &ServerName,
        session: Session,
        stream: Stream,
    ) -> Result<LessSafeKey, KeyError> {
        let length = |name: &ServerName| [u8::try_from(name.as_str().len()).unwrap_or(u8::MAX)];
        let info: [&[u8]; 7] = [
            b"stead datagram v1",
            &length(sender),
            sender.as_str().as_bytes(),
            &length(receiver),
            receiver.as_str().as_bytes(),
            &session.0,
            &[stream.number()],
        ];
        let mut bytes = [0; KEY_LENGTH];
        self.secret
            .expand(&info, OneKey)
            .and_then(|output| output.fill(&mut bytes))
            .map_err(|_| KeyError::Derivation)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| KeyError::Derivation)?;
        Ok(LessSafeKey::new(key))
    }
}

/// The eight bytes by which headers name a server.
#[must_use]
pub fn name_hash(name: &ServerName) -> [u8; 8] {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_str().as_bytes());
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest.as_ref()[..8]);
    hash
}
