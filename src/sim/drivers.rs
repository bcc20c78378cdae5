//! The drivers of one server and what they work on: which resources are *physically* active.
//!
//! A resource counts as active from the moment its start begins until a stop has succeeded, the
//! keeper has killed it or its machine died: whatever the engine believes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::options::Options;
use super::random::Random;
use crate::api::names::{GroupName, MonitorName, ResourceName};
use crate::engine::effect::{ResourceAction, ResourceContext};
use crate::engine::ids::{ActionId, GrantId};
use crate::engine::input::Outcome;

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Physical {
    /// Its group.
    pub group: GroupName,
    /// The order it was started for.
    pub order: GrantId,
    /// What it depends on.
    depends_on: Vec<ResourceName>,
    /// Its start has succeeded.
    started: bool,
}

/// An action under way.
#[derive(Clone, Debug)]
struct Work {
    action: ResourceAction,
    context: Arc<ResourceContext>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeed,
    /// `true`: a start that fails leaves something running.
    Fail(bool),
    TimeOut,
    /// A probe that cannot tell.
    Unknown,
}

/// A rule that an engine broke with what it asked of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse(pub String);

/// All drivers of one server.
#[derive(Clone, Debug, Default)]
pub struct Drivers {
    active: BTreeMap<ResourceName, Physical>,
    works: BTreeMap<ActionId, Work>,
    /// Active but not working, until restarted.
    broken: BTreeSet<ResourceName>,
    /// Died, and the agent was not told yet.
    untold: BTreeSet<ResourceName>,
    /// Grows with whatever may change what runs or serves.
    version: u64,
    /// Cannot be started here until all is healed.
    pub cursed: BTreeSet<ResourceName>,
    /// Cannot be stopped here until all is healed.
    pub stuck: BTreeSet<ResourceName>,
    /// Their stop does not end here until all is healed.
    pub hung: BTreeSet<ResourceName>,
    /// Their checks fail here until all is healed.
    pub failing: BTreeSet<MonitorName>,
}

impl Drivers {
    /// What runs.
    #[must_use]
    pub fn active(&self) -> &BTreeMap<ResourceName, Physical> {
        &self.active
    }

    /// Whether anything of a group runs.
    #[must_use]
    pub fn runs(&self, group: &GroupName) -> bool {
        self.active.values().any(|physical| physical.group == *group)
    }

