//! This engine's knowledge as statuses.

use std::collections::BTreeMap;

use super::Engine;
use super::events::text;
use super::orders::DISK_FAILS;
use crate::api::arbitration::Safety;
use crate::api::kinds::{
    ClusterStatus, ClusterTiming, FailoverGroupStatus, GroupState, MonitorServerStatus,
    MonitorState, MonitorStatus, NotOnServer, ResourceState, ResourceStatus, ServerFencing,
    ServerPath, ServerState, ServerStatus,
};
use crate::api::names::{GroupName, MonitorName, ResourceName, ServerName};
use crate::engine::message::{
    DiskHealth, FencingAbility, GroupPhase, OrderAction, PathReport, Report, SelfFence,
};
use crate::engine::model::{Arbiter, GroupModel, ObjectKey};
use crate::engine::observe::{Aspect, Observation};
use crate::engine::placement::{GroupFacts, Holder};
use crate::engine::time::WallTime;

impl Engine {
    /// What is known now.
    pub fn observe(&mut self) -> Observation {
        let reports = self.all_reports();
        let groups: BTreeMap<GroupName, FailoverGroupStatus> = self
            .model
            .clone()
            .groups
            .iter()
            .map(|(name, model)| (name.clone(), self.group_status(name, model, &reports)))
            .collect();
        let resources = self.resource_statuses(&reports);
        let monitors = self.monitor_statuses(&reports);
        let servers = self.server_statuses(&reports, &groups);
        let cluster = self.cluster_status(&servers);
        let model = self.model.clone();
        self.since.retain(|key| match key.kind.as_str() {
            "FailoverGroup" => model.groups.contains_key(&GroupName::from(key.name.as_str())),
            "Resource" => resources.contains_key(&ResourceName::from(key.name.as_str())),
            "Monitor" => monitors.contains_key(&MonitorName::from(key.name.as_str())),
            _ => true,
        });
        Observation {
            leader: self.live_leader().cloned(),
            leading: self.leading(),
            term: self.view.as_ref().map_or(0, |view| view.term.number),
            revision: self.store.committed(),
            cluster: (self.model.cluster.name.clone(), cluster),
            servers,
            groups,
            resources,
            monitors,
        }
    }

    fn all_reports(&self) -> BTreeMap<ServerName, Report> {
        let mut reports = match &self.leadership {
            Some(leadership) => leadership.lead.reports.clone(),
            None => BTreeMap::new(),
        };
        reports.insert(self.me().clone(), self.own_report());
        reports
    }

