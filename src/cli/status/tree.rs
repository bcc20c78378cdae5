//! The tree that `stead status` prints.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::Snapshot;
use crate::api::kinds::{
    Cluster, Condition, ConditionStatus, FailoverGroup, GroupState, Monitor, MonitorServerStatus,
    MonitorState, OperationState, Resource, ResourceState, Server, ServerState,
};
use crate::cli::output::age;

/// All of it.
pub(super) fn render(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut out = String::new();
    for cluster in &snapshot.clusters {
        out.push_str(&cluster_line(cluster));
        out.push('\n');
        out.push_str(&servers(cluster, &snapshot.servers, now));
    }
    if snapshot.clusters.is_empty() {
        out.push_str("there is no Cluster yet\n");
    }
    let mut shown = BTreeSet::new();
    for group in &snapshot.groups {
        out.push('\n');
        out.push_str(&group_tree(group, snapshot, now, &mut shown));
    }
    let others: Vec<&Monitor> =
        snapshot.monitors.iter().filter(|monitor| !shown.contains(&monitor.name_any())).collect();
    if !others.is_empty() {
        out.push_str("\n  monitors\n");
        for monitor in others {
            out.push_str(&format!("  - {}\n", monitor_text(monitor, None)));
        }
    }
    let warnings = warnings(snapshot);
    if !warnings.is_empty() {
        out.push('\n');
        out.push_str(&warnings);
    }
    out
}

fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn cluster_line(cluster: &Cluster) -> String {
    let status = cluster.status.clone().unwrap_or_default();
    let ready = condition(&status.conditions, "Ready").map(|ready| ready.status);
    let degraded = condition(&status.conditions, "Degraded")
        .is_some_and(|degraded| degraded.status == ConditionStatus::True);
    let state = match ready {
        Some(ConditionStatus::True) if degraded => "DEGRADED",
        Some(ConditionStatus::True) => "OK",
        Some(ConditionStatus::False) => "NOT READY",
        Some(ConditionStatus::Unknown) | None => "UNKNOWN",
    };
    let mut parts = vec![cluster.name_any(), state.to_owned()];
    match status.servers.split_once('/') {
        Some((members, all)) => parts.push(format!("{members} of {all} servers")),
        None => parts.push(format!("{} servers", cluster.spec.servers.len())),
    }
    match &status.leader {
        Some(leader) => parts.push(format!("leader {leader}   term {}", status.term)),
        None => parts.push("no leader".into()),
    }
    if let Some(timing) = &status.timing {
        parts.push(format!("time-out {}, lease {}", timing.timeout, timing.lease));
    }
    parts.push(format!("arbitration {:?}", cluster.spec.arbitration.type_));
    if !status.arbiter.is_empty() {
        parts.push(status.arbiter.clone());
    }
    if let Some(safe) = condition(&status.conditions, "SplitBrainSafe") {
        parts.push(match safe.status {
            ConditionStatus::True => "split-brain safe: yes".into(),
            ConditionStatus::False => {
                format!("split-brain safe: NO ({}: stead explain {})", safe.message, safe.reason)
            }
            ConditionStatus::Unknown => "split-brain safe: unknown".into(),
        });
    }
    parts.join("   ") + "\n"
}

/// The servers in the order of their priority.
fn servers(cluster: &Cluster, servers: &[Server], now: Timestamp) -> String {
    let position = |server: &Server| {
        let name = server.name_any();
        cluster.spec.servers.iter().position(|listed| listed.name == name)
    };
    let mut sorted: Vec<&Server> = servers.iter().collect();
    sorted.sort_by_key(|server| (position(server).unwrap_or(usize::MAX), server.name_any()));
    let rows: Vec<Vec<String>> = sorted.iter().map(|server| server_row(server, now)).collect();
    aligned(&rows, "  ")
}

