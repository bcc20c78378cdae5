//! The record that the holder of the lease writes, and what else may stand in its place.
//!
//! Whatever can't be read as a record of this cluster is an error that says what was found. It is
//! never taken for an absent record, which somebody could write over.

use serde::{Deserialize, Serialize};

use crate::api::names::ServerName;
use crate::engine::ids::{Revision, Term};

/// The only format so far. A record of a higher one was written by a newer release.
pub const FORMAT: u32 = 1;
/// What a record is at most long; ours are below 1 KiB.
pub const LENGTH_MAX: usize = 16 * 1024;
/// Says that the bytes are meant to be a record.
const KIND: &str = "stead lease";
/// Characters of something strange that a message quotes.
const EXCERPT: usize = 60;
/// Bytes of a name that messages repeat.
const NAME_MAX: usize = 253;
/// What a holder may ask others to wait at most: the longest that the manifest allows.
const TTL_MAX_MILLISECONDS: u64 = 600_000;

/// Who holds the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Always [`KIND`].
    kind: String,
    /// [`FORMAT`].
    format: u32,
    /// Id of the cluster.
    pub cluster: String,
    /// The leader of the view.
    pub holder: ServerName,
    /// Its term.
    pub term: Term,
    /// Nobody holds the lease: the record stands in the place of a missing one, so that whatever
    /// happens from now on changes it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub claim: bool,
    /// Drawn anew for each write: equal records are the same write.
    pub nonce: String,
    /// How long others see the record unchanged before they may take it.
    pub ttl_milliseconds: u64,
    /// The newest store that the holder knows.
    pub revision: Revision,
    /// The holder's wall clock when it took the lease. For people: no clock but the reader's own
    /// decides anything.
    pub acquired: String,
    /// The holder's wall clock at this write. For people.
    pub written: String,
}

/// Why some bytes are no record that could be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Nothing but white space.
    #[error("the object is empty; delete it, and it is made anew")]
    Empty,
    /// More than a record can have.
    #[error("the object has {0} bytes, and a lease record at most {LENGTH_MAX}: it is another's")]
    TooLong(usize),
    /// Something else.
    #[error("the object is no lease record: it begins with {0}")]
    Strange(String),
    /// A format of a later release.
    #[error("the record was written by a newer release (format {0}, known is {FORMAT}): update")]
    Newer(u32),
    /// A record, but one that contradicts itself.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    kind: String,
    format: u32,
}

impl Record {
    /// A record of this format.
    #[must_use]
    pub fn new(cluster: &str, holder: &ServerName, term: &Term, nonce: String) -> Self {
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            cluster: cluster.to_owned(),
            holder: holder.clone(),
            term: term.clone(),
            claim: false,
            nonce,
            ttl_milliseconds: 0,
            revision: Revision(0),
            acquired: String::new(),
            written: String::new(),
        }
    }

    /// The bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings and numbers only: it can't fail, and an empty record would be refused by all.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads what the store gave.
    ///
    /// # Errors
    /// Where it is no record of a format that this release knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > LENGTH_MAX {
            return Err(RecordError::TooLong(bytes.len()));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(RecordError::Empty);
        }
        let head: Head =
            serde_json::from_slice(bytes).map_err(|_| RecordError::Strange(excerpt(bytes)))?;
        if head.kind != KIND {
            return Err(RecordError::Strange(excerpt(bytes)));
        }
        if head.format > FORMAT {
            return Err(RecordError::Newer(head.format));
        }
        let record: Record = serde_json::from_slice(bytes)
            .map_err(|error| RecordError::Damaged(error.to_string()))?;
        record.check().map_err(RecordError::Damaged)?;
        Ok(record)
    }

    fn check(&self) -> Result<(), String> {
        let plain = |text: &str| {
            !text.is_empty() && text.len() <= NAME_MAX && !text.contains(char::is_control)
        };
        if !plain(&self.cluster) || !plain(self.holder.as_str()) {
            return Err("its cluster or holder is no name".into());
        }
        if self.nonce.is_empty() {
            return Err("it has no nonce".into());
        }
        if self.term.number == 0 {
            return Err("it has no term".into());
        }
        if self.term.proposer != self.holder {
            let (term, holder) = (&self.term, &self.holder);
            return Err(format!("{holder} holds it under the term {term} of another server"));
        }
        if self.ttl_milliseconds > TTL_MAX_MILLISECONDS {
            return Err(format!("it lasts {} ms", self.ttl_milliseconds));
        }
        Ok(())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The first characters, made harmless for a log.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT * 4)]);
    let start: String = text.trim_start().chars().take(EXCERPT).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests;
