//! The end of the whole cluster on purpose (CP-12): every group is stopped in order, then every
//! agent ends in good order and says so, or its machine does. The next start is an ordinary one.

use super::Engine;
use crate::api::kinds::Machines;
use crate::engine::effect::{Effect, PowerAction};
use crate::engine::model::ObjectKey;
use crate::engine::placement::{ClusterShutdown, shutdown_intent_key};

impl Engine {
    /// Whether this run of this agent was told, in a change that every member has, to end.
    fn told_to_end(&self) -> Option<&ClusterShutdown> {
        let shutdown = self.intents.shutdown.as_ref()?;
        (shutdown.ended.get(self.me()) == Some(&self.identity.boot)).then_some(shutdown)
    }

    /// Whether groups are to stop, or have stopped, because the cluster ends.
    pub(super) fn is_shutting_down(&self) -> bool {
        let begun = self.intents.shutdown.as_ref().is_some_and(|it| it.ended.is_empty());
        begun || self.told_to_end().is_some()
    }

    /// Whether the members of the present or the former view ended on purpose.
    pub(super) fn was_shut_down(&self) -> bool {
        self.intents.shutdown.as_ref().is_some_and(|shutdown| !shutdown.ended.is_empty())
    }

    /// One time-out after it was told: until then the others learn of it, too, and so do those who
    /// watch the operation.
    pub(super) fn consider_end(&mut self) {
        let Some(shutdown) = self.told_to_end() else {
            self.ends_at = None;
            return;
        };
        let machines = shutdown.machines;
        let now = self.now.instant;
        let due = *self.ends_at.get_or_insert(now + self.model.cluster.timing.timeout);
        if now < due || self.out_of_service {
            return;
        }
        let (action, reason) = match machines {
            Machines::KeepRunning => (PowerAction::EndAgent, "ServerShutDown"),
            Machines::PowerOff => (PowerAction::Shutdown, "ServerPowersOff"),
        };
        self.event_about_me(reason, &[], &[]);
        self.shut_down = machines == Machines::KeepRunning;
        self.out_of_service = true;
        self.stop_taking_part();
        self.effects.push_back(Effect::Power { action });
    }

    /// A run of an agent that was not told to end leads: somebody has started the cluster again.
    pub(super) fn start_again(&mut self) -> Option<(ObjectKey, Option<String>)> {
        if !self.was_shut_down() || self.told_to_end().is_some() {
            return None;
        }
        let since = self.intents.shutdown.as_ref().map(|it| it.since.rfc3339())?;
        let installed = self.chronicle.recall("installed");
        self.event_about_cluster("ClusterStartsAgain", &[("since", &since)], &[installed]);
        Some((shutdown_intent_key(), None))
    }
}