    fn cluster_status(&mut self, servers: &BTreeMap<ServerName, ServerStatus>) -> ClusterStatus {
        let cluster = self.model.cluster.clone();
        let key = ObjectKey::new("Cluster", cluster.name.as_str());
        let online = servers.values().filter(|s| s.state == ServerState::Online).count();
        let configured = cluster.servers.len();
        let leader = self.live_leader().cloned();
        let view = self.view.clone();
        let ready = leader.is_some();
        let (reason, message) = match &leader {
            Some(leader) => ("ViewInstalled", format!("{leader} leads")),
            None => ("NoLeader", NO_LEADER.to_owned()),
        };
        let mut aspects = vec![Aspect { type_: "Ready", status: ready, reason, message }];
        let Safety { safe, reason, message } = cluster.safety.clone();
        aspects.push(Aspect { type_: "SplitBrainSafe", status: safe, reason, message });
        if let Some(aspect) = cluster_fencing(servers) {
            aspects.push(aspect);
        }
        if let Some(message) = self.startup_words() {
            let reason = "StartupWaiting";
            aspects.push(Aspect { type_: "Reconciling", status: true, reason, message });
        }
        aspects.extend(self.history_aspect());
        aspects.extend(self.cluster_degraded(servers));
        let now = self.now.wall;
        let generation = cluster.generation;
        let conditions = aspects
            .into_iter()
            .map(|aspect| self.since.condition(now, &key, generation, aspect))
            .collect();
        let timing = cluster.timing;
        let longest = cluster.servers.iter().map(|server| self.self_fence_shown(server)).max();
        let longest = longest.unwrap_or(SelfFence::Within(timing.self_fence));
        ClusterStatus {
            observed_generation: Some(generation),
            conditions,
            servers: format!("{online}/{configured}"),
            leader: leader.map(|leader| leader.to_string()),
            term: view.as_ref().map_or(0, |view| view.term.number),
            view: view.as_ref().map(|view| view.term.to_string()).unwrap_or_default(),
            members: view
                .map(|view| view.members.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            arbiter: self.arbiter_words(),
            timing: Some(ClusterTiming {
                interval: text(timing.interval),
                timeout: text(timing.timeout),
                arbiter_budget: text(cluster.arbiter_budget),
                lease: text(timing.lease),
                self_fence: within(longest),
                takeover_wait: match longest {
                    SelfFence::Within(longest) => {
                        let wait = timing.takeover_wait(longest.max(timing.self_fence));
                        format!("{} ms", wait.as_micros() as f64 / 1000.0)
                    }
                    SelfFence::None => "until released or fenced".to_owned(),
                },
            }),
        }
    }

    /// Servers that take no part, and an arbiter that would not let this view act: with one more
    /// fault nobody may go on.
    fn cluster_degraded(
        &self,
        servers: &BTreeMap<ServerName, ServerStatus>,
    ) -> Option<Aspect<'static>> {
        let mut words: Vec<String> = servers
            .iter()
            .filter(|(_, server)| server.state != ServerState::Online)
            .map(|(name, server)| format!("{name}: {}", server.message))
            .collect();
        let reason = if words.is_empty() { "ArbitrationUnknown" } else { "ServerOut" };
        let leadership = self.leadership.as_ref();
        let refuses = leadership.filter(|it| !it.arbiter_held && !it.arbiter_said.is_empty());
        words.extend(refuses.map(|it| format!("the arbiter: {}", it.arbiter_said)));
        let message = words.join("; ");
        (!message.is_empty()).then_some(Aspect { type_: "Degraded", status: true, reason, message })
    }

    fn arbiter_words(&self) -> String {
        let configured = self.model.cluster.servers.len();
        match self.model.cluster.arbiter {
            Arbiter::Majority => {
                let members = self.view.as_ref().map_or(0, |view| view.members.len());
                format!("majority: {members} of {configured} servers")
            }
            Arbiter::None => "none: every part goes on".to_owned(),
            Arbiter::External { .. } | Arbiter::MajorityAndExternal => {
                let (said, unasked) = match &self.leadership {
                    Some(leadership) => (&leadership.arbiter_said, "every server is heard"),
                    None => (&self.arbitration_said.1, "this server leads no view"),
                };
                if said.is_empty() { format!("not asked: {unasked}") } else { said.clone() }
            }
        }
    }

    fn server_statuses(
        &mut self,
        reports: &BTreeMap<ServerName, Report>,
        groups: &BTreeMap<GroupName, FailoverGroupStatus>,
    ) -> BTreeMap<ServerName, ServerStatus> {
        let names = self.model.cluster.servers.clone();
        let mut statuses = BTreeMap::new();
        for name in names {
            let status = self.server_status(&name, reports.get(&name), groups);
            statuses.insert(name, status);
        }
        statuses
    }

