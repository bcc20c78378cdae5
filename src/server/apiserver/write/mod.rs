//! Changing objects: what every write has in common.
//!
//! A write is planned on the object as it is served, checked against all other objects, and given
//! to the [`Writer`] on the condition that the object is still the one that was planned on. Writes
//! of one server take turns, so that each is checked against a settled set.

mod change;
mod delete;
mod patch;

pub(super) use delete::DeleteOptions;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::sync::Mutex;

use super::body::OBJECT_MAX;
use super::failure::Failure;
use super::kinds::Kind;
use super::prepare::FieldValidation;
use super::query::Query;
use super::storage::{Served, Storage};
use super::writer::Writer;
use crate::api;
use crate::api::problem::Problem;
use crate::engine::effect::{Change, Expected, WriteError};
use crate::engine::model::ObjectKey;

/// How often a write is planned anew when somebody else was faster.
const TRIES_MAX: usize = 5;
/// How long a write may take: as long as a view takes to form twice over.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a write waits to see what was faster than it.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest name of a field manager, as in Kubernetes.
const MANAGER_MAX: usize = 128;

/// What a write asks for besides its body.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Nothing is stored.
    pub(super) dry_run: bool,
    /// What becomes of unknown fields.
    pub(super) validation: FieldValidation,
    /// Who writes, for `managedFields`.
    pub(super) manager: String,
    /// Whether the request named the manager.
    pub(super) manager_named: bool,
    /// Whether an apply takes over what others own.
    pub(super) force: bool,
}

impl Options {
    /// Reads the parameters of a write.
    pub(super) fn parse(query: &Query, user_agent: &str) -> Result<Self, Failure> {
        let dry_run = match query.get("dryRun") {
            None => false,
            Some("All") => true,
            Some(other) => {
                return Err(Failure::bad_request(format!("dryRun must be All, not '{other}'")));
            }
        };
        let named = query.get("fieldManager");
        let program = user_agent.split('/').next().unwrap_or_default();
        let manager = named.unwrap_or(if program.is_empty() { "unknown" } else { program });
        if manager.len() > MANAGER_MAX || manager.chars().any(char::is_control) {
            return Err(Failure::bad_request(format!(
                "fieldManager must have at most {MANAGER_MAX} printable characters"
            )));
        }
        Ok(Self {
            dry_run,
            validation: FieldValidation::parse(query)?,
            manager: manager.to_owned(),
            manager_named: named.is_some(),
            force: query.flag("force"),
        })
    }
}

/// What came of a write.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// HTTP status.
    pub(super) code: StatusCode,
    /// The object, or a Status.
    pub(super) value: Value,
    /// Whether it is an object of the kind.
    pub(super) is_object: bool,
    /// What people should know.
    pub(super) warnings: Vec<String>,
}

/// What a write wants to make of an object.
enum Plan {
    /// Store it, without status and version.
    Store { object: Value, code: StatusCode },
    /// Remove it.
    Remove { answer: Value },
    /// Leave it as it is.
    Keep { code: StatusCode },
}

/// Makes writes.
pub(super) struct Writes {
    storage: Arc<Storage>,
    writer: Arc<dyn Writer>,
    turn: Mutex<()>,
}

impl Writes {
    /// Writes through `writer`; what is written is served by `storage`.
    pub(super) fn new(storage: Arc<Storage>, writer: Arc<dyn Writer>) -> Self {
        Self { storage, writer, turn: Mutex::new(()) }
    }

    /// Plans, checks and makes a write, again if somebody else was faster.
    async fn make(
        &self,
        kind: &Kind,
        name: &str,
        dry_run: bool,
        mut plan: impl FnMut(Option<&Served>, &mut Vec<String>) -> Result<Plan, Failure> + Send,
    ) -> Result<Outcome, Failure> {
        let turn = tokio::time::timeout(WRITE_TIMEOUT, self.turn.lock()).await;
        let Ok(_turn) = turn else {
            return Err(Failure::no_leader("earlier writes have not been answered yet"));
        };
        let key = ObjectKey::new(&kind.kind, name);
        for _ in 0..TRIES_MAX {
            let mut warnings = Vec::new();
            let newest = *self.storage.newest().borrow();
            let served = self.storage.get(&key);
            let (change, code) = match plan(served.as_ref(), &mut warnings)? {
                Plan::Keep { code } => {
                    let value = served.map(|served| served.value()).unwrap_or_default();
                    return Ok(Outcome { code, value, is_object: true, warnings });
                }
                Plan::Remove { answer } => {
                    if dry_run {
                        return Ok(done(answer, warnings));
                    }
                    (change(&key, served.as_ref(), None), Err(answer))
                }
                Plan::Store { object, code } => {
                    self.check(&key, kind, served.as_ref(), &object, &mut warnings).await?;
                    if dry_run {
                        let value = dressed(object, served.as_ref());
                        return Ok(Outcome { code, value, is_object: true, warnings });
                    }
                    (change(&key, served.as_ref(), Some(object.to_string())), Ok(code))
                }
            };
            if self.submit(change).await? {
                return match code {
                    Err(answer) => Ok(done(answer, warnings)),
                    Ok(code) => {
                        let value = self.storage.get(&key).map(|served| served.value());
                        let value = value.unwrap_or_default();
                        Ok(Outcome { code, value, is_object: true, warnings })
                    }
                };
            }
            self.wait_after(newest).await;
        }
        Err(Failure::modified(kind, name))
    }

