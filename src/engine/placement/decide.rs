//! The rules, one group at a time. Every combination of holder, intent and phase has its answer.

use std::time::Duration;

use super::choose::{another, best, better, unavailable};
use super::facts::{GroupFacts, Hold, Holder, Out, Released, View};
use super::intent::Desired;
use super::report::WaitingOn;
use crate::api::kinds::{ActivationFailure, Automation};
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::GrantId;
use crate::engine::message::{GroupPhase, OrderAction, OrderReason, Wants};
use crate::engine::model::GroupModel;
use crate::engine::time::Instant;

/// What is to be done about one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start it.
    Run { server: ServerName, reason: OrderReason, previous: Option<ServerName> },
    /// Stop it where it is.
    Stop { reason: OrderReason },
    /// All is as it should be.
    Stay,
    /// Nothing can or may be done now.
    Wait(WaitingOn),
}

/// A group with everything that its rules read.
pub(super) struct Case<'a> {
    pub view: &'a View<'a>,
    pub name: &'a GroupName,
    /// None where it is gone from the spec while somebody still holds it.
    pub group: Option<&'a GroupModel>,
    pub facts: &'a GroupFacts,
}

/// Where a group is held, with an order to run it.
#[derive(Clone, Copy)]
struct Stay<'a> {
    group: &'a GroupModel,
    server: &'a ServerName,
    order: &'a GrantId,
    reason: OrderReason,
    condition: Condition<'a>,
}

/// The phases in which a group that is to run may be told to stop.
#[derive(Clone, Copy)]
enum Condition<'a> {
    /// Ordered or being activated.
    Starting,
    /// Active.
    Online,
    /// Broken.
    Failed { reason: &'a str, message: &'a str, wants: Wants },
}

