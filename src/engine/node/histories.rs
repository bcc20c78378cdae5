//! Histories that went separate ways: found where they meet, settled by the Cluster's stated
//! policy, told loudly; and what is known, when a cluster starts, of whether changes are missing.

use std::collections::BTreeMap;

use super::Engine;
use super::leading::Leadership;
use super::orders::{adopted, in_doubt};
use super::surplus::Surplus;
use crate::api::catalogue::{self, Language};
use crate::api::kinds::{DualActivationPolicy, MissedChangesPolicy};
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::Effect;
use crate::engine::ids::{Revision, Term};
use crate::engine::lineage::{Lineage, Position};
use crate::engine::message::{GroupPhase, Held, OrderReason, StoreSnapshot};
use crate::engine::model::{Arbiter, ObjectKey, Objects};
use crate::engine::mutation::flawed;
use crate::engine::observe::Aspect;
use crate::engine::placement::{
    Desired, DualActivation, Hold, Holder, INTENT_KIND, Out, group_intent_key, server_intent_key,
};

/// Objects that are named in an event; the file that is kept holds all.
const NAMED_MAX: usize = 10;

impl Engine {
    /// The term of who wrote this store last.
    pub(super) fn writer(&self) -> Option<Term> {
        Lineage::read(&self.durable.objects).writer
    }

    /// How far this server's history has come.
    pub(super) fn position(&self) -> Position {
        self.position_of(self.writer(), self.durable.revision)
    }

    /// How far a history has come.
    pub(super) fn position_of(&self, writer: Option<Term>, revision: Revision) -> Position {
        Position::of(writer.filter(|_| !flawed!(self.flaw, NewestByNumber)), revision)
    }

    /// Whether this store holds what a newer one that is to replace it does not.
    pub(super) fn is_apart_from(&self, newer: &StoreSnapshot) -> bool {
        let writer = self.writer();
        let theirs = Lineage::read(&newer.objects);
        !theirs.holds(newer.revision, writer.as_ref(), self.durable.revision)
            && !flawed!(self.flaw, HistoriesComparedByNumber)
    }

    /// This server's store goes, and a person may want what only it holds.
    pub(super) fn keep_aside(&mut self, newer: &StoreSnapshot) {
        let revision = self.durable.revision;
        let lost = differing(&self.durable.objects, &newer.objects);
        let (count, named) = (lost.len().to_string(), name_some(&lost));
        let (ours, theirs) = (revision.to_string(), newer.revision.to_string());
        let parameters =
            [("revision", &*ours), ("theirs", &*theirs), ("count", &*count), ("objects", &*named)];
        self.event_about_me("HistoryKeptAside", &parameters, &[]);
        let objects = self.durable.objects.clone();
        self.effects.push_back(Effect::KeepAside { revision, objects });
    }

    /// What a member says of its store's origin: one that went another way is to be replaced.
    pub(super) fn note_lineage(
        &mut self,
        member: &ServerName,
        writer: Option<&Term>,
        revision: Revision,
    ) {
        // What is under way may be on its disk before it is on ours.
        let under_way = self.writes_under_way(writer, revision);
        let own = Lineage::read(&self.durable.objects);
        let holds = under_way || own.holds(self.durable.revision, writer, revision);
        if holds || flawed!(self.flaw, HistoriesComparedByNumber) {
            self.store.joined(member);
            return;
        }
        if self.store.is_apart(member) {
            return;
        }
        let (theirs, ours) = (revision.to_string(), self.durable.revision.to_string());
        let parameters = [("server", member.as_str()), ("theirs", &*theirs), ("ours", &*ours)];
        let installed = self.chronicle.recall("installed");
        self.event_about_cluster("HistoriesMet", &parameters, &[installed]);
        self.store.went_apart(member.clone());
    }

    /// A holder that we share no member with wrote what nobody here has.
    pub(super) fn note_missed_changes(&mut self, recorded: Option<Revision>) {
        let ours = self.durable.revision;
        self.missed = recorded.filter(|theirs| *theirs > ours);
        let Some(theirs) = self.missed else { return };
        let (theirs, ours) = (theirs.to_string(), ours.to_string());
        let parameters = [("theirs", &*theirs), ("ours", &*ours)];
        let arbitration = self.chronicle.recall("arbitration");
        let reason = match self.model.cluster.on_missed_changes {
            MissedChangesPolicy::Serve => "ChangesMissed",
            MissedChangesPolicy::Wait => "ChangesAwaited",
        };
        self.event_about_cluster(reason, &parameters, &[arbitration]);
    }

    /// The newest revision that is known to exist: what the arbiter's record is to name.
    pub(super) fn newest_known(&self) -> Revision {
        self.missed.map_or(self.durable.revision, |missed| missed.max(self.durable.revision))
    }

