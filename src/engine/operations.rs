//! Operations: what each one asks of placement (its intents), and what has become of it.
//!
//! Pure. The leader calls [`step_all`] whenever facts changed, writes each step's intents together
//! with the operation's status in one write, and plans. It must not call again before that write is
//! answered. Intents are levels, not edges: a leader that dies in between leaves nothing behind
//! that its successor would not carry on. Nothing here fails; an operation does, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{BootId, GrantId, Revision};
use super::message::{GroupPhase, OrderAction, OrderReason, Wants};
use super::model::{GroupModel, ObjectKey};
use super::placement::{
    ClusterShutdown, Desired, GroupFacts, GroupIntent, Holder, Out, ServerIntent, View, another,
    best, group_intent_key, server_intent_key, shutdown_intent_key, unavailable,
};
use super::time::{Instant, WallTime};
use crate::api::kinds::{
    Automation, Condition, ConditionStatus, OperationSpec, OperationState, OperationStatus,
    OperationType, ReturnPolicy,
};
use crate::api::names::{GroupName, ServerName};

/// An Operation of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationModel {
    /// `metadata.uid`.
    pub uid: String,
    /// What is asked.
    pub spec: OperationSpec,
    /// Where it stands, from its stored status.
    pub state: OperationState,
    /// What its stored status says.
    pub message: String,
    /// The revision that last changed it: pending operations were made in this order.
    pub revision: Revision,
    /// When this leader saw it first; its deadline counts from then.
    pub seen: Instant,
}

/// What operations are judged by.
#[derive(Clone, Copy, Debug)]
pub struct OperationFacts<'a> {
    /// As for placement.
    pub view: View<'a>,
    /// Every operation, by name.
    pub operations: &'a BTreeMap<String, OperationModel>,
    /// Fencing, by the server that it is about.
    pub fences: &'a BTreeMap<ServerName, FenceFacts>,
    /// The shutdown that is under way.
    pub shutdown: Option<&'a ClusterShutdown>,
    /// The members of the view, with the runs of their agents.
    pub runs: &'a BTreeMap<ServerName, BootId>,
    /// The operations whose announced pauses count, by server.
    pub pauses: &'a BTreeMap<ServerName, String>,
    /// Copied into intents, for people.
    pub wall: WallTime,
}

/// What is known about the fencing of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FenceFacts {
    /// It leads: it can't fence itself.
    pub leads: bool,
    /// It is heard, in both directions.
    pub heard: bool,
    /// Its fencing in this view.
    pub run: Option<FenceProgress>,
    /// What became of fencing in earlier views that this leader led, by the operation that asked.
    pub answered: BTreeMap<String, FenceProgress>,
    /// The operation by which a person certified that it is down, and what was said to that.
    pub certified: Option<(String, Result<(), String>)>,
}

/// How far the fencing of a server is, and which operations it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceProgress {
    /// Methods are asked.
    Asking {
        /// The operations' uids.
        operations: BTreeSet<String>,
    },
    /// It is certainly off.
    Confirmed {
        /// The operations' uids.
        operations: BTreeSet<String>,
        /// What the methods said.
        message: String,
    },
    /// Nothing confirmed.
    Failed {
        /// The operations' uids.
        operations: BTreeSet<String>,
        /// What the methods said.
        message: String,
    },
}

/// An intent to write; none removes it, and removing what is not there changes nothing.
pub type IntentChange = (ObjectKey, Option<String>);

/// What is to be written for one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationStep {
    /// Intents set and removed.
    pub intents: Vec<IntentChange>,
    /// The operation's new status; none where it stays as it is.
    pub status: Option<OperationStatusChange>,
}

/// A new status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStatusChange {
    /// Where it stands.
    pub state: OperationState,
    /// Why, in one sentence.
    pub message: String,
}

