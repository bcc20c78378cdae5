//! The operator: asks for moves, stops and changes at random, and sets things right in the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Happening, Machine, World, Write};
use crate::api::kinds::{GroupState, Operation, OperationSpec, OperationType};
use crate::api::names::GroupName;
use crate::engine::effect::{Change, Expected};
use crate::engine::ids::{ActionId, Revision};
use crate::engine::input::Input;
use crate::engine::model::ObjectKey;
use crate::engine::time::Instant;
use crate::sim::acts::{Act, Edit};
use crate::sim::checkers::{Checkers, Invariant, Violation};
use crate::sim::node::{Node, Seen};
use crate::sim::options::Profile;
use crate::sim::setup;

/// Numbers of the operator's writes begin here, far from those that nodes give.
const WRITES_BEGIN: u64 = 1 << 62;
/// An operator who waits for so many rounds does only what disturbs nothing.
const PATIENT: u32 = 8;
/// Rounds after which the operator asks again for what has not come.
const PERIOD_ROUNDS: u32 = 8;
/// How often the operator looks after all is healed.
const ROUND: Duration = Duration::from_secs(1);
/// Time-outs that an announced pause lasts.
pub const PAUSE_TIMEOUTS: u32 = 6;

impl<N: Node> World<N> {
    pub(super) fn operate(&mut self) -> Result<(), Violation> {
        let Some(gap) = self.options.operation_gap.filter(|_| !self.healed) else { return Ok(()) };
        let delay = self.randoms.workload.duration(Duration::ZERO, gap * 2);
        self.after(delay, Happening::Operate);
        if self.options.profile == Profile::Rough && self.randoms.workload.chance(200) {
            self.act(Act::Revive)?;
        }
        let servers = self.names.len() as u64;
        // Mostly at the leader: others only say that they do not lead.
        let at = match self.leader().filter(|_| self.randoms.workload.chance(800)) {
            Some(_) => None,
            None => Some(self.randoms.workload.below(servers) as usize),
        };
        let group = self.randoms.workload.below(self.options.groups as u64) as usize;
        let server = self.randoms.workload.below(servers) as usize;
        if self.randoms.workload.chance(200) {
            let retries = self.randoms.workload.between(1, 3);
            return self.act(Act::Change { at, group, retries });
        }
        if self.options.patience < PATIENT {
            // Wide: more of what an operator may do.
            if let Some(act) = self.draw_more(at, group, server) {
                return self.act(act);
            }
        }
        let some_server = self.randoms.workload.chance(600).then_some(server);
        let (type_, group, server) = match self.randoms.workload.below(10) {
            0 | 1 => (OperationType::StartGroup, Some(group), some_server),
            2 => (OperationType::StopGroup, Some(group), None),
            3 | 4 => (OperationType::MoveGroup, Some(group), some_server),
            5 => (OperationType::FailoverGroup, Some(group), None),
            6 => (OperationType::RestartGroup, Some(group), None),
            7 => (OperationType::DetachServer, None, Some(server)),
            8 if self.randoms.workload.chance(500) => {
                (OperationType::PauseServer, None, Some(server))
            }
            _ => (OperationType::ReturnServer, None, Some(server)),
        };
        self.act(Act::Operate { at, type_, group, server })
    }

    /// Changes of the spec, and what operators do about lost servers.
    fn draw_more(&mut self, at: Option<usize>, group: usize, server: usize) -> Option<Act> {
        let timeout = self.options.timeout;
        let members = self.options.servers - self.options.witnesses;
        let fences = self.options.fencing.is_some();
        let off = !self.machines[server].powered;
        let random = &mut self.randoms.workload;
        let edit = match random.below(8) {
            0 if self.options.arbiter.counts() => {
                Edit::Timeout(random.duration(timeout, timeout * 2))
            }
            1 => Edit::Suspend(group, random.chance(500)),
            2 => Edit::Policy(group, server % members),
            3 => Edit::Environment(group, random.number()),
            4 if fences => {
                let type_ = OperationType::FenceServer;
                return Some(Act::Operate { at, type_, group: None, server: Some(server) });
            }
            // Nobody says so of one that is on.
            5 if off => {
                let type_ = OperationType::ConfirmServerDown;
                return Some(Act::Operate { at, type_, group: None, server: Some(server) });
            }
            _ => return None,
        };
        Some(Act::Edit { at, edit })
    }

