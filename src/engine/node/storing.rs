//! The store: one writer, the leader; a write is acknowledged when every member of the view has it
//! on disk (design.md 5).
//!
//! One batch is under way at a time; what comes in between goes into the next. The spec that the
//! engine works with is the last *committed* one: a changed time-out counts nowhere before
//! everybody has it (A13).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{AfterPersist, Engine};
use crate::api::names::ServerName;
use crate::engine::effect::{Change, Expected, Record, WriteError};
use crate::engine::ids::{ActionId, Revision, Term};
use crate::engine::lineage::Lineage;
use crate::engine::message::{
    Message, Nack, Promise, StoreAppend, StoreAppended, StoreFetch, StoreSnapshot,
};
use crate::engine::model::{CompileError, Model, ObjectKey, compile, spec_objects};
use crate::engine::mutation::flawed;
use crate::engine::time::Instant;

/// Writes in one batch; the rest waits for the next.
const BATCH_MAX: usize = 256;
/// Writes that may wait; more are refused as if there were no leader.
const QUEUE_MAX: usize = 4096;

/// Replication, as leader and as member.
#[derive(Clone, Debug)]
pub(super) struct Store {
    committed: Revision,
    queue: VecDeque<Pending>,
    in_flight: Option<InFlight>,
    /// What the leader knows its members to have.
    members: BTreeMap<ServerName, Revision>,
    /// Members whose disk does not take it, and why.
    failing: BTreeMap<ServerName, String>,
    snapshot_sent: BTreeMap<ServerName, Instant>,
    /// Members whose store went another way: whatever its number, it is replaced.
    apart: BTreeSet<ServerName>,
    /// This server's own store is being replaced by one that went another way: what that says
    /// counts, whatever the numbers.
    replaced: bool,
}

/// Who wants a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Client(ActionId),
    Engine,
    Operations,
}

#[derive(Clone, Debug)]
struct Pending {
    origin: Origin,
    after: Revision,
    changes: Vec<(ObjectKey, Option<Expected>, Option<Arc<str>>)>,
}

#[derive(Clone, Debug)]
struct InFlight {
    append: StoreAppend,
    /// Who wrote last what it follows on: another history may have come as far as that.
    previous_writer: Option<Term>,
    /// The term that it was begun in: a later view of the same leader finishes it.
    writer: Term,
    persisted: BTreeSet<ServerName>,
    /// Who wants it, and the revision to tell them.
    origins: Vec<(Origin, Revision)>,
}

impl Store {
    pub fn new(revision: Revision) -> Self {
        Self {
            committed: revision,
            queue: VecDeque::new(),
            in_flight: None,
            members: BTreeMap::new(),
            failing: BTreeMap::new(),
            snapshot_sent: BTreeMap::new(),
            apart: BTreeSet::new(),
            replaced: false,
        }
    }

    /// Every member of the view has persisted up to here, as far as this server knows.
    pub fn committed(&self) -> Revision {
        self.committed
    }

    /// This member's store went another way than ours.
    pub fn went_apart(&mut self, member: ServerName) {
        self.apart.insert(member);
    }

    /// This member's store is a part of ours.
    pub fn joined(&mut self, member: &ServerName) {
        self.apart.remove(member);
    }

    /// Whether this member's store is known to have gone another way.
    pub fn is_apart(&self, member: &ServerName) -> bool {
        self.apart.contains(member)
    }

    /// What the last write of an object that is still to be answered makes of it.
    pub fn pending(&self, key: &ObjectKey) -> Option<&str> {
        let queued = self.queue.iter().rev().flat_map(|pending| pending.changes.iter().rev());
        let queued = queued.map(|(key, _, json)| (key, json));
        let flight = self.in_flight.iter().flat_map(|flight| &flight.append.changes);
        let flight = flight.map(|(key, json)| (key, json));
        let (_, json) = queued.chain(flight).find(|(changed, _)| *changed == key)?;
        json.as_deref()
    }

