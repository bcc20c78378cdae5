//! A server's monitors on the bench: effects as words, groups that do as they are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::kinds::{MonitorServerStatus, MonitorSpec};
use crate::api::names::{MonitorName, ResourceName, ServerName};
use crate::engine::group::tests::bench::{GROUP, model};
use crate::engine::group::{Activity, ActivityState};
use crate::engine::ids::{ActionId, ActionIds};
use crate::engine::input::CheckResult;
use crate::engine::model::{Model, MonitorModel};
use crate::engine::recovery::{Monitors, RecoveryEffect};
use crate::engine::time::{Instant, Now, WallTime};

/// The resource that monitors are about unless they say otherwise.
pub const TARGET: &str = "r";

/// A monitor that checks each 10 s, with the resource `r` as target.
pub fn monitor(members: &Value) -> MonitorModel {
    let mut whole = json!({
        "type": "TCP",
        "tcp": {"port": 8080},
        "interval": "10s",
        "timeout": "5s",
        "recovery": {"target": {"kind": "Resource", "name": TARGET}},
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        if name == "recovery" {
            for (name, value) in value.as_object().into_iter().flatten() {
                whole["recovery"][name] = value.clone();
            }
        } else {
            whole[name] = value.clone();
        }
    }
    let spec: MonitorSpec = serde_json::from_value(whole).expect("spec");
    let target = spec.recovery.target.clone();
    let named = |kind: &str| format!("{:?}", target.kind) == kind;
    MonitorModel {
        servers: vec!["one".into()],
        while_active: spec.while_active.as_deref().map(ResourceName::from),
        while_inactive: spec.load_balance.as_ref().map(|b| b.resource.as_str().into()),
        target_group: (named("Resource") || named("Group")).then(|| GROUP.into()),
        target_resource: target.name.as_deref().filter(|_| named("Resource")).map(Into::into),
        generation: 1,
        spec: Arc::new(spec),
    }
}

pub fn with_monitors(monitors: &[(&str, MonitorModel)]) -> Model {
    let mut model = model(&[(TARGET, json!({}))]);
    model.monitors =
        monitors.iter().map(|(name, monitor)| ((*name).into(), monitor.clone())).collect();
    model
}

pub struct Bench {
    pub monitors: Monitors,
    pub now: Now,
    works: BTreeMap<MonitorName, ActionId>,
}

impl Bench {
    /// A server on which `r` is active.
    pub fn new(monitors: &[(&str, MonitorModel)]) -> Self {
        let mut bench = Self {
            monitors: Monitors::new(ServerName::from("one"), ActionIds::strided(2, 3)),
            now: Now { instant: Instant(1_000_000_000_000), wall: WallTime(1) },
            works: BTreeMap::new(),
        };
        bench.activity(Some(ActivityState::Active));
        bench.monitors.on_model(bench.now, Arc::new(with_monitors(monitors)));
        bench
    }

    pub fn model(&mut self, monitors: &[(&str, MonitorModel)]) -> Vec<String> {
        self.monitors.on_model(self.now, Arc::new(with_monitors(monitors)));
        self.drain()
    }

    /// A check in error, the effects with their notes.
    pub fn error_with_notes(&mut self, name: &str) -> Vec<String> {
        let id = self.works.remove(&name.into()).expect("a check under way");
        self.monitors.on_checked(self.now, id, CheckResult::Error, "it says".into());
        self.drain_all()
    }

    /// How `r` stands here.
    pub fn activity(&mut self, state: Option<ActivityState>) -> Vec<String> {
        let activity = state.map(|state| (TARGET.into(), Activity { group: GROUP.into(), state }));
        self.monitors.on_group_state(self.now, activity.into_iter().collect());
        self.drain()
    }

    /// A reactivation begins and succeeds.
    pub fn reactivated(&mut self) {
        assert_eq!(self.activity(Some(ActivityState::Changing)), [""; 0]);
        assert_eq!(self.activity(Some(ActivityState::Active)), [""; 0]);
    }

    pub fn checked(&mut self, name: &str, result: CheckResult) -> Vec<String> {
        let id = self.works.remove(&name.into()).expect("a check under way");
        assert!(self.monitors.gave(id));
        self.monitors.on_checked(self.now, id, result, "it says".into());
        self.drain()
    }

    pub fn script_done(&mut self, name: &str, exit_code: Option<i32>) -> Vec<String> {
        let id = self.works.remove(&name.into()).expect("a script under way");
        self.monitors.on_script_done(self.now, id, exit_code);
        self.drain()
    }

    /// Lets time pass to the next timeout.
    pub fn timeout(&mut self) -> Vec<String> {
        self.now.instant = self.monitors.poll_timeout().expect("a timeout");
        self.monitors.handle_timeout(self.now);
        self.drain()
    }

    /// How long until the next timeout.
    pub fn pause(&self) -> Option<Duration> {
        self.monitors.poll_timeout().map(|at| at.since(self.now.instant))
    }

    pub fn pass(&mut self, time: Duration) {
        self.now.instant = self.now.instant + time;
    }

    /// Effects without notes.
    pub fn drain(&mut self) -> Vec<String> {
        self.drain_all().into_iter().filter(|effect| !effect.starts_with("note ")).collect()
    }

    pub fn drain_all(&mut self) -> Vec<String> {
        let mut effects = Vec::new();
        while let Some(effect) = self.monitors.poll_effect() {
            effects.push(self.words(effect));
        }
        effects
    }

    fn words(&mut self, effect: RecoveryEffect) -> String {
        match effect {
            RecoveryEffect::Check { id, monitor, .. } => {
                assert_eq!(self.works.insert(monitor.clone(), id), None, "two checks at once");
                format!("check {monitor}")
            }
            RecoveryEffect::RecoveryScript { id, monitor, command, .. } => {
                assert_eq!(self.works.insert(monitor.clone(), id), None, "work at once");
                format!("script {} for {monitor}", command.join(" "))
            }
            RecoveryEffect::Cancel { id } => {
                self.works.retain(|_, work| *work != id);
                "cancel".to_owned()
            }
            RecoveryEffect::Note(note) => format!("note {} {}", note.reason, note.object.name),
            RecoveryEffect::ReactivateResource { resource, .. } => format!("reactivate {resource}"),
            RecoveryEffect::ReactivateGroup { group, .. } => format!("reactivate group {group}"),
            RecoveryEffect::FailoverGroup { group, .. } => format!("failover {group}"),
            RecoveryEffect::Withdraw { group, .. } => format!("withdraw {group}"),
            RecoveryEffect::StopResource { resource, .. } => format!("stop {resource}"),
            RecoveryEffect::StopGroup { group, .. } => format!("stop group {group}"),
            RecoveryEffect::FinalAction { action, .. } => format!("{action:?}"),
        }
    }

    pub fn status(&self, name: &str) -> MonitorServerStatus {
        self.monitors.report()[&name.into()].clone()
    }
}
