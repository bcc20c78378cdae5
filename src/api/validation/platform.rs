//! What a platform can't do (AW-15): each with what does it there.

use super::Set;
use crate::api::arbitration::Combination;
use crate::api::kinds::{
    ArbiterType, ClusterSpec, FencingMethod, FencingType, MonitorSpec, MonitorType,
    PlatformFeature, PlatformType, ResourceSpec, ResourceType,
};
use crate::api::problem::Problem;

/// Beginnings of names of fence agents that talk to a management controller.
const CONTROLLERS: [&str; 11] = [
    "fence_ipmi",
    "fence_ilo",
    "fence_idrac",
    "fence_drac",
    "fence_imm",
    "fence_rsa",
    "fence_cisco_ucs",
    "fence_redfish",
    "fence_hpblade",
    "fence_bladecenter",
    "fence_ibmblade",
];

pub(super) fn check(set: &Set, problems: &mut Vec<Problem>) {
    let Some(spec) = &set.cluster else { return };
    let Some(platform) = platform(set, spec) else { return };
    let mut found = Vec::new();
    let serial = |arbiter: &crate::api::kinds::Arbiter| arbiter.type_ == ArbiterType::Serial;
    if Combination::of(&spec.arbitration).arbiters.iter().any(serial) {
        let field = "spec.arbitration.type";
        found.extend(missing(spec, platform, PlatformFeature::SerialLine, field.to_owned()));
    }
    for (field, _) in methods(spec).filter(|(_, method)| is_controller(method)) {
        found.extend(missing(spec, platform, PlatformFeature::ManagementController, field));
    }
    let name = set.clusters.first().map_or("", String::as_str);
    problems.extend(found.into_iter().map(|problem| problem.of("Cluster", name)));
    for (name, resource) in &set.resources.specs {
        if resource.type_ == ResourceType::FloatingIP {
            let problem =
                missing(spec, platform, PlatformFeature::FloatingIP, "spec.type".to_owned());
            problems.extend(problem.map(|problem| problem.of("Resource", name)));
        }
    }
}

/// A cloud that rules something out; none: nothing is ruled out.
fn platform(set: &Set, spec: &ClusterSpec) -> Option<PlatformType> {
    let written = spec.platform.as_ref().and_then(|platform| platform.type_);
    let uses_aws = || {
        spec.aws.is_some()
            || methods(spec).any(|(_, method)| method.type_ == FencingType::AWS)
            || set.resources.specs.values().any(is_of_aws)
            || set.monitors.specs.values().any(watches_aws)
    };
    let platform = written.or_else(|| uses_aws().then_some(PlatformType::AWS))?;
    (platform != PlatformType::Other).then_some(platform)
}

fn is_of_aws(resource: &ResourceSpec) -> bool {
    match resource.type_ {
        ResourceType::AwsVirtualIP
        | ResourceType::AwsElasticIP
        | ResourceType::AwsSecondaryIP
        | ResourceType::AwsDNS => true,
        ResourceType::Exec | ResourceType::FloatingIP | ResourceType::ProbePort => false,
    }
}

fn watches_aws(monitor: &MonitorSpec) -> bool {
    matches!(monitor.type_, MonitorType::AwsAZ | MonitorType::AwsScheduledEvents)
}

/// Every method of fencing, with its field.
fn methods(spec: &ClusterSpec) -> impl Iterator<Item = (String, &FencingMethod)> {
    let levels = spec.fencing.iter().flat_map(|fencing| &fencing.levels).enumerate();
    levels.flat_map(|(level, of)| {
        of.methods.iter().enumerate().map(move |(method, own)| {
            (format!("spec.fencing.levels[{level}].methods[{method}].fenceAgent.agent"), own)
        })
    })
}

fn is_controller(method: &FencingMethod) -> bool {
    let agent = method.fence_agent.as_ref().map(|own| own.agent.as_str()).unwrap_or_default();
    let name = agent.rsplit('/').next().unwrap_or_default();
    CONTROLLERS.iter().any(|beginning| name.starts_with(beginning))
}

fn missing(
    spec: &ClusterSpec,
    platform: PlatformType,
    feature: PlatformFeature,
    field: String,
) -> Option<Problem> {
    let exceptions = spec.platform.iter().flat_map(|platform| &platform.exceptions);
    if exceptions.into_iter().any(|exception| exception.feature == feature) {
        return None;
    }
    let is_aws = platform == PlatformType::AWS;
    let instead = match feature {
        PlatformFeature::FloatingIP if is_aws => {
            "use AwsVirtualIP, AwsElasticIP, AwsSecondaryIP or AwsDNS"
        }
        PlatformFeature::FloatingIP => "use a ProbePort behind the platform's load balancer",
        PlatformFeature::SerialLine => "use a Lease, Majority with a witness, or HTTP",
        PlatformFeature::ManagementController if is_aws => "use fencing of `type: AWS`",
        PlatformFeature::ManagementController => "use an agent that asks the platform's API",
    };
    let what = match feature {
        PlatformFeature::FloatingIP => "an address announced by ARP, which reaches nobody there",
        PlatformFeature::SerialLine => "a serial line",
        PlatformFeature::ManagementController => "a machine's management controller",
    };
    let message = format!(
        "needs {what}, and {platform:?} has none: {instead}; where it works here all the same, say \
         why in `platform.exceptions` of the Cluster ({{feature: {feature:?}, reason: ...}})"
    );
    Some(Problem::error("PlatformCannot", field, message))
}
