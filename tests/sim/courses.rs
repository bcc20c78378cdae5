//! Courses of events, played by hand, that say whether a rule is kept: for broken engines that no
//! schedule shows, because what they do is a nuisance and no violation, or takes a cluster that
//! schedules do not draw.
//!
//! Each is true with the good engine and false with the one that breaks its rule (`mutations.rs`).

use std::time::Duration;

use serde_json::{Value, json};
use stead::api::kinds::{MissedChangesPolicy, OperationType};
use stead::engine::Engine;
use stead::engine::model::{ObjectKey, StoredObject};
use stead::engine::mutation::Flaw;
use stead::sim::{ArbiterKind, Detail, Fault, Options, Stage, Violation, World, both_ways, links};

use super::cluster::{Cluster, LONG, says, seconds};

type Kept = Result<bool, Violation>;

fn quiet(servers: usize, flaw: Flaw) -> Options {
    Options { flaw, ..Options::quiet(servers, ArbiterKind::Majority) }
}

fn online(options: Options) -> Result<Cluster, Violation> {
    let mut world = Cluster::new(options, Detail::Lines);
    assert!(world.run_until(LONG, |world| world.settled())?, "{}", world.trace());
    Ok(world)
}

/// A server that failed and came back is given nothing until it is returned.
pub fn nothing_runs_on_a_server_that_is_out(flaw: Flaw) -> Kept {
    let mut world = online(quiet(3, flaw))?;
    world.break_it(&Fault::Crash(0))?;
    world.run_until(LONG, |world| world.active_on("g1") == ["node2"])?;
    world.mend(&Fault::Crash(0))?;
    world.run_until(LONG, |world| world.members().len() == 3)?;
    world.run_for(seconds(5))?;
    world.break_it(&Fault::AgentKill(1))?;
    world.run_until(LONG, |world| {
        let active = world.active_on("g1");
        !active.is_empty() && active != ["node2"]
    })?;
    Ok(world.active_on("g1") == ["node3"])
}

/// What no reactivation mends is tried on another server.
pub fn a_check_that_always_fails_ends_in_a_failover(flaw: Flaw) -> Kept {
    let mut world = online(quiet(3, flaw))?;
    world.break_it(&Fault::FailCheck(0, "g1-r1-monitor".into()))?;
    world.run_until(LONG, |world| world.active_on("g1") == ["node2"])
}

/// An address that somebody else has for a moment: tries that follow each other at once are over
/// before it is free.
pub fn starts_that_fail_for_a_moment_are_tried_until_it_is_over(flaw: Flaw) -> Kept {
    let options = quiet(3, flaw);
    let mut stage = Stage::drawn(&options);
    let key = ObjectKey::new("Resource", "g1-r1");
    if let Some(StoredObject { json, .. }) = stage.objects.get_mut(&key) {
        let mut resource: Value = serde_json::from_str(json).expect("what was drawn");
        resource["spec"]["activation"]["retries"] = json!(5);
        *json = resource.to_string().into();
    }
    let mut world = World::<Engine>::staged(options, stage, Detail::Lines);
    world.break_it(&Fault::Curse(0, "g1-r1".into()))?;
    let tried = |world: &mut Cluster| says(world, "node1 Start g1-r1");
    assert!(world.run_until(LONG, tried)?, "{}", world.trace());
    world.run_for(Duration::from_millis(2500))?;
    world.mend(&Fault::Curse(0, "g1-r1".into()))?;
    world.run_until(LONG, |world| world.settled())?;
    Ok(world.active_on("g1") == ["node1"])
}

/// Wide seed 110261: servers that all propose at once agree on one of them before they have outbid
/// each other often.
pub fn many_that_propose_at_once_agree(flaw: Flaw) -> Kept {
    let mut proposed = 0;
    for seed in 1..3 {
        let mut options = Options { seed, ..quiet(10, flaw) };
        options.timeout = Duration::from_millis(500);
        options.disk_max = Duration::from_millis(150);
        let mut world = online(options)?;
        let all: Vec<usize> = (0..10).collect();
        let cut = Fault::Cut(links(&all, &all, 2));
        world.break_it(&cut)?;
        world.run_for(seconds(20))?;
        let count = |world: &Cluster| world.trace().to_string().matches("[ViewProposed]").count();
        let before = count(&world);
        world.mend(&cut)?;
        world.run_until(seconds(10), |world| world.members().len() == 10)?;
        proposed += count(&world) - before;
    }
    Ok(proposed < 70)
}

/// Two servers that don't hear each other, and a third that hears both: the view changes once.
pub fn a_chain_of_servers_does_not_change_its_view_again_and_again(flaw: Flaw) -> Kept {
    let mut world = online(quiet(3, flaw))?;
    world.break_it(&Fault::Cut(both_ways(&[0], &[1], 2)))?;
    world.run_for(seconds(30))?;
    Ok(world.trace().to_string().matches("[ViewInstalled]").count() < 5)
}