    fn server_status(
        &mut self,
        name: &ServerName,
        report: Option<&Report>,
        groups: &BTreeMap<GroupName, FailoverGroupStatus>,
    ) -> ServerStatus {
        let me = name == self.me();
        let (state, message) = self.server_state(name);
        let key = ObjectKey::new("Server", name.as_str());
        let now = self.now.wall;
        let reason = match state {
            ServerState::Online => "ServerOnline",
            ServerState::Out => "ServerOut",
            ServerState::Lost => "ServerLost",
            ServerState::Unknown => "ServerNotMember",
        };
        let aspect = Aspect {
            type_: "Ready",
            status: state == ServerState::Online,
            reason,
            message: message.clone(),
        };
        let mut conditions = vec![self.since.condition(now, &key, 1, aspect)];
        let paths: Vec<ServerPath> =
            report.map(|report| report.paths.iter().map(path).collect()).unwrap_or_default();
        let lost: Vec<String> = paths
            .iter()
            .filter(|path| !path.up)
            .map(|path| format!("{} to {}", path.path, path.peer))
            .collect();
        let degraded = if self.disk_of(name).fails() {
            Some(("PersistFailed", DISK_FAILS.to_owned()))
        } else {
            (!lost.is_empty()).then(|| ("PathLost", format!("paths lost: {}", lost.join(", "))))
        };
        if let Some((reason, message)) = degraded {
            let aspect = Aspect { type_: "Degraded", status: true, reason, message };
            conditions.push(self.since.condition(now, &key, 1, aspect));
        }
        let held: Vec<&str> = groups
            .iter()
            .filter(|(_, group)| group.server.as_deref() == Some(name.as_str()))
            .map(|(name, _)| name.as_str())
            .collect();
        let peer = self.liveness.peer(name);
        let boot = if me { Some(self.identity.boot) } else { peer.and_then(|peer| peer.boot) };
        let incarnation = if me {
            Some(self.identity.incarnation)
        } else {
            peer.and_then(|peer| peer.incarnation)
        };
        let version = if me {
            self.identity.version.to_string()
        } else {
            peer.map(|peer| peer.version.to_string()).unwrap_or_default()
        };
        let fencing = report.map(fencing_abilities).unwrap_or_default();
        if let Some((able, reason, message)) = fencing_ready(name, &fencing) {
            let aspect = Aspect { type_: "FencingReady", status: able, reason, message };
            conditions.push(self.since.condition(now, &key, 1, aspect));
        }
        let keeper = report.map(|report| report.keeper);
        let guard = report.map(|report| report.guard.clone()).unwrap_or_default();
        ServerStatus {
            observed_generation: Some(1),
            conditions,
            state,
            message,
            groups: held.join(","),
            version,
            boot: boot.map(|boot| boot.to_string()).unwrap_or_default(),
            incarnation: incarnation.map(|id| id.to_string()).unwrap_or_default(),
            paths,
            keeper: match keeper {
                Some(true) => "ok".to_owned(),
                Some(false) => "does not answer".to_owned(),
                None => "unknown".to_owned(),
            },
            self_fence: guard.by,
            self_fence_reason: guard.why,
            self_fence_within: report.map(|_| within(guard.self_fence)).unwrap_or_default(),
            watchdog: guard.watchdog,
            clock_offset_milliseconds: peer.map_or(0, |peer| peer.clock_offset),
            fencing,
        }
    }

    fn disk_of(&self, name: &ServerName) -> DiskHealth {
        if name == self.me() { self.disk.health } else { self.liveness.disk(name) }
    }

    fn server_state(&self, name: &ServerName) -> (ServerState, String) {
        if let Some(intent) = self.out_intent(name) {
            let heard = *name == *self.me() || self.liveness.alive(name);
            let out = intent.kept_out().message;
            let message = if heard { out } else { format!("{out}; not heard") };
            return (ServerState::Out, message);
        }
        if !self.liveness.alive(name) {
            return (ServerState::Lost, "not heard".to_owned());
        }
        let member = self.view.as_ref().is_some_and(|view| view.members.contains(name));
        if !member && self.is_stranger(name) {
            return (ServerState::Unknown, STRANGER.to_owned());
        }
        if !member && self.disk_of(name) == DiskHealth::Leaving {
            let message = format!("{DISK_FAILS}: left out of the view until it does");
            return (ServerState::Unknown, message);
        }
        if member {
            (ServerState::Online, String::new())
        } else {
            (ServerState::Unknown, "heard, but not a member of the view".to_owned())
        }
    }

