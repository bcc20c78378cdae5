//! Failover groups.

use super::{Set, check_repeated};
use crate::api::kinds::Automation;
use crate::api::problem::Problem;

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    for (name, spec) in &set.groups.specs {
        let mut found = check_repeated(&spec.servers, "spec.servers");
        for (index, server) in spec.servers.iter().enumerate() {
            found.extend(set.check_server(server, format!("spec.servers[{index}]")));
        }
        let alone = spec.servers.len() == 1 && set.servers.len() > 1;
        if alone && spec.failover == Automation::Automatic {
            let message = "names one server: when it is lost, the group has nowhere to go";
            found.push(Problem::warning("NowhereToGo", "spec.servers", message));
        }
        problems.extend(found.into_iter().map(|problem| problem.of("FailoverGroup", name)));
    }
}
