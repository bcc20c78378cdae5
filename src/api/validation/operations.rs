//! Operations that are not begun.

use std::time::Duration;

use super::{Set, unknown};
use crate::api::kinds::{OperationSpec, OperationType};
use crate::api::problem::Problem;

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    for (name, spec) in &set.operations.specs {
        let found = check_operation(set, spec);
        problems.extend(found.into_iter().map(|problem| problem.of("Operation", name)));
    }
}

fn check_operation(set: &Set, spec: &OperationSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(group) = spec.group.as_ref().filter(|group| !set.groups.names.contains(*group)) {
        let known = &set.groups.names;
        problems.push(unknown("UnknownGroup", "group", group, "spec.group".to_owned(), known));
    }
    let Some(server) = &spec.server else { return problems };
    if let Some(problem) = set.check_server(server, "spec.server".to_owned()) {
        problems.push(problem);
        return problems;
    }
    let group = spec.group.as_ref().and_then(|group| Some((group, set.groups.specs.get(group)?)));
    match spec.type_ {
        OperationType::StartGroup | OperationType::MoveGroup => {
            if let Some((name, group)) = group.filter(|(_, group)| !group.servers.contains(server))
            {
                let message = format!(
                    "is not in the failover policy of {name}: it has {}",
                    group.servers.join(", ")
                );
                let problem = Problem::error("ServerNotInPolicy", "spec.server", message);
                problems.push(problem.found(&server.as_str().into()));
            }
        }
        OperationType::StopGroup | OperationType::FailoverGroup | OperationType::RestartGroup => {
            let message = "says nothing for this operation: leave it out";
            let problem = Problem::warning("FieldWithoutEffect", "spec.server", message);
            problems.push(problem.found(&server.as_str().into()));
        }
        OperationType::FenceServer => {
            let without = set.cluster.as_ref().is_some_and(|cluster| cluster.fencing.is_none());
            if without {
                let message = "can't be fenced: the Cluster has no `spec.fencing`";
                let problem = Problem::error("FencingNotConfigured", "spec.server", message);
                problems.push(problem.found(&server.as_str().into()));
            }
        }
        OperationType::PauseServer => problems.extend(too_long_a_pause(set, spec)),
        OperationType::DetachServer
        | OperationType::ReturnServer
        | OperationType::ConfirmServerDown
        | OperationType::ShutdownCluster => {}
    }
    problems
}

fn too_long_a_pause(set: &Set, spec: &OperationSpec) -> Option<Problem> {
    let longest = set.cluster.as_ref()?.heartbeat.pause_max;
    let asked = spec.duration.filter(|asked| Duration::from(*asked) > Duration::from(longest))?;
    let message = format!("is longer than heartbeat.pauseMax of the Cluster, {longest}");
    let problem = Problem::error("PauseTooLong", "spec.duration", message);
    Some(problem.found(&asked.to_string().into()))
}
