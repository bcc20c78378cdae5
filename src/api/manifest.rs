//! Manifests: YAML and JSON files with one or more objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::{Location, Problem};

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

/// Adds file and line to problems of objects that came from files.
pub fn locate(problems: &mut [Problem], objects: &[ManifestObject]) {
    for problem in problems {
        if problem.location.is_some() {
            continue;
        }
        let object = objects
            .iter()
            .find(|object| object.kind == problem.kind && object.name == problem.name);
        problem.location = object.map(|object| object.locate(&problem.field));
    }
}

/// Reads all objects of all files (name and content); what can't be read is a problem.
#[must_use]
pub fn parse(files: &[(String, Vec<u8>)]) -> (Vec<ManifestObject>, Vec<Problem>) {
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    for (file, bytes) in files {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => objects.push(ManifestObject {
                kind: value["kind"].as_str().unwrap_or_default().to_owned(),
                name: value["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                value,
                file: file.clone(),
                line: 1,
                lines: BTreeMap::new(),
            }),
            Err(error) => problems.push(Problem::error("MalformedManifest", "", error.to_string())),
        }
    }
    (objects, problems)
}
