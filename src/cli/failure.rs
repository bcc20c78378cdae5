//! How a subcommand ends when it does not succeed.

use std::io;

/// The command line is wrong.
pub(super) const USAGE: u8 = 2;

/// Why nothing, or not everything, was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Something outside did not work.
    #[error("error: {0:#}")]
    Error(#[from] anyhow::Error),
    /// The command line is wrong in a way that only the subcommand can tell.
    #[error("error: {0}\n\nFor more information, try '--help'.")]
    Usage(String),
    /// The time to wait has passed.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The cluster, or the check before it, says no.
    #[error("refused: {0}")]
    Refused(String),
    /// A rehearsal found what it was told to fail on.
    #[error("{0}")]
    Findings(String),
    /// As `Refused`; everything has been said already.
    #[error("{0}")]
    Problems(String),
}

impl Failure {
    /// The exit code, as `stead --help` lists them.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Error(_) => 1,
            Self::Usage(_) => USAGE,
            Self::TimedOut(_) => 3,
            Self::Refused(_) | Self::Problems(_) => 4,
            Self::Findings(_) => 5,
        }
    }

    /// An error in words.
    pub(super) fn error(words: impl Into<String>) -> Self {
        Self::Error(anyhow::anyhow!(words.into()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Error(error.into())
    }
}
