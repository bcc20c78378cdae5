//! What the groups and monitors of this server want, turned into effects.

use super::Engine;
use crate::api::names::{GroupName, MonitorName};
use crate::engine::effect::Effect;
use crate::engine::group::{GroupEffect, Refused, Target};
use crate::engine::message::{Message, Report, Wants};
use crate::engine::note::Note;
use crate::engine::recovery::RecoveryEffect;

/// Rounds of "an effect of one led to an effect of the other": far more than a ladder has rungs.
const ROUNDS_MAX: usize = 64;

impl Engine {
    /// Takes the model to everything that reads it.
    pub(super) fn adopt_model(&mut self) {
        let cluster = &self.model.cluster;
        self.liveness.configure(&cluster.servers, &cluster.paths, cluster.timing.timeout);
        self.groups.on_model(self.now, self.model.clone());
        self.monitors.on_model(self.now, self.model.clone());
        self.report_version += 1;
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
    }

    /// Drains groups and monitors until both are silent.
    pub(super) fn run_on(&mut self) {
        let phases = self.groups.version();
        for _ in 0..ROUNDS_MAX {
            let mut silent = true;
            while let Some(effect) = self.groups.poll_effect() {
                silent = false;
                self.on_group_effect(effect);
            }
            if self.groups.version() != self.groups_seen {
                self.groups_seen = self.groups.version();
                self.monitors.on_group_state(self.now, self.groups.activity());
            }
            while let Some(effect) = self.monitors.poll_effect() {
                silent = false;
                self.on_recovery_effect(effect);
            }
            if silent {
                break;
            }
        }
        let versions = (self.groups.version(), self.monitors.version());
        if versions != self.versions_told {
            let told_groups = self.versions_told.0;
            self.versions_told = versions;
            if let Some(text) = self.groups.news_of_settings() {
                self.effects.push_back(Effect::Remember { text });
            }
            self.report_version += 1;
            if told_groups != versions.0 || phases != versions.0 {
                self.tell_phases();
                self.take_own_phases();
            }
        }
        self.send_report();
    }

    fn on_group_effect(&mut self, effect: GroupEffect) {
        match effect {
            GroupEffect::Resource { id, action, context } => {
                self.effects.push_back(Effect::Resource { id, action, context });
            }
            GroupEffect::Cancel { id } => self.effects.push_back(Effect::Cancel { id }),
            GroupEffect::Power { action, message, .. } => self.final_action(action, &message),
            GroupEffect::Note(note) => self.on_note(note),
        }
    }

    fn on_recovery_effect(&mut self, effect: RecoveryEffect) {
        match effect {
            RecoveryEffect::Check { id, monitor, spec, resource, timeout } => {
                self.effects.push_back(Effect::Check { id, monitor, spec, resource, timeout });
            }
            RecoveryEffect::RecoveryScript { id, monitor, command, timeout } => {
                self.effects.push_back(Effect::RecoveryScript { id, monitor, command, timeout });
            }
            RecoveryEffect::Cancel { id } => self.effects.push_back(Effect::Cancel { id }),
            RecoveryEffect::Note(note) => self.on_note(note),
            RecoveryEffect::ReactivateResource { monitor, resource } => {
                let result = self.groups.reactivate(self.now, &Target::Resource(resource));
                self.answer(&monitor, result);
            }
            RecoveryEffect::ReactivateGroup { monitor, group } => {
                let result = self.groups.reactivate(self.now, &Target::Group(group));
                self.answer(&monitor, result);
            }
            RecoveryEffect::FailoverGroup { monitor, group, message } => {
                let result = self.groups.wish(self.now, &group, Wants::Failover, message);
                self.answer(&monitor, result);
            }
            RecoveryEffect::Withdraw { monitor, group } => {
                let wish = self.groups.wish(self.now, &group, Wants::Nothing, String::new());
                self.answer(&monitor, wish);
            }
            RecoveryEffect::StopResource { monitor, resource } => {
                let result = self.groups.stop_resource(self.now, &resource);
                self.answer(&monitor, result);
            }
            RecoveryEffect::StopGroup { monitor, group, message } => {
                let result = self.groups.wish(self.now, &group, Wants::Stop, message);
                self.answer(&monitor, result);
            }
            RecoveryEffect::FinalAction { action, message, .. } => {
                self.final_action(action, &message);
            }
        }
    }

    fn answer(&mut self, monitor: &MonitorName, result: Result<(), Refused>) {
        if let Err(refused) = result {
            self.monitors.on_refused(self.now, monitor, refused.to_string());
        }
    }

    fn on_note(&mut self, note: Note) {
        let mut parameters: Vec<(&str, &str)> =
            note.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let me = self.me().clone();
        if parameters.iter().all(|(name, _)| *name != "server") {
            parameters.push(("server", me.as_str()));
        }
        // The order leads to the leader's event about it, on whatever server that was.
        let order = match note.object.kind.as_str() {
            "FailoverGroup" => self.orders_taken.get(&GroupName::from(&*note.object.name)),
            _ => None,
        };
        let order = order.map(ToString::to_string);
        if let Some(order) = &order {
            parameters.push(("grant", order));
        }
        let topic = |kind: &str, name: &str| format!("latest/{kind}/{name}");
        let mut causes: Vec<Option<u64>> = note
            .because
            .iter()
            .map(|key| self.chronicle.recall(&topic(&key.kind, &key.name)))
            .collect();
        let latest = topic(&note.object.kind, &note.object.name);
        causes.push(self.chronicle.recall(&latest));
        causes.sort_unstable();
        causes.dedup();
        let (kind, name) = (note.object.kind.clone(), note.object.name.clone());
        let number = self.event(&kind, &name, note.reason, &parameters, &causes);
        self.chronicle.remember(&latest, number);
    }

    /// What this server observes, for the leader.
    pub(super) fn own_report(&self) -> Report {
        Report {
            version: self.report_version,
            resources: self.groups.report(),
            monitors: self.monitors.report(),
            paths: self.liveness.report(),
            keeper: self.keeper == Some(true) && !self.closing,
            guard: self.guard(),
            fencing: self.fences.abilities(),
            pause: self.pause_ready(),
        }
    }

    pub(super) fn note_report_seen(&mut self, version: u64) {
        if self.report_sent.is_some_and(|(sent, _)| sent <= version) {
            self.report_sent = None;
            self.report_seen = version;
        }
    }

    fn send_report(&mut self) {
        let Some(view) = self.view.as_ref().filter(|view| view.leader != *self.me()) else {
            return;
        };
        let now = self.now.instant;
        let interval = self.timing().interval;
        let due = match self.report_sent {
            None => self.report_seen != self.report_version,
            // Changes come in bursts: at most one report each interval, and again if it was lost.
            Some((_, at)) => now.since(at) >= interval,
        };
        if due {
            let leader = view.leader.clone();
            self.report_sent = Some((self.report_version, now));
            let report = self.own_report();
            self.send(&leader, Message::Report(Box::new(report)));
        }
    }
}
