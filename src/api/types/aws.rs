//! What the types for AWS share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The network interface (ENI) that a server is reached through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsPerServer {
    /// The server.
    pub name: String,
    /// Its network interface, as `eni-0123456789abcdef0`.
    #[schemars(length(min = 1, max = 64))]
    pub eni_id: String,
}

/// The network interface of a server.
#[must_use]
pub fn eni_of<'a>(entries: &'a [AwsPerServer], server: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.name == server).map(|entry| entry.eni_id.as_str())
}
