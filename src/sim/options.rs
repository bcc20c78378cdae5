//! What one schedule is like: everything is drawn from its seed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::acts::TimedAct;
use super::faults::FaultKind;
use super::fence::FencePlan;
use super::random::{Random, Stream};
use super::setup;
use super::stage::Pace;
use super::text_duration;
use crate::api::arbitration::Combination;
use crate::api::kinds::{
    DualActivationPolicy, FencingFailure, FencingTakeover, MissedChangesPolicy, PartitionAction,
    ReturnPolicy,
};
use crate::api::timing::Timing;
use crate::engine::mutation::Flaw;

/// Who decides when the servers cannot all talk. Where it is exclusive, I1 must hold always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ArbiterKind {
    /// A majority of all configured servers.
    Majority,
    /// A record outside the cluster, held for a time.
    Lease,
    /// Something outside the cluster: whoever reaches it may act. Not exclusive.
    Reachable,
    /// Nobody: whoever is left may act. Not exclusive.
    Nobody,
    /// A shared disk with slots.
    Disk,
    /// A serial line between two servers. Not exclusive.
    Serial,
    /// Both: part 0 of the arbiter is the line, part 1 the disk.
    SerialDisk,
    /// A majority that reaches something outside.
    MajorityAndReachable,
    /// The disk, for whoever reaches something outside.
    DiskAndReachable,
    /// The disk or something outside: one of them suffices. Not exclusive.
    DiskOrReachable,
    /// The disk, or what is outside where that gives no answer. Not exclusive.
    DiskThenReachable,
}

impl ArbiterKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Majority,
        Self::Lease,
        Self::Reachable,
        Self::Nobody,
        Self::Disk,
        Self::Serial,
        Self::SerialDisk,
        Self::MajorityAndReachable,
        Self::DiskAndReachable,
        Self::DiskOrReachable,
        Self::DiskThenReachable,
    ];

    /// Whether two parts of a divided cluster can never both be told to go on.
    #[must_use]
    pub fn exclusive(self) -> bool {
        match self {
            Self::Majority
            | Self::Lease
            | Self::Disk
            | Self::SerialDisk
            | Self::MajorityAndReachable
            | Self::DiskAndReachable => true,
            Self::Reachable
            | Self::Nobody
            | Self::Serial
            | Self::DiskOrReachable
            | Self::DiskThenReachable => false,
        }
    }

    /// Whether more than half of all servers are counted: successive views share a server.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Majority | Self::MajorityAndReachable)
    }

    /// Whether a shared disk is asked.
    #[must_use]
    pub fn has_disk(self) -> bool {
        matches!(
            self,
            Self::Disk
                | Self::SerialDisk
                | Self::DiskAndReachable
                | Self::DiskOrReachable
                | Self::DiskThenReachable
        )
    }

    /// Whether a serial line is asked.
    #[must_use]
    pub fn has_line(self) -> bool {
        matches!(self, Self::Serial | Self::SerialDisk)
    }

    /// Whether something outside must be reached.
    #[must_use]
    pub fn has_target(self) -> bool {
        matches!(
            self,
            Self::Reachable
                | Self::MajorityAndReachable
                | Self::DiskAndReachable
                | Self::DiskOrReachable
                | Self::DiskThenReachable
        )
    }
}

