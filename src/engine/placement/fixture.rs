//! Worlds in a line, for the tests of placement and of operations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::api::kinds::{
    ApplyChanges, DualActivationPolicy, MissedChangesPolicy, PartitionAction, ResourceSpec,
    ReturnPolicy,
};
use crate::api::timing::Timing;
use crate::engine::ids::{GrantId, Revision, Term};
use crate::engine::message::{GroupPhase, Wants};
use crate::engine::model::{Arbiter, ClusterModel, Model, ResourceModel};

/// The instant of every situation.
pub const NOW: Instant = Instant(1_000_000_000_000);

/// A world with one group, `web`, unless it is told otherwise.
#[derive(Clone)]
pub struct World {
    pub model: Model,
    pub servers: BTreeMap<ServerName, ServerFacts>,
    pub groups: BTreeMap<GroupName, GroupFacts>,
    pub started: bool,
    pub hold: Option<Hold>,
}

impl World {
    pub fn view(&self) -> View<'_> {
        View {
            model: &self.model,
            servers: &self.servers,
            groups: &self.groups,
            started: self.started,
            hold: self.hold,
            now: NOW,
        }
    }

    /// Reads the lines of a situation.
    pub fn read(lines: &[&str]) -> Self {
        let mut world = Self {
            model: Model {
                revision: Revision(1),
                cluster: cluster(),
                groups: BTreeMap::new(),
                monitors: BTreeMap::new(),
            },
            servers: BTreeMap::new(),
            groups: BTreeMap::new(),
            started: true,
            hold: None,
        };
        let name = GroupName::from("web");
        let mut facts = GroupFacts { holder: Holder::Free, ..GroupFacts::unknown() };
        facts.placed = at(500);
        for line in lines {
            let (key, rest) = line.split_once(':').unwrap_or_else(|| panic!("no colon: {line}"));
            let words: Vec<&str> = rest.split_whitespace().collect();
            match key {
                "servers" => world.read_servers(&words),
                "group" => {
                    world.model.groups.insert(name.clone(), read_group(&words));
                }
                "holder" => facts.holder = read_holder(&words),
                "intent" => facts.intent = read_intent(&words),
                "facts" => read_facts(&mut facts, &mut world.started, &words),
                other => panic!("unknown line {other}"),
            }
        }
        world.groups.insert(name, facts);
        world
    }

    fn read_servers(&mut self, words: &[&str]) {
        for word in words {
            let (word, since) = word.split_once('@').unwrap_or((word, "100"));
            let (name, state) = word.split_once('=').unwrap_or((word, "member"));
            let out = |out, words: &str| Some(KeptOut { out, message: words.into() });
            let kept_out = match state {
                "member" | "lost" => None,
                "failed" => out(Out::Failed, "failed at 12:03:11"),
                "detached" => out(Out::Detached, "was detached at 12:03:11"),
                "unfit" => out(Out::Unfit, "its keeper does not answer"),
                other => panic!("unknown server state {other}"),
            };
            let facts = ServerFacts {
                member: state != "lost",
                kept_out,
                available_since: at(since.parse().unwrap()),
            };
            self.model.cluster.servers.push(name.into());
            self.servers.insert(name.into(), facts);
        }
    }
}

pub fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000_000)
}

pub fn order(sequence: u64) -> GrantId {
    GrantId { term: Term { number: 7, proposer: "node1".into() }, sequence }
}

fn cluster() -> ClusterModel {
    ClusterModel {
        pause_max: Duration::from_secs(60),
        name: "cluster1".into(),
        servers: Vec::new(),
        paths: vec!["lan".into()],
        timing: Timing::derive(Duration::from_secs(1), Duration::ZERO),
        arbiter: Arbiter::Majority,
        safety: Default::default(),
        arbiter_budget: Duration::ZERO,
        witnesses: Default::default(),
        fencing: None,
        on_partition: PartitionAction::StopGroups,
        on_dual_activation: DualActivationPolicy::default(),
        on_missed_changes: MissedChangesPolicy::default(),
        watchdog: Default::default(),
        wait_for_servers: Duration::from_secs(300),
        return_policy: ReturnPolicy::Manual,
        final_actions_max: 3,
        final_action_window: Duration::from_secs(3600),
        failovers_max: 3,
        failover_window: Duration::from_secs(900),
        generation: 1,
    }
}

fn automation(word: &str) -> Automation {
    match word {
        "Automatic" => Automation::Automatic,
        "Manual" => Automation::Manual,
        other => panic!("unknown automation {other}"),
    }
}

