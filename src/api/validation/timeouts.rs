//! Time-outs that contradict each other, with the arithmetic (AZ-10).

use std::time::Duration;

use super::Set;
use crate::api::arbitration::Combination;
use crate::api::kinds::{
    self, ArbitrationType, ClusterSpec, FinalAction, MonitorSpec, MonitorType, RecoveryTargetKind,
    Watchdog, WatchdogMode,
};
use crate::api::problem::Problem;
use crate::api::timing::{TIMEOUT_MAX, Timing, watchdog_self_fence};

/// Grace of AZ-10: how long a machine may take from its decision to end until it has ended.
const GRACE: Duration = Duration::from_secs(30);
/// A check that may take this many times its interval hides what the interval promises.
const TIMEOUT_PER_INTERVAL_MAX: u32 = 10;

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    check_partition_monitors(set, problems);
    if let (Some(cluster), Some(name)) = (&set.cluster, set.clusters.first()) {
        problems.extend(check_watchdog(cluster).map(|problem| problem.of("Cluster", name)));
    }
    for (name, spec) in &set.monitors.specs {
        problems.extend(check_monitor(spec).map(|problem| problem.of("Monitor", name)));
    }
    for (name, spec) in &set.resources.specs {
        let Some(exec) = &spec.exec else { continue };
        if exec.command.is_none() || exec.termination_grace < spec.deactivation.timeout {
            continue;
        }
        let message = format!(
            "is too long: the deactivation would time out (after {}) before the command is killed",
            spec.deactivation.timeout
        );
        let problem = Problem::error("TimeoutsContradict", "spec.exec.terminationGrace", message)
            .of("Resource", name)
            .found(&exec.termination_grace.to_string().into())
            .detail(format!(
                "needed: terminationGrace {} < deactivation.timeout {}",
                exec.termination_grace, spec.deactivation.timeout
            ));
        problems.push(problem);
    }
}

/// A device's time-out is part of every takeover of a server that was lost.
fn check_watchdog(cluster: &ClusterSpec) -> Option<Problem> {
    let field = "spec.watchdog.timeout";
    let written = cluster.watchdog.timeout?;
    let found = written.to_string().into();
    let heartbeat: Duration = cluster.heartbeat.timeout.into();
    let seconds = cluster.watchdog.seconds(heartbeat);
    let whole = Duration::from_secs(seconds.into());
    if cluster.watchdog.mode == WatchdogMode::Off {
        let message = "has no effect: spec.watchdog.mode is Off";
        return Some(Problem::warning("WatchdogTimeoutUnused", field, message).found(&found));
    }
    if whole != Duration::from(written) {
        let message = format!("must be whole seconds; {} would do", text(whole));
        return Some(Problem::error("WatchdogTimeoutNotWhole", field, message).found(&found));
    }
    let shortest = Watchdog::default().seconds(heartbeat);
    if seconds <= shortest {
        return None;
    }
    let timing = Timing::derive(heartbeat, Combination::of(&cluster.arbitration).budget(heartbeat));
    let sum = |seconds: u32| {
        let fence = watchdog_self_fence(timing.lease, seconds);
        format!(
            "selfFence: lease {} + 2 × {} = {}; takeover after {} × 1.01 + {} = {}",
            text(timing.lease),
            text(Duration::from_secs(seconds.into())),
            text(fence),
            text(fence),
            text(timing.interval),
            text(timing.takeover_wait(fence)),
        )
    };
    Some(
        Problem::warning("WatchdogSlowsTakeover", field, "is longer than the heartbeat time-out")
            .found(&found)
            .detail(sum(seconds))
            .detail(format!(
                "with {}: {}",
                text(Duration::from_secs(shortest.into())),
                sum(shortest)
            )),
    )
}

/// A monitor that ends its server when it finds itself cut off: with arbitration `None` it is all
/// that keeps two halves from both being active, and it has to be done before the other takes over.
fn is_partition_monitor(spec: &MonitorSpec) -> bool {
    spec.type_ == MonitorType::Custom
        && spec.recovery.target.kind == RecoveryTargetKind::LocalServer
        && match spec.recovery.final_action {
            FinalAction::StopAgent | FinalAction::Shutdown | FinalAction::Reboot => true,
            FinalAction::None | FinalAction::StopResource | FinalAction::StopGroup => false,
        }
}

/// Checks in error before the monitor is in error.
fn tries(spec: &MonitorSpec) -> u32 {
    spec.retries.saturating_add(1)
}

/// Out-of-bounds values, which are reported elsewhere, get here too and must not end in a panic.
fn times(duration: Duration, count: u32) -> Duration {
    duration.checked_mul(count).unwrap_or(Duration::MAX)
}

pub(super) fn text(duration: Duration) -> String {
    kinds::Duration::from(duration).to_string()
}