    fn group_status(
        &mut self,
        name: &GroupName,
        model: &GroupModel,
        reports: &BTreeMap<ServerName, Report>,
    ) -> FailoverGroupStatus {
        let own;
        let facts = match self.leadership.as_ref().and_then(|l| l.groups.get(name)) {
            Some(facts) => facts,
            None => {
                own = self.own_facts(name);
                &own
            }
        };
        let (mut state, mut server, grant, mut message) = group_state(facts);
        let recent = facts.failovers.len();
        let said = self.leadership.as_ref().and_then(|l| l.report.groups.get(name));
        let waiting = said.and_then(|report| report.waiting.as_ref());
        let surplus = self.surplus_said(name, state);
        let waiting = surplus.as_ref().map(|(_, _, on)| on).or(waiting);
        let waits = waiting.map(|on| (on.id(), self.waiting_words(on)));
        if let Some((said, at, _)) = &surplus {
            state = *said;
            server.get_or_insert_with(|| at.clone());
        }
        let (reason, words) = match waits {
            Some((_, words)) if state == GroupState::Online => (reason_of(state), words),
            Some(waits) => waits,
            None => (reason_of(state), self.unled_words(state)),
        };
        if message.is_empty() {
            message = words;
        }
        let not_on = said
            .map(|report| {
                let entry =
                    |(server, why): &(ServerName, crate::engine::placement::WhyNot)| NotOnServer {
                        server: server.to_string(),
                        reason: why.id().to_owned(),
                        message: why.message(server),
                    };
                report.not_on.iter().map(entry).collect()
            })
            .unwrap_or_default();
        let pending = restart_pending(model, server.as_ref().and_then(|s| reports.get(s)));
        let key = ObjectKey::new("FailoverGroup", name.as_str());
        let now = self.now.wall;
        let since = self.since.state(now, &key, &format!("{state:?}/{server:?}"));
        let mut aspects = vec![Aspect {
            type_: "Ready",
            status: state == GroupState::Online,
            reason,
            message: message.clone(),
        }];
        let reconciling = matches!(state, GroupState::Starting | GroupState::Stopping);
        if reconciling {
            let message = message.clone();
            aspects.push(Aspect { type_: "Reconciling", status: true, reason, message });
        }
        if state == GroupState::Failed {
            let message = message.clone();
            aspects.push(Aspect { type_: "Stalled", status: true, reason, message });
        }
        if !pending.is_empty() {
            let message = format!("takes effect at the next activation: {}", pending.join(", "));
            let reason = "RestartPending";
            aspects.push(Aspect { type_: "RestartPending", status: true, reason, message });
        }
        aspects.extend(self.dual_activation_aspect(name));
        let conditions = aspects
            .into_iter()
            .map(|aspect| self.since.condition(now, &key, model.generation, aspect))
            .collect();
        FailoverGroupStatus {
            observed_generation: Some(model.generation),
            conditions,
            state,
            server: server.map(|server| server.to_string()),
            grant,
            since: Some(since.rfc3339()),
            message,
            last_failover: self.intents.ran.get(name).and_then(|ran| ran.failover.clone()),
            not_on,
            recent_failovers: u32::try_from(recent).unwrap_or(u32::MAX),
        }
    }

    /// Why nothing is known of a group, where nothing is waited for.
    fn unled_words(&self, state: GroupState) -> String {
        if state == GroupState::Unknown && self.leadership.is_none() {
            "this server does not lead, and does not run it: whether another does is not known here"
                .to_owned()
        } else {
            String::new()
        }
    }

    /// A group as a server sees it that does not lead: what it holds itself, else nothing.
    fn own_facts(&self, name: &GroupName) -> GroupFacts {
        let mut facts = GroupFacts::unknown();
        if let Some(held) = self.groups.holds().remove(name)
            && held.phase != GroupPhase::Stopped
        {
            facts.holder = super::orders::adopted(self.me().clone(), held);
        }
        facts
    }

    fn resource_statuses(
        &mut self,
        reports: &BTreeMap<ServerName, Report>,
    ) -> BTreeMap<ResourceName, ResourceStatus> {
        let model = self.model.clone();
        let mut statuses = BTreeMap::new();
        for (group, group_model) in &model.groups {
            let (holder, free) = match self.holder_of(group) {
                Holder::Held { server, .. } => (Some(server), false),
                Holder::Free => (None, true),
                Holder::Unknown => (None, false),
            };
            for (name, resource) in &group_model.resources {
                let key = ObjectKey::new("Resource", name.as_str());
                let report = holder.as_ref().and_then(|server| {
                    reports.get(server).and_then(|report| report.resources.get(name))
                });
                let state = match (&holder, report) {
                    (_, Some(report)) => report.state,
                    (_, None) if free => ResourceState::Offline,
                    (_, None) => ResourceState::Unknown,
                };
                let message = report.map(|report| report.message.clone()).unwrap_or_default();
                let now = self.now.wall;
                let stale = report.is_some_and(|report| {
                    report.generation != resource.generation && state == ResourceState::Online
                });
                let ready = Aspect {
                    type_: "Ready",
                    status: state == ResourceState::Online,
                    reason: resource_reason(state),
                    message: message.clone(),
                };
                let generation = resource.generation;
                let mut conditions = vec![self.since.condition(now, &key, generation, ready)];
                if stale {
                    let message = "runs with its former settings".to_owned();
                    let reason = "RestartPending";
                    let aspect = Aspect { type_: "RestartPending", status: true, reason, message };
                    conditions.push(self.since.condition(now, &key, generation, aspect));
                }
                let status = ResourceStatus {
                    observed_generation: Some(generation),
                    conditions,
                    state,
                    server: holder
                        .as_ref()
                        .filter(|_| state != ResourceState::Offline)
                        .map(ToString::to_string),
                    message,
                    since: report.map(|report| report.since.rfc3339()),
                    // What drivers read goes beside the engine.
                    observed: None,
                };
                statuses.insert(name.clone(), status);
            }
        }
        statuses
    }

