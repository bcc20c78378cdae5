//! Drivers of resources.

use crate::api::kinds::ResourceType;
use crate::drivers::Host;
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::input::Outcome;

pub mod exec;
pub mod floating_ip;

/// Starts, stops or probes a resource.
pub async fn run(host: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
    match context.spec.type_ {
        ResourceType::Exec => exec::run(host, action, context).await,
        ResourceType::FloatingIP | ResourceType::ProbePort => {
            Outcome::Unknown { message: format!("no driver for {:?}", context.spec.type_) }
        }
    }
}
