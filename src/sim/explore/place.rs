//! One server of an exploration: its engine, its disk, its keeper and its one resource.

use std::time::Duration;

use crate::api::names::ServerName;
use crate::engine::Engine;
use crate::engine::durable::{Durable, Identity};
use crate::engine::effect::ResourceAction;
use crate::engine::ids::{ActionId, BootId, IncarnationId};
use crate::engine::input::Outcome;
use crate::engine::time::{Instant, Now, WallTime};
use crate::sim::node::{Birth, Node};

/// How long the keeper takes to end everything: the longest that it may.
pub const KILL: Duration = Duration::from_millis(149);
/// A timer that is due at once goes off so late: else it would be asked for each millisecond.
const LATE: Duration = Duration::from_millis(10);
/// The wall clock stands still: nothing but a guard over hours reads it.
const WALL: WallTime = WallTime(1_767_225_600_000);
/// Runs of one server are numbered from here on.
const BOOTS: u64 = 100;

/// What a server's clock reads: all servers' clocks are one.
#[must_use]
pub fn clock(now: u64) -> Now {
    Now { instant: Instant(now), wall: WALL }
}

/// One server.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub name: ServerName,
    /// What is on its disk.
    pub disk: Durable,
    /// Its agent; none: it does not run.
    pub engine: Option<Box<Engine>>,
    /// The run of its agent, or of the last one.
    pub boot: BootId,
    /// Until when its keeper lets services live.
    pub lease: Option<Instant>,
    /// When its keeper has ended them, if it is doing so.
    pub ends: Option<Instant>,
    /// They are ended because the lease has passed: the agent is told.
    pub passed: bool,
    /// The run that ended and is told to the others once all is ended.
    pub farewell: Option<BootId>,
    /// The resource runs, or may.
    pub active: bool,
    /// What is done about it.
    pub works: Vec<(ActionId, ResourceAction)>,
    /// The runs of the others whose packets count.
    pub proved: Vec<Option<BootId>>,
}

impl Place {
    /// A server that is off.
    #[must_use]
    pub fn new(index: usize, name: ServerName, disk: Durable, servers: usize) -> Self {
        Self {
            name,
            disk,
            engine: None,
            boot: BootId(index as u64 * BOOTS),
            lease: None,
            ends: None,
            passed: false,
            farewell: None,
            active: false,
            works: Vec::new(),
            proved: vec![None; servers],
        }
    }

    /// Its agent starts.
    pub fn start(&mut self, now: u64, mut birth: Birth, index: usize) {
        self.boot.0 += 1;
        birth.identity = Identity {
            server: self.name.clone(),
            boot: self.boot,
            incarnation: IncarnationId(index as u64),
            version: "explored".into(),
        };
        birth.durable = self.disk.clone();
        self.engine = Some(Box::new(<Engine as Node>::start(birth, clock(now))));
        self.proved.fill(None);
        self.farewell = None;
    }

    /// Its agent is gone; its services are not.
    pub fn agent_ends(&mut self) {
        self.engine = None;
        self.works.clear();
    }

    /// It is off.
    pub fn crash(&mut self) {
        self.agent_ends();
        self.lease = None;
        self.ends = None;
        self.passed = false;
        self.farewell = None;
        self.active = false;
    }

    /// Its keeper begins to end the services.
    pub fn kill(&mut self, now: u64) {
        self.lease = None;
        self.ends.get_or_insert(Instant(now) + KILL);
    }

    /// Whether its keeper lets a service start.
    #[must_use]
    pub fn permits(&self, now: u64) -> bool {
        self.ends.is_none() && self.lease.is_some_and(|until| Instant(now) < until)
    }

    /// When something is due here without anybody's doing.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<Instant> {
        let timer = self.engine.as_ref().and_then(|engine| engine.poll_timeout());
        let timer = timer.map(|at| at.max(Instant(now) + LATE));
        [timer, self.lease, self.ends].into_iter().flatten().min()
    }

    /// A driver's work ends.
    pub fn work_done(&mut self, id: ActionId) -> Option<Outcome> {
        let index = self.works.iter().position(|(work, _)| *work == id)?;
        let (_, action) = self.works.remove(index);
        let message = "explored".to_owned();
        Some(match (action, self.active) {
            (ResourceAction::Stop, _) => {
                self.active = false;
                Outcome::Absent
            }
            (ResourceAction::Start, false) => {
                Outcome::Failed { reason: "ResourceStartFailed".into(), message }
            }
            (ResourceAction::Probe, false) => Outcome::Absent,
            (ResourceAction::Start | ResourceAction::Probe, true) => Outcome::Active { message },
        })
    }
}