    /// Whether a server that is not here has changes that are to be waited for: until then this
    /// history is not written on, or the two would go separate ways.
    pub(super) fn waits_for_changes(&self) -> bool {
        let cluster = &self.model.cluster;
        let missed = self.missed.is_some_and(|missed| missed > self.durable.revision);
        missed && cluster.on_missed_changes == MissedChangesPolicy::Wait && self.some_are_absent()
    }

    fn some_are_absent(&self) -> bool {
        let members = self.leadership.as_ref().map(|leadership| &leadership.lead.members);
        let present = |name: &ServerName| members.is_some_and(|all| all.contains_key(name));
        !self.model.cluster.servers.iter().all(present)
    }

    /// Why nothing is started, whatever the groups' own rules say.
    pub(super) fn hold(&self) -> Option<Hold> {
        if self.is_shutting_down() {
            return Some(Hold::Shutdown);
        }
        self.waits_for_changes().then_some(Hold::MissedChanges)
    }

    /// What proves that no acknowledged change is missing here, in words; none: nothing does.
    pub(super) fn proof_of_history(&self) -> Option<String> {
        let leadership = self.leadership.as_ref()?;
        if !self.some_are_absent() {
            return Some("every server is here".to_owned());
        }
        match self.model.cluster.arbiter {
            Arbiter::Majority | Arbiter::MajorityAndExternal => Some(
                "more than half of all servers are here, and every acknowledged change reached \
                 more than half"
                    .to_owned(),
            ),
            Arbiter::External { .. } => {
                let recorded = leadership.recorded?;
                (recorded <= self.durable.revision).then(|| {
                    format!("the arbiter's record names no newer revision than {recorded}")
                })
            }
            Arbiter::None => None,
        }
    }

    /// Whether a starting cluster waits, without a limit, for servers that may know more (CP-12).
    pub(super) fn startup_waits_for_proof(&self) -> bool {
        self.model.cluster.on_missed_changes == MissedChangesPolicy::Wait
            && self.proof_of_history().is_none()
    }

    /// A cluster that starts says what its history is worth.
    pub(super) fn tell_history(&mut self, missing: &str, installed: Option<u64>) {
        let revision = self.durable.revision.to_string();
        match self.proof_of_history() {
            Some(how) => {
                let parameters = [("revision", &*revision), ("how", &*how)];
                self.event_about_cluster("HistoryProven", &parameters, &[installed]);
            }
            None => {
                let parameters = [("revision", &*revision), ("missing", missing)];
                self.event_about_cluster("HistoryUnproven", &parameters, &[installed]);
            }
        }
    }

    /// CP-32: groups that several members ran at once when they met.
    pub(super) fn settle_dual_activations(&mut self) {
        let Some(leadership) = &mut self.leadership else { return };
        for (group, copies) in std::mem::take(&mut leadership.duals) {
            self.settle_dual_activation(&group, &copies);
        }
    }

    fn settle_dual_activation(&mut self, group: &GroupName, copies: &BTreeMap<ServerName, Held>) {
        let kept = self.copy_to_keep(group, copies);
        let Some(leadership) = &mut self.leadership else { return };
        let holder = match leadership.groups.get(group).map(|facts| &facts.holder) {
            Some(Holder::Held { server, .. }) => Some(server.clone()),
            Some(Holder::Free | Holder::Unknown) | None => None,
        };
        if let Some(server) = kept.as_ref().filter(|kept| holder.as_ref() != Some(*kept))
            && let Some(held) = copies.get(server)
            && let Some(facts) = leadership.groups.get_mut(group)
        {
            facts.holder = adopted(server.clone(), held.clone());
        }
        for server in copies.keys().filter(|server| kept.as_ref() != Some(*server)) {
            let of_holder = kept.is_none() && holder.as_ref() == Some(server);
            if !of_holder {
                let surplus = Surplus { dual: true, ..Surplus::default() };
                leadership.surplus.insert((group.clone(), server.clone()), surplus);
            }
        }
        if let Some(kept) = &kept {
            leadership.surplus.remove(&(group.clone(), kept.clone()));
        } else {
            self.order_stop(group, OrderReason::DualActivation);
        }
        if let Some(kept) = &kept {
            self.take_back(kept);
        }
        self.note_dual_activation(group, copies, kept);
    }

    /// The history that goes on may say that this server failed: it only was on the other side.
    fn take_back(&mut self, server: &ServerName) {
        let failed = self.out_intent(server).is_some_and(|it| it.out == Out::Failed);
        if failed && let Some(leadership) = &mut self.leadership {
            leadership.not_failed.insert(server.clone());
            self.write_intent(server_intent_key(server), None);
        }
    }

    /// Of one history the newest grant is right, whatever else still ran. Where both were let act,
    /// the Cluster says what becomes of them.
    fn copy_to_keep(
        &self,
        group: &GroupName,
        copies: &BTreeMap<ServerName, Held>,
    ) -> Option<ServerName> {
        let cluster = &self.model.cluster;
        if cluster.arbiter.is_exclusive() {
            let newest = copies.iter().max_by_key(|(_, held)| held.order.clone());
            return newest.map(|(server, _)| server.clone());
        }
        if cluster.on_dual_activation == DualActivationPolicy::StopBoth {
            return None;
        }
        let policy = self.model.groups.get(group).map(|model| model.servers.as_slice());
        let rank = |server: &ServerName| {
            let listed = policy.unwrap_or_default().iter().position(|name| name == server);
            (listed.unwrap_or(usize::MAX), self.model.priority(server))
        };
        copies.keys().min_by_key(|server| rank(server)).cloned()
    }

