//! What can go wrong with a call, told apart by what a person has to do about it.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::api::aws::needed_by;
use crate::api::catalogue::said;

/// Longest quotation of what the API said.
const QUOTATION_MAX: usize = 300;

/// Why a call did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No keys in the environment or in a profile, and no role.
    NoCredentials,
    /// The instance has no role.
    RoleMissing,
    /// The instance's metadata does not answer, or too slowly.
    MetadataSlow,
    /// The keys are refused.
    CredentialsRefused,
    /// They were right once.
    CredentialsExpired,
    /// This machine's clock is too far off for a signature.
    ClockSkew,
    /// Nobody says in which region.
    NoRegion,
    /// Nothing leads to the endpoint.
    Unreachable,
    /// No answer in time: it may have been done.
    NoAnswer,
    /// The endpoint says that it has trouble itself.
    Failing,
    /// Too many calls.
    Throttled,
    /// The credentials do not permit it.
    NotAuthorized,
    /// There is no such VPC.
    VpcMissing,
    /// There is no such network interface.
    InterfaceMissing,
    /// There is no such Elastic IP address.
    AllocationMissing,
    /// There is no such hosted zone.
    HostedZoneMissing,
    /// There is no such Availability Zone.
    ZoneMissing,
    /// There is no such instance.
    InstanceMissing,
    /// The instance may not be stopped by the API.
    StopProtected,
    /// Refused for another reason, which the text quotes.
    Refused,
    /// This server's lease has passed: nothing is changed any more.
    NoLease,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {detail}")]
pub struct AwsError {
    /// Why.
    pub cause: Cause,
    /// Name of the call, as in policies.
    pub call: &'static str,
    /// Code and words of the API, or what happened on the way.
    pub detail: String,
}

impl AwsError {
    /// An error that did not come from the SDK.
    pub fn new(cause: Cause, call: &'static str, detail: impl Into<String>) -> Self {
        Self { cause, call, detail: detail.into() }
    }

    /// Id in the message catalogue.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self.cause {
            Cause::NoCredentials => "AwsNoCredentials",
            Cause::RoleMissing => "AwsRoleMissing",
            Cause::MetadataSlow => "AwsMetadataSlow",
            Cause::CredentialsRefused => "AwsCredentialsRefused",
            Cause::CredentialsExpired => "AwsCredentialsExpired",
            Cause::ClockSkew => "AwsClockSkew",
            Cause::NoRegion => "AwsRegionUnknown",
            Cause::Unreachable => "AwsEndpointUnreachable",
            Cause::NoAnswer => "AwsNoAnswer",
            Cause::Failing => "AwsEndpointFailing",
            Cause::Throttled => "AwsThrottled",
            Cause::NotAuthorized => "AwsNotAuthorized",
            Cause::VpcMissing => "AwsVpcMissing",
            Cause::InterfaceMissing => "AwsInterfaceMissing",
            Cause::AllocationMissing => "AwsAllocationMissing",
            Cause::HostedZoneMissing => "AwsHostedZoneMissing",
            Cause::ZoneMissing => "AwsZoneMissing",
            Cause::InstanceMissing => "AwsInstanceMissing",
            Cause::StopProtected => "AwsStopProtected",
            Cause::Refused => "AwsRefused",
            Cause::NoLease => "AwsLeaseLost",
        }
    }

    /// In words, beginning with nothing but the text of the catalogue.
    #[must_use]
    pub fn text(&self) -> String {
        let needed_by = needed_by(self.call).join(", ");
        if self.cause != Cause::NotAuthorized || needed_by.is_empty() {
            return said(self.id(), &self.to_string());
        }
        said(self.id(), &format!("{self}; needed by {needed_by}"))
    }

    /// Whether an instance is already in a state that the call can't begin from.
    #[must_use]
    pub fn is_wrong_state(&self) -> bool {
        self.detail.starts_with("IncorrectInstanceState")
    }

    /// Whether the same call may well succeed a moment later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self.cause {
            Cause::MetadataSlow
            | Cause::Unreachable
            | Cause::NoAnswer
            | Cause::Failing
            | Cause::Throttled => true,
            Cause::NoCredentials
            | Cause::RoleMissing
            | Cause::CredentialsRefused
            | Cause::CredentialsExpired
            | Cause::ClockSkew
            | Cause::NoRegion
            | Cause::NotAuthorized
            | Cause::VpcMissing
            | Cause::InterfaceMissing
            | Cause::AllocationMissing
            | Cause::HostedZoneMissing
            | Cause::ZoneMissing
            | Cause::InstanceMissing
            | Cause::StopProtected
            | Cause::Refused
            | Cause::NoLease => false,
        }
    }
}

