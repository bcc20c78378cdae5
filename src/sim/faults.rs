//! What can break.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::net::Storm;
use super::text_duration;
use crate::api::names::{MonitorName, ResourceName};

/// Kinds of faults; a schedule has some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A machine loses power, and gets it back later.
    Crash,
    /// A machine that holds nothing loses power.
    IdleCrash,
    /// Every machine loses power at once.
    PowerLoss,
    /// An agent is killed, and started again.
    AgentKill,
    /// An agent is stopped by a signal, and continued.
    AgentStall,
    /// An agent is replaced in good order.
    Replace,
    /// A machine is frozen; its clock runs on.
    Freeze,
    /// A keeper dies, and with it all that it holds.
    KeeperDeath,
    /// One path between two servers is cut, in both directions.
    PathCut,
    /// One path between two servers is cut, in one direction.
    OneWayCut,
    /// A server is cut off on every path.
    Isolate,
    /// The servers are cut in two parts.
    Split,
    /// What one server sends to the others is lost on every path.
    Mute,
    /// A random set of links is cut.
    Tangle,
    /// Delay and loss rise everywhere.
    Storm,
    /// A disk is full.
    DiskFull,
    /// A disk answers nothing.
    DiskStall,
    /// A machine loses power, and gets it back with an empty disk.
    DiskReplaced,
    /// A wall clock is stepped.
    WallStep,
    /// The arbiter gives no answer.
    ArbiterAway,
    /// An application stops working.
    Break,
    /// A resource dies by itself.
    Die,
    /// A resource cannot be started on one server.
    Curse,
    /// A resource cannot be stopped on one server.
    Stick,
    /// A machine is frozen, and its clocks stand still.
    Pause,
    /// The arbiter gives one server no answer.
    ArbiterCutOff,
    /// One part of the arbiter gives no answer.
    ArbiterPartAway,
    /// The arbiter answers late.
    ArbiterSlow,
    /// Some links carry everything later than others.
    Drag,
    /// Links are cut and whole again, again and again.
    Flap,
    /// A resource's stop does not end.
    Hang,
    /// A monitor's checks fail whatever is restarted.
    FailCheck,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Crash,
        Self::IdleCrash,
        Self::PowerLoss,
        Self::AgentKill,
        Self::AgentStall,
        Self::Replace,
        Self::Freeze,
        Self::KeeperDeath,
        Self::PathCut,
        Self::OneWayCut,
        Self::Isolate,
        Self::Split,
        Self::Mute,
        Self::Tangle,
        Self::Storm,
        Self::DiskFull,
        Self::DiskStall,
        Self::DiskReplaced,
        Self::WallStep,
        Self::ArbiterAway,
        Self::Break,
        Self::Die,
        Self::Curse,
        Self::Stick,
    ];

    /// What only wide draws have besides.
    pub const WIDE: [Self; 8] = [
        Self::Pause,
        Self::ArbiterCutOff,
        Self::ArbiterPartAway,
        Self::ArbiterSlow,
        Self::Drag,
        Self::Flap,
        Self::Hang,
        Self::FailCheck,
    ];

    /// Those that a cluster with two paths must not even notice, where they come one at a time.
    pub const HARMLESS: [Self; 6] = [
        Self::IdleCrash,
        Self::Replace,
        Self::PathCut,
        Self::OneWayCut,
        Self::DiskFull,
        Self::WallStep,
    ];
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// A machine loses power for a time.
    Crash(usize),
    /// All machines do.
    PowerLoss,
    /// An agent is killed; mended: started.
    AgentKill(usize),
    /// An agent is stopped by a signal.
    AgentStall(usize),
    /// An agent is asked to end in good order; mended: its successor starts.
    Replace(usize),
    /// A machine is frozen.
    Freeze(usize),
    /// A keeper dies.
    KeeperDeath(usize),
    /// Links (from, to, path) are cut.
    Cut(Vec<(usize, usize, usize)>),
    /// Every link worsens.
    Storm(Storm),
    /// A disk is full.
    DiskFull(usize),
    /// A disk answers nothing; mended: what waited is done.
    DiskStall(usize),
    /// A machine loses power; mended: it boots with a new disk. `true`: whoever replaced it copied
    /// the very folder that it began with.
    DiskReplaced(usize, bool),
    /// A wall clock is stepped by so many milliseconds.
    WallStep(usize, i64),
    /// The arbiter gives no answer.
    ArbiterAway,
    /// An application stops working, until it is restarted.
    Break(usize, ResourceName),
    /// A resource dies.
    Die(usize, ResourceName),
    /// A resource cannot be started.
    Curse(usize, ResourceName),
    /// A resource cannot be stopped.
    Stick(usize, ResourceName),
    /// A resource's stop does not end.
    Hang(usize, ResourceName),
    /// A machine is frozen, and its clocks stand still.
    Pause(usize),
    /// The arbiter gives one server no answer.
    ArbiterCutOff(usize),
    /// One part of the arbiter gives no answer.
    ArbiterPartAway(usize),
    /// A monitor's checks fail on one server, whatever is restarted.
    FailCheck(usize, MonitorName),
    /// A method of fencing fails, for every server.
    FenceFails(String, FenceFailure),
    /// The arbiter answers so much later.
    ArbiterSlow(#[serde(with = "text_duration")] Duration),
    /// What these links carry comes so much later.
    Drag(Vec<(usize, usize, usize)>, #[serde(with = "text_duration")] Duration),
}

/// How a method of fencing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FenceFailure {
    /// It says at once that it did not switch the server off.
    Refuses,
    /// It works, and takes nearly all of its time-out.
    IsLate,
    /// It does nothing, and its time-out passes.
    IsSilent,
    /// It says that the server is off, which runs on.
    Lies,
    /// The same, after nearly all of its time-out.
    LiesLate,
}

impl Fault {
    /// The one server that it meets.
    #[must_use]
    pub fn server(&self) -> Option<usize> {
        match self {
            Self::Crash(server)
            | Self::AgentKill(server)
            | Self::AgentStall(server)
            | Self::Replace(server)
            | Self::Freeze(server)
            | Self::Pause(server)
            | Self::KeeperDeath(server)
            | Self::DiskFull(server)
            | Self::DiskStall(server)
            | Self::DiskReplaced(server, _)
            | Self::WallStep(server, _)
            | Self::ArbiterCutOff(server)
            | Self::Break(server, _)
            | Self::Die(server, _)
            | Self::Curse(server, _)
            | Self::Stick(server, _)
            | Self::Hang(server, _)
            | Self::FailCheck(server, _) => Some(*server),
            Self::PowerLoss
            | Self::Cut(_)
            | Self::Storm(_)
            | Self::ArbiterAway
            | Self::ArbiterPartAway(_)
            | Self::FenceFails(..)
            | Self::ArbiterSlow(_)
            | Self::Drag(..) => None,
        }
    }
}

/// Every link between two sets of servers, from the first to the second.
#[must_use]
pub fn links(from: &[usize], to: &[usize], paths: usize) -> Vec<(usize, usize, usize)> {
    let mut links = Vec::new();
    for from in from {
        for to in to {
            if from != to {
                links.extend((0..paths).map(|path| (*from, *to, path)));
            }
        }
    }
    links
}

/// Every link between two sets of servers, in both directions.
#[must_use]
pub fn both_ways(one: &[usize], other: &[usize], paths: usize) -> Vec<(usize, usize, usize)> {
    let mut all = links(one, other, paths);
    all.extend(links(other, one, paths));
    all
}
