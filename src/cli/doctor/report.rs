//! What the doctor found, in every form.

use serde_json::{Value, json};

use super::Form;
use crate::cli::failure::Failure;
use crate::cli::output::yaml;
use crate::cli::table::Table;
use crate::doctor::{Finding, Outcome};

/// Findings as text.
pub(super) fn render(findings: &[Finding], form: Form) -> Result<String, Failure> {
    Ok(match form {
        Form::Table => table(findings, false),
        Form::Wide => table(findings, true),
        Form::Json => format!("{:#}\n", object(findings)),
        Form::Yaml => yaml(&object(findings))?,
    })
}

/// A row each; below it what mends it.
fn table(findings: &[Finding], wide: bool) -> String {
    let header = ["CHECK", "OBJECT", "RESULT", "FINDING"];
    let row = |finding: &Finding| {
        let mut cells = vec![
            finding.check.name().to_owned(),
            finding.object.clone(),
            finding.outcome.name().to_owned(),
        ];
        if wide {
            cells.push(finding.code.unwrap_or_default().to_owned());
        }
        cells.push(finding.text.clone());
        cells
    };
    let empty = || {
        if wide {
            Table::new([header[0], header[1], header[2], "CODE", header[3]])
        } else {
            Table::new(header)
        }
    };
    let mut all = empty();
    findings.iter().for_each(|finding| all.row(row(finding)));
    let widths = all.widths(&[]);
    let mut text = all.render_header(&widths);
    for finding in findings {
        let mut one = empty();
        one.row(row(finding));
        text.push_str(&one.render_rows(&widths));
        if !finding.remedy.is_empty() {
            text.push_str(&format!("    fix: {}\n", finding.remedy));
        }
    }
    text.push_str(&format!("\n{}\n", summary(findings)));
    text
}

/// How many of each result there are.
fn summary(findings: &[Finding]) -> String {
    let count = |outcome: Outcome| findings.iter().filter(|f| f.outcome == outcome).count();
    format!(
        "{} OK, {} skipped, {} warnings, {} errors",
        count(Outcome::Ok),
        count(Outcome::Skipped),
        count(Outcome::Warning),
        count(Outcome::Error)
    )
}

fn object(findings: &[Finding]) -> Value {
    let worst = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Ok);
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "check": finding.check.name(),
                "object": finding.object,
                "result": finding.outcome.name(),
                "code": finding.code,
                "finding": finding.text,
                "fix": finding.remedy,
            })
        })
        .collect();
    json!({"result": worst.name(), "findings": findings})
}
