//! Durations in files: seconds with all their digits, such as `1.25s`, so that what is read is
//! exactly what was written.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

const BILLION: u64 = 1_000_000_000;

/// As text.
pub fn text(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn parse(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let nanoseconds = fraction * (BILLION / 10_u64.pow(digits));
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_nanos(nanoseconds))
}

/// For serde.
///
/// # Errors
///
/// None of its own.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

/// For serde.
///
/// # Errors
///
/// Where the text is no number of seconds.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not like \"1.25s\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_it_was_written() {
        for nanoseconds in [0, 1, 1_000_000_000, 1_250_000_000, 123_456_789_012] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(parse(&text(duration)), Some(duration), "{}", text(duration));
        }
        for wrong in ["", "1", "s", "1.s2", "-1s", "1.0000000001s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
