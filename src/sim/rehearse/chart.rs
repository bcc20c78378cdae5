//! What an outage was made of (CP-25): the cluster's own events divide it.
//!
//! The demo divides what its client measured by the same function, so that a rehearsed outage and a
//! real one can be compared part by part.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An event as far as a chart wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Nanoseconds on any one clock.
    pub at: u64,
    /// Id in the message catalogue.
    pub reason: &'a str,
    /// Kind of the object.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody has noticed yet.
    Detection,
    /// The servers agree on a view; the arbiter is asked.
    Arbitration,
    /// A server that has just started waits for the others.
    Startup,
    /// What the absent server may still hold.
    TakeoverWait,
    /// A monitor's or resource's own recovery decides.
    Recovery,
    /// A resource is being deactivated.
    Stop(String),
    /// A resource is being activated.
    Start(String),
    /// Clients are not sent there yet.
    Route,
    /// Nobody serves, and nothing is under way.
    Down,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detection => f.write_str("detection"),
            Self::Arbitration => f.write_str("view and arbitration"),
            Self::Startup => f.write_str("start-up wait"),
            Self::TakeoverWait => f.write_str("takeover wait"),
            Self::Recovery => f.write_str("recovery"),
            Self::Stop(resource) => write!(f, "stop of {resource}"),
            Self::Start(resource) => write!(f, "start of {resource}"),
            Self::Route => f.write_str("load balancer"),
            Self::Down => f.write_str("down"),
        }
    }
}

/// A stretch of time with what was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What.
    pub phase: Phase,
    /// From when.
    pub from: u64,
    /// Until when.
    pub to: u64,
}

/// Divides the time from one instant to another by the events of a group and its cluster.
/// `resources`: those of the group. Events are in the order of time.
#[must_use]
pub fn divide<'a>(
    from: u64,
    to: u64,
    group: &str,
    is_resource: impl Fn(&str) -> bool,
    marks: impl IntoIterator<Item = Mark<'a>>,
) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut phase = Phase::Detection;
    let mut since = from;
    for mark in marks.into_iter().filter(|mark| mark.at >= from && mark.at <= to) {
        let ours = match mark.kind {
            "FailoverGroup" => mark.name == group,
            "Resource" => is_resource(mark.name),
            _ => true,
        };
        let Some(next) = next(&phase, &mark).filter(|_| ours) else { continue };
        if mark.at > since {
            stretches.push(Stretch { phase, from: since, to: mark.at });
        }
        (phase, since) = (next, mark.at);
    }
    if to > since {
        stretches.push(Stretch { phase, from: since, to });
    }
    stretches
}

/// What is waited for after an event; none where it does not tell.
fn next(phase: &Phase, mark: &Mark<'_>) -> Option<Phase> {
    let idle = matches!(phase, Phase::Detection | Phase::Recovery | Phase::Down);
    let before_view = idle || matches!(phase, Phase::Arbitration);
    let resource = || mark.name.to_owned();
    match mark.reason {
        "ServerLost" | "AgentEnded" | "ViewProposed" if idle => Some(Phase::Arbitration),
        "ViewInstalled" if before_view => Some(Phase::TakeoverWait),
        "MonitorError" | "ResourceFailed" | "KeeperLost" | "ActivationFailed"
        | "ActivationTimedOut"
            if !matches!(phase, Phase::Arbitration | Phase::TakeoverWait) =>
        {
            Some(Phase::Recovery)
        }
        "StartupWaiting" => Some(Phase::Startup),
        "StartupComplete" if *phase == Phase::Startup => Some(Phase::Recovery),
        "ResourceStarting" => Some(Phase::Start(resource())),
        "ResourceStopping" => Some(Phase::Stop(resource())),
        "GroupFailed" | "GroupStopFailed" => Some(Phase::Recovery),
        "GroupOnline" | "OperationFailed" | "OperationSucceeded" => Some(Phase::Down),
        _ => None,
    }
}

/// The sum of each phase, in the order in which they first came.
#[must_use]
pub fn sums(stretches: &[Stretch]) -> Vec<(Phase, Duration)> {
    let mut order: Vec<Phase> = Vec::new();
    let mut sums: BTreeMap<Phase, u64> = BTreeMap::new();
    for stretch in stretches {
        if !sums.contains_key(&stretch.phase) {
            order.push(stretch.phase.clone());
        }
        *sums.entry(stretch.phase.clone()).or_default() += stretch.to - stretch.from;
    }
    let sum = |phase: Phase| {
        let nanoseconds = sums.get(&phase).copied().unwrap_or_default();
        (phase, Duration::from_nanos(nanoseconds))
    };
    order.into_iter().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(
        at: u64,
        reason: &'static str,
        kind: &'static str,
        name: &'static str,
    ) -> Mark<'static> {
        Mark { at, reason, kind, name }
    }

    #[test]
    fn the_parts_of_a_takeover_add_up_to_it() {
        let marks = [
            mark(90, "ResourceOnline", "Resource", "app"),
            mark(1100, "ServerLost", "Server", "vm1"),
            mark(1102, "ViewProposed", "Cluster", "c"),
            mark(1110, "ViewInstalled", "Cluster", "c"),
            mark(1500, "GroupGranted", "FailoverGroup", "web"),
            mark(1500, "ResourceStarting", "Resource", "app"),
            mark(1510, "ResourceStarting", "Resource", "foreign"),
            mark(1520, "ResourceOnline", "Resource", "app"),
            mark(1520, "ResourceStarting", "Resource", "probe"),
            mark(1522, "GroupOnline", "FailoverGroup", "web"),
        ];
        let stretches = divide(100, 1522, "web", |name| name != "foreign", marks);
        let parts: Vec<(String, u128)> = sums(&stretches)
            .into_iter()
            .map(|(phase, sum)| (phase.to_string(), sum.as_nanos()))
            .collect();
        let expected = [
            ("detection", 1000),
            ("view and arbitration", 10),
            ("takeover wait", 390),
            ("start of app", 20),
            ("start of probe", 2),
        ];
        let expected: Vec<(String, u128)> =
            expected.iter().map(|(phase, sum)| ((*phase).to_owned(), *sum)).collect();
        assert_eq!(parts, expected);
    }

    #[test]
    fn an_outage_that_nobody_noticed_is_all_detection() {
        let stretches = divide(10, 50, "web", |_| true, []);
        assert_eq!(sums(&stretches), [(Phase::Detection, Duration::from_nanos(40))]);
    }
}
