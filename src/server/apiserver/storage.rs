//! What the API serves: every object with its status, and the changes of the recent past.
//!
//! Decides the `resourceVersion` of everything served. They are drawn from one growing number
//! above the store's revision and above every number served before, in the store's own space
//! (`term · 2^40 + index`), so that status changes have versions too without being stored.
//! Never forgets a change silently: who asks for what is no longer kept is told so (410).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{derived, event};
use crate::api::catalogue::{self, Language};
use crate::api::kinds::ClusterSpec;
use crate::api::names::ServerName;
use crate::engine::effect::{Change, Event};
use crate::engine::ids::{BootId, Revision};
use crate::engine::model::{ObjectKey, Objects};

/// Changes kept for watches that resume.
const HISTORY_MAX: usize = 2048;
/// Bytes of JSON text kept for watches that resume: bounds the memory of busy clusters.
const HISTORY_BYTES_MAX: usize = 2 << 20;
/// Events kept, as many as each agent keeps.
const EVENTS_MAX: usize = 10_000;
/// The kind of events in the storage.
pub(super) const EVENT_KIND: &str = "Event";
/// A kind of the store that is the cluster's own.
const INTENT_KIND: &str = "Intent";

/// What an agent knows at one moment; published at most every 100 ms.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// The leader, as far as this agent knows.
    pub leader: Option<ServerName>,
    /// Whether this agent leads an installed view.
    pub leading: bool,
    /// Why nobody leads, for people; empty while somebody does.
    pub message: String,
    /// The number of the present term.
    pub term: u64,
    /// The store's revision.
    pub revision: Revision,
    /// The store.
    pub objects: &'a Objects,
    /// What is known of the status of each object; objects not named keep what they had.
    pub statuses: BTreeMap<ObjectKey, Value>,
    /// Events since the last update.
    pub events: Vec<PastEvent>,
}

/// An event, and the run of the agent that numbered it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEvent {
    /// The run.
    pub boot: BootId,
    /// The event.
    pub event: Event,
}

/// Who leads, as far as this agent knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leader.
    pub leader: Option<ServerName>,
    /// Whether it is this agent.
    pub leading: bool,
    /// Why nobody leads.
    pub message: String,
}

/// An object as it is served.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// Its `resourceVersion`.
    pub(super) version: u64,
    /// The revision it has in the store; none for what the cluster made itself.
    pub(super) stored: Option<Revision>,
    /// JSON text of the whole object.
    pub(super) text: Arc<str>,
    /// JSON text without status and version, as stored.
    base: Arc<str>,
}