impl Case<'_> {
    /// The answer.
    pub fn verdict(&self) -> Verdict {
        match &self.facts.holder {
            Holder::Unknown => Verdict::Wait(WaitingOn::Takeover),
            Holder::Free => self.free(),
            Holder::Held { server, order, phase, action, reason } => {
                let condition = match (action, phase) {
                    (_, Some(GroupPhase::StopFailed { message })) => {
                        return self.stop_failed(server, order, message);
                    }
                    (OrderAction::Stop, _)
                    | (OrderAction::Run, Some(GroupPhase::Stopping | GroupPhase::Stopped)) => {
                        return wait(WaitingOn::Release(server.clone()));
                    }
                    (OrderAction::Run, None | Some(GroupPhase::Starting)) => Condition::Starting,
                    (OrderAction::Run, Some(GroupPhase::Online)) => Condition::Online,
                    (OrderAction::Run, Some(GroupPhase::Failed { reason, message, wants })) => {
                        Condition::Failed { reason, message, wants: *wants }
                    }
                };
                let Some(group) = self.group.filter(|group| !group.deleting) else {
                    return stop(OrderReason::Deleted);
                };
                self.held(Stay { group, server, order, reason: *reason, condition })
            }
        }
    }

    /// Only a person has it tried again.
    fn stop_failed(&self, server: &ServerName, order: &GrantId, message: &str) -> Verdict {
        if self.facts.intent.restart.as_ref() != Some(order) {
            return wait(WaitingOn::StopFailed(server.clone(), message.into()));
        }
        match self.facts.intent.desired {
            Desired::Stopped { .. } => stop(OrderReason::Stopped),
            Desired::Automatic | Desired::Running { .. } => stop(OrderReason::Restarted),
        }
    }

    /// A group that certainly runs nowhere.
    fn free(&self) -> Verdict {
        let Some(group) = self.group.filter(|group| !group.deleting) else {
            return wait(WaitingOn::Deletion);
        };
        match self.view.hold {
            Some(Hold::MissedChanges) => return wait(WaitingOn::MissedChanges),
            Some(Hold::Shutdown) => return wait(WaitingOn::ClusterShutdown),
            None => {}
        }
        let wanted = match &self.facts.intent.desired {
            Desired::Stopped { why } => return wait(WaitingOn::Stopped(why.clone())),
            Desired::Automatic => None,
            Desired::Running { on } => Some(on.as_ref()),
        };
        // An operation names the server it brings the group to, and overrides what follows; whoever
        // starts a group does not wait for servers (CP-11).
        if let Some(Some(server)) = wanted {
            return self.start_on(group, server);
        }
        if !self.view.started {
            return wait(WaitingOn::StartupSynchronisation);
        }
        match (&self.facts.lost_from, &self.facts.released) {
            (Some(lost), _) => self.take_over(group, lost),
            (None, Some(released)) => self.go_on(group, released),
            (None, None) => {
                let ran = self.facts.ever_started;
                match (wanted, group.startup) {
                    (Some(_), _) => self.start(group, started_or(ran), None, None),
                    (None, Automation::Manual) if !ran => wait(WaitingOn::StartupManual),
                    (None, Automation::Manual) => {
                        self.start(group, OrderReason::FailedOver, None, None)
                    }
                    (None, Automation::Automatic) if ran => {
                        self.start(group, OrderReason::FailedOver, None, None)
                    }
                    (None, Automation::Automatic) => {
                        self.start(group, OrderReason::Startup, None, None)
                    }
                }
            }
        }
    }

    /// An operation wants it on `server`; where that can't be, it runs elsewhere rather than not
    /// at all.
    fn start_on(&self, group: &GroupModel, server: &ServerName) -> Verdict {
        let previous = self.previous();
        let reason = match (&self.facts.released, &self.facts.lost_from) {
            (Some(released), _) => reason_after(released.reason),
            (None, Some(_)) => OrderReason::FailedOver,
            (None, None) => OrderReason::Started,
        };
        if unavailable(self.view, group, server).is_none() {
            return Verdict::Run { server: server.clone(), reason, previous };
        }
        self.start(group, reason, previous, None)
    }

    /// Its server was lost. Damping does not apply: it keeps a group in place, never down.
    fn take_over(&self, group: &GroupModel, lost: &ServerName) -> Verdict {
        match group.failover {
            Automation::Automatic => {
                self.start(group, OrderReason::FailedOver, Some(lost.clone()), None)
            }
            Automation::Manual => wait(WaitingOn::FailoverManual(lost.clone())),
        }
    }

    /// It was stopped on its way to somewhere.
    fn go_on(&self, group: &GroupModel, released: &Released) -> Verdict {
        let previous = Some(released.server.clone());
        match released.reason {
            // The intent that keeps it stopped is on its way to the store, or was withdrawn by
            // an operation that names a server.
            OrderReason::Stopped | OrderReason::DualActivation => {
                wait(WaitingOn::Stopped(format!("was stopped on {}", released.server)))
            }
            OrderReason::Restarted => {
                if unavailable(self.view, group, &released.server).is_none() {
                    let server = released.server.clone();
                    return Verdict::Run { server, reason: OrderReason::Restarted, previous };
                }
                self.start(group, OrderReason::Restarted, previous, None)
            }
            OrderReason::FailedOver => {
                self.start(group, OrderReason::FailedOver, previous, Some(&released.server))
            }
            OrderReason::Moved
            | OrderReason::FailedBack
            | OrderReason::Detached
            | OrderReason::Deleted
            | OrderReason::Startup
            | OrderReason::Started
            | OrderReason::ClusterShutdown
            | OrderReason::Adopted => {
                self.start(group, reason_after(released.reason), previous, None)
            }
        }
    }

    fn start(
        &self,
        group: &GroupModel,
        reason: OrderReason,
        previous: Option<ServerName>,
        left: Option<&ServerName>,
    ) -> Verdict {
        match best(self.view, group, self.facts, left) {
            Some(server) => Verdict::Run { server: server.clone(), reason, previous },
            None => wait(WaitingOn::NoServerLeft),
        }
    }

    fn previous(&self) -> Option<ServerName> {
        let released = self.facts.released.as_ref().map(|released| released.server.clone());
        released.or_else(|| self.facts.lost_from.clone())
    }

    /// A group that is active, or is to become so, on a server: leave it?
    fn held(&self, stay: Stay<'_>) -> Verdict {
        if !self.view.servers.get(stay.server).is_some_and(|server| server.member) {
            // No order reaches it; the view that is being made without it will tell.
            return wait(WaitingOn::Takeover);
        }
        if self.view.hold == Some(Hold::Shutdown) {
            return stop(OrderReason::ClusterShutdown);
        }
        let on = match &self.facts.intent.desired {
            Desired::Stopped { .. } => return stop(OrderReason::Stopped),
            Desired::Automatic => None,
            Desired::Running { on } => on.as_ref(),
        };
        if let Condition::Failed { wants: Wants::Stop, .. } = stay.condition {
            return stop(OrderReason::Stopped);
        }
        if let Some(verdict) = self.leave_kept_out(stay) {
            return verdict;
        }
        if let Some(target) = on.filter(|target| *target != stay.server) {
            return match unavailable(self.view, stay.group, target) {
                None => stop(OrderReason::Moved),
                Some(why) => wait(WaitingOn::Target(target.clone(), why)),
            };
        }
        if self.restart_wanted(stay) {
            return stop(OrderReason::Restarted);
        }
        if stay.order.is_nobodys() {
            // A new run of the agent found it and only holds it; with an order it completes it.
            let server = stay.server.clone();
            return Verdict::Run { server, reason: OrderReason::Adopted, previous: None };
        }
        match stay.condition {
            Condition::Starting => wait(WaitingOn::Activation(stay.server.clone())),
            Condition::Online => self.online(stay),
            Condition::Failed { reason, message, wants } => match wants {
                Wants::Nothing => {
                    wait(WaitingOn::Failed { reason: reason.into(), message: message.into() })
                }
                Wants::Failover => self.fail_over(stay, message),
                Wants::Stop => stop(OrderReason::Stopped),
            },
        }
    }

    /// A detached server gives up everything; a failed one what another server can take.
    fn leave_kept_out(&self, stay: Stay<'_>) -> Option<Verdict> {
        let kept = self.view.servers.get(stay.server)?.kept_out.as_ref()?;
        match kept.out {
            Out::Detached => Some(stop(OrderReason::Detached)),
            Out::Failed => Some(match another(self.view, stay.group, self.facts, stay.server) {
                Some(_) => stop(OrderReason::FailedOver),
                None => wait(WaitingOn::NoOtherServer(format!("{} {}", stay.server, kept.message))),
            }),
            Out::Ailing if stay.group.failover == Automation::Manual => None,
            Out::Ailing => another(self.view, stay.group, self.facts, stay.server)
                .map(|_| stop(OrderReason::FailedOver)),
            Out::Unfit => None,
        }
    }

    /// The run that was to end has not ended yet. An adopted run may be that very one.
    fn restart_wanted(&self, stay: Stay<'_>) -> bool {
        self.facts
            .intent
            .restart
            .as_ref()
            .is_some_and(|order| order == stay.order || stay.reason == OrderReason::Adopted)
    }

    /// The holder asks for another server.
    fn fail_over(&self, stay: Stay<'_>, message: &str) -> Verdict {
        if stay.group.failover == Automation::Manual {
            return wait(WaitingOn::FailedFailoverManual(message.into()));
        }
        if let Some(refusal) = self.facts.refused.get(stay.server) {
            let (failovers_max, on_failure) =
                activation_limits(stay.group, refusal.resource.as_ref());
            if self.facts.activation_failovers >= failovers_max {
                return match on_failure {
                    ActivationFailure::StopGroup => stop(OrderReason::Stopped),
                    ActivationFailure::Stop | ActivationFailure::Continue => {
                        wait(WaitingOn::ActivationFailoversUsed {
                            count: self.facts.activation_failovers,
                            message: message.into(),
                        })
                    }
                };
            }
        }
        if another(self.view, stay.group, self.facts, stay.server).is_none() {
            return wait(WaitingOn::NoOtherServer(message.into()));
        }
        match self.damped() {
            Some((count, window)) => {
                wait(WaitingOn::FailoverDamped { count, window, message: message.into() })
            }
            None => stop(OrderReason::FailedOver),
        }
    }

    /// All is well where it is; go back?
    fn online(&self, stay: Stay<'_>) -> Verdict {
        let back = stay.group.failback == Automation::Automatic
            && better(self.view, stay.group, self.facts, stay.server).is_some();
        if back {
            return match self.damped() {
                Some((count, window)) => wait(WaitingOn::FailoverDamped {
                    count,
                    window,
                    message: "a server earlier in its policy is back".into(),
                }),
                None => stop(OrderReason::FailedBack),
            };
        }
        if !stay.group.servers.contains(stay.server) {
            return wait(WaitingOn::OutsidePolicy(stay.server.clone()));
        }
        Verdict::Stay
    }

    /// The count and window, where no further automatic failover is allowed.
    fn damped(&self) -> Option<(usize, Duration)> {
        let cluster = &self.view.model.cluster;
        let window = cluster.failover_window;
        let count = self.recent(window).count();
        let failovers_max = usize::try_from(cluster.failovers_max).unwrap_or(usize::MAX);
        (count >= failovers_max).then_some((count, window))
    }

    fn recent(&self, window: Duration) -> impl Iterator<Item = Instant> + '_ {
        let now = self.view.now;
        self.facts.failovers.iter().copied().filter(move |at| now.since(*at) < window)
    }

    /// When a damped group may fail over again.
    pub fn damped_until(&self) -> Option<Instant> {
        let window = self.view.model.cluster.failover_window;
        self.recent(window).min().map(|oldest| oldest + window)
    }
}

