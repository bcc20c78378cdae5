//! What the servers run on, which rules some features out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the servers run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Platform {
    /// Which. By default AWS where anything of AWS is used, else one that can do everything.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<PlatformType>,
    /// What is used though the platform does not offer it, and why that works here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["feature"]
        )
    )]
    pub exceptions: Vec<PlatformException>,
}

/// Platforms.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PlatformType {
    /// Virtual machines of Amazon EC2.
    AWS,
    /// Virtual machines of Azure.
    Azure,
    /// Any other: machines that share a network segment, own or virtual.
    Other,
}

/// A feature that is used all the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformException {
    /// The feature.
    pub feature: PlatformFeature,
    /// Why it works here.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}

/// Features that not every platform offers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PlatformFeature {
    /// An address that is announced by gratuitous ARP: clouds route by their own tables.
    FloatingIP,
    /// A serial line between servers.
    SerialLine,
    /// Fencing by a management controller of the machine (IPMI, iLO, iDRAC and the like).
    ManagementController,
}
