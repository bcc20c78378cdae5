//! From YAML events to JSON values, with the line of each field.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

use super::scalar::resolve;
use super::{DEPTH_MAX, Document, Fault, NODES_MAX, OBJECT_BYTES_MAX};
use crate::api::problem::Problem;
use crate::api::schema::join;

/// Reads every document. After a fault of form it goes on at the next `---`.
pub(super) fn read(text: &str) -> (Vec<Document>, Vec<Fault>) {
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    let mut rest = text;
    let mut lines_before = 0;
    // Each fault costs another look at the rest of the file.
    while faults.len() < FAULTS_MAX
        && let Some(FormFault { line, begins, problem }) =
            read_until_fault(rest, lines_before, &mut documents, &mut faults)
    {
        faults.push((lines_before + line, problem));
        let Some((skipped, after)) = next_document(rest, begins) else { break };
        lines_before += skipped;
        rest = after;
    }
    (documents, faults)
}

/// Faults after which a file is not looked at any further.
const FAULTS_MAX: usize = 100;

/// What keeps the rest of a document from being read.
struct FormFault {
    /// Its line.
    line: usize,
    /// The line of the document's beginning.
    begins: usize,
    problem: Problem,
}

/// The text from the next document marker below a line on, and the number of lines before it.
fn next_document(text: &str, line: usize) -> Option<(usize, &str)> {
    let mut start = 0;
    for (index, content) in text.split_inclusive('\n').enumerate() {
        let is_marker = content.trim_end() == "---" || content.starts_with("--- ");
        if index >= line && is_marker {
            return Some((index, &text[start..]));
        }
        start += content.len();
    }
    None
}

fn read_until_fault(
    text: &str,
    lines_before: usize,
    documents: &mut Vec<Document>,
    faults: &mut Vec<Fault>,
) -> Option<FormFault> {
    let mut parser = Parser::new_from_str(text);
    let mut builder: Option<Builder> = None;
    loop {
        let (event, span) = match parser.next_event()? {
            Ok(next) => next,
            Err(error) => {
                let (line, problem) = scan_fault(&error);
                let begins = builder.map_or(line, |builder| builder.begins_line);
                return Some(FormFault { line, begins, problem });
            }
        };
        match event {
            Event::DocumentStart(_) => builder = Some(Builder::new(span, lines_before)),
            Event::DocumentEnd => {
                let Some(done) = builder.take() else { continue };
                let Builder { root, failed, line, lines, faults: found, .. } = done;
                match root.filter(|value| !value.is_null() && !failed) {
                    Some(value) => documents.push(Document { value, line, lines, faults: found }),
                    None => faults.extend(found),
                }
            }
            Event::StreamEnd => return None,
            Event::Nothing | Event::StreamStart => {}
            Event::Alias(..)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => {
                let Some(builder) = &mut builder else { continue };
                builder.take(event, span);
                if builder.too_deep {
                    let (line, problem) = builder.faults.pop()?;
                    let begins = builder.begins_line;
                    return Some(FormFault { line: line - lines_before, begins, problem });
                }
            }
        }
    }
}

fn scan_fault(error: &ScanError) -> Fault {
    let line = error.marker().line();
    // The scanner has a bound of its own, which it meets before the first event.
    if error.info().contains("recursion limit") {
        let message = format!("is nested deeper than {DEPTH_MAX} levels");
        return (line, Problem::error("NestedTooDeep", "", message));
    }
    let message = format!("is not YAML: {}, column {}", error.info(), error.marker().col() + 1);
    (line, Problem::error("MalformedManifest", "", message))
}

/// A finished value, as an alias repeats it.
struct Anchored {
    value: Value,
    nodes: usize,
    bytes: usize,
}

struct Builder {
    line: usize,
    lines_before: usize,
    begins_at: usize,
    begins_line: usize,
    begun: bool,
    root: Option<Value>,
    stack: Vec<Container>,
    anchors: BTreeMap<usize, Anchored>,
    lines: BTreeMap<String, usize>,
    faults: Vec<Fault>,
    /// The document is refused; what follows in it is not kept.
    failed: bool,
    /// Reading on would cost without bound.
    too_deep: bool,
    nodes: usize,
    bytes: usize,
}

struct Container {
    path: String,
    content: Content,
    anchor: usize,
    nodes_before: usize,
    bytes_before: usize,
}

enum Content {
    List(Vec<Value>),
    Object {
        members: Map<String, Value>,
        /// The member whose value comes next, with its line.
        key: Option<(String, usize)>,
        merged: Vec<Value>,
    },
}

impl Builder {
    fn new(span: Span, lines_before: usize) -> Self {
        Self {
            line: span.start.line() + lines_before,
            lines_before,
            begins_at: span.start.index(),
            begins_line: span.start.line(),
            begun: false,
            root: None,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            lines: BTreeMap::new(),
            faults: Vec::new(),
            failed: false,
            too_deep: false,
            nodes: 0,
            bytes: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        let line = span.start.line() + self.lines_before;
        if !self.begun {
            self.begun = true;
            self.line = line;
        }
        if self.failed {
            return;
        }
        if span.end.index().saturating_sub(self.begins_at) > OBJECT_BYTES_MAX {
            return self.refuse_size(line);
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), line);
            }
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::SequenceStart(anchor, _) => {
                self.open(Content::List(Vec::new()), anchor, line);
            }
            Event::MappingStart(anchor, _) => {
                let content =
                    Content::Object { members: Map::new(), key: None, merged: Vec::new() };
                self.open(content, anchor, line);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        if self.bytes > OBJECT_BYTES_MAX {
            self.refuse_size(line);
        }
    }

