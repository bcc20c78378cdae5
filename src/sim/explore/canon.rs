//! States that differ in nothing that decides are one: times count from now, and those beyond every
//! timer are equal; ids that only pair a question with its answer are numbered as they appear.
//!
//! It works on what `{:?}` prints, so that no part of a state can be forgotten: an instant has six
//! decimals, a duration has a unit.

use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// Fields that decide nothing: what only counts, measures or is shown.
const IDLE: [&[u8]; 7] = [
    b"version: ",
    b"clock_offset: ",
    b"round_trip: ",
    b"report_seen: ",
    b"number: ",
    b"highest: ",
    b"come: ",
];
const ID: &[u8] = b"ActionId(";

/// Turns states into fingerprints.
#[derive(Debug, Default)]
pub struct Canon {
    text: String,
    bytes: Vec<u8>,
    ids: Vec<u64>,
    /// Nanoseconds beyond which times are equal.
    pub horizon: u64,
}

impl Canon {
    /// Begins a state.
    pub fn begin(&mut self) {
        self.bytes.clear();
    }

    /// Ids are another's from here on.
    pub fn new_ids(&mut self) {
        self.ids.clear();
    }

    /// Adds a part of it, as it stands at `now`.
    pub fn add(&mut self, now: u64, part: &dyn Debug) {
        self.text.clear();
        // Writing to a string can't fail.
        let _ = write!(self.text, "{part:?};");
        let text = std::mem::take(&mut self.text);
        self.scan(now, text.as_bytes());
        self.text = text;
    }

    /// The state's.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(salt);
            hasher.write(&self.bytes);
            u128::from(hasher.finish())
        };
        half(1) << 64 | half(2)
    }

    /// What is compared, for whoever wonders why two states differ.
    #[must_use]
    pub fn compared(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn scan(&mut self, now: u64, text: &[u8]) {
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let rest = &text[at..];
            let word = at > 0 && text[at - 1].is_ascii_alphanumeric();
            if word || !byte.is_ascii_alphanumeric() {
                self.bytes.push(*byte);
                at += 1;
            } else if let Some(idle) = IDLE.iter().find(|idle| rest.starts_with(idle)) {
                let end = |byte: &u8| matches!(byte, b',' | b' ' | b'}' | b')');
                at += idle.len();
                at += text[at..].iter().position(end).unwrap_or(0);
            } else if rest.starts_with(ID) {
                let (id, length) = digits(&rest[ID.len()..]);
                let known = self.ids.iter().position(|known| *known == id);
                let place = known.unwrap_or_else(|| {
                    self.ids.push(id);
                    self.ids.len() - 1
                });
                self.put(b'#', place as u64);
                at += ID.len() + length;
            } else if byte.is_ascii_digit() {
                at += self.number(now, rest);
            } else {
                self.bytes.push(*byte);
                at += 1;
            }
        }
    }

    /// A number, a duration or an instant; its length.
    fn number(&mut self, now: u64, text: &[u8]) -> usize {
        let (whole, mut length) = digits(text);
        let mut fraction = (0, 0);
        if text.get(length) == Some(&b'.') {
            fraction = digits(&text[length + 1..]);
            length += if fraction.1 > 0 { 1 + fraction.1 } else { 0 };
        }
        let unit = |unit: &str| text[length..].starts_with(unit.as_bytes());
        let scale = [("ms", 1_000_000), ("µs", 1000), ("ns", 1), ("s", 1_000_000_000)];
        let found = scale.iter().find(|(name, _)| unit(name));
        let places = u32::try_from(fraction.1).unwrap_or(9).min(9);
        let time = |scale: u64| whole * scale + fraction.0 * scale / 10_u64.pow(places);
        if fraction.1 == 6 && found.is_none_or(|(name, _)| *name == "s") {
            let instant = time(1_000_000_000);
            let past = now.saturating_sub(instant).min(self.horizon);
            let ahead = instant.saturating_sub(now).min(self.horizon);
            self.put(b'<', past);
            self.put(b'>', ahead);
        } else if let Some((_, scale)) = found {
            self.put(b'~', time(*scale).min(self.horizon));
        } else {
            self.bytes.extend_from_slice(&text[..length]);
            return length;
        }
        length + found.map_or(0, |(name, _)| name.len())
    }

    fn put(&mut self, kind: u8, value: u64) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
}

fn digits(text: &[u8]) -> (u64, usize) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |sum: u64, byte: &u8| sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
    (text[..length].iter().fold(0, add), length)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::ids::ActionId;
    use crate::engine::time::Instant;

    fn print(now: u64, part: &dyn Debug) -> u128 {
        let mut canon = Canon { horizon: 5_000_000_000, ..Canon::default() };
        canon.begin();
        canon.add(now, part);
        canon.fingerprint()
    }

    #[test]
    fn what_differs_in_nothing_that_decides_is_one_state() {
        let second = 1_000_000_000;
        let at = |seconds: u64| Instant(seconds * second);
        assert_eq!(print(9 * second, &at(8)), print(5 * second, &at(4)));
        assert_ne!(print(9 * second, &at(8)), print(9 * second, &at(7)));
        assert_ne!(print(9 * second, &at(8)), print(9 * second, &at(10)));
        assert_eq!(print(90 * second, &at(8)), print(90 * second, &at(9)), "long ago");
        let long = Duration::from_secs;
        assert_eq!(print(0, &long(6)), print(0, &long(7)));
        assert_ne!(print(0, &long(3)), print(0, &Duration::from_millis(3)));
        let ids = |one, other| (ActionId(one), ActionId(other), ActionId(one));
        assert_eq!(print(0, &ids(1, 2)), print(0, &ids(7, 5)));
        assert_ne!(print(0, &ids(1, 1)), print(0, &ids(1, 2)));
        assert_ne!(print(0, &"node1"), print(0, &"node2"));
        assert_ne!(print(0, &1), print(0, &2));
    }
}