    /// Whether a write of operations is still to be answered.
    pub fn operations_pending(&self) -> bool {
        let queued = self.queue.iter().any(|pending| pending.origin == Origin::Operations);
        let under_way = self
            .in_flight
            .as_ref()
            .is_some_and(|flight| flight.origins.iter().any(|(it, _)| *it == Origin::Operations));
        queued || under_way
    }
}

impl Engine {
    pub(super) fn on_write(&mut self, id: ActionId, after: Revision, changes: Vec<Change>) {
        if self.leading() && self.waits_for_changes() {
            self.write_done(id, Err(WriteError::ChangesAwaited));
            return;
        }
        if !self.leading() || self.store.queue.len() >= QUEUE_MAX {
            let leader = self.live_leader().filter(|leader| *leader != self.me()).cloned();
            self.write_done(id, Err(WriteError::NotLeader { leader }));
            return;
        }
        let changes = changes
            .into_iter()
            .map(|change| (change.key, Some(change.expected), change.json))
            .collect();
        self.store.queue.push_back(Pending { origin: Origin::Client(id), after, changes });
    }

    /// A write of the engine's own, whatever is there.
    pub(super) fn write_intent(&mut self, key: ObjectKey, json: Option<String>) {
        self.write_own(Origin::Engine, vec![(key, json)]);
    }

    pub(super) fn write_operations(&mut self, changes: Vec<(ObjectKey, Option<String>)>) {
        self.write_own(Origin::Operations, changes);
    }

    fn write_own(&mut self, origin: Origin, changes: Vec<(ObjectKey, Option<String>)>) {
        let changes =
            changes.into_iter().map(|(key, json)| (key, None, json.map(Arc::from))).collect();
        self.store.queue.push_back(Pending { origin, after: Revision(0), changes });
    }

    /// Begins the next batch if none is under way and every member has the store as it is.
    pub(super) fn store_on(&mut self) {
        if self.store.in_flight.is_some() || self.store.queue.is_empty() {
            return;
        }
        let current = self.durable.revision;
        let behind = self.store.members.values().any(|revision| *revision != current);
        let filled = !behind && self.store.apart.is_empty();
        if !filled || self.store_is_persisting() || self.waits_for_changes() {
            return;
        }
        let Some(term) = self.leadership.as_ref().map(|leadership| leadership.lead.term.clone())
        else {
            return;
        };
        let mut revision = Revision(current.0 + 1).max(term.first_revision());
        let mut overlay: BTreeMap<ObjectKey, Option<Arc<str>>> = BTreeMap::new();
        let mut origins = Vec::new();
        for _ in 0..BATCH_MAX {
            let Some(pending) = self.store.queue.pop_front() else {
                break;
            };
            revision = revision.max(Revision(pending.after.0 + 1));
            match self.first_conflict(&pending, &overlay) {
                Some(error) => {
                    if let Origin::Client(id) = pending.origin {
                        self.write_done(id, Err(error));
                    }
                }
                None => {
                    origins.push(pending.origin);
                    overlay.extend(pending.changes.into_iter().map(|(key, _, json)| (key, json)));
                }
            }
        }
        overlay.retain(|key, json| {
            self.durable.objects.get(key).map(|object| &object.json) != json.as_ref()
        });
        if overlay.is_empty() {
            let origins = origins.into_iter().map(|origin| (origin, current)).collect();
            self.confirm(origins);
            return;
        }
        let lineage = Lineage::read(&self.durable.objects).continued(&term, current);
        if let Some(text) = lineage.and_then(|lineage| lineage.json()) {
            overlay.insert(Lineage::key(), Some(text.into()));
        }
        let origins = origins.into_iter().map(|origin| (origin, revision)).collect();
        self.begin_batch(term, revision, overlay.into_iter().collect(), origins);
    }

    fn begin_batch(
        &mut self,
        term: Term,
        revision: Revision,
        changes: Vec<(ObjectKey, Option<Arc<str>>)>,
        origins: Vec<(Origin, Revision)>,
    ) {
        let (previous, previous_writer) = (self.durable.revision, self.writer());
        let writer = term.clone();
        let append = StoreAppend { term, previous, revision, changes };
        let persisted = BTreeSet::new();
        self.store.in_flight =
            Some(InFlight { append, previous_writer, writer, persisted, origins });
        self.persist_in_flight();
        self.send_appends();
    }

