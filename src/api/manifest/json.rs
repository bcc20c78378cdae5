//! A file that holds one JSON object.
//!
//! JSON is YAML but for details (surrogate pairs, tabs), and the YAML reader knows lines: it reads
//! what it can, and this reads the rest, without lines.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{DEPTH_MAX, Document, Fault, OBJECT_BYTES_MAX};
use crate::api::problem::Problem;

/// The document, where the YAML reader does not take it; none: the YAML reader's answer stands.
pub(super) fn read(text: &str) -> Option<(Vec<Document>, Vec<Fault>)> {
    if text.len() > OBJECT_BYTES_MAX {
        return None;
    }
    let (_, faults) = super::yaml::read(text);
    if faults.iter().all(|(_, problem)| problem.code != "MalformedManifest") {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => {
            let lines = BTreeMap::new();
            Some((vec![Document { value, line: 1, lines, faults: Vec::new() }], Vec::new()))
        }
        Err(error) => {
            let message = format!("is not JSON: {error}");
            let problem = Problem::error("MalformedManifest", "", message);
            Some((Vec::new(), vec![(error.line().max(1), problem)]))
        }
    }
}

/// Takes a value with bounded depth and without doubled keys.
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom("nested too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Strict { depth: self.depth + 1 })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict { depth: self.depth + 1 })?;
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("a member stands there twice"));
            }
        }
        Ok(Value::Object(members))
    }
}
