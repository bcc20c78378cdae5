//! Proof that the hunt can find: engines that are broken on purpose are caught in schedules that the
//! good one passes.
//!
//! Each is hunted on the ground where its rule matters: wide draws, or draws with the faults that
//! lead there (`grounds.rs`). Those whose rule no schedule can show broken are caught by a course of
//! events of their own (`courses.rs`). The table that is printed stands in docs/simulator.md.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use stead::engine::Engine;
use stead::engine::mutation::{Flaw, Mutation};
use stead::sim::{Detail, Options, Violation, play_options, run};

use super::grounds::Ground;
use super::schedules::number;
use super::{courses, puppets, saved};

/// Schedules that are played to find one broken engine.
const SCHEDULES_MAX: u64 = 500;

/// How a broken engine is caught.
#[derive(Clone, Copy)]
enum Means {
    /// In schedules of a ground: it breaks a rule that the good engine keeps.
    Hunt(Ground),
    /// A schedule that is kept in a file, where it breaks a rule.
    Saved(&'static str),
    /// A course of events, which says whether the rule is kept.
    Course(fn(Flaw) -> Result<bool, Violation>),
    /// The same of one engine among puppets.
    Ask(fn(Flaw) -> bool),
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hunt(ground) => write!(f, "{ground:?}"),
            Self::Saved(name) => write!(f, "saved/{name}"),
            Self::Course(_) => write!(f, "a course of events"),
            Self::Ask(_) => write!(f, "puppets"),
        }
    }
}

fn means(of: Mutation) -> Means {
    use Means::{Ask, Course, Hunt, Saved};
    match of {
        Mutation::NoMargin => Hunt(Ground::Drift),
        Mutation::AckInSpiteOfPromise => Hunt(Ground::Chain),
        Mutation::PauseBeforeAllHaveIt => Hunt(Ground::PauseUnheard),
        Mutation::PauserFenceNotRaised => Hunt(Ground::PauseCut),
        Mutation::LeaseFromReceipt
        | Mutation::AuthorityFromReceipt
        | Mutation::OthersSupportIgnored
        | Mutation::RenewalsAreNoSupport
        | Mutation::AbsentNotWaitedFor
        | Mutation::LeaderNotBoundByAcks
        | Mutation::BareTerm
        | Mutation::OwnReportNotTaken => Hunt(Ground::Cuts),
        Mutation::FreedByOldAuthority => Hunt(Ground::LongLease),
        Mutation::HalfIsMajority => Hunt(Ground::Halves),
        Mutation::AuthorityAgeDropped => Hunt(Ground::Five),
        Mutation::SpecBeforeCommit => Hunt(Ground::Retimes),
        Mutation::TimesRaisedAtOnce => Saved("a-longer-time-out-that-is-taken-back"),
        Mutation::AcksOfSomeSuffice => Hunt(Ground::LeaseOfThree),
        Mutation::BootAgesForgotten
        | Mutation::FarewellOfAnyRun
        | Mutation::NothingProbedAtStart => Hunt(Ground::Restarts),
        Mutation::FailedWriteIsDone
        | Mutation::BallotNotPersisted
        | Mutation::AcknowledgedByLeaderAlone => Hunt(Ground::Disks),
        Mutation::StaleOrderTaken
        | Mutation::ReleaseWithoutNumber
        | Mutation::StoppingNotReported => Hunt(Ground::Operator),
        Mutation::StartOrderIgnored
        | Mutation::StopOrderIgnored
        | Mutation::FailedStopIsAbsent
        | Mutation::UnansweredStartIsAbsent
        | Mutation::UnclearProbeIsAbsent => Hunt(Ground::Drivers),
        Mutation::RemainsStoppedFirst => Hunt(Ground::Remains),
        Mutation::FenceUnknownIsConfirmed | Mutation::TimeFreesUnexclusive => Hunt(Ground::Fences),
        Mutation::FarewellByTime => Hunt(Ground::Farewells),
        Mutation::StrangersVote => Hunt(Ground::Disks),
        Mutation::DiskTermsReused => Hunt(Ground::LostDisks),
        Mutation::MajorityOfBothIgnored => Hunt(Ground::Both),
        Mutation::StartsWithoutLease => Hunt(Ground::Lapses),
        Mutation::UnknownIsHeld
        | Mutation::OwnSelfFenceWaited
        | Mutation::NewestStoreIgnored
        | Mutation::NewestByNumber
        | Mutation::LeaseEndIgnored => Hunt(Ground::Wide),
        Mutation::KeeperToldTooLate => Hunt(Ground::Restarts),
        Mutation::PromiseNotPersisted => Hunt(Ground::TwoProposers),
        Mutation::OldViewAfterOtherPromise | Mutation::EarlierBatchAcknowledged => {
            Hunt(Ground::LateView)
        }
        Mutation::HistoriesComparedByNumber => Hunt(Ground::Histories),
        Mutation::HandoverIgnored
        | Mutation::DiskHigherTermUnseen
        | Mutation::DiskClaimBetweenUnseen => Hunt(Ground::SharedDisk),
        Mutation::ProposalAbandoned => Saved("a-proposal-that-was-outbid"),
        Mutation::BatchKeptByNumber => Saved("a-batch-that-fits-no-other-history"),
        Mutation::UnorderedStopUntold => Saved("a-stop-that-nobody-ordered-is-told"),
        Mutation::FollowerOfAnotherAwaited => {
            Saved("two-leaders-that-each-wait-for-a-follower-of-the-other")
        }
        Mutation::DiskEarlierRunUnseen => Saved("a-claim-of-a-run-that-was-replaced"),
        Mutation::SurplusToldOnce => Saved("a-copy-that-could-not-be-stopped-548"),
        Mutation::CopyNotAwaited => Course(courses::a_copy_that_is_being_ended_is_waited_for),
        Mutation::PlacedOnServerOut => Course(courses::nothing_runs_on_a_server_that_is_out),
        Mutation::LadderForgets => Course(courses::a_check_that_always_fails_ends_in_a_failover),
        Mutation::RetriedAtOnce => {
            Course(courses::starts_that_fail_for_a_moment_are_tried_until_it_is_over)
        }
        Mutation::OutbidAtOnce | Mutation::NoTimeGiven => {
            Course(courses::many_that_propose_at_once_agree)
        }
        Mutation::LeaderLeft => {
            Course(courses::a_chain_of_servers_does_not_change_its_view_again_and_again)
        }
        Mutation::DiskOwnClaimForgotten => Course(courses::what_an_earlier_run_claimed_is_known),
        Mutation::DiskClaimUnseen => Course(courses::whoever_claims_the_disk_goes_on),
        Mutation::DiskSlotDiesEarly => {
            Course(courses::a_slot_that_stands_still_for_a_moment_is_no_death)
        }
        Mutation::DiskSlotNeverDies => {
            Course(courses::a_slot_that_stands_still_for_long_is_a_death)
        }
        Mutation::DiskPriorityIgnored => Course(courses::the_part_of_highest_priority_goes_on),
        Mutation::SerialLifeIgnored | Mutation::SerialBrokenLineTrusted => {
            Course(courses::the_line_tells_a_death_from_a_cut)
        }
        Mutation::StampOfAnyRun => Ask(puppets::a_stamp_is_echoed_to_the_run_that_sent_it_only),
        Mutation::OvertakenAckCounts => {
            Ask(puppets::an_overtaken_ack_brings_no_released_group_back)
        }
        Mutation::ReportedReleaseIsFree => {
            Ask(puppets::a_group_that_was_only_reported_is_not_free_by_its_release)
        }
        Mutation::ProposerGrants => Ask(puppets::a_proposer_gives_no_orders),
        Mutation::RestartRejoins => Ask(puppets::a_new_run_promises_anew),
        Mutation::StaleFetchUnanswered => Ask(puppets::a_proposer_that_waits_in_vain_is_told),
    }
}

