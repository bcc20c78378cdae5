//! What of AWS a cluster relies on.

mod facts;
mod gather;
mod instances;
mod interfaces;
mod names;
mod permissions;
mod public;
mod reach;
mod routes;
mod zones;

use super::{Check, Finding, Settings};
use crate::api::aws::{Caller, Uses};
use crate::cloud::aws::{Aws, AwsError, Cause};
use facts::Facts;

/// Everything that was found; nothing where the manifest uses nothing of AWS.
pub(super) async fn examine(uses: &Uses, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others: Vec<Check> =
        Check::ALL.into_iter().filter(|c| !matches!(c, Check::Manifest | Check::Ports)).collect();
    if !uses.has_api() || !settings.wants(&others) {
        return findings;
    }
    let session = match Aws::default().session(uses.access.clone()).await {
        Ok(session) => session,
        Err(error) => {
            findings.push(told(Check::Region, "AWS", &error));
            let text = "without a region nothing can be asked: see region";
            let others = others.into_iter().filter(|check| *check != Check::Region);
            findings.extend(others.map(|check| Finding::skipped(check, "AWS", text)));
            return findings;
        }
    };
    let facts = gather::facts(&session, uses, settings).await;
    reach::judge(&facts, &mut findings);
    permissions::judge(uses, &facts, &mut findings);
    interfaces::judge(uses, &facts, &mut findings);
    routes::judge(uses, &facts, &mut findings);
    public::judge(uses, &facts, &mut findings);
    names::judge(uses, &facts, &mut findings);
    zones::judge(uses, &facts, &mut findings);
    instances::judge(uses, &facts, &mut findings);
    findings
}

/// What an error of AWS says, with its remedy.
fn told(check: Check, object: &str, error: &AwsError) -> Finding {
    Finding::coded(check, object, error.id(), error.to_string())
}

/// A question that failed: told here, unless another check tells it once for all.
fn failed(check: Check, object: &str, error: &AwsError, facts: &Facts) -> Finding {
    let skipped = |text: String| Finding::skipped(check, object, text);
    let cause = error.cause;
    if cause == Cause::NotAuthorized {
        let option = if facts.is_asked_by(error.call, Caller::Doctor) { " --doctor" } else { "" };
        return skipped(format!("{} is not permitted: see permissions", error.call))
            .mended_by(format!("stead iam-policy{option} prints a policy that permits it"));
    }
    if is_of_credentials(cause) {
        return skipped("no usable credentials: see credentials".to_owned());
    }
    if cause == Cause::ClockSkew {
        return skipped("the clock is too far off for AWS: see clock".to_owned());
    }
    if matches!(cause, Cause::Unreachable | Cause::NoAnswer) && facts.is_away(error.call) {
        return skipped("AWS does not answer: see endpoints".to_owned());
    }
    told(check, object, error)
}

/// Whether it is the credentials that nothing can be asked with.
fn is_of_credentials(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NoCredentials
            | Cause::RoleMissing
            | Cause::MetadataSlow
            | Cause::CredentialsRefused
            | Cause::CredentialsExpired
    )
}
