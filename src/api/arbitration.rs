//! What arbiters promise: whether two parts can both be told to go on, and how long they take.
//!
//! The engine's safety rests on [`Combination::exclusive`]: it must never be true for a method by
//! which two halves of a cut could both go on at the same time. When in doubt it is false.

use std::time::Duration;

use super::kinds::{
    Arbiter, ArbiterType, ArbiterUse, Arbitration, ArbitrationType, ClusterSpec, CombinationRule,
    FencingFailure, LeaseStore,
};

/// Arbiters with the rule that makes one answer of theirs; without any, every part goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// What their answers make.
    pub rule: CombinationRule,
    /// The arbiters.
    pub arbiters: Vec<Arbiter>,
}

impl Combination {
    /// Whatever a Cluster names, in one form.
    #[must_use]
    pub fn of(spec: &Arbitration) -> Self {
        let one = |type_: ArbiterType| Arbiter {
            type_,
            ping: spec.ping.clone(),
            http: spec.http.clone(),
            lease: spec.lease.clone(),
            disk: spec.disk.clone(),
            serial: spec.serial.clone(),
            per_server: spec.per_server.clone(),
        };
        let arbiters = match spec.type_ {
            ArbitrationType::Majority => vec![one(ArbiterType::Majority)],
            ArbitrationType::Lease => vec![one(ArbiterType::Lease)],
            ArbitrationType::Disk => vec![one(ArbiterType::Disk)],
            ArbitrationType::Serial => vec![one(ArbiterType::Serial)],
            ArbitrationType::Ping => vec![one(ArbiterType::Ping)],
            ArbitrationType::HTTP => vec![one(ArbiterType::HTTP)],
            ArbitrationType::SerialDisk => {
                let both = spec.serial_disk.clone();
                let (serial, disk) =
                    both.map_or((None, None), |both| (Some(both.serial), Some(both.disk)));
                vec![
                    Arbiter { type_: ArbiterType::Serial, serial, ..Arbiter::default() },
                    Arbiter { type_: ArbiterType::Disk, disk, ..Arbiter::default() },
                ]
            }
            ArbitrationType::Combined => {
                spec.combined.as_ref().map_or_else(Vec::new, |combined| combined.arbiters.clone())
            }
            ArbitrationType::Monitors | ArbitrationType::Mirror | ArbitrationType::None => {
                Vec::new()
            }
        };
        let rule = spec.combined.as_ref().map_or(CombinationRule::All, |combined| combined.rule);
        Self { rule, arbiters }
    }

    /// Whether two parts of a divided cluster can never both be told to go on.
    ///
    /// *All*: each part that goes on was told so by every arbiter, thus by the exclusive one, and
    /// two parts were not. That needs the exclusive one to be asked on every server: a server that
    /// doesn't use it goes on without it.
    ///
    /// *Any* of two arbiters: one part holds the first, the other the second, and both go on; it
    /// does not help that both are exclusive. *InOrder*: the first can't be reached by one part,
    /// which asks the second and is told to go on; the other part reaches the first. So neither is
    /// exclusive unless there is but one arbiter, whatever its rule.
    #[must_use]
    pub fn exclusive(&self) -> bool {
        let everywhere = |arbiter: &Arbiter| {
            arbiter.per_server.iter().all(|server| server.use_ == ArbiterUse::Used)
        };
        let exclusive = |arbiter: &Arbiter| is_exclusive(arbiter.type_) && everywhere(arbiter);
        match self.rule {
            CombinationRule::All => self.arbiters.iter().any(exclusive),
            CombinationRule::Any | CombinationRule::InOrder => {
                self.arbiters.len() == 1 && self.arbiters.iter().all(exclusive)
            }
        }
    }

    /// Whether more than half of all configured servers are counted, which the engine does itself.
    #[must_use]
    pub fn majority(&self) -> bool {
        self.arbiters.iter().any(|arbiter| arbiter.type_ == ArbiterType::Majority)
    }

    /// The arbiters outside the engine.
    pub fn outside(&self) -> impl Iterator<Item = &Arbiter> {
        self.arbiters.iter().filter(|arbiter| arbiter.type_ != ArbiterType::Majority)
    }

