//! What people asked for: intents, operations, deletions.

use std::collections::BTreeMap;

use super::Engine;
use super::leading::Ran;
use crate::api::kinds::{Operation, OperationSpec, OperationState, OperationType};
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::Revision;
use crate::engine::message::{OrderReason, Report};
use crate::engine::model::{ObjectKey, StoredObject};
use crate::engine::operations::{OperationFacts, OperationModel, settle, step_all};
use crate::engine::placement::{
    ClusterShutdown, Desired, DiskIntent, GroupIntent, Holder, IntentOf, Out, ServerIntent, View,
    group_intent_key, server_intent_key, shutdown_intent_key,
};
use crate::engine::time::Instant;

/// How long an operation that has ended is kept.
const OPERATION_KEPT_MILLISECONDS: i64 = 7 * 24 * 3600 * 1000;

/// The store's intents and operations, read once for each revision.
#[derive(Clone, Debug, Default)]
pub(super) struct Intents {
    pub groups: BTreeMap<GroupName, GroupIntent>,
    pub servers: BTreeMap<ServerName, ServerIntent>,
    pub ran: BTreeMap<GroupName, Ran>,
    /// State folders that servers are known by, each with the revision that says so.
    pub disks: BTreeMap<ServerName, (DiskIntent, Revision)>,
    pub shutdown: Option<ClusterShutdown>,
    pub operations: BTreeMap<String, OperationModel>,
}

impl Engine {
    pub(super) fn read_intents(&mut self) {
        let mut intents = Intents::default();
        for (key, object) in &self.durable.objects {
            match key.kind.as_str() {
                crate::engine::placement::INTENT_KIND => intents.read(key, object),
                "Operation" => {
                    let known = self.intents.operations.get(&key.name);
                    let model = known
                        .filter(|known| known.revision == object.revision)
                        .cloned()
                        .or_else(|| operation(object, known, self.now.instant));
                    if let Some(model) = model {
                        intents.operations.insert(key.name.clone(), model);
                    }
                }
                _ => {}
            }
        }
        self.intents = intents;
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
    }

    /// Why a server is kept out, if so: by what this leader has decided as soon as it has, and not
    /// only once that is written everywhere. A return counts once it is.
    pub(super) fn out_intent(&self, server: &ServerName) -> Option<ServerIntent> {
        let key = server_intent_key(server);
        let decided = self.store.pending(&key).and_then(|json| match IntentOf::read(&key, json) {
            Some(IntentOf::Server(_, intent)) => Some(intent),
            Some(IntentOf::Group(..)) | None => None,
        });
        decided.or_else(|| self.intents.servers.get(server).cloned())
    }

    /// Groups that this leader has decided to keep stopped, though that is not yet written everywhere.
    pub(super) fn stops_decided(&self) -> BTreeMap<GroupName, GroupIntent> {
        let decided = |group: &GroupName| {
            let key = group_intent_key(group);
            match IntentOf::read(&key, self.store.pending(&key)?) {
                Some(IntentOf::Group(_, intent)) => Some(intent),
                Some(IntentOf::Server(..)) | None => None,
            }
        };
        let stopped = |intent: &GroupIntent| matches!(intent.desired, Desired::Stopped { .. });
        let all = self.model.groups.keys();
        let decided = all.filter_map(|group| Some((group.clone(), decided(group)?)));
        decided.filter(|(_, intent)| stopped(intent)).collect()
    }

    /// Whether a server is kept out.
    pub(super) fn known_out(&self, server: &ServerName) -> bool {
        self.out_intent(server).is_some()
    }

    /// The operation of a type on a server that is under way, as the store says.
    pub(super) fn running_operation(
        &self,
        type_: OperationType,
        server: &ServerName,
    ) -> Option<(String, OperationSpec)> {
        let mut all = self.intents.operations.values();
        let found = all.find(|operation| {
            operation.state == OperationState::Running
                && operation.spec.type_ == type_
                && operation.spec.server.as_deref() == Some(server.as_str())
        })?;
        Some((found.uid.clone(), found.spec.clone()))
    }

