//! Proof that the hunt can find: engines that are broken on purpose are caught in schedules that the
//! good one passes.
//!
//! Each is hunted on the ground where its rule matters: wide draws, or draws with the faults that
//! lead there. The table that is printed stands in docs/simulator.md.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use stead::api::kinds::{FencingTakeover, OperationType, PartitionAction, ReturnPolicy};
use stead::engine::Engine;
use stead::engine::mutation::{Flaw, Mutation};
use stead::sim::{
    Act, ArbiterKind, Fault, FaultKind, FencePlan, Options, Profile, TimedAct, Violation,
    both_ways, links, play_options,
};

/// Schedules that are played to find one broken engine.
const SCHEDULES_MAX: u64 = 500;

/// Not found by any of these hunts yet: what is open, in docs/simulator.md. `STEAD_MUTATION` hunts one
/// all the same.
const ESCAPES: [Mutation; 11] = [
    Mutation::PromiseNotPersisted,
    Mutation::HandoverIgnored,
    Mutation::RestartRejoins,
    Mutation::KeeperToldTooLate,
    Mutation::OldViewAfterOtherPromise,
    Mutation::PlacedOnServerOut,
    Mutation::StaleFetchUnanswered,
    Mutation::DivergedMemberNotFilled,
    Mutation::HistoriesComparedByNumber,
    // A scenario finds it (`puppets.rs`).
    Mutation::EarlierBatchAcknowledged,
    Mutation::LadderForgets,
];

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
}

fn ground(of: Mutation) -> Ground {
    match of {
        Mutation::NoMargin | Mutation::KeeperToldTooLate => Ground::Drift,
        Mutation::AckInSpiteOfPromise => Ground::Chain,
        Mutation::PauseBeforeAllHaveIt => Ground::PauseUnheard,
        Mutation::PauserFenceNotRaised => Ground::PauseCut,
        Mutation::LeaseFromReceipt
        | Mutation::AuthorityFromReceipt
        | Mutation::OldViewAfterOtherPromise
        | Mutation::OthersSupportIgnored
        | Mutation::RenewalsAreNoSupport
        | Mutation::AbsentNotWaitedFor
        | Mutation::LeaderNotBoundByAcks
        | Mutation::BareTerm
        | Mutation::OwnReportNotTaken => Ground::Cuts,
        Mutation::FreedByOldAuthority => Ground::LongLease,
        Mutation::HalfIsMajority => Ground::Halves,
        Mutation::AuthorityAgeDropped => Ground::Five,
        Mutation::SpecBeforeCommit | Mutation::TimesRaisedAtOnce => Ground::Retimes,
        Mutation::HandoverIgnored => Ground::Lease,
        Mutation::AcksOfSomeSuffice => Ground::LeaseOfThree,
        Mutation::BootAgesForgotten
        | Mutation::FarewellOfAnyRun
        | Mutation::NothingProbedAtStart => Ground::Restarts,
        Mutation::FailedWriteIsDone
        | Mutation::PromiseNotPersisted
        | Mutation::BallotNotPersisted
        | Mutation::AcknowledgedByLeaderAlone
        | Mutation::DivergedMemberNotFilled => Ground::Disks,
        Mutation::StaleOrderTaken
        | Mutation::ReleaseWithoutNumber
        | Mutation::StoppingNotReported
        | Mutation::PlacedOnServerOut => Ground::Operator,
        Mutation::StartOrderIgnored
        | Mutation::StopOrderIgnored
        | Mutation::FailedStopIsAbsent
        | Mutation::UnansweredStartIsAbsent
        | Mutation::UnclearProbeIsAbsent
        | Mutation::LadderForgets => Ground::Drivers,
        Mutation::RemainsStoppedFirst => Ground::Remains,
        Mutation::FenceUnknownIsConfirmed | Mutation::TimeFreesUnexclusive => Ground::Fences,
        Mutation::FarewellByTime => Ground::Farewells,
        Mutation::StrangersVote => Ground::Disks,
        Mutation::DiskTermsReused => Ground::LostDisks,
        Mutation::MajorityOfBothIgnored => Ground::Both,
        Mutation::StartsWithoutLease => Ground::Lapses,
        Mutation::StaleFetchUnanswered
        | Mutation::UnknownIsHeld
        | Mutation::OwnSelfFenceWaited
        | Mutation::NewestStoreIgnored
        | Mutation::NewestByNumber
        | Mutation::EarlierBatchAcknowledged
        | Mutation::RestartRejoins
        | Mutation::HistoriesComparedByNumber
        | Mutation::LeaseEndIgnored => Ground::Wide,
    }
}

