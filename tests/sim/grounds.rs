//! Grounds on which broken engines are hunted: draws of faults, or scripts whose moments the seed
//! shifts, that lead to where one rule matters.

use std::time::Duration;

use stead::api::kinds::{FencingTakeover, OperationType, PartitionAction, ReturnPolicy};
use stead::sim::{
    Act, ArbiterKind, Fault, FaultKind, FencePlan, Options, Profile, TimedAct, both_ways, links,
};

const CUTS: [FaultKind; 7] = [
    FaultKind::PathCut,
    FaultKind::OneWayCut,
    FaultKind::Isolate,
    FaultKind::Split,
    FaultKind::Mute,
    FaultKind::Tangle,
    FaultKind::Flap,
];

/// Where a broken engine is hunted.
#[derive(Clone, Copy, Debug)]
pub enum Ground {
    /// Everything may break.
    Wide,
    /// Three servers whose links are cut again and again.
    Cuts,
    /// The same with four.
    Halves,
    /// The same with five.
    Five,
    /// Time-outs that are changed while servers are cut off.
    Retimes,
    /// Clocks that drift apart, and one server that nobody hears.
    Drift,
    /// Two servers with a lease, one of which is lost.
    Lease,
    /// The same with three.
    LeaseOfThree,
    /// Agents and machines that start anew, and packets that come late.
    Restarts,
    /// Disks that fail.
    Disks,
    /// An operator who never rests, and packets that come late.
    Operator,
    /// Drivers that fail and hang.
    Drivers,
    /// Resources that die under what depends on them, and drivers that fail.
    Remains,
    /// Fences that fail, where nothing else protects.
    Fences,
    /// The same where they work, and agents end and stand still.
    Farewells,
    /// Disks that are replaced, where every server may act alone.
    LostDisks,
    /// A majority that must reach something, and is divided.
    Both,
    /// The same with an arbiter that takes its time, so that a lease outlives several views.
    LongLease,
    /// Services that outlive their lease, and keepers that die.
    Lapses,
    /// A leader and the next one that don't hear each other, and a third server that hears the
    /// leader again just after it has promised the next one.
    Chain,
    /// A server that runs something is cut off while it announces a pause.
    PauseUnheard,
    /// A server is cut off in its announced pause, and the leader crashes.
    PauseCut,
    /// A member starts anew between two proposers that don't hear each other.
    TwoProposers,
    /// A leader and the next one that don't hear each other, an arbiter that takes its time, and a
    /// change under way.
    LateView,
    /// Three servers that act alone, and an operator who changes things at each.
    Histories,
    /// A shared disk that is away for one server, and agents that stand still and start anew.
    SharedDisk,
}

fn operate(type_: OperationType, group: Option<usize>, server: usize, after: Duration) -> TimedAct {
    TimedAct { after, act: Act::Operate { at: None, type_, group, server: Some(server) } }
}

fn act(after: Duration, fault: Fault, lasts: Duration) -> TimedAct {
    TimedAct { after, act: Act::Break { fault, lasts } }
}

/// Servers that are cut off from each other on one path.
fn cut(some: &[usize], others: &[usize], after: Duration, lasts: Duration) -> TimedAct {
    act(after, Fault::Cut(both_ways(some, others, 1)), lasts)
}

/// The operator changes something of a group at a server that touches nothing that runs.
fn change(at: usize, after: Duration, group: usize) -> TimedAct {
    TimedAct { after, act: Act::Change { at: Some(at), group, retries: 2 } }
}

impl Ground {
    const ALL: [Self; 26] = [
        Self::Wide,
        Self::Cuts,
        Self::Halves,
        Self::Five,
        Self::Retimes,
        Self::Drift,
        Self::Lease,
        Self::LeaseOfThree,
        Self::Restarts,
        Self::Disks,
        Self::Operator,
        Self::Drivers,
        Self::Remains,
        Self::Fences,
        Self::Farewells,
        Self::LostDisks,
        Self::Both,
        Self::LongLease,
        Self::Lapses,
        Self::Chain,
        Self::PauseUnheard,
        Self::PauseCut,
        Self::TwoProposers,
        Self::LateView,
        Self::Histories,
        Self::SharedDisk,
    ];

    /// The grounds in turn, for an engine that is not broken.
    pub fn any(seed: u64) -> Options {
        let all = Self::ALL.len() as u64;
        Self::ALL[(seed % all) as usize].options(seed / all)
    }

