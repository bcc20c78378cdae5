//! Logs and counters of one agent.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::transport::datagram::Refusal;

/// How log lines are written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the level is set: `error`, `warn`, `info` (the default), `debug` or `trace`.
pub const LEVEL_VARIABLE: &str = "STEAD_LOG";

/// Sends log lines to standard error, from now on and for the whole process. A second call
/// changes nothing.
pub fn start(format: LogFormat) {
    let level = std::env::var(LEVEL_VARIABLE)
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(tracing::Level::INFO);
    let logs = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(logs.with_ansi(false).finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(logs.json().finish()),
    };
}

/// What happened how often, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams sent.
    pub sent: AtomicU64,
    /// Datagrams that the network did not take.
    pub send_failed: AtomicU64,
    /// Datagrams that reached the engine.
    pub received: AtomicU64,
    /// Frames too large for a datagram, sent over a stream.
    pub streamed: AtomicU64,
    /// Frames dropped because a queue was full.
    pub overflowed: AtomicU64,
    /// Datagrams dropped, by reason.
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Counters {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a dropped datagram.
    pub fn refuse(&self, refusal: Refusal) {
        if let Some(index) = Refusal::ALL.iter().position(|other| *other == refusal) {
            Self::count(&self.refused[index]);
        }
    }

    /// Datagrams dropped for one reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        let index = Refusal::ALL.iter().position(|other| *other == refusal);
        index.map_or(0, |index| self.refused[index].load(Ordering::Relaxed))
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(f, "sent {} received {}", number(&self.sent), number(&self.received))?;
        for refusal in Refusal::ALL {
            let count = self.refused(refusal);
            if count > 0 {
                write!(f, ", {refusal} {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_on_its_own() {
        let counters = Counters::default();
        counters.refuse(Refusal::Forged);
        counters.refuse(Refusal::Forged);
        counters.refuse(Refusal::Foreign);
        assert_eq!(counters.refused(Refusal::Forged), 2);
        assert_eq!(counters.refused(Refusal::Replayed), 0);
        let text = counters.to_string();
        assert_eq!(text, "sent 0 received 0, foreign cluster 1, not authentic 2");
    }
}
