//! Manifests: YAML and JSON files with one or more objects.
//!
//! What a file holds is not trusted: its size, depth and aliases are bounded, and every fault of
//! every document is reported, each with its line.

mod json;
mod scalar;
mod yaml;

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::{Location, Problem, suggestion};
use super::schema::{KINDS, check};
use super::validation::{check_metadata, validate};
use super::{API_VERSION, GROUP};

/// Largest object, in bytes; etcd's limit for Kubernetes is of the same size.
pub const OBJECT_BYTES_MAX: usize = 1 << 20;
/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// Deepest nesting of lists and objects.
pub const DEPTH_MAX: usize = 64;
/// Most values in one object, what aliases repeat included.
pub const NODES_MAX: usize = 100_000;

/// An object of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestObject {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The whole object, as written: defaults are not filled in.
    pub value: Value,
    /// The file.
    pub file: String,
    /// The line where it begins.
    pub line: usize,
    /// Lines of its fields, by path (`spec.servers[0].name`).
    pub lines: BTreeMap<String, usize>,
}

impl ManifestObject {
    /// Where a field stands; where it is not written, where the nearest around it stands.
    #[must_use]
    pub fn locate(&self, field: &str) -> Location {
        let mut path = field;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Location { file: self.file.clone(), line: *line };
            }
            let Some(end) = path.rfind(['.', '[']) else {
                return Location { file: self.file.clone(), line: self.line };
            };
            path = &path[..end];
        }
    }
}

/// A document of a file, before it is known what it is.
#[derive(Debug)]
struct Document {
    value: Value,
    line: usize,
    lines: BTreeMap<String, usize>,
    /// What is wrong with it and keeps nobody from reading it.
    faults: Vec<Fault>,
}

/// A fault with its line.
type Fault = (usize, Problem);

/// Reads all objects of all files (name and content); what can't be read is a problem.
///
/// An object with a foreign kind or version, or without a name, is a problem and not among the
/// objects.
#[must_use]
pub fn parse(files: &[(String, Vec<u8>)]) -> (Vec<ManifestObject>, Vec<Problem>) {
    let mut objects: Vec<ManifestObject> = Vec::new();
    let mut problems = Vec::new();
    for (file, bytes) in files {
        let (documents, faults) = read_file(bytes);
        for (line, mut problem) in faults {
            problem.location = Some(Location { file: file.clone(), line });
            problems.push(problem);
        }
        for document in documents.into_iter().flat_map(members_of_lists) {
            let (object, found) = identify(file, document);
            problems.extend(found);
            objects.extend(object);
        }
    }
    problems.extend(duplicates(&objects));
    (objects, problems)
}

/// Everything that is wrong with each object alone, with file and line.
#[must_use]
pub fn check_each(objects: &[ManifestObject]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = objects
        .iter()
        .flat_map(|object| {
            let mut problems = check(&object.kind, &object.value);
            problems.extend(check_metadata(&object.value));
            problems
        })
        .collect();
    locate(&mut problems, objects);
    problems
}

/// Everything that is wrong with objects that are a whole cluster, with file and line.
#[must_use]
pub fn check_all(objects: &[ManifestObject]) -> Vec<Problem> {
    let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let mut problems = validate(&values);
    locate(&mut problems, objects);
    problems
}

/// Adds file and line to problems of objects that came from files.
pub fn locate(problems: &mut [Problem], objects: &[ManifestObject]) {
    for problem in problems.iter_mut().filter(|problem| problem.location.is_none()) {
        let object = objects
            .iter()
            .find(|object| object.kind == problem.kind && object.name == problem.name);
        problem.location = object.map(|object| object.locate(&problem.field));
    }
}

fn read_file(bytes: &[u8]) -> (Vec<Document>, Vec<Fault>) {
    let refuse = |line, problem| (Vec::new(), vec![(line, problem)]);
    if bytes.len() > FILE_BYTES_MAX {
        let message =
            format!("the file has {} bytes: at most {FILE_BYTES_MAX} are read", bytes.len());
        return refuse(1, Problem::error("ObjectTooLarge", "", message));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!(
                "is not UTF-8: byte 0x{byte:02x} at position {}; save the file as UTF-8",
                error.valid_up_to()
            );
            return refuse(line, Problem::error("NotUtf8", "", message));
        }
    };
    if text.trim_start().starts_with('{')
        && let Some(read) = json::read(text)
    {
        return read;
    }
    yaml::read(text)
}