/// What the SDK's error means.
pub fn classify<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some(credentials) = find::<CredentialsError>(&error) {
        let cause = match credentials {
            CredentialsError::CredentialsNotLoaded(_) => Cause::NoCredentials,
            CredentialsError::ProviderTimedOut(_) => Cause::MetadataSlow,
            CredentialsError::InvalidConfiguration(_) => Cause::CredentialsRefused,
            _ if chain(&error).contains("expired") => Cause::CredentialsExpired,
            CredentialsError::ProviderError(_) | CredentialsError::Unhandled(_) | _ => {
                Cause::MetadataSlow
            }
        };
        return AwsError::new(cause, call, chain(credentials));
    }
    let cause = match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            let words = context.err().message().unwrap_or_default();
            let status = context.raw().status().as_u16();
            let detail = match (code.is_empty(), words.is_empty()) {
                (true, _) => format!("HTTP status {status}"),
                (false, true) => code.to_owned(),
                (false, false) => format!("{code}: {words}"),
            };
            return AwsError::new(by_code(code, words, status), call, shorten(&detail));
        }
        SdkError::TimeoutError(_) => Cause::NoAnswer,
        SdkError::ResponseError(_) => Cause::NoAnswer,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Cause::NoAnswer,
        SdkError::DispatchFailure(_) => Cause::Unreachable,
        SdkError::ConstructionFailure(_) | _ => Cause::Refused,
    };
    AwsError::new(cause, call, chain(&error))
}

/// By the code of the API; where there is none, by the status of HTTP.
fn by_code(code: &str, words: &str, status: u16) -> Cause {
    match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => Cause::NotAuthorized,
        "SignatureDoesNotMatch" | "AuthFailure" | "InvalidSignatureException"
            if is_about_time(words) =>
        {
            Cause::ClockSkew
        }
        "RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired" => Cause::ClockSkew,
        "AuthFailure"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "OptInRequired" => Cause::CredentialsRefused,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            Cause::CredentialsExpired
        }
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "PriorRequestNotComplete"
        | "RequestThrottled"
        | "SlowDown" => Cause::Throttled,
        "Unavailable" | "ServiceUnavailable" | "InternalError" | "InternalFailure" => {
            Cause::Failing
        }
        "OperationNotPermitted" => Cause::StopProtected,
        "NoSuchHostedZone" => Cause::HostedZoneMissing,
        "InvalidParameterValue" if words.contains("availability zone") => Cause::ZoneMissing,
        _ => by_prefix(code, status),
    }
}

fn by_prefix(code: &str, status: u16) -> Cause {
    let absent = code.ends_with(".NotFound") || code.ends_with(".Malformed");
    match code.split('.').next().unwrap_or_default() {
        "InvalidVpcID" if absent => Cause::VpcMissing,
        "InvalidNetworkInterfaceID" | "InvalidNetworkInterfaceId" if absent => {
            Cause::InterfaceMissing
        }
        "InvalidAllocationID" if absent => Cause::AllocationMissing,
        "InvalidInstanceID" if absent => Cause::InstanceMissing,
        _ => match status {
            401 => Cause::CredentialsRefused,
            403 => Cause::NotAuthorized,
            408 => Cause::NoAnswer,
            429 => Cause::Throttled,
            500.. => Cause::Failing,
            _ => Cause::Refused,
        },
    }
}

fn is_about_time(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["signature expired", "not yet current", "clock", "time stamp", "timestamp"]
        .iter()
        .any(|part| words.contains(part))
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// Whether nobody answered in time.
pub(super) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<ConnectorError>(error).is_some_and(ConnectorError::is_timeout)
}

/// The error and what led to it, each said once.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(error) = at {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        at = error.source();
    }
    shorten(&text)
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= QUOTATION_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(QUOTATION_MAX).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_what_a_person_has_to_do() {
        let cases = [
            ("UnauthorizedOperation", "You are not authorized", 403, Cause::NotAuthorized),
            ("", "", 403, Cause::NotAuthorized),
            ("AuthFailure", "AWS was not able to validate", 401, Cause::CredentialsRefused),
            ("SignatureDoesNotMatch", "Signature expired: 2026", 403, Cause::ClockSkew),
            ("RequestExpired", "", 400, Cause::ClockSkew),
            ("ExpiredToken", "", 403, Cause::CredentialsExpired),
            ("RequestLimitExceeded", "", 503, Cause::Throttled),
            ("Throttling", "Rate exceeded", 400, Cause::Throttled),
            ("Unavailable", "", 503, Cause::Failing),
            ("", "", 502, Cause::Failing),
            ("InvalidVpcID.NotFound", "", 400, Cause::VpcMissing),
            ("InvalidVpcID.Malformed", "", 400, Cause::VpcMissing),
            ("InvalidNetworkInterfaceID.NotFound", "", 400, Cause::InterfaceMissing),
            ("InvalidAllocationID.NotFound", "", 400, Cause::AllocationMissing),
            ("NoSuchHostedZone", "", 404, Cause::HostedZoneMissing),
            ("InvalidParameterValue", "Invalid availability zone: [x]", 400, Cause::ZoneMissing),
            ("InvalidParameterValue", "no route", 400, Cause::Refused),
            ("InvalidInstanceID.NotFound", "", 400, Cause::InstanceMissing),
            ("OperationNotPermitted", "", 400, Cause::StopProtected),
        ];
        for (code, words, status, cause) in cases {
            assert_eq!(by_code(code, words, status), cause, "{code} {words} {status}");
        }
    }
}
