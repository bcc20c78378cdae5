//! Durations as Kubernetes writes them: `90s`, `500ms`, `1m30s`, `1.5h`.
//!
//! The type of the `kube` crate is not used because it panics on `9999999999999999h` and takes
//! negative ones: what a manifest holds must never end an agent.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that is written as a string with units; never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Units with their nanoseconds, the longest name first where one begins with another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a string is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// Nothing, or not numbers with units.
    #[error("is not a duration: write a number and a unit, such as 500ms, 90s or 1m30s")]
    Form,
    /// A minus sign.
    #[error("is negative: a duration can't be")]
    Negative,
    /// A number without unit.
    #[error("has no unit: write 500ms, 90s, 5m or 1h")]
    NoUnit,
    /// A unit that does not exist.
    #[error("has an unknown unit: there are ns, us, ms, s, m and h")]
    UnknownUnit,
    /// More than fits.
    #[error("is longer than can be counted")]
    TooLong,
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest.starts_with('-') {
            return Err(ParseDurationError::Negative);
        }
        if rest == "0" {
            return Ok(Self(time::Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(ParseDurationError::Form);
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let number_end =
                rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, after) = rest.split_at(number_end);
            let unit_end =
                after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_end);
            let part = nanoseconds(number, unit)?;
            total = total.checked_add(part).ok_or(ParseDurationError::TooLong)?;
            rest = next;
        }
        Ok(Self(time::Duration::from_nanos(total)))
    }
}

fn nanoseconds(number: &str, unit: &str) -> Result<u64, ParseDurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(ParseDurationError::Form);
    }
    if unit.is_empty() {
        return Err(ParseDurationError::NoUnit);
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(ParseDurationError::UnknownUnit);
    };
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| ParseDurationError::TooLong)?
    };
    let mut part = whole.checked_mul(*scale).ok_or(ParseDurationError::TooLong)?;
    let mut digit_value = *scale;
    for digit in fraction.bytes().take(FRACTION_DIGITS_MAX) {
        digit_value /= 10;
        let more = digit_value * u64::from(digit - b'0');
        part = part.checked_add(more).ok_or(ParseDurationError::TooLong)?;
    }
    Ok(part)
}

/// An hour has fewer digits in nanoseconds than this; further ones say nothing.
const FRACTION_DIGITS_MAX: usize = 15;

impl fmt::Display for Duration {
    /// The way Go writes it: `1h30m0s` without the zeros at its end, `1.5s`, `500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if self.0.subsec_nanos() != 0 {
            if seconds < 60 {
                return f.pad(&format!("{:?}", self.0));
            }
            let rest = time::Duration::new(seconds % 60, self.0.subsec_nanos());
            return f.pad(&format!("{}{rest:?}", parts(seconds / 60, 0)));
        }
        let text = parts(seconds / 60, seconds % 60);
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

fn parts(minutes: u64, seconds: u64) -> String {
    // Up to here people say seconds: the default of a monitor's time-out is 120s, not 2m.
    let minutes_shown = minutes >= 60 || (minutes > 0 && seconds == 0 && minutes.is_multiple_of(5));
    if !minutes_shown {
        let total = minutes * 60 + seconds;
        return if total == 0 { String::new() } else { format!("{total}s") };
    }
    let mut text = String::new();
    for (count, unit) in [(minutes / 60, 'h'), (minutes % 60, 'm'), (seconds, 's')] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(duration)
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format!("{text} {error}")))
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<u128, ParseDurationError> {
        text.parse::<Duration>().map(|duration| time::Duration::from(duration).as_nanos())
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(nanos("0"), Ok(0));
        assert_eq!(nanos("500ms"), Ok(500_000_000));
        assert_eq!(nanos("1m30s"), Ok(90_000_000_000));
        assert_eq!(nanos("1.5h"), Ok(5_400_000_000_000));
        assert_eq!(nanos("+.5s"), Ok(500_000_000));
        assert_eq!(nanos("3µs"), Ok(3_000));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        use ParseDurationError as E;
        for (text, error) in [
            ("", E::Form),
            (".s", E::Form),
            ("1.2.3s", E::Form),
            ("s", E::Form),
            ("-5s", E::Negative),
            ("5", E::NoUnit),
            ("5s-3s", E::UnknownUnit),
            ("5 s", E::UnknownUnit),
            ("1d", E::UnknownUnit),
            ("1e400s", E::UnknownUnit),
            ("infs", E::Form),
            ("99999999999999999999h", E::TooLong),
            ("9999999999999h", E::TooLong),
        ] {
            assert_eq!(nanos(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_so_that_they_are_read_the_same() {
        for text in
            ["0s", "1ms", "500ms", "1.5s", "5s", "30s", "90s", "120s", "5m", "30m", "1h", "1h1s"]
        {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.to_string(), text);
        }
        for text in ["1h30m15.25s", "61.000000001s", "3600000ms", "168h", "7m3s"] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration), "{text}");
        }
    }
}