    fn fail(&mut self, line: usize, code: &str, message: String) {
        self.failed = true;
        self.faults.push((line, Problem::error(code, "", message)));
    }

    fn refuse_size(&mut self, line: usize) {
        let message = format!(
            "the object that begins at line {} is larger than {OBJECT_BYTES_MAX} bytes",
            self.line
        );
        self.fail(line.min(self.line), "ObjectTooLarge", message);
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
    ) {
        if let Some(Container { content: Content::Object { key: key @ None, .. }, .. }) =
            self.stack.last_mut()
        {
            self.bytes += text.len();
            *key = Some((text.to_owned(), line));
            self.note_key(line);
            return;
        }
        let value = match tag {
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix != "str" => resolve(text),
            Some(tag) if tag.is_yaml_core_schema() || tag.suffix.is_empty() => text.into(),
            Some(tag) => {
                let message = format!("is not YAML that we read: the tag {tag} is unknown");
                return self.fail(line, "MalformedManifest", message);
            }
            None if style == ScalarStyle::Plain => resolve(text),
            None => text.into(),
        };
        self.count(1, text.len(), line);
        if anchor > 0 {
            let anchored = Anchored { value: value.clone(), nodes: 1, bytes: text.len() };
            self.anchors.insert(anchor, anchored);
        }
        self.note_item(line);
        self.put(value);
    }

    fn alias(&mut self, anchor: usize, line: usize) {
        if matches!(
            self.stack.last(),
            Some(Container { content: Content::Object { key: None, .. }, .. })
        ) {
            let message = "an alias can't be the name of a member".to_owned();
            return self.fail(line, "MalformedManifest", message);
        }
        let Some(Anchored { value, nodes, bytes }) = self.anchors.get(&anchor) else {
            let message = "an alias repeats what it is itself a part of".to_owned();
            return self.fail(line, "TooManyAliases", message);
        };
        let (nodes, bytes) = (*nodes, *bytes);
        // Counted before it is copied: that is what bounds the memory.
        if self.nodes + nodes > NODES_MAX || self.bytes + bytes > OBJECT_BYTES_MAX {
            let message = "aliases make the object larger than it may be".to_owned();
            return self.fail(line, "TooManyAliases", message);
        }
        let value = value.clone();
        self.count(nodes, bytes, line);
        self.note_item(line);
        self.put(value);
    }

    fn count(&mut self, nodes: usize, bytes: usize, line: usize) {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX && !self.failed {
            let message = format!("the object has more than {NODES_MAX} values");
            self.fail(line, "ObjectTooLarge", message);
        }
    }

    fn open(&mut self, content: Content, anchor: usize, line: usize) {
        if let Some(Container { content: Content::Object { key: None, .. }, .. }) =
            self.stack.last()
        {
            let message = "the name of a member is a string, not a list or an object".to_owned();
            return self.fail(line, "MalformedManifest", message);
        }
        if self.stack.len() >= DEPTH_MAX {
            let message = format!("is nested deeper than {DEPTH_MAX} levels");
            self.too_deep = true;
            return self.fail(line, "NestedTooDeep", message);
        }
        self.note_item(line);
        let path = self.path();
        let (nodes_before, bytes_before) = (self.nodes, self.bytes);
        self.count(1, 0, line);
        self.stack.push(Container { path, content, anchor, nodes_before, bytes_before });
    }

    fn close(&mut self) {
        let Some(container) = self.stack.pop() else { return };
        let value = match container.content {
            Content::List(items) => Value::Array(items),
            Content::Object { mut members, merged, .. } => {
                for other in merged {
                    merge(&mut members, other);
                }
                Value::Object(members)
            }
        };
        if container.anchor > 0 {
            let anchored = Anchored {
                value: value.clone(),
                nodes: self.nodes - container.nodes_before,
                bytes: self.bytes - container.bytes_before,
            };
            self.anchors.insert(container.anchor, anchored);
        }
        self.put(value);
    }

    /// Path of the value that comes next.
    fn path(&self) -> String {
        match self.stack.last() {
            None => String::new(),
            Some(Container { path, content: Content::List(items), .. }) => {
                format!("{path}[{}]", items.len())
            }
            Some(Container { path, content: Content::Object { key, .. }, .. }) => {
                join(path, key.as_ref().map(|(key, _)| key.as_str()).unwrap_or_default())
            }
        }
    }

    fn note_key(&mut self, line: usize) {
        let path = self.path();
        if path.rsplit('.').next() != Some(MERGE_KEY) {
            self.lines.entry(path).or_insert(line);
        }
    }

    fn note_item(&mut self, line: usize) {
        if let Some(Container { content: Content::List(_), .. }) = self.stack.last() {
            let path = self.path();
            self.lines.insert(path, line);
        }
    }

    fn put(&mut self, value: Value) {
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(Container { content: Content::List(items), .. }) => items.push(value),
            Some(Container { path, content: Content::Object { members, key, merged }, .. }) => {
                let Some((key, line)) = key.take() else { return };
                if key == MERGE_KEY {
                    merged.push(value);
                } else if members.contains_key(&key) {
                    let message = "stands there twice: one of the two would be lost";
                    let problem = Problem::error("DuplicateKey", join(path, &key), message);
                    self.faults.push((line, problem));
                } else {
                    members.insert(key, value);
                }
            }
        }
    }
}

/// `<<: *base` takes the members of `base` that are not written.
const MERGE_KEY: &str = "<<";

fn merge(members: &mut Map<String, Value>, other: Value) {
    match other {
        Value::Object(other) => {
            for (key, value) in other {
                members.entry(key).or_insert(value);
            }
        }
        Value::Array(others) => {
            for other in others {
                merge(members, other);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