/// A copy of a group that can't be stopped yet is waited for.
pub fn a_copy_that_is_being_ended_is_waited_for(flaw: Flaw) -> Kept {
    let mut world = online(Options { flaw, ..Options::quiet(2, ArbiterKind::Nobody) })?;
    world.observe();
    let cut = Fault::Cut(both_ways(&[0], &[1], 2));
    world.break_it(&cut)?;
    let both = |world: &mut Cluster| world.active_on("g1").len() == 2;
    assert!(world.run_until(LONG, both)?, "{}", world.trace());
    world.run_for(seconds(5))?;
    world.break_it(&Fault::Hang(0, "g1-r1".into()))?;
    world.mend(&cut)?;
    let one = |world: &mut Cluster| world.active_on("g1") == ["node1"];
    assert!(world.run_until(LONG, one)?, "{}", world.trace());
    world.run_for(Duration::from_millis(200))?;
    world.request(0, OperationType::StartGroup, Some("g1"), Some("node2"))?;
    Ok(!world.run_until(seconds(2), both)?)
}

/// A disk with two servers that are cut off from each other.
fn apart_on_the_disk(flaw: Flaw) -> Result<Cluster, Violation> {
    let mut world = online(Options { flaw, ..Options::quiet(2, ArbiterKind::Disk) })?;
    world.run_for(seconds(1))?;
    world.break_it(&Fault::Cut(both_ways(&[0], &[1], 2)))?;
    world.run_for(seconds(10))?;
    assert_eq!(world.active_on("g1"), ["node1"], "{}", world.trace());
    Ok(world)
}

/// Whoever acts goes on, also when one of higher priority comes back to the disk.
pub fn whoever_claims_the_disk_goes_on(flaw: Flaw) -> Kept {
    let mut world = apart_on_the_disk(flaw)?;
    world.break_it(&Fault::ArbiterCutOff(0))?;
    world.run_until(LONG, |world| world.active_on("g1") == ["node2"])?;
    world.mend(&Fault::ArbiterCutOff(0))?;
    world.run_for(seconds(20))?;
    Ok(world.active_on("g1") == ["node2"])
}

/// Whoever stands still for less than the window lives.
pub fn a_slot_that_stands_still_for_a_moment_is_no_death(flaw: Flaw) -> Kept {
    let mut world = apart_on_the_disk(flaw)?;
    world.break_it(&Fault::AgentStall(0))?;
    world.run_for(Duration::from_millis(700))?;
    world.mend(&Fault::AgentStall(0))?;
    world.run_for(seconds(20))?;
    Ok(world.active_on("g1") == ["node1"])
}

/// A server whose slot stands still for long is dead.
pub fn a_slot_that_stands_still_for_long_is_a_death(flaw: Flaw) -> Kept {
    let mut world = online(Options { flaw, ..Options::quiet(3, ArbiterKind::Disk) })?;
    world.break_it(&Fault::Crash(0))?;
    world.run_until(LONG, |world| world.active_on("g1") == ["node2"])
}

/// Who starts anew and is lost before it claims has told of what it claimed before: there were changes.
pub fn what_an_earlier_run_claimed_is_known(flaw: Flaw) -> Kept {
    let on_missed_changes = MissedChangesPolicy::Wait;
    let options = Options { flaw, on_missed_changes, ..Options::quiet(2, ArbiterKind::Disk) };
    let mut world = online(options)?;
    world.break_it(&Fault::Crash(1))?;
    world.run_for(seconds(10))?;
    world.request(0, OperationType::StopGroup, Some("g1"), None)?;
    world.run_for(seconds(5))?;
    world.break_it(&Fault::AgentKill(0))?;
    world.run_for(seconds(1))?;
    world.mend(&Fault::AgentKill(0))?;
    world.run_for(Duration::from_millis(300))?;
    world.break_it(&Fault::Crash(0))?;
    world.mend(&Fault::Crash(1))?;
    Ok(!world.run_until(LONG, |world| !world.active_on("g1").is_empty())?)
}

/// Of two parts of which none acts the one with the server of highest priority goes on.
pub fn the_part_of_highest_priority_goes_on(flaw: Flaw) -> Kept {
    for seed in 1..10 {
        let mut world = online(Options { flaw, seed, ..Options::quiet(3, ArbiterKind::Disk) })?;
        world.break_it(&Fault::Cut(both_ways(&[1], &[2], 2)))?;
        world.break_it(&Fault::Crash(0))?;
        world.run_until(LONG, |world| !world.active_on("g1").is_empty())?;
        if world.active_on("g1") != ["node2"] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A line that hears the peer says that it lives; one that was broken before says nothing.
pub fn the_line_tells_a_death_from_a_cut(flaw: Flaw) -> Kept {
    for broken_before in [false, true] {
        let options = Options { flaw, ..Options::quiet(2, ArbiterKind::Serial) };
        let mut world = online(options)?;
        world.observe();
        if broken_before {
            world.break_it(&Fault::ArbiterPartAway(0))?;
            world.run_for(seconds(20))?;
        }
        world.break_it(&Fault::Cut(both_ways(&[0], &[1], 2)))?;
        if world.run_until(LONG, |world| world.active_on("g1").len() == 2)? {
            return Ok(false);
        }
    }
    Ok(true)
}
