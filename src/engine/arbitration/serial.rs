//! The rule of the serial line (CP guide 1.2.4): a peer that falls silent on the network and on the
//! line at the same time is dead. Anything else is a cut, or a line that was broken already.

use std::time::Duration;

use super::super::input::Verdict;
use super::super::mutation::{Flaw, flawed};

/// What the line says of a peer that the network does not reach.
///
/// `line` and `network`: how long ago the peer was last heard there; none: not since this agent
/// started. `timeout`: that of heartbeats, which is also how far apart two last signs of life may
/// lie and still be the same moment.
#[must_use]
pub fn judge(
    line: Option<Duration>,
    network: Option<Duration>,
    timeout: Duration,
) -> (Verdict, &'static str) {
    judge_broken(line, network, timeout, Flaw::default())
}

/// The same, with what is broken on purpose.
pub(crate) fn judge_broken(
    line: Option<Duration>,
    network: Option<Duration>,
    timeout: Duration,
    flaw: Flaw,
) -> (Verdict, &'static str) {
    let Some(line) = line else {
        return (Verdict::Lost, "nothing ever came over the serial line: it can't tell");
    };
    let Some(network) = network else {
        return match line < timeout {
            true => (Verdict::Lost, "the peer lives: the serial line hears it"),
            false => (Verdict::Lost, "the serial line was silent already: it can't tell"),
        };
    };
    if line > network + timeout && !flawed!(flaw, SerialBrokenLineTrusted) {
        return (Verdict::Lost, "the serial line was broken already: it can't tell");
    }
    if flawed!(flaw, SerialLifeIgnored) {
        return (Verdict::Held, "the network does not reach the peer");
    }
    if line + timeout < network {
        return (Verdict::Lost, "the peer lives: the serial line heard it after the network");
    }
    if line < timeout {
        return (Verdict::Unknown, "the serial line was heard a moment ago");
    }
    (Verdict::Held, "the peer fell silent on the network and on the serial line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_on_both_at_the_same_time_is_death() {
        let second = Duration::from_secs;
        let timeout = second(5);
        let said = |line: Option<u64>, network: Option<u64>| {
            judge(line.map(second), network.map(second), timeout).0
        };
        assert_eq!(said(Some(5), Some(5)), Verdict::Held, "both at the same moment");
        assert_eq!(said(Some(9), Some(6)), Verdict::Held, "nearly");
        assert_eq!(said(Some(60), Some(5)), Verdict::Lost, "the line was broken before");
        assert_eq!(said(None, Some(5)), Verdict::Lost, "it never worked");
        assert_eq!(said(Some(0), Some(6)), Verdict::Lost, "the line works: a cut");
        assert_eq!(said(Some(20), Some(60)), Verdict::Lost, "it worked long after the cut");
        assert_eq!(said(Some(1), Some(5)), Verdict::Unknown, "too early to say");
        assert_eq!(said(Some(1), None), Verdict::Lost, "a peer that only the line knows");
        assert_eq!(said(Some(50), None), Verdict::Lost);
    }
}