fn server_row(server: &Server, now: Timestamp) -> Vec<String> {
    let status = server.status.clone().unwrap_or_default();
    let state = match status.state {
        ServerState::Online => "Online",
        ServerState::Out => "Out",
        ServerState::Lost => "LOST",
        ServerState::Unknown => "Unknown",
    };
    let mut row = vec![server.name_any(), state.to_owned()];
    if status.state == ServerState::Lost {
        row.push(status.message);
        return row;
    }
    row.push(paths(&status, now));
    row.push(match status.keeper.as_str() {
        "" => String::new(),
        keeper => format!("keeper {keeper}"),
    });
    row.push(match (status.self_fence.as_str(), status.watchdog.as_str()) {
        // A keeper that does not answer says it already.
        ("None", watchdog) if status.keeper == "ok" => format!("NOT FREED BY TIME ({watchdog})"),
        (_, "" | "unknown") => String::new(),
        (_, watchdog) if watchdog.starts_with("none") => String::new(),
        (_, watchdog) => format!("watchdog {watchdog}"),
    });
    row.push(match status.clock_offset_milliseconds {
        0 => String::new(),
        offset => {
            let sign = if offset < 0 { '-' } else { '+' };
            let offset = offset.unsigned_abs();
            format!("clock {sign}{}.{:03} s", offset / 1000, offset % 1000)
        }
    });
    row.push(match status.version.as_str() {
        "" => String::new(),
        version => format!("v{}", version.trim_start_matches('v')),
    });
    row.push(status.message);
    row
}

/// Each path once: its slowest round trip, and to whom it is lost.
fn paths(status: &crate::api::kinds::ServerStatus, now: Timestamp) -> String {
    let names: BTreeSet<&str> = status.paths.iter().map(|path| path.path.as_str()).collect();
    let one = |name: &str| {
        let on_path = || status.paths.iter().filter(|path| path.path == name);
        let lost: Vec<String> = on_path()
            .filter(|path| !path.up)
            .map(|path| {
                let since = path.since.as_deref().map(|since| age(since, now));
                format!("{} {}", path.peer, since.unwrap_or_default()).trim_end().to_owned()
            })
            .collect();
        if !lost.is_empty() {
            return format!("{name} LOST to {}", lost.join(", "));
        }
        match on_path().filter_map(|path| path.round_trip_microseconds).max() {
            Some(microseconds) => {
                format!("{name} {}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
            }
            None => format!("{name} up"),
        }
    };
    names.into_iter().map(one).collect::<Vec<_>>().join("   ")
}

/// Rows in columns; empty cells at the end take no place.
fn aligned(rows: &[Vec<String>], indent: &str) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| column + 1 < row.len());
        cells.filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (cell, width) in row.iter().zip(&widths) {
            if *width == 0 && cell.is_empty() {
                continue;
            }
            line.push_str(cell);
            let padding = width.saturating_sub(cell.chars().count()) + 3;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn group_tree(
    group: &FailoverGroup,
    snapshot: &Snapshot,
    now: Timestamp,
    shown: &mut BTreeSet<String>,
) -> String {
    let name = group.name_any();
    let status = group.status.clone().unwrap_or_default();
    let mut line = format!("  {name}   {}", group_state(status.state));
    if let Some(server) = &status.server {
        line.push_str(&format!(" on {server}"));
    }
    if let Some(since) = &status.since {
        line.push_str(&format!(" for {}", age(since, now)));
    }
    if let Some(last) = &status.last_failover {
        let ago = age(&last.time, now);
        line.push_str(&format!("   last failover: {ago} ago, {} (stead why {name})", last.text));
    }
    if !status.message.is_empty() {
        line.push_str(&format!("   {}", status.message));
    }
    let mut out = line.trim_end().to_owned() + "\n";
    let resources = in_order(&snapshot.resources, &name);
    let rows: Vec<Vec<String>> = resources
        .iter()
        .enumerate()
        .map(|(index, resource)| {
            let branch = if index + 1 == resources.len() { "└─" } else { "├─" };
            let monitors: Vec<String> = snapshot
                .monitors
                .iter()
                .filter(|monitor| belongs(monitor, &resource.name_any()))
                .map(|monitor| {
                    shown.insert(monitor.name_any());
                    monitor_text(monitor, status.server.as_deref())
                })
                .collect();
            let monitors = match monitors.is_empty() {
                true => String::new(),
                false => format!("monitors: {}", monitors.join(" · ")),
            };
            let status = resource.status.clone().unwrap_or_default();
            let state = resource_state(status.state).to_owned();
            vec![format!("{branch} {}", resource.name_any()), state, status.message, monitors]
        })
        .collect();
    out.push_str(&aligned(&rows, "  "));
    out
}

fn group_state(state: GroupState) -> &'static str {
    match state {
        GroupState::Offline => "Offline",
        GroupState::Starting => "Starting",
        GroupState::Online => "Online",
        GroupState::Degraded => "DEGRADED",
        GroupState::Stopping => "Stopping",
        GroupState::Failed => "FAILED",
        GroupState::Unknown => "Unknown",
    }
}

