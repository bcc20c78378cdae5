//! Deliberately broken engines: each mutation breaks one rule, at the one place where it stands.
//!
//! They exist in the simulator's own build only (`--features simulate`), where a table of hunts
//! proves that each is found (`tests/sim/mutations.rs`). Elsewhere a [`Flaw`] has no content and
//! `flawed!` is `false` before the compiler sees it.

/// What is broken on purpose in an engine: in any build but the simulator's, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaw {
    #[cfg(feature = "simulate")]
    mutation: Option<Mutation>,
}

#[cfg(feature = "simulate")]
impl Flaw {
    /// An engine that breaks this rule.
    #[must_use]
    pub const fn of(mutation: Mutation) -> Self {
        Self { mutation: Some(mutation) }
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn is(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

/// Whether the engine breaks a rule on purpose.
#[cfg(feature = "simulate")]
macro_rules! flawed {
    ($flaw:expr, $($mutation:ident)|+) => {
        ($($flaw.is($crate::engine::mutation::Mutation::$mutation))||+)
    };
}

/// Whether the engine breaks a rule on purpose: never.
#[cfg(not(feature = "simulate"))]
macro_rules! flawed {
    ($flaw:expr, $($mutation:ident)|+) => {{
        let _: $crate::engine::mutation::Flaw = $flaw;
        false
    }};
}

pub(crate) use flawed;

#[cfg(feature = "simulate")]
macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One broken rule. `Mxx` in a comment is the counterexample's number in the model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutation {
            $($(#[$doc])* $name,)*
        }

        impl Mutation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

#[cfg(feature = "simulate")]
mutations! {
    /// M01: a promise is sent before it is on disk.
    PromiseNotPersisted,
    /// M02: whoever waits counts with its own `selfFence`, not with what the absent advertised.
    OwnSelfFenceWaited,
    /// M03: a leader acts whether or not a majority answers it.
    LeaderNotBoundByAcks,
    /// M04: the wait has no margin for drift and granularity.
    NoMargin,
    /// M05: an order counts though a newer one about its group was taken.
    StaleOrderTaken,
    /// M06: a member answers a leader that it has promised to leave.
    AckInSpiteOfPromise,
    /// M06b: answers of some servers stand for the arbiter, where only all of them do.
    AcksOfSomeSuffice,
    /// M07: an arbiter that can't tell counts as one that said yes.
    UnknownIsHeld,
    /// M08: a member's lease runs from the receipt of a renewal.
    LeaseFromReceipt,
    /// M08 at the leader: its authority runs from the receipt of an answer.
    AuthorityFromReceipt,
    /// M09: terms are compared by their number alone.
    BareTerm,
    /// M10: a proposer does not wait until its term is on disk.
    BallotNotPersisted,
    /// M11: what is unknown at boot counts as long ago.
    BootAgesForgotten,
    /// M12: the former holder of the lease arbiter's record is not waited for.
    HandoverIgnored,
    /// M13: a member's lease outlives the authority of its leader.
    AuthorityAgeDropped,
    /// M14: only whom a record names is waited for, not every absent server.
    AbsentNotWaitedFor,
    /// M15: a release frees whatever is held, not the order that it names.
    ReleaseWithoutNumber,
    /// M16: a group that is being stopped is not reported with the promise.
    StoppingNotReported,
    /// M18: the leader's own report is as it was when it proposed: nothing it did since.
    OwnReportNotTaken,
    /// M19: a restarted server follows its old view without a new promise.
    RestartRejoins,
    /// M22: a changed spec, and with it a longer lease, counts before everybody has it.
    SpecBeforeCommit,
    /// Longer times are used before the others know of them.
    TimesRaisedAtOnce,
    /// What the other members gave to absent servers is not looked at.
    OthersSupportIgnored,
    /// A keeper's farewell frees its server whatever run it names.
    FarewellOfAnyRun,
    /// A keeper's farewell frees its server whatever run it names, once enough time has passed, also
    /// where time frees nobody.
    FarewellByTime,
    /// Half of the servers are a majority.
    HalfIsMajority,
    /// The leader's renewals are no support.
    RenewalsAreNoSupport,
    /// The end of a lease stops nothing in the engine.
    LeaseEndIgnored,
    /// The keeper is told a later deadline than the lease has.
    KeeperToldTooLate,
    /// A write that failed counts as done.
    FailedWriteIsDone,
    /// A change is acknowledged once the leader has it.
    AcknowledgedByLeaderAlone,
    /// A new leader keeps its own store though a member's is newer.
    NewestStoreIgnored,
    /// Of two histories that met, the one with the greater number goes on, whoever wrote it.
    NewestByNumber,
    /// A change that an earlier term wrote is acknowledged as soon as every member has it.
    EarlierBatchAcknowledged,
    /// Groups are given to servers that are out.
    PlacedOnServerOut,
    /// Resources start before what they depend on.
    StartOrderIgnored,
    /// Resources stop before what depends on them.
    StopOrderIgnored,
    /// What a failed start left is stopped under what depends on it.
    RemainsStoppedFirst,
    /// A stop that failed counts as a stop.
    FailedStopIsAbsent,
    /// A start without an answer counts as one that left nothing.
    UnansweredStartIsAbsent,
    /// A probe that can't tell counts as "absent".
    UnclearProbeIsAbsent,
    /// What runs at an agent's start is not looked for.
    NothingProbedAtStart,
    /// A member follows its old leader again, in the old view, once it has promised that one a term
    /// above what it promised another in between.
    OldViewAfterOtherPromise,
    /// A member that has left a proposal says nothing to its proposer, who waits for its store.
    StaleFetchUnanswered,
    /// The ladder forgets what it has tried.
    LadderForgets,
    /// An announced pause counts before every other server has the longer `selfFence` on disk.
    PauseBeforeAllHaveIt,
    /// Whoever pauses tells no longer `selfFence`.
    PauserFenceNotRaised,
    /// Stores are told apart by their revision alone.
    HistoriesComparedByNumber,
    /// A batch under way goes on, on another history that has come as far by number.
    BatchKeptByNumber,
    /// M21: a fence that can't tell counts as one that confirmed.
    FenceUnknownIsConfirmed,
    /// M24: time frees a lost server though no exclusive arbiter protects and fencing is there to.
    TimeFreesUnexclusive,
    /// A server that has forgotten what it promised has a vote.
    StrangersVote,
    /// A server whose disk was replaced uses terms that it used before.
    DiskTermsReused,
    /// Of a majority and an arbiter that must both agree, the arbiter suffices.
    MajorityOfBothIgnored,
    /// Time frees a lost server though nothing says that nobody else let it act meanwhile.
    FreedByOldAuthority,
    /// Groups start without a live lease, where what runs goes on without one.
    StartsWithoutLease,
    /// M17: whoever proposes goes on giving orders in the view that it is about to leave.
    ProposerGrants,
    /// A stamp of an earlier run is echoed to the next one, whose clock is another.
    StampOfAnyRun,
    /// What an ack says of groups counts though a later one was heard.
    OvertakenAckCounts,
    /// A group is started while another copy of it is still being ended.
    CopyNotAwaited,
    /// The release of a group that was only reported frees it, whatever absent servers may hold.
    ReportedReleaseIsFree,
    /// A copy that could not be stopped is told so once only.
    SurplusToldOnce,
    /// Whoever is outbid proposes again at once, however often.
    OutbidAtOnce,
    /// Whoever promised another gives it no time.
    NoTimeGiven,
    /// A leader's own proposal that was outbid is not raised again.
    ProposalAbandoned,
    /// A leader waits for ever for the promise of a server that follows another leader.
    FollowerOfAnotherAwaited,
    /// That a group has stopped is not told where nobody had ordered it to.
    UnorderedStopUntold,
    /// Members promise others though they hear their leader.
    LeaderLeft,
    /// A resource that does not start is started again at once, however often.
    RetriedAtOnce,
    /// The disk: another's claim does not matter.
    DiskClaimUnseen,
    /// The disk: that another claimed a higher term does not matter.
    DiskHigherTermUnseen,
    /// The disk: whoever has written nothing for an eighth of the window is dead.
    DiskSlotDiesEarly,
    /// The disk: whoever has ever written lives.
    DiskSlotNeverDies,
    /// The disk: a server of higher priority that lives does not matter.
    DiskPriorityIgnored,
    /// The disk: claims of others since the last look are not waited for.
    DiskClaimBetweenUnseen,
    /// The disk: what an earlier run of another server claimed counts for nothing where its slot is
    /// seen for the first time.
    DiskEarlierRunUnseen,
    /// The disk: a server's first sign of life writes over what its earlier run claimed.
    DiskOwnClaimForgotten,
    /// The serial line: that it hears the peer does not matter.
    SerialLifeIgnored,
    /// The serial line: one that was silent before tells of a death.
    SerialBrokenLineTrusted,
}

#[cfg(feature = "simulate")]
mod sites {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::{Flaw, Mutation};
    use crate::api::timing::Timing;
    use crate::engine::membership::lead::Absent;
    use crate::engine::message::SelfFence;

    impl Flaw {
        /// What a broken engine takes an absent server for; none: for one that holds nothing.
        pub(in crate::engine) fn absent(self, absent: Absent, timing: &Timing) -> Option<Absent> {
            let mut absent = absent;
            match self.mutation {
                Some(Mutation::AbsentNotWaitedFor) => return None,
                Some(Mutation::OwnSelfFenceWaited) => {
                    absent.self_fence = SelfFence::Within(Duration::ZERO);
                }
                Some(Mutation::NoMargin) => {
                    let margin = timing.wait().saturating_sub(timing.self_fence);
                    absent.since = absent.since - margin;
                }
                Some(Mutation::FarewellOfAnyRun) => absent.supported = Some(BTreeSet::new()),
                Some(_) | None => {}
            }
            Some(absent)
        }
    }
}