/// How rough it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// Nothing breaks and nobody asks for anything: nothing may ever move.
    Calm,
    /// Only what a cluster must not even notice: nothing may move unless asked for.
    Mild,
    /// Anything.
    Rough,
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// All is drawn from it.
    pub seed: u64,
    /// Servers.
    pub servers: usize,
    /// Heartbeat paths.
    pub paths: usize,
    /// Heartbeat time-out.
    #[serde(with = "text_duration")]
    pub timeout: Duration,
    /// Who decides.
    pub arbiter: ArbiterKind,
    /// How long the lease stand-in may take to answer.
    #[serde(with = "text_duration")]
    pub arbiter_budget: Duration,
    /// How rough.
    pub profile: Profile,
    /// Failover groups.
    pub groups: usize,
    /// Resources of each group, in a chain of dependencies.
    pub resources: usize,
    /// How long things break before all is healed.
    #[serde(with = "text_duration")]
    pub turbulence: Duration,
    /// Clocks are up to so many parts per million off.
    pub drift_max: u64,
    /// Wall clocks are up to so many milliseconds off.
    pub wall_offset_max: u64,
    /// Shortest delay of a packet.
    #[serde(with = "text_duration")]
    pub delay_min: Duration,
    /// Longest delay of a packet that is not a straggler.
    #[serde(with = "text_duration")]
    pub delay_max: Duration,
    /// Packets lost, of a thousand.
    pub loss: u32,
    /// Packets doubled, of a thousand.
    pub duplicates: u32,
    /// Packets that come very late, of a thousand.
    pub stragglers: u32,
    /// Longest disk write.
    #[serde(with = "text_duration")]
    pub disk_max: Duration,
    /// Driver actions that fail, of a thousand.
    pub failures: u32,
    /// Driver actions that hang until their time-out, of a thousand.
    pub hangs: u32,
    /// Faults that may happen.
    #[serde(skip)]
    pub faults: BTreeSet<FaultKind>,
    /// Mean time between faults.
    #[serde(skip)]
    pub fault_gap: Duration,
    /// Mean time between operations; none where nobody asks for anything.
    #[serde(skip)]
    pub operation_gap: Option<Duration>,
    /// What becomes of a failed server that comes back.
    pub return_policy: ReturnPolicy,
    /// Groups go back by themselves.
    pub failback: bool,
    /// How long a starting cluster waits for all servers.
    #[serde(with = "text_duration")]
    pub wait_for_servers: Duration,
    /// What a server does that may not go on.
    pub on_partition: PartitionAction,
    /// What becomes of a group that two parts ran at once.
    pub on_dual_activation: DualActivationPolicy,
    /// What a part does that lacks changes of another.
    pub on_missed_changes: MissedChangesPolicy,
    /// How lost servers are switched off; none: they are not.
    pub fencing: Option<FencePlan>,
    /// How long things take; none: it is drawn.
    #[serde(skip)]
    pub pace: Option<Arc<Pace>>,
    /// What is broken on purpose in every engine.
    #[serde(skip)]
    pub flaw: Flaw,
    /// What is done to the cluster; none: it is drawn.
    #[serde(skip)]
    pub script: Option<Arc<[TimedAct]>>,
    /// Servers, of the last ones, that only vote.
    pub witnesses: usize,
    /// Faults that wait for a moment at which a server is in the middle of something, of a thousand.
    pub aimed: u32,
    /// Faults that meet the victim of the one before, or the leader, of a thousand.
    pub grudge: u32,
    /// Faults that follow the one before at once, of a thousand.
    pub bursts: u32,
    /// Seconds that something stays wrong, after all is healed, before the operator acts on it.
    pub patience: u32,
    /// Probe ports, recovery scripts and monitors of every kind.
    pub rich: bool,
}