/// The limits of the resource that failed; of all resources, the most patient and the mildest,
/// where it isn't known which did.
fn activation_limits(
    group: &GroupModel,
    failed: Option<&crate::api::names::ResourceName>,
) -> (u32, ActivationFailure) {
    if let Some(resource) = failed.and_then(|name| group.resources.get(name)) {
        let activation = &resource.spec.activation;
        return (activation.failovers, activation.on_failure);
    }
    let failovers_max = group.resources.values().map(|resource| resource.spec.activation.failovers);
    (failovers_max.max().unwrap_or(0), ActivationFailure::Stop)
}

/// Why a group starts, after it was stopped for a reason.
fn reason_after(stopped: OrderReason) -> OrderReason {
    match stopped {
        OrderReason::Stopped
        | OrderReason::Deleted
        | OrderReason::Started
        | OrderReason::DualActivation => OrderReason::Started,
        OrderReason::Startup | OrderReason::ClusterShutdown => OrderReason::Startup,
        OrderReason::Moved => OrderReason::Moved,
        OrderReason::FailedOver | OrderReason::Adopted => OrderReason::FailedOver,
        OrderReason::FailedBack => OrderReason::FailedBack,
        OrderReason::Restarted => OrderReason::Restarted,
        OrderReason::Detached => OrderReason::Detached,
    }
}

fn started_or(ran: bool) -> OrderReason {
    if ran { OrderReason::FailedOver } else { OrderReason::Started }
}

fn wait(waiting: WaitingOn) -> Verdict {
    Verdict::Wait(waiting)
}

fn stop(reason: OrderReason) -> Verdict {
    Verdict::Stop { reason }
}
