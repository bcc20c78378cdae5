//! Monitors: what they watch, what they recover, and the names that are not theirs.

use std::collections::BTreeMap;

use super::{Set, aws, check_repeated, resources, unknown};
use crate::api::kinds::{
    FinalAction, MonitorSpec, MonitorTiming, MonitorType, RecoveryTargetKind, ResourceType,
};
use crate::api::problem::Problem;
use crate::api::types::{AUTOMATIC_SUFFIXES, automatic_monitor_specs};

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    for (name, spec) in &set.monitors.specs {
        let mut found = Vec::new();
        check_places(set, spec, &mut found);
        check_subject(set, spec, &mut found);
        aws::check_monitor(set, spec, &mut found);
        check_recovery(set, spec, &mut found);
        check_name(set, name, spec, &mut found);
        if let Some(custom) = &spec.custom {
            if custom.command.first().is_some_and(String::is_empty) {
                let message = "is empty: the first word is the program";
                found.push(Problem::error("InvalidCommand", "spec.custom.command[0]", message));
            }
            found.extend(check_environment(&custom.environment, "spec.custom.environment"));
        }
        problems.extend(found.into_iter().map(|problem| problem.of("Monitor", name)));
    }
}

fn check_places(set: &Set, spec: &MonitorSpec, problems: &mut Vec<Problem>) {
    if let Some(servers) = &spec.servers {
        problems.extend(check_repeated(servers, "spec.servers"));
        for (index, server) in servers.iter().enumerate() {
            problems.extend(set.check_server(server, format!("spec.servers[{index}]")));
        }
    }
    let Some(resource) = &spec.while_active else { return };
    if !set.resources.names.contains(resource) {
        let field = "spec.whileActive".to_owned();
        let known = &set.resources.names;
        problems.push(unknown("UnknownResource", "resource", resource, field, known));
        return;
    }
    let Some(group) = set.resources.specs.get(resource).map(|spec| set.servers_of(spec)) else {
        return;
    };
    let meets = |servers: &Vec<String>| servers.iter().any(|server| group.contains(server));
    if !group.is_empty() && spec.servers.as_ref().is_some_and(|servers| !meets(servers)) {
        let message = format!(
            "never monitors: {resource} is never active on any of these; its group has {}",
            group.join(", ")
        );
        problems.push(Problem::warning("NeverMonitors", "spec.servers", message));
    }
}

/// Some monitors are about a resource of one type.
fn check_subject(set: &Set, spec: &MonitorSpec, problems: &mut Vec<Problem>) {
    if let (Some(resource), Some((field, wanted))) = (spec.subject(), subject_of(spec.type_)) {
        if !set.resources.names.contains(resource) {
            let known = &set.resources.names;
            let field = field.to_owned();
            problems.push(unknown("UnknownResource", "resource", resource, field, known));
        } else if let Some(other) = set.resources.specs.get(resource)
            && other.type_ != wanted
        {
            let message = format!(
                "is a resource of type {}: this monitor is for one of type {}",
                resources::type_name(other.type_),
                resources::type_name(wanted)
            );
            let problem = Problem::error("WrongResourceType", field, message);
            problems.push(problem.found(&resource.into()));
        }
    }
    if spec.load_balance.is_some() && spec.timing == MonitorTiming::WhileActive {
        let message = "contradicts `type: LoadBalance`, which monitors where its resource is not \
                       active: write Always";
        let problem = Problem::error("TimingContradiction", "spec.timing", message);
        problems.push(problem.found(&"WhileActive".into()));
    }
}

fn check_recovery(set: &Set, spec: &MonitorSpec, problems: &mut Vec<Problem>) {
    let target = &spec.recovery.target;
    let known = match target.kind {
        RecoveryTargetKind::Resource => Some(("UnknownResource", "resource", &set.resources.names)),
        RecoveryTargetKind::Group => Some(("UnknownGroup", "group", &set.groups.names)),
        RecoveryTargetKind::AllGroups | RecoveryTargetKind::LocalServer => None,
    };
    if let (Some((code, what, names)), Some(name)) = (known, &target.name)
        && !names.contains(name)
    {
        let field = "spec.recovery.target.name".to_owned();
        problems.push(unknown(code, what, name, field, names));
    }
    let needed = match (spec.recovery.final_action, target.kind) {
        (FinalAction::StopResource, RecoveryTargetKind::Resource)
        | (
            FinalAction::StopGroup,
            RecoveryTargetKind::Resource
            | RecoveryTargetKind::Group
            | RecoveryTargetKind::AllGroups,
        )
        | (
            FinalAction::None
            | FinalAction::StopAgent
            | FinalAction::Shutdown
            | FinalAction::Reboot,
            _,
        ) => None,
        (FinalAction::StopResource, _) => Some(("StopResource", "a target of kind Resource")),
        (FinalAction::StopGroup, RecoveryTargetKind::LocalServer) => {
            Some(("StopGroup", "a target of kind Resource, Group or AllGroups"))
        }
    };
    if let Some((action, target)) = needed {
        let message = format!("needs {target}: with this one there is nothing to stop");
        let problem =
            Problem::error("FinalActionNeedsTarget", "spec.recovery.finalAction", message);
        problems.push(problem.found(&action.into()));
    }
    let script = spec.recovery.script.as_ref();
    if script.is_some_and(|script| script.command.first().is_some_and(String::is_empty)) {
        let message = "is empty: the first word is the program";
        problems.push(Problem::error("InvalidCommand", "spec.recovery.script.command[0]", message));
    }
    if script.is_some() && spec.recovery.script_runs == 0 {
        let message = "never runs: `scriptRuns` is 0";
        problems.push(Problem::warning("FieldWithoutEffect", "spec.recovery.script", message));
    }
}

