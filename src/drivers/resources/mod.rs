//! Drivers of resources.

use crate::api::kinds::ResourceType;
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

#[cfg(feature = "aws")]
pub mod aws;
pub mod exec;
pub mod floating_ip;
pub mod probe_port;

/// Stops or probes a resource when there is no keeper, and nothing left of what one had held; none
/// where that has to wait for the next keeper.
pub async fn without_keeper(
    host: &Host,
    action: ResourceAction,
    context: &ResourceContext,
) -> Option<Outcome> {
    match (context.spec.type_, &context.spec.exec) {
        // What a script did beside its processes its stop script must undo.
        (ResourceType::Exec, Some(exec)) if exec.command.is_some() => {
            exec::forget(host, context).await;
            Some(Outcome::Absent)
        }
        (ResourceType::Exec, _) => None,
        (ResourceType::ProbePort, _) => Some(Outcome::Absent),
        // They look at the interfaces, or at what is outside of the machine, themselves.
        (
            ResourceType::FloatingIP
            | ResourceType::AwsVirtualIP
            | ResourceType::AwsElasticIP
            | ResourceType::AwsSecondaryIP
            | ResourceType::AwsDNS,
            _,
        ) => Some(run(host, action, context).await),
    }
}

/// Starts, stops or probes a resource.
pub async fn run(host: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
    let type_ = context.spec.type_;
    let missing = || Outcome::Unknown { message: format!("the settings of {type_:?} are missing") };
    match type_ {
        ResourceType::Exec => exec::run(host, action, context).await,
        ResourceType::FloatingIP => match &context.spec.floating_ip {
            Some(spec) => floating_ip::run(host, action, context, spec).await,
            None => missing(),
        },
        ResourceType::ProbePort => match &context.spec.probe_port {
            Some(spec) => probe_port::run(host, action, context, spec).await,
            None => missing(),
        },
        ResourceType::AwsVirtualIP
        | ResourceType::AwsElasticIP
        | ResourceType::AwsSecondaryIP
        | ResourceType::AwsDNS => aws::run(host, action, context).await,
    }
}

/// What stands in for the drivers of AWS in a build without them.
#[cfg(not(feature = "aws"))]
mod aws {
    use super::{Host, Outcome, ResourceAction, ResourceContext};

    #[allow(clippy::unused_async, reason = "the signature of what it stands for")]
    pub async fn run(_: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
        match action {
            ResourceAction::Start => Outcome::Failed {
                reason: "AwsNotBuilt".into(),
                message: crate::drivers::not_built(&format!("{:?}", context.spec.type_)),
            },
            // It never starts one.
            ResourceAction::Stop | ResourceAction::Probe => Outcome::Absent,
        }
    }
}
