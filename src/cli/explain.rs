//! `stead explain`: the message catalogue, offline.

use clap::ValueEnum;
use serde_json::json;

use super::failure::Failure;
use super::output::{ObjectOutput, print, render};
use super::table::Table;
use crate::api::catalogue::{self, Entry, Language, Severity};

/// Explain a message: what it says, what leads to it, what to do.
///
/// REASON is the id that events, conditions and errors carry, for example ServerLost. Works
/// without a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stead explain NoServerLeft
  stead explain event NoServerLeft --lang ja
  stead explain --list")]
pub(super) struct Arguments {
    /// The id, with or without the word `event` before it.
    #[arg(value_name = "[event] REASON", num_args = 0..=2)]
    reason: Vec<String>,
    /// Language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// List every message.
    #[arg(long, conflicts_with = "reason")]
    list: bool,
    /// Print it as an object.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    En,
    Ja,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let language = match arguments.lang {
        Lang::En => Language::English,
        Lang::Ja => Language::Japanese,
    };
    if arguments.list {
        return list(language, arguments.output);
    }
    let words: Vec<&str> = arguments.reason.iter().map(String::as_str).collect();
    let reason = match words.as_slice() {
        ["event", reason] | [reason] => *reason,
        _ => return Err(Failure::Usage("which message? stead explain --list has them".into())),
    };
    let Some(entry) = find(reason) else {
        let nearest = catalogue::nearest(reason);
        let meant = nearest.map(|id| format!("; did you mean `{id}`?")).unwrap_or_default();
        return Err(Failure::error(format!("there is no message `{reason}`{meant}")));
    };
    match arguments.output {
        Some(output) => print(&render(&object(entry, language), output)?),
        None => print(&explain(entry, language)),
    }
}

fn find(reason: &str) -> Option<&'static Entry> {
    catalogue::lookup(reason)
        .or_else(|| catalogue::entries().find(|entry| entry.id.eq_ignore_ascii_case(reason)))
}

fn severity(severity: Severity, language: Language) -> &'static str {
    match (severity, language) {
        (Severity::Information, Language::English) => "Information",
        (Severity::Warning, Language::English) => "Warning",
        (Severity::Error, Language::English) => "Error",
        (Severity::Information, Language::Japanese) => "情報",
        (Severity::Warning, Language::Japanese) => "警告",
        (Severity::Error, Language::Japanese) => "エラー",
    }
}

fn explain(entry: &Entry, language: Language) -> String {
    let (cause, remedy) = match language {
        Language::English => ("Cause", "Remedy"),
        Language::Japanese => ("原因", "対処"),
    };
    format!(
        "{}   {}\n  {}\n\n{cause}\n  {}\n\n{remedy}\n  {}\n",
        entry.id,
        severity(entry.severity, language),
        entry.text.get(language),
        entry.cause.get(language),
        entry.remedy.get(language),
    )
}

fn object(entry: &Entry, language: Language) -> serde_json::Value {
    json!({
        "id": entry.id,
        "severity": severity(entry.severity, Language::English),
        "text": entry.text.get(language),
        "cause": entry.cause.get(language),
        "remedy": entry.remedy.get(language),
    })
}

fn list(language: Language, output: Option<ObjectOutput>) -> Result<(), Failure> {
    match output {
        Some(ObjectOutput::Name) => {
            print(&catalogue::entries().map(|entry| format!("{}\n", entry.id)).collect::<String>())
        }
        Some(output @ (ObjectOutput::Json | ObjectOutput::Yaml)) => {
            let all: Vec<_> = catalogue::entries().map(|entry| object(entry, language)).collect();
            print(&render(&all.into(), output)?)
        }
        None => {
            let mut table = Table::new(["REASON", "SEVERITY", "TEXT"]);
            for (_, entries) in catalogue::topics() {
                for entry in entries {
                    let severity = severity(entry.severity, language).to_owned();
                    table.row([entry.id.into(), severity, entry.text.get(language).into()]);
                }
            }
            print(&table.render())
        }
    }
}
