//! One engine among puppets: the shortest way to what only seeds had found.
//!
//! The engine is `node1` of three. The others are puppets that hear it, answer what it asks, and
//! say what the test has them say; packets take no time and none is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use stead::api::names::{GroupName, ServerName};
use stead::engine::Engine;
use stead::engine::durable::{Durable, Identity};
use stead::engine::effect::{Change, Effect, Expected, ResourceAction};
use stead::engine::ids::{ActionId, BootId, GrantId, IncarnationId, Revision, Term};
use stead::engine::input::{ArbiterAnswer, Input, Outcome, Verdict};
use stead::engine::message::{
    Ack, DiskHealth, Envelope, GroupPhase, Heartbeat, Held, Message, OrderAction, PreVoteReply,
    Promise, Renew, SelfFence, StoreAppended, Support,
};
use stead::engine::model::ObjectKey;
use stead::engine::mutation::{Flaw, Mutation};
use stead::engine::placement::{DiskIntent, disk_intent_key};
use stead::engine::time::{Instant, Now, WallTime};
use stead::sim::{ArbiterKind, Options, Stage};

const STEP: Duration = Duration::from_millis(10);
const ME: &str = "node1";

/// A server that does what it is told.
struct Puppet {
    boot: BootId,
    incarnation: IncarnationId,
    /// Its clock minus the engine's.
    ahead: Duration,
    silent: bool,
    deaf: bool,
    promised: Term,
    revision: Revision,
    holds: BTreeMap<GroupName, Held>,
    /// What it says in its promises of the others.
    gave: BTreeMap<ServerName, Support>,
    promises: bool,
    /// Its disk takes what the leader writes.
    stores: bool,
}

struct Play {
    engine: Engine,
    now: Instant,
    options: Options,
    puppets: BTreeMap<ServerName, Puppet>,
    inputs: VecDeque<Input>,
    /// What the engine sent, and to whom.
    sent: Vec<(ServerName, Message)>,
    /// Resources that were started here.
    started: BTreeSet<String>,
    /// Packets that puppets sent.
    said: u64,
    /// The arbiter says `Held` from this term on.
    held_from: u64,
    /// What `node2` had on disk when a write was acknowledged.
    acknowledged_with: Option<Revision>,
}

fn nobody() -> Term {
    Term { number: 0, proposer: "".into() }
}

impl Play {
    fn new(arbiter: ArbiterKind) -> Self {
        let options = Options::quiet(3, arbiter);
        let durable = Durable::bootstrap(Stage::drawn(&options).objects, Revision(1));
        let identity = Identity {
            server: ME.into(),
            boot: BootId(1),
            incarnation: IncarnationId(1),
            version: "test".into(),
        };
        let now = Instant(1_000_000_000_000);
        let mut engine =
            Engine::new(identity, durable, Now { instant: now, wall: WallTime(0) }).unwrap();
        if arbiter == ArbiterKind::Lease {
            engine.assume_exclusive_arbiter();
        }
        let puppet = |number: u64| Puppet {
            boot: BootId(number),
            incarnation: IncarnationId(number),
            ahead: Duration::ZERO,
            silent: false,
            deaf: false,
            promised: nobody(),
            revision: Revision(1),
            holds: BTreeMap::new(),
            gave: BTreeMap::new(),
            promises: true,
            stores: true,
        };
        let mut play = Self {
            engine,
            now,
            options,
            puppets: [("node2".into(), puppet(2)), ("node3".into(), puppet(3))].into(),
            inputs: VecDeque::new(),
            sent: Vec::new(),
            started: BTreeSet::new(),
            said: 0,
            held_from: 0,
            acknowledged_with: None,
        };
        play.feed(Input::Keeper { present: true });
        play
    }

    fn puppet(&mut self, name: &str) -> &mut Puppet {
        self.puppets.get_mut(&ServerName::from(name)).unwrap()
    }

    fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.engine.handle(Now { instant: self.now, wall: WallTime(0) }, input);
            while let Some(effect) = self.engine.poll_effect() {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { id, .. } => {
                self.inputs.push_back(Input::Persisted { id, result: Ok(()) });
            }
            Effect::Send { to, message, .. } => {
                self.sent.push((to.clone(), message.clone()));
                self.answer(&to, message);
            }
            Effect::AskArbiter { id, question } => {
                let held = question.term.number >= self.held_from;
                let verdict = if held { Verdict::Held } else { Verdict::Lost };
                let answer = ArbiterAnswer::new(verdict, "");
                self.inputs.push_back(Input::Verdict { id, answer });
            }
            Effect::Resource { id, action, context } => {
                let outcome = match action {
                    ResourceAction::Start => {
                        self.started.insert(context.resource.to_string());
                        Outcome::Active { message: String::new() }
                    }
                    ResourceAction::Stop | ResourceAction::Probe => Outcome::Absent,
                };
                self.inputs.push_back(Input::ResourceDone { id, outcome });
            }
            Effect::WriteDone { result, .. } => {
                assert!(result.is_ok(), "{result:?}");
                self.acknowledged_with = Some(self.puppet("node2").revision);
            }
            _ => {}
        }
    }

    /// What a puppet says to what the engine sent it.
    fn answer(&mut self, to: &ServerName, message: Message) {
        let Some(puppet) = self.puppets.get_mut(to).filter(|puppet| !puppet.silent) else { return };
        let sent = self.now + puppet.ahead;
        let fence = SelfFence::Within(self.options.timing().self_fence);
        let answer = match message {
            Message::PreVote(ask) => Message::PreVoteReply(PreVoteReply {
                round: ask.round,
                hears_leader: None,
                promised: puppet.promised.clone(),
            }),
            Message::Propose(propose) if puppet.promises => {
                puppet.promised = propose.term.clone();
                Message::Promise(Box::new(Promise {
                    term: propose.term,
                    sent,
                    holds: puppet.holds.clone(),
                    gave: puppet.gave.clone(),
                    self_fence_of: puppet.gave.keys().map(|name| (name.clone(), fence)).collect(),
                    ended: BTreeMap::new(),
                    revision: puppet.revision,
                    writer: None,
                    started: true,
                }))
            }
            Message::Renew(renew) if renew.answer => {
                for order in &renew.orders {
                    if order.action == OrderAction::Stop {
                        let held = Held { order: order.id.clone(), phase: GroupPhase::Stopped };
                        puppet.holds.insert(order.group.clone(), held);
                    }
                }
                let (term, echo) = (renew.term, renew.sent);
                Message::Ack(Box::new(Ack { term, echo, sent, holds: puppet.holds.clone() }))
            }
            Message::StoreAppend(append) if puppet.stores => {
                puppet.revision = append.revision;
                let (term, revision) = (append.term, append.revision);
                Message::StoreAppended(StoreAppended { term, revision, writer: None, error: None })
            }
            Message::StoreSnapshot(snapshot) if puppet.stores => {
                puppet.revision = snapshot.revision;
                let (term, revision) = (snapshot.term, snapshot.revision);
                Message::StoreAppended(StoreAppended { term, revision, writer: None, error: None })
            }
            _ => return,
        };
        self.say(to, answer);
    }

    /// A puppet says something.
    fn say(&mut self, from: &ServerName, message: Message) {
        let boot = self.puppets[from].boot;
        self.said += 1;
        let number = self.said;
        let envelope = Envelope {
            from: from.clone(),
            boot,
            to: ME.into(),
            to_boot: Some(BootId(1)),
            number,
            message,
        };
        let path = Some("lan1".into());
        self.inputs.push_back(Input::Received { path, envelope: Box::new(envelope) });
    }

    fn heartbeats(&mut self) {
        let names: Vec<ServerName> = self.puppets.keys().cloned().collect();
        for name in &names {
            let puppet = &self.puppets[name];
            if puppet.silent {
                continue;
            }
            let heartbeat = Heartbeat {
                path: "lan1".into(),
                sent: self.now + puppet.ahead,
                echo: None,
                hears: if puppet.deaf { [].into() } else { [ME.into()].into() },
                hears_you: !puppet.deaf,
                incarnation: puppet.incarnation,
                view: None,
                promised: puppet.promised.clone(),
                revision: puppet.revision,
                self_fence: SelfFence::Within(self.options.timing().self_fence),
                watchdog: false,
                your_self_fence: None,
                retiring: false,
                resigns: false,
                pause: None,
                disk: DiskHealth::Well,
                wall: WallTime(0),
                version: "test".into(),
            };
            self.say(name, Message::Heartbeat(Box::new(heartbeat)));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + STEP;
            self.heartbeats();
            self.feed(Input::Timer);
        }
    }

    /// A client changes the first group.
    fn write(&mut self) {
        let key = ObjectKey::new("FailoverGroup", "g1");
        let stored = &self.engine.durable().objects[&key];
        let mut object: serde_json::Value = serde_json::from_str(&stored.json).unwrap();
        object["metadata"]["labels"] = serde_json::json!({ "changed": "true" });
        let (expected, json) = (Expected::At(stored.revision), Some(object.to_string().into()));
        let changes = vec![Change { key, expected, json }];
        self.feed(Input::Write { id: ActionId(1 << 62), after: Revision(0), changes });
    }

    fn until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !holds(self) {
            assert!(self.now < end, "not within {limit:?}");
            self.pass(STEP);
        }
    }

    fn renewals(&self, to: &str) -> impl Iterator<Item = &Renew> {
        let to = ServerName::from(to);
        self.sent.iter().filter_map(move |(name, message)| match message {
            Message::Renew(renew) if *name == to => Some(&**renew),
            _ => None,
        })
    }

    /// Servers that were ordered to run the group, this one included.
    fn runs(&self) -> Vec<String> {
        let here = self.started.iter().next().map(|_| ME.to_owned());
        let ordered = self.puppets.keys().filter(|name| {
            self.renewals(name.as_str())
                .flat_map(|renew| &renew.orders)
                .any(|order| order.action == OrderAction::Run)
        });
        ordered.map(ToString::to_string).chain(here).collect()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn doubt() -> Held {
    let order = GrantId { term: Term { number: 0, proposer: "node2".into() }, sequence: 0 };
    Held { order, phase: GroupPhase::Starting }
}

fn just_supported() -> BTreeMap<ServerName, Support> {
    [("node3".into(), Support { age: Duration::ZERO, boot: Some(BootId(3)) })].into()
}

/// Seed 298: whoever booted anew counts its time from zero; a stamp of the boot before, echoed to
/// it, was a lease that lasted for days.
#[test]
fn a_stamp_is_echoed_to_the_run_that_sent_it_only() {
    let mut play = Play::new(ArbiterKind::Majority);
    play.puppet("node2").ahead = seconds(1_000_000);
    play.until(seconds(5), |play| play.engine.leading());
    play.pass(seconds(1));
    let long = play.now + seconds(1_000_000 / 2);
    assert!(play.renewals("node2").any(|renew| renew.echo.is_some_and(|echo| echo > long)));
    let puppet = play.puppet("node2");
    (puppet.ahead, puppet.boot) = (Duration::ZERO, BootId(20));
    play.sent.clear();
    play.pass(seconds(2));
    let echoes: Vec<Instant> = play.renewals("node2").filter_map(|renew| renew.echo).collect();
    assert!(!echoes.is_empty() && echoes.iter().all(|echo| *echo <= play.now), "{echoes:?}");
}

/// Seed 75: a group that is only in doubt on a member may run on the server that is away; the
/// probe that ends the doubt does not make it free.
#[test]
fn a_group_in_doubt_on_a_member_is_not_free_while_an_absent_server_may_run_it() {
    let mut play = Play::new(ArbiterKind::Majority);
    play.puppet("node3").silent = true;
    let puppet = play.puppet("node2");
    puppet.gave = just_supported();
    puppet.holds = [("g1".into(), doubt())].into();
    play.until(seconds(5), |play| play.engine.leading());
    let wait = play.options.timing().wait();
    play.puppet("node2").holds.clear();
    play.pass(wait - STEP * 20);
    assert_eq!(play.runs(), Vec::<String>::new());
    play.until(seconds(3), |play| !play.runs().is_empty());
}

/// Seed 565: a group that a member had only reported, and that it releases, is no more certain.
#[test]
fn a_group_that_was_only_reported_is_not_free_by_its_release() {
    let mut play = Play::new(ArbiterKind::Majority);
    play.puppet("node3").silent = true;
    let puppet = play.puppet("node2");
    puppet.gave = just_supported();
    let order = GrantId { term: Term { number: 1, proposer: "node3".into() }, sequence: 4 };
    let held = Held { order, phase: GroupPhase::Stopping };
    puppet.holds = [("g1".into(), held.clone())].into();
    play.until(seconds(5), |play| play.engine.leading());
    let wait = play.options.timing().wait();
    let released = Held { phase: GroupPhase::Stopped, ..held };
    play.puppet("node2").holds = [("g1".into(), released)].into();
    play.pass(wait - STEP * 20);
    assert_eq!(play.runs(), Vec::<String>::new());
    play.until(seconds(3), |play| !play.runs().is_empty());
}

/// Seed 1073: what an overtaken ack says of groups is over.
#[test]
fn an_overtaken_ack_brings_no_released_group_back() {
    let mut play = Play::new(ArbiterKind::Majority);
    play.until(seconds(5), |play| play.engine.leading());
    play.until(seconds(5), |play| !play.runs().is_empty());
    assert_eq!(play.runs(), [ME]);
    let renew = play.renewals("node2").last().unwrap().clone();
    let order = GrantId { term: Term { number: 1, proposer: "node3".into() }, sequence: 4 };
    let held = Held { order, phase: GroupPhase::Stopping };
    let late = Ack {
        term: renew.term.clone(),
        echo: renew.sent,
        sent: play.now - seconds(1),
        holds: [("g1".into(), held)].into(),
    };
    play.pass(seconds(1));
    play.sent.clear();
    play.say(&"node2".into(), Message::Ack(Box::new(late)));
    play.pass(seconds(1));
    let ordered = play.renewals("node2").any(|renew| !renew.orders.is_empty());
    assert!(!ordered, "nothing runs there that would have to be stopped");
}

/// Seed 1377: promises that took longer than a lease give no authority; they are asked for anew.
#[test]
fn promises_older_than_a_lease_are_asked_for_anew() {
    let mut play = Play::new(ArbiterKind::Lease);
    // The arbiter takes longer than a lease to hold.
    play.held_from = u64::MAX;
    play.pass(seconds(5));
    assert!(!play.engine.leading());
    play.held_from = 0;
    play.until(seconds(3), |play| play.engine.leading());
}

/// Seed 870: a proposal that the arbiter refuses, since it knows a higher term, is not kept.
#[test]
fn a_refused_proposal_is_replaced_by_one_above_all_that_is_known() {
    let mut play = Play::new(ArbiterKind::Lease);
    play.held_from = 10;
    let puppet = play.puppet("node3");
    // It is heard and hears nobody: it is no member, and its promise stands in the record.
    (puppet.deaf, puppet.silent) = (true, true);
    play.pass(seconds(2));
    assert!(!play.engine.leading());
    let puppet = play.puppet("node3");
    puppet.silent = false;
    puppet.promised = Term { number: 9, proposer: "node3".into() };
    play.until(seconds(3), |play| play.engine.leading());
}

/// A write that one view begins and a later one finishes: what `node2` has of it when its client is
/// answered, and the later view's term.
fn acknowledged_with(flaw: Flaw) -> (Revision, Term) {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.until(seconds(5), |play| !play.runs().is_empty());
    play.pass(seconds(1));
    let term = |play: &Play| play.engine.view().unwrap().term.clone();
    let first = term(&play);
    play.puppet("node2").stores = false;
    play.write();
    play.pass(seconds(1));
    assert_eq!(play.acknowledged_with, None, "node2 does not have it");
    play.puppet("node3").silent = true;
    play.until(seconds(5), |play| play.engine.leading() && term(play) > first);
    play.puppet("node2").stores = true;
    play.until(seconds(5), |play| play.acknowledged_with.is_some());
    (play.acknowledged_with.unwrap(), term(&play))
}

/// A view between the two, installed late, may have written past what the first one wrote: its term
/// is the higher one. Only a write of the later view is certain to stay.
#[test]
fn what_an_earlier_view_wrote_is_acknowledged_with_a_write_of_this_one() {
    let (revision, term) = acknowledged_with(Flaw::default());
    assert!(revision >= term.first_revision(), "{revision} in {term}");
    let (revision, term) = acknowledged_with(Flaw::of(Mutation::EarlierBatchAcknowledged));
    assert!(revision < term.first_revision(), "{revision} in {term}");
}

/// After `stead cluster recover` the store names the folder of one server: the others' are written
/// down as they come in, or a disk that is replaced later would have a vote at once.
#[test]
fn members_whose_folders_the_store_does_not_name_are_named() {
    let mut play = Play::new(ArbiterKind::Majority);
    let known = |play: &Play, name: &str| {
        let object = play.engine.durable().objects.get(&disk_intent_key(&name.into()))?;
        DiskIntent::read(&object.json)
    };
    assert!(["node1", "node2", "node3"].iter().all(|name| known(&play, name).is_none()));
    play.puppet("node3").silent = true;
    play.until(seconds(5), |play| play.engine.leading());
    play.pass(seconds(1));
    assert_eq!(known(&play, "node1").map(|disk| disk.incarnation), Some(IncarnationId(1)));
    assert_eq!(known(&play, "node2").map(|disk| disk.incarnation), Some(IncarnationId(2)));
    assert_eq!(known(&play, "node3"), None);
    play.puppet("node3").silent = false;
    play.until(seconds(5), |play| known(play, "node3").is_some());
}
