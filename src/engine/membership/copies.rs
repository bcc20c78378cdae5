//! The copies of a message that was sent on every path: the first one counts.
//!
//! Answering each copy on each path would multiply the packets of a renewal round by the square of
//! the number of paths.

/// Which numbers of one sender's run have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    highest: u64,
    /// Bit n: `highest - n` has come.
    come: u128,
}

impl Copies {
    /// Whether this number comes for the first time, as far as is remembered: one that is too old
    /// to tell counts, for it may have been held up on its way.
    pub fn is_first(&mut self, number: u64) -> bool {
        if number > self.highest {
            let ahead = number - self.highest;
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.come = self.come.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = number;
            return true;
        }
        let behind = u32::try_from(self.highest - number).unwrap_or(u32::MAX);
        let Some(bit) = 1_u128.checked_shl(behind) else { return true };
        let first = self.come & bit == 0;
        self.come |= bit;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::Copies;

    #[test]
    fn the_first_copy_counts_in_any_order_and_the_second_never() {
        let mut copies = Copies::default();
        for (number, first) in
            [(1, true), (1, false), (3, true), (2, true), (2, false), (3, false), (4, true)]
        {
            assert_eq!(copies.is_first(number), first, "{number}");
        }
    }

    #[test]
    fn what_is_too_old_to_tell_counts() {
        let mut copies = Copies::default();
        assert!(copies.is_first(5));
        assert!(copies.is_first(5 + 127));
        assert!(!copies.is_first(5));
        assert!(copies.is_first(5 + 128));
        assert!(copies.is_first(5), "beyond the memory");
        assert!(copies.is_first(u64::MAX) && !copies.is_first(u64::MAX));
        assert!(copies.is_first(u64::MAX - 200));
    }
}
