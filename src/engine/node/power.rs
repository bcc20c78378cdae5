//! Ending this machine, or its part in the cluster: never in a loop, never the last one (OP-17).

use super::{AfterPersist, Engine};
use crate::engine::durable::Durable;
use crate::engine::effect::{Effect, PowerAction, Record};

impl Engine {
    /// A final action that a monitor or a failed deactivation asks for.
    pub(super) fn final_action(&mut self, action: PowerAction, because: &str) {
        let others = self.model.cluster.servers.iter().any(|server| {
            server != self.me() && self.liveness.alive(server) && !self.known_out(server)
        });
        let name = format!("{action:?}");
        if !others {
            let parameters = [("action", &*name), ("message", because)];
            self.event_about_me("FinalActionSuppressed", &parameters, &[]);
            return;
        }
        self.power_down(action, because);
    }

    /// The same without looking for others: this server may not go on in any case.
    pub(super) fn power_down(&mut self, action: PowerAction, because: &str) {
        let name = format!("{action:?}");
        let under_way = self
            .awaiting_disk
            .values()
            .any(|after| matches!(after, AfterPersist::FinalAction { .. }));
        if under_way || self.out_of_service {
            return;
        }
        if action == PowerAction::StopAgent {
            self.event_about_me(
                "FinalActionTaken",
                &[("action", &name), ("message", because)],
                &[],
            );
            self.end_machine(action);
            return;
        }
        let cluster = &self.model.cluster;
        let window = i64::try_from(cluster.final_action_window.as_millis()).unwrap_or(i64::MAX);
        let now = self.now.wall.0;
        let recent = self
            .durable
            .final_actions
            .iter()
            .filter(|at| at.0 <= now && now - at.0 < window)
            .count();
        let most = (cluster.final_actions_max as usize).min(Durable::FINAL_ACTIONS_MAX);
        if recent >= most {
            let (recent, most) = (recent.to_string(), most.to_string());
            let parameters =
                [("action", &*name), ("count", &*recent), ("most", &*most), ("message", because)];
            self.event_about_me("RebootLoopGuard", &parameters, &[]);
            return;
        }
        self.event_about_me("FinalActionTaken", &[("action", &name), ("message", because)], &[]);
        let record = Record::FinalAction(self.now.wall);
        self.persist(record.clone(), AfterPersist::FinalAction { action, record });
    }

    /// The keeper ends the services first: a machine that is told to end may wait for a stop script
    /// that hangs, and others count on `selfFence`.
    pub(super) fn end_machine(&mut self, action: PowerAction) {
        self.out_of_service = true;
        self.stop_taking_part();
        self.effects.push_back(Effect::Power { action });
    }

    pub(super) fn stop_taking_part(&mut self) {
        self.drop_leadership();
        self.lease.end();
        self.view = None;
        self.effects.push_back(Effect::Lease { until: None });
        self.groups.on_isolated(self.now);
    }
}
