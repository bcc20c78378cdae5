//! `stead apply`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::Method;
use kube::core::Status;
use serde_json::{Value, json};

use super::Global;
use super::connection::{Body, Connection, RequestError};
use super::failure::Failure;
use super::kinds::{CLUSTER, GROUP, KINDS, Kind, MONITOR, OPERATION, RESOURCE};
use super::operation::DryRun;
use super::output::{ObjectOutput, list, print, render, text};
use crate::api::manifest::{self, ManifestObject};
use crate::api::problem::{self, Problem};
use crate::api::validation;

/// Make the cluster be as manifests say.
///
/// Everything is checked first, each object alone and all of them together with what the cluster
/// has already; every error is shown with its file and line, and nothing is applied if there is
/// one. Then the objects are applied on the server, in the order Cluster, FailoverGroup, Resource,
/// Monitor. A change that would stop something waits for the next activation unless the group says
/// `applyChanges: Immediately`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stead apply -f manifests/
  stead apply -f web.yaml --dry-run=server
  generate-manifests | stead apply -f -")]
pub(super) struct Arguments {
    /// Manifests: files, folders of .yaml, .yml and .json files, or `-` for standard input.
    #[arg(short, long, value_name = "FILE|DIR|-", required = true)]
    filename: Vec<String>,
    /// Apply nothing: check the files alone (client), or have the cluster check them too (server).
    #[arg(long, value_enum, default_value_t = DryRun::None, value_name = "HOW")]
    dry_run: DryRun,
    /// Take fields over that somebody else has applied, for example kubectl.
    #[arg(long)]
    force_conflicts: bool,
    /// Print what was applied as objects.
    #[arg(short, long, value_enum)]
    output: Option<ObjectOutput>,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let files = read_files(&arguments.filename)?;
    let (mut objects, mut problems) = manifest::parse(&files);
    objects.sort_by_key(|object| rank(&object.kind));
    if arguments.dry_run == DryRun::Client {
        problems.extend(check(&objects, &[]));
        report(&mut problems, &objects)?;
        return say(arguments, &objects, &BTreeMap::new(), &values(&objects));
    }
    // What can't be read is said even where no server answers.
    if problem::has_errors(&problems) {
        problems.extend(check(&objects, &[]));
        report(&mut problems, &objects)?;
    }
    let connection = Connection::open(global).await?;
    let existing = existing(&connection).await?;
    problems.extend(check(&objects, &existing));
    report(&mut problems, &objects)?;
    let before: BTreeMap<String, Value> =
        existing.iter().map(|object| (key(object), content(object))).collect();
    let mut applied = Vec::new();
    for object in &objects {
        let missing = missing(object, &objects, &before);
        if arguments.dry_run == DryRun::Server
            && let Some(missing) = missing
        {
            let name = &object.name;
            eprintln!("{}/{name}: checked here only, for {missing} is not kept", object.kind);
            applied.push(object.value.clone());
            continue;
        }
        applied.push(apply(&connection, arguments, object).await?);
    }
    say(arguments, &objects, &before, &applied)
}

/// Another object of these that this one names and that is new: in a dry run the cluster does not
/// have it, and would refuse this one.
fn missing<'a>(
    object: &ManifestObject,
    objects: &'a [ManifestObject],
    before: &BTreeMap<String, Value>,
) -> Option<&'a str> {
    let others = objects.iter().filter(|other| other.name != object.name);
    others
        .filter(|other| !before.contains_key(&format!("{}/{}", other.kind, other.name)))
        .find(|other| mentions(&object.value["spec"], &other.name))
        .map(|other| other.name.as_str())
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The objects of manifests that stand on their own; every error is said.
pub(super) fn check_manifests(files: &[(String, Vec<u8>)]) -> Result<Vec<Value>, Failure> {
    let (objects, mut problems) = manifest::parse(files);
    problems.extend(check(&objects, &[]));
    report(&mut problems, &objects)?;
    Ok(values(&objects))
}

/// Reads files, folders and standard input.
pub(super) fn read_files(names: &[String]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for name in names {
        if name == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            files.push(("-".to_owned(), bytes));
            continue;
        }
        let path = Path::new(name);
        let paths = if path.is_dir() { folder(path)? } else { vec![path.to_owned()] };
        for path in paths {
            let bytes = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            files.push((path.display().to_string(), bytes));
        }
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::error(format!("failed to read {}: {error}", path.display()))
}

/// The manifests of a folder, in the order of their names.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let words = format!("{} has no .yaml, .yml or .json file", path.display());
        return Err(Failure::error(words));
    }
    paths.sort();
    Ok(paths)
}

/// Kinds others refer to come first.
fn rank(kind: &str) -> usize {
    let order = [&CLUSTER, &GROUP, &RESOURCE, &MONITOR, &OPERATION];
    order.iter().position(|known| known.kind == kind).unwrap_or(order.len())
}

fn values(objects: &[ManifestObject]) -> Vec<Value> {
    objects.iter().map(|object| object.value.clone()).collect()
}