impl OperationStatusChange {
    /// The status as it is stored.
    #[must_use]
    pub fn status(&self, wall: WallTime) -> OperationStatus {
        let (status, reason, ended) = match self.state {
            OperationState::Pending => (ConditionStatus::Unknown, "OperationPending", false),
            OperationState::Running => (ConditionStatus::Unknown, "OperationRunning", false),
            OperationState::Succeeded => (ConditionStatus::True, "OperationSucceeded", true),
            OperationState::Failed => (ConditionStatus::False, "OperationFailed", true),
            OperationState::Superseded => (ConditionStatus::False, "OperationSuperseded", true),
        };
        OperationStatus {
            observed_generation: Some(1),
            conditions: vec![Condition {
                type_: "Succeeded".into(),
                status,
                observed_generation: Some(1),
                last_transition_time: wall.rfc3339(),
                reason: reason.into(),
                message: self.message.clone(),
            }],
            state: self.state,
            message: self.message.clone(),
            completed: ended.then(|| wall.rfc3339()),
        }
    }
}

/// A step for each operation that has something to write, in the order they were made.
#[must_use]
pub fn step_all(facts: &OperationFacts<'_>) -> Vec<(String, OperationStep)> {
    let mut open: Vec<(&String, &OperationModel)> =
        facts.operations.iter().filter(|(_, operation)| !ended(operation.state)).collect();
    // The newest first: of several pending ones on the same object only that one begins.
    open.sort_by_key(|(name, operation)| std::cmp::Reverse((operation.revision, *name)));
    let mut taken: BTreeMap<String, &String> = BTreeMap::new();
    let mut steps = Vec::new();
    for (name, operation) in open {
        let object = object_of(&operation.spec);
        let newer = taken.get(&object).filter(|_| operation.state == OperationState::Pending);
        let step = match newer {
            Some(newer) => superseded(format!("operation {newer} took its place")),
            None => step(operation, facts),
        };
        if operation.state == OperationState::Pending {
            taken.entry(object).or_insert(name);
        }
        if step != OperationStep::default() {
            steps.push((name.clone(), step));
        }
    }
    steps.reverse();
    steps
}

/// What one operation wants written now.
#[must_use]
pub fn step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    if ended(operation.state) {
        return OperationStep::default();
    }
    let step = match operation.spec.type_ {
        OperationType::DetachServer | OperationType::ReturnServer => server_step(operation, facts),
        OperationType::FenceServer => fence_step(operation, facts),
        OperationType::ConfirmServerDown => certificate_step(operation, facts),
        OperationType::ShutdownCluster => whole::shutdown_step(operation, facts),
        OperationType::PauseServer => pause::pause_step(operation, facts),
        OperationType::StartGroup
        | OperationType::StopGroup
        | OperationType::MoveGroup
        | OperationType::FailoverGroup
        | OperationType::RestartGroup => group_step(operation, facts),
    };
    expire(operation, facts, step).only_news(operation)
}

/// Intents that facts ask for without an operation: a group whose recovery says stop stays
/// stopped, a failed server that may return by itself does, and what an operation that somebody
/// deleted was about is dropped.
#[must_use]
pub fn settle(facts: &OperationFacts<'_>) -> Vec<IntentChange> {
    let mut changes = Vec::new();
    let uids: BTreeSet<&String> = facts.operations.values().map(|model| &model.uid).collect();
    for (name, group) in facts.view.groups {
        let intent = &group.intent;
        if let Holder::Held {
            phase: Some(GroupPhase::Failed { wants: Wants::Stop, message, .. }),
            ..
        } = &group.holder
        {
            if !matches!(intent.desired, Desired::Stopped { .. }) {
                let why = format!("was stopped by its recovery: {message}");
                let desired = Desired::Stopped { why };
                let intent = GroupIntent { desired, restart: None, operation: None, dual: None };
                changes.push((group_intent_key(name), intent.json()));
            }
            continue;
        }
        let pending =
            intent.restart.is_some() || matches!(intent.desired, Desired::Running { on: Some(_) });
        let orphan = intent.operation.as_ref().is_none_or(|uid| !uids.contains(uid));
        if pending && orphan {
            changes.push(settled(name, group, facts.view.model.groups.get(name)));
        }
    }
    if let Some(shutdown) = facts.shutdown.filter(|shutdown| shutdown.ended.is_empty())
        && !uids.contains(&shutdown.operation)
    {
        changes.push((shutdown_intent_key(), None));
    }
    if facts.view.model.cluster.return_policy == ReturnPolicy::Automatic {
        for (name, server) in facts.view.servers {
            let failed = server.kept_out.as_ref().is_some_and(|kept| kept.out == Out::Failed);
            if failed && server.member {
                changes.push((server_intent_key(name), None));
            }
        }
    }
    changes
}