    /// Every member has what these want. Where an earlier leader's term wrote it that may not be
    /// enough: a view between the two, installed late, may have written on without it, and its term
    /// counts for more. A write of this term, which every member has too, puts an end to that.
    fn confirm(&mut self, origins: Vec<(Origin, Revision)>) {
        let current = self.durable.revision;
        let Some(term) = self.leadership.as_ref().map(|leadership| leadership.lead.term.clone())
        else {
            return self.answer_origins(origins, |_| Err(WriteError::Unknown));
        };
        let asked = origins.iter().any(|(origin, _)| matches!(origin, Origin::Client(_)));
        let lineage = Lineage::read(&self.durable.objects).continued(&term, current);
        match lineage.and_then(|lineage| lineage.json()) {
            Some(text) if asked && !flawed!(self.flaw, EarlierBatchAcknowledged) => {
                let revision = Revision(current.0 + 1).max(term.first_revision());
                let changes = vec![(Lineage::key(), Some(text.into()))];
                self.begin_batch(term, revision, changes, origins);
            }
            Some(_) | None => {
                self.commit(current);
                self.answer_origins(origins, Ok);
            }
        }
    }

    fn first_conflict(
        &self,
        pending: &Pending,
        overlay: &BTreeMap<ObjectKey, Option<Arc<str>>>,
    ) -> Option<WriteError> {
        pending.changes.iter().find_map(|(key, expected, _)| {
            let expected = (*expected)?;
            let current = self.durable.objects.get(key).map(|object| object.revision);
            let changed = overlay.contains_key(key);
            let fits = match expected {
                Expected::Absent => current.is_none(),
                Expected::At(revision) => current == Some(revision),
            };
            (changed || !fits).then(|| WriteError::Conflict { key: key.clone(), current })
        })
    }

    fn send_appends(&mut self) {
        let Some(flight) = &self.store.in_flight else {
            return;
        };
        let append = flight.append.clone();
        let missing: Vec<ServerName> = self
            .other_members()
            .into_iter()
            .filter(|name| !flight.persisted.contains(name) && !self.store.apart.contains(name))
            .collect();
        for name in missing {
            self.send(&name, Message::StoreAppend(append.clone()));
        }
    }

    /// Whether the batch under way makes this revision.
    pub(super) fn writes_under_way(&self, writer: Option<&Term>, revision: Revision) -> bool {
        self.store.in_flight.as_ref().is_some_and(|flight| {
            flight.append.revision == revision && Some(&flight.writer) == writer
        })
    }