    /// Gives a change to the writer; whether it was made, or somebody else was faster.
    async fn submit(&self, change: Change) -> Result<bool, Failure> {
        let after = crate::engine::ids::Revision(*self.storage.newest().borrow());
        let changes = vec![change];
        let written = self.writer.write(changes.clone(), after);
        match tokio::time::timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(revision)) => {
                self.storage.written(&changes, revision);
                Ok(true)
            }
            Ok(Err(WriteError::Conflict { .. })) => Ok(false),
            Ok(Err(WriteError::NotLeader { .. })) => {
                let why = self.storage.leadership().borrow().message.clone();
                Err(Failure::no_leader(&why))
            }
            Ok(Err(error @ WriteError::ChangesAwaited)) => {
                Err(Failure::no_leader(&error.to_string()))
            }
            Ok(Err(WriteError::Unknown)) | Err(_) => Err(Failure::unknown_outcome()),
        }
    }

    /// Waits until the storage has seen what was faster.
    async fn wait_after(&self, version: u64) {
        let mut newest = self.storage.newest();
        let seen = newest.wait_for(|newest| *newest > version);
        // Without news the next try says what is wrong.
        let _ = tokio::time::timeout(SETTLE_TIMEOUT, seen).await;
    }

    /// Checks an object alone and among all others.
    async fn check(
        &self,
        key: &ObjectKey,
        kind: &Kind,
        old: Option<&Served>,
        object: &Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if object.to_string().len() > OBJECT_MAX {
            return Err(Failure::too_large(OBJECT_MAX));
        }
        let (storage, wanted) = (self.storage.clone(), object.clone());
        let old = old.filter(|old| old.stored.is_some()).map(|old| (key.clone(), old.clone()));
        // Thousands of objects take a while to look at: not on a thread that others wait for.
        let checked = tokio::task::spawn_blocking(move || problems(&storage, old, &wanted)).await;
        let problems = checked.map_err(|_| Failure::no_leader("this agent is ending"))?;
        let (errors, others): (Vec<Problem>, Vec<Problem>) =
            problems.into_iter().partition(Problem::is_error);
        let own = |problem: &&Problem| {
            problem.kind.is_empty() || (problem.kind == key.kind && problem.name == key.name)
        };
        warnings.extend(
            others.iter().filter(own).map(|problem| {
                format!("{}: {} ({})", problem.field, problem.message, problem.code)
            }),
        );
        if errors.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, &key.name, &errors)) }
    }
}

/// Everything that is wrong with an object among those that are stored.
fn problems(storage: &Storage, old: Option<(ObjectKey, Served)>, object: &Value) -> Vec<Problem> {
    let stored: Vec<Value> = storage
        .stored()
        .into_iter()
        // The rules about changes look at the status, too, which most kinds are stored without.
        .map(|(key, text)| match &old {
            Some((changed, served)) if *changed == key => served.value(),
            Some(_) | None => serde_json::from_str(&text).unwrap_or_default(),
        })
        .collect();
    api::validation::validate_write(&stored, object)
}

fn change(key: &ObjectKey, served: Option<&Served>, json: Option<String>) -> Change {
    let expected = match served.and_then(|served| served.stored) {
        Some(revision) => Expected::At(revision),
        None => Expected::Absent,
    };
    Change { key: key.clone(), expected, json: json.map(Into::into) }
}

fn done(answer: Value, warnings: Vec<String>) -> Outcome {
    Outcome { code: StatusCode::OK, value: answer, is_object: false, warnings }
}

/// An object as it would be served: with the status and version it has now.
fn dressed(mut object: Value, served: Option<&Served>) -> Value {
    if let Some(old) = served.map(Served::value) {
        object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if !old["status"].is_null() {
            object["status"] = old["status"].clone();
        }
    }
    object
}
