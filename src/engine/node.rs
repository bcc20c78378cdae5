//! One server's engine: everything composed, one input at a time.
//!
//! Decides nothing itself: it hands each input to the part that does, first making sure that no
//! part acts on a lease that time has ended. It fails towards isolation: without a live lease it
//! starts nothing and has the keeper end what runs.

mod admitting;
mod candidacy;
#[cfg(feature = "simulate")]
pub(super) mod deciding;
mod disk;
mod election;
mod events;
mod fencing;
mod following;
mod guarding;
mod heartbeat;
mod histories;
mod impatience;
mod installing;
mod leading;
mod observing;
mod operating;
mod orders;
mod pausing;
mod power;
mod resetting;
mod retiming;
mod running;
mod shutdown;
mod storing;
mod surplus;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::durable::{Durable, Identity};
use super::effect::{Effect, Record, WriteError};
use super::group::Groups;
use super::ids::{ActionId, ActionIds, BootId, GrantId, Revision, Term};
use super::input::Input;
use super::membership::liveness::Liveness;
use super::membership::proposal::{PreVoteRound, Proposal};
use super::membership::support::Support;
use super::membership::view::{Lease, View};
use super::message::Message;
use super::model::{Arbiter, CompileError, Model, ObjectKey, StoredObject, compile};
use super::mutation::{Flaw, flawed};
use super::observe::Since;
use super::recovery::Monitors;
use super::time::{Instant, Now};
use crate::api::names::{GroupName, PathName, ServerName};
use crate::api::timing::Timing;

use candidacy::Candidacy;
use disk::Disk;
use events::Chronicle;
use fencing::Fences;
use guarding::Guarding;
use leading::Leadership;
use operating::Intents;
use pausing::Pausing;
use retiming::Retiming;
use storing::Store;

