//! What is answered when a request cannot be carried out: `metav1.Status`.

use http::StatusCode;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::storage::ResumeError;
use crate::api::problem::Problem;

/// Seconds after which a client tries again while nobody leads.
const RETRY_AFTER: u64 = 1;

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// HTTP status.
    pub(super) code: StatusCode,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, retry_after: None, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        self
    }

    fn retried(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        if self.details.is_null() {
            self.details = json!({});
        }
        self.details["retryAfterSeconds"] = seconds.into();
        self
    }

    /// Why, in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The request cannot be understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The caller showed no certificate that counts.
    pub(super) fn unauthorized(why: &str) -> Self {
        let message = format!(
            "Unauthorized: {why}; this API wants a client certificate signed by the cluster's \
             authority, such as the one in the kubeconfig that `stead init` wrote"
        );
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// The caller may not do this.
    pub(super) fn forbidden(kind: &Kind, name: &str, message: impl Into<String>) -> Self {
        let what = format!("{}{}", kind.resource(), quoted(name));
        let message = format!("{what} is forbidden: {}", message.into());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(kind, name)
    }

    /// There is no such object.
    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name)
    }

    /// There is nothing at this path.
    pub(super) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// There is one namespace only.
    pub(super) fn no_such_namespace(namespace: &str) -> Self {
        let message = format!(
            "namespaces \"{namespace}\" not found: a stead cluster has one namespace, `{}`",
            crate::api::NAMESPACE
        );
        let mut failure = Self::new(StatusCode::NOT_FOUND, "NotFound", message);
        failure.details = json!({"name": namespace, "kind": "namespaces"});
        failure
    }

    /// This kind cannot do that.
    pub(super) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// No form of the answer is one that the caller accepts.
    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, \
                       application/yaml";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// The body's form is unknown.
    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// The body is too long.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the request or object is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// The body did not come in time.
    pub(super) fn too_slow() -> Self {
        let message = "the request's body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "Timeout", message)
    }

    /// An object of this name exists.
    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(kind, name)
    }

    /// Somebody else was faster.
    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let what = kind.resource();
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name)
    }

    /// The object was changed since the caller read it.
    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(kind, name, why)
    }

    /// Other managers own fields that an apply wants to change: manager and path of each.
    pub(super) fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let noun = if conflicts.len() == 1 { "conflict" } else { "conflicts" };
        let lines: Vec<String> =
            conflicts.iter().map(|(manager, field)| format!("{manager}: {field}")).collect();
        let message = format!("Apply failed with {} {noun}: {}", conflicts.len(), lines.join("; "));
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({"reason": "FieldManagerConflict", "message": manager, "field": field})
            })
            .collect();
        failure.details = json!({"causes": causes});
        failure
    }

    /// The object may not be stored: all that is wrong with it.
    pub(super) fn invalid(kind: &Kind, name: &str, problems: &[Problem]) -> Self {
        let causes: Vec<(String, Value)> = problems.iter().map(|p| cause(kind, name, p)).collect();
        let lines: Vec<&str> = causes.iter().map(|(line, _)| line.as_str()).collect();
        let text = match lines.as_slice() {
            [line] => (*line).to_owned(),
            lines => format!("[{}]", lines.join(", ")),
        };
        let what = kind.qualified_kind();
        let message = format!("{what} \"{name}\" is invalid: {text}");
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        let causes: Vec<Value> = causes.into_iter().map(|(_, cause)| cause).collect();
        failure.details =
            json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        failure
    }

    /// A version that cannot be resumed from, as the caller named it.
    pub(super) fn resume(error: ResumeError, asked: u64) -> Self {
        match error {
            ResumeError::Expired { oldest } => {
                let message = format!("too old resource version: {asked} ({oldest})");
                Self::new(StatusCode::GONE, "Expired", message)
            }
            ResumeError::Ahead { newest } => {
                let message = format!("Too large resource version: {asked}, current: {newest}");
                let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
                let cause = json!({"reason": "ResourceVersionTooLarge",
                    "message": "Too large resource version"});
                failure.details = json!({"causes": [cause]});
                failure.retried(RETRY_AFTER)
            }
        }
    }

    /// A page of a list whose versions are no longer known.
    pub(super) fn expired_token() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
                       result. You must start a new list without the continue parameter.";
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// Nobody leads.
    pub(super) fn no_leader(why: &str) -> Self {
        let why = if why.is_empty() { "no server leads the cluster now" } else { why };
        let message = format!("nothing can be written: {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
            .retried(RETRY_AFTER)
    }

    /// The write may or may not have been made. Not one of the codes that clients try again after
    /// by themselves: that would ask for the same operation twice.
    pub(super) fn unknown_outcome() -> Self {
        let message = "the view of the cluster ended while the write was under way: it may or \
                       may not have been made; look at the object before you try again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The leader was found, and then did not answer a write. See [`Self::unknown_outcome`].
    pub(super) fn leader_silent(leader: &str, why: &str) -> Self {
        let message = format!(
            "the leader {leader} did not answer ({why}): the write may or may not have been made; \
             look at the object before you try again"
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// Too much at once.
    pub(super) fn too_many_requests() -> Self {
        let message = "too many requests are being answered at this moment, please try again";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message).retried(RETRY_AFTER)
    }

    /// What a request tells about a failed test of a JSON patch and the like.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        let message = message.into();
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message.clone());
        // kubectl shows nothing but the causes.
        let cause = json!({"reason": "FieldValueInvalid", "message": message, "field": "request"});
        failure.details = json!({"causes": [cause]});
        failure
    }

    /// The answer's body.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn quoted(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" \"{name}\"") }
}

/// One problem as a line of text and as a cause. Problems of other objects say whose they are.
fn cause(kind: &Kind, name: &str, problem: &Problem) -> (String, Value) {
    let own = problem.kind.is_empty() || (problem.kind == kind.kind && problem.name == name);
    let field = match (own, problem.field.is_empty()) {
        (true, true) => "<nil>".to_owned(),
        (true, false) => problem.field.clone(),
        (false, _) => format!("{} {}", problem.object(), problem.field),
    };
    let mut message = problem.message.clone();
    for detail in &problem.details {
        message.push_str("; ");
        message.push_str(detail.trim());
    }
    let (reason, message) = match &problem.found {
        Some(found) => ("FieldValueInvalid", format!("Invalid value: {found}: {message}")),
        None => ("FieldValueInvalid", format!("Invalid value: {message}")),
    };
    let message = format!("{message} ({})", problem.code);
    let line = format!("{field}: {message}");
    (line, json!({"reason": reason, "message": message, "field": field}))
}

/// Success without an object, as deletions answer.
pub(super) fn success(kind: &Kind, name: &str, uid: &Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid},
    })
}
