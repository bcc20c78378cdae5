//! Schedules as lists of what is done in them.

use stead::engine::Engine;
use stead::sim::play_twice;

#[test]
fn a_list_of_acts_gives_the_trace_that_was_drawn() {
    for seed in 5000..5030 {
        play_twice::<Engine>(seed).unwrap_or_else(|failure| panic!("{failure}"));
    }
}