/// The engine of one server.
#[derive(Clone, Debug)]
pub struct Engine {
    flaw: Flaw,
    identity: Identity,
    now: Now,
    boot: Instant,
    durable: Durable,
    model: Arc<Model>,
    /// The objects that `model` was made of.
    compiled_from: Vec<(ObjectKey, StoredObject)>,
    /// The highest term promised; on disk once `durable.promised` equals it.
    promised: Term,
    /// A restarted server follows nobody until it promises anew (A3).
    must_rejoin: bool,
    /// The highest term promised to another than the proposer of `promised`, or before this run:
    /// no view below it is followed any more, whoever leads it. Its proposer counts on that.
    promised_to_others: Term,
    liveness: Liveness,
    support: Support,
    view: Option<View>,
    lease: Lease,
    /// When the last renewal was accepted.
    renewed: Option<Instant>,
    /// The last renewal answered: from which run, and its stamp.
    answered: Option<(BootId, Instant)>,
    pre_vote: Option<PreVoteRound>,
    candidacy: Candidacy,
    pre_vote_rounds: u64,
    proposal: Option<Proposal>,
    leadership: Option<Leadership>,
    store: Store,
    groups: Groups,
    monitors: Monitors,
    fences: Fences,
    keeper: Option<bool>,
    guarding: Guarding,
    retiming: Retiming,
    pausing: Pausing,
    retired: bool,
    /// Its keeper is about to end: everything here is being stopped, in order.
    closing: bool,
    /// A final action took this server out: it takes part no more in this run.
    out_of_service: bool,
    /// The cluster ends on purpose: when this server does.
    ends_at: Option<Instant>,
    /// It has.
    shut_down: bool,
    /// Messages sent on every path so far.
    sent: u64,
    /// The arbiter asked is exclusive, whatever its type says.
    exclusive: bool,
    /// The highest term that an arbiter's record held.
    recorded_term: Option<Term>,
    /// The newest revision that an arbiter's record named, where no member of the view has it.
    missed: Option<Revision>,
    /// The lease's end was carried out, and no renewal came since.
    isolated: bool,
    /// Start-up was over in a view that this run has left: it does not begin anew for a server that
    /// was cut off.
    was_started: bool,
    /// Members of the last view followed or led, and those that it does without and are not lost yet.
    last_members: Vec<ServerName>,
    /// The latest order taken about each group, in this run.
    orders_taken: BTreeMap<GroupName, GrantId>,
    intents: Intents,
    report_version: u64,
    report_sent: Option<(u64, Instant)>,
    report_seen: u64,
    groups_seen: u64,
    versions_told: (u64, u64),
    next_tick: Instant,
    ids: ActionIds,
    awaiting_disk: BTreeMap<ActionId, AfterPersist>,
    disk: Disk,
    /// What was said last of the arbiter's answers.
    arbitration_said: (&'static str, String),
    effects: VecDeque<Effect>,
    chronicle: Chronicle,
    since: Since,
}

/// What goes on once a record is on disk.
#[derive(Clone, Debug)]
enum AfterPersist {
    Promise { to: ServerName, term: Term, members: Vec<ServerName>, record: Record },
    Propose { term: Term, record: Record },
    SelfFence { record: Record },
    Store { term: Term, leader: ServerName, record: Record },
    FinalAction { action: super::effect::PowerAction, record: Record },
    Room { bytes: u64 },
}

impl Engine {
    /// The engine of a server whose agent starts now.
    ///
    /// # Errors
    /// When what is on disk does not make a spec.
    pub fn new(identity: Identity, durable: Durable, now: Now) -> Result<Self, CompileError> {
        let model = Arc::new(compile(&durable.objects)?);
        let cluster = &model.cluster;
        let mut liveness = Liveness::new(identity.server.clone(), cluster.timing.timeout);
        liveness.configure(&cluster.servers, &cluster.paths, cluster.timing.timeout);
        let mut engine = Self {
            flaw: Flaw::default(),
            now,
            boot: now.instant,
            promised: durable.promised.clone(),
            promised_to_others: durable.promised.clone(),
            must_rejoin: true,
            liveness,
            support: Support::new(now.instant),
            view: None,
            lease: Lease::default(),
            renewed: None,
            answered: None,
            pre_vote: None,
            candidacy: Candidacy::default(),
            pre_vote_rounds: 0,
            proposal: None,
            leadership: None,
            store: Store::new(durable.revision),
            groups: Groups::new(identity.server.clone(), ActionIds::strided(1, GIVERS)),
            monitors: Monitors::new(identity.server.clone(), ActionIds::strided(2, GIVERS)),
            fences: Fences::default(),
            keeper: None,
            guarding: Guarding::default(),
            retiming: Retiming::new(cluster.timing),
            pausing: Pausing::new(durable.self_fence_of.get(&identity.server).copied()),
            retired: false,
            closing: false,
            out_of_service: false,
            ends_at: None,
            shut_down: false,
            sent: 0,
            exclusive: false,
            recorded_term: None,
            missed: None,
            isolated: false,
            was_started: false,
            last_members: Vec::new(),
            orders_taken: BTreeMap::new(),
            intents: Intents::default(),
            report_version: 1,
            report_sent: None,
            report_seen: 0,
            groups_seen: 0,
            versions_told: (0, 0),
            next_tick: now.instant,
            ids: ActionIds::strided(0, GIVERS),
            awaiting_disk: BTreeMap::new(),
            disk: Disk::default(),
            arbitration_said: Default::default(),
            effects: VecDeque::new(),
            chronicle: Chronicle::new(identity.server.clone()),
            since: Since::default(),
            compiled_from: Vec::new(),
            identity,
            durable,
            model,
        };
        engine.read_intents();
        engine.recall_times();
        engine.adopt_model();
        Ok(engine)
    }

    /// The arbiter that is asked is a lease, whatever its type says: for the simulator, as long as
    /// no type of arbiter is one.
    pub fn assume_exclusive_arbiter(&mut self) {
        self.exclusive = true;
        let mut model = (*self.model).clone();
        model.cluster.arbiter = self.arbiter_in_force(model.cluster.arbiter);
        self.model = Arc::new(model);
        self.adopt_model();
    }

    /// Breaks a rule on purpose: for the simulator, which has to notice.
    #[cfg(feature = "simulate")]
    pub fn break_on_purpose(&mut self, flaw: Flaw) {
        self.flaw = flaw;
        self.groups.break_on_purpose(flaw);
        self.monitors.break_on_purpose(flaw);
        if flawed!(flaw, RestartRejoins) {
            self.must_rejoin = false;
        }
        if flawed!(flaw, BootAgesForgotten) {
            self.support = Support::new(Instant::default());
        }
    }