fn check_partition_monitors(set: &Set, problems: &mut Vec<Problem>) {
    let (Some(cluster), Some(name)) = (&set.cluster, set.clusters.first()) else { return };
    let monitors: Vec<(&String, &MonitorSpec)> =
        set.monitors.specs.iter().filter(|(_, spec)| is_partition_monitor(spec)).collect();
    match cluster.arbitration.type_ {
        ArbitrationType::None => {}
        ArbitrationType::Monitors if monitors.is_empty() => {
            let message = "is `Monitors`, and no monitor ends a server that is cut off";
            let field = "spec.arbitration.type";
            problems.push(
                Problem::error("PartitionMonitorMissing", field, message)
                    .of("Cluster", name)
                    .detail("needed: a Custom monitor with target LocalServer and a final action"),
            );
        }
        ArbitrationType::Monitors => {}
        ArbitrationType::Majority
        | ArbitrationType::Lease
        | ArbitrationType::Disk
        | ArbitrationType::Serial
        | ArbitrationType::SerialDisk
        | ArbitrationType::Ping
        | ArbitrationType::HTTP
        | ArbitrationType::Combined
        | ArbitrationType::Mirror => return,
    }
    let timeout: Duration = cluster.heartbeat.timeout.into();
    let bare = |spec: &MonitorSpec| times(spec.interval.into(), tries(spec));
    let Some(most) = monitors.iter().map(|(_, spec)| bare(spec)).max() else { return };
    let needed = most.saturating_add(GRACE);
    if timeout < needed {
        let terms: Vec<String> = monitors
            .iter()
            .map(|(name, spec)| {
                let sum = text(bare(spec));
                format!("{name} {} × ({}+1) = {sum}", spec.interval, spec.retries)
            })
            .collect();
        let mut message = "is too short".to_owned();
        if needed > TIMEOUT_MAX {
            message.push_str(&format!(
                ", and more than {} is not possible: shorten the intervals",
                text(TIMEOUT_MAX)
            ));
        }
        problems.push(
            Problem::error("HeartbeatTimeoutTooShort", "spec.heartbeat.timeout", message)
                .of("Cluster", name)
                .found(&cluster.heartbeat.timeout.to_string().into())
                .detail(format!("partition monitors: {}   A = {}", terms.join(", "), text(most)))
                .detail("multi-target monitors: none   B = 0s")
                .detail(format!("grace   C = {}", text(GRACE)))
                .detail(format!(
                    "needed: A + B + C = {}. The standby would take over before the active one \
                     has shut down.",
                    text(needed)
                )),
        );
        return;
    }
    check_with_own_timeouts(&monitors, timeout, needed, name, problems);
}

/// A second sum: a check that hangs is in error only after its own time-out.
fn check_with_own_timeouts(
    monitors: &[(&String, &MonitorSpec)],
    timeout: Duration,
    needed: Duration,
    name: &str,
    problems: &mut Vec<Problem>,
) {
    let hung = |spec: &MonitorSpec| {
        times(Duration::from(spec.interval).saturating_add(spec.timeout.into()), tries(spec))
    };
    let slowest =
        monitors.iter().map(|(name, spec)| (hung(spec), *name, *spec)).max_by_key(|m| m.0);
    let Some((most, monitor, spec)) = slowest else { return };
    if timeout >= most.saturating_add(GRACE) {
        return;
    }
    let message = "is too short for checks that hang";
    problems.push(
        Problem::warning("HeartbeatTimeoutTight", "spec.heartbeat.timeout", message)
            .of("Cluster", name)
            .found(&text(timeout).into())
            .detail(format!("enough for checks that answer: {}", text(needed)))
            .detail(format!(
                "with its own time-out: {monitor} ({} + {}) × ({}+1) + grace {} = {}",
                spec.interval,
                spec.timeout,
                spec.retries,
                text(GRACE),
                text(most.saturating_add(GRACE))
            )),
    );
}

fn check_monitor(spec: &MonitorSpec) -> Option<Problem> {
    let (interval, timeout) = (Duration::from(spec.interval), Duration::from(spec.timeout));
    let asynchronous = spec
        .custom
        .as_ref()
        .is_some_and(|custom| custom.mode == crate::api::types::CustomMonitorMode::Asynchronous);
    if asynchronous || timeout <= times(interval, TIMEOUT_PER_INTERVAL_MAX) {
        return None;
    }
    let message = format!(
        "is long for a check every {}: one that hangs is noticed only after it",
        spec.interval
    );
    Some(
        Problem::warning("MonitorTimeoutLong", "spec.timeout", message)
            .found(&spec.timeout.to_string().into())
            .detail(format!(
                "a hang is an error after ({} + {}) × ({}+1) = {}",
                spec.interval,
                spec.timeout,
                spec.retries,
                text(times(interval.saturating_add(timeout), tries(spec)))
            )),
    )
}
