//! A stage for one engine and puppets.
//!
//! The engine is `node1` of three. The others are puppets that hear it, answer what it asks, and
//! say what the test has them say; packets take no time and none is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use stead::api::names::{GroupName, ServerName};
use stead::engine::Engine;
use stead::engine::durable::{Durable, Identity};
use stead::engine::effect::{Change, Effect, Expected, ResourceAction};
use stead::engine::ids::{ActionId, BootId, IncarnationId, Revision, Term};
use stead::engine::input::{ArbiterAnswer, Input, Outcome, Verdict};
use stead::engine::message::{
    Ack, DiskHealth, Envelope, GroupPhase, Heartbeat, Held, Message, OrderAction, PreVoteReply,
    Promise, Renew, SelfFence, StoreAppended, Support,
};
use stead::engine::model::ObjectKey;
use stead::engine::time::{Instant, Now, WallTime};
use stead::sim::{ArbiterKind, Options, Stage};

pub const STEP: Duration = Duration::from_millis(10);
pub const ME: &str = "node1";

/// A server that does what it is told.
pub struct Puppet {
    pub boot: BootId,
    pub incarnation: IncarnationId,
    /// Its clock minus the engine's.
    pub ahead: Duration,
    pub silent: bool,
    pub deaf: bool,
    pub promised: Term,
    pub revision: Revision,
    pub holds: BTreeMap<GroupName, Held>,
    /// What it says in its promises of the others.
    pub gave: BTreeMap<ServerName, Support>,
    pub promises: bool,
    /// Its disk takes what the leader writes.
    pub stores: bool,
}

pub struct Play {
    pub engine: Engine,
    pub now: Instant,
    pub options: Options,
    pub puppets: BTreeMap<ServerName, Puppet>,
    pub inputs: VecDeque<Input>,
    /// What the engine sent, and to whom.
    pub sent: Vec<(ServerName, Message)>,
    /// Resources that were started here.
    pub started: BTreeSet<String>,
    /// Packets that puppets sent.
    pub said: u64,
    /// The arbiter says `Held` from this term on.
    pub held_from: u64,
    /// What `node2` had on disk when a write was acknowledged.
    pub acknowledged_with: Option<Revision>,
}

pub fn nobody() -> Term {
    Term { number: 0, proposer: "".into() }
}

impl Play {
    pub fn new(arbiter: ArbiterKind) -> Self {
        Self::of(arbiter, nobody())
    }

    /// The engine's disk holds this promise.
    pub fn that_promised(term: &Term) -> Self {
        Self::of(ArbiterKind::Majority, term.clone())
    }

    fn of(arbiter: ArbiterKind, promised: Term) -> Self {
        let options = Options::quiet(3, arbiter);
        let durable = Durable::bootstrap(Stage::drawn(&options).objects, Revision(1));
        let durable = Durable { promised, ..durable };
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

    pub fn puppet(&mut self, name: &str) -> &mut Puppet {
        self.puppets.get_mut(&ServerName::from(name)).unwrap()
    }

    pub fn feed(&mut self, input: Input) {
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
    pub fn say(&mut self, from: &ServerName, message: Message) {
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

    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + STEP;
            self.heartbeats();
            self.feed(Input::Timer);
        }
    }

    /// A client changes the first group.
    pub fn write(&mut self) {
        let key = ObjectKey::new("FailoverGroup", "g1");
        let stored = &self.engine.durable().objects[&key];
        let mut object: serde_json::Value = serde_json::from_str(&stored.json).unwrap();
        object["metadata"]["labels"] = serde_json::json!({ "changed": "true" });
        let (expected, json) = (Expected::At(stored.revision), Some(object.to_string().into()));
        let changes = vec![Change { key, expected, json }];
        self.feed(Input::Write { id: ActionId(1 << 62), after: Revision(0), changes });
    }

    pub fn until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !holds(self) {
            assert!(self.now < end, "not within {limit:?}");
            self.pass(STEP);
        }
    }

    pub fn renewals(&self, to: &str) -> impl Iterator<Item = &Renew> {
        let to = ServerName::from(to);
        self.sent.iter().filter_map(move |(name, message)| match message {
            Message::Renew(renew) if *name == to => Some(&**renew),
            _ => None,
        })
    }

    /// Servers that were ordered to run the group, this one included.
    pub fn runs(&self) -> Vec<String> {
        let here = self.started.iter().next().map(|_| ME.to_owned());
        let ordered = self.puppets.keys().filter(|name| {
            self.renewals(name.as_str())
                .flat_map(|renew| &renew.orders)
                .any(|order| order.action == OrderAction::Run)
        });
        ordered.map(ToString::to_string).chain(here).collect()
    }
}