    fn holder_of(&self, group: &GroupName) -> Holder {
        let led = self.leadership.as_ref().and_then(|l| l.groups.get(group));
        led.map_or_else(|| self.own_facts(group).holder, |facts| facts.holder.clone())
    }

    fn monitor_statuses(
        &mut self,
        reports: &BTreeMap<ServerName, Report>,
    ) -> BTreeMap<MonitorName, MonitorStatus> {
        let model = self.model.clone();
        let mut statuses = BTreeMap::new();
        for (name, monitor) in &model.monitors {
            let servers: Vec<MonitorServerStatus> =
                reports.values().filter_map(|report| report.monitors.get(name)).cloned().collect();
            let worst = servers.iter().max_by_key(|status| severity(status.state));
            let state = worst.map_or(MonitorState::Unknown, |status| status.state);
            let message = worst.map(|status| status.message.clone()).unwrap_or_default();
            let key = ObjectKey::new("Monitor", name.as_str());
            let ready = Aspect {
                type_: "Ready",
                status: matches!(state, MonitorState::Normal | MonitorState::Suspended),
                reason: monitor_reason(state),
                message: message.clone(),
            };
            let now: WallTime = self.now.wall;
            let generation = monitor.generation;
            let conditions = vec![self.since.condition(now, &key, generation, ready)];
            let observed_generation = Some(generation);
            let status = MonitorStatus { observed_generation, conditions, state, message, servers };
            statuses.insert(name.clone(), status);
        }
        statuses
    }
}

fn fencing_abilities(report: &Report) -> Vec<ServerFencing> {
    let ability = |known: &FencingAbility| ServerFencing {
        server: known.server.to_string(),
        method: known.method.clone(),
        able: known.able,
        message: known.message.clone(),
        checked: known.checked.map(|checked| checked.rfc3339()),
    };
    report.fencing.iter().map(ability).collect()
}

/// Whether a server could fence each of the others; nothing where there is no fencing.
fn fencing_ready(
    name: &ServerName,
    abilities: &[ServerFencing],
) -> Option<(bool, &'static str, String)> {
    if abilities.is_empty() {
        return None;
    }
    let unable: Vec<String> = abilities
        .iter()
        .filter(|ability| ability.able == Some(false))
        .map(|ability| {
            format!(
                "{name} can't fence {} by {}: {}",
                ability.server, ability.method, ability.message
            )
        })
        .collect();
    if !unable.is_empty() {
        return Some((false, "FencingUnable", unable.join("; ")));
    }
    if abilities.iter().any(|ability| ability.able.is_none()) {
        return Some((false, "FencingUnchecked", format!("{name} has not checked all of it yet")));
    }
    Some((true, "FencingReady", format!("{name} can fence every other server")))
}

/// The same of all servers that say so.
fn cluster_fencing(servers: &BTreeMap<ServerName, ServerStatus>) -> Option<Aspect<'static>> {
    let known: Vec<(bool, &'static str, String)> =
        servers.iter().filter_map(|(name, status)| fencing_ready(name, &status.fencing)).collect();
    let type_ = "FencingReady";
    let worst = |reason: &str| {
        let found = known.iter().filter(|(_, known, _)| *known == reason);
        let messages: Vec<&str> = found.map(|(_, _, message)| message.as_str()).collect();
        (!messages.is_empty()).then(|| messages.join("; "))
    };
    if let Some(message) = worst("FencingUnable") {
        return Some(Aspect { type_, status: false, reason: "FencingUnable", message });
    }
    if let Some(message) = worst("FencingUnchecked") {
        return Some(Aspect { type_, status: false, reason: "FencingUnchecked", message });
    }
    let message = "every server that is heard can fence the others".to_owned();
    (!known.is_empty()).then_some(Aspect { type_, status: true, reason: "FencingReady", message })
}