/// Intents that don't outlive a start of the whole cluster: everything but `Stopped`. For the
/// leader of a view in which start-up synchronisation begins anew.
#[must_use]
pub fn forget_at_startup(groups: &BTreeMap<GroupName, GroupFacts>) -> Vec<IntentChange> {
    let lasts = |intent: &GroupIntent| match intent.desired {
        Desired::Automatic => *intent == GroupIntent::default(),
        Desired::Running { .. } => false,
        Desired::Stopped { .. } => true,
    };
    groups
        .iter()
        .filter(|(_, group)| !lasts(&group.intent))
        .map(|(name, _)| (group_intent_key(name), None))
        .collect()
}

fn ended(state: OperationState) -> bool {
    match state {
        OperationState::Pending | OperationState::Running => false,
        OperationState::Succeeded | OperationState::Failed | OperationState::Superseded => true,
    }
}

/// The object that an operation is about: one at a time each.
fn object_of(spec: &OperationSpec) -> String {
    match (&spec.group, spec.type_, &spec.server) {
        (Some(group), _, _) => format!("fg.{group}"),
        (None, _, Some(server)) => format!("srv.{server}"),
        (None, type_, None) => format!("{type_:?}"),
    }
}

impl OperationStep {
    fn only_news(mut self, operation: &OperationModel) -> Self {
        let news = self.status.as_ref().is_some_and(|status| {
            status.state != operation.state || status.message != operation.message
        });
        if !news {
            self.status = None;
        }
        self
    }

    fn with(mut self, change: IntentChange) -> Self {
        self.intents.push(change);
        self
    }
}

fn status(state: OperationState, message: impl Into<String>) -> OperationStep {
    let status = OperationStatusChange { state, message: message.into() };
    OperationStep { intents: Vec::new(), status: Some(status) }
}

fn failed(message: impl Into<String>) -> OperationStep {
    status(OperationState::Failed, message)
}

fn succeeded(message: impl Into<String>) -> OperationStep {
    status(OperationState::Succeeded, message)
}

fn running(message: impl Into<String>) -> OperationStep {
    status(OperationState::Running, message)
}

fn superseded(message: impl Into<String>) -> OperationStep {
    status(OperationState::Superseded, message)
}

/// Past its deadline an operation that has not ended fails, and takes back what it asked for.
fn expire(
    operation: &OperationModel,
    facts: &OperationFacts<'_>,
    step: OperationStep,
) -> OperationStep {
    let deadline: std::time::Duration = operation.spec.deadline.into();
    let Some(now) = step.status.as_ref().filter(|change| !ended(change.state)) else {
        return step;
    };
    if facts.view.now.since(operation.seen) < deadline {
        return step;
    }
    let message = format!("not done within {}: {}", operation.spec.deadline, now.message);
    let failure = failed(message);
    let group = operation.spec.group.as_deref().map(GroupName::from);
    let known = group.as_ref().and_then(|name| Some((name, facts.view.groups.get(name)?)));
    match known {
        // A group that was to stop still is; only bringing it somewhere is given up.
        Some((name, group))
            if owned(operation, group) && operation.spec.type_ != OperationType::StopGroup =>
        {
            failure.with(settled(name, group, facts.view.model.groups.get(name)))
        }
        None if operation.spec.type_ == OperationType::ShutdownCluster => {
            failure.with((shutdown_intent_key(), None))
        }
        Some(_) | None => failure,
    }
}

/// The group's intent is this operation's.
fn owned(operation: &OperationModel, group: &GroupFacts) -> bool {
    group.intent.operation.as_ref() == Some(&operation.uid)
}

