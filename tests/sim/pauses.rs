//! Announced pauses (OP-26): a server that said so may stand still, and nobody takes over; whatever
//! was not said is a failure as ever; and two never run one group, however it ends.

use std::time::Duration;

use stead::api::kinds::OperationType;
use stead::sim::{ArbiterKind, Detail, Fault, Options, Violation, World, both_ways, links};

use super::cluster::{
    Cluster, LONG, ask, break_it, mend, online, run, run_until, says, seconds, taken_over,
};

/// What `World::request` announces, with a time-out of 1 s.
const LENGTH: u64 = 6;

fn announce(world: &mut Cluster, server: &str) -> Result<(), Violation> {
    let leader = world.leader().expect("a leader");
    world.request(leader, OperationType::PauseServer, None, Some(server))?;
    let begins = format!("{server} may stand still once");
    let begun = world.run_until(seconds(5), |world| says(world, &begins))?;
    assert!(begun, "{}", world.trace());
    Ok(())
}

fn announced(servers: usize, arbiter: ArbiterKind, server: &str) -> Cluster {
    let mut world = online(Options::quiet(servers, arbiter));
    announce(&mut world, server).unwrap_or_else(|violation| panic!("{violation}"));
    world
}

const CLUSTERS: [(usize, ArbiterKind); 4] = [
    (3, ArbiterKind::Majority),
    (2, ArbiterKind::Lease),
    (2, ArbiterKind::Reachable),
    (2, ArbiterKind::Nobody),
];

#[test]
fn who_announced_it_may_stand_still_and_nobody_takes_over() {
    for (servers, arbiter) in CLUSTERS {
        for fault in [Fault::Freeze(0), Fault::Pause(0)] {
            let mut world = announced(servers, arbiter, "node1");
            // It led, and holds the group: another leads now, and nothing has stopped.
            assert_eq!(world.leader(), Some(1), "{arbiter:?}\n{}", world.trace());
            break_it(&mut world, fault.clone());
            run(&mut world, seconds(LENGTH - 1));
            mend(&mut world, fault.clone());
            run(&mut world, seconds(10));
            assert_eq!(world.active_on("g1"), ["node1"], "{arbiter:?}\n{}", world.trace());
            let told = ["ServerLost", "ServerOut", "node1 Stop", "LeaseLost"];
            for word in told {
                assert!(!says(&world, word), "{word} {arbiter:?}\n{}", world.trace());
            }
            assert!(says(&world, "PauseEnds"), "{arbiter:?} {fault:?}\n{}", world.trace());
        }
    }
}

#[test]
fn who_did_not_announce_it_or_stands_still_for_longer_is_taken_over() {
    for longer in [false, true] {
        let mut world = online(Options::quiet(3, ArbiterKind::Majority));
        if longer {
            announce(&mut world, "node1").unwrap_or_else(|violation| panic!("{violation}"));
        }
        break_it(&mut world, Fault::Freeze(0));
        // I1 is checked at every step, also when it thaws.
        taken_over(&mut world, "node2", LONG);
        mend(&mut world, Fault::Freeze(0));
        run(&mut world, seconds(10));
        assert_eq!(world.active_on("g1"), ["node2"], "{longer}\n{}", world.trace());
    }
}

#[test]
fn a_pause_is_over_by_itself_and_a_crash_after_it_is_noticed_as_fast_as_ever() {
    let mut world = announced(3, ArbiterKind::Majority, "node1");
    let over = run_until(&mut world, LONG, |world| says(world, "[PauseEnds]"));
    assert!(over, "{}", world.trace());
    run(&mut world, seconds(2));
    break_it(&mut world, Fault::Crash(0));
    taken_over(&mut world, "node2", seconds(3));
}

#[test]
fn while_one_pauses_the_loss_of_another_is_handled_as_ever() {
    let mut world = announced(5, ArbiterKind::Majority, "node5");
    break_it(&mut world, Fault::Pause(4));
    run(&mut world, seconds(2));
    break_it(&mut world, Fault::Crash(1));
    break_it(&mut world, Fault::Crash(0));
    run(&mut world, seconds(3));
    mend(&mut world, Fault::Pause(4));
    taken_over(&mut world, "node3", LONG);
    let whole = run_until(&mut world, LONG, |world| world.members().len() == 3);
    assert!(whole, "{}", world.trace());
    let out = world.seen().expect("a leader").out;
    assert!(out.iter().all(|server| server.as_str() != "node5"), "{out:?}");
}

#[test]
fn a_pause_that_not_every_server_can_know_of_or_that_stops_the_others_is_refused() {
    let mut world = online(Options::quiet(3, ArbiterKind::Majority));
    break_it(&mut world, Fault::Crash(2));
    run(&mut world, seconds(5));
    ask(&mut world, OperationType::PauseServer, None, Some("node2"));
    run(&mut world, seconds(3));
    assert!(says(&world, "node3 is not here"), "{}", world.trace());
    let mut world = online(Options::quiet(2, ArbiterKind::Majority));
    ask(&mut world, OperationType::PauseServer, None, Some("node2"));
    run(&mut world, seconds(3));
    assert!(says(&world, "the others are no majority"), "{}", world.trace());
}

fn started(servers: usize) -> Result<Cluster, Violation> {
    let options = Options::quiet(servers, ArbiterKind::Majority);
    let mut world = World::new(options, Detail::Lines);
    assert!(world.run_until(LONG, |world| world.settled())?, "{}", world.trace());
    Ok(world)
}

#[test]
fn of_two_pauses_at_once_the_second_is_refused() {
    let mut world = announced(3, ArbiterKind::Majority, "node3");
    ask(&mut world, OperationType::PauseServer, None, Some("node2"));
    run(&mut world, seconds(2));
    assert!(says(&world, "another pause is under way"), "{}", world.trace());
    assert!(!says(&world, "node2 may stand still"), "{}", world.trace());
}

/// A server that may pause is cut off instead, and the leader is lost: the others form a view
/// without it, long before its time is over.
fn cut_off_in_its_pause() -> Result<(), Violation> {
    let mut world = started(5)?;
    announce(&mut world, "node1")?;
    world.break_it(&Fault::Cut(both_ways(&[0], &[1, 2, 3, 4], 2)))?;
    world.break_it(&Fault::Crash(1))?;
    world.run_for(seconds(15))?;
    assert_eq!(world.active_on("g1"), ["node3"], "{}", world.trace());
    Ok(())
}

/// A server is cut off at the moment when it is asked to announce its pause: nobody hears of it.
fn cut_off_before_it_was_heard(after: Duration) -> Result<(), Violation> {
    let mut world = started(3)?;
    world.request(0, OperationType::MoveGroup, Some("g1"), Some("node2"))?;
    world.run_for(seconds(5))?;
    world.request(0, OperationType::PauseServer, None, Some("node2"))?;
    world.run_for(after)?;
    world.break_it(&Fault::Cut(links(&[1], &[0, 2], 2)))?;
    world.run_for(seconds(15))
}

fn moments() -> impl Iterator<Item = Duration> {
    (10..200).step_by(10).map(Duration::from_millis)
}

#[test]
fn a_pause_keeps_one_group_on_one_server_also_where_it_is_a_cut() {
    cut_off_in_its_pause().unwrap_or_else(|violation| panic!("{violation}"));
    for after in moments() {
        let played = cut_off_before_it_was_heard(after);
        played.unwrap_or_else(|violation| panic!("{after:?}: {violation}"));
    }
}
