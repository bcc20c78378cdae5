//! Making HTTP answers.

use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use ring::digest;
use serde_json::Value;

use super::failure::Failure;

/// What can go wrong with a body that is being sent.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
pub(super) type Answer = Response<Body>;

const WARNING: HeaderName = HeaderName::from_static("warning");
/// Longest warning; what is longer is cut.
const WARNING_MAX: usize = 512;
/// Warnings in one answer.
const WARNINGS_MAX: usize = 20;

/// An answer of bytes.
pub(super) fn bytes(code: StatusCode, type_: HeaderValue, body: Bytes) -> Answer {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, type_);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// An answer of text.
pub(super) fn text(code: StatusCode, text: &str) -> Answer {
    let type_ = HeaderValue::from_static("text/plain; charset=utf-8");
    bytes(code, type_, Bytes::copy_from_slice(text.as_bytes()))
}

/// An answer of JSON.
pub(super) fn json(code: StatusCode, value: &Value) -> Answer {
    json_text(code, value.to_string())
}

/// An answer of JSON text.
pub(super) fn json_text(code: StatusCode, text: String) -> Answer {
    bytes(code, HeaderValue::from_static("application/json"), text.into())
}

/// A refusal.
pub(super) fn failure(failure: &Failure) -> Answer {
    let mut answer = json(failure.code, &failure.status());
    if let Some(seconds) = failure.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    // What kubectl asks first is discovery, and there it reads no message but shows warnings.
    if failure.code == StatusCode::UNAUTHORIZED {
        warn(&mut answer, &[failure.message().to_owned()]);
    }
    answer
}

/// An answer that goes on.
pub(super) fn stream(
    stream: impl Stream<Item = Result<Frame<Bytes>, BodyError>> + Send + 'static,
) -> Answer {
    let mut answer = Response::new(StreamBody::new(stream).boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// An answer that caches may keep as long as its content stays the same.
pub(super) fn cached(request: &HeaderMap, type_: HeaderValue, body: Bytes) -> Answer {
    let tag = format!("\"{}\"", hash(&body));
    let same = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|known| known.trim() == tag));
    let (code, body) =
        if same { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, body) };
    let mut answer = bytes(code, type_, body);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    answer
}

/// A name for content.
pub(super) fn hash(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Adds warnings, which clients show to people.
pub(super) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS_MAX) {
        let text: String = warning
            .chars()
            .map(|character| if character.is_ascii_graphic() { character } else { ' ' })
            .flat_map(|character| {
                let escape = matches!(character, '"' | '\\').then_some('\\');
                escape.into_iter().chain(std::iter::once(character))
            })
            .take(WARNING_MAX)
            .collect();
        let text = text.trim_end_matches('\\');
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
}
