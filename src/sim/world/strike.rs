//! Breaking things, and making them whole.

use std::time::Duration;

use super::{Happening, World};
use crate::engine::ids::IncarnationId;
use crate::engine::input::Input;
use crate::sim::checkers::Violation;
use crate::sim::disk::Disk;
use crate::sim::faults::Fault;
use crate::sim::net::Storm;
use crate::sim::node::Node;
use crate::sim::options::Profile;
use crate::sim::words;

impl<N: Node> World<N> {
    /// Breaks something for a while.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn inject(&mut self, fault: Fault, lasts: Duration) -> Result<(), Violation> {
        self.break_it(&fault)?;
        self.after(lasts, Happening::Mend(Box::new(fault)));
        Ok(())
    }

    /// Breaks something until [`World::mend`] is called for it.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn break_it(&mut self, fault: &Fault) -> Result<(), Violation> {
        self.trace.milestone(self.now, 11, || format!("FAULT: {}", words::of_fault(fault)));
        if self.options.profile == Profile::Calm {
            // Broken by hand, in a scenario.
            self.checkers.excuse_everything();
        }
        match fault {
            Fault::Crash(server) => self.crash(*server),
            Fault::PowerLoss => (0..self.machines.len()).for_each(|server| self.crash(server)),
            Fault::AgentKill(server) => {
                if self.machines[*server].agent.is_some() {
                    self.agent_ends(*server, true);
                    self.kill(*server);
                }
            }
            Fault::AgentStall(server) => {
                if let Some(agent) = self.machines[*server].agent.as_mut() {
                    agent.stalled = true;
                }
            }
            Fault::Replace(server) => {
                let stalled = |agent: &super::Agent<N>| agent.stalled;
                if self.machines[*server].agent.as_ref().is_some_and(|agent| !stalled(agent)) {
                    self.feed(*server, Input::Retire)?;
                    self.agent_ends(*server, false);
                }
            }
            Fault::Freeze(server) => {
                let machine = &mut self.machines[*server];
                if machine.powered && machine.frozen.is_none() {
                    machine.frozen = Some(Vec::new());
                }
            }
            Fault::KeeperDeath(server) => self.keeper_dies(*server)?,
            Fault::Cut(cut) => {
                cut.iter().for_each(|(from, to, path)| self.network.cut(*from, *to, *path));
            }
            Fault::Storm(storm) => self.network.storm(*storm),
            Fault::DiskFull(server) => self.machines[*server].disk.full = true,
            Fault::DiskStall(server) => self.machines[*server].disk.stalled = true,
            Fault::DiskReplaced(server, same) => self.replace_disk(*server, *same),
            Fault::WallStep(server, by) => self.machines[*server].clock.wall_offset += by,
            Fault::ArbiterAway => self.arbiter.away = true,
            Fault::Break(server, resource) => {
                self.machines[*server].drivers.stop_working(resource);
            }
            Fault::Die(server, resource) => {
                if self.machines[*server].drivers.die(resource) {
                    let message = "ended by itself".into();
                    let input = Input::ResourceFailed { resource: resource.clone(), message };
                    self.feed(*server, input)?;
                }
            }
            Fault::Curse(server, resource) => {
                self.machines[*server].drivers.cursed.insert(resource.clone());
            }
            Fault::Stick(server, resource) => {
                self.machines[*server].drivers.stuck.insert(resource.clone());
            }
            Fault::Hang(server, resource) => {
                self.machines[*server].drivers.hung.insert(resource.clone());
            }
            Fault::Pause(server) => {
                let machine = &mut self.machines[*server];
                if machine.powered && machine.frozen.is_none() {
                    machine.stood_at = Some(machine.clock.instant(self.now));
                    machine.frozen = Some(Vec::new());
                }
            }
            Fault::ArbiterCutOff(server) => {
                self.arbiter.cut_off.insert(*server);
            }
            Fault::ArbiterPartAway(part) => {
                self.arbiter.parts_away.insert(*part);
            }
            Fault::FailCheck(server, monitor) => {
                self.machines[*server].drivers.failing.insert(monitor.clone());
            }
            Fault::FenceFails(method, how) => {
                self.fences_failing.insert(method.clone(), *how);
            }
            Fault::ArbiterSlow(by) => self.arbiter.slow = *by,
            Fault::Drag(links, by) => {
                links.iter().for_each(|link| self.network.drag(*link, *by));
            }
        }
        Ok(())
    }

    fn replace_disk(&mut self, server: usize, same: bool) {
        self.crash(server);
        let incarnation = IncarnationId(self.randoms.machines.number());
        let machine = &mut self.machines[server];
        machine.disk = Disk::new(self.bootstrap.clone());
        if !same {
            machine.incarnation = incarnation;
        }
    }

    fn keeper_dies(&mut self, server: usize) -> Result<(), Violation> {
        let machine = &self.machines[server];
        if !machine.powered || machine.frozen.is_some() || machine.keeper.down {
            return Ok(());
        }
        let keeper = &mut self.machines[server].keeper;
        *keeper = crate::sim::keeper::Keeper { down: true, ..Default::default() };
        // Its unit ends what it leaves.
        self.services_end(server, "died with its keeper")?;
        self.feed(server, Input::Keeper { present: false })
    }

    /// Makes whole what was broken.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn mend(&mut self, fault: &Fault) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        self.trace.milestone(self.now, 12, || format!("MENDED: {}", words::of_fault(fault)));
        match fault {
            Fault::Crash(server) | Fault::DiskReplaced(server, _) => self.power_on(*server),
            Fault::PowerLoss => {
                for server in 0..self.machines.len() {
                    let epoch = self.machines[server].epoch;
                    let delay =
                        self.randoms.machines.duration(Duration::ZERO, self.options.timeout * 3);
                    self.after(delay, Happening::PowerOn { server, epoch });
                }
                Ok(())
            }
            Fault::AgentKill(server) | Fault::Replace(server) => {
                self.agent_due_now(*server);
                Ok(())
            }
            Fault::AgentStall(server) => {
                self.resume_now(*server);
                Ok(())
            }
            Fault::Freeze(server) | Fault::Pause(server) => {
                self.thaw_now(*server);
                Ok(())
            }
            Fault::KeeperDeath(server) => {
                let epoch = self.machines[*server].epoch;
                self.after(Duration::ZERO, Happening::Keeper { server: *server, epoch });
                Ok(())
            }
            Fault::Cut(cut) => {
                cut.iter().for_each(|(from, to, path)| self.network.mend(*from, *to, *path));
                Ok(())
            }
            Fault::Storm(_) => {
                self.network.storm(Storm::default());
                Ok(())
            }
            Fault::DiskFull(server) => {
                self.machines[*server].disk.full = false;
                Ok(())
            }
            Fault::DiskStall(server) => {
                self.disk_moves_on(*server);
                Ok(())
            }
            Fault::ArbiterAway => {
                self.arbiter.away = false;
                Ok(())
            }
            Fault::Curse(server, resource) => {
                self.machines[*server].drivers.cursed.remove(resource);
                Ok(())
            }
            Fault::Stick(server, resource) => {
                self.machines[*server].drivers.stuck.remove(resource);
                Ok(())
            }
            Fault::Hang(server, resource) => {
                self.machines[*server].drivers.hung.remove(resource);
                Ok(())
            }
            Fault::ArbiterCutOff(server) => {
                self.arbiter.cut_off.remove(server);
                Ok(())
            }
            Fault::ArbiterPartAway(part) => {
                self.arbiter.parts_away.remove(part);
                Ok(())
            }
            Fault::FailCheck(server, monitor) => {
                self.machines[*server].drivers.failing.remove(monitor);
                Ok(())
            }
            Fault::FenceFails(method, _) => {
                self.fences_failing.remove(method);
                Ok(())
            }
            Fault::ArbiterSlow(_) => {
                self.arbiter.slow = Duration::ZERO;
                Ok(())
            }
            Fault::Drag(links, _) => {
                links.iter().for_each(|link| self.network.drag(*link, Duration::ZERO));
                Ok(())
            }
            Fault::WallStep(..) | Fault::Break(..) | Fault::Die(..) => Ok(()),
        }
    }

    fn agent_due_now(&mut self, server: usize) {
        let epoch = self.machines[server].epoch;
        self.after(Duration::ZERO, Happening::Agent { server, epoch });
    }

    fn resume_now(&mut self, server: usize) {
        if let Some(boot) = self.machines[server].agent.as_ref().map(|agent| agent.boot) {
            self.after(Duration::ZERO, Happening::Resume { server, boot });
        }
    }

    /// What a disk that stood still has taken is done now.
    fn disk_moves_on(&mut self, server: usize) {
        self.machines[server].disk.stalled = false;
        let Some(boot) = self.machines[server].agent.as_ref().map(|agent| agent.boot) else {
            return;
        };
        for _ in 0..self.machines[server].disk.waiting() {
            self.after(Duration::ZERO, Happening::Disk { server, boot });
        }
    }

    fn thaw_now(&mut self, server: usize) {
        let epoch = self.machines[server].epoch;
        self.after(Duration::ZERO, Happening::Thaw { server, epoch });
    }

    /// All that is broken is made whole, and nothing breaks any more.
    ///
    /// # Errors
    ///
    /// Where a rule is broken at once.
    pub fn heal(&mut self) -> Result<(), Violation> {
        self.trace.milestone(self.now, 13, || "HEALED".into());
        self.healed = true;
        self.leases_healed = self.machines.iter().map(|machine| machine.keeper.lease).collect();
        self.network.heal();
        self.arbiter.heal();
        self.options.failures = 0;
        self.options.hangs = 0;
        self.checkers.excuse_everything();
        for server in 0..self.machines.len() {
            self.machines[server].disk.full = false;
            self.disk_moves_on(server);
            self.machines[server].drivers.heal();
            self.thaw_now(server);
            self.resume_now(server);
            let epoch = self.machines[server].epoch;
            if self.machines[server].keeper.down {
                self.after(Duration::ZERO, Happening::Keeper { server, epoch });
            }
            self.after(Duration::ZERO, Happening::PowerOn { server, epoch });
            self.agent_due_now(server);
        }
        Ok(())
    }

    /// Starts what somebody, or a final action, has ended for good.
    pub(super) fn revive(&mut self) {
        for server in 0..self.machines.len() {
            let machine = &self.machines[server];
            let epoch = machine.epoch;
            if !machine.powered {
                self.after(Duration::ZERO, Happening::PowerOn { server, epoch });
            } else if machine.agent.is_none() {
                self.after(Duration::ZERO, Happening::Agent { server, epoch });
            }
        }
    }
}
