//! What the lease needs of a store: reading one record, and writing it on condition.

use futures_util::future::BoxFuture;

/// Names one state of the record, as the store does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// ETag, revision or resource version.
    pub tag: Option<String>,
    /// What else the store wants to see again.
    pub more: Option<String>,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its bytes, whatever they are.
    pub bytes: Vec<u8>,
    /// Its version.
    pub version: Version,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done; the record has this version now.
    Done(Version),
    /// Refused: the record is not what the condition says.
    Conflict,
}

/// Why there is no answer of the store. Whether a write was made is then not certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(String);

/// Characters of an error that a message repeats: some servers answer with whole pages.
const ERROR_MAX: usize = 240;

impl StoreError {
    /// An error in words, on one line and of bounded length.
    #[must_use]
    pub fn new(words: impl AsRef<str>) -> Self {
        let mut text = String::new();
        for word in words.as_ref().split(|c: char| c.is_whitespace() || c.is_control()) {
            if word.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
            if text.len() > ERROR_MAX {
                text = text.chars().take(ERROR_MAX).chain("…".chars()).collect();
                break;
            }
        }
        Self(text)
    }

    /// An error with all that caused it.
    #[must_use]
    pub fn caused(error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own words.
            if !words.contains(&text) {
                words = format!("{words}: {text}");
            }
            cause = error.source();
        }
        Self::new(words)
    }
}

/// One record in a store outside the cluster.
///
/// No call is repeated inside: who calls knows better whether another try makes sense, and what a
/// lost answer means. Dropping a future ends the call; whether it had its effect is not certain.
pub trait Store: Send + Sync {
    /// Reads the record; none where the store says for certain that there is none.
    fn read(&self) -> BoxFuture<'_, Result<Option<Found>, StoreError>>;

    /// Writes a record where it is still `over`, or still absent.
    fn write<'a>(
        &'a self,
        record: &'a [u8],
        over: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Written, StoreError>>;

    /// Whether conditions are part of the store's very protocol. Some servers that speak the S3 API
    /// ignore them in silence: those must prove first that they refuse.
    fn conditions_are_certain(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_short_line() {
        let page = format!("503\r\n<html>\u{1b}[2J{}</html>", "very long ".repeat(100));
        let error = StoreError::new(page).to_string();
        assert!(error.starts_with("503 <html> [2Jvery long very"), "{error}");
        assert!(error.chars().count() <= ERROR_MAX + 1, "{error}");
        assert!(!error.contains(char::is_control), "{error}");
    }
}