/// The intent that remains when an operation has ended: no target, no restart. A group that
/// starts by operation only and runs goes on being wanted.
fn settled(name: &GroupName, group: &GroupFacts, model: Option<&GroupModel>) -> IntentChange {
    let manual = model.is_some_and(|model| model.startup == Automation::Manual);
    let desired = match &group.holder {
        Holder::Held { action: OrderAction::Run, .. } | Holder::Unknown if manual => {
            Desired::Running { on: None }
        }
        Holder::Held { .. } | Holder::Unknown | Holder::Free => Desired::Automatic,
    };
    let intent = GroupIntent { desired, restart: None, operation: None, dual: None };
    (group_intent_key(name), intent.json())
}

fn server_step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    let Some(server) = operation.spec.server.as_deref().map(ServerName::from) else {
        return failed("spec.server is missing: it names the server");
    };
    let Some(known) = facts.view.servers.get(&server) else {
        return failed(format!("there is no server {server} in the cluster"));
    };
    let out = known.kept_out.as_ref().map(|kept| kept.out);
    if operation.spec.type_ == OperationType::ReturnServer {
        let message = match out {
            Some(Out::Failed | Out::Detached) if known.member => {
                format!("{server} takes part again")
            }
            Some(Out::Failed | Out::Detached) => {
                format!("{server} takes part again as soon as it is heard")
            }
            Some(Out::Unfit | Out::Ailing) | None => format!("{server} was not out"),
        };
        return succeeded(message).with((server_intent_key(&server), None));
    }
    if operation.state == OperationState::Running {
        return match out {
            Some(Out::Detached) => detaching(&server, facts),
            // An unfit server may well be detached besides; its intent says so.
            Some(Out::Unfit | Out::Ailing) => detaching(&server, facts),
            Some(Out::Failed) | None => superseded(format!("{server} was returned")),
        };
    }
    let intent = ServerIntent { out: Out::Detached, since: facts.wall, message: String::new() };
    detaching(&server, facts).with((server_intent_key(&server), intent.json()))
}

/// A server that a person wants switched off. The running operation is what the leader goes by.
fn fence_step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    let Some(server) = operation.spec.server.as_deref().map(ServerName::from) else {
        return failed("spec.server is missing: it names the server");
    };
    let Some(known) = facts.fences.get(&server) else {
        return failed(format!("there is no server {server} in the cluster"));
    };
    if facts.view.model.cluster.fencing.is_none() {
        return failed("the cluster has no fencing: write spec.fencing of the Cluster");
    }
    if known.leads {
        return failed(format!("{server} leads the cluster and can't fence itself"));
    }
    let ours = |operations: &BTreeSet<String>| operations.contains(&operation.uid);
    match known.answered.get(&operation.uid).or(known.run.as_ref()) {
        Some(FenceProgress::Confirmed { operations, message }) if ours(operations) => {
            succeeded(format!("{server} is certainly off: {message}"))
        }
        Some(FenceProgress::Failed { operations, message }) if ours(operations) => {
            failed(format!("{server} may still run: {message}"))
        }
        Some(_) | None => running(format!("{server} is being fenced")),
    }
}

/// A server of which a person says that it is down.
fn certificate_step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    let Some(server) = operation.spec.server.as_deref().map(ServerName::from) else {
        return failed("spec.server is missing: it names the server");
    };
    let Some(known) = facts.fences.get(&server) else {
        return failed(format!("there is no server {server} in the cluster"));
    };
    if known.heard {
        return failed(format!("{server} is heard: it is not down"));
    }
    match &known.certified {
        Some((uid, Ok(()))) if *uid == operation.uid => {
            succeeded(format!("{server} counts as down: a person certified it"))
        }
        Some((uid, Err(why))) if *uid == operation.uid => failed(format!("{server}: {why}")),
        Some(_) | None => running(format!("that {server} is down is being taken note of")),
    }
}

