//! Drivers of resources.

use crate::api::kinds::ResourceType;
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

pub mod exec;
pub mod floating_ip;
pub mod probe_port;

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
    }
}
