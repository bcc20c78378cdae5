//! Disks that remember what their server promised, and those that do not (design.md 6).
//!
//! The store names each server's state folder. A server that comes with another one (its disk was
//! replaced, or its state wiped) has forgotten promises and acknowledged changes: it is no member,
//! and so has no vote, before a view that was formed without it has written its new folder down
//! and filled its store. A folder older than the revision that names it was wiped as well. Where no
//! such view can form, only a person goes on (`stead cluster recover`).

use super::{Engine, leading::Leadership};
use crate::api::names::ServerName;
use crate::engine::ids::{IncarnationId, Revision};
use crate::engine::message::{Message, StoreSnapshot};
use crate::engine::mutation::flawed;
use crate::engine::placement::{DiskIntent, disk_intent_key};

/// Intervals between two fillings of the same server: the store may be large.
const FILL_INTERVALS: u32 = 5;

impl Engine {
    /// Whether a server's state folder is not the one that the store names, or was wiped since.
    pub(super) fn is_stranger(&self, server: &ServerName) -> bool {
        let Some((incarnation, revision)) = self.disk_known(server) else {
            return false;
        };
        let Some((known, at)) = self.intents.disks.get(server) else {
            return false;
        };
        // A member's heartbeat may be older than what it has just written.
        if flawed!(self.flaw, StrangersVote) {
            return false;
        }
        let follows = self.liveness.peer(server).is_some_and(|peer| peer.view.is_some());
        // A new disk has only what `init` wrote before it is filled, with what admits it: one that
        // has more was admitted by a view that this server was not in.
        let oldest = known.holds.unwrap_or(*at);
        known.incarnation != incarnation && revision <= *at || revision < oldest && !follows
    }

    fn disk_known(&self, server: &ServerName) -> Option<(IncarnationId, Revision)> {
        if server == self.me() {
            return Some((self.identity.incarnation, self.durable.revision));
        }
        let peer = self.liveness.peer(server)?;
        Some((peer.incarnation?, peer.revision))
    }

    /// Says once that this server waits to be admitted.
    pub(super) fn note_own_disk(&mut self) {
        let waits = self.is_stranger(self.me());
        if waits && !self.disk.stranger_told {
            let text = self.identity.incarnation.to_string();
            self.event_about_me("DiskUnknown", &[("incarnation", &text)], &[]);
        }
        self.disk.stranger_told = waits;
    }

    /// The leader writes down new state folders of servers outside its view, and fills them; and
    /// once those that members began with, so that they are known from copies of `init`'s folder.
    pub(super) fn admit_disks(&mut self) {
        if !self.leading() || self.proposal.is_some() {
            return;
        }
        for server in self.model.cluster.servers.clone() {
            let Some((incarnation, revision)) = self.disk_known(&server) else {
                continue;
            };
            let stranger = self.is_stranger(&server) && self.liveness.alive(&server);
            let member = self
                .leadership
                .as_ref()
                .is_some_and(|leadership| leadership.lead.members.contains_key(&server));
            let holds = self.certainly_on_disk(&server);
            match (member, self.intents.disks.get(&server).cloned()) {
                // A batch that names members and that not all of them have, because the leader was
                // lost with it, must make no stranger of any.
                (true, Some((known, at)))
                    if known.first && known.incarnation == incarnation && holds > Some(at) =>
                {
                    self.write_disk(&server, incarnation, holds, known.lost);
                }
                // A person had the cluster forget it (`stead cluster recover`).
                (true, None) if holds >= Some(self.store.committed()) => {
                    self.write_disk(&server, incarnation, holds, 1);
                }
                (false, Some((known, _))) if stranger && known.incarnation != incarnation => {
                    self.write_disk(&server, incarnation, None, known.lost.saturating_add(1));
                }
                (false, Some((_, at))) if stranger && revision < at => self.fill(&server),
                (true | false, _) => {}
            }
        }
    }

    fn write_disk(
        &mut self,
        server: &ServerName,
        incarnation: IncarnationId,
        holds: Option<Revision>,
        lost: u32,
    ) {
        let Some(Leadership { disks_written, lead, .. }) = &mut self.leadership else {
            return;
        };
        if disks_written.insert(server.clone(), incarnation) == Some(incarnation) {
            return;
        }
        if !lead.members.contains_key(server) {
            let text = incarnation.to_string();
            let parameters = [("server", server.as_str()), ("incarnation", text.as_str())];
            self.event("Server", server.as_str(), "DiskAdmitted", &parameters, &[]);
        }
        let intent = DiskIntent { incarnation, since: self.now.wall, first: false, holds, lost };
        self.write_intent(disk_intent_key(server), intent.json());
    }

    fn fill(&mut self, server: &ServerName) {
        let (now, patience) = (self.now.instant, self.timing().interval * FILL_INTERVALS);
        let Some(Leadership { filled, lead, .. }) = &mut self.leadership else {
            return;
        };
        if filled.get(server).is_some_and(|at| now.since(*at) < patience) {
            return;
        }
        filled.insert(server.clone(), now);
        let snapshot = StoreSnapshot {
            term: lead.term.clone(),
            revision: self.durable.revision,
            objects: self.durable.objects.clone(),
        };
        self.send(server, Message::StoreSnapshot(snapshot));
    }

    /// Whether a store from outside any view fills this server's: it knows our state folder, and
    /// there is no view that it could disturb.
    pub(super) fn is_filled_by(&self, snapshot: &StoreSnapshot) -> bool {
        let known = snapshot
            .objects
            .get(&disk_intent_key(self.me()))
            .and_then(|object| DiskIntent::read(&object.json));
        let ours = known.is_some_and(|known| known.incarnation == self.identity.incarnation);
        ours && self.view.is_none()
    }
}
