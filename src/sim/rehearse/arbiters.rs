//! The arbiters outside the cluster as a rehearsal plays them.
//!
//! Whatever keeps a record (lease, disk) is one record that lasts for a time; whatever is only asked
//! is there or is not. A serial line is taken to fail together with the network.

use std::time::Duration;

use crate::api::arbitration::Combination;
use crate::api::kinds::{Arbiter, ArbiterType, Arbitration, CombinationRule};

/// What can be away, one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arbiters {
    /// What can be away.
    pub(super) names: Vec<String>,
    /// How many of them stand in for each other: one that answers suffices. None or one: each is
    /// needed.
    pub(super) alternatives: usize,
    /// How long a record belongs to who wrote it last.
    pub(super) time_to_live: Option<Duration>,
}

impl Arbiters {
    pub(super) fn of(spec: &Arbitration, timeout: Duration) -> Self {
        let combination = Combination::of(spec);
        let outside: Vec<&Arbiter> = combination.outside().collect();
        let targets = match outside.as_slice() {
            [only] => only.ping.as_ref().map_or(&[][..], |ping| &ping.targets),
            _ => &[],
        };
        let names: Vec<String> = if targets.is_empty() {
            outside.iter().map(|arbiter| name(arbiter)).collect()
        } else {
            targets.iter().map(|target| format!("ping target {target}")).collect()
        };
        let all = combination.rule == CombinationRule::All && targets.is_empty();
        let lives = |arbiter: &&Arbiter| match arbiter.type_ {
            ArbiterType::Lease => arbiter.lease.as_ref().map(|lease| lease.ttl.into()),
            ArbiterType::Disk => arbiter
                .disk
                .as_ref()
                .map(|disk| combination.disk_window(timeout, disk.io_timeout.into())),
            ArbiterType::Majority | ArbiterType::Serial | ArbiterType::Ping | ArbiterType::HTTP => {
                None
            }
        };
        Self {
            alternatives: if all { 1 } else { names.len() },
            time_to_live: outside.iter().find_map(lives),
            names,
        }
    }
}

fn name(arbiter: &Arbiter) -> String {
    match arbiter.type_ {
        ArbiterType::Majority => "the majority".into(),
        ArbiterType::Lease => "the lease's store".into(),
        ArbiterType::Disk => "the arbiter's disk".into(),
        ArbiterType::Serial => "the serial line".into(),
        ArbiterType::Ping => "every ping target".into(),
        ArbiterType::HTTP => {
            let host = arbiter.http.as_ref().map_or("", |http| http.host.as_str());
            format!("web server {host} (arbitration)")
        }
    }
}