impl Served {
    /// The object.
    pub(super) fn value(&self) -> Value {
        parse(&self.text)
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeType {
    /// It appeared.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change in the past.
#[derive(Clone, Debug)]
pub(super) struct PastChange {
    /// The version it made.
    pub(super) version: u64,
    /// The object.
    pub(super) key: ObjectKey,
    /// What happened.
    pub(super) change: ChangeType,
    /// The object after it; for a deletion its last state with the deletion's version.
    pub(super) text: Arc<str>,
    /// The object before it.
    pub(super) previous: Option<Arc<str>>,
}

/// A version that cannot be resumed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResumeError {
    /// The changes since then are no longer known.
    Expired {
        /// The oldest version that can be resumed from.
        oldest: u64,
    },
    /// It lies ahead of everything served.
    Ahead {
        /// The newest version.
        newest: u64,
    },
}

/// One page of a list.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The storage's version at the moment of reading.
    pub(super) version: u64,
    /// Objects in the order of their names.
    pub(super) items: Vec<(String, Served)>,
}

/// The watch cache.
#[derive(Debug)]
pub struct Storage {
    state: RwLock<State>,
    newest: watch::Sender<u64>,
    leadership: watch::Sender<Leadership>,
}

#[derive(Debug, Default)]
struct State {
    term: u64,
    revision: Revision,
    /// The last version given to anything.
    newest: u64,
    /// The oldest version that can be resumed from.
    oldest: u64,
    leading: bool,
    objects: BTreeMap<ObjectKey, Served>,
    statuses: BTreeMap<ObjectKey, Value>,
    history: VecDeque<PastChange>,
    history_bytes: usize,
    /// Names of the events held, oldest first.
    events: VecDeque<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage {
    /// A storage that holds only what every cluster has.
    #[must_use]
    pub fn new() -> Self {
        let mut state = State::default();
        for (key, value) in derived::fixed_objects() {
            state.put(key, None, value.to_string().into());
        }
        state.oldest = state.newest;
        state.history.clear();
        state.history_bytes = 0;
        let newest = state.newest;
        Self {
            state: RwLock::new(state),
            newest: watch::Sender::new(newest),
            leadership: watch::Sender::new(Leadership::default()),
        }
    }

    /// Takes in what the agent knows now.
    pub fn publish(&self, update: Update<'_>) {
        let leadership = Leadership {
            leader: update.leader.clone(),
            leading: update.leading,
            message: update.message.clone(),
        };
        let newest = {
            let mut state = self.write_state();
            state.take(update);
            state.newest
        };
        self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
        self.leadership.send_if_modified(|known| {
            let changed = *known != leadership;
            *known = leadership;
            changed
        });
    }

    /// Takes in a write of this server's own as soon as it is answered, so that who wrote reads it.
    pub(super) fn written(&self, changes: &[Change], revision: Revision) {
        let newest = {
            let mut state = self.write_state();
            state.take_write(changes, revision);
            state.newest
        };
        self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
    }

    /// Who leads, now and from now on.
    pub(super) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// The newest version, now and from now on.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// One object.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Served> {
        self.read_state().objects.get(key).cloned()
    }

    /// The objects of one kind with names after the given one.
    pub(super) fn list(&self, kind: &str, after: Option<&str>) -> Page {
        let state = self.read_state();
        let items = state
            .of_kind(kind)
            .filter(|(key, _)| after.is_none_or(|after| key.name.as_str() > after))
            .map(|(key, served)| (key.name.clone(), served.clone()))
            .collect();
        Page { version: state.newest, items }
    }

    /// Every object in the store or made from it, as stored: what validation looks at.
    pub(super) fn stored(&self) -> Vec<(ObjectKey, Arc<str>)> {
        let state = self.read_state();
        let stored = state.objects.iter().filter(|(_, served)| served.stored.is_some());
        stored.map(|(key, served)| (key.clone(), served.base.clone())).collect()
    }

    /// Where the API of a server is, as the Cluster says.
    pub(super) fn addresses(&self, server: &str) -> Vec<SocketAddr> {
        let state = self.read_state();
        let clusters = state.of_kind("Cluster").map(|(_, served)| served.value());
        let specs = clusters
            .filter_map(|value| serde_json::from_value::<ClusterSpec>(value["spec"].clone()).ok());
        specs
            .flat_map(|spec| spec.servers)
            .filter(|known| known.name == server)
            .flat_map(|known| {
                let port = known.api_port;
                known.addresses.into_values().map(move |address| SocketAddr::new(address, port))
            })
            .collect()
    }

    /// Whether a watch could resume from this version.
    pub(super) fn can_resume(&self, version: u64) -> Result<(), ResumeError> {
        self.read_state().can_resume(version)
    }

