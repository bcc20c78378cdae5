//! Faults and operations in words, for the story of a schedule.

use super::acts::Act;
use super::faults::Fault;
use super::setup::{group_name, server_name};
use super::text_duration;

/// What breaks.
#[must_use]
pub fn of_fault(fault: &Fault) -> String {
    let name = |server: &usize| server_name(*server);
    match fault {
        Fault::Crash(server) => format!("{} loses power", name(server)),
        Fault::PowerLoss => "every server loses power".into(),
        Fault::AgentKill(server) => format!("the agent of {} is killed", name(server)),
        Fault::AgentStall(server) => format!("the agent of {} is stopped", name(server)),
        Fault::Replace(server) => format!("the agent of {} is replaced", name(server)),
        Fault::Freeze(server) => format!("{} freezes, its clock runs on", name(server)),
        Fault::Pause(server) => format!("{} freezes, and with it its clock", name(server)),
        Fault::KeeperDeath(server) => format!("the keeper of {} dies", name(server)),
        Fault::Cut(links) => of_cut(links),
        Fault::Storm(storm) => format!(
            "every path: {} more delay, {} in a thousand packets more lost",
            text_duration::text(storm.delay),
            storm.loss
        ),
        Fault::DiskFull(server) => format!("the disk of {} is full", name(server)),
        Fault::DiskStall(server) => format!("the disk of {} answers nothing", name(server)),
        Fault::DiskReplaced(server, same) => {
            let folder = if *same { "a copy of its first folder" } else { "a new folder" };
            format!("{} loses power and its disk, and gets {folder}", name(server))
        }
        Fault::WallStep(server, by) => format!("the wall clock of {} steps {by} ms", name(server)),
        Fault::ArbiterAway => "the arbiter gives no answer".into(),
        Fault::ArbiterCutOff(server) => format!("the arbiter gives {} no answer", name(server)),
        Fault::ArbiterPartAway(part) => format!("part {part} of the arbiter gives no answer"),
        Fault::Break(server, what) => format!("{what} stops working on {}", name(server)),
        Fault::Die(server, what) => format!("{what} ends by itself on {}", name(server)),
        Fault::Curse(server, what) => format!("{what} can't be started on {}", name(server)),
        Fault::Stick(server, what) => format!("{what} can't be stopped on {}", name(server)),
        Fault::Hang(server, what) => format!("the stop of {what} hangs on {}", name(server)),
        Fault::FenceFails(method, how) => format!("the fence method {method} fails: {how:?}"),
        Fault::FailCheck(server, what) => format!("{what} fails on {}", name(server)),
        Fault::ArbiterSlow(by) => {
            format!("the arbiter answers {} later", text_duration::text(*by))
        }
        Fault::Drag(links, by) => {
            let links = of_cut(links);
            format!("{} later over these links, {links}", text_duration::text(*by))
        }
    }
}

fn of_cut(links: &[(usize, usize, usize)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (from, to, path) in links {
        let back = links.contains(&(*to, *from, *path));
        if back && from > to {
            continue;
        }
        let arrow = if back { "<->" } else { "->" };
        let (from, to) = (server_name(*from), server_name(*to));
        parts.push(format!("{from} {arrow} {to} on lan{}", path + 1));
    }
    format!("cut: {}", parts.join(", "))
}

/// What is done.
#[must_use]
pub fn of_act(act: &Act) -> String {
    let place = |at: &Option<usize>| at.map_or("the leader".into(), server_name);
    match act {
        Act::Break { fault, lasts } => {
            format!("{}, for {}", of_fault(fault), text_duration::text(*lasts))
        }
        Act::Operate { at, type_, group, server } => {
            let group = group.map(group_name).unwrap_or_default();
            let server = server.map(server_name).unwrap_or_default();
            format!("the operator asks {} for {type_:?} {group} {server}", place(at))
        }
        Act::Change { at, group, retries } => {
            let group = group_name(*group);
            format!("the operator sets a monitor of {group} to {retries} retries at {}", place(at))
        }
        Act::Edit { at, edit } => format!("the operator changes {edit:?} at {}", place(at)),
        Act::Revive => "the operator starts what was ended".into(),
    }
}
