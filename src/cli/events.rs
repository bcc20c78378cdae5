//! `stead events`.

use futures_util::StreamExt as _;
use jiff::Timestamp;
use kube::core::WatchEvent;
use serde_json::json;

use super::Global;
use super::connection::Connection;
use super::failure::Failure;
use super::kinds::{EVENT, escape, object};
use super::output::{ObjectOutput, clock, list, print, render, text};
use super::past::{Past, read_all};
use super::table::Table;

/// Show what happened, oldest first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only events about this object.
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// Only warnings.
    #[arg(long)]
    warnings: bool,
    /// Only the last events, this many.
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
    /// Go on and show each event as it comes.
    #[arg(short, long)]
    watch: bool,
    /// Print them as objects.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

/// Least widths of time, type, reason and object: a watch can't know what will come.
const WIDTHS: [usize; 4] = [12, 7, 24, 24];

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let mut selectors = Vec::new();
    if let Some(about) = &arguments.about {
        let (kind, name) = object(about)?;
        selectors.push(format!("involvedObject.kind={}", kind.kind));
        selectors.push(format!("involvedObject.name={name}"));
    }
    if arguments.warnings {
        selectors.push("type=Warning".into());
    }
    let selector = escape(&selectors.join(","));
    let connection = Connection::open(global).await?;
    let path = format!("{}?fieldSelector={selector}", EVENT.path(None));
    let answer = connection.get(&path).await?;
    let items = list(&answer, "/items");
    let mut past = read_all(items);
    if let Some(last) = arguments.last {
        past.drain(..past.len().saturating_sub(last));
    }
    if let Some(output) = arguments.output {
        let mut items = items.to_vec();
        items.sort_by_key(|event| (Past::read(event).time, Past::read(event).number));
        items.drain(..items.len().saturating_sub(past.len()));
        print(&render(&json!({"apiVersion": "v1", "kind": "List", "items": items}), output)?)?;
    } else {
        let table = table(&past);
        let widths = table.widths(&WIDTHS);
        print(&(table.render_header(&widths) + &table.render_rows(&widths)))?;
    }
    if arguments.watch {
        let version = text(&answer, "/metadata/resourceVersion").to_owned();
        follow(&connection, &path, version, arguments.output).await?;
    }
    Ok(())
}

fn table(past: &[Past]) -> Table {
    let mut table = Table::new(["TIME", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for event in past {
        table.row([
            clock(&event.time, Timestamp::now()),
            event.type_.clone(),
            event.reason.clone(),
            event.object.clone(),
            event.message.clone(),
        ]);
    }
    table
}

async fn follow(
    connection: &Connection,
    path: &str,
    mut version: String,
    output: Option<ObjectOutput>,
) -> Result<(), Failure> {
    loop {
        let path = format!("{path}&watch=true&resourceVersion={}", escape(&version));
        let mut stream = match connection.watch(&path, false).await {
            Ok(stream) => stream,
            Err(error) if error.code() == 410 => {
                version = "0".into();
                continue;
            }
            Err(error) if error.code() != 0 => return Err(error.into()),
            Err(_) => {
                connection.reconnect().await?;
                continue;
            }
        };
        while let Some(event) = stream.next().await {
            let event = match event {
                Ok(WatchEvent::Added(event) | WatchEvent::Modified(event)) => event,
                Ok(WatchEvent::Deleted(_) | WatchEvent::Bookmark(_)) => continue,
                Ok(WatchEvent::Error(_)) | Err(_) => break,
            };
            text(&event, "/metadata/resourceVersion").clone_into(&mut version);
            match output {
                Some(output) => print(&render(&event, output)?)?,
                None => {
                    let table = table(&[Past::read(&event)]);
                    print(&table.render_rows(&table.widths(&WIDTHS)))?;
                }
            }
        }
        connection.reconnect().await?;
    }
}