    /// What happened to one kind after a version, and the version up to which that is.
    pub(super) fn since(
        &self,
        kind: &str,
        version: u64,
    ) -> Result<(Vec<PastChange>, u64), ResumeError> {
        let state = self.read_state();
        state.can_resume(version)?;
        let start = state.history.partition_point(|change| change.version <= version);
        let changes = state.history.range(start..).filter(|change| change.key.kind == kind);
        Ok((changes.cloned().collect(), state.newest))
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, update: Update<'_>) {
        let begins_to_lead = update.leading && !self.leading;
        let same_history = update.term == self.term && !begins_to_lead;
        self.leading = update.leading;
        self.term = update.term;
        self.newest = self.newest.max(update.term << Revision::INDEX_BITS);
        // An update made before a write of our own that is already served tells old news.
        if !same_history || update.revision > self.revision || self.revision == Revision(0) {
            self.take_objects(update.objects);
            self.revision = update.revision;
        }
        self.take_statuses(update.statuses);
        for event in update.events {
            self.take_event(&event);
        }
        self.newest = self.newest.max(self.revision.0);
        if begins_to_lead {
            // Versions that the former leader served mean nothing here.
            self.history.clear();
            self.history_bytes = 0;
            self.oldest = self.newest;
        }
    }

    fn take_objects(&mut self, objects: &Objects) {
        let mut changed: Vec<_> = objects
            .iter()
            .filter(|(key, stored)| {
                let known = self.objects.get(key).and_then(|served| served.stored);
                key.kind != INTENT_KIND && known != Some(stored.revision)
            })
            .collect();
        changed.sort_by_key(|(_, stored)| stored.revision);
        let mut touched = Vec::new();
        for (key, stored) in changed {
            self.put(key.clone(), Some(stored.revision), stored.json.clone());
            touched.push(key.clone());
        }
        let gone: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, served)| served.stored.is_some() && !objects.contains_key(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key, None);
            touched.push(key);
        }
        for key in touched {
            self.derive(&key);
        }
    }

    fn take_write(&mut self, changes: &[Change], revision: Revision) {
        if revision <= self.revision {
            return;
        }
        for change in changes.iter().filter(|change| change.key.kind != INTENT_KIND) {
            match &change.json {
                Some(json) => self.put(change.key.clone(), Some(revision), json.clone()),
                None => self.remove(&change.key, Some(revision)),
            }
        }
        self.revision = revision;
        self.newest = self.newest.max(revision.0);
        for change in changes {
            self.derive(&change.key);
        }
    }

    /// Makes what follows from a stored object that changed: servers, automatic monitors.
    fn derive(&mut self, changed: &ObjectKey) {
        match changed.kind.as_str() {
            "Cluster" => {
                let origin = self.stored_value(changed);
                let wanted = origin.as_ref().map(derived::servers).unwrap_or_default();
                let known: Vec<String> =
                    self.of_kind("Server").map(|(key, _)| key.name.clone()).collect();
                self.derive_kind("Server", known, wanted);
            }
            "Resource" => {
                let origin = self.stored_value(changed);
                let wanted = origin.map(|value| derived::monitors(&changed.name, &value));
                let known = derived::monitor_names(&changed.name).collect();
                self.derive_kind("Monitor", known, wanted.unwrap_or_default());
            }
            "Monitor" => {
                if let Some(resource) = derived::resource_of_monitor(&changed.name) {
                    self.derive(&ObjectKey::new("Resource", resource));
                }
            }
            _ => {}
        }
    }

    fn derive_kind(&mut self, kind: &str, known: Vec<String>, wanted: BTreeMap<String, Value>) {
        for name in known.into_iter().filter(|name| !wanted.contains_key(name)) {
            let key = ObjectKey::new(kind, name);
            if self.objects.get(&key).is_some_and(|served| served.stored.is_none()) {
                self.remove(&key, None);
            }
        }
        for (name, value) in wanted {
            let key = ObjectKey::new(kind, name);
            let text: Arc<str> = value.to_string().into();
            let known = self.objects.get(&key);
            if known.is_none_or(|known| known.stored.is_none() && known.base != text) {
                self.put(key, None, text);
            }
        }
    }

    fn stored_value(&self, key: &ObjectKey) -> Option<Value> {
        let served = self.objects.get(key).filter(|served| served.stored.is_some())?;
        Some(parse(&served.base))
    }

    fn take_statuses(&mut self, statuses: BTreeMap<ObjectKey, Value>) {
        for (key, status) in statuses {
            if self.statuses.get(&key) == Some(&status) {
                continue;
            }
            self.statuses.insert(key.clone(), status);
            if let Some(served) = self.objects.get(&key) {
                let (stored, base) = (served.stored, served.base.clone());
                self.put(key, stored, base);
            }
        }
    }

    fn take_event(&mut self, past: &PastEvent) {
        let uid = self
            .objects
            .get(&past.event.object)
            .map(|served| served.value().pointer("/metadata/uid").cloned().unwrap_or_default());
        let value = event::render(past, uid);
        let name = event::name(past);
        let key = ObjectKey::new(EVENT_KIND, name.clone());
        if self.objects.contains_key(&key) {
            return;
        }
        self.put(key, None, value.to_string().into());
        self.events.push_back(name);
        while self.events.len() > EVENTS_MAX {
            if let Some(oldest) = self.events.pop_front() {
                self.remove(&ObjectKey::new(EVENT_KIND, oldest), None);
            }
        }
    }

    /// Serves this object from now on; its version is the store's where that lies ahead.
    fn put(&mut self, key: ObjectKey, stored: Option<Revision>, base: Arc<str>) {
        let version = self.next_version(stored);
        let mut value = parse(&base);
        // Operations are stored with their status; all other statuses are only observed.
        let status = self.statuses.get(&key).cloned();
        let stored_status = value.get("status").cloned();
        if let Some(status) = status.or(stored_status).or_else(|| default_status(&key, &value)) {
            value["status"] = status;
        }
        let text = with_version(value, version);
        let served = Served { version, stored, text: text.clone(), base };
        let previous = self.objects.insert(key.clone(), served).map(|served| served.text);
        let change = if previous.is_some() { ChangeType::Modified } else { ChangeType::Added };
        self.remember(PastChange { version, key, change, text, previous });
    }

    fn remove(&mut self, key: &ObjectKey, revision: Option<Revision>) {
        let Some(served) = self.objects.remove(key) else { return };
        self.statuses.remove(key);
        let version = self.next_version(revision);
        let text = with_version(served.value(), version);
        self.remember(PastChange {
            version,
            key: key.clone(),
            change: ChangeType::Deleted,
            text,
            previous: Some(served.text),
        });
    }

    fn next_version(&mut self, revision: Option<Revision>) -> u64 {
        self.newest = match revision {
            Some(Revision(revision)) if revision > self.newest => revision,
            Some(_) | None => self.newest.saturating_add(1),
        };
        self.newest
    }

    fn remember(&mut self, change: PastChange) {
        self.history_bytes += change.text.len();
        self.history.push_back(change);
        while self.history.len() > HISTORY_MAX || self.history_bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = self.history.pop_front() else { return };
            self.history_bytes -= oldest.text.len();
            self.oldest = oldest.version;
        }
    }

    fn can_resume(&self, version: u64) -> Result<(), ResumeError> {
        if version < self.oldest {
            Err(ResumeError::Expired { oldest: self.oldest })
        } else if version > self.newest {
            Err(ResumeError::Ahead { newest: self.newest })
        } else {
            Ok(())
        }
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&ObjectKey, &Served)> {
        let first = ObjectKey::new(kind, "");
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind)
    }
}

/// What is served until the leader has looked at an object: clients that wait for `Ready` would
/// take an object without conditions for a finished one.
fn default_status(key: &ObjectKey, value: &Value) -> Option<Value> {
    if !derived::is_ours(&key.kind) {
        return None;
    }
    let since = value.pointer("/metadata/creationTimestamp")?;
    Some(json!({
        "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": "NotObserved",
            "message": catalogue::render("NotObserved", &[], Language::English),
            "lastTransitionTime": since,
        }],
    }))
}

fn with_version(mut value: Value, version: u64) -> Arc<str> {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), version.to_string().into());
    }
    value.to_string().into()
}

/// What the store holds was checked before it was written; anything else is served as nothing.
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