    /// Whether something was decided that not every member has yet.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.store.in_flight.is_some() || !self.store.queue.is_empty()
    }

    fn other_members(&self) -> Vec<ServerName> {
        let Some(leadership) = &self.leadership else {
            return Vec::new();
        };
        let me = self.me();
        leadership.lead.members.keys().filter(|name| *name != me).cloned().collect()
    }

    pub(super) fn store_is_persisting(&self) -> bool {
        self.awaiting_disk.values().any(|after| matches!(after, AfterPersist::Store { .. }))
    }

    /// Each interval: what is not answered is sent again.
    pub(super) fn store_tick(&mut self) {
        if !self.leading() {
            return;
        }
        let me = self.me().clone();
        let retry = self.store.in_flight.as_ref().is_some_and(|flight| {
            !flight.persisted.contains(&me) && self.durable.revision < flight.append.revision
        });
        if retry && !self.store_is_persisting() {
            self.persist_in_flight();
        }
        self.send_appends();
        for name in self.other_members() {
            self.send_snapshot_if_behind(&name);
        }
    }

    fn persist_in_flight(&mut self) {
        let Some(flight) = &self.store.in_flight else {
            return;
        };
        let StoreAppend { term, revision, changes, .. } = flight.append.clone();
        let record = Record::Append { revision, changes };
        let leader = self.me().clone();
        self.persist(record.clone(), AfterPersist::Store { term, leader, record });
    }

    fn send_snapshot_if_behind(&mut self, name: &ServerName) {
        let (base, latest) = match &self.store.in_flight {
            Some(flight) => (flight.append.previous, flight.append.revision),
            None => (self.durable.revision, self.durable.revision),
        };
        // One with a write of an earlier leader that nobody else has is behind, too, though its
        // number is above what the batch under way follows on.
        let behind = |revision: &Revision| *revision != base && *revision < latest;
        let behind =
            self.store.members.get(name).is_some_and(behind) || self.store.apart.contains(name);
        let now = self.now.instant;
        let interval = self.timing().interval;
        let recent =
            self.store.snapshot_sent.get(name).is_some_and(|at| now.since(*at) < interval * 2);
        if !behind || recent {
            return;
        }
        self.store.snapshot_sent.insert(name.clone(), now);
        let Some(leadership) = &self.leadership else {
            return;
        };
        let snapshot = StoreSnapshot {
            term: leadership.lead.term.clone(),
            revision: self.durable.revision,
            objects: self.durable.objects.clone(),
        };
        self.send(name, Message::StoreSnapshot(snapshot));
    }

    pub(super) fn on_store_append(&mut self, from: &ServerName, append: StoreAppend) {
        let current = self.view.as_ref().is_some_and(|view| view.term == append.term);
        if !current || !self.follows(from, &append.term) || self.store_is_persisting() {
            return;
        }
        if self.durable.revision != append.previous {
            self.tell_stored(from, &append.term, None);
            return;
        }
        let record = Record::Append { revision: append.revision, changes: append.changes };
        let after =
            AfterPersist::Store { term: append.term, leader: from.clone(), record: record.clone() };
        self.persist(record, after);
    }

    pub(super) fn on_store_snapshot(&mut self, from: &ServerName, snapshot: StoreSnapshot) {
        let fetched = self.proposal.as_ref().is_some_and(|proposal| {
            proposal.term == snapshot.term
                && proposal.fetching.as_ref().is_some_and(|(asked, _)| asked == from)
        });
        let led = self.view.as_ref().is_some_and(|view| view.term == snapshot.term)
            && self.follows(from, &snapshot.term);
        let fills = self.is_filled_by(&snapshot);
        if !fetched && !led && !fills || self.store_is_persisting() {
            return;
        }
        let apart = self.is_apart_from(&snapshot);
        let writer = Lineage::read(&snapshot.objects).writer;
        let theirs = self.position_of(writer, snapshot.revision);
        if theirs <= self.position() {
            self.tell_stored(from, &snapshot.term, None);
            return;
        }
        if apart {
            self.keep_aside(&snapshot);
            self.store.replaced = true;
        }
        let record = Record::Snapshot { revision: snapshot.revision, objects: snapshot.objects };
        let after = AfterPersist::Store {
            term: snapshot.term,
            leader: from.clone(),
            record: record.clone(),
        };
        self.persist(record, after);
    }

    pub(super) fn on_store_fetch(&mut self, from: &ServerName, fetch: &StoreFetch) {
        if fetch.term != self.promised {
            if fetch.term < self.promised && !flawed!(self.flaw, StaleFetchUnanswered) {
                // Its proposal has come to nothing, and it would wait for our store for ever.
                let promised = self.promised.clone();
                self.send(from, Message::Nack(Nack { term: fetch.term.clone(), promised }));
            }
            return;
        }
        let snapshot = StoreSnapshot {
            term: fetch.term.clone(),
            revision: self.durable.revision,
            objects: self.durable.objects.clone(),
        };
        self.send(from, Message::StoreSnapshot(snapshot));
    }

    fn tell_stored(&mut self, leader: &ServerName, term: &Term, error: Option<String>) {
        let revision = self.durable.revision;
        let appended = StoreAppended { term: term.clone(), revision, writer: self.writer(), error };
        self.send(leader, Message::StoreAppended(appended));
    }

    /// A record of the store is on disk here.
    pub(super) fn on_stored(&mut self, term: &Term, leader: &ServerName) {
        if self.proposal.as_ref().is_some_and(|proposal| proposal.fetching.is_some()) {
            self.try_install();
        }
        if leader != self.me() {
            self.tell_stored(leader, term, None);
            if self.view.is_none() {
                // Filled from outside a view: what the store says of this server counts now.
                self.commit(self.durable.revision);
            }
            return;
        }
        let me = self.me().clone();
        let revision = self.durable.revision;
        if flawed!(self.flaw, SpecBeforeCommit) {
            self.commit(revision);
        }
        if let Some(flight) = &mut self.store.in_flight
            && flight.append.revision <= revision
        {
            flight.persisted.insert(me);
        }
        self.try_commit();
    }

    pub(super) fn on_store_failed(&mut self, term: &Term, leader: &ServerName, error: &str) {
        if leader != self.me() {
            self.tell_stored(leader, term, Some(error.to_owned()));
        }
    }

    pub(super) fn on_store_appended(&mut self, from: &ServerName, appended: &StoreAppended) {
        let Some(leadership) = &self.leadership else {
            return;
        };
        let lead = &leadership.lead;
        if lead.term != appended.term || !lead.members.contains_key(from) {
            return;
        }
        let known = match &appended.error {
            Some(error) => self.store.failing.insert(from.clone(), error.clone()),
            None => self.store.failing.remove(from),
        };
        // Said once, however often it is tried again.
        if let Some(error) = appended.error.as_ref().filter(|error| known.as_ref() != Some(error)) {
            let parameters = [("server", from.as_str()), ("error", error.as_str())];
            self.event("Server", from.as_str(), "StoreBehind", &parameters, &[]);
        }
        self.store.members.insert(from.clone(), appended.revision);
        self.note_lineage(from, appended.writer.as_ref(), appended.revision);
        self.liveness.note_revision(from, appended.revision);
        if let Some(flight) = &mut self.store.in_flight
            && appended.revision >= flight.append.revision
            && !self.store.apart.contains(from)
        {
            flight.persisted.insert(from.clone());
        }
        self.send_snapshot_if_behind(from);
        self.try_commit();
    }

    /// The newest revision that a member of this leader's view has on its disk, as far as is known.
    pub(super) fn certainly_on_disk(&self, server: &ServerName) -> Option<Revision> {
        if server == self.me() {
            return Some(self.durable.revision);
        }
        self.store.members.get(server).copied()
    }

    /// Every member has it: it is the spec.
    fn try_commit(&mut self) {
        let Some(leadership) = &self.leadership else {
            return;
        };
        let members = &leadership.lead.members;
        let alone = flawed!(self.flaw, AcknowledgedByLeaderAlone);
        let waits = |name: &&ServerName| !alone || *name == self.me();
        if let Some(flight) = &self.store.in_flight
            && !members.keys().filter(waits).all(|name| flight.persisted.contains(name))
        {
            return;
        }
        let revision = self.durable.revision;
        if let Some(flight) = self.store.in_flight.take() {
            for name in flight.persisted {
                self.store.members.insert(name, flight.append.revision);
            }
            let me = self.me().clone();
            self.store.members.remove(&me);
            self.confirm(flight.origins);
            return;
        }
        let apart = !self.store.apart.is_empty();
        if !apart && self.store.members.values().all(|held| *held >= revision) {
            self.commit(revision);
        }
    }

    fn answer_origins(
        &mut self,
        origins: Vec<(Origin, Revision)>,
        answer: impl Fn(Revision) -> Result<Revision, WriteError>,
    ) {
        for (origin, revision) in origins {
            if let Origin::Client(id) = origin {
                self.write_done(id, answer(revision));
            }
        }
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
    }

    /// The store up to `revision` is everybody's: what it says counts from now on.
    pub(super) fn commit(&mut self, revision: Revision) {
        let replaced = self.store.replaced && !self.store_is_persisting();
        let news = revision >= self.durable.revision
            && (self.durable.revision > self.store.committed || replaced);
        if !news {
            return;
        }
        self.store.replaced = false;
        self.store.committed = self.durable.revision;
        self.report_version += 1;
        self.read_intents();
        // Objects are validated before they are written; a text that does not compile all the same
        // leaves the last spec in force.
        let model_lease = self.timing().lease;
        match self.compiled() {
            Ok(model) => {
                self.model = model;
                let retimed = model_lease != self.timing().lease;
                self.adopt_model();
                // A changed time-out moves the end of the lease that is held already.
                if retimed {
                    self.tell_keeper();
                    let tick = self.now.instant + self.timing().interval;
                    self.next_tick = self.next_tick.min(tick);
                }
            }
            Err(error) => {
                self.event_about_cluster("SpecRefused", &[("error", &error.to_string())], &[]);
            }
        }
    }

    /// The spec that the store holds. Most writes are the cluster's own and leave it as it is.
    fn compiled(&mut self) -> Result<Arc<Model>, CompileError> {
        let known = self.compiled_from.iter().map(|(key, object)| (key, object));
        if spec_objects(&self.durable.objects).eq(known) {
            return Ok(self.model.clone());
        }
        let mut model = compile(&self.durable.objects)?;
        model.cluster.arbiter = self.arbiter_in_force(model.cluster.arbiter);
        let model = self.with_times_in_force(model);
        let from = spec_objects(&self.durable.objects);
        self.compiled_from = from.map(|(key, object)| (key.clone(), object.clone())).collect();
        Ok(Arc::new(model))
    }

    /// A view of which this server is the leader was installed.
    pub(super) fn store_installed(&mut self, promises: &BTreeMap<ServerName, (Instant, Promise)>) {
        let me = self.me().clone();
        self.store.members = promises
            .iter()
            .filter(|(name, _)| **name != me)
            .map(|(name, (_, promise))| (name.clone(), promise.revision))
            .collect();
        self.store.snapshot_sent.clear();
        self.store.apart.clear();
        // First: what is under way no more excuses nobody who has it.
        self.forget_replaced_flight();
        for (name, (_, promise)) in promises.iter().filter(|(name, _)| **name != me) {
            self.note_lineage(name, promise.writer.as_ref(), promise.revision);
        }
        if let (Some(flight), Some(leadership)) = (&mut self.store.in_flight, &self.leadership) {
            flight.append.term = leadership.lead.term.clone();
            let revision = flight.append.revision;
            flight.persisted.retain(|name| *name == me);
            // Its own disk may have refused it, and a member's store have brought it.
            if self.durable.revision == revision {
                flight.persisted.insert(me);
            }
            for (name, held) in &self.store.members {
                if *held >= revision && !self.store.apart.contains(name) {
                    flight.persisted.insert(name.clone());
                }
            }
        }
        self.send_appends();
        for name in self.other_members() {
            self.send_snapshot_if_behind(&name);
        }
        self.try_commit();
    }

    /// What was under way is lost where a member's newer store took the place of ours: nobody has
    /// the change, and it fits no other history, though that may have come as far by number.
    fn forget_replaced_flight(&mut self) {
        let (current, writer) = (self.durable.revision, self.writer());
        let by_number = flawed!(self.flaw, BatchKeptByNumber);
        let replaced = |flight: &mut InFlight| {
            let made = current == flight.append.revision && writer.as_ref() == Some(&flight.writer);
            let same = by_number || writer == flight.previous_writer;
            let follows = current == flight.append.previous && same;
            !follows && !made
        };
        if let Some(flight) = self.store.in_flight.take_if(replaced) {
            self.answer_origins(flight.origins, |_| Err(WriteError::Unknown));
        }
    }

    pub(super) fn store_lost_leadership(&mut self) {
        if let Some(flight) = self.store.in_flight.take() {
            self.answer_origins(flight.origins, |_| Err(WriteError::Unknown));
        }
        let queue = std::mem::take(&mut self.store.queue);
        let origins = queue.into_iter().map(|pending| (pending.origin, pending.after)).collect();
        self.answer_origins(origins, |_| Err(WriteError::NotLeader { leader: None }));
        self.store.members.clear();
        self.store.apart.clear();
    }
}