/// How a broken engine was caught, in words.
fn catch(mutation: Mutation) -> Result<String, String> {
    let flaw = Flaw::of(mutation);
    let judged = |kept: &dyn Fn(Flaw) -> Result<bool, String>| {
        match kept(Flaw::default()) {
            Ok(true) => {}
            good => return Err(format!("the good engine does not keep it, either: {good:?}")),
        }
        match kept(flaw) {
            Ok(true) => Err("not caught".to_owned()),
            Ok(false) => Ok("the rule is not kept".to_owned()),
            Err(violation) => Ok(violation),
        }
    };
    match means(mutation) {
        Means::Hunt(ground) => hunt(mutation, ground).ok_or_else(|| "not caught".to_owned()),
        Means::Saved(name) => judged(&|flaw| saved::kept(name, flaw)),
        Means::Course(course) => {
            judged(&|flaw| course(flaw).map_err(|violation| format!("{:?}", violation.invariant)))
        }
        Means::Ask(ask) => judged(&|flaw| Ok(ask(flaw))),
    }
}

/// Only a schedule that the good engine passes says something about the broken one.
fn hunt(mutation: Mutation, ground: Ground) -> Option<String> {
    let flaw = Flaw::of(mutation);
    if let Some(seed) = number("STEAD_STORY") {
        let options = Options { flaw, ..ground.options(seed) };
        let told = run::<Engine>(&options, None, Detail::Lines);
        println!("{options}\n{}\n{:?}", told.milestones.join("\n"), told.result);
    }
    for seed in 1..=number("STEAD_SCHEDULES").unwrap_or(SCHEDULES_MAX) {
        let options = Options { flaw, ..ground.options(seed) };
        let Err(failed) = play_options::<Engine>(options) else { continue };
        if play_options::<Engine>(ground.options(seed)).is_ok() {
            if let Ok(name) = std::env::var("STEAD_SAVE") {
                saved::keep(&failed, mutation, &name);
            }
            return Some(format!("{:?} after {seed}", failed.violation.invariant));
        }
    }
    None
}

/// `STEAD_MUTATION` names those that are hunted; without it all are. `STEAD_STORY` is a schedule of
/// their grounds whose story is told, `STEAD_SCHEDULES` how many are tried, and `STEAD_SAVE` the
/// name under which the one that is noticed is kept, made small.
#[test]
fn broken_engines_are_caught() {
    let next = AtomicUsize::new(0);
    let catches = Mutex::new(BTreeMap::new());
    let only = std::env::var("STEAD_MUTATION").ok();
    let wanted = |mutation: &&Mutation| {
        let named = |only: &String| only.split(',').any(|o| o == format!("{mutation:?}"));
        only.as_ref().is_none_or(named)
    };
    let all: Vec<&Mutation> = Mutation::ALL.iter().filter(wanted).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(mutation) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let catch = catch(**mutation);
                    catches.lock().unwrap().insert(**mutation, catch);
                }
            });
        }
    });
    let catches = catches.into_inner().unwrap();
    for (mutation, catch) in &catches {
        let how = catch.as_ref().unwrap_or_else(|not| not);
        println!("| {mutation:?} | {} | {how} |", means(*mutation));
    }
    let escaped: Vec<&Mutation> =
        catches.iter().filter(|(_, catch)| catch.is_err()).map(|(mutation, _)| mutation).collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
