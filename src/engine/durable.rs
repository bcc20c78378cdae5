//! What must survive: who this server is, and what it keeps on disk.
//!
//! Written only through `Effect::Persist`; loaded once, at the start of an agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effect::Record;
use super::ids::{BootId, IncarnationId, Revision, Term};
use super::message::SelfFence;
use super::model::{Objects, compile};
use super::time::WallTime;
use crate::api::names::ServerName;
use crate::api::timing::Timing;

/// Who an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server.
    pub server: ServerName,
    /// This run of its agent.
    pub boot: BootId,
    /// Its state folder.
    pub incarnation: IncarnationId,
    /// Release of its agent.
    pub version: Arc<str>,
}

/// What is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Durable {
    /// The highest term promised or proposed.
    pub promised: Term,
    /// The largest `selfFence` known of each server.
    pub self_fence_of: BTreeMap<ServerName, SelfFence>,
    /// The times that it lived by last.
    pub timing: Option<Timing>,
    /// The store's revision.
    pub revision: Revision,
    /// The store.
    pub objects: Objects,
    /// Final actions carried out, oldest first; as many as the guard's window may need.
    pub final_actions: Vec<WallTime>,
}

impl Durable {
    /// How many final actions are remembered; the guard's bound is 100.
    pub const FINAL_ACTIONS_MAX: usize = 100;

    /// What a bootstrap file gives: the manifest as the first revision, and nothing promised.
    #[must_use]
    pub fn bootstrap(objects: Objects, revision: Revision) -> Self {
        let timing = compile(&objects).ok().map(|model| model.cluster.timing);
        Self {
            promised: Term { number: 0, proposer: ServerName::from("") },
            self_fence_of: BTreeMap::new(),
            timing,
            revision,
            objects,
            final_actions: Vec::new(),
        }
    }

    /// Applies a record, as the disk has.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Promised(term) => self.promised = self.promised.clone().max(term.clone()),
            Record::SelfFence(server, self_fence) => {
                self.self_fence_of.insert(server.clone(), *self_fence);
            }
            Record::Timing(timing) => self.timing = Some(*timing),
            Record::Append { revision, changes } => {
                for (key, json) in changes {
                    match json {
                        Some(json) => {
                            let object = super::model::StoredObject {
                                revision: *revision,
                                json: json.clone(),
                            };
                            self.objects.insert(key.clone(), object);
                        }
                        None => {
                            self.objects.remove(key);
                        }
                    }
                }
                self.revision = *revision;
            }
            Record::Snapshot { revision, objects } => {
                self.objects = objects.clone();
                self.revision = *revision;
            }
            Record::FinalAction(time) => {
                self.final_actions.push(*time);
                let surplus = self.final_actions.len().saturating_sub(Self::FINAL_ACTIONS_MAX);
                self.final_actions.drain(..surplus);
            }
            Record::Room(_) => {}
        }
    }
}
