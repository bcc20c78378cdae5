//! A program without the feature `aws` says so for each check that would ask AWS.

use super::{Check, Finding, Settings};
use crate::api::aws::Uses;
use crate::api::catalogue::{lookup, said};

/// What would be looked at.
const CHECKS: [Check; 12] = [
    Check::Credentials,
    Check::Region,
    Check::Endpoints,
    Check::Clock,
    Check::Permissions,
    Check::Vpc,
    Check::Interfaces,
    Check::Routes,
    Check::ElasticIp,
    Check::Dns,
    Check::Zones,
    Check::Instances,
];

/// Nothing where the manifest uses nothing of AWS.
pub(super) async fn examine(uses: &Uses, _settings: &Settings) -> Vec<Finding> {
    if !uses.has_api() {
        return Vec::new();
    }
    let remedy = lookup("AwsNotBuilt").map_or("", |entry| entry.remedy.en);
    let skipped = |check| {
        let text = said("AwsNotBuilt", "it was not looked at");
        Finding::skipped(check, "AWS", text).mended_by(remedy)
    };
    CHECKS.map(skipped).into()
}
