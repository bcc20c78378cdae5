//! A simulated cluster in a test: whatever breaks a rule fails the test with its story.

use std::time::Duration;

use stead::api::kinds::OperationType;
use stead::engine::Engine;
use stead::sim::{Detail, Fault, Options, World};

pub type Cluster = World<Engine>;

pub const LONG: Duration = Duration::from_secs(60);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Started, with every group online.
pub fn online(options: Options) -> Cluster {
    let mut world = Cluster::new(options, Detail::Lines);
    let settled = run_until(&mut world, LONG, |world| world.settled());
    assert!(settled, "never online\n{}", world.trace());
    world
}

pub fn run_until(
    world: &mut Cluster,
    limit: Duration,
    holds: impl FnMut(&mut Cluster) -> bool,
) -> bool {
    match world.run_until(limit, holds) {
        Ok(held) => held,
        Err(violation) => panic!("{}\n{violation}", world.trace()),
    }
}

pub fn run(world: &mut Cluster, duration: Duration) {
    if let Err(violation) = world.run_for(duration) {
        panic!("{}\n{violation}", world.trace());
    }
}

pub fn break_it(world: &mut Cluster, fault: Fault) {
    world.break_it(&fault).unwrap_or_else(|violation| panic!("{violation}"));
}

pub fn mend(world: &mut Cluster, fault: Fault) {
    world.mend(&fault).unwrap_or_else(|violation| panic!("{violation}"));
}

/// The operator asks the leader for something.
pub fn ask(world: &mut Cluster, type_: OperationType, group: Option<&str>, server: Option<&str>) {
    let leader = world.leader().expect("a leader");
    let request = world.request(leader, type_, group, server);
    request.unwrap_or_else(|violation| panic!("{violation}"));
}

/// Whether the story so far has these words.
pub fn says(world: &Cluster, words: &str) -> bool {
    world.trace().to_string().contains(words)
}

/// How long it takes until the first group runs there, and nowhere else.
pub fn taken_over(world: &mut Cluster, server: &str, limit: Duration) -> Duration {
    let before = world.now();
    let there = run_until(world, limit, |world| world.active_on("g1") == [server]);
    assert!(there, "not on {server} within {limit:?}\n{}", world.trace());
    world.now() - before
}
