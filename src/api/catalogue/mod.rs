//! The only source of what users read in events, conditions and problems.
//!
//! One file per topic, one entry per message. An id is given once and never given to anything
//! else. Texts hold `{named}` parameters, the same in both languages.

use super::problem;

mod agent;
mod aws;
mod cluster;
mod doctor;
mod fencing;
mod groups;
mod histories;
mod monitors;
mod placement;
mod timeouts;
mod validation;

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something happened as it should.
    Information,
    /// Somebody should look when there is time.
    Warning,
    /// Somebody must look.
    Error,
}

/// Languages of the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

/// A text in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Japanese.
    pub ja: &'static str,
}

impl Text {
    /// The text in a language.
    #[must_use]
    pub fn get(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Japanese => self.ja,
        }
    }
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// CamelCase id: the event's or condition's reason.
    pub id: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What is said, with `{named}` parameters.
    pub text: Text,
    /// What leads to it.
    pub cause: Text,
    /// What a person does about it.
    pub remedy: Text,
}

/// An entry whose texts are given as English and Japanese.
const fn entry(
    id: &'static str,
    severity: Severity,
    text: [&'static str; 2],
    cause: [&'static str; 2],
    remedy: [&'static str; 2],
) -> Entry {
    Entry {
        id,
        severity,
        text: Text { en: text[0], ja: text[1] },
        cause: Text { en: cause[0], ja: cause[1] },
        remedy: Text { en: remedy[0], ja: remedy[1] },
    }
}

/// Every topic's table.
const TABLES: [(&str, &[Entry]); 11] = [
    ("Cluster and servers", cluster::ENTRIES),
    ("Histories, shutdown and start", histories::ENTRIES),
    ("Fencing", fencing::ENTRIES),
    ("Groups and resources", groups::ENTRIES),
    ("Placement and operations", placement::ENTRIES),
    ("Monitors and recovery", monitors::ENTRIES),
    ("AWS", aws::ENTRIES),
    ("What the doctor finds", doctor::ENTRIES),
    ("Agent and keeper", agent::ENTRIES),
    ("Manifests", validation::ENTRIES),
    ("Times in manifests", timeouts::ENTRIES),
];

/// Topics with their entries.
pub fn topics() -> impl Iterator<Item = (&'static str, &'static [Entry])> {
    TABLES.into_iter()
}

/// All entries.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.into_iter().flat_map(|(_, entries)| entries)
}

/// The entry of an id.
#[must_use]
pub fn lookup(id: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.id == id)
}

/// The id that is most like what was typed.
#[must_use]
pub fn nearest(id: &str) -> Option<&'static str> {
    problem::nearest(id, entries().map(|entry| entry.id))
}

/// The text of a message with its parameters filled in; one line.
///
/// A parameter that is not given stays as `{name}`; an unknown id is said with its parameters as
/// they are, so that nothing is ever lost.
#[must_use]
pub fn render(id: &str, parameters: &[(String, String)], language: Language) -> String {
    let Some(entry) = lookup(id) else {
        let parameters: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        return one_line(&format!("{id} {}", parameters.join(" ")));
    };
    one_line(&fill(entry.text.get(language), parameters))
}

/// The text of a message with its one parameter `message`.
#[must_use]
pub fn said(id: &str, message: &str) -> String {
    render(id, &[("message".to_owned(), message.to_owned())], Language::English)
}

/// Puts parameters into a text.
#[must_use]
pub fn fill(text: &str, parameters: &[(String, String)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 1..start + length];
        filled.push_str(&rest[..start]);
        match parameters.iter().find(|(parameter, _)| parameter == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.push_str(&rest[start..=start + length]),
        }
        rest = &rest[start + length + 1..];
    }
    filled.push_str(rest);
    filled
}

/// Longest line of a message, in bytes: what syslog carries everywhere.
pub const LINE_MAX: usize = 1024;

fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.trim().chars() {
        let character = if character.is_control() { ' ' } else { character };
        if line.len() + character.len_utf8() > LINE_MAX - '…'.len_utf8() {
            line.push('…');
            break;
        }
        line.push(character);
    }
    line
}

#[cfg(test)]
mod tests;