fn resource_state(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Offline => "Offline",
        ResourceState::Starting => "Starting",
        ResourceState::Online => "Online",
        ResourceState::Stopping => "Stopping",
        ResourceState::Failed => "FAILED",
        ResourceState::StopFailed => "STOP FAILED",
        ResourceState::Unknown => "Unknown",
    }
}

/// The group's resources in the order of their activation. A probe port that names no dependencies
/// depends on all others.
fn in_order<'a>(resources: &'a [Resource], group: &str) -> Vec<&'a Resource> {
    let mut waiting: Vec<&Resource> =
        resources.iter().filter(|resource| resource.spec.group == group).collect();
    waiting.sort_by_key(|resource| {
        let last = resource.spec.probe_port.is_some() && resource.spec.depends_on.is_none();
        (last, resource.name_any())
    });
    let mut ordered: Vec<&Resource> = Vec::new();
    while !waiting.is_empty() {
        let done = |name: &String| {
            ordered.iter().any(|resource| resource.name_any() == *name)
                || !waiting.iter().any(|resource| resource.name_any() == *name)
        };
        let next =
            waiting.iter().position(|resource| resource.spec.depends_on.iter().flatten().all(done));
        // A circle can't be stored; shown all the same, it must not hang the tree.
        let next = waiting.remove(next.unwrap_or(0));
        ordered.push(next);
    }
    ordered
}

/// Whether a monitor watches, follows or recovers a resource.
fn belongs(monitor: &Monitor, resource: &str) -> bool {
    let spec = &monitor.spec;
    let watched =
        spec.subject().or(spec.recovery.target.name.as_deref()).or(spec.while_active.as_deref());
    watched == Some(resource)
}

/// `app-port ok 12 ms`, from the group's server where it has one, else from the worst.
fn monitor_text(monitor: &Monitor, server: Option<&str>) -> String {
    let name = monitor.name_any();
    let status = monitor.status.clone().unwrap_or_default();
    let monitoring = |entry: &&MonitorServerStatus| entry.state != MonitorState::Suspended;
    let entry = status
        .servers
        .iter()
        .find(|entry| entry.state == status.state && entry.state == MonitorState::Error)
        .or_else(|| {
            let here = status.servers.iter().filter(monitoring);
            here.clone().find(|entry| Some(entry.server.as_str()) == server).or(here.clone().next())
        });
    let Some(entry) = entry else {
        return format!("{name} {}", monitor_state(status.state));
    };
    let mut text = format!("{name} {}", monitor_state(entry.state));
    if entry.state == MonitorState::Normal && entry.milliseconds > 0 {
        text.push_str(&format!(" {} ms", entry.milliseconds));
    }
    if Some(entry.server.as_str()) != server {
        text.push_str(&format!(" ({})", entry.server));
    }
    text
}

fn monitor_state(state: MonitorState) -> &'static str {
    match state {
        MonitorState::Normal => "ok",
        MonitorState::Warning => "WARNING",
        MonitorState::Error => "ERROR",
        MonitorState::Suspended => "suspended",
        MonitorState::Unknown => "unknown",
    }
}

/// What is not as it should be, and what is under way.
fn warnings(snapshot: &Snapshot) -> String {
    let mut rows = Vec::new();
    for object in &snapshot.clusters {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
        warn(&mut rows, "Cluster", &object.name_any(), conditions.unwrap_or_default());
    }
    for object in &snapshot.servers {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
        warn(&mut rows, "Server", &object.name_any(), conditions.unwrap_or_default());
    }
    for object in &snapshot.groups {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
        warn(&mut rows, "FailoverGroup", &object.name_any(), conditions.unwrap_or_default());
    }
    for object in &snapshot.resources {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
        warn(&mut rows, "Resource", &object.name_any(), conditions.unwrap_or_default());
    }
    for object in &snapshot.monitors {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
        warn(&mut rows, "Monitor", &object.name_any(), conditions.unwrap_or_default());
    }
    for operation in &snapshot.operations {
        let status = operation.status.clone().unwrap_or_default();
        match status.state {
            OperationState::Pending | OperationState::Running => rows.push(vec![
                "Operation".into(),
                format!("{}: {}", operation.name_any(), status.message),
                format!("{:?}", status.state),
            ]),
            OperationState::Succeeded | OperationState::Failed | OperationState::Superseded => {}
        }
    }
    aligned(&rows, "  ")
}

