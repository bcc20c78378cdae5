//! What one input has the engine say: everything for one peer on one path is one datagram.
//!
//! A packet costs far more than the bytes in it. Nothing waits here for more to come: what was said
//! leaves when the input has been dealt with.

use super::datagram::FRAMES_MAX;
use super::frame;
use crate::api::names::{PathName, ServerName};

/// Frames on their way into datagrams.
#[derive(Debug, Default)]
pub struct Bundles(Vec<Outgoing>);

/// The frames of one datagram.
#[derive(Debug, PartialEq)]
pub struct Outgoing {
    /// Whom it is for.
    pub to: ServerName,
    /// The path it takes.
    pub path: PathName,
    /// Encoded, in the order in which they were added.
    pub frames: Vec<u8>,
}

impl Bundles {
    /// Adds an encoded frame, which fits into a datagram.
    pub fn add(&mut self, to: &ServerName, path: &PathName, frame: &[u8]) {
        // The last one for them: an earlier one that has room left would be overtaken.
        let last = self.0.iter_mut().rev().find(|one| one.to == *to && one.path == *path);
        match last.filter(|last| last.frames.len() + frame.len() <= FRAMES_MAX) {
            Some(last) => frame::join(&mut last.frames, frame),
            None => {
                let (to, path, frames) = (to.clone(), path.clone(), frame.to_vec());
                self.0.push(Outgoing { to, path, frames });
            }
        }
    }

    /// Gives them, in the order in which they were begun.
    pub fn take(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, Hello};
    use super::*;

    fn frame(number: u8) -> Vec<u8> {
        frame::encode(&Frame::Hello(Hello { ask: Some([number; 16]), answer: None })).unwrap()
    }

    fn numbers(datagram: &Outgoing) -> Vec<u8> {
        let frames = frame::decode(&datagram.frames).unwrap();
        let number = |frame| {
            let Frame::Hello(Hello { ask: Some(ask), .. }) = frame else { panic!("{frame:?}") };
            ask[0]
        };
        frames.into_iter().map(number).collect()
    }

    #[test]
    fn frames_for_one_peer_and_path_share_a_datagram_in_their_order() {
        let mut bundles = Bundles::default();
        for (number, (to, path)) in
            [("b", "lan"), ("c", "lan"), ("b", "wan"), ("b", "lan"), ("b", "lan")]
                .into_iter()
                .enumerate()
        {
            bundles.add(&to.into(), &path.into(), &frame(number as u8));
        }
        let found: Vec<_> = bundles.take().iter().map(numbers).collect();
        assert_eq!(found, [vec![0, 3, 4], vec![1], vec![2]]);
        assert_eq!(bundles.take(), []);
    }

    #[test]
    fn no_datagram_is_larger_than_it_may_be_and_none_is_overtaken() {
        let mut bundles = Bundles::default();
        let (to, path) = ("b".into(), "lan".into());
        let count = 3 * FRAMES_MAX / frame(0).len();
        (0..count).for_each(|number| bundles.add(&to, &path, &frame(number as u8)));
        let found = bundles.take();
        assert!(found.len() > 2 && found.iter().all(|one| one.frames.len() <= FRAMES_MAX));
        let numbers: Vec<u8> = found.iter().flat_map(numbers).collect();
        assert_eq!(numbers, (0..count).map(|number| number as u8).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_cut_off_within_a_later_frame_is_no_frame_at_all() {
        let mut bundles = Bundles::default();
        let (to, path) = ("b".into(), "lan".into());
        (0..3).for_each(|number| bundles.add(&to, &path, &frame(number)));
        let whole = bundles.take().remove(0).frames;
        let one = frame(0).len();
        for length in (0..whole.len()).filter(|length| (length.max(&1) - 1) % (one - 1) != 0) {
            assert!(frame::decode(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}