    /// Asks a server for an operation.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn request(
        &mut self,
        at: usize,
        type_: OperationType,
        group: Option<&str>,
        server: Option<&str>,
    ) -> Result<(), Violation> {
        let name = format!("op-{}", self.writes_made + 1);
        let text =
            || format!("OPERATOR {name} at {}: {type_:?} {group:?} {server:?}", self.names[at]);
        self.trace.milestone(self.now, 14, text);
        let until = self.now + self.options.timeout * 20 + Duration::from_secs(30);
        match group {
            Some(group) => self.checkers.excuse(&GroupName::from(group), until),
            None => {
                for group in self.groups.keys() {
                    self.checkers.excuse(group, until);
                }
            }
        }
        let spec = OperationSpec {
            type_,
            group: group.map(Into::into),
            server: server.map(Into::into),
            machines: None,
            duration: (type_ == OperationType::PauseServer)
                .then(|| (self.options.timeout * PAUSE_TIMEOUTS).into()),
            deadline: Duration::from_secs(600).into(),
        };
        let json = setup::text(&Operation::new(&name, spec), "Operation", &name);
        let key = ObjectKey::new("Operation", name);
        self.write(at, vec![Change { key, expected: Expected::Absent, json: Some(json) }])
    }

    /// Submits a change at a server.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn write(&mut self, at: usize, changes: Vec<Change>) -> Result<(), Violation> {
        self.writes_made += 1;
        let id = ActionId(WRITES_BEGIN + self.writes_made);
        let boot = self.machines[at].agent.as_ref().map(|agent| agent.boot);
        self.writes.insert(id, Write { server: at, boot, changes: changes.clone() });
        self.feed(at, Input::Write { id, after: Revision(0), changes })
    }

    /// A change of the spec that touches nothing that runs.
    pub(super) fn change_something(
        &mut self,
        at: usize,
        group: usize,
        retries: u64,
    ) -> Result<(), Violation> {
        let key = ObjectKey::new("Monitor", format!("{}-monitor", setup::resource_name(group, 0)));
        self.change(at, key, |spec| spec["retries"] = json!(retries))
    }

    /// Changes an object as that server has it.
    fn change(
        &mut self,
        at: usize,
        key: ObjectKey,
        change: impl Fn(&mut Value),
    ) -> Result<(), Violation> {
        let Some(agent) = self.machines[at].agent.as_ref() else { return Ok(()) };
        let Some(stored) = agent.node.store().1.get(&key) else { return Ok(()) };
        let Ok(mut object) = serde_json::from_str::<Value>(&stored.json) else { return Ok(()) };
        let expected = Expected::At(stored.revision);
        change(&mut object["spec"]);
        let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
        object["metadata"]["generation"] = json!(generation + 1);
        self.trace.milestone(self.now, 15, || format!("OPERATOR changes {}", key.name));
        self.write(at, vec![Change { key, expected, json: Some(object.to_string().into()) }])
    }

    /// A change of the spec that counts where things run.
    pub(super) fn edit(&mut self, at: usize, edit: &Edit) -> Result<(), Violation> {
        let resource = |group: usize| setup::resource_name(group, 0);
        let key = match edit {
            Edit::Timeout(_) => ObjectKey::new("Cluster", "cluster"),
            Edit::Suspend(group, _) => {
                ObjectKey::new("Monitor", format!("{}-monitor", resource(*group)))
            }
            Edit::Policy(group, _) => ObjectKey::new("FailoverGroup", setup::group_name(*group)),
            Edit::Environment(group, _) => ObjectKey::new("Resource", resource(*group)),
        };
        if let Edit::Timeout(timeout) = edit {
            self.longest_timeout = self.longest_timeout.max(*timeout);
        }
        let members = self.options.servers - self.options.witnesses;
        self.change(at, key, |spec| match edit {
            Edit::Timeout(timeout) => {
                spec["heartbeat"]["timeout"] = json!(format!("{}ms", timeout.as_millis()));
            }
            Edit::Suspend(_, suspended) => spec["suspended"] = json!(suspended),
            Edit::Policy(_, first) => {
                let servers = (0..members).map(|step| setup::server_name((first + step) % members));
                spec["servers"] = json!(servers.collect::<Vec<_>>());
            }
            Edit::Environment(_, value) => {
                spec["exec"]["environment"] = json!({ "VALUE": value.to_string() });
            }
        })
    }

    /// Whether every automatic group is online on one allowed server, as the leader says and as it
    /// physically is.
    #[must_use]
    pub fn settled(&mut self) -> bool {
        // What a leader says takes long to say: it is asked only where all else is well.
        self.members().len() == self.names.len()
            && self.activity().all(|activity| activity.touched.count_ones() == 1)
            && self.seen().is_some_and(|seen| self.unsettled(&seen).is_empty())
    }

    /// What is not as it should be.
    #[must_use]
    pub fn problems(&mut self) -> Vec<String> {
        match self.seen() {
            Some(seen) => self.unsettled(&seen),
            None => vec!["nobody leads".to_owned()],
        }
    }

    /// What is not as it should be, by what a leader says.
    fn unsettled(&self, seen: &Seen) -> Vec<String> {
        let mut problems: Vec<String> =
            seen.out.iter().map(|server| format!("{server} is out")).collect();
        let members = self.members();
        if members.len() != self.names.len() {
            problems.push(format!("the view has only {members:?}"));
        }
        for (group, resources) in &self.groups {
            let Some(group_seen) = seen.groups.get(group) else {
                problems.push(format!("{group} is not known"));
                continue;
            };
            let active = self.active_on(group.as_str());
            let well = self.machines.iter().any(|machine| {
                Some(&machine.name) == group_seen.server.as_ref()
                    && resources.iter().all(|name| machine.drivers.works_well(name))
            });
            if group_seen.state != GroupState::Online || active.len() != 1 || !well {
                problems.push(format!("{group} is {group_seen:?}, active on {active:?}"));
            }
        }
        problems
    }

    /// The liveness phase: with everything whole and an operator who knows what to do, all groups
    /// come online within the bound and stay there (I3).
    ///
    /// # Errors
    ///
    /// Where a rule is broken.
    pub fn recover(&mut self) -> Result<(), Violation> {
        self.heal()?;
        let end = self.now + self.options.recovery_bound();
        let mut rounds = 0;
        let mut fenced = self.fenced;
        while self.now < end {
            self.run_for(ROUND)?;
            if self.settled() && self.restless().is_empty() {
                let open = self.operations_open();
                match self.stay_settled() {
                    // Somebody asked for that before all was healed, and it is done only now.
                    Err(_) if self.fenced > fenced || open => fenced = self.fenced,
                    stayed => return stayed,
                }
            }
            self.revive();
            rounds += 1;
            if rounds % PERIOD_ROUNDS == self.options.patience % PERIOD_ROUNDS {
                self.set_right()?;
            }
        }
        let problems = [self.problems(), self.restless()].concat().join("; ");
        let text = format!("not recovered within {:?}: {problems}", self.options.recovery_bound());
        Err(Violation::new(Invariant::I3, self.now, text))
    }

    /// What something from before all was healed can still stop: each server that does not run,
    /// follows another than the leader, misses somebody, or has been given no longer lease since;
    /// and what a check watches that will have had no answer.
    fn restless(&self) -> Vec<String> {
        let leader = self.leader().and_then(|leader| self.machines[leader].agent.as_ref());
        let term = leader.and_then(|leader| leader.node.leads());
        let calm = |machine: &Machine<N>, healed: Option<Instant>| {
            let now = machine.clock.instant(self.now);
            let keeper = &machine.keeper;
            let follows = machine.agent.as_ref().is_some_and(|agent| {
                !agent.stalled && agent.node.term() == term && !agent.node.unquiet()
            });
            let runs = machine.powered && !machine.ending && machine.frozen.is_none();
            runs && follows && keeper.permits(now) && keeper.lease != healed
        };
        let all = self.machines.iter().zip(&self.leases_healed);
        let restless = all.filter(|(machine, healed)| !calm(machine, **healed));
        let hangs = (self.now <= self.hung_until).then(|| "a check hangs".to_owned());
        restless.map(|(machine, _)| format!("{} is restless", machine.name)).chain(hangs).collect()
    }

    /// Whether the leader still has something to do that somebody asked for, or will have once that
    /// is written.
    fn operations_open(&self) -> bool {
        let asked = |write: &Write| {
            let agent = self.machines[write.server].agent.as_ref();
            agent.is_some_and(|agent| Some(agent.boot) == write.boot)
        };
        if self.writes.values().any(asked) {
            return true;
        }
        let agent = self.leader().and_then(|leader| self.machines[leader].agent.as_ref());
        let ended = ["Succeeded", "Failed", "Superseded"];
        agent.is_some_and(|agent| {
            agent.node.store().1.iter().any(|(key, object)| {
                let over = |state: &&str| object.json.contains(&format!("\"state\":\"{state}\""));
                key.kind == "Operation" && !ended.iter().any(over)
            })
        })
    }

    fn stay_settled(&mut self) -> Result<(), Violation> {
        let leader = self.leader();
        self.run_for(self.options.timing().wait() * 2)?;
        if self.settled() && self.leader() == leader {
            let stores = self.machines.iter().map(|machine| {
                let contents = &machine.disk.contents;
                (&machine.name, contents.revision, &contents.objects)
            });
            return Checkers::agree(self.now, stores);
        }
        let mut problems = self.problems();
        if self.leader() != leader {
            problems.insert(0, "another leads".to_owned());
        }
        let text = format!("recovered, and then moved again: {}", problems.join("; "));
        Err(Violation::new(Invariant::I3, self.now, text))
    }

    /// What `stead status` tells an operator to do.
    fn set_right(&mut self) -> Result<(), Violation> {
        let (Some(leader), Some(seen)) = (self.leader(), self.seen()) else { return Ok(()) };
        for server in &seen.out {
            let type_ = OperationType::ReturnServer;
            self.request(leader, type_, None, Some(server.as_str()))?;
        }
        for (group, seen) in &seen.groups {
            match seen.state {
                GroupState::Offline => {
                    self.request(leader, OperationType::StartGroup, Some(group.as_str()), None)?;
                }
                GroupState::Failed | GroupState::Degraded => {
                    self.request(leader, OperationType::RestartGroup, Some(group.as_str()), None)?;
                }
                GroupState::Unknown | GroupState::Stopping => {
                    self.request(leader, OperationType::StopGroup, Some(group.as_str()), None)?;
                }
                GroupState::Starting | GroupState::Online => {}
            }
        }
        Ok(())
    }
}