impl Options {
    /// A quiet cluster, for scenarios that break it by hand.
    #[must_use]
    pub fn quiet(servers: usize, arbiter: ArbiterKind) -> Self {
        Self {
            seed: 1,
            servers,
            paths: 2,
            timeout: Duration::from_secs(1),
            arbiter,
            arbiter_budget: match arbiter {
                ArbiterKind::Majority | ArbiterKind::Nobody => Duration::ZERO,
                ArbiterKind::Lease
                | ArbiterKind::Reachable
                | ArbiterKind::MajorityAndReachable
                | ArbiterKind::DiskAndReachable
                | ArbiterKind::DiskOrReachable
                | ArbiterKind::DiskThenReachable => Duration::from_millis(200),
                ArbiterKind::Disk | ArbiterKind::Serial | ArbiterKind::SerialDisk => {
                    Duration::from_millis(20)
                }
            },
            profile: Profile::Calm,
            groups: 1,
            resources: 2,
            turbulence: Duration::from_secs(30),
            drift_max: 0,
            wall_offset_max: 0,
            delay_min: Duration::from_micros(200),
            delay_max: Duration::from_micros(800),
            loss: 0,
            duplicates: 0,
            stragglers: 0,
            disk_max: Duration::from_millis(5),
            failures: 0,
            hangs: 0,
            faults: BTreeSet::new(),
            fault_gap: Duration::from_secs(3600),
            operation_gap: None,
            return_policy: ReturnPolicy::Manual,
            failback: false,
            wait_for_servers: Duration::from_secs(10),
            on_partition: PartitionAction::StopGroups,
            on_dual_activation: DualActivationPolicy::default(),
            on_missed_changes: MissedChangesPolicy::default(),
            fencing: None,
            pace: None,
            flaw: Flaw::default(),
            script: None,
            witnesses: 0,
            aimed: 0,
            grudge: 0,
            bursts: 0,
            patience: 8,
            rich: false,
        }
    }

