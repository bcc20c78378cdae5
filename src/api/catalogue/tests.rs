use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::api::schema::{KINDS, schema};

fn parameters(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

#[test]
fn every_id_is_camel_case_and_given_once() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        assert!(seen.insert(entry.id), "{} is given twice", entry.id);
        assert!(entry.id.starts_with(|c: char| c.is_ascii_uppercase()), "{}", entry.id);
        assert!(entry.id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", entry.id);
    }
}

#[test]
fn every_text_is_there_in_both_languages_with_the_same_parameters() {
    for entry in entries() {
        for text in [entry.text, entry.cause, entry.remedy] {
            assert!(!text.en.is_empty() && !text.ja.is_empty(), "{}", entry.id);
            assert!(!text.en.contains('\n') && !text.ja.contains('\n'), "{}", entry.id);
            assert!(text.en.len() < LINE_MAX / 2 && text.ja.len() < LINE_MAX / 2, "{}", entry.id);
            assert_eq!(parameters(text.en), parameters(text.ja), "{}", entry.id);
        }
        let foreign = |text: &str| text.chars().any(|c| ('\u{3040}'..'\u{a000}').contains(&c));
        for text in [entry.cause, entry.remedy] {
            assert!(foreign(text.ja) && !foreign(text.en), "{}", entry.id);
            assert!(parameters(text.en).is_empty(), "{}", entry.id);
        }
    }
}

#[test]
fn a_message_is_one_line_of_at_most_a_kilobyte() {
    let long = vec![("message".to_owned(), "line one\nline two ".repeat(200))];
    for language in [Language::English, Language::Japanese] {
        let text = render("ArbitrationLost", &long, language);
        assert!(text.len() <= LINE_MAX && !text.contains('\n'), "{text}");
    }
}

#[test]
fn parameters_are_filled_in_and_nothing_is_lost() {
    let given = vec![
        ("server".to_owned(), "node{path}".to_owned()),
        ("path".to_owned(), "lan1".to_owned()),
    ];
    assert_eq!(render("PathLost", &given, Language::English), "path lan1 to node{path} is lost");
    assert_eq!(render("PathLost", &[], Language::English), "path {path} to {server} is lost");
    let unknown = render("NoSuchThing", &given, Language::English);
    assert_eq!(unknown, "NoSuchThing server=node{path} path=lan1");
    assert_eq!(fill("a { b", &given), "a { b");
}

#[test]
fn a_mistyped_id_finds_the_nearest() {
    assert_eq!(nearest("serverlost"), Some("ServerLost"));
    assert_eq!(nearest("GroupOnlin"), Some("GroupOnline"));
    assert_eq!(nearest("Banana"), None);
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "sim" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// String literals that are written as ids are: several words in CamelCase.
fn ids_in(text: &str) -> Vec<&str> {
    let product = text.split("#[cfg(test)]").next().unwrap_or(text);
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split('"').skip(1).step_by(2)).filter(|id| is_id(id)).collect()
}

fn is_id(text: &str) -> bool {
    let mut previous = 'A';
    let mut humps = 0;
    for character in text.chars() {
        if !character.is_ascii_alphanumeric() {
            return false;
        }
        humps += usize::from(previous.is_ascii_uppercase() && character.is_ascii_lowercase());
        previous = character;
    }
    humps > 1 && text.starts_with(|c: char| c.is_ascii_uppercase())
}

fn enum_values<'a>(schema: &'a Value, values: &mut BTreeSet<&'a str>) {
    values.extend(schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str));
    if schema["items"].is_object() {
        enum_values(&schema["items"], values);
    }
    for property in schema["properties"].as_object().into_iter().flat_map(|all| all.values()) {
        enum_values(property, values);
    }
}

/// In these folders every such literal is a message's id, or stands in a kind.
const FOLDERS: [&str; 6] =
    ["src/engine", "src/drivers", "src/agent", "src/keeper", "src/doctor", "src/api/validation"];

#[test]
fn every_id_that_the_sources_name_is_in_the_catalogue() {
    let mut found = Vec::new();
    for folder in FOLDERS {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    let mut of_the_kinds: BTreeSet<&str> = KINDS.into_iter().collect();
    for kind in KINDS {
        enum_values(schema(kind).unwrap(), &mut of_the_kinds);
    }
    let mut missing = BTreeSet::new();
    // The stores of leases have error codes of their own.
    let ours = |path: &&std::path::PathBuf| !path.to_string_lossy().contains("arbiters/lease");
    for path in found.iter().filter(ours) {
        let text = std::fs::read_to_string(path).unwrap();
        for id in ids_in(&text) {
            if lookup(id).is_none() && !of_the_kinds.contains(id) {
                missing.insert(format!("{id} in {}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not in the catalogue: {missing:#?}");
}

#[test]
fn every_id_of_the_catalogue_is_said_somewhere() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let texts: Vec<String> = found
        .iter()
        .filter(|path| !path.to_string_lossy().contains("api/catalogue"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for entry in entries() {
        // A rule's message begins with its id and a colon.
        let said = [format!("\"{}\"", entry.id), format!("\"{}: ", entry.id)];
        let is_said = texts.iter().any(|text| said.iter().any(|id| text.contains(id)));
        assert!(is_said, "nobody says {}", entry.id);
    }
}