fn operate(type_: OperationType, group: Option<usize>, server: usize, after: Duration) -> TimedAct {
    TimedAct { after, act: Act::Operate { at: None, type_, group, server: Some(server) } }
}

impl Ground {
    const ALL: [Self; 22] = [
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
    ];

    /// The grounds in turn, for an engine that is not broken.
    pub fn any(seed: u64) -> Options {
        let all = Self::ALL.len() as u64;
        Self::ALL[(seed % all) as usize].options(seed / all)
    }

    fn options(self, seed: u64) -> Options {
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
                let cut = |one, other, after, lasts| {
                    let fault = Fault::Cut(both_ways(&[one], &[other], 1));
                    TimedAct { after, act: Act::Break { fault, lasts } }
                };
                let begin = Duration::from_secs(8);
                let deaf = timeout + timeout * u32::try_from(seed % 30).unwrap_or(0) / 100;
                let acts = [cut(0, 1, begin, timeout * 10), cut(0, 2, begin, deaf)];
                options.script = Some(acts.into());
                options
            }
            Ground::PauseUnheard => {
                let moved = operate(OperationType::MoveGroup, Some(0), 1, Duration::ZERO);
                let begin = Duration::from_secs(8);
                let pause = operate(OperationType::PauseServer, None, 1, begin);
                let moment = begin + Duration::from_millis(seed * 10 % 200);
                let silence = Fault::Cut(links(&[1], &[0, 2], 2));
                let silence = Act::Break { fault: silence, lasts: Duration::from_secs(15) };
                let script = vec![moved, pause, TimedAct { after: moment, act: silence }];
                Options { script: Some(script.into()), ..Options::quiet(3, ArbiterKind::Majority) }
            }
            Ground::PauseCut => {
                let begin = Duration::from_secs(8);
                let pause = operate(OperationType::PauseServer, None, 0, begin);
                let after = begin + Duration::from_secs(2) + Duration::from_millis(seed * 10);
                let lasts = Duration::from_secs(15);
                let cut = Fault::Cut(both_ways(&[0], &[1, 2, 3, 4], 2));
                let faults = [cut, Fault::Crash(1)]
                    .map(|fault| TimedAct { after, act: Act::Break { fault, lasts } });
                let script = [pause].into_iter().chain(faults).collect();
                Options { script: Some(script), ..Options::quiet(5, ArbiterKind::Majority) }
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

/// How a broken engine was found.
struct Catch {
    violation: Violation,
    schedules: u64,
}

/// Only a schedule that the good engine passes says something about the broken one.
fn hunt(mutation: Mutation) -> Option<Catch> {
    let ground = ground(mutation);
    for seed in 1..=SCHEDULES_MAX {
        let options = Options { flaw: Flaw::of(mutation), ..ground.options(seed) };
        let Err(failed) = play_options::<Engine>(options) else { continue };
        if play_options::<Engine>(ground.options(seed)).is_ok() {
            return Some(Catch { violation: failed.violation, schedules: seed });
        }
    }
    None
}

#[test]
fn broken_engines_are_caught() {
    let next = AtomicUsize::new(0);
    let catches = Mutex::new(BTreeMap::new());
    let only = std::env::var("STEAD_MUTATION").ok();
    let wanted = |mutation: &&Mutation| {
        let named = |only: &String| only.split(',').any(|o| o == format!("{mutation:?}"));
        only.as_ref().map_or_else(|| !ESCAPES.contains(mutation), named)
    };
    let all: Vec<&Mutation> = Mutation::ALL.iter().filter(wanted).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(mutation) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let catch = hunt(**mutation);
                    let how = catch.as_ref().map_or("not caught".to_owned(), |catch| {
                        let Catch { violation, schedules } = catch;
                        format!("{:?} after {schedules}", violation.invariant)
                    });
                    println!("| {mutation:?} | {:?} | {how} |", ground(**mutation));
                    catches.lock().unwrap().insert(**mutation, catch);
                }
            });
        }
    });
    let catches = catches.into_inner().unwrap();
    let escaped: Vec<&Mutation> =
        catches.iter().filter(|(_, catch)| catch.is_none()).map(|(mutation, _)| mutation).collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
