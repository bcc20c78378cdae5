//! Breaking things, and making them whole.

use std::time::Duration;

use super::{Happening, World};
use crate::api::names::ResourceName;
use crate::engine::ids::IncarnationId;
use crate::engine::input::Input;
use crate::engine::placement::{DiskIntent, disk_intent_key};
use crate::sim::acts::Act;
use crate::sim::checkers::Violation;
use crate::sim::disk::Disk;
use crate::sim::faults::{Fault, FaultKind, both_ways, links};
use crate::sim::net::Storm;
use crate::sim::node::Node;
use crate::sim::options::{ArbiterKind, Profile};
use crate::sim::setup;
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

    /// Whether every disk remembers what its server promised.
    fn disks_are_known(&self) -> bool {
        self.machines.iter().all(|machine| {
            let name = &machine.name;
            let stored = machine.disk.contents.objects.get(&disk_intent_key(name));
            let known = stored.and_then(|object| DiskIntent::read(&object.json));
            known.is_some_and(|known| !known.first && known.incarnation == machine.incarnation)
        })
    }

    fn draw_new_disk(&mut self, server: usize) -> Option<Fault> {
        // Only the others can tell that a folder was used before: a lease may be held alone.
        let same = self.options.arbiter == ArbiterKind::Majority && self.randoms.faults.chance(300);
        // Two at once, or one of two under a majority, are for a person to decide.
        let others_can_admit =
            self.machines.len() > 2 || self.options.arbiter == ArbiterKind::Lease;
        (others_can_admit && self.disks_are_known()).then_some(Fault::DiskReplaced(server, same))
    }

    fn keeper_dies(&mut self, server: usize) -> Result<(), Violation> {
        if !self.machines[server].powered || self.machines[server].keeper.down {
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

    pub(super) fn strike(&mut self) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        let gap = self.randoms.faults.duration(Duration::ZERO, self.options.fault_gap * 2);
        self.after(gap, Happening::Strike);
        let kinds: Vec<FaultKind> = self.options.faults.iter().copied().collect();
        let Some(kind) = self.randoms.faults.pick(&kinds).copied() else { return Ok(()) };
        match self.draw(kind) {
            Some(act) => self.act(act),
            None => Ok(()),
        }
    }

    /// Draws what exactly breaks; nothing where that would not be the kind of fault meant.
    fn draw(&mut self, kind: FaultKind) -> Option<Act> {
        let timeout = self.options.timeout;
        let servers = self.machines.len();
        let server = self.randoms.faults.below(servers as u64) as usize;
        let fault = match kind {
            FaultKind::Crash => Fault::Crash(server),
            FaultKind::IdleCrash => Fault::Crash(self.idle_server()?),
            FaultKind::PowerLoss => Fault::PowerLoss,
            FaultKind::AgentKill => Fault::AgentKill(server),
            FaultKind::AgentStall => Fault::AgentStall(server),
            FaultKind::Replace => return self.draw_replacement(server),
            FaultKind::Freeze => Fault::Freeze(server),
            FaultKind::KeeperDeath => Fault::KeeperDeath(server),
            FaultKind::PathCut
            | FaultKind::OneWayCut
            | FaultKind::Isolate
            | FaultKind::Split
            | FaultKind::Mute
            | FaultKind::Tangle => Fault::Cut(self.draw_cut(kind, server)),
            FaultKind::Storm => Fault::Storm(Storm {
                delay: self.randoms.faults.duration(Duration::ZERO, timeout),
                loss: u32::try_from(self.randoms.faults.below(500)).unwrap_or(0),
            }),
            FaultKind::DiskFull => Fault::DiskFull(server),
            FaultKind::DiskStall => Fault::DiskStall(server),
            FaultKind::DiskReplaced => self.draw_new_disk(server)?,
            FaultKind::WallStep => {
                let by = self.randoms.faults.between(0, 7_200_000).cast_signed() - 3_600_000;
                Fault::WallStep(server, by)
            }
            FaultKind::ArbiterAway => Fault::ArbiterAway,
            FaultKind::Break => Fault::Break(server, self.draw_resource()),
            FaultKind::Die => Fault::Die(server, self.draw_resource()),
            FaultKind::Curse => Fault::Curse(server, self.draw_resource()),
            FaultKind::Stick => Fault::Stick(server, self.draw_resource()),
        };
        // Shorter than a time-out, about as long as a lease, or much longer.
        let mut longest = *self.randoms.faults.pick(&[1, 2, 3, 12]).unwrap_or(&3);
        if kind == FaultKind::DiskFull && self.options.profile == Profile::Mild {
            // A disk that is full for longer has its server leave the view.
            longest = longest.min(3);
        }
        let lasts = self.randoms.faults.duration(timeout / 20, timeout * longest);
        Some(Act::Break { fault, lasts })
    }

    fn draw_resource(&mut self) -> ResourceName {
        let group = self.randoms.faults.below(self.options.groups as u64) as usize;
        let index = self.randoms.faults.below(self.options.resources as u64) as usize;
        setup::resource_name(group, index).into()
    }

    fn draw_cut(&mut self, kind: FaultKind, server: usize) -> Vec<(usize, usize, usize)> {
        let paths = self.options.paths;
        let all: Vec<usize> = (0..self.machines.len()).collect();
        let random = &mut self.randoms.faults;
        let other = (server + 1 + random.below(all.len() as u64 - 1) as usize) % all.len();
        // In a mild schedule one path always works.
        let path = if self.options.profile == Profile::Mild {
            paths - 1
        } else {
            random.below(paths as u64) as usize
        };
        match kind {
            FaultKind::PathCut => vec![(server, other, path), (other, server, path)],
            FaultKind::OneWayCut => vec![(server, other, path)],
            FaultKind::Mute => links(&[server], &all, paths),
            FaultKind::Split => {
                let (one, rest): (Vec<usize>, Vec<usize>) =
                    all.into_iter().partition(|_| random.chance(500));
                both_ways(&one, &rest, paths)
            }
            FaultKind::Tangle => {
                let mut tangle = links(&all, &all, paths);
                let share = u32::try_from(random.between(100, 700)).unwrap_or(300);
                tangle.retain(|_| random.chance(share));
                tangle
            }
            FaultKind::Isolate
            | FaultKind::Crash
            | FaultKind::IdleCrash
            | FaultKind::PowerLoss
            | FaultKind::AgentKill
            | FaultKind::AgentStall
            | FaultKind::Replace
            | FaultKind::Freeze
            | FaultKind::KeeperDeath
            | FaultKind::Storm
            | FaultKind::DiskFull
            | FaultKind::DiskStall
            | FaultKind::DiskReplaced
            | FaultKind::WallStep
            | FaultKind::ArbiterAway
            | FaultKind::Break
            | FaultKind::Die
            | FaultKind::Curse
            | FaultKind::Stick => both_ways(&[server], &all, paths),
        }
    }

    /// A server that runs nothing while all the others do well, and whose loss may not disturb them.
    fn idle_server(&mut self) -> Option<usize> {
        let well = |machine: &super::Machine<N>| {
            machine.powered && machine.agent.as_ref().is_some_and(|agent| !agent.stalled)
        };
        let leader = self.leader()?;
        if self.options.profile == Profile::Mild
            && (self.machines.len() < 3 || !self.machines.iter().all(well))
        {
            return None;
        }
        // The lease arbiter's record outlives the leader, and with it every lease; and a slow
        // disk or network takes longer than what is left of a lease.
        let swift = self.options.timeout >= Duration::from_secs(1)
            && self.options.disk_max <= Duration::from_millis(10)
            && self.options.delay_max <= Duration::from_millis(3)
            && self.options.loss == 0;
        let leader_may = self.options.arbiter == ArbiterKind::Majority && swift
            || self.options.profile == Profile::Rough;
        let idle: Vec<usize> = (0..self.machines.len())
            .filter(|server| self.machines[*server].drivers.active().is_empty())
            .filter(|server| leader_may || *server != leader)
            .collect();
        self.randoms.faults.pick(&idle).copied()
    }

    fn draw_replacement(&mut self, server: usize) -> Option<Act> {
        let timeout = self.options.timeout;
        let mild = self.options.profile == Profile::Mild;
        let all_run = self.machines.iter().all(|machine| machine.agent.is_some());
        let leads = self.leader().is_none_or(|leader| leader == server);
        let unfit = leads && self.options.arbiter == ArbiterKind::Lease;
        if mild && (!all_run || unfit || timeout < Duration::from_secs(1)) {
            return None;
        }
        let longest = if mild { timeout / 4 } else { timeout * 2 };
        let lasts = self.randoms.faults.duration(Duration::from_millis(20), longest);
        Some(Act::Break { fault: Fault::Replace(server), lasts })
    }
}
