//! Which counters of a session have come already.

/// How many counters below the highest one are told apart. Several paths of different speed reorder
/// packets; a few heartbeats of delay are tens of packets.
pub const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// A sliding window over the counters of one session and stream.
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// Whether a packet with this counter would be new. Asked before the packet is opened;
    /// [`Self::accept`] is called only when it proved authentic.
    #[must_use]
    pub fn is_new(&self, counter: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        if counter > highest {
            return true;
        }
        highest - counter < WINDOW && !self.is_seen(counter)
    }

    /// Notes a packet; false where it is a replay or too old to tell.
    pub fn accept(&mut self, counter: u64) -> bool {
        if !self.is_new(counter) {
            return false;
        }
        if let Some(highest) = self.highest.filter(|highest| counter > *highest) {
            let advance = counter - highest;
            if advance >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                (highest + 1..=counter).for_each(|passed| self.clear(passed));
            }
        }
        self.highest = Some(self.highest.map_or(counter, |highest| highest.max(counter)));
        self.set(counter);
        true
    }

    fn place(counter: u64) -> (usize, u64) {
        let bit = counter % WINDOW;
        (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
    }

    fn is_seen(&self, counter: u64) -> bool {
        let (word, bit) = Self::place(counter);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, counter: u64) {
        let (word, bit) = Self::place(counter);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, counter: u64) {
        let (word, bit) = Self::place(counter);
        self.seen[word] &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_counter_comes_once() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(7));
        assert!(!window.accept(7));
        assert!(window.accept(3));
        assert!(!window.accept(3));
        assert!(window.accept(8));
    }

    #[test]
    fn what_is_older_than_the_window_is_refused() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(5000));
        assert!(!window.accept(5000 - WINDOW));
        assert!(window.accept(5000 - WINDOW + 1));
        assert!(window.accept(u64::MAX));
        assert!(!window.accept(5001));
    }

    #[test]
    fn it_agrees_with_a_set_of_all_counters() {
        let mut window = ReplayWindow::default();
        let (mut seen, mut highest, mut random) = (BTreeSet::new(), 0u64, 1u64);
        for round in 0..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round | 1);
            let counter = (round / 3 + 2000 + (random >> 33) % 1500).saturating_sub(1200);
            let expected = !seen.contains(&counter)
                && (highest == 0 || counter > highest || highest - counter < WINDOW);
            assert_eq!(window.accept(counter), expected, "round {round}, counter {counter}");
            if expected {
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }
}