    /// How long it may take from the first question until the answer is final.
    ///
    /// Arbiters that write are asked after those that only look, so that no part takes a lease
    /// which it can't use.
    #[must_use]
    pub fn budget(&self, timeout: Duration) -> Duration {
        let one = |arbiter: &Arbiter| self.budget_of(arbiter, timeout);
        let longest = |writes: bool| {
            let of_kind = self.outside().filter(|arbiter| writes_record(arbiter.type_) == writes);
            of_kind.map(one).max().unwrap_or_default()
        };
        match self.rule {
            CombinationRule::All => longest(false) + longest(true),
            CombinationRule::Any => self.outside().map(one).max().unwrap_or_default(),
            CombinationRule::InOrder => self.outside().map(one).sum(),
        }
    }

    /// How long one of the arbiters may take.
    #[must_use]
    pub fn budget_of(&self, arbiter: &Arbiter, timeout: Duration) -> Duration {
        match arbiter.type_ {
            // Counted, or known all the time.
            ArbiterType::Majority | ArbiterType::Serial => Duration::ZERO,
            ArbiterType::Ping => arbiter.ping.as_ref().map_or(Duration::ZERO, |ping| {
                Duration::from(ping.interval) + Duration::from(ping.timeout)
            }),
            ArbiterType::HTTP => arbiter.http.as_ref().map_or(Duration::ZERO, |http| {
                Duration::from(http.interval) + Duration::from(http.timeout)
            }),
            // The record of a dead holder lasts its time; then it is read and written once more.
            ArbiterType::Lease => arbiter.lease.as_ref().map_or(Duration::ZERO, |lease| {
                Duration::from(lease.ttl) + 2 * Duration::from(lease.timeout)
            }),
            ArbiterType::Disk => arbiter.disk.as_ref().map_or(Duration::ZERO, |disk| {
                let own = disk.io_timeout.into();
                // The window runs from the last sign of life, as the heartbeat time-out does.
                self.disk_window(timeout, own).saturating_sub(timeout) + own
            }),
        }
    }

    /// How long a server's slot on the disk must stand still until it counts as dead.
    ///
    /// Twice the heartbeat time-out or twice the disk's, whichever is longer; once where a serial
    /// line tells a dead peer from a cut, and the disk only sees to it that one goes on.
    #[must_use]
    pub fn disk_window(&self, timeout: Duration, io_timeout: Duration) -> Duration {
        let serial = self.rule == CombinationRule::All
            && self.arbiters.iter().any(|arbiter| arbiter.type_ == ArbiterType::Serial);
        let longer = timeout.max(io_timeout);
        if serial { longer } else { 2 * longer }
    }
}

/// Whether an arbiter, used on every server, tells at most one part at a time to go on.
#[must_use]
pub fn is_exclusive(type_: ArbiterType) -> bool {
    match type_ {
        ArbiterType::Majority | ArbiterType::Lease | ArbiterType::Disk => true,
        ArbiterType::Serial | ArbiterType::Ping | ArbiterType::HTTP => false,
    }
}

/// Whether asking it takes something that another part then lacks.
#[must_use]
pub fn writes_record(type_: ArbiterType) -> bool {
    match type_ {
        ArbiterType::Lease | ArbiterType::Disk => true,
        ArbiterType::Majority | ArbiterType::Serial | ArbiterType::Ping | ArbiterType::HTTP => {
            false
        }
    }
}

/// An arbiter's settings on one server.
impl Arbiter {
    /// Whether this server asks it.
    #[must_use]
    pub fn used_on(&self, server: &str) -> bool {
        let there = self.per_server.iter().find(|there| there.name == server);
        there.is_none_or(|there| there.use_ == ArbiterUse::Used)
    }

    /// The device on this server, where it is not the one of all.
    #[must_use]
    pub fn device_on<'a>(&'a self, server: &str, usual: &'a str) -> &'a str {
        let there = self.per_server.iter().find(|there| there.name == server);
        there.and_then(|there| there.device.as_deref()).unwrap_or(usual)
    }
}

/// What the manifest guarantees against two parts that act at once, and why: the condition
/// `SplitBrainSafe`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// Whether two parts can never both act.
    pub safe: bool,
    /// Id in the message catalogue.
    pub reason: &'static str,
    /// Why, in words.
    pub message: String,
}