    fn note_dual_activation(
        &mut self,
        group: &GroupName,
        copies: &BTreeMap<ServerName, Held>,
        kept: Option<ServerName>,
    ) {
        let servers: Vec<&str> = copies.keys().map(ServerName::as_str).collect();
        let servers = servers.join(", ");
        let mut parameters = vec![("group", group.as_str()), ("servers", &servers)];
        if let Some(kept) = &kept {
            parameters.push(("kept", kept.as_str()));
        }
        let reason = if kept.is_some() { "DualActivationKept" } else { "DualActivation" };
        let installed = self.chronicle.recall("installed");
        let number = self.event("FailoverGroup", group.as_str(), reason, &parameters, &[installed]);
        self.chronicle.remember(&format!("latest/FailoverGroup/{group}"), number);
        let mut intent = self.intents.groups.get(group).cloned().unwrap_or_default();
        if kept.is_none() {
            let why = format!(
                "ran on {servers} at once, and every copy was ended (onDualActivation: StopBoth); \
                 compare what they wrote, then: stead group start {group}"
            );
            intent.desired = Desired::Stopped { why };
            intent.restart = None;
            intent.operation = None;
        }
        let copies = copies.keys().cloned().collect();
        intent.dual = Some(DualActivation { since: self.now.wall, servers: copies, kept });
        self.write_intent(group_intent_key(group), intent.json());
    }

    /// Shown until a person acts on the group.
    pub(super) fn dual_activation_aspect(&self, group: &GroupName) -> Option<Aspect<'static>> {
        let dual = self.intents.groups.get(group)?.dual.as_ref()?;
        let servers: Vec<&str> = dual.servers.iter().map(ServerName::as_str).collect();
        let kept = dual.kept.as_ref().map(ServerName::as_str).unwrap_or_default();
        let reason = if dual.kept.is_some() { "OneKept" } else { "BothStopped" };
        let parameters = [("servers".to_owned(), servers.join(", ")), ("kept".into(), kept.into())];
        let message = catalogue::render(reason, &parameters, Language::English);
        Some(Aspect { type_: "DualActivation", status: true, reason, message })
    }

    /// What keeps the whole cluster from starting anything.
    pub(super) fn history_aspect(&self) -> Option<Aspect<'static>> {
        let (type_, reason) = match self.hold()? {
            Hold::MissedChanges => ("Stalled", "WaitingForChanges"),
            Hold::Shutdown => ("ClusterShuttingDown", "ClusterShuttingDown"),
        };
        let message = catalogue::render(reason, &[], Language::English);
        Some(Aspect { type_, status: true, reason, message })
    }
}

impl Leadership {
    /// Copies of a group on several members, as they report them.
    pub(super) fn note_copies<'a>(
        &mut self,
        group: &GroupName,
        copies: impl Iterator<Item = (&'a ServerName, &'a Held)>,
    ) {
        let active: BTreeMap<ServerName, Held> = copies
            .filter(|(_, held)| is_active(held))
            .map(|(server, held)| (server.clone(), held.clone()))
            .collect();
        if active.len() > 1 {
            self.duals.entry(group.clone()).or_default().extend(active);
        }
    }
}

/// Whether a copy runs, or is on its way: not one that is being ended, nor one in doubt.
fn is_active(held: &Held) -> bool {
    match held.phase {
        GroupPhase::Online | GroupPhase::Failed { .. } => true,
        GroupPhase::Starting => !in_doubt(held),
        GroupPhase::Stopping | GroupPhase::StopFailed { .. } | GroupPhase::Stopped => false,
    }
}

/// People's objects that are not in the other store as they are in this one.
fn differing<'a>(ours: &'a Objects, theirs: &'a Objects) -> Vec<&'a ObjectKey> {
    let differs = |key: &ObjectKey| {
        ours.get(key).map(|object| &object.json) != theirs.get(key).map(|object| &object.json)
    };
    let gone = theirs.keys().filter(|key| !ours.contains_key(*key));
    let people = |key: &&ObjectKey| key.kind != INTENT_KIND;
    ours.keys().chain(gone).filter(people).filter(|key| differs(key)).collect()
}

fn name_some(keys: &[&ObjectKey]) -> String {
    let named = keys.iter().take(NAMED_MAX).map(|key| format!("{}/{}", key.kind, key.name));
    let mut names: Vec<String> = named.collect();
    if keys.len() > NAMED_MAX {
        names.push("…".to_owned());
    }
    if names.is_empty() { "nothing that people wrote".to_owned() } else { names.join(", ") }
}