    /// The operations whose announced pauses count, by server.
    fn pauses_ready(&self) -> BTreeMap<ServerName, String> {
        let reports = self.leadership.iter().flat_map(|leadership| &leadership.lead.reports);
        let pause = |(server, report): (&ServerName, &Report)| {
            Some((server.clone(), report.pause.clone()?))
        };
        reports.filter_map(pause).collect()
    }

    /// Operations go on; what they and the facts ask for is written in one write.
    pub(super) fn step_operations(&mut self) {
        let due = self.leadership.as_ref().is_some_and(|leadership| leadership.dirty);
        if !due || self.store.operations_pending() {
            return;
        }
        let servers = self.server_facts();
        let fences = self.fence_facts();
        let hold = self.hold();
        let again = self.start_again();
        let pauses = self.pauses_ready();
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        for (name, facts) in &mut leadership.groups {
            facts.intent = self.intents.groups.get(name).cloned().unwrap_or_default();
        }
        let view = View {
            model: &self.model,
            servers: &servers,
            groups: &leadership.groups,
            started: self.view.as_ref().is_some_and(|view| view.started),
            hold,
            now: self.now.instant,
        };
        let facts = OperationFacts {
            view,
            operations: &self.intents.operations,
            fences: &fences,
            shutdown: self.intents.shutdown.as_ref(),
            runs: &leadership.lead.members,
            pauses: &pauses,
            wall: self.now.wall,
        };
        let mut changes = settle(&facts);
        let mut told = Vec::new();
        for (name, step) in step_all(&facts) {
            changes.extend(step.intents);
            if let Some(status) = step.status {
                let key = ObjectKey::new("Operation", name);
                let text =
                    self.durable.objects.get(&key).and_then(|object| {
                        with_status(&object.json, &status.status(self.now.wall))
                    });
                if let Some(text) = text {
                    changes.push((key.clone(), Some(text)));
                    told.push((key, status));
                }
            }
        }
        changes.extend(self.deletions());
        changes.extend(again);
        changes.retain(|(key, json)| {
            self.durable.objects.get(key).map(|object| &*object.json) != json.as_deref()
        });
        if !changes.is_empty() {
            self.write_operations(changes);
            self.store_on();
        }
        for (key, status) in told {
            self.note_operation(&key, status.state, &status.message);
        }
    }

    fn note_operation(&mut self, key: &ObjectKey, state: OperationState, message: &str) {
        let reason = match state {
            OperationState::Pending => return,
            OperationState::Running => "OperationRunning",
            OperationState::Succeeded => "OperationSucceeded",
            OperationState::Failed => "OperationFailed",
            OperationState::Superseded => "OperationSuperseded",
        };
        let parameters = [("operation", key.name.as_str()), ("message", message)];
        let number = self.event("Operation", &key.name, reason, &parameters, &[]);
        let spec = self.intents.operations.get(&key.name).map(|operation| operation.spec.clone());
        if let (OperationState::Succeeded, Some(spec)) = (state, &spec) {
            self.note_server_operation(spec, number);
        }
        let (OperationState::Running, Some(spec)) = (state, spec) else { return };
        if let Some(group) = spec.group {
            self.chronicle.remember(&format!("latest/FailoverGroup/{group}"), number);
        } else if let (OperationType::DetachServer, Some(server)) = (spec.type_, spec.server) {
            self.chronicle.remember(&format!("detached/{server}"), number);
        }
    }

