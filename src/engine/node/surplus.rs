//! Copies of a group that must not run (CP-32): they are told to stop until they have. Nothing is
//! started in their place before, and whoever asks is told where they are.

use super::Engine;
use super::leading::Leadership;
use crate::api::kinds::GroupState;
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::GrantId;
use crate::engine::message::{GroupPhase, Held, Order, OrderAction, OrderReason};
use crate::engine::mutation::flawed;
use crate::engine::placement::WaitingOn;
use crate::engine::time::Instant;

/// Time-outs after which a copy that could not be stopped is told so again: nobody else will, and
/// every moment that two run may cost data.
const AGAIN_TIMEOUTS: u32 = 10;

/// A copy of a group that is to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Surplus {
    /// The order that ends it, once it was given.
    pub order: Option<GrantId>,
    /// It ran while another did, too: it is ended at once.
    pub dual: bool,
    /// Why it could not be stopped, and since when that is known.
    pub failed: Option<(String, Instant)>,
}

impl Engine {
    /// A copy that runs beside the holder's is ended.
    pub(super) fn order_surplus(&mut self) {
        self.settle_dual_activations();
        let (now, again) = (self.now.instant, self.timing().timeout * AGAIN_TIMEOUTS);
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let once = flawed!(self.flaw, SurplusToldOnce);
        let due = |surplus: &Surplus| match &surplus.failed {
            Some((_, at)) => now.since(*at) >= again && !once,
            None => surplus.order.is_none(),
        };
        let pending: Vec<((GroupName, ServerName), bool)> = leadership
            .surplus
            .iter()
            .filter(|(_, surplus)| due(surplus))
            .map(|(key, surplus)| (key.clone(), surplus.dual))
            .collect();
        for ((group, server), dual) in pending {
            let Some(leadership) = &mut self.leadership else {
                return;
            };
            let id = leadership.next_order();
            let surplus = Surplus { order: Some(id.clone()), dual, failed: None };
            leadership.surplus.insert((group.clone(), server.clone()), surplus);
            let reason = if dual { OrderReason::DualActivation } else { OrderReason::Adopted };
            let order = Order { group, id, action: OrderAction::Stop, reason, previous: None };
            self.give(server, order);
        }
        self.flush_orders();
    }

    pub(super) fn has_surplus(&self, group: &GroupName) -> bool {
        self.surplus_of(group).next().is_some()
    }

    fn surplus_of(&self, group: &GroupName) -> impl Iterator<Item = (&ServerName, &Surplus)> {
        let all = self.leadership.iter().flat_map(|leadership| &leadership.surplus);
        all.filter(move |((name, _), _)| name == group).map(|((_, server), it)| (server, it))
    }

    /// What is to be said of a group besides, where a copy of it is to end: that it could not be
    /// stopped, or what keeps the group from starting.
    pub(super) fn surplus_said(
        &self,
        group: &GroupName,
        state: GroupState,
    ) -> Option<(GroupState, ServerName, WaitingOn)> {
        let offline = state == GroupState::Offline;
        let failed = self.surplus_of(group).find_map(|(server, surplus)| {
            let (message, _) = surplus.failed.as_ref()?;
            let state = if offline { GroupState::Failed } else { GroupState::Degraded };
            let waiting = WaitingOn::StopFailed(server.clone(), message.clone());
            Some((state, server.clone(), waiting))
        });
        let ending = || {
            let (server, _) = self.surplus_of(group).next().filter(|_| offline)?;
            Some((GroupState::Stopping, server.clone(), WaitingOn::Release(server.clone())))
        };
        failed.or_else(ending)
    }
}

impl Leadership {
    /// A member says how far it is with a copy that is to end; whether it is one.
    pub(super) fn on_surplus_held(
        &mut self,
        now: Instant,
        group: &GroupName,
        from: &ServerName,
        held: &Held,
    ) -> bool {
        let key = (group.clone(), from.clone());
        let Some(surplus) = self.surplus.get_mut(&key) else {
            return false;
        };
        if surplus.order.as_ref().is_none_or(|id| held.order < *id) {
            return true;
        }
        match &held.phase {
            GroupPhase::Stopped => {
                self.surplus.remove(&key);
                self.dirty = true;
            }
            GroupPhase::StopFailed { message } => {
                surplus.failed.get_or_insert_with(|| (message.clone(), now));
            }
            GroupPhase::Starting
            | GroupPhase::Online
            | GroupPhase::Stopping
            | GroupPhase::Failed { .. } => {}
        }
        true
    }
}
