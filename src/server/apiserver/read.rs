//! Getting and listing objects.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::event;
use super::failure::Failure;
use super::kinds::Kind;
use super::negotiate::Form;
use super::query::Query;
use super::route::Target;
use super::selector::Selector;
use super::storage::{EVENT_KIND, Served, Storage};
use super::table::{self, Include};
use crate::engine::model::ObjectKey;

/// Where the next page of a list begins.
#[derive(Serialize, Deserialize)]
struct Continue {
    /// The version of the first page.
    version: u64,
    /// The last name given.
    name: String,
}

/// One object.
pub(super) fn get(
    storage: &Storage,
    target: &Target,
    name: &str,
    query: &Query,
    form: Form,
) -> Result<Answer, Failure> {
    let key = ObjectKey::new(&target.kind.kind, name);
    let served = storage.get(&key).ok_or_else(|| Failure::not_found(target.kind, name))?;
    object(StatusCode::OK, target.kind, &served, query, form)
}

/// An object as an answer.
pub(super) fn object(
    code: StatusCode,
    kind: &Kind,
    served: &Served,
    query: &Query,
    form: Form,
) -> Result<Answer, Failure> {
    if form == Form::Plain && !is_modern_event(kind) {
        return Ok(answer::json_text(code, served.text.to_string()));
    }
    value(code, kind, shaped(kind, served.value()), query, form)
}

/// An object that is not served as it stands as an answer.
pub(super) fn value(
    code: StatusCode,
    kind: &Kind,
    object: Value,
    query: &Query,
    form: Form,
) -> Result<Answer, Failure> {
    let version = object["metadata"]["resourceVersion"].clone();
    let value = match form {
        Form::Plain => object,
        Form::Metadata { version } => table::partial(&object, version),
        Form::Table { version: form } => {
            let include = Include::parse(query)?;
            let metadata = json!({"resourceVersion": version});
            table::table(kind, form, metadata, &[object], include, Timestamp::now())
        }
    };
    Ok(answer::json(code, &value))
}

/// The form of an object that its group wants.
pub(super) fn shaped(kind: &Kind, object: Value) -> Value {
    if is_modern_event(kind) { event::modern(object) } else { object }
}

fn is_modern_event(kind: &Kind) -> bool {
    kind.kind == EVENT_KIND && !kind.group.is_empty()
}

/// A list.
pub(super) fn list(
    storage: &Storage,
    target: &Target,
    query: &Query,
    form: Form,
) -> Result<Answer, Failure> {
    let kind = target.kind;
    check_version(storage, query)?;
    let limit = query.number("limit")?.filter(|limit| *limit > 0);
    let selector = Selector::parse(query, kind)?;
    let start = query.get("continue").map(decode).transpose()?;
    if let Some(start) = &start
        && storage.can_resume(start.version).is_err()
    {
        return Err(Failure::expired_token());
    }
    let page = storage.list(&kind.kind, start.as_ref().map(|start| start.name.as_str()));
    let mut items = page.items;
    if !selector.is_empty() {
        items.retain(|(_, served)| selector.matches(&served.value()));
    }
    // A later page shows the present, but names the version of the first: who goes on watching from
    // there misses nothing.
    let version = start.map_or(page.version, |start| start.version);
    let total = items.len();
    let taken = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(total).min(total);
    items.truncate(taken);
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if taken < total
        && let Some((name, _)) = items.last()
    {
        metadata["continue"] = encode(&Continue { version, name: name.clone() }).into();
        if selector.is_empty() {
            metadata["remainingItemCount"] = (total - taken).into();
        }
    }
    let items: Vec<Served> = items.into_iter().map(|(_, served)| served).collect();
    Ok(answer::json_text(StatusCode::OK, render(kind, &items, metadata, query, form)?))
}

fn render(
    kind: &Kind,
    items: &[Served],
    metadata: Value,
    query: &Query,
    form: Form,
) -> Result<String, Failure> {
    let values = || items.iter().map(|served| shaped(kind, served.value()));
    match form {
        Form::Table { version } => {
            let include = Include::parse(query)?;
            let values: Vec<Value> = values().collect();
            let table = table::table(kind, version, metadata, &values, include, Timestamp::now());
            Ok(table.to_string())
        }
        Form::Metadata { version } => {
            let items: Vec<Value> = values().map(|value| table::partial(&value, version)).collect();
            let list = json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": metadata,
                "items": items,
            });
            Ok(list.to_string())
        }
        Form::Plain => {
            let mut text = format!(
                r#"{{"kind":"{}List","apiVersion":"{}","metadata":{metadata},"items":["#,
                kind.kind,
                kind.api_version()
            );
            for (position, served) in items.iter().enumerate() {
                let comma = if position == 0 { "" } else { "," };
                let written = if is_modern_event(kind) {
                    write!(text, "{comma}{}", shaped(kind, served.value()))
                } else {
                    write!(text, "{comma}{}", served.text)
                };
                // Writing into a string does not fail.
                debug_assert!(written.is_ok());
            }
            text.push_str("]}");
            Ok(text)
        }
    }
}

/// Refuses a version that lies ahead; any other is answered with the present, which is newer.
fn check_version(storage: &Storage, query: &Query) -> Result<(), Failure> {
    let Some(version) = query.number("resourceVersion")?.filter(|version| *version > 0) else {
        return Ok(());
    };
    let resume = storage.can_resume(version);
    if query.get("resourceVersionMatch") == Some("Exact") {
        let newest = *storage.newest().borrow();
        if version != newest {
            resume.map_err(|error| Failure::resume(error, version))?;
            let oldest = super::storage::ResumeError::Expired { oldest: newest };
            return Err(Failure::resume(oldest, version));
        }
        return Ok(());
    }
    match resume {
        Err(error @ super::storage::ResumeError::Ahead { .. }) => {
            Err(Failure::resume(error, version))
        }
        Err(super::storage::ResumeError::Expired { .. }) | Ok(()) => Ok(()),
    }
}

fn encode(token: &Continue) -> String {
    let text = serde_json::to_string(token).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn decode(token: &str) -> Result<Continue, Failure> {
    BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Failure::bad_request("continue key is not valid"))
}