    fn note_server_operation(&mut self, spec: &OperationSpec, cause: u64) {
        let Some(server) = &spec.server else { return };
        let reason = match spec.type_ {
            OperationType::DetachServer => "ServerDetached",
            OperationType::ReturnServer => "ServerReturned",
            OperationType::StartGroup
            | OperationType::StopGroup
            | OperationType::MoveGroup
            | OperationType::FailoverGroup
            | OperationType::RestartGroup
            | OperationType::FenceServer
            | OperationType::ConfirmServerDown
            | OperationType::ShutdownCluster
            | OperationType::PauseServer => return,
        };
        self.event("Server", server, reason, &[("server", server)], &[Some(cause)]);
    }

    /// Objects that are being deleted and whose deactivation is certain.
    fn deletions(&self) -> Vec<(ObjectKey, Option<String>)> {
        let Some(leadership) = &self.leadership else {
            return Vec::new();
        };
        let mut gone = Vec::new();
        for (name, model) in &self.model.groups {
            let facts = leadership.groups.get(name);
            let free = facts.is_some_and(|facts| facts.holder == Holder::Free);
            if model.deleting && free {
                gone.push((ObjectKey::new("FailoverGroup", name.as_str()), None));
            }
            let deleting = model.resources.iter().filter(|(_, resource)| resource.deleting);
            for (resource, _) in deleting {
                let holder = facts.map(|facts| &facts.holder);
                let inactive = match holder {
                    Some(Holder::Held { server, .. }) => !self.reported_active(server, resource),
                    Some(Holder::Free) | None => true,
                    Some(Holder::Unknown) => false,
                };
                if inactive {
                    gone.push((ObjectKey::new("Resource", resource.as_str()), None));
                }
            }
        }
        gone.extend(self.orphans().into_iter().map(|key| (key, None)));
        let old = self.now.wall.0 - OPERATION_KEPT_MILLISECONDS;
        for (name, operation) in &self.intents.operations {
            let ended =
                !matches!(operation.state, OperationState::Pending | OperationState::Running);
            let key = ObjectKey::new("Operation", name);
            let made = self.durable.objects.get(&key).and_then(|o| created(&o.json));
            if ended && made.is_some_and(|made| made < old) {
                gone.push((key, None));
            }
        }
        gone
    }

