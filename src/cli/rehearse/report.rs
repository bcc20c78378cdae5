//! What a rehearsal found, in every form of output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Form;
use crate::api::catalogue::{Language, render};
use crate::cli::failure::Failure;
use crate::cli::output::{json, yaml};
use crate::cli::table::Table;
use crate::sim::rehearse::{Fate, GroupOutcome, Known, Phase, Rehearsal, Row};

/// Rows of the summary.
const WORST: usize = 10;

/// Everything that was found.
pub(super) struct Report<'a> {
    rehearsal: &'a Rehearsal,
    rows: Vec<Row>,
}

/// Cells of a row.
const HEADER: [&str; 7] =
    ["#", "FAULT", "WHAT HAPPENS", "OUTAGE", "BECAUSE", "TWO ACTIVE", "MENDED BY"];

impl<'a> Report<'a> {
    pub(super) fn new(rehearsal: &'a Rehearsal, rows: Vec<Row>) -> Self {
        Self { rehearsal, rows }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub(super) fn render(&self, form: Form) -> Result<String, Failure> {
        match form {
            Form::Table => Ok(self.table(false)),
            Form::Wide => Ok(self.table(true)),
            Form::Json => json(&self.value()),
            Form::Yaml => yaml(&self.value()),
            Form::Markdown => Ok(self.markdown()),
            Form::Html => Ok(self.html()),
        }
    }

    fn singles(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.second.is_none()).collect()
    }