    /// Draws a schedule.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, Stream::Options);
        let profile = match random.below(10) {
            0 => Profile::Calm,
            1 | 2 => Profile::Mild,
            _ => Profile::Rough,
        };
        let servers = random.between(2, 5) as usize;
        // A majority of two survives nothing; with two servers the lease is the case of interest.
        let lease = if servers == 2 { 800 } else { 350 };
        let arbiter = if random.chance(lease) { ArbiterKind::Lease } else { ArbiterKind::Majority };
        let mut options = Self::quiet(servers, arbiter);
        options.seed = seed;
        options.profile = profile;
        options.timeout = Duration::from_millis(
            *random.pick(&[500, 700, 1000, 1000, 2000, 5000]).unwrap_or(&1000),
        );
        options.paths = if profile == Profile::Mild { 2 } else { random.between(1, 2) as usize };
        options.groups = random.between(1, 3) as usize;
        options.resources = random.between(1, 3) as usize;
        options.drift_max = *random.pick(&[0, 300, 3000]).unwrap_or(&0);
        options.wall_offset_max = if random.chance(500) { 3_600_000 } else { 0 };
        options.wait_for_servers = random.duration(Duration::from_secs(2), options.timeout * 6);
        options.turbulence = options.timeout * u32::try_from(random.between(16, 40)).unwrap_or(20);
        options.draw_network(&mut random);
        options.draw_faults(&mut random);
        options
    }

    fn draw_network(&mut self, random: &mut Random) {
        let rough = self.profile == Profile::Rough;
        let interval = self.timeout / 10;
        self.delay_max = *random
            .pick(&[Duration::from_millis(1), Duration::from_millis(3), interval / 4])
            .unwrap_or(&interval);
        self.duplicates = *random.pick(&[0, 5, 50]).unwrap_or(&0);
        self.loss = *random.pick(&[0, 0, 5, 20]).unwrap_or(&0);
        if rough {
            self.loss = *random.pick(&[0, 5, 20, 100]).unwrap_or(&0);
            self.stragglers = *random.pick(&[0, 2, 20]).unwrap_or(&0);
            self.failures = *random.pick(&[0, 0, 20, 150]).unwrap_or(&0);
            self.hangs = *random.pick(&[0, 0, 20]).unwrap_or(&0);
        }
        self.disk_max = Duration::from_millis(*random.pick(&[2, 10, 40]).unwrap_or(&2));
    }

    fn draw_faults(&mut self, random: &mut Random) {
        let of: &[FaultKind] = match self.profile {
            Profile::Calm => &[],
            Profile::Mild => &FaultKind::HARMLESS,
            Profile::Rough => &FaultKind::ALL,
        };
        // A subset, so that a schedule is sometimes full of one kind of trouble.
        let share = *random.pick(&[250, 500, 1000]).unwrap_or(&500);
        self.faults = of.iter().copied().filter(|_| random.chance(share)).collect();
        if self.faults.is_empty() {
            self.faults.extend(random.pick(of).copied());
        }
        if self.profile == Profile::Mild
            && (self.faults.contains(&FaultKind::IdleCrash)
                || self.faults.contains(&FaultKind::Replace))
        {
            // A view change needs the disks: two things at once, and not harmless.
            self.faults.remove(&FaultKind::DiskFull);
        }
        self.fault_gap = self.timeout * u32::try_from(random.between(1, 8)).unwrap_or(4);
        if self.profile != Profile::Calm && random.chance(600) {
            let factor = u32::try_from(random.between(2, 10)).unwrap_or(4);
            self.operation_gap = Some(self.timeout * factor);
        }
        if random.chance(300) {
            self.return_policy = ReturnPolicy::Automatic;
        }
        self.failback = random.chance(200);
    }

    /// The protocol times that follow.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing::derive(self.timeout, self.budget())
    }

    /// How long the arbiter may take.
    fn budget(&self) -> Duration {
        if self.arbiter.has_disk() || self.arbiter.has_line() {
            return Combination::of(&setup::arbitration(self)).budget(self.timeout);
        }
        self.arbiter_budget
    }

    /// Whether no group may ever run on two servers; but for [`Options::covers_standing_clocks`].
    #[must_use]
    pub fn guarded(&self) -> bool {
        self.arbiter.exclusive() || self.blocks()
    }

    /// Whether that holds also where a machine's clock stood still: where time frees nothing.
    #[must_use]
    pub fn covers_standing_clocks(&self) -> bool {
        let fenced = |plan: FencePlan| plan.takeover == FencingTakeover::Fenced;
        self.blocks() && (!self.arbiter.exclusive() || self.fencing.is_some_and(fenced))
    }

    fn blocks(&self) -> bool {
        self.fencing.is_some_and(|plan| plan.on_failure == FencingFailure::Block)
    }

    /// How long a slot of the shared disk stands still until its server counts as dead.
    #[must_use]
    pub fn disk_window(&self) -> Duration {
        let combination = Combination::of(&setup::arbitration(self));
        combination.disk_window(self.timeout, setup::IO_TIMEOUT)
    }

    /// How long after all is healed every automatic group must be active again (I3): start-up
    /// synchronisation, a few view changes and takeovers, each group's activation with the tries
    /// and time-outs of its resources, and the operator's own rounds.
    #[must_use]
    pub fn recovery_bound(&self) -> Duration {
        self.wait_for_servers + self.timeout * 40 + Duration::from_secs(120)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {} servers, {} paths, ", self.seed, self.servers, self.paths)?;
        write!(f, "time-out {:?}, {:?}, {:?}, ", self.timeout, self.arbiter, self.profile)?;
        write!(f, "{} groups of {}, ", self.groups, self.resources)?;
        write!(f, "{:?} of turbulence, drift {} ppm, ", self.turbulence, self.drift_max)?;
        write!(f, "wall {} ms, delay {:?}, ", self.wall_offset_max, self.delay_max)?;
        write!(f, "loss {} duplicates {} ", self.loss, self.duplicates)?;
        write!(f, "stragglers {} per mille, disk {:?}, ", self.stragglers, self.disk_max)?;
        write!(f, "failures {} hangs {} per mille, ", self.failures, self.hangs)?;
        write!(f, "a fault each {:?} of {:?}, ", self.fault_gap, self.faults)?;
        write!(f, "operations {:?}, return {:?}, ", self.operation_gap, self.return_policy)?;
        write!(f, "failback {}, start-up wait {:?}", self.failback, self.wait_for_servers)?;
        write!(f, ", fencing {:?}, witnesses {}, ", self.fencing, self.witnesses)?;
        write!(
            f,
            "aimed {} grudge {} bursts {} per mille, ",
            self.aimed, self.grudge, self.bursts
        )?;
        write!(f, "rich {}, partition {:?}", self.rich, self.on_partition)
    }
}