    /// Resources being deleted whose group is gone: it went only when all of it had stopped.
    fn orphans(&self) -> Vec<ObjectKey> {
        let resources = || {
            let first = ObjectKey::new("Resource", "");
            self.durable.objects.range(first..).take_while(|(key, _)| key.kind == "Resource")
        };
        let known: usize = self.model.groups.values().map(|group| group.resources.len()).sum();
        if resources().count() == known {
            return Vec::new();
        }
        resources()
            .filter(|(_, stored)| stored.json.contains("\"deletionTimestamp\""))
            .filter(|(_, stored)| {
                let object: serde_json::Value =
                    serde_json::from_str(&stored.json).unwrap_or_default();
                let deleting = !object["metadata"]["deletionTimestamp"].is_null();
                let group = object["spec"]["group"].as_str();
                let exists = |group: &str| {
                    self.durable.objects.contains_key(&ObjectKey::new("FailoverGroup", group))
                };
                deleting && group.is_some_and(|group| !exists(group))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn reported_active(
        &self,
        server: &ServerName,
        resource: &crate::api::names::ResourceName,
    ) -> bool {
        let own;
        let report = if server == self.me() {
            own = self.own_report();
            Some(&own)
        } else {
            self.leadership.as_ref().and_then(|leadership| leadership.lead.reports.get(server))
        };
        // Without a report nothing is known: it may be active.
        report.is_none_or(|report| {
            report
                .resources
                .get(resource)
                .is_some_and(|resource| resource.state != crate::api::kinds::ResourceState::Offline)
        })
    }

    /// CP-23: a server that was lost while the cluster ran stays out until it is returned.
    pub(super) fn mark_failed_servers(&mut self, former: &[ServerName]) {
        let Some(view) = &self.view else { return };
        if !view.started || self.was_shut_down() {
            return;
        }
        let lost: Vec<ServerName> = former
            .iter()
            .filter(|name| !view.members.contains(name) && !self.known_out(name))
            // The view did without it before it was lost.
            .filter(|name| !self.last_members.contains(name))
            // It left by itself, and comes back by itself.
            .filter(|name| !self.liveness.leaves(name))
            .filter(|name| !self.liveness.pauses(self.now.instant, name))
            .cloned()
            .collect();
        for server in lost {
            let cause = self.chronicle.recall(&format!("lost/{server}"));
            let timeout = super::events::text(self.timing().timeout);
            let ended = self.liveness.peer(&server).is_some_and(|peer| peer.ended == peer.boot);
            let message = if ended {
                "its agent ended unexpectedly".to_owned()
            } else {
                format!("not heard for {timeout}")
            };
            let intent =
                ServerIntent { out: Out::Failed, since: self.now.wall, message: message.clone() };
            self.write_intent(server_intent_key(&server), intent.json());
            let parameters = [("server", server.as_str()), ("message", &*message)];
            self.event("Server", server.as_str(), "ServerOut", &parameters, &[cause]);
        }
    }

    /// What a group's holder left behind when it vanished with the former view.
    pub(super) fn mark_lost_groups(&mut self) {
        let Some(view) = &self.view else { return };
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        for (name, facts) in &mut leadership.groups {
            let Some(ran) = self.intents.ran.get(name) else {
                continue;
            };
            let server = ServerName::from(ran.server.as_str());
            facts.ever_started |= view.started;
            let held = matches!(facts.holder, Holder::Held { .. });
            if !held && view.started && !view.members.contains(&server) {
                facts.lost_from = Some(server);
            }
            if let Holder::Held { reason: OrderReason::Adopted, .. } = &facts.holder {
                facts.placed = self.now.instant;
            }
        }
    }
}

impl Intents {
    fn read(&mut self, key: &ObjectKey, object: &StoredObject) {
        if let Some(group) = key.name.strip_prefix("ran.") {
            if let Ok(ran) = serde_json::from_str(&object.json) {
                self.ran.insert(group.into(), ran);
            }
            return;
        }
        if let Some(server) = key.name.strip_prefix("disk.") {
            if let Some(disk) = DiskIntent::read(&object.json) {
                self.disks.insert(server.into(), (disk, object.revision));
            }
            return;
        }
        if *key == shutdown_intent_key() {
            self.shutdown = ClusterShutdown::read(&object.json);
            return;
        }
        match IntentOf::read(key, &object.json) {
            Some(IntentOf::Group(group, intent)) => {
                self.groups.insert(group, intent);
            }
            Some(IntentOf::Server(server, intent)) => {
                self.servers.insert(server, intent);
            }
            None => {}
        }
    }
}

fn operation(
    object: &StoredObject,
    known: Option<&OperationModel>,
    now: Instant,
) -> Option<OperationModel> {
    let parsed: Operation = serde_json::from_str(&object.json).ok()?;
    let status = parsed.status.unwrap_or_default();
    let uid = parsed.metadata.uid.unwrap_or_default();
    let seen = known.filter(|known| known.uid == uid).map_or(now, |known| known.seen);
    Some(OperationModel {
        uid,
        spec: parsed.spec,
        state: status.state,
        message: status.message,
        revision: object.revision,
        seen,
    })
}

fn with_status(json: &str, status: &crate::api::kinds::OperationStatus) -> Option<String> {
    let mut object: serde_json::Value = serde_json::from_str(json).ok()?;
    object.as_object_mut()?.insert("status".to_owned(), serde_json::to_value(status).ok()?);
    serde_json::to_string(&object).ok()
}

/// When an object was made, in milliseconds.
fn created(json: &str) -> Option<i64> {
    let object: serde_json::Value = serde_json::from_str(json).ok()?;
    let time = object.pointer("/metadata/creationTimestamp")?.as_str()?;
    Some(time.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}