/// A name with an automatic monitor's suffix belongs to the monitor of that resource: an object
/// with it takes the automatic one's place, and must be of its type.
fn check_name(set: &Set, name: &str, spec: &MonitorSpec, problems: &mut Vec<Problem>) {
    let Some((resource, suffix)) =
        AUTOMATIC_SUFFIXES.iter().find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)))
    else {
        return;
    };
    let automatic = set.resources.specs.get(resource).and_then(|owner| {
        automatic_monitor_specs(resource, owner).into_iter().find(|(monitor, _)| monitor == name)
    });
    let found = &name.into();
    match automatic {
        Some((_, automatic)) if automatic.type_ != spec.type_ => {
            let message = format!(
                "is the name of the automatic monitor of resource {resource}: what takes its place \
                 must be of `type: {}`; else choose another name",
                type_name(automatic.type_)
            );
            problems.push(Problem::error("ReservedName", "metadata.name", message).found(found));
        }
        Some((_, automatic)) => {
            if automatic.subject() != spec.subject() {
                let message = format!(
                    "is the name of the automatic monitor of resource {resource}, and this one is \
                     about another: choose another name"
                );
                problems
                    .push(Problem::error("ReservedName", "metadata.name", message).found(found));
            }
        }
        None => {
            let message = format!(
                "ends in `{suffix}`, as automatic monitors do: a resource {resource} that is made \
                 later would get this one for its own"
            );
            problems.push(Problem::warning("ReservedName", "metadata.name", message).found(found));
        }
    }
}

fn type_name(type_: MonitorType) -> &'static str {
    match type_ {
        MonitorType::TCP => "TCP",
        MonitorType::Custom => "Custom",
        MonitorType::ProbePort => "ProbePort",
        MonitorType::LoadBalance => "LoadBalance",
        MonitorType::AwsVirtualIP => "AwsVirtualIP",
        MonitorType::AwsElasticIP => "AwsElasticIP",
        MonitorType::AwsSecondaryIP => "AwsSecondaryIP",
        MonitorType::AwsDNS => "AwsDNS",
        MonitorType::AwsAZ => "AwsAZ",
        MonitorType::AwsScheduledEvents => "AwsScheduledEvents",
    }
}

/// The field that names the resource which a monitor of this type is about, and that one's type.
fn subject_of(type_: MonitorType) -> Option<(&'static str, ResourceType)> {
    match type_ {
        MonitorType::TCP
        | MonitorType::Custom
        | MonitorType::AwsAZ
        | MonitorType::AwsScheduledEvents => None,
        MonitorType::ProbePort => Some(("spec.probePort.resource", ResourceType::ProbePort)),
        MonitorType::LoadBalance => Some(("spec.loadBalance.resource", ResourceType::ProbePort)),
        MonitorType::AwsVirtualIP => {
            Some(("spec.awsVirtualIP.resource", ResourceType::AwsVirtualIP))
        }
        MonitorType::AwsElasticIP => {
            Some(("spec.awsElasticIP.resource", ResourceType::AwsElasticIP))
        }
        MonitorType::AwsSecondaryIP => {
            Some(("spec.awsSecondaryIP.resource", ResourceType::AwsSecondaryIP))
        }
        MonitorType::AwsDNS => Some(("spec.awsDNS.resource", ResourceType::AwsDNS)),
    }
}

/// Names of environment variables.
pub(super) fn check_environment(
    environment: &BTreeMap<String, String>,
    field: &str,
) -> Vec<Problem> {
    let faulty = |name: &&String| {
        let digit_first = name.starts_with(|c: char| c.is_ascii_digit());
        name.is_empty()
            || digit_first
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let names = environment.keys().filter(faulty).map(|name| {
        let message = "is not the name of a variable: letters, digits and `_`, no digit first";
        Problem::error("InvalidName", format!("{field}.{name}"), message)
    });
    let values = environment.iter().filter(|(_, value)| value.contains('\0')).map(|(name, _)| {
        let message = "holds a NUL character, which no variable can";
        Problem::error("InvalidValue", format!("{field}.{name}"), message)
    });
    names.chain(values).collect()
}