/// What people write into an object. Its version says less: it grows with the status too.
fn content(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!([object["spec"], metadata["labels"], metadata["annotations"], metadata["finalizers"]])
}

fn key(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// What the cluster has of the kinds that refer to each other.
pub(super) async fn existing(connection: &Connection) -> Result<Vec<Value>, Failure> {
    let mut existing = Vec::new();
    for kind in [&CLUSTER, &GROUP, &RESOURCE, &MONITOR] {
        let answer = connection.list(kind).await?;
        existing.extend(list(&answer, "/items").iter().cloned().map(|object| named(object, kind)));
    }
    Ok(existing)
}

/// Items of a list need not say what they are.
fn named(mut object: Value, kind: &Kind) -> Value {
    if text(&object, "/kind").is_empty() {
        object["kind"] = kind.kind.into();
        object["apiVersion"] = crate::api::API_VERSION.into();
    }
    object
}

/// Everything that is wrong with the objects, and with what there is once they are applied.
/// What was wrong before and is not of their making is not their problem.
fn check(objects: &[ManifestObject], existing: &[Value]) -> Vec<Problem> {
    let applied = values(objects);
    let kept = existing.iter().filter(|object| !applied.iter().any(|new| key(new) == key(object)));
    let after: Vec<Value> = kept.cloned().chain(applied.iter().cloned()).collect();
    let before = validation::validate(existing);
    let ours = |problem: &Problem| applied.iter().any(|object| key(object) == problem.object());
    let mut problems: Vec<Problem> = validation::validate(&after)
        .into_iter()
        .filter(|problem| ours(problem) || !before.contains(problem))
        .collect();
    for object in &applied {
        let old = existing.iter().find(|old| key(old) == key(object));
        problems.extend(old.into_iter().flat_map(|old| validation::validate_update(old, object)));
    }
    problems
}

/// Warnings are said; errors end it.
fn report(problems: &mut [Problem], objects: &[ManifestObject]) -> Result<(), Failure> {
    manifest::locate(problems, objects);
    if problem::has_errors(problems) {
        return Err(Failure::Problems(problem::render(problems)));
    }
    if !problems.is_empty() {
        eprint!("{}", problem::render(problems));
    }
    Ok(())
}

async fn apply(
    connection: &Connection,
    arguments: &Arguments,
    object: &ManifestObject,
) -> Result<Value, Failure> {
    let Some(kind) = KINDS.into_iter().find(|kind| kind.kind == object.kind) else {
        return Err(Failure::Refused(format!("{} is no kind of ours", object.kind)));
    };
    let path = format!(
        "{}?fieldManager=stead&fieldValidation=Strict&force={}{}",
        kind.path(Some(&object.name)),
        arguments.force_conflicts,
        arguments.dry_run.query(),
    );
    let answer = connection.send(Method::PATCH, &path, Some(&Body::apply(&object.value))).await;
    match answer {
        Ok(value) => Ok(value),
        Err(RequestError::Answer(status)) => Err(refusal(object, &status)),
        Err(error @ RequestError::Silence(_)) => Err(error.into()),
    }
}

/// The server's refusal, with file and line for each of its causes.
fn refusal(object: &ManifestObject, status: &Status) -> Failure {
    let causes = status.details.as_ref().map_or(&[][..], |details| details.causes.as_slice());
    let mut problems: Vec<Problem> = causes
        .iter()
        .map(|cause| {
            let code = if cause.reason.is_empty() { &status.reason } else { &cause.reason };
            Problem::error(code, cause.field.as_str(), cause.message.as_str())
        })
        .collect();
    if problems.is_empty() {
        problems.push(Problem::error(&status.reason, "", status.message.as_str()));
    }
    for problem in &mut problems {
        let named = problem.clone().of(&object.kind, &object.name);
        *problem = Problem { location: Some(object.locate(&problem.field)), ..named };
    }
    let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    if status.code == 409 {
        text.push_str("--force-conflicts takes the fields over\n");
    }
    match status.code {
        500.. => Failure::error(text),
        _ => Failure::Problems(text),
    }
}

/// What was done to each object.
fn say(
    arguments: &Arguments,
    objects: &[ManifestObject],
    before: &BTreeMap<String, Value>,
    applied: &[Value],
) -> Result<(), Failure> {
    if let Some(output) = arguments.output {
        let value = match applied {
            [only] => only.clone(),
            several => json!({"apiVersion": "v1", "kind": "List", "items": several}),
        };
        return print(&render(&value, output)?);
    }
    let mut lines = String::new();
    for (object, value) in objects.iter().zip(applied) {
        let done = match before.get(&format!("{}/{}", object.kind, object.name)) {
            None if arguments.dry_run == DryRun::Client => "checked",
            None => "created",
            Some(old) if *old == content(value) => "unchanged",
            Some(_) => "configured",
        };
        let name = super::output::name(value);
        lines.push_str(&format!("{name} {done}{}\n", arguments.dry_run.suffix()));
    }
    print(&lines)
}
