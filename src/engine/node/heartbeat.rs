//! Heartbeats out, packets in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AfterPersist, Engine};
use crate::api::kinds::PartitionAction;
use crate::api::names::{PathName, ServerName};
use crate::engine::effect::Record;
use crate::engine::ids::BootId;
use crate::engine::membership::liveness::Change;
use crate::engine::message::{DiskHealth, Envelope, Heartbeat, Message, SelfFence};

impl Engine {
    pub(super) fn send_heartbeats(&mut self) {
        let paths = self.model.cluster.paths.clone();
        let hears: Arc<[ServerName]> = self.liveness.heard().cloned().collect();
        let new = self.is_stranger(self.me());
        let peers: Vec<ServerName> = self.liveness.peers().map(|(name, _)| name.clone()).collect();
        for peer in &peers {
            for path in &paths {
                let heartbeat = Heartbeat {
                    path: path.clone(),
                    sent: self.now.instant,
                    echo: self.liveness.echo(self.now.instant, peer, path),
                    hears: hears.clone(),
                    hears_you: self.liveness.hears_on(peer, path),
                    incarnation: self.identity.incarnation,
                    view: self.view.as_ref().filter(|_| self.lease_live()).map(|view| view.id()),
                    promised: self.durable.promised.clone(),
                    revision: self.durable.revision,
                    self_fence: self.self_fence(),
                    watchdog: self.watchdog_guards(),
                    your_self_fence: self.durable.self_fence_of.get(peer).copied(),
                    resigns: self.resigns(self.me()),
                    pause: self.pause_told(),
                    disk: if new { DiskHealth::New } else { self.disk.health },
                    wall: self.now.wall,
                    version: self.identity.version.clone(),
                    retiring: self.retired,
                };
                self.send_on(peer, path, Message::Heartbeat(Box::new(heartbeat)));
            }
        }
    }

    pub(super) fn on_received(&mut self, path: Option<&PathName>, envelope: Envelope) {
        let Envelope { from, boot, to, to_boot, number, message } = envelope;
        let foreign = to != *self.me()
            || to_boot.is_some_and(|boot| boot != self.identity.boot)
            || !self.liveness.accepts(&from, boot);
        if foreign {
            return;
        }
        if let Message::Ended(ended) = message {
            self.on_ended(&from, ended.boot);
            return;
        }
        let changes = self.liveness.on_packet(self.now, &from, boot, path);
        self.on_liveness(changes);
        // A large message comes over one stream, and may have been overtaken by many small ones.
        if path.is_some() && !self.liveness.is_first_copy(&from, number) {
            return;
        }
        match message {
            Message::Heartbeat(heartbeat) => self.on_heartbeat(&from, &heartbeat),
            Message::PreVote(ask) => self.on_pre_vote(&from, &ask),
            Message::PreVoteReply(reply) => self.on_pre_vote_reply(&from, &reply),
            Message::Propose(propose) => self.on_propose(&from, &propose),
            Message::Promise(promise) => self.on_promise(&from, *promise),
            Message::Nack(nack) => self.on_nack(&from, &nack),
            Message::Renew(renew) => self.on_renew(&from, boot, *renew),
            Message::Ack(ack) => self.on_ack(&from, boot, *ack),
            Message::StoreAppend(append) => self.on_store_append(&from, append),
            Message::StoreSnapshot(snapshot) => self.on_store_snapshot(&from, snapshot),
            Message::StoreAppended(appended) => self.on_store_appended(&from, &appended),
            Message::StoreFetch(fetch) => self.on_store_fetch(&from, &fetch),
            Message::Report(report) => self.on_report(&from, *report),
            // Handled above: a farewell is no sign of life.
            Message::Ended(_) => {}
        }
    }

