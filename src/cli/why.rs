//! `stead why`: how an object came to stand where it stands, and why not elsewhere (BX-4).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Global;
use super::connection::Connection;
use super::failure::Failure;
use super::kinds::{CLUSTER, EVENT, GROUP, Kind, MONITOR, OPERATION, RESOURCE, SERVER, object};
use super::output::{ObjectOutput, list, print, render, text};
use super::past::{self, Past};

/// Explain the present state of an object: what led to it, and why it is not otherwise.
///
/// OBJECT is KIND/NAME, or a name alone where only one object has it. Follows the causes that the
/// cluster records with every event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stead why web
  stead why server/node2")]
pub(super) struct Arguments {
    /// The object.
    #[arg(value_name = "OBJECT")]
    object: String,
    /// Print the chain as an object.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let named = match arguments.object.contains('/') {
        true => Some(object(&arguments.object)?),
        false => None,
    };
    let connection = Connection::open(global).await?;
    let (kind, found) = match named {
        Some((kind, name)) => (kind, connection.get(&kind.path(Some(name))).await?),
        None => search(&connection, &arguments.object).await?,
    };
    let events = connection.list(&EVENT).await?;
    let events = past::read_all(list(&events, "/items"));
    let name = text(&found, "/metadata/name");
    let chain = past::chain(&events, &format!("{}/{name}", kind.kind));
    match arguments.output {
        None => print(&explain(kind, &found, &chain, Timestamp::now())),
        Some(output) => print(&render(&as_object(kind, &found, &chain), output)?),
    }
}

/// The one object of that name, of whatever kind.
async fn search(connection: &Connection, name: &str) -> Result<(&'static Kind, Value), Failure> {
    let mut found = Vec::new();
    for kind in [&GROUP, &RESOURCE, &MONITOR, &SERVER, &CLUSTER, &OPERATION] {
        match connection.get(&kind.path(Some(name))).await {
            Ok(object) => found.push((kind, object)),
            Err(error) if error.code() == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    if found.len() > 1 {
        let names: Vec<String> =
            found.iter().map(|(kind, _)| format!("{}/{name}", kind.kind)).collect();
        return Err(Failure::Usage(format!("which one: {}?", names.join(", "))));
    }
    found.pop().ok_or_else(|| Failure::error(format!("there is no object named {name}")))
}

/// `is Online on node1`, from whatever the kind's status says.
fn state(object: &Value) -> String {
    let state = text(object, "/status/state");
    let server = text(object, "/status/server");
    match (state, server) {
        ("", _) => {
            let ready = list(object, "/status/conditions")
                .iter()
                .find(|condition| text(condition, "/type") == "Ready");
            match ready.map(|condition| text(condition, "/status")) {
                Some("True") => "is ready".into(),
                Some("False") => "is not ready".into(),
                Some(_) | None => "has no known state".into(),
            }
        }
        (state, "") => format!("is {state}"),
        (state, server) => format!("is {state} on {server}"),
    }
}

fn explain(kind: &Kind, object: &Value, chain: &[Past], now: Timestamp) -> String {
    let name = text(object, "/metadata/name");
    let state = state(object);
    let message = text(object, "/status/message");
    let mut answer = match chain.is_empty() {
        true => format!("{name} {state}; no event tells how that came\n"),
        false => format!("{name} {state}, because\n"),
    };
    for event in chain {
        answer.push_str(&event.line(now));
    }
    if !message.is_empty() {
        answer.push_str(&format!("Now: {message}.\n"));
    }
    for condition in list(object, "/status/conditions") {
        let (type_, status) = (text(condition, "/type"), text(condition, "/status"));
        let good = if type_ == "Ready" || type_ == "SplitBrainSafe" { "True" } else { "False" };
        let words = text(condition, "/message");
        if status != good && !words.is_empty() && words != message && type_ != "Succeeded" {
            answer.push_str(&format!(
                "{type_} is {status}: {words}  ({})\n",
                text(condition, "/reason")
            ));
        }
    }
    for not_on in list(object, "/status/notOn") {
        let server = text(not_on, "/server");
        let words = text(not_on, "/message").trim_end_matches('.');
        let reason = text(not_on, "/reason");
        answer.push_str(&format!("It is not on {server} because {words}.  ({reason})\n"));
    }
    if kind.kind == RESOURCE.kind {
        let group = text(object, "/spec/group");
        answer.push_str(&format!("Its group is {group}: stead why fg/{group}\n"));
    }
    answer
}

fn as_object(kind: &Kind, object: &Value, chain: &[Past]) -> Value {
    let because: Vec<Value> = chain
        .iter()
        .map(|event| {
            json!({
                "time": event.time, "reason": event.reason, "object": event.object,
                "message": event.message, "run": event.run, "number": event.number,
            })
        })
        .collect();
    json!({
        "kind": kind.kind,
        "metadata": {"name": text(object, "/metadata/name")},
        "state": text(object, "/status/state"),
        "server": text(object, "/status/server"),
        "message": text(object, "/status/message"),
        "because": because,
        "notOn": list(object, "/status/notOn"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_chain_and_why_not_elsewhere() {
        let object = json!({
            "metadata": {"name": "web"},
            "status": {
                "state": "Online", "server": "node1", "message": "",
                "notOn": [{"server": "node2", "reason": "ServerNotReturned",
                    "message": "node2 failed at 14:02:11, and has not been returned"}],
            },
        });
        let event = json!({
            "involvedObject": {"kind": "FailoverGroup", "name": "web"}, "reason": "GroupOnline",
            "message": "web is online on node1", "eventTime": "2026-01-01T14:02:12.006000Z",
        });
        let now: Timestamp = "2026-01-01T15:00:00Z".parse().unwrap();
        let answer = explain(&GROUP, &object, &[Past::read(&event)], now);
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines[0], "web is Online on node1, because");
        assert!(lines[1].starts_with("  14:02:12.006  web is online on node1 "));
        assert!(lines[1].ends_with("  GroupOnline"));
        assert_eq!(
            lines[2],
            "It is not on node2 because node2 failed at 14:02:11, and has not been returned.  \
             (ServerNotReturned)"
        );
    }
}
