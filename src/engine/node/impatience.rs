//! Views without a server that fell silent, where another's new agent waits for one.
//!
//! A server whose agent was replaced is a member again with the next view only; until then what it
//! runs lives on a lease that its former agent got. Everybody who is proposed has to promise, and one
//! that has just lost power counts as alive for a time-out: longer than that lease lasts.

use super::Engine;
use crate::api::names::ServerName;
use crate::engine::placement::Holder;

/// Intervals of silence on every path after which a view can do without a server: more than a
/// network that loses a packet now and then has.
const SILENT_INTERVALS: u32 = 3;

impl Engine {
    /// Whether the next view does without a server that counts as alive still. Where one that is
    /// absent is fenced there is none: it may have lost a few packets only.
    pub(super) fn goes_without(&self, server: &ServerName) -> bool {
        let Some(leadership) = &self.leadership else { return false };
        let allowed = self.timing().interval * SILENT_INTERVALS;
        let silence = self.liveness.silence(self.now.instant, server);
        if self.model.cluster.fencing.is_some() || silence.is_none_or(|silence| silence < allowed) {
            return false;
        }
        let proposed =
            self.proposal.as_ref().is_some_and(|proposal| proposal.members.contains_key(server));
        let awaited = proposed || leadership.lead.members.contains_key(server);
        !awaited || self.holder_returns()
    }

    /// Whether a member that holds a group has a new agent.
    fn holder_returns(&self) -> bool {
        let Some(leadership) = &self.leadership else { return false };
        let returns = |server: &ServerName| {
            let former = leadership.lead.members.get(server);
            let present = self.liveness.peer(server).and_then(|peer| peer.boot);
            former.is_some() && present.is_some() && former != present.as_ref()
        };
        leadership.groups.values().any(|facts| match &facts.holder {
            Holder::Held { server, .. } => returns(server),
            Holder::Free | Holder::Unknown => false,
        })
    }

    /// A leader has lost a server for good that its view did without before: it failed like any
    /// other.
    pub(super) fn note_lost_outsider(&mut self, server: &ServerName) {
        let outside = self.view.as_ref().is_some_and(|view| !view.members.contains(server));
        let position = self.last_members.iter().position(|name| name == server);
        if let Some(position) = position.filter(|_| outside && self.leadership.is_some()) {
            let lost = self.last_members.swap_remove(position);
            self.mark_failed_servers(&[lost]);
        }
    }
}