impl Safety {
    /// What the arbiters of this Cluster guarantee.
    #[must_use]
    pub fn of(spec: &ClusterSpec) -> Self {
        let combination = Combination::of(&spec.arbitration);
        let servers = spec.servers.len();
        if servers == 1 {
            return Self::safe("one server has nobody to disagree with".to_owned());
        }
        if combination.exclusive() {
            return Self::safe(guarantee(&combination, servers));
        }
        match spec.fencing.as_ref().map(|fencing| fencing.on_failure) {
            Some(FencingFailure::Block) => {
                let message = "the arbiter may let both parts of a divided cluster act, but \
                               nothing is taken over before its server is certainly off";
                return Self::safe(message.to_owned());
            }
            Some(FencingFailure::Continue) => {
                let message = "the arbiter may let both parts of a divided cluster act, and what \
                               could not be fenced is taken over all the same \
                               (fencing.onFailure: Continue)";
                let message = message.to_owned();
                return Self { safe: false, reason: "SplitBrainUnsafe", message };
            }
            None => {}
        }
        let message = match spec.arbitration.type_ {
            ArbitrationType::Monitors => {
                "every part of a divided cluster acts until its partition monitors end it: it \
                 takes them that long, and a monitor that fails ends nothing"
                    .to_owned()
            }
            ArbitrationType::Mirror => {
                "every part of a divided cluster acts; the mirror shows afterwards that both wrote"
                    .to_owned()
            }
            ArbitrationType::None => {
                "without an arbiter every part of a divided cluster acts".to_owned()
            }
            ArbitrationType::Majority
            | ArbitrationType::Lease
            | ArbitrationType::Disk
            | ArbitrationType::Serial
            | ArbitrationType::SerialDisk
            | ArbitrationType::Ping
            | ArbitrationType::HTTP
            | ArbitrationType::Combined => weakness(&combination),
        };
        Self { safe: false, reason: "SplitBrainUnsafe", message }
    }

    fn safe(message: String) -> Self {
        Self { safe: true, reason: "SplitBrainSafe", message }
    }
}

/// What makes a combination exclusive.
fn guarantee(combination: &Combination, servers: usize) -> String {
    let used = |arbiter: &&Arbiter| {
        is_exclusive(arbiter.type_)
            && arbiter.per_server.iter().all(|server| server.use_ == ArbiterUse::Used)
    };
    let Some(arbiter) = combination.arbiters.iter().find(used) else { return String::new() };
    let alone = combination.arbiters.len() == 1;
    let word = match arbiter.type_ {
        ArbiterType::Majority => {
            format!("only more than half of {servers} servers can act as the cluster")
        }
        ArbiterType::Lease => {
            let store = arbiter.lease.as_ref().map_or("a store", |lease| store_words(lease.type_));
            format!("one part at a time holds the lease in {store}")
        }
        ArbiterType::Disk => {
            "one part at a time goes on by the slots on the shared disk".to_owned()
        }
        // Not exclusive, so never found above.
        ArbiterType::Serial | ArbiterType::Ping | ArbiterType::HTTP => String::new(),
    };
    if alone { word } else { format!("{word}, and all arbiters must agree") }
}

fn store_words(store: LeaseStore) -> &'static str {
    match store {
        LeaseStore::S3 => "S3",
        LeaseStore::AzureBlob => "Azure Blob Storage",
        LeaseStore::GCS => "Google Cloud Storage",
        LeaseStore::Etcd => "etcd",
        LeaseStore::Kubernetes => "Kubernetes",
    }
}

/// Why a combination with arbiters is not exclusive.
fn weakness(combination: &Combination) -> String {
    let exclusive = combination.arbiters.iter().any(|arbiter| is_exclusive(arbiter.type_));
    match (combination.rule, exclusive) {
        (CombinationRule::Any, _) if combination.arbiters.len() > 1 => {
            "one of several arbiters suffices: each part of a divided cluster may have one"
                .to_owned()
        }
        (CombinationRule::InOrder, _) if combination.arbiters.len() > 1 => {
            "when the first arbiter gives no answer the next one decides: each part of a divided \
             cluster may listen to another"
                .to_owned()
        }
        (CombinationRule::All | CombinationRule::Any | CombinationRule::InOrder, true) => {
            "a server that does not use the arbiter goes on without it".to_owned()
        }
        (CombinationRule::All | CombinationRule::Any | CombinationRule::InOrder, false) => {
            let words: Vec<&str> =
                combination.arbiters.iter().map(|arbiter| how_both(arbiter.type_)).collect();
            format!("both parts of a divided cluster may act: {}", words.join("; "))
        }
    }
}

/// How two parts may both be told to go on.
fn how_both(type_: ArbiterType) -> &'static str {
    match type_ {
        ArbiterType::Ping | ArbiterType::HTTP => "both may reach the target",
        ArbiterType::Serial => "the serial line may fail together with the network",
        // Exclusive: nothing to say.
        ArbiterType::Majority | ArbiterType::Lease | ArbiterType::Disk => "",
    }
}

#[cfg(test)]
mod tests;