/// How far a server is from holding nothing.
fn detaching(server: &ServerName, facts: &OperationFacts<'_>) -> OperationStep {
    let member = facts.view.servers.get(server).is_some_and(|known| known.member);
    let mut holds = Vec::new();
    let mut nowhere = Vec::new();
    for (name, group) in facts.view.groups {
        let held_here = match &group.holder {
            Holder::Held { server: holder, .. } => holder == server,
            Holder::Unknown => !member,
            Holder::Free => false,
        };
        if held_here {
            holds.push(name.as_str());
        } else if let Some(model) = stranded(name, group, facts)
            && model.servers.contains(server)
        {
            nowhere.push(name.as_str());
        }
    }
    if !holds.is_empty() {
        return running(format!("{server} still holds {}", holds.join(", ")));
    }
    if nowhere.is_empty() {
        return succeeded(format!("{server} is detached and holds nothing"));
    }
    succeeded(format!(
        "{server} is detached and holds nothing; no other server can run {}",
        nowhere.join(", ")
    ))
}

/// A group that should run, but that no server can take.
fn stranded<'a>(
    name: &GroupName,
    group: &GroupFacts,
    facts: &OperationFacts<'a>,
) -> Option<&'a GroupModel> {
    let model = facts.view.model.groups.get(name)?;
    let wanted = !matches!(group.intent.desired, Desired::Stopped { .. }) && group.ever_started;
    let free = group.holder == Holder::Free && best(&facts.view, model, group, None).is_none();
    (wanted && free).then_some(model)
}

/// An operation on a group, with the group.
struct GroupCase<'a> {
    operation: &'a OperationModel,
    view: &'a View<'a>,
    name: GroupName,
    model: &'a GroupModel,
    group: &'a GroupFacts,
}

fn group_step(operation: &OperationModel, facts: &OperationFacts<'_>) -> OperationStep {
    let Some(name) = operation.spec.group.as_deref().map(GroupName::from) else {
        return failed("spec.group is missing: it names the group");
    };
    let Some(model) = facts.view.model.groups.get(&name) else {
        return failed(format!("there is no group {name}"));
    };
    let Some(group) = facts.view.groups.get(&name) else {
        return running("nothing is known of the group yet");
    };
    if model.deleting {
        return failed(format!("{name} is being deleted"));
    }
    let case = GroupCase { operation, view: &facts.view, name, model, group };
    if operation.state == OperationState::Running {
        if !owned(operation, group) {
            return superseded("a later operation took its place");
        }
        return case.progress();
    }
    case.begin()
}

