//! What is going to happen, the soonest first, and of one instant what was scheduled first.
//!
//! The heap holds times and places only: what happens stays where it is until its time has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clock::TrueTime;

/// Happenings in the order of time.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    order: BinaryHeap<Reverse<(TrueTime, u64, u32)>>,
    places: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { order: BinaryHeap::new(), places: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Queue<T> {
    /// Something happens at `at`; `number` grows with each.
    pub fn push(&mut self, at: TrueTime, number: u64, happening: T) {
        let place = match self.vacant.pop() {
            Some(place) => place,
            None => {
                self.places.push(None);
                // Never: it would take more memory than there is.
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.places[place as usize] = Some(happening);
        self.order.push(Reverse((at, number, place)));
    }

    /// What happens next, if that is not after `end`.
    pub fn pop_until(&mut self, end: TrueTime) -> Option<(TrueTime, T)> {
        if self.order.peek().is_none_or(|Reverse((at, ..))| *at > end) {
            return None;
        }
        let Reverse((at, _, place)) = self.order.pop()?;
        self.vacant.push(place);
        Some((at, self.places[place as usize].take()?))
    }

    /// All of it, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_the_order_of_time_and_then_as_they_were_scheduled() {
        let mut queue = Queue::default();
        for (number, (at, what)) in [(5, "c"), (3, "a"), (5, "d"), (3, "b")].into_iter().enumerate()
        {
            queue.push(TrueTime(at), number as u64, what);
        }
        assert_eq!(queue.pop_until(TrueTime(2)), None);
        assert_eq!(queue.pop_until(TrueTime(3)), Some((TrueTime(3), "a")));
        queue.push(TrueTime(4), 4, "e");
        let rest: Vec<&str> =
            std::iter::from_fn(|| queue.pop_until(TrueTime(9))).map(|(_, what)| what).collect();
        assert_eq!(rest, ["b", "e", "c", "d"]);
        assert_eq!(queue.iter().count(), 0);
    }
}
