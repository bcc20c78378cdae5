//! Faults that wait for a moment at which a server is in the middle of something.

use std::time::Duration;

use super::{Happening, World};
use crate::engine::effect::{Effect, FenceAction, ResourceAction};
use crate::engine::message::Message;
use crate::sim::checkers::Violation;
use crate::sim::clock::TrueTime;
use crate::sim::faults::FaultKind;
use crate::sim::node::Node;

/// What a server is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Something is on its way to the disk.
    Persisting,
    /// A view is proposed.
    Proposing,
    /// A view is promised.
    Promising,
    /// A view was installed: a takeover is waited for.
    Installed,
    /// A resource is being started.
    Starting,
    /// A resource is being stopped.
    Stopping,
    /// The arbiter is asked.
    Asking,
    /// A store is copied.
    Filling,
    /// A server is fenced.
    Fencing,
    /// A lost server was found to be free.
    Freed,
}

const MOMENTS: [Moment; 10] = [
    Moment::Persisting,
    Moment::Proposing,
    Moment::Promising,
    Moment::Installed,
    Moment::Starting,
    Moment::Stopping,
    Moment::Asking,
    Moment::Filling,
    Moment::Fencing,
    Moment::Freed,
];

impl Moment {
    /// The moment that an effect is.
    fn of(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::Persist { .. } => Some(Self::Persisting),
            Effect::AskArbiter { .. } => Some(Self::Asking),
            Effect::Resource { action: ResourceAction::Start, .. } => Some(Self::Starting),
            Effect::Resource { action: ResourceAction::Stop, .. } => Some(Self::Stopping),
            Effect::Fence { action: FenceAction::Off, .. } => Some(Self::Fencing),
            Effect::Event(event) if event.reason == "ServerFree" => Some(Self::Freed),
            Effect::Send { message, .. } => match message {
                Message::Propose(_) => Some(Self::Proposing),
                Message::Promise(_) => Some(Self::Promising),
                Message::StoreFetch(_) | Message::StoreSnapshot(_) => Some(Self::Filling),
                Message::Heartbeat(_)
                | Message::PreVote(_)
                | Message::PreVoteReply(_)
                | Message::Nack(_)
                | Message::Renew(_)
                | Message::Ack(_)
                | Message::StoreAppend(_)
                | Message::StoreAppended(_)
                | Message::Report(_)
                | Message::Ended(_) => None,
            },
            Effect::Lease { .. }
            | Effect::Resource { .. }
            | Effect::Check { .. }
            | Effect::RecoveryScript { .. }
            | Effect::Fence { .. }
            | Effect::Cancel { .. }
            | Effect::Power { .. }
            | Effect::Watchdog { .. }
            | Effect::KeepAside { .. }
            | Effect::Event(_)
            | Effect::Remember { .. }
            | Effect::WriteDone { .. } => None,
        }
    }
}

/// A fault that waits.
#[derive(Clone, Debug)]
pub(super) struct Ambush {
    moment: Moment,
    kind: FaultKind,
    until: TrueTime,
}

impl<N: Node> World<N> {
    /// A fault waits for a moment, or for the end of a lease that is not renewed any more.
    pub(super) fn aim(&mut self, kind: FaultKind) -> Result<(), Violation> {
        let moment = self.randoms.faults.pick(&MOMENTS).copied();
        match moment.filter(|_| !self.randoms.faults.chance(250)) {
            Some(moment) => {
                let until = self.now + self.options.fault_gap * 4;
                self.ambush = Some(Ambush { moment, kind, until });
                Ok(())
            }
            None => self.aim_at_the_end_of_a_lease(kind),
        }
    }

    fn aim_at_the_end_of_a_lease(&mut self, kind: FaultKind) -> Result<(), Violation> {
        let victim = self.draw_victim();
        let isolates = [FaultKind::Isolate, FaultKind::Mute, FaultKind::Split];
        let Some(isolate) = self.randoms.faults.pick(&isolates).copied() else { return Ok(()) };
        let Some(until) = self.machines[victim].keeper.lease else { return Ok(()) };
        let edge = self.machines[victim].clock.when(until);
        let interval = self.options.timing().interval;
        let shortest = [Duration::from_millis(2), interval / 2, interval * 2];
        let span = *self.randoms.faults.pick(&shortest).unwrap_or(&interval);
        let early = self.randoms.faults.duration(Duration::ZERO, span * 2);
        let at = edge + span;
        let wait = (at - self.now).saturating_sub(early);
        self.after(wait, Happening::Ambushed { kind, server: victim });
        self.strike_at(isolate, victim)
    }

    /// Whatever waits for what a server does now strikes.
    pub(super) fn watch_moment(&mut self, server: usize, effect: &Effect) {
        if self.ambush.is_some() {
            self.at_moment(server, Moment::of(effect));
        }
    }

    /// A view was installed.
    pub(super) fn watch_installation(&mut self, server: usize) {
        if self.ambush.is_some() {
            self.at_moment(server, Some(Moment::Installed));
        }
    }

    fn at_moment(&mut self, server: usize, moment: Option<Moment>) {
        let now = self.now;
        self.ambush = self.ambush.take().filter(|ambush| now <= ambush.until);
        let meant = self.ambush.as_ref().filter(|ambush| Some(ambush.moment) == moment);
        let Some(kind) = meant.map(|ambush| ambush.kind) else { return };
        self.ambush = None;
        let random = &mut self.randoms.faults;
        let spans = [Duration::ZERO, self.options.disk_max, self.options.timing().interval];
        let span = *random.pick(&spans).unwrap_or(&Duration::ZERO);
        // Not at the very same time: what is played from a list comes before all that is due then.
        let delay = random.duration(Duration::from_nanos(1), span.max(Duration::from_nanos(1)));
        // Mostly whoever is in the middle of it.
        let victim = if random.chance(700) { server } else { self.draw_victim() };
        self.after(delay, Happening::Ambushed { kind, server: victim });
    }
}
