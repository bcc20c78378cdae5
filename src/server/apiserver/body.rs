//! Reading request bodies, within limits, and noticing what a plain parser would swallow.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::failure::Failure;

/// Longest body: what Kubernetes takes.
pub(super) const BODY_MAX: usize = 3 << 20;
/// Longest object as stored: all objects are held in memory on each server.
pub(super) const OBJECT_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Duplicates that are named; more are only more of the same.
const DUPLICATES_MAX: usize = 16;

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// JSON.
    Json,
    /// YAML, or JSON, which is YAML.
    Yaml,
    /// `application/merge-patch+json`.
    MergePatch,
    /// `application/json-patch+json`.
    JsonPatch,
    /// `application/apply-patch+yaml`.
    ApplyPatch,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
    /// What we cannot read.
    Other,
}

impl Media {
    /// The form that a request names. Some clients name none and mean JSON.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else { return Self::Json };
        let value = value.to_str().unwrap_or_default();
        match value.split(';').next().unwrap_or_default().trim() {
            "application/json" | "" | "*/*" => Self::Json,
            "application/yaml" | "application/x-yaml" | "text/yaml" => Self::Yaml,
            "application/merge-patch+json" => Self::MergePatch,
            "application/json-patch+json" => Self::JsonPatch,
            "application/apply-patch+yaml" => Self::ApplyPatch,
            "application/vnd.kubernetes.protobuf" => Self::Protobuf,
            _ => Self::Other,
        }
    }
}

/// A parsed body, and the fields that stand in it twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parsed {
    /// The value; of a field that stands twice the last one counts.
    pub(super) value: Value,
    /// Paths of fields that stand twice.
    pub(super) duplicates: Vec<String>,
}

/// Reads a whole body.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Limited::new(body, BODY_MAX);
    let collected = tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::too_large(BODY_MAX)),
        Ok(Err(error)) => {
            Err(Failure::bad_request(format!("failed to read the request's body: {error}")))
        }
        Err(_) => Err(Failure::too_slow()),
    }
}

/// Reads JSON.
pub(super) fn json(bytes: &[u8]) -> Result<Parsed, Failure> {
    let mut duplicates = Vec::new();
    let seed = Strict { path: String::new(), duplicates: &mut duplicates };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            Failure::bad_request(format!("the body of the request is not valid JSON: {error}"))
        })?;
    Ok(Parsed { value, duplicates })
}

/// Reads YAML; keys that stand twice are refused by the parser.
pub(super) fn yaml(bytes: &[u8]) -> Result<Parsed, Failure> {
    if bytes.trim_ascii_start().first() == Some(&b'{')
        && let Ok(parsed) = json(bytes)
    {
        return Ok(parsed);
    }
    let value = serde_yaml::from_slice::<Value>(bytes).map_err(|error| {
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        Failure::bad_request(format!("the body of the request is not valid YAML: {first}"))
    })?;
    Ok(Parsed { value, duplicates: Vec::new() })
}

struct Strict<'a> {
    path: String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, list.len());
            let seed = Strict { path, duplicates: self.duplicates };
            match items.next_element_seed(seed)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{name}", self.path);
            if fields.contains_key(&name) && self.duplicates.len() < DUPLICATES_MAX {
                self.duplicates.push(path.clone());
            }
            let value = entries.next_value_seed(Strict { path, duplicates: self.duplicates })?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}