    fn doubles(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.second.is_some()).collect()
    }

    /// Of each pair of faults that is worse than both alone, the worst moment; worst pairs first.
    fn worse_together(&self) -> Vec<&Row> {
        let alone: BTreeMap<usize, &Row> =
            self.singles().into_iter().map(|row| (row.first, row)).collect();
        let mut pairs: BTreeMap<(usize, usize), &Row> = BTreeMap::new();
        for row in self.doubles() {
            let Some((second, _)) = row.second else { continue };
            let graver =
                |index: &usize| alone.get(index).is_some_and(|one| grade(row) <= grade(one));
            if grade(row) == (false, false, false) || [row.first, second].iter().any(graver) {
                continue;
            }
            let pair = (row.first.min(second), row.first.max(second));
            let worst = pairs.entry(pair).or_insert(row);
            if row.badness() > worst.badness() {
                *worst = row;
            }
        }
        let mut rows: Vec<&Row> = pairs.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.badness()));
        rows
    }

    fn table(&self, wide: bool) -> String {
        let mut text = self.head();
        text.push('\n');
        text.push_str(&self.summary());
        text.push('\n');
        text.push_str(&self.rows_as_table(&self.singles(), wide));
        let doubles = self.doubles();
        if doubles.is_empty() {
            return text;
        }
        let (title, rows) = if wide {
            ("Every double fault:".to_owned(), doubles)
        } else {
            let worse = self.worse_together();
            (pairs_title(worse.len()), worse)
        };
        let _ = writeln!(text, "\n{title}");
        if !rows.is_empty() {
            text.push_str(&self.rows_as_table(&rows, wide));
        }
        text
    }

    fn rows_as_table(&self, rows: &[&Row], wide: bool) -> String {
        let mut table = if wide {
            Table::new(HEADER)
        } else {
            Table::new(["#", "FAULT", "WHAT HAPPENS", "OUTAGE", "TWO ACTIVE", "MENDED BY"])
        };
        for row in rows {
            let cells = self.cells(row).into_iter().enumerate();
            table.row(cells.filter(|(index, _)| wide || *index != 4).map(|(_, cell)| cell));
        }
        table.render()
    }

    /// What was rehearsed, and with which durations.
    fn head(&self) -> String {
        let mut text = String::new();
        for line in self.head_lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn head_lines(&self) -> Vec<String> {
        let model = self.rehearsal.model();
        let cluster = &model.cluster;
        let mut lines = vec![format!(
            "{}: {}, {}, {}, {}; {}, {}",
            cluster.name,
            count(cluster.servers.len(), "server"),
            count(model.groups.len(), "group"),
            count(model.groups.values().map(|group| group.resources.len()).sum(), "resource"),
            count(model.monitors.len(), "monitor"),
            count(self.singles().len(), "single fault"),
            count(self.doubles().len(), "double fault"),
        )];
        let timing = &cluster.timing;
        lines.push(format!(
            "times: heartbeat time-out {}, lease {}, self-fence {}, takeover wait {}",
            seconds(timing.timeout),
            seconds(timing.lease),
            seconds(self.rehearsal.self_fence()),
            seconds(self.rehearsal.takeover_wait())
        ));
        let durations = self.rehearsal.durations();
        lines.push(format!(
            "durations (* measured, others assumed): boot {}, restart of an agent {}",
            known(durations.boot),
            known(durations.unit_restart)
        ));
        for (name, of) in &durations.resources {
            let mut line = format!("  {name}: start {}, stop {}", known(of.start), known(of.stop));
            if of.route.value > Duration::ZERO {
                let _ = write!(line, ", until clients are sent there {}", known(of.route));
            }
            lines.push(line);
        }
        for (method, takes) in &durations.fencing {
            lines.push(format!("  fencing by {method}: confirmed in {}", known(*takes)));
        }
        lines
    }

    fn summary(&self) -> String {
        self.summary_lines().into_iter().map(|line| line + "\n").collect()
    }

    /// Worst cases first.
    fn summary_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (rows, what) in [(self.singles(), "single"), (self.doubles(), "double")] {
            if rows.is_empty() {
                continue;
            }
            let of = |holds: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count();
            let longest = rows
                .iter()
                .flat_map(|row| &row.groups)
                .filter(|group| !group.stops())
                .map(|group| group.outage)
                .max();
            lines.push(format!(
                "{what} faults: {} of {} let two servers run a group, {} end without service, the \
                 longest other outage is {}",
                of(&Row::is_dual),
                rows.len(),
                of(&Row::stops),
                longest.map_or("none".to_owned(), seconds),
            ));
        }
        let mut worst: Vec<&Row> =
            self.singles().into_iter().filter(|row| grade(row) != (false, false, false)).collect();
        worst.sort_by_key(|row| std::cmp::Reverse(row.badness()));
        if !worst.is_empty() {
            lines.push("worst single faults:".to_owned());
        }
        for row in worst.iter().take(WORST) {
            let [number, fault, happens, outage, _, two, mended] = self.cells(row);
            let two = if row.is_dual() { format!(", two active {two}") } else { String::new() };
            let mended = if mended.is_empty() { mended } else { format!(" ← {mended}") };
            lines.push(format!("  {number:>3}  {fault}: {happens}, outage {outage}{two}{mended}"));
        }
        lines
    }

    /// Number, fault, what happens, outage, its parts, two active, what would mend it.
    fn cells(&self, row: &Row) -> [String; 7] {
        [
            row.id(),
            self.fault_text(row),
            happens(row),
            outage_text(row),
            parts_text(row),
            two_text(row),
            row.advice.join("; "),
        ]
    }

    fn fault_text(&self, row: &Row) -> String {
        let text = |index: usize| {
            self.rehearsal.cases().get(index).map_or(String::new(), |case| case.text.clone())
        };
        match &row.second {
            None => text(row.first),
            Some((second, moment)) => {
                format!("{}; {moment}: {}", text(row.first), text(*second))
            }
        }
    }

    fn value(&self) -> Value {
        let model = self.rehearsal.model();
        let timing = &model.cluster.timing;
        let durations = self.rehearsal.durations();
        let resource = |of: &crate::sim::rehearse::ResourceDurations| {
            json!({
                "start": known_value(of.start),
                "stop": known_value(of.stop),
                "route": known_value(of.route),
            })
        };
        let resources: BTreeMap<&str, Value> =
            durations.resources.iter().map(|(name, of)| (name.as_str(), resource(of))).collect();
        let fencing: BTreeMap<&str, Value> =
            durations.fencing.iter().map(|(name, of)| (&**name, known_value(*of))).collect();
        json!({
            "cluster": model.cluster.name,
            "timing": {
                "timeoutMs": milliseconds(timing.timeout),
                "leaseMs": milliseconds(timing.lease),
                "selfFenceMs": milliseconds(self.rehearsal.self_fence()),
                "takeoverWaitMs": milliseconds(self.rehearsal.takeover_wait()),
            },
            "durations": {
                "boot": known_value(durations.boot),
                "unitRestart": known_value(durations.unit_restart),
                "resources": resources,
                "fencing": fencing,
            },
            "summary": self.summary_lines(),
            "plays": self.rows.iter().map(|row| self.row_value(row)).collect::<Vec<_>>(),
        })
    }

    fn row_value(&self, row: &Row) -> Value {
        let cases = self.rehearsal.cases();
        let fault = |index: usize| {
            let case = cases.get(index);
            json!({
                "number": index + 1,
                "kind": case.map_or("", |case| case.category.name()),
                "text": case.map_or("", |case| case.text.as_str()),
            })
        };
        let mut value = json!({
            "id": row.id(),
            "faults": [fault(row.first)],
            "groups": row.groups.iter().map(group_value).collect::<Vec<_>>(),
            "mendedBy": row.advice,
        });
        if let Some((second, moment)) = &row.second {
            value["faults"] = json!([fault(row.first), fault(*second)]);
            value["moment"] = moment.to_string().into();
        }
        if let Some(broken) = &row.broken {
            value["broken"] = broken.as_str().into();
        }
        if row.endless {
            value["endless"] = true.into();
        }
        value
    }

    fn markdown(&self) -> String {
        let mut text = format!("# Rehearsal of {}\n\n", self.rehearsal.model().cluster.name);
        let escape = |cell: &str| cell.replace('|', "\\|").replace('<', "&lt;");
        for line in self.head_lines() {
            let _ = writeln!(text, "- {}", escape(line.trim()));
        }
        text.push('\n');
        for line in self.summary_lines() {
            let _ = writeln!(text, "- {}", escape(line.trim()));
        }
        for (title, rows) in self.sections() {
            let _ = writeln!(text, "\n## {title}\n");
            let _ = writeln!(text, "| {} |", HEADER.map(str::to_lowercase).join(" | "));
            let _ = writeln!(text, "|{}", "---|".repeat(HEADER.len()));
            for row in rows {
                let cells = self.cells(row).map(|cell| escape(&cell));
                let _ = writeln!(text, "| {} |", cells.join(" | "));
            }
        }
        text
    }

    fn sections(&self) -> Vec<(String, Vec<&Row>)> {
        let mut sections = vec![("Single faults".to_owned(), self.singles())];
        if !self.doubles().is_empty() {
            let worse = self.worse_together();
            sections.push((pairs_title(worse.len()), worse));
        }
        sections
    }

    fn html(&self) -> String {
        let name = html_escape(&self.rehearsal.model().cluster.name);
        let mut text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Rehearsal of \
             {name}</title><style>\nbody {{ font: 14px sans-serif; margin: 2em }}\ntable {{ \
             border-collapse: collapse }}\ntd, th {{ border: 1px solid #bbb; padding: 3px 8px; \
             text-align: left; vertical-align: top }}\n.dual {{ background: #fdd }}\n.stops {{ \
             background: #fec }}\n</style></head><body>\n<h1>Rehearsal of {name}</h1>\n"
        );
        for lines in [self.head_lines(), self.summary_lines()] {
            let lines: Vec<String> = lines.iter().map(|line| html_escape(line)).collect();
            let _ = writeln!(text, "<p>{}</p>", lines.join("<br>\n"));
        }
        for (title, rows) in self.sections() {
            let _ = writeln!(text, "<h2>{}</h2>\n<table>", html_escape(&title));
            let header = HEADER.map(|cell| format!("<th>{}</th>", html_escape(cell)));
            let _ = writeln!(text, "<tr>{}</tr>", header.concat());
            for row in rows {
                let class = match (row.is_dual(), row.stops()) {
                    (true, _) => " class=\"dual\"",
                    (false, true) => " class=\"stops\"",
                    (false, false) => "",
                };
                let cells = self.cells(row).map(|cell| format!("<td>{}</td>", html_escape(&cell)));
                let _ = writeln!(text, "<tr{class}>{}</tr>", cells.concat());
            }
            text.push_str("</table>\n");
        }
        text + "</body></html>\n"
    }
}