fn read_group(words: &[&str]) -> GroupModel {
    let mut group = GroupModel {
        servers: Vec::new(),
        startup: Automation::Automatic,
        failover: Automation::Automatic,
        failback: Automation::Manual,
        apply_changes: ApplyChanges::AtNextActivation,
        resources: BTreeMap::new(),
        deleting: false,
        generation: 1,
    };
    let mut activation = serde_json::json!({});
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("policy", list) => group.servers = list.split(',').map(ServerName::from).collect(),
            ("startup", word) => group.startup = automation(word),
            ("failover", word) => group.failover = automation(word),
            ("failback", word) => group.failback = automation(word),
            ("deleting", _) => group.deleting = true,
            ("onFailure", word) => activation["onFailure"] = word.into(),
            other => panic!("unknown group word {other:?}"),
        }
    }
    let spec: ResourceSpec = serde_json::from_value(serde_json::json!({
        "group": "web", "type": "Exec", "exec": {"command": ["/bin/app"]}, "activation": activation,
    }))
    .unwrap();
    let resource = ResourceModel {
        spec: Arc::new(spec),
        depends_on: Vec::new(),
        deleting: false,
        generation: 1,
    };
    group.resources.insert("app".into(), resource);
    group
}

fn read_reason(word: &str) -> OrderReason {
    serde_json::from_value(word.into()).unwrap_or_else(|_| panic!("unknown reason {word}"))
}

fn read_holder(words: &[&str]) -> Holder {
    let (server, rest) = match words {
        ["free"] => return Holder::Free,
        ["unknown"] => return Holder::Unknown,
        ["held", server, rest @ ..] => (*server, rest),
        other => panic!("unknown holder {other:?}"),
    };
    let mut action = OrderAction::Run;
    let mut phase = None;
    let mut reason = OrderReason::Startup;
    let message = "app ended with exit code 1".to_owned();
    let failed = |wants| {
        Some(GroupPhase::Failed {
            reason: "ResourceFailed".into(),
            message: message.clone(),
            wants,
        })
    };
    for word in rest {
        match *word {
            "run" => action = OrderAction::Run,
            "stop" => action = OrderAction::Stop,
            "starting" => phase = Some(GroupPhase::Starting),
            "online" => phase = Some(GroupPhase::Online),
            "stopping" => phase = Some(GroupPhase::Stopping),
            "stopped" => phase = Some(GroupPhase::Stopped),
            "stop-failed" => {
                phase = Some(GroupPhase::StopFailed { message: "app does not end".into() });
            }
            "wants-nothing" => phase = failed(Wants::Nothing),
            "wants-failover" => phase = failed(Wants::Failover),
            "wants-stop" => phase = failed(Wants::Stop),
            word => reason = read_reason(word.strip_prefix("reason=").unwrap()),
        }
    }
    Holder::Held { server: server.into(), order: order(3), phase, action, reason }
}

fn read_intent(words: &[&str]) -> GroupIntent {
    let mut intent = GroupIntent::default();
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("automatic", _) => intent.desired = Desired::Automatic,
            ("running", "") => intent.desired = Desired::Running { on: None },
            ("running", on) => intent.desired = Desired::Running { on: Some(on.into()) },
            ("stopped", _) => {
                intent.desired = Desired::Stopped { why: "was stopped by an operation".into() };
            }
            ("end", sequence) => intent.restart = Some(order(sequence.parse().unwrap())),
            ("operation", uid) => intent.operation = Some(uid.into()),
            other => panic!("unknown intent {other:?}"),
        }
    }
    intent
}

fn read_facts(facts: &mut GroupFacts, started: &mut bool, words: &[&str]) {
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("refused", servers) => {
                for server in servers.split(',') {
                    let refusal = Refusal {
                        resource: Some("app".into()),
                        reason: "ActivationFailed".into(),
                        message: "app could not be started: exit code 1".into(),
                    };
                    facts.refused.insert(server.into(), refusal);
                }
            }
            ("lost", server) => {
                facts.lost_from = Some(server.into());
                facts.ever_started = true;
            }
            ("released", word) => {
                let (server, reason) = word.split_once(':').unwrap();
                let reason = read_reason(reason);
                facts.released = Some(Released { server: server.into(), reason });
                facts.ever_started = true;
            }
            ("failovers", seconds) => {
                facts.failovers = seconds.split(',').map(|s| at(s.parse().unwrap())).collect();
            }
            ("activation-failovers", count) => {
                facts.activation_failovers = count.parse().unwrap();
            }
            ("placed", seconds) => facts.placed = at(seconds.parse().unwrap()),
            ("ran", _) => facts.ever_started = true,
            ("not-synchronised", _) => *started = false,
            other => panic!("unknown fact {other:?}"),
        }
    }
}
