//! `stead get`.

use futures_util::StreamExt as _;
use kube::core::WatchEvent;
use serde_json::{Value, json};

use super::Global;
use super::connection::{Connection, RequestError};
use super::failure::Failure;
use super::kinds::{EVENT, Kind, escape, kinds};
use super::output::{ObjectOutput, Output, print, render, text};
use super::table::Table;

/// Show objects.
///
/// KIND is a kind by any of its names (failovergroup, failovergroups, fg), several separated by
/// commas, or `all`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stead get fg
  stead get all -o wide
  stead get res app -o yaml
  stead get fg/web mon/web-port
  stead get op -w")]
pub(super) struct Arguments {
    /// The kind, or KIND/NAME.
    #[arg(value_name = "KIND")]
    kind: String,
    /// Only these.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Go on and show each change.
    #[arg(short, long)]
    watch: bool,
    /// Only objects with these labels, as kubectl has them: `a=b,c!=d`.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Leave the header out.
    #[arg(long)]
    no_headers: bool,
}

/// What to ask for: one object, or all of a kind.
struct Query {
    kind: &'static Kind,
    name: Option<String>,
    path: String,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let queries = queries(arguments)?;
    if arguments.watch && queries.len() != 1 {
        return Err(Failure::Usage("--watch watches one kind, or one object".into()));
    }
    let connection = Connection::open(global).await?;
    match object_output(arguments.output) {
        None => tables(&connection, arguments, &queries).await,
        Some(output) => objects(&connection, arguments, &queries, output).await,
    }
}

fn object_output(output: Output) -> Option<ObjectOutput> {
    match output {
        Output::Table | Output::Wide => None,
        Output::Json => Some(ObjectOutput::Json),
        Output::Yaml => Some(ObjectOutput::Yaml),
        Output::Name => Some(ObjectOutput::Name),
    }
}

fn queries(arguments: &Arguments) -> Result<Vec<Query>, Failure> {
    let one = |word: &str| {
        let (kind, name) = super::kinds::object(word)?;
        Ok(Query { kind, name: Some(name.to_owned()), path: kind.path(Some(name)) })
    };
    if arguments.kind.contains('/') {
        let words = std::iter::once(&arguments.kind).chain(&arguments.names);
        return words.map(|word| one(word)).collect();
    }
    let kinds = kinds(&arguments.kind)?;
    if !arguments.names.is_empty() {
        let [kind] = kinds.as_slice() else {
            return Err(Failure::Usage("names go with one kind".into()));
        };
        let query =
            |name: &String| Query { kind, name: Some(name.clone()), path: kind.path(Some(name)) };
        return Ok(arguments.names.iter().map(query).collect());
    }
    let selector = arguments.selector.as_deref().map(escape);
    let query = |kind: &'static Kind| {
        let mut path = kind.path(None);
        if let Some(selector) = &selector {
            path.push_str(&format!("?labelSelector={selector}"));
        }
        Query { kind, name: None, path }
    };
    Ok(kinds.into_iter().map(query).collect())
}

async fn tables(
    connection: &Connection,
    arguments: &Arguments,
    queries: &[Query],
) -> Result<(), Failure> {
    let wide = arguments.output == Output::Wide;
    let mut first = true;
    let mut widths = Vec::new();
    let mut version = String::new();
    for query in queries {
        let answer = connection.get_table(&query.path).await?;
        text(&answer, "/metadata/resourceVersion").clone_into(&mut version);
        let mut table = Table::from_server(&answer, wide);
        if queries.len() > 1 {
            // Several kinds: each name says of which.
            table.map_first(|name| query.kind.object(name));
        }
        if table.is_empty() && !arguments.watch {
            // Kinds of `get all` that have none are not worth a line each.
            if queries.len() == 1 {
                eprintln!("there are no {}", query.kind.plural);
            }
            continue;
        }
        widths = table.widths(&[]);
        if !first {
            print("\n")?;
        }
        first = false;
        if !arguments.no_headers {
            print(&table.render_header(&widths))?;
        }
        print(&table.render_rows(&widths))?;
    }
    let Some(query) = queries.first().filter(|_| arguments.watch) else { return Ok(()) };
    watch(connection, query, &version, true, |row| {
        print(&Table::from_server(row, wide).render_rows(&widths))
    })
    .await
}

async fn objects(
    connection: &Connection,
    arguments: &Arguments,
    queries: &[Query],
    output: ObjectOutput,
) -> Result<(), Failure> {
    let mut answers = Vec::new();
    for query in queries {
        answers.push(connection.get(&query.path).await?);
    }
    let version =
        answers.first().map(|answer| text(answer, "/metadata/resourceVersion").to_owned());
    let answer = match (answers.len(), answers.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            let flat = answers.into_iter().chain(last).flat_map(|answer| {
                match answer.get("items").and_then(Value::as_array) {
                    Some(items) => items.clone(),
                    None => vec![answer],
                }
            });
            let items: Vec<Value> = flat.collect();
            json!({"apiVersion": "v1", "kind": "List", "items": items})
        }
    };
    print(&render(&answer, output)?)?;
    let Some(query) = queries.first().filter(|_| arguments.watch) else { return Ok(()) };
    watch(connection, query, &version.unwrap_or_default(), false, |object| {
        let separator = if output == ObjectOutput::Yaml { "---\n" } else { "" };
        print(&(separator.to_owned() + &render(object, output)?))
    })
    .await
}

/// Follows changes for good. A server that ends the stream, or falls silent, is followed by
/// another at the same version.
async fn watch(
    connection: &Connection,
    query: &Query,
    version: &str,
    as_table: bool,
    mut show: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut version = version.to_owned();
    loop {
        let path = watch_path(query, &version);
        let mut stream = match connection.watch(&path, as_table).await {
            Ok(stream) => stream,
            Err(RequestError::Silence(_)) => {
                connection.reconnect().await?;
                continue;
            }
            // The version is too old to go on from: what happened in between is not shown.
            Err(error) if error.code() == 410 => {
                let answer = connection.get_table(&query.path).await?;
                text(&answer, "/metadata/resourceVersion").clone_into(&mut version);
                show(&answer)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        while let Some(event) = stream.next().await {
            let object = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => object,
                Ok(WatchEvent::Deleted(object)) => object,
                Ok(WatchEvent::Bookmark(_)) => continue,
                Ok(WatchEvent::Error(_)) | Err(_) => break,
            };
            let seen = match as_table {
                true => text(&object, "/rows/0/object/metadata/resourceVersion"),
                false => text(&object, "/metadata/resourceVersion"),
            };
            if !seen.is_empty() {
                seen.clone_into(&mut version);
            }
            show(&object)?;
        }
        connection.reconnect().await?;
    }
}

fn watch_path(query: &Query, version: &str) -> String {
    let mut path = query.kind.path(None);
    path.push_str(&format!("?watch=true&resourceVersion={}", escape(version)));
    if let Some(name) = &query.name {
        path.push_str(&format!("&fieldSelector={}", escape(&format!("metadata.name={name}"))));
    }
    if let Some((_, selector)) = query.path.split_once("?labelSelector=") {
        path.push_str(&format!("&labelSelector={selector}"));
    }
    path
}

/// Events about one object.
pub(super) async fn events_of(
    connection: &Connection,
    kind: &str,
    name: &str,
) -> Result<Vec<Value>, RequestError> {
    let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let path = format!("{}?fieldSelector={}", EVENT.path(None), escape(&selector));
    let answer = connection.get(&path).await?;
    Ok(super::output::list(&answer, "/items").to_vec())
}
