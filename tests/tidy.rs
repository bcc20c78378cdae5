//! The rules of the house that a compiler does not check.

#![allow(clippy::expect_used, reason = "a source that can't be read is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Imports run one way: each folder may use these others of `crate::`.
const IMPORTS: &[(&str, &[&str])] = &[
    ("api", &["api"]),
    ("engine", &["api", "engine"]),
    ("sim", &["api", "engine", "sim"]),
    ("keeper", &["keeper", "engine", "api", "agent"]),
    ("cloud", &["api", "engine", "cloud"]),
    ("drivers", &["api", "engine", "keeper", "drivers", "agent", "cloud"]),
    ("doctor", &["api", "cloud", "drivers", "doctor"]),
    ("server", &["api", "engine", "server"]),
    ("agent", &["api", "engine", "keeper", "drivers", "server", "agent"]),
    ("cli", &["api", "engine", "sim", "agent", "keeper", "server", "drivers", "doctor", "cli"]),
];

/// The one file that may hold `unsafe`.
const UNSAFE: &str = "src/agent/process/sys.rs";

/// Lines of a file, its tests apart, beyond which it holds two subjects.
const LINES_MAX: usize = 800;

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}

fn is_test(path: &Path) -> bool {
    let path = relative(path);
    path.ends_with("tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
}

/// The file up to its own tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn imports_run_one_way() {
    let mut findings = Vec::new();
    for (folder, allowed) in IMPORTS {
        for (path, text) in sources(&format!("src/{folder}")) {
            for (number, line) in product(&text).lines().enumerate() {
                let uses = line.split("crate::").skip(1);
                for used in uses {
                    let name: String =
                        used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let known = IMPORTS.iter().any(|(folder, _)| *folder == name);
                    if known && !allowed.contains(&name.as_str()) && !is_test(&path) {
                        findings.push(format!(
                            "{}:{}: {folder} must not use {name}",
                            relative(&path),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    report(findings);
}

#[test]
fn kinds_engine_and_simulator_are_pure() {
    let forbidden = [
        "async ",
        ".await",
        "tokio",
        "std::net::TcpStream",
        "std::net::UdpSocket",
        "std::fs",
        "std::thread",
        "Mutex",
        "RwLock",
        "HashMap",
        "HashSet",
        "Instant::now",
        "SystemTime",
    ];
    let mut findings = Vec::new();
    for folder in ["src/api", "src/engine", "src/sim"] {
        for (path, text) in sources(folder) {
            if is_test(&path) {
                continue;
            }
            for (number, line) in product(&text).lines().enumerate() {
                let code = line.split("//").next().unwrap_or(line);
                for word in forbidden {
                    if has_word(code, word) {
                        findings.push(format!(
                            "{}:{}: `{word}` in pure code",
                            relative(&path),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    report(findings);
}

/// Whether a line holds the word and not just a longer one that begins like it.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let next = code[at + word.len()..].chars().next();
        word.ends_with(' ') || next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
    })
}

#[test]
fn unsafe_stays_in_its_one_file() {
    let mut findings = Vec::new();
    for (path, text) in sources("src") {
        let name = relative(&path);
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            let unsafe_code = code.contains("unsafe {") || code.contains("unsafe fn");
            if unsafe_code && name != UNSAFE {
                findings.push(format!("{name}:{}: unsafe outside {UNSAFE}", number + 1));
            }
        }
    }
    report(findings);
}

#[test]
fn files_hold_one_subject() {
    let mut findings = Vec::new();
    for (path, text) in sources("src") {
        let lines = if is_test(&path) { 0 } else { product(&text).lines().count() };
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines", relative(&path)));
        }
    }
    report(findings);
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
    let mut findings = Vec::new();
    for root in ["src", "tests", "examples", "benches"] {
        for (path, text) in sources(root) {
            for (number, line) in text.lines().enumerate() {
                let product = root == "src" && !is_test(&path);
                let allowed_dead = product && line.contains("allow(dead_code)");
                if words.iter().any(|word| line.contains(word)) || allowed_dead {
                    findings.push(format!("{}:{}: {}", relative(&path), number + 1, line.trim()));
                }
            }
        }
    }
    report(findings);
}

#[test]
fn tests_do_not_sleep_or_hide() {
    let words = [concat!("thread::", "sleep("), concat!("#[", "ignore")];
    let mut findings = Vec::new();
    for root in ["src", "tests"] {
        for (path, text) in sources(root) {
            // What another process does can only be looked at again and again: in one place of
            // each such test.
            if path.ends_with("e2e/harness.rs") || path.ends_with("shared/network.rs") {
                continue;
            }
            let skipped = if is_test(&path) { 0 } else { product(&text).lines().count() };
            for (number, line) in text.lines().enumerate().skip(skipped) {
                if words.iter().any(|word| line.contains(word)) {
                    findings.push(format!("{}:{}: {}", relative(&path), number + 1, line.trim()));
                }
            }
        }
    }
    report(findings);
}
