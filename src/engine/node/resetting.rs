//! The method of fencing that asks nobody: a server whose watchdog device is armed has reset itself
//! once its `selfFence` is over.
//!
//! It must never confirm on a guess: the run of the agent that was supported last has itself said
//! that a device is armed, and everything that could have prolonged its life has passed. Whoever can
//! go on by an arbiter of its own is not reset.

use super::Engine;
use crate::api::names::ServerName;
use crate::engine::ids::ActionId;
use crate::engine::input::FenceAnswer;
use crate::engine::membership::lead::Freedom;
use crate::engine::time::Instant;

/// Whether an absent server's device has reset it.
enum Reset {
    /// It has, or nothing ran that it would not have let live.
    Certain(String),
    /// Not before then.
    At(Instant),
    /// Why it is not known.
    Unknown(&'static str),
}

impl Engine {
    /// A method of type `Watchdog` is due: answered now, or asked again when it can be.
    pub(super) fn ask_watchdog(&mut self, server: &ServerName, id: ActionId) {
        match self.reset(server) {
            Reset::Certain(message) => {
                self.on_fence_answer(server, id, FenceAnswer::Fenced, &message);
            }
            Reset::At(instant) => self.postpone_fence(server, id, instant),
            Reset::Unknown(why) => self.on_fence_answer(server, id, FenceAnswer::Unknown, why),
        }
    }

    fn reset(&self, server: &ServerName) -> Reset {
        if !self.model.cluster.arbiter.is_exclusive() {
            return Reset::Unknown("it may go on by its arbiter, and its watchdog with it");
        }
        let lead = self.leadership.as_ref().map(|leadership| &leadership.lead);
        let Some((lead, absent)) = lead.and_then(|lead| Some((lead, lead.absent.get(server)?)))
        else {
            return Reset::Unknown("it is a member of the view still");
        };
        let peer = self.liveness.peer(server);
        let Some(boot) = peer.filter(|peer| peer.watchdog).and_then(|peer| peer.boot) else {
            return Reset::Unknown("it has not said that a watchdog device is armed");
        };
        let same = |runs: &std::collections::BTreeSet<_>| runs.iter().all(|run| *run == boot);
        if !absent.supported.as_ref().is_some_and(same) {
            return Reset::Unknown("what it last said is not from the run that lived last");
        }
        match absent.by_time(lead.quiet_since(), &self.timing()) {
            Freedom::Until(instant) if self.certain_until() >= instant => {
                let since = self.now.instant.since(lead.quiet_since());
                let since = super::events::text(since);
                Reset::Certain(format!("its watchdog had to be petted; no support for {since}"))
            }
            Freedom::Until(instant) => {
                Reset::At(instant.max(self.now.instant + self.timing().interval))
            }
            Freedom::Free | Freedom::Never => Reset::Unknown("no time ends its services"),
        }
    }

    /// Whether the method could be relied on for a server now; none: it is not heard.
    pub(super) fn watchdog_ability(&self, server: &ServerName) -> Option<(FenceAnswer, String)> {
        if !self.liveness.alive(server) {
            return None;
        }
        let armed = self.liveness.peer(server).is_some_and(|peer| peer.watchdog);
        Some(if armed {
            (FenceAnswer::Fenced, "its watchdog device is armed".to_owned())
        } else {
            (FenceAnswer::Unknown, "it has no watchdog device that is armed".to_owned())
        })
    }
}
