//! `stead delete`.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use kube::core::WatchEvent;
use serde_json::json;

use super::Global;
use super::apply::read_files;
use super::connection::{Body, Connection, RequestError};
use super::failure::Failure;
use super::kinds::{Kind, escape, kind, object};
use super::operation::{DryRun, duration};
use super::output::{print, text};
use crate::api::kinds::Duration as Shown;
use crate::api::{manifest, problem};

/// Delete objects.
///
/// What is active is deactivated first, in reverse order; with `deletionPolicy: Protect`, the
/// default of groups and clusters, the cluster refuses to delete it instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stead delete res app
  stead delete mon/web-port op/start-web-1
  stead delete -f manifests/")]
pub(super) struct Arguments {
    /// The kind, or KIND/NAME.
    #[arg(value_name = "KIND", required_unless_present = "filename")]
    kind: Option<String>,
    /// The objects.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Delete what these manifests name, in reverse order; `-` is standard input.
    #[arg(short, long, value_name = "FILE|DIR", conflicts_with = "kind")]
    filename: Vec<String>,
    /// It is no error that something is not there.
    #[arg(long)]
    ignore_not_found: bool,
    /// Return at once instead of waiting until everything is gone.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    timeout: Duration,
    /// Delete nothing: only say what would be (client), or have it checked too (server).
    #[arg(long, value_enum, default_value_t = DryRun::None, value_name = "HOW")]
    dry_run: DryRun,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let targets = targets(arguments)?;
    if arguments.dry_run == DryRun::Client {
        let lines = targets.iter().map(|(kind, name)| {
            format!("{} deleted{}\n", kind.object(name), arguments.dry_run.suffix())
        });
        return print(&lines.collect::<String>());
    }
    let connection = Connection::open(global).await?;
    let waits = !arguments.no_wait && arguments.dry_run == DryRun::None;
    for (kind, name) in &targets {
        let delete = delete(&connection, arguments, kind, name, waits);
        match tokio::time::timeout(arguments.timeout, delete).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(Failure::TimedOut(format!(
                    "{} is not gone after {}; it goes as soon as what it runs has stopped",
                    kind.object(name),
                    Shown::from(arguments.timeout)
                )));
            }
        }
    }
    Ok(())
}

fn targets(arguments: &Arguments) -> Result<Vec<(&'static Kind, String)>, Failure> {
    if !arguments.filename.is_empty() {
        let (objects, problems) = manifest::parse(&read_files(&arguments.filename)?);
        if problem::has_errors(&problems) {
            return Err(Failure::Problems(problem::render(&problems)));
        }
        let all = objects.iter().rev();
        return all.map(|object| Ok((kind(&object.kind)?, object.name.clone()))).collect();
    }
    let word = arguments.kind.as_deref().unwrap_or_default();
    if word.contains('/') {
        let words = std::iter::once(word).chain(arguments.names.iter().map(String::as_str));
        return words
            .map(|word| object(word).map(|(kind, name)| (kind, name.to_owned())))
            .collect();
    }
    let kind = kind(word)?;
    if arguments.names.is_empty() {
        return Err(Failure::Usage(format!("which {}?", kind.plural)));
    }
    Ok(arguments.names.iter().map(|name| (kind, name.clone())).collect())
}

async fn delete(
    connection: &Connection,
    arguments: &Arguments,
    kind: &'static Kind,
    name: &str,
    waits: bool,
) -> Result<(), Failure> {
    let path = format!("{}?{}", kind.path(Some(name)), arguments.dry_run.query());
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    match connection.send(Method::DELETE, &path, Some(&Body::json(&options))).await {
        Ok(_) => {}
        Err(error) if error.code() == 404 && arguments.ignore_not_found => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if waits {
        gone(connection, kind, name).await?;
    }
    print(&format!("{} deleted{}\n", kind.object(name), arguments.dry_run.suffix()))
}

/// Waits until the object is gone.
async fn gone(connection: &Connection, kind: &Kind, name: &str) -> Result<(), Failure> {
    let mut said = false;
    loop {
        let object = match connection.get(&kind.path(Some(name))).await {
            Ok(object) => object,
            Err(error) if error.code() == 404 => return Ok(()),
            Err(error @ RequestError::Answer(_)) => return Err(error.into()),
            Err(RequestError::Silence(error)) => return Err(Failure::Error(error)),
        };
        if !said {
            eprintln!("{} is being deactivated", kind.object(name));
            said = true;
        }
        let path = format!(
            "{}?watch=true&fieldSelector={}&resourceVersion={}",
            kind.path(None),
            escape(&format!("metadata.name={name}")),
            escape(text(&object, "/metadata/resourceVersion")),
        );
        if let Ok(mut stream) = connection.watch(&path, false).await {
            while let Some(event) = stream.next().await {
                match event {
                    Ok(WatchEvent::Deleted(_)) => return Ok(()),
                    Ok(
                        WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Bookmark(_),
                    ) => {}
                    Ok(WatchEvent::Error(_)) | Err(_) => break,
                }
            }
        }
        connection.reconnect().await?;
    }
}
