//! Operations: made, and watched until they end.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use jiff::Timestamp;
use kube::core::WatchEvent;
use serde_json::{Value, json};

use super::Global;
use super::connection::{Body, Connection, RequestError};
use super::failure::Failure;
use super::kinds::{OPERATION, escape};
use super::output::{ObjectOutput, print, render, text};
use crate::api::{self, kinds};

/// Options of everything that makes an operation.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Wait until it is done (the default).
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Only ask for it.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait; the cluster goes on with it after that.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    timeout: Duration,
    /// When the cluster gives it up.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    deadline: Duration,
    /// Make nothing: only show the operation (client), or have it checked too (server).
    #[arg(long, value_enum, default_value_t = DryRun::None, value_name = "HOW")]
    dry_run: DryRun,
    /// Print the operation as it ended, or as it was made with --no-wait.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

impl Options {
    /// Whether anything is really asked for.
    pub(super) fn in_earnest(&self) -> bool {
        self.dry_run == DryRun::None
    }
}

/// What is only tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DryRun {
    /// Nothing: it is done.
    #[default]
    None,
    /// All of it, without the cluster.
    Client,
    /// The cluster checks it, and keeps nothing.
    Server,
}

impl DryRun {
    /// As part of a query.
    pub(super) fn query(self) -> &'static str {
        match self {
            Self::None | Self::Client => "",
            Self::Server => "&dryRun=All",
        }
    }

    /// Added to what is said.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// `90s`, `10m`, `1h30m`.
pub(super) fn duration(word: &str) -> Result<Duration, String> {
    let duration: kinds::Duration = word.parse().map_err(|error| format!("{error}"))?;
    Ok(duration.into())
}

/// Asks for an operation, and waits for its end unless told otherwise.
pub(super) async fn run(
    global: &Global,
    options: &Options,
    type_: &str,
    group: Option<&str>,
    server: Option<&str>,
) -> Result<(), Failure> {
    run_with(global, options, type_, &[("group", group), ("server", server)]).await
}

/// The same with any fields of the operation.
pub(super) async fn run_with(
    global: &Global,
    options: &Options,
    type_: &str,
    fields: &[(&str, Option<&str>)],
) -> Result<(), Failure> {
    let operation = operation(options, type_, fields);
    if options.dry_run == DryRun::Client {
        return print(&render(&operation, options.output.unwrap_or(ObjectOutput::Yaml))?);
    }
    let connection = Connection::open(global).await?;
    let name = text(&operation, "/metadata/name").to_owned();
    let path = format!("{}?fieldManager=stead{}", OPERATION.path(None), options.dry_run.query());
    let made = match connection.send(Method::POST, &path, Some(&Body::json(&operation))).await {
        Ok(made) => made,
        // The name is ours: the answer to an earlier try was lost.
        Err(error) if error.code() == 409 => connection.get(&OPERATION.path(Some(&name))).await?,
        Err(error) => return Err(error.into()),
    };
    let waits = options.dry_run == DryRun::None && (options.wait || !options.no_wait);
    if !waits {
        return match options.output {
            Some(output) => print(&render(&made, output)?),
            None => {
                print(&format!("{} created{}\n", OPERATION.object(&name), options.dry_run.suffix()))
            }
        };
    }
    let mut progress = Progress { quiet: options.output.is_some(), last: String::new() };
    let ended =
        tokio::time::timeout(options.timeout, wait(&connection, &name, made, &mut progress)).await;
    let Ok(ended) = ended else {
        return Err(Failure::TimedOut(format!(
            "{} is not done after {}: {}\nThe cluster goes on with it: stead get op {name} -w",
            name,
            kinds::Duration::from(options.timeout),
            progress.last,
        )));
    };
    finish(&ended?, options.output)
}

fn operation(options: &Options, type_: &str, fields: &[(&str, Option<&str>)]) -> Value {
    let mut spec = json!({
        "type": type_,
        "deadline": kinds::Duration::from(options.deadline).to_string(),
    });
    for (field, value) in fields {
        if let Some(value) = value {
            spec[field] = (*value).into();
        }
    }
    let mut words = String::new();
    for character in type_.chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(character.to_ascii_lowercase());
    }
    let about = |name: &str| fields.iter().find(|(field, _)| *field == name)?.1;
    let object = about("group").or(about("server")).unwrap_or("cluster");
    // Milliseconds and process: two people who ask for the same at once make two operations.
    let number = Timestamp::now().as_millisecond();
    let name = format!("{words}-{object}-{number:x}-{:x}", std::process::id());
    json!({
        "apiVersion": api::API_VERSION,
        "kind": OPERATION.kind,
        "metadata": {"name": name, "namespace": api::NAMESPACE},
        "spec": spec,
    })
}

/// What has been said so far.
struct Progress {
    quiet: bool,
    last: String,
}

impl Progress {
    fn say(&mut self, operation: &Value) {
        let message = text(operation, "/status/message");
        if message.is_empty() || message == self.last {
            return;
        }
        message.clone_into(&mut self.last);
        if !self.quiet && !has_ended(operation) {
            eprintln!("{message}");
        }
    }
}

fn has_ended(operation: &Value) -> bool {
    matches!(text(operation, "/status/state"), "Succeeded" | "Failed" | "Superseded")
}

/// Watches until the operation has ended, by way of whichever server answers.
async fn wait(
    connection: &Connection,
    name: &str,
    mut operation: Value,
    progress: &mut Progress,
) -> Result<Value, Failure> {
    loop {
        progress.say(&operation);
        if has_ended(&operation) {
            return Ok(operation);
        }
        let version = escape(text(&operation, "/metadata/resourceVersion"));
        let selector = escape(&format!("metadata.name={name}"));
        let path = format!(
            "{}?watch=true&fieldSelector={selector}&resourceVersion={version}",
            OPERATION.path(None)
        );
        if let Ok(mut stream) = connection.watch(&path, false).await {
            while let Some(event) = stream.next().await {
                match event {
                    Ok(WatchEvent::Added(changed) | WatchEvent::Modified(changed)) => {
                        operation = changed;
                        progress.say(&operation);
                        if has_ended(&operation) {
                            return Ok(operation);
                        }
                    }
                    Ok(WatchEvent::Deleted(_)) => {
                        return Err(Failure::Refused(format!("operation {name} was deleted")));
                    }
                    Ok(WatchEvent::Bookmark(_)) => {}
                    Ok(WatchEvent::Error(_)) | Err(_) => break,
                }
            }
        }
        connection.reconnect().await?;
        operation = match connection.get(&OPERATION.path(Some(name))).await {
            Ok(operation) => operation,
            Err(error @ RequestError::Answer(_)) => return Err(error.into()),
            // Its server may be the very one that goes down: another one will answer.
            Err(RequestError::Silence(_)) => continue,
        };
    }
}

fn finish(operation: &Value, output: Option<ObjectOutput>) -> Result<(), Failure> {
    if let Some(output) = output {
        print(&render(operation, output)?)?;
    }
    let message = text(operation, "/status/message");
    match text(operation, "/status/state") {
        "Succeeded" if output.is_some() => Ok(()),
        "Succeeded" => print(&format!("{message}\n")),
        "Superseded" => Err(Failure::Refused(format!("superseded: {message}"))),
        _ => Err(Failure::Refused(message.to_owned())),
    }
}