impl GroupCase<'_> {
    fn begin(&self) -> OperationStep {
        match self.operation.spec.type_ {
            OperationType::StartGroup => self.begin_start(),
            OperationType::StopGroup => {
                let why = "was stopped by an operation; stead group start starts it".into();
                let intent = GroupIntent {
                    desired: Desired::Stopped { why },
                    restart: self.failed_stop().cloned(),
                    operation: Some(self.operation.uid.clone()),
                    dual: None,
                };
                self.stopping().with((group_intent_key(&self.name), intent.json()))
            }
            OperationType::MoveGroup | OperationType::FailoverGroup => self.begin_move(),
            OperationType::RestartGroup => self.begin_restart(),
            // Not about groups.
            OperationType::DetachServer
            | OperationType::ReturnServer
            | OperationType::FenceServer
            | OperationType::ConfirmServerDown
            | OperationType::ShutdownCluster
            | OperationType::PauseServer => OperationStep::default(),
        }
    }

    fn progress(&self) -> OperationStep {
        match (self.operation.spec.type_, &self.group.intent.desired) {
            (OperationType::StopGroup, _) => self.stopping(),
            (OperationType::RestartGroup, _) => self.finish(self.restarting()),
            (
                OperationType::StartGroup | OperationType::MoveGroup | OperationType::FailoverGroup,
                Desired::Running { on: Some(target) },
            ) => self.finish(self.bringing(target)),
            (
                OperationType::StartGroup
                | OperationType::MoveGroup
                | OperationType::FailoverGroup
                | OperationType::DetachServer
                | OperationType::ReturnServer
                | OperationType::FenceServer
                | OperationType::ConfirmServerDown
                | OperationType::ShutdownCluster
                | OperationType::PauseServer,
                Desired::Automatic | Desired::Running { .. } | Desired::Stopped { .. },
            ) => superseded("what it asked for was withdrawn"),
        }
    }

    fn begin_start(&self) -> OperationStep {
        let asked = self.operation.spec.server.as_deref().map(ServerName::from);
        if let Holder::Held { server, action: OrderAction::Run, phase, .. } = &self.group.holder {
            if asked.as_ref().is_some_and(|asked| asked != server) {
                return failed(format!(
                    "{} is active on {server} already; stead group move moves it",
                    self.name
                ));
            }
            if let Some(GroupPhase::Failed { message, .. }) = phase {
                return failed(format!(
                    "{} has failed on {server} ({message}); stead group restart tries again",
                    self.name
                ));
            }
            return self.bring(server);
        }
        match asked {
            Some(server) => match unavailable(self.view, self.model, &server) {
                None => self.bring(&server),
                Some(why) => failed(why.message(&server)),
            },
            None => match best(self.view, self.model, self.group, None) {
                Some(server) => self.bring(server),
                None => failed(self.nobody()),
            },
        }
    }

    fn begin_move(&self) -> OperationStep {
        let current = match &self.group.holder {
            Holder::Held { server, action: OrderAction::Run | OrderAction::Stop, .. } => server,
            Holder::Free => {
                return failed(format!("{} is not active; stead group start starts it", self.name));
            }
            Holder::Unknown => {
                return failed(format!("it is not certain where {} is active", self.name));
            }
        };
        let Some(target) = self.operation.spec.server.as_deref().map(ServerName::from) else {
            return match another(self.view, self.model, self.group, current) {
                Some(server) => self.bring(server),
                None => failed(self.nobody()),
            };
        };
        if let Some(why) = unavailable(self.view, self.model, &target) {
            return failed(why.message(&target));
        }
        self.bring(&target)
    }

    /// The order that a group could not be stopped under: stopping it is tried again.
    fn failed_stop(&self) -> Option<&GrantId> {
        match &self.group.holder {
            Holder::Held { order, phase: Some(GroupPhase::StopFailed { .. }), .. } => Some(order),
            Holder::Held { .. } | Holder::Free | Holder::Unknown => None,
        }
    }

    fn begin_restart(&self) -> OperationStep {
        let active = match &self.group.holder {
            Holder::Held { order, action: OrderAction::Run, .. } => Some(order),
            Holder::Held { .. } | Holder::Free | Holder::Unknown => self.failed_stop(),
        };
        match (&self.group.holder, active) {
            (Holder::Held { server, .. }, Some(order)) => {
                let intent = GroupIntent {
                    desired: self.group.intent.desired.clone().restarted(),
                    restart: Some(order.clone()),
                    operation: Some(self.operation.uid.clone()),
                    dual: None,
                };
                running(format!("{} is being stopped on {server}", self.name))
                    .with((group_intent_key(&self.name), intent.json()))
            }
            (Holder::Held { .. } | Holder::Free, _) => {
                failed(format!("{} is not active; stead group start starts it", self.name))
            }
            (Holder::Unknown, _) => {
                failed(format!("it is not certain where {} is active", self.name))
            }
        }
    }

    /// Asks placement to bring the group to a server; done at once where it is online there.
    fn bring(&self, target: &ServerName) -> OperationStep {
        let step = self.bringing(target);
        let done = step.status.as_ref().is_some_and(|status| ended(status.state));
        if done {
            return self.finish(step);
        }
        let intent = GroupIntent {
            desired: Desired::Running { on: Some(target.clone()) },
            restart: None,
            operation: Some(self.operation.uid.clone()),
            dual: None,
        };
        // Where another operation was on its way, this one takes its place.
        OperationStep { intents: Vec::new(), ..step }
            .with((group_intent_key(&self.name), intent.json()))
    }

    /// How far the group is from being online on `target`.
    fn bringing(&self, target: &ServerName) -> OperationStep {
        let name = &self.name;
        match &self.group.holder {
            Holder::Unknown => running(format!("a server that is not heard may still run {name}")),
            Holder::Free => match unavailable(self.view, self.model, target) {
                Some(why) => running(why.message(target)),
                None => running(format!("{name} is to start on {target}")),
            },
            Holder::Held { server, action: OrderAction::Stop, phase, .. } => {
                self.leaving(server, phase.as_ref())
            }
            Holder::Held { server, action: OrderAction::Run, phase, .. } if server == target => {
                self.arriving(server, phase.as_ref())
            }
            Holder::Held { server, action: OrderAction::Run, .. } => {
                match unavailable(self.view, self.model, target) {
                    Some(why) => {
                        let why = why.message(target);
                        failed(format!("{why}; {name} is on {server}"))
                    }
                    None => running(format!("{name} is to be stopped on {server}")),
                }
            }
        }
    }

    fn leaving(&self, server: &ServerName, phase: Option<&GroupPhase>) -> OperationStep {
        match phase {
            Some(GroupPhase::StopFailed { message }) => {
                running(format!("{} could not be stopped on {server}: {message}", self.name))
            }
            None
            | Some(
                GroupPhase::Starting
                | GroupPhase::Online
                | GroupPhase::Failed { .. }
                | GroupPhase::Stopping
                | GroupPhase::Stopped,
            ) => running(format!("{} is being stopped on {server}", self.name)),
        }
    }

    fn arriving(&self, server: &ServerName, phase: Option<&GroupPhase>) -> OperationStep {
        let name = &self.name;
        match phase {
            Some(GroupPhase::Online) => succeeded(format!("{name} is online on {server}")),
            Some(GroupPhase::Failed { message, .. }) => {
                failed(format!("{name} failed on {server}: {message}"))
            }
            Some(GroupPhase::StopFailed { .. }) => self.leaving(server, phase),
            None | Some(GroupPhase::Starting | GroupPhase::Stopping | GroupPhase::Stopped) => {
                running(format!("{name} is being started on {server}"))
            }
        }
    }

    fn stopping(&self) -> OperationStep {
        match &self.group.holder {
            Holder::Free => succeeded(format!("{} is stopped", self.name)),
            Holder::Unknown => {
                running(format!("a server that is not heard may still run {}", self.name))
            }
            Holder::Held { server, phase, .. } => self.leaving(server, phase.as_ref()),
        }
    }

    fn restarting(&self) -> OperationStep {
        match &self.group.holder {
            Holder::Held { server, order, phase, action, reason } => {
                let same_run = self.group.intent.restart.as_ref() == Some(order)
                    || *reason == OrderReason::Adopted;
                match action {
                    OrderAction::Run if !same_run => self.arriving(server, phase.as_ref()),
                    OrderAction::Run | OrderAction::Stop => self.leaving(server, phase.as_ref()),
                }
            }
            Holder::Free => running(format!("{} is to start again", self.name)),
            Holder::Unknown => {
                running(format!("a server that is not heard may still run {}", self.name))
            }
        }
    }

    /// An operation that ends takes what it asked for with it, and what an earlier one did.
    fn finish(&self, step: OperationStep) -> OperationStep {
        let done = step.status.as_ref().is_some_and(|status| ended(status.state));
        let (key, json) = settled(&self.name, self.group, Some(self.model));
        if done && json != self.group.intent.json() { step.with((key, json)) } else { step }
    }

    /// Why no server can take the group, one by one.
    fn nobody(&self) -> String {
        let reasons: Vec<String> = self
            .model
            .servers
            .iter()
            .filter_map(|server| {
                let refused = || {
                    let refusal = self.group.refused.get(server)?;
                    Some(format!("it could not be started on {server}: {}", refusal.message))
                };
                unavailable(self.view, self.model, server)
                    .map(|why| why.message(server))
                    .or_else(refused)
            })
            .collect();
        match reasons.is_empty() {
            true => format!("no other server is in the policy of {}", self.name),
            false => format!("no server can take {}: {}", self.name, reasons.join("; ")),
        }
    }
}

impl Desired {
    /// What a restart leaves of it: the group runs, and is not brought anywhere.
    fn restarted(self) -> Self {
        match self {
            Self::Running { on: _ } => Self::Running { on: None },
            Self::Automatic | Self::Stopped { .. } => Self::Automatic,
        }
    }
}

mod pause;
mod whole;

#[cfg(test)]
mod tests;
