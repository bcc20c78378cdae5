//! `SelfSubjectAccessReview`: may I? `SelfSubjectRulesReview`: what may I? Some clients ask in
//! protobuf, which is read here as far as the first goes.

use bytes::Bytes;
use serde_json::{Value, json};

use super::body::{self, Media};
use super::failure::Failure;
use super::identity::Identity;
use crate::api;

/// What protobuf bodies of Kubernetes begin with.
const MAGIC: &[u8] = b"k8s\0";

/// Answers the question.
pub(super) fn review(media: Media, bytes: &Bytes, who: &Identity) -> Result<Value, Failure> {
    let spec = match media {
        Media::Json => body::json(bytes)?.value["spec"].take(),
        Media::Yaml => body::yaml(bytes)?.value["spec"].take(),
        Media::Protobuf => spec_of_protobuf(bytes).ok_or_else(|| {
            Failure::bad_request("the body is not a SelfSubjectAccessReview in protobuf form")
        })?,
        Media::MergePatch | Media::JsonPatch | Media::ApplyPatch | Media::Other => {
            return Err(Failure::unsupported_media_type(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let asked = &spec["resourceAttributes"];
    let (allowed, reason) = if asked.is_object() {
        let (verb, group) = (text(asked, "verb"), text(asked, "group"));
        let resource = text(asked, "resource");
        let namespace = text(asked, "namespace");
        let here = namespace.is_empty() || namespace == api::NAMESPACE;
        let allowed = here && who.may(&verb, &group, &resource);
        let reason = match (here, allowed) {
            (false, _) => format!("a stead cluster has one namespace, `{}`", api::NAMESPACE),
            (true, true) => String::new(),
            (true, false) => format!("the groups of {} do not allow it", who.user),
        };
        (allowed, reason)
    } else {
        let verb = text(&spec["nonResourceAttributes"], "verb");
        (matches!(verb.as_str(), "get" | "head"), String::new())
    };
    Ok(json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed, "reason": reason},
    }))
}

/// Everything that the caller may do. There is one namespace, so which is asked about does not
/// matter.
pub(super) fn rules(who: &Identity) -> Value {
    let rule = |verbs: &[&str], groups: &[&str], resources: &[&str]| json!({"verbs": verbs, "apiGroups": groups, "resources": resources});
    let mut rules = Vec::new();
    if who.may("update", api::GROUP, "clusters") {
        rules.push(rule(&["*"], &["*"], &["*"]));
    } else {
        if who.may("list", api::GROUP, "clusters") {
            rules.push(rule(&["get", "list", "watch"], &["*"], &["*"]));
        }
        if who.may("create", api::GROUP, "operations") {
            rules.push(rule(&["create"], &[api::GROUP], &["operations"]));
        }
    }
    json!({
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {},
        "status": {
            "incomplete": false,
            "resourceRules": rules,
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
        },
    })
}

/// The spec in `Unknown { raw = 2: Review { spec = 2 } }`.
fn spec_of_protobuf(bytes: &[u8]) -> Option<Value> {
    let unknown = bytes.strip_prefix(MAGIC)?;
    let review = field(unknown, 2)?;
    let spec = field(review, 2)?;
    let strings = |message: &[u8], names: &[(u64, &str)]| {
        let fields = names.iter().filter_map(|(number, name)| {
            let text = std::str::from_utf8(field(message, *number)?).ok()?;
            Some(((*name).to_owned(), Value::from(text)))
        });
        Value::Object(fields.collect())
    };
    let mut value = json!({});
    if let Some(asked) = field(spec, 1) {
        let names = [
            (1, "namespace"),
            (2, "verb"),
            (3, "group"),
            (4, "version"),
            (5, "resource"),
            (6, "subresource"),
            (7, "name"),
        ];
        value["resourceAttributes"] = strings(asked, &names);
    }
    if let Some(asked) = field(spec, 2) {
        value["nonResourceAttributes"] = strings(asked, &[(1, "path"), (2, "verb")]);
    }
    Some(value)
}

/// The last field of this number that has a length.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let value = message.get(..length)?;
                message = &message[length..];
                if tag >> 3 == wanted {
                    found = Some(value);
                }
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