    fn on_heartbeat(&mut self, from: &ServerName, heartbeat: &Heartbeat) {
        let disk = self.liveness.disk(from);
        let newest = self.liveness.is_newest(from, heartbeat.sent);
        let changes = self.liveness.on_heartbeat(self.now, from, heartbeat);
        self.on_liveness(changes);
        if newest {
            self.note_known_self_fence(from, heartbeat.your_self_fence);
        }
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty |= self.liveness.disk(from) != disk;
        }
        let known = self.durable.self_fence_of.get(from);
        let member = self.view.as_ref().is_some_and(|view| view.members.contains(from));
        // A larger one counts at once (`None` is the largest: nothing ends its services by itself),
        // a smaller one only from a member of the installed view: that one lives by our renewals.
        let news = known.is_none_or(|known| {
            heartbeat.self_fence > *known || member && newest && heartbeat.self_fence < *known
        });
        if news {
            let pending = self.awaiting_disk.values().any(|after| {
                matches!(after, AfterPersist::SelfFence { record: Record::SelfFence(server, _) }
                    if server == from)
            });
            if !pending {
                let record = Record::SelfFence(from.clone(), heartbeat.self_fence);
                self.persist(record.clone(), AfterPersist::SelfFence { record });
            }
        }
    }

    fn on_ended(&mut self, from: &ServerName, boot: BootId) {
        let changes = self.liveness.on_ended(self.now, from, boot);
        if changes.is_empty() && self.liveness.peer(from).is_none_or(|p| p.ended != Some(boot)) {
            return;
        }
        if !changes.is_empty() {
            let about = [("server", from.as_str())];
            let number = self.event("Server", from.as_str(), "AgentEnded", &about, &[]);
            self.chronicle.remember(&format!("lost/{from}"), number);
        }
        if let Some(leadership) = &mut self.leadership
            && let Some(absent) = leadership.lead.absent.get_mut(from)
        {
            absent.ended = Some(boot);
            leadership.dirty = true;
        }
        self.on_liveness(changes);
    }

    pub(super) fn on_liveness(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Heard(server) => {
                    let name = server.as_str();
                    self.event("Server", name, "ServerHeard", &[("server", name)], &[]);
                }
                Change::Lost(server) => self.note_lost(&server),
                Change::Restarted(server) => {
                    let name = server.as_str();
                    self.event("Server", name, "AgentRestarted", &[("server", name)], &[]);
                }
                Change::PathUp(server, path) => self.note_path(&server, &path, "PathRestored"),
                Change::PathLost(server, path) => self.note_path(&server, &path, "PathLost"),
            }
            self.report_version += 1;
        }
    }

    fn note_lost(&mut self, server: &ServerName) {
        let timeout = format!("{:?}", self.timing().timeout);
        let paths: Vec<&str> = self.model.cluster.paths.iter().map(PathName::as_str).collect();
        let paths = paths.join(", ");
        let name = server.as_str();
        let parameters = [("server", name), ("paths", &*paths), ("timeout", &*timeout)];
        let ended = self.chronicle.recall(&format!("lost/{server}"));
        let already = self.liveness.peer(server).is_some_and(|peer| peer.ended == peer.boot);
        if already && ended.is_some() {
            return;
        }
        let number = self.event("Server", name, "ServerLost", &parameters, &[]);
        self.chronicle.remember(&format!("lost/{server}"), number);
        self.note_lost_outsider(server);
    }

    fn note_path(&mut self, server: &ServerName, path: &PathName, reason: &str) {
        let parameters = [("server", server.as_str()), ("path", path.as_str())];
        self.event("Server", server.as_str(), reason, &parameters, &[]);
    }

    /// Live servers that may be members, this one included, with the runs of their agents.
    pub(super) fn live_members(&self) -> BTreeMap<ServerName, BootId> {
        let mut members = BTreeMap::new();
        members.extend(self.each_live_member().map(|(server, boot)| (server.clone(), boot)));
        members
    }

    /// Whether they are just these. One that stands still as it announced is in neither.
    pub(super) fn live_members_are(&self, known: &BTreeMap<ServerName, BootId>) -> bool {
        let pauses = |server: &&ServerName| self.liveness.pauses(self.now.instant, server);
        let known_now = known.len() - known.keys().filter(pauses).count();
        let mut count = 0;
        self.each_live_member().all(|(server, boot)| {
            count += 1;
            known.get(server) == Some(&boot)
        }) && count == known_now
    }

    fn each_live_member(&self) -> impl Iterator<Item = (&ServerName, BootId)> {
        self.model.cluster.servers.iter().filter_map(|server| {
            if server == self.me() {
                return Some((server, self.identity.boot));
            }
            let lives = self.liveness.alive(server)
                && !self.liveness.pauses(self.now.instant, server)
                && !self.liveness.leaves(server)
                && !self.is_stranger(server)
                && !self.goes_without(server);
            let boot = self.liveness.peer(server).and_then(|peer| peer.boot);
            boot.filter(|_| lives).map(|boot| (server, boot))
        })
    }

    /// The largest `selfFence` that a server is known to have advertised, here or by promises.
    pub(super) fn self_fence_known(&self, server: &ServerName) -> SelfFence {
        // Of one that was not heard yet: what it will say, as far as the spec tells.
        let derived = match self.model.cluster.on_partition {
            PartitionAction::Nothing => SelfFence::None,
            PartitionAction::StopGroups
            | PartitionAction::Shutdown
            | PartitionAction::Reboot
            | PartitionAction::Panic => SelfFence::Within(self.times_told().self_fence),
        };
        self.durable.self_fence_of.get(server).copied().unwrap_or(derived)
    }
}