/// The story of one play.
pub(super) fn story(rehearsal: &Rehearsal, id: &str) -> Result<String, Failure> {
    let Some((row, lines)) = rehearsal.story(id) else {
        return Err(Failure::Usage(format!(
            "there is no play `{id}`: write its number as the first column of the table has it, 3 \
             or 3+17@wait"
        )));
    };
    let report = Report::new(rehearsal, Vec::new());
    let mut text = format!("{}  {}\n\n", row.id(), report.fault_text(&row));
    for line in lines {
        let what = match &line.event {
            Some(event) => {
                let said = render(&event.reason, &event.parameters, Language::English);
                let mut causes = String::new();
                for (index, cause) in event.causes.iter().enumerate() {
                    let _ = write!(causes, "{}{cause}", if index == 0 { "  ← " } else { ", " });
                }
                format!("{} #{}: {said}   {}{causes}", event.server, event.number, event.reason)
            }
            None => line.text,
        };
        let _ = writeln!(text, "{:>10.3}  {what}", line.at.as_secs_f64());
    }
    let _ = writeln!(text);
    for group in &row.groups {
        let name = &group.group;
        let _ = writeln!(text, "{name}: {}, outage {}", fate(group), outage_of(group));
        for (phase, long) in &group.split {
            let _ = writeln!(text, "  {:>10.3} s  {phase}", long.as_secs_f64());
        }
    }
    let _ = writeln!(text, "two active: {}", two_text(&row));
    for advice in &row.advice {
        let _ = writeln!(text, "mended by: {advice}");
    }
    Ok(text)
}