/// Why a cluster is not ready, as far as this server can tell.
const NO_LEADER: &str = "this server follows no leader: it starts and moves nothing";
/// Why a server is no member whose disk was replaced.
const STRANGER: &str = "its state folder is new or was wiped: it has no vote before the others \
                        have admitted and filled it";

fn group_state(facts: &GroupFacts) -> (GroupState, Option<ServerName>, Option<String>, String) {
    match &facts.holder {
        Holder::Free => (GroupState::Offline, None, None, String::new()),
        Holder::Unknown => (GroupState::Unknown, None, None, String::new()),
        Holder::Held { server, order, phase, action, .. } => {
            let (state, message) = match (action, phase) {
                (_, Some(GroupPhase::StopFailed { message })) => {
                    (GroupState::Failed, message.clone())
                }
                (OrderAction::Stop, _)
                | (OrderAction::Run, Some(GroupPhase::Stopping | GroupPhase::Stopped)) => {
                    (GroupState::Stopping, String::new())
                }
                (OrderAction::Run, None | Some(GroupPhase::Starting)) => {
                    (GroupState::Starting, String::new())
                }
                (OrderAction::Run, Some(GroupPhase::Online)) => (GroupState::Online, String::new()),
                (OrderAction::Run, Some(GroupPhase::Failed { message, .. })) => {
                    (GroupState::Degraded, message.clone())
                }
            };
            (state, Some(server.clone()), Some(order.to_string()), message)
        }
    }
}

/// The reason of a group's `Ready` condition, where nothing is waited for.
fn reason_of(state: GroupState) -> &'static str {
    match state {
        GroupState::Offline => "GroupOffline",
        GroupState::Starting => "GroupStarting",
        GroupState::Online => "GroupOnline",
        GroupState::Stopping => "GroupStopping",
        GroupState::Degraded | GroupState::Failed => "GroupFailed",
        GroupState::Unknown => "GroupUnknown",
    }
}

fn restart_pending(model: &GroupModel, report: Option<&Report>) -> Vec<String> {
    let Some(report) = report else { return Vec::new() };
    let stale = |(name, resource): (&ResourceName, &crate::engine::model::ResourceModel)| {
        let running = report.resources.get(name)?;
        let stale =
            running.state == ResourceState::Online && running.generation != resource.generation;
        stale.then(|| name.to_string())
    };
    model.resources.iter().filter_map(stale).collect()
}

fn within(self_fence: SelfFence) -> String {
    match self_fence {
        SelfFence::Within(longest) => text(longest),
        SelfFence::None => "unlimited".to_owned(),
    }
}

fn path(report: &PathReport) -> ServerPath {
    let microseconds = |time: std::time::Duration| u64::try_from(time.as_micros()).ok();
    ServerPath {
        peer: report.peer.to_string(),
        path: report.path.to_string(),
        up: report.up,
        round_trip_microseconds: report.round_trip.and_then(microseconds),
        since: (report.since.0 != 0).then(|| report.since.rfc3339()),
    }
}

fn resource_reason(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Offline => "ResourceOffline",
        ResourceState::Starting => "ResourceStarting",
        ResourceState::Online => "ResourceOnline",
        ResourceState::Stopping => "ResourceStopping",
        ResourceState::Failed => "ResourceFailed",
        ResourceState::StopFailed => "DeactivationFailed",
        ResourceState::Unknown => "ResourceUnknown",
    }
}

fn monitor_reason(state: MonitorState) -> &'static str {
    match state {
        MonitorState::Normal => "MonitorNormal",
        MonitorState::Warning => "MonitorWarning",
        MonitorState::Error => "MonitorError",
        MonitorState::Suspended => "MonitorSuspended",
        MonitorState::Unknown => "MonitorUnknown",
    }
}

fn severity(state: MonitorState) -> u8 {
    match state {
        MonitorState::Error => 4,
        MonitorState::Warning => 3,
        MonitorState::Normal => 2,
        MonitorState::Suspended => 1,
        MonitorState::Unknown => 0,
    }
}