/// A `List` stands for its items.
fn members_of_lists(document: Document) -> Vec<Document> {
    let is_list = document.value["kind"] == "List" && document.value["items"].is_array();
    if !is_list {
        return vec![document];
    }
    let Document { mut value, line, lines, mut faults } = document;
    let Value::Array(items) = value["items"].take() else { return Vec::new() };
    items
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            let place = format!("items[{index}]");
            let prefix = format!("{place}.");
            let line = lines.get(&place).copied().unwrap_or(line);
            let lines = lines
                .range(prefix.clone()..)
                .take_while(|(path, _)| path.starts_with(&prefix))
                .map(|(path, line)| (path[prefix.len()..].to_owned(), *line))
                .collect();
            Document { value, line, lines, faults: std::mem::take(&mut faults) }
        })
        .collect()
}

fn identify(file: &str, document: Document) -> (Option<ManifestObject>, Vec<Problem>) {
    let Document { value, line, lines, faults } = document;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&value["kind"]);
    let name = text(&value["metadata"]["name"]);
    let object = ManifestObject { kind, name, value, file: file.to_owned(), line, lines };
    let mut problems = Vec::new();
    if object.value.is_object() {
        problems.extend(wrong_version(&object));
        problems.extend(wrong_kind(&object));
        if object.name.is_empty() && KINDS.contains(&object.kind.as_str()) {
            let message = "is missing: every object has a name";
            problems.push(Problem::error("MissingField", "metadata.name", message));
        }
    } else {
        let message = "is not an object: a document begins with apiVersion and kind";
        problems.push(Problem::error("MalformedManifest", "", message).found(&object.value));
    }
    let usable = problems.is_empty();
    let mut found: Vec<Problem> = problems
        .into_iter()
        .map(|problem| Problem { location: Some(object.locate(&problem.field)), ..problem })
        .collect();
    found.extend(faults.into_iter().map(|(line, problem)| Problem {
        location: Some(Location { file: file.to_owned(), line }),
        ..problem
    }));
    let found = found.into_iter().map(|problem| problem.of(&object.kind, &object.name)).collect();
    (usable.then_some(object), found)
}

fn wrong_version(object: &ManifestObject) -> Option<Problem> {
    let version = &object.value["apiVersion"];
    if version == API_VERSION {
        return None;
    }
    let Some(text) = version.as_str() else {
        let message = format!("is missing; write `apiVersion: {API_VERSION}`");
        return Some(Problem::error("UnknownVersion", "apiVersion", message));
    };
    let message = if text.starts_with(&format!("{GROUP}/")) {
        format!("is not a version that this release serves; write `{API_VERSION}`")
    } else {
        format!("is not ours; write `{API_VERSION}`")
    };
    Some(Problem::error("UnknownVersion", "apiVersion", message).found(version))
}

fn wrong_kind(object: &ManifestObject) -> Option<Problem> {
    if KINDS.contains(&object.kind.as_str()) {
        return None;
    }
    if object.kind.is_empty() {
        let message = format!("is missing: one of {}", KINDS.join(", "));
        return Some(Problem::error("UnknownKind", "kind", message));
    }
    let message = format!("is not a kind of {API_VERSION}{}", suggestion(&object.kind, KINDS));
    Some(Problem::error("UnknownKind", "kind", message).found(&object.value["kind"]))
}

fn duplicates(objects: &[ManifestObject]) -> Vec<Problem> {
    let mut first: BTreeMap<(&str, &str), &ManifestObject> = BTreeMap::new();
    let mut problems = Vec::new();
    for object in objects {
        let Some(earlier) = first.insert((&object.kind, &object.name), object) else { continue };
        let message = format!("stands there twice: first at {}", earlier.locate(""));
        let problem = Problem::error("DuplicateObject", "", message).of(&object.kind, &object.name);
        problems.push(Problem { location: Some(object.locate("")), ..problem });
        first.insert((&object.kind, &object.name), earlier);
    }
    problems
}

#[cfg(test)]
mod tests;