    pub fn options(self, seed: u64) -> Options {
        let rough = |servers, arbiter, faults: &[FaultKind]| {
            let mut options = Options::quiet(servers, arbiter);
            options.seed = seed;
            options.profile = Profile::Rough;
            options.patience = 2;
            options.timeout = Duration::from_millis(500);
            options.paths = 1;
            options.turbulence = options.timeout * 30;
            options.fault_gap = options.timeout;
            options.faults = faults.iter().copied().collect();
            options.wait_for_servers = Duration::from_secs(1);
            options.aimed = 300;
            options.grudge = 400;
            options.bursts = 200;
            options.groups = 2;
            options.resources = 1;
            options
        };
        let majority = |faults: &[FaultKind]| rough(3, ArbiterKind::Majority, faults);
        match self {
            Ground::Wide => Options::wide(seed),
            Ground::Cuts => {
                let mut faults = CUTS.to_vec();
                faults.extend([FaultKind::Crash, FaultKind::AgentStall, FaultKind::Drag]);
                Options { stragglers: 5, ..majority(&faults) }
            }
            Ground::Halves => rough(4, ArbiterKind::Majority, &[FaultKind::Split]),
            Ground::Five => {
                let faults = [CUTS.as_slice(), &[FaultKind::Crash, FaultKind::Drag]].concat();
                rough(5, ArbiterKind::Majority, &faults)
            }
            Ground::Retimes => {
                let faults = [FaultKind::Isolate, FaultKind::Split, FaultKind::Mute];
                let mut options = majority(&faults);
                options.operation_gap = Some(options.timeout / 4);
                Options { aimed: 600, ..options }
            }
            Ground::Drift => {
                let mut options = majority(&[FaultKind::Isolate, FaultKind::Mute]);
                options.timeout = Duration::from_secs(5);
                options.turbulence = options.timeout * 20;
                options.fault_gap = options.timeout * 2;
                options.drift_max = 5000;
                options.aimed = 0;
                options
            }
            Ground::Lease => {
                let faults = [FaultKind::Isolate, FaultKind::ArbiterCutOff, FaultKind::Freeze];
                Options { aimed: 0, ..rough(2, ArbiterKind::Lease, &faults) }
            }
            Ground::LeaseOfThree => {
                let mut faults = CUTS.to_vec();
                faults.extend([FaultKind::ArbiterCutOff, FaultKind::ArbiterAway]);
                rough(3, ArbiterKind::Lease, &faults)
            }
            Ground::Chain => {
                let mut options = majority(&[]);
                let timeout = options.timeout;
                let begin = Duration::from_secs(8);
                let deaf = timeout * u32::try_from(90 + seed % 40).unwrap_or(0) / 100;
                let later = begin + Duration::from_millis(seed * 7 % 100);
                let half = Fault::Cut(if seed.is_multiple_of(2) {
                    links(&[0], &[2], 1)
                } else {
                    both_ways(&[0], &[2], 1)
                });
                let acts = [cut(&[0], &[1], begin, timeout * 10), act(later, half, deaf)];
                options.script = Some(acts.into());
                options
            }
            Ground::PauseUnheard => {
                let moved = operate(OperationType::MoveGroup, Some(0), 1, Duration::ZERO);
                let begin = Duration::from_secs(8);
                let pause = operate(OperationType::PauseServer, None, 1, begin);
                let moment = begin + Duration::from_millis(seed * 10 % 200);
                let silence = Fault::Cut(links(&[1], &[0, 2], 2));
                let script = [moved, pause, act(moment, silence, Duration::from_secs(15))];
                Options { script: Some(script.into()), ..Options::quiet(3, ArbiterKind::Majority) }
            }
            Ground::PauseCut => {
                let begin = Duration::from_secs(8);
                let pause = operate(OperationType::PauseServer, None, 0, begin);
                let after = begin + Duration::from_secs(2) + Duration::from_millis(seed * 10);
                let lasts = Duration::from_secs(15);
                let cut = Fault::Cut(both_ways(&[0], &[1, 2, 3, 4], 2));
                let faults = [cut, Fault::Crash(1)].map(|fault| act(after, fault, lasts));
                let script = [pause].into_iter().chain(faults).collect();
                Options { script: Some(script), ..Options::quiet(5, ArbiterKind::Majority) }
            }
            Ground::TwoProposers => {
                let (begin, second) = (Duration::from_secs(8), Duration::from_secs(1));
                let crash = begin + second * 5 + Duration::from_millis(seed * 7 % 500);
                let end = begin + second * 12;
                let script = [
                    // node2 leads with node3, and node1 hears nobody.
                    cut(&[0], &[1], begin, end - begin),
                    cut(&[0], &[2], begin, crash - begin),
                    // Its term is above what node1 proposes next.
                    act(begin + second * 2, Fault::Replace(2), second / 10),
                    act(begin + second * 3, Fault::Replace(2), second / 10),
                    change(1, begin + second * 4, 0),
                    // node3 starts anew, and hears node1 alone.
                    act(crash, Fault::Crash(2), second),
                    cut(&[1], &[2], crash, end - crash),
                    change(0, begin + second * 10, 1),
                ];
                let (turbulence, script) = (end + second, Some(script.into()));
                Options { turbulence, script, ..majority(&[]) }
            }
            Ground::LateView => {
                let options = rough(3, ArbiterKind::MajorityAndReachable, &[]);
                let timeout = options.timeout;
                let percent = |of: u64| timeout * u32::try_from(of).unwrap_or(0) / 100;
                let (alone, deaf) = (timeout * 28, timeout * 36);
                let script = [
                    // node2 is out, and a member all the same: its loss is nothing to write down.
                    cut(&[1], &[0, 2], timeout * 16, timeout * 4),
                    // node1 leads with node3 alone.
                    cut(&[0], &[1], alone, timeout * 20),
                    act(alone + timeout * 4, Fault::ArbiterSlow(percent(150)), timeout * 14),
                    change(0, deaf + timeout / 2, 0),
                    cut(&[0], &[2], deaf, percent(100 + seed % 150)),
                ];
                let (arbiter_budget, script) = (timeout * 3, Some(script.into()));
                Options { arbiter_budget, script, turbulence: timeout * 50, ..options }
            }
            Ground::Histories => {
                let faults = [FaultKind::Split, FaultKind::Isolate, FaultKind::Tangle];
                let options = rough(3, ArbiterKind::Nobody, &faults);
                Options { operation_gap: Some(options.timeout), groups: 1, ..options }
            }
            Ground::SharedDisk => {
                let faults = [
                    FaultKind::Isolate,
                    FaultKind::OneWayCut,
                    FaultKind::ArbiterCutOff,
                    FaultKind::AgentStall,
                    FaultKind::AgentKill,
                ];
                let options = rough(2, ArbiterKind::Disk, &faults);
                Options { arbiter_budget: Duration::ZERO, ..options }
            }
            Ground::Restarts => {
                let mut options = majority(&[
                    FaultKind::Crash,
                    FaultKind::AgentKill,
                    FaultKind::AgentStall,
                    FaultKind::Replace,
                    FaultKind::Isolate,
                    FaultKind::OneWayCut,
                ]);
                options.operation_gap = Some(options.timeout * 2);
                Options { stragglers: 20, duplicates: 50, ..options }
            }
            Ground::Disks => {
                let mut options = majority(&[
                    FaultKind::DiskFull,
                    FaultKind::DiskStall,
                    FaultKind::DiskReplaced,
                    FaultKind::Crash,
                    FaultKind::AgentKill,
                    FaultKind::Isolate,
                    FaultKind::Split,
                ]);
                options.operation_gap = Some(options.timeout);
                Options { aimed: 600, disk_max: Duration::from_millis(40), ..options }
            }
            Ground::Operator => {
                let faults = [FaultKind::Crash, FaultKind::Isolate, FaultKind::AgentKill];
                let mut options = majority(&faults);
                options.operation_gap = Some(options.timeout / 2);
                options.loss = 50;
                Options { stragglers: 50, duplicates: 50, ..options }
            }
            Ground::Drivers => {
                let mut options = majority(&[
                    FaultKind::Stick,
                    FaultKind::Curse,
                    FaultKind::Break,
                    FaultKind::Die,
                    FaultKind::FailCheck,
                    FaultKind::KeeperDeath,
                ]);
                options.operation_gap = Some(options.timeout * 2);
                options.rich = seed.is_multiple_of(2);
                Options { resources: 2, failures: 200, hangs: 50, ..options }
            }
            Ground::Remains => {
                let options = majority(&[FaultKind::Die]);
                Options { resources: 2, failures: 300, ..options }
            }
            Ground::Fences => {
                let mut options = rough(2, ArbiterKind::Nobody, &[FaultKind::Split]);
                let mut plan = FencePlan::reliable(FencingTakeover::Fenced);
                plan.failures = 600;
                options.fencing = Some(plan);
                Options { aimed: 0, ..options }
            }
            Ground::Farewells => {
                let faults = [FaultKind::AgentKill, FaultKind::Freeze];
                let options = rough(2, ArbiterKind::Nobody, &faults);
                let fencing = Some(FencePlan::reliable(FencingTakeover::Fenced));
                let return_policy = ReturnPolicy::Automatic;
                Options { fencing, aimed: 0, grudge: 0, return_policy, ..options }
            }
            Ground::LostDisks => {
                let mut faults = CUTS.to_vec();
                faults.extend([FaultKind::DiskReplaced, FaultKind::AgentStall]);
                rough(2, ArbiterKind::Nobody, &faults)
            }
            Ground::Both => rough(3, ArbiterKind::MajorityAndReachable, &CUTS),
            Ground::LongLease => {
                let mut faults = CUTS.to_vec();
                faults.extend([FaultKind::AgentStall, FaultKind::Replace, FaultKind::Drag]);
                let options = rough(3, ArbiterKind::MajorityAndReachable, &faults);
                Options { arbiter_budget: options.timeout * 3, ..options }
            }
            Ground::Lapses => {
                let faults = [FaultKind::Isolate, FaultKind::KeeperDeath, FaultKind::Split];
                let on_partition = PartitionAction::Nothing;
                Options { on_partition, ..majority(&faults) }
            }
        }
    }
}