    /// What decides how it goes on, for whoever explores states.
    #[cfg(feature = "simulate")]
    #[must_use]
    pub fn deciding(&self) -> deciding::Deciding<'_> {
        deciding::Deciding(self)
    }

    fn arbiter_in_force(&self, arbiter: Arbiter) -> Arbiter {
        match arbiter {
            Arbiter::External { exclusive } => {
                Arbiter::External { exclusive: exclusive || self.exclusive }
            }
            Arbiter::Majority | Arbiter::MajorityAndExternal | Arbiter::None => arbiter,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        let slept = now.instant.since(self.now.instant);
        self.now = Now { instant: now.instant.max(self.now.instant), wall: now.wall };
        self.expire_lease();
        // It ticks each interval: whoever did not for so long was frozen, or had no processor.
        if slept > self.timing().interval * 3 {
            self.liveness.overslept(slept);
        }
        match input {
            Input::Timer => {}
            Input::Received { path, envelope } => self.on_received(path.as_ref(), *envelope),
            Input::Persisted { id, result } => self.on_persisted(id, result),
            Input::Verdict { id, answer } => self.on_verdict(id, &answer),
            Input::ResourceDone { id, outcome } => {
                self.groups.on_resource_done(self.now, id, outcome);
            }
            Input::ResourceFailed { resource, message } => {
                self.groups.on_resource_failed(self.now, &resource, message);
            }
            Input::Checked { id, result, message } => {
                self.monitors.on_checked(self.now, id, result, message);
            }
            Input::ScriptDone { id, exit_code } => {
                self.monitors.on_script_done(self.now, id, exit_code);
            }
            Input::FenceDone { id, answer, message } => self.on_fence_done(id, answer, &message),
            Input::Keeper { present } => self.on_keeper(present),
            Input::Guard(news) => self.on_guard(news),
            Input::Recalled { text } => self.groups.recall_settings(&text),
            Input::ServicesEnded => self.groups.probe_again(self.now),
            Input::Write { id, after, changes } => self.on_write(id, after, changes),
            Input::Close => self.close(),
            Input::Retire => {
                self.retired = true;
                self.send_heartbeats();
            }
        }
        self.advance();
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Engine::handle`] with `Input::Timer` at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lease = self.lease_length();
        [
            Some(self.next_tick),
            self.lease.until(lease),
            self.liveness.next_expiry(),
            self.groups.poll_timeout(),
            self.monitors.poll_timeout(),
            self.next_freedom(),
            self.fences.next_due(),
        ]
        .into_iter()
        .flatten()
        .min()
        // What is already due waits for the next tick at most: never a busy loop.
        .map(
            |at| {
                if at <= self.now.instant { self.now.instant + MINIMUM_WAIT } else { at }
            },
        )
    }

    /// Who this engine is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it has on disk.
    #[must_use]
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// The spec it works with.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The view it follows, if any.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// Until when it may act, if it may.
    #[must_use]
    pub fn lease_until(&self) -> Option<Instant> {
        self.lease.until(self.lease_length()).filter(|until| self.now.instant < *until)
    }

    /// Whether it leads an installed view and may act.
    #[must_use]
    pub fn leading(&self) -> bool {
        self.leadership.is_some() && self.lease_live()
    }

    /// Whether the agent is to end: everything was stopped that `Input::Close` asked for, or the
    /// cluster was shut down.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.shut_down || self.closing && self.not_certainly_stopped().is_empty()
    }

    fn close(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        self.report_version += 1;
        if let Some(leadership) = &mut self.leadership {
            leadership.dirty = true;
        }
        self.event_about_me("ServerClosing", &[], &[]);
        self.groups.close(self.now);
    }

    /// Lets time and everything that waited take their course.
    fn advance(&mut self) {
        let changes = self.liveness.expire(self.now);
        self.on_liveness(changes);
        self.groups.handle_timeout(self.now);
        self.monitors.handle_timeout(self.now);
        if self.now.instant >= self.next_tick {
            self.next_tick = self.now.instant + self.tick_interval() + self.tick_slack();
            self.tick();
        }
        self.consider_end();
        self.consider_view();
        self.lead_on();
        self.run_on();
        self.consider_watchdog();
    }

    fn tick(&mut self) {
        self.consider_times();
        self.consider_pause();
        self.send_heartbeats();
        self.lead_tick();
        self.check_fences();
        self.store_tick();
        self.disk_tick();
        self.note_own_disk();
    }

    fn me(&self) -> &ServerName {
        &self.identity.server
    }

    fn timing(&self) -> Timing {
        self.model.cluster.timing
    }

    fn lease_live(&self) -> bool {
        self.lease.live(self.now.instant, self.lease_length())
    }

    /// Sends to the run of the peer's agent that speaks now.
    fn send(&mut self, to: &ServerName, message: Message) {
        let to_boot = self.liveness.peer(to).and_then(|peer| peer.boot);
        self.sent += 1;
        let (to, number) = (to.clone(), self.sent);
        self.effects.push_back(Effect::Send { to, to_boot, path: None, number, message });
    }

    fn send_on(&mut self, to: &ServerName, path: &PathName, message: Message) {
        let (to, path) = (to.clone(), Some(path.clone()));
        self.effects.push_back(Effect::Send { to, to_boot: None, path, number: 0, message });
    }

    fn persist(&mut self, record: Record, after: AfterPersist) {
        let id = self.ids.next_id();
        self.awaiting_disk.insert(id, after);
        self.disk.asked(self.now.instant, id);
        self.effects.push_back(Effect::Persist { id, record });
    }

    fn on_persisted(&mut self, id: ActionId, result: Result<(), String>) {
        self.disk.answered(id);
        let Some(after) = self.awaiting_disk.remove(&id) else {
            return;
        };
        if let Err(error) = result
            && !flawed!(self.flaw, FailedWriteIsDone)
        {
            self.note_disk_error(&after, &error);
            self.on_persist_failed(after, &error);
            return;
        }
        self.note_disk_works(after.bytes());
        match after {
            AfterPersist::Promise { to, term, members, record } => {
                self.durable.apply(&record);
                self.on_promised(&to, &term, &members);
            }
            AfterPersist::Propose { term, record } => {
                self.durable.apply(&record);
                self.on_proposed(&term);
            }
            AfterPersist::SelfFence { record } => self.durable.apply(&record),
            AfterPersist::Store { term, leader, record } => {
                self.durable.apply(&record);
                self.on_stored(&term, &leader);
            }
            AfterPersist::FinalAction { action, record } => {
                self.durable.apply(&record);
                self.end_machine(action);
            }
            AfterPersist::Room { .. } => {}
        }
    }

    /// Nothing that depended on the record goes on; whoever asked for it asks again.
    fn on_persist_failed(&mut self, after: AfterPersist, error: &str) {
        match after {
            AfterPersist::Promise { term, .. } => {
                if self.promised == term {
                    self.promised = self.durable.promised.clone();
                }
            }
            AfterPersist::Propose { term, .. } => {
                if self.promised == term {
                    self.promised = self.durable.promised.clone();
                }
                self.proposal = self.proposal.take().filter(|proposal| proposal.term != term);
                self.propose_later();
            }
            AfterPersist::SelfFence { .. } | AfterPersist::Room { .. } => {}
            AfterPersist::Store { term, leader, .. } => {
                self.on_store_failed(&term, &leader, error);
            }
            // A machine that can't write is ended all the same: the guard forgets one.
            AfterPersist::FinalAction { action, .. } => {
                self.end_machine(action);
            }
        }
    }

    fn write_done(&mut self, id: ActionId, result: Result<Revision, WriteError>) {
        self.effects.push_back(Effect::WriteDone { id, result });
    }
}

/// The node, the groups and the monitors give action ids.
const GIVERS: u64 = 3;

/// Shortest time until the next timer: a deadline that is due but waits for another input must not
/// make the shell spin.
const MINIMUM_WAIT: std::time::Duration = std::time::Duration::from_millis(1);
