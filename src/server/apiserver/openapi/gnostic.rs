//! An OpenAPI v2 document in the protobuf form of gnostic (`OpenAPIv2.proto`), by hand: only the
//! messages and fields that our own documents use, and none of the protobuf crates.

use serde_json::{Map, Value};

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }

    fn text(&mut self, field: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, value: Option<&Value>) {
        for item in value.and_then(Value::as_array).into_iter().flatten() {
            self.text(field, Some(item));
        }
    }

    fn boolean(&mut self, field: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.tag(field, 0);
            self.varint(1);
        }
    }

    fn integer(&mut self, field: u64, value: Option<&Value>) {
        if let Some(number) = value.and_then(Value::as_u64) {
            self.tag(field, 0);
            self.varint(number);
        }
    }

    fn double(&mut self, field: u64, value: Option<&Value>) {
        if let Some(number) = value.and_then(Value::as_f64) {
            self.tag(field, 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// An `Any`: JSON is YAML.
    fn any(&mut self, field: u64, value: Option<&Value>) {
        if let Some(value) = value {
            self.message(field, &any(value));
        }
    }

    /// `x-…` fields as vendor extensions.
    fn extensions(&mut self, field: u64, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(name, _)| name.starts_with("x-")) {
            self.message(field, &named(name, &any(value)));
        }
    }
}

/// The document.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, document.get("swagger"));
    let mut info = Message::default();
    info.text(1, document.pointer("/info/title"));
    info.text(2, document.pointer("/info/version"));
    message.message(2, &info);
    let mut paths = Message::default();
    for (path, item) in fields(document, "paths") {
        paths.message(2, &named(path, &path_item(item)));
    }
    message.message(8, &paths);
    let mut definitions = Message::default();
    for (name, definition) in fields(document, "definitions") {
        definitions.message(1, &named(name, &schema(definition)));
    }
    message.message(9, &definitions);
    message.0
}

fn fields<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, format!("{value}\n").as_bytes());
    message
}

/// A pair of a map.
fn named(name: &str, value: &Message) -> Message {
    let mut message = Message::default();
    message.bytes(1, name.as_bytes());
    message.message(2, value);
    message
}

fn path_item(item: &Value) -> Message {
    let mut message = Message::default();
    let methods = [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8)];
    for (method, field) in methods {
        if let Some(described) = item.get(method) {
            message.message(field, &operation(described));
        }
    }
    parameters(&mut message, 9, item);
    message
}

fn operation(described: &Value) -> Message {
    let mut message = Message::default();
    message.texts(1, described.get("tags"));
    message.text(3, described.get("description"));
    message.text(5, described.get("operationId"));
    message.texts(6, described.get("produces"));
    message.texts(7, described.get("consumes"));
    parameters(&mut message, 8, described);
    let mut responses = Message::default();
    for (code, described) in fields(described, "responses") {
        let mut response = Message::default();
        response.text(1, described.get("description"));
        if let Some(described) = described.get("schema") {
            let mut item = Message::default();
            item.message(1, &schema(described));
            response.message(2, &item);
        }
        let mut value = Message::default();
        value.message(1, &response);
        responses.message(1, &named(code, &value));
    }
    message.message(9, &responses);
    if let Some(fields) = described.as_object() {
        message.extensions(13, fields);
    }
    message
}

fn parameters(message: &mut Message, field: u64, holder: &Value) {
    for described in holder.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let mut item = Message::default();
        item.message(1, &parameter(described));
        message.message(field, &item);
    }
}

fn parameter(described: &Value) -> Message {
    let mut message = Message::default();
    let mut inner = Message::default();
    let place = described.get("in").and_then(Value::as_str).unwrap_or_default();
    if place == "body" {
        inner.text(2, described.get("name"));
        inner.text(3, described.get("in"));
        inner.boolean(4, described.get("required"));
        if let Some(described) = described.get("schema") {
            inner.message(5, &schema(described));
        }
        message.message(1, &inner);
        return message;
    }
    inner.boolean(1, described.get("required"));
    inner.text(2, described.get("in"));
    inner.text(3, described.get("description"));
    inner.text(4, described.get("name"));
    let (variant, type_) = if place == "path" { (4, 5) } else { (3, 6) };
    inner.text(type_, described.get("type"));
    let mut other = Message::default();
    other.message(variant, &inner);
    message.message(2, &other);
    message
}

fn schema(described: &Value) -> Message {
    let mut message = Message::default();
    let get = |name: &str| described.get(name);
    message.text(1, get("$ref"));
    message.text(2, get("format"));
    message.text(3, get("title"));
    message.text(4, get("description"));
    message.any(5, get("default"));
    message.double(7, get("maximum"));
    message.double(9, get("minimum"));
    message.integer(11, get("maxLength"));
    message.integer(12, get("minLength"));
    message.text(13, get("pattern"));
    message.integer(14, get("maxItems"));
    message.integer(15, get("minItems"));
    message.boolean(16, get("uniqueItems"));
    message.texts(19, get("required"));
    for value in get("enum").and_then(Value::as_array).into_iter().flatten() {
        message.any(20, Some(value));
    }
    match get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.tag(2, 0);
            item.varint(u64::from(*allowed));
            message.message(21, &item);
        }
        Some(described) => {
            let mut item = Message::default();
            item.message(1, &schema(described));
            message.message(21, &item);
        }
        None => {}
    }
    if get("type").is_some() {
        let mut item = Message::default();
        item.text(1, get("type"));
        message.message(22, &item);
    }
    if let Some(described) = get("items") {
        let mut item = Message::default();
        item.message(1, &schema(described));
        message.message(23, &item);
    }
    if get("properties").is_some() {
        let mut properties = Message::default();
        for (name, described) in fields(described, "properties") {
            properties.message(1, &named(name, &schema(described)));
        }
        message.message(25, &properties);
    }
    if let Some(fields) = described.as_object() {
        message.extensions(31, fields);
    }
    message
}
