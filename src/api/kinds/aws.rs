//! `Cluster.spec.aws`: how the API of AWS is reached, and with which rights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// How the API of AWS is reached. All of it may be left out on an instance with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAccess {
    /// The region, as `ap-northeast-1`; by default that of the agent's environment, of the profile,
    /// or of the instance's metadata, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub region: Option<String>,
    /// The profile of the shared files; by default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub profile: Option<String>,
    /// A shared credentials file, the same on each server. By default `$HOME/.aws/credentials`, or
    /// `/root/.aws/credentials` where that is missing. Without keys anywhere the instance's role is
    /// used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretSource>,
    /// A role that is assumed with the credentials found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AwsAssumeRole>,
    /// Addresses of the API in place of those of the region.
    #[serde(default)]
    pub endpoints: AwsEndpoints,
    /// A proxy for every call but those of the instance's metadata, as `http://proxy:3128`; by
    /// default that of the agent's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub proxy: Option<String>,
}

/// A role that is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAssumeRole {
    /// Its name, as `arn:aws:iam::123456789012:role/cluster`.
    #[schemars(length(min = 20, max = 2048))]
    pub role_arn: String,
    /// What its trust policy may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
}

/// Addresses of the API: those of VPC endpoints, or of another implementation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsEndpoints {
    /// Of EC2, as `https://vpce-0123.ec2.ap-northeast-1.vpce.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub ec2: Option<String>,
    /// Of Route 53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub route53: Option<String>,
    /// Of STS, where a role is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub sts: Option<String>,
}
