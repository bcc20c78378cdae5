//! What happened, in the order it happened: the cluster's own events between the client's answers.

use stead::engine::time::Instant;

use crate::api::Event;
use crate::client::Outage;
use crate::split::Span;

/// Events that tell the story of a takeover. Others (paths, monitors) happen beside it.
const TOLD: [&str; 16] = [
    "AgentEnded",
    "ServerLost",
    "ViewProposed",
    "ArbitrationHeld",
    "ArbitrationLost",
    "ArbitrationUnknown",
    "ViewInstalled",
    "ServerFree",
    "GroupGranted",
    "GroupOrderedToStop",
    "ResourceStarting",
    "ResourceOnline",
    "ResourceStopping",
    "ResourceOffline",
    "GroupOnline",
    "DualActivation",
];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// What.
    pub text: String,
}

/// The lines of one play: `marks` are those that the demo itself knows.
pub fn lines(events: &[Event], outage: &Outage, marks: Vec<Line>) -> Vec<Line> {
    let last = outage.after.at;
    let mut lines = marks;
    let mut told: Vec<(&str, &(String, String))> = Vec::new();
    for event in events {
        let subject = (event.reason.as_str(), &event.object);
        // Several servers say the same of a lost one; the first that noticed speaks for all.
        if event.at > last || !TOLD.contains(&subject.0) || told.contains(&subject) {
            continue;
        }
        told.push(subject);
        lines.push(Line { at: event.at, text: format!("{}: {}", event.server, event.message) });
    }
    let before = format!("client: last answer, from {}", outage.before.answer.server);
    lines.push(Line { at: outage.before.at, text: before });
    let after = &outage.after.answer;
    let started = format!("{}: the application's process begins", after.server);
    lines.push(Line { at: after.started, text: started });
    let listening = format!("{}: the application can answer", after.server);
    lines.push(Line { at: after.listening, text: listening });
    let answered = format!("client: first answer, from {}", after.server);
    lines.push(Line { at: outage.after.at, text: answered });
    lines.sort_by_key(|line| line.at);
    lines
}

/// The lines with the seconds since the first of them.
pub fn print(lines: &[Line]) {
    let Some(first) = lines.first() else { return };
    for Line { at, text } in lines {
        println!("{:>8}  {text}", Span::between(first.at, *at).to_string());
    }
}