    /// Groups of which anything runs.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<GroupName> {
        self.active.values().map(|physical| physical.group.clone()).collect()
    }

    /// Whether anything of a group is being stopped.
    #[must_use]
    pub fn stops(&self, group: &GroupName) -> bool {
        let stops = |work: &Work| work.action == ResourceAction::Stop;
        self.works.values().any(|work| stops(work) && work.context.group == *group)
    }

    /// Whether anything is being worked on.
    #[must_use]
    pub fn busy(&self) -> bool {
        !self.works.is_empty()
    }

    /// Begins an action; says how long it takes.
    ///
    /// # Errors
    ///
    /// Where no correct engine would ask for it.
    pub fn begin(
        &mut self,
        id: ActionId,
        action: ResourceAction,
        context: Arc<ResourceContext>,
        options: &Options,
        random: &mut Random,
    ) -> Result<Duration, Misuse> {
        self.version += 1;
        let resource = &context.resource;
        if let Some(other) = self.works.values().find(|work| work.context.resource == *resource) {
            let text =
                format!("{action:?} of {resource} while its {:?} is under way", other.action);
            return Err(Misuse(text));
        }
        match action {
            ResourceAction::Start => self.check_start(&context)?,
            ResourceAction::Stop => self.check_stop(&context)?,
            ResourceAction::Probe => {}
        }
        let (fate, duration) = self.fate(action, &context, options, random);
        if action == ResourceAction::Start {
            let started = self.active.get(resource).is_some_and(|physical| physical.started);
            let physical = Physical {
                group: context.group.clone(),
                order: context.order.clone(),
                depends_on: depends_on(&context),
                started,
            };
            self.active.insert(resource.clone(), physical);
        }
        self.works.insert(id, Work { action, context, fate });
        Ok(duration)
    }

    /// The keeper does not let a start begin.
    pub fn refuse(&mut self, id: ActionId, context: Arc<ResourceContext>) {
        self.version += 1;
        let fate = Fate::Fail(true);
        self.works.insert(id, Work { action: ResourceAction::Start, context, fate });
    }

    fn check_start(&self, context: &ResourceContext) -> Result<(), Misuse> {
        let there = |name: &ResourceName| {
            self.active.get(name).is_some_and(|physical| physical.started)
                || self.untold.contains(name)
        };
        let missing = depends_on(context).into_iter().find(|name| !there(name));
        match missing {
            Some(name) => Err(Misuse(format!("start of {} before {name}", context.resource))),
            None => Ok(()),
        }
    }

    fn check_stop(&self, context: &ResourceContext) -> Result<(), Misuse> {
        let dependent =
            self.active.iter().find(|(_, other)| other.depends_on.contains(&context.resource));
        match dependent {
            Some((name, _)) => Err(Misuse(format!("stop of {} before {name}", context.resource))),
            None => Ok(()),
        }
    }

    fn fate(
        &self,
        action: ResourceAction,
        context: &ResourceContext,
        options: &Options,
        random: &mut Random,
    ) -> (Fate, Duration) {
        let (low, high) = match action {
            ResourceAction::Start => (10, 300),
            ResourceAction::Stop => (5, 200),
            ResourceAction::Probe => (1, 10),
        };
        let name = &context.resource;
        let prescribed = options.pace.as_ref().map(|pace| {
            let work = pace.resources.get(name).copied().unwrap_or_default();
            match action {
                ResourceAction::Start => work.start,
                ResourceAction::Stop => work.stop,
                ResourceAction::Probe => Duration::from_millis(low),
            }
        });
        let drawn = random.milliseconds(low, high);
        let duration = prescribed.unwrap_or(drawn).min(context.timeout);
        let barred = match action {
            ResourceAction::Start => self.cursed.contains(name),
            ResourceAction::Stop => self.stuck.contains(name),
            ResourceAction::Probe => false,
        };
        let hangs = action == ResourceAction::Stop && self.hung.contains(name);
        if hangs || random.chance(options.hangs) {
            return (Fate::TimeOut, context.timeout);
        }
        if barred || random.chance(options.failures) {
            let fate = if action == ResourceAction::Probe {
                Fate::Unknown
            } else {
                Fate::Fail(random.chance(500))
            };
            return (fate, duration);
        }
        (Fate::Succeed, duration)
    }

    /// An action has come to its end, unless it was cancelled or killed.
    pub fn complete(&mut self, id: ActionId) -> Option<Outcome> {
        let Work { action, context, fate } = self.works.remove(&id)?;
        self.version += 1;
        let name = &context.resource;
        let outcome = match (action, fate) {
            (_, Fate::TimeOut) => Outcome::TimedOut,
            (_, Fate::Unknown) => Outcome::Unknown { message: "cannot tell".into() },
            (ResourceAction::Start, Fate::Succeed) => {
                // Killed in between: the driver sees its process end.
                let Some(physical) = self.active.get_mut(name) else {
                    return Some(failed("ended while it started"));
                };
                physical.started = true;
                self.broken.remove(name);
                Outcome::Active { message: "started".into() }
            }
            (ResourceAction::Start, Fate::Fail(leaves)) => {
                if !leaves {
                    self.active.remove(name);
                }
                failed("exit code 1")
            }
            (ResourceAction::Stop, Fate::Succeed) => {
                self.active.remove(name);
                self.broken.remove(name);
                Outcome::Absent
            }
            (ResourceAction::Stop, Fate::Fail(_)) => {
                if self.active.contains_key(name) {
                    failed("exit code 1")
                } else {
                    Outcome::Absent
                }
            }
            (ResourceAction::Probe, Fate::Succeed | Fate::Fail(_)) => {
                match self.active.get_mut(name) {
                    Some(physical) => {
                        physical.started = true;
                        Outcome::Active { message: "found".into() }
                    }
                    None => Outcome::Absent,
                }
            }
        };
        Some(outcome)
    }

    /// The engine does not want the answer: the work ends, what it did stays.
    pub fn cancel(&mut self, id: ActionId) {
        self.version += 1;
        self.works.remove(&id);
    }

    /// The agent is gone: nobody waits for answers.
    pub fn forget_works(&mut self) {
        self.version += 1;
        self.works.clear();
        self.untold.clear();
    }

    /// The keeper has killed everything; the names of what ran.
    pub fn kill(&mut self) -> Vec<ResourceName> {
        self.version += 1;
        self.broken.clear();
        std::mem::take(&mut self.active).into_keys().collect()
    }

    /// One resource dies by itself; whether it ran.
    pub fn die(&mut self, resource: &ResourceName) -> bool {
        self.version += 1;
        let ran = self.active.remove(resource).is_some();
        if ran {
            self.untold.insert(resource.clone());
        }
        ran
    }

    /// The agent is told that a resource died.
    pub fn told(&mut self, resource: &ResourceName) {
        self.untold.remove(resource);
    }

    /// The machine is gone.
    pub fn vanish(&mut self) {
        self.kill();
        self.works.clear();
        self.untold.clear();
    }

    /// One resource stops working, until it is restarted.
    pub fn stop_working(&mut self, resource: &ResourceName) {
        self.version += 1;
        self.broken.insert(resource.clone());
    }

    /// The same number as before: what runs and serves is the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What is wrong with single resources is over.
    pub fn heal(&mut self) {
        self.version += 1;
        self.broken.clear();
        self.cursed.clear();
        self.stuck.clear();
        self.hung.clear();
        self.failing.clear();
    }

    /// Whether clients are served by a resource: it is active, works, and nobody is stopping it.
    #[must_use]
    pub fn serves(&self, resource: &ResourceName) -> bool {
        let stops =
            |work: &Work| work.action == ResourceAction::Stop && work.context.resource == *resource;
        self.works_well(resource) && !self.works.values().any(stops)
    }

    /// Whether a resource is active and works.
    #[must_use]
    pub fn works_well(&self, resource: &ResourceName) -> bool {
        self.active.get(resource).is_some_and(|physical| physical.started)
            && !self.broken.contains(resource)
    }
}

fn depends_on(context: &ResourceContext) -> Vec<ResourceName> {
    let names = context.spec.depends_on.as_deref().unwrap_or_default();
    names.iter().map(|name| name.as_str().into()).collect()
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { reason: "ResourceStartFailed".into(), message: message.into() }
}
