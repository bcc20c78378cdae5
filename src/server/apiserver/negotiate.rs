//! In which form an answer is given.

use http::HeaderMap;
use http::header::ACCEPT;

use super::failure::Failure;

/// The form of objects in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// As rows.
    Table {
        /// Version of `meta.k8s.io`.
        version: &'static str,
    },
    /// Only their metadata.
    Metadata {
        /// Version of `meta.k8s.io`.
        version: &'static str,
    },
}

/// One acceptable form: its media type and parameters.
struct Accepted {
    media: String,
    parameters: Vec<(String, String)>,
}

impl Accepted {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether JSON is meant, or anything will do.
    fn is_json(&self) -> bool {
        matches!(self.media.as_str(), "application/json" | "*/*" | "application/*")
    }
}

/// What the caller accepts, as far as it can be read. The order of the header is the preference:
/// no client of Kubernetes sends weights.
fn accepted(headers: &HeaderMap) -> Vec<Accepted> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters = parts
                .filter_map(|part| part.split_once('='))
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect();
            Accepted { media, parameters }
        })
        .filter(|item| !item.media.is_empty())
        .collect()
}

/// The form of objects that the caller prefers among those we have. No header means JSON.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let accepted = accepted(headers);
    if accepted.is_empty() {
        return Ok(Form::Plain);
    }
    accepted.iter().find_map(form_of).ok_or_else(Failure::not_acceptable)
}

fn form_of(accepted: &Accepted) -> Option<Form> {
    if !accepted.is_json() {
        return None;
    }
    let version = match accepted.parameter("v") {
        Some("v1beta1") => "v1beta1",
        Some("v1") | None => "v1",
        Some(_) => return None,
    };
    match accepted.parameter("as") {
        None => Some(Form::Plain),
        Some("Table") => Some(Form::Table { version }),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
            Some(Form::Metadata { version })
        }
        Some(_) => None,
    }
}

/// The version of aggregated discovery that the caller prefers; none: the legacy form.
pub(super) fn discovery(headers: &HeaderMap) -> Option<&'static str> {
    accepted(headers)
        .iter()
        .find_map(|item| match (item.is_json(), item.parameter("as"), item.parameter("v")) {
            (true, Some("APIGroupDiscoveryList"), Some("v2")) => Some(Some("v2")),
            (true, Some("APIGroupDiscoveryList"), Some("v2beta1")) => Some(Some("v2beta1")),
            (true, None, _) => Some(None),
            _ => None,
        })
        .flatten()
}

/// Whether the caller asks for the protobuf form of OpenAPI v2.
pub(super) fn wants_openapi_protobuf(headers: &HeaderMap) -> bool {
    accepted(headers).iter().any(|item| item.media.contains("proto-openapi.spec.v2"))
}