/// Conditions that say something is wrong. `SplitBrainSafe` has its place in the first line.
fn warn(rows: &mut Vec<Vec<String>>, kind: &str, name: &str, conditions: &[Condition]) {
    // What has no words of its own, for example a resource of a group that is stopped, follows
    // from something that has.
    for condition in conditions.iter().filter(|condition| !condition.message.is_empty()) {
        let wrong = matches!(
            (condition.type_.as_str(), condition.status),
            ("Ready", ConditionStatus::False | ConditionStatus::Unknown)
                | ("Degraded" | "Stalled" | "RestartPending", ConditionStatus::True)
        );
        let words = format!("{kind}/{name}: {}", condition.message);
        // The same words under two conditions are said once.
        if wrong && !rows.iter().any(|row| row.get(1) == Some(&words)) {
            rows.push(vec!["Warning".into(), words, condition.reason.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(kind: &str, name: &str, spec: Value, status: Value) -> Value {
        json!({
            "apiVersion": "stead.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": spec, "status": status,
        })
    }

    fn list(items: Vec<Value>) -> Value {
        json!({"items": items})
    }

    fn ready(status: &str, reason: &str, message: &str) -> Value {
        json!([{
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }])
    }

    fn snapshot() -> Snapshot {
        let server = |name: &str, state: &str, up: bool| {
            let path = json!({
                "peer": "other", "path": "lan1", "up": up, "roundTripMicroseconds": 412,
                "since": "2026-01-01T00:57:00Z",
            });
            let status = json!({
                "state": state, "keeper": "ok", "version": "0.1.0", "paths": [path],
                "conditions": ready("True", "ServerReady", ""),
            });
            object("Server", name, json!({}), status)
        };
        let address = json!({"lan1": "10.0.0.1"});
        let cluster = json!({"servers": [
            {"name": "node2", "addresses": address}, {"name": "node1", "addresses": address},
        ]});
        let cluster_status = json!({
            "servers": "2/2", "leader": "node1", "term": 7,
            "conditions": ready("True", "ClusterReady", ""),
        });
        let group_status = json!({
            "state": "Online", "server": "node1", "since": "2026-01-01T00:00:00Z",
            "conditions": ready("True", "GroupOnline", ""),
        });
        let app = json!({"group": "web", "type": "Exec", "exec": {"command": ["/bin/app"]}});
        let port = json!({
            "group": "web", "type": "ProbePort", "probePort": {"port": 26001}, "dependsOn": ["app"],
        });
        let online = |message: &str| json!({"state": "Online", "message": message});
        let failed = json!({
            "state": "Failed", "message": "exit code 1",
            "conditions": ready("False", "ResourceFailed", "app ended with exit code 1"),
        });
        let monitor = json!({
            "type": "TCP", "tcp": {"port": 8080},
            "recovery": {"target": {"kind": "Resource", "name": "app"}},
        });
        let monitor_status = json!({"state": "Normal", "servers": [
            {"server": "node2", "state": "Suspended"},
            {"server": "node1", "state": "Normal", "milliseconds": 12},
        ]});
        Snapshot::read(&[
            list(vec![object("Cluster", "cluster1", cluster, cluster_status)]),
            list(vec![server("node1", "Online", true), server("node2", "Online", false)]),
            list(vec![object("FailoverGroup", "web", json!({"servers": ["node1"]}), group_status)]),
            list(vec![
                object("Resource", "a-port", port, online(":26001")),
                object("Resource", "app", app, failed),
            ]),
            list(vec![object("Monitor", "app-port", monitor, monitor_status)]),
            list(vec![]),
        ])
        .unwrap()
    }

    #[test]
    fn the_tree_shows_servers_by_priority_and_resources_by_dependency() {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let tree = render(&snapshot(), now);
        let expected = "\
cluster1   OK   2 of 2 servers   leader node1   term 7   arbitration Majority

  node2   Online   lan1 LOST to other 3m   keeper ok   v0.1.0
  node1   Online   lan1 0.4 ms             keeper ok   v0.1.0

  web   Online on node1 for 1h
  ├─ app      FAILED   exit code 1   monitors: app-port ok 12 ms
  └─ a-port   Online   :26001

  Warning   Resource/app: app ended with exit code 1   ResourceFailed
";
        assert_eq!(tree, expected);
    }

    #[test]
    fn an_empty_cluster_is_said_to_be_so() {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        assert_eq!(render(&Snapshot::default(), now), "there is no Cluster yet\n");
    }
}