/// How grave a row is, its length apart.
fn grade(row: &Row) -> (bool, bool, bool) {
    (row.broken.is_some(), row.is_dual(), row.stops())
}

fn pairs_title(pairs: usize) -> String {
    match pairs {
        0 => "No pair of faults is graver than one of them alone.".to_owned(),
        _ => format!("Pairs of faults that are graver than each alone ({pairs}):"),
    }
}

fn happens(row: &Row) -> String {
    if let Some(broken) = &row.broken {
        return format!("BROKEN RULE: {broken}");
    }
    let of = |group: &GroupOutcome| match row.groups.len() {
        1 => fate(group),
        _ => format!("{}: {}", group.group, fate(group)),
    };
    let moved = row.groups.iter().filter(|group| group.fate != Fate::Continues || group.is_dual());
    let texts: Vec<String> = moved.map(of).collect();
    let mut text = if texts.is_empty() { "service continues".to_owned() } else { texts.join("; ") };
    if row.endless {
        text.push_str(" (still moving when the play was cut off)");
    }
    text
}

fn fate(group: &GroupOutcome) -> String {
    let before = group.before.as_deref().unwrap_or("its server");
    match &group.fate {
        Fate::Continues if group.is_dual() => format!("{before} serves on, and so does another"),
        Fate::Continues => "service continues".to_owned(),
        Fate::Resumes => format!("{before} resumes"),
        Fate::Moves { to } => format!("{to} takes over"),
        Fate::Stops { reason } if reason.is_empty() => "STOPS".to_owned(),
        Fate::Stops { reason } => format!("STOPS: {reason}"),
    }
}

fn outage_text(row: &Row) -> String {
    row.worst().map_or("-".to_owned(), outage_of)
}

fn outage_of(group: &GroupOutcome) -> String {
    match group.stops() {
        true => "until repaired".to_owned(),
        false if group.outage == Duration::ZERO => "-".to_owned(),
        false => seconds(group.outage),
    }
}

fn parts_text(row: &Row) -> String {
    let Some(group) = row.worst().filter(|group| !group.stops()) else { return String::new() };
    let part = |(phase, long): &(Phase, Duration)| format!("{phase} {}", seconds(*long));
    group.split.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn two_text(row: &Row) -> String {
    let Some(group) = row.groups.iter().max_by_key(|group| (group.dual_lasts, group.dual)) else {
        return "no".to_owned();
    };
    match (group.is_dual(), group.dual_lasts) {
        (false, _) => "no".to_owned(),
        (true, false) => format!("YES, {}", seconds(group.dual)),
        (true, true) => "YES, until healed".to_owned(),
    }
}

fn group_value(group: &GroupOutcome) -> Value {
    let (outcome, server, reason) = match &group.fate {
        Fate::Continues => ("Continues", group.before.as_deref(), None),
        Fate::Resumes => ("Resumes", group.before.as_deref(), None),
        Fate::Moves { to } => ("Moves", Some(to.as_str()), None),
        Fate::Stops { reason } => ("Stops", None, Some(reason.as_str())),
    };
    let split: Vec<Value> = group
        .split
        .iter()
        .map(|(phase, long)| json!({"phase": phase.to_string(), "ms": milliseconds(*long)}))
        .collect();
    let outage = (!group.stops()).then(|| milliseconds(group.outage));
    json!({
        "name": group.group,
        "before": group.before,
        "outcome": outcome,
        "server": server,
        "reason": reason,
        "outageMs": outage,
        "parts": split,
        "twoActiveMs": milliseconds(group.dual),
        "twoActiveUntilHealed": group.dual_lasts,
    })
}

fn count(number: usize, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

fn known(known: Known) -> String {
    format!("{}{}", seconds(known.value), if known.measured { "*" } else { "" })
}

fn known_value(known: Known) -> Value {
    json!({"ms": milliseconds(known.value), "measured": known.measured})
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hours in microseconds fit exactly")]
    let microseconds = duration.as_micros() as f64;
    microseconds / 1000.0
}

/// As people say it.
fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        0 if duration.is_zero() => "0 s".to_owned(),
        0..1000 => format!("{} ms", duration.as_millis().max(1)),
        1000..100_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{:.0} s", duration.as_secs_f64()),
    }
}

fn html_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
