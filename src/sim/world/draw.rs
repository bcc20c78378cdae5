//! What breaks next, drawn from the seed and from what the cluster looks like.

use std::time::Duration;

use super::{Happening, World};
use crate::api::names::{MonitorName, ResourceName};
use crate::engine::placement::{DiskIntent, disk_intent_key};
use crate::sim::acts::Act;
use crate::sim::checkers::Violation;
use crate::sim::faults::{Fault, FaultKind, both_ways, links};
use crate::sim::net::Storm;
use crate::sim::node::Node;
use crate::sim::options::{ArbiterKind, Profile};
use crate::sim::setup;

impl<N: Node> World<N> {
    pub(super) fn strike(&mut self) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        let at_once = self.randoms.faults.chance(self.options.bursts);
        let longest = if at_once { self.options.timeout / 20 } else { self.options.fault_gap };
        let gap = self.randoms.faults.duration(Duration::ZERO, longest * 2);
        self.after(gap, Happening::Strike);
        let kinds: Vec<FaultKind> = self.options.faults.iter().copied().collect();
        let Some(kind) = self.randoms.faults.pick(&kinds).copied() else { return Ok(()) };
        if self.randoms.faults.chance(self.options.aimed) {
            return self.aim(kind);
        }
        let server = self.draw_victim();
        self.strike_at(kind, server)
    }

    /// Breaks something of a server.
    pub(super) fn strike_at(&mut self, kind: FaultKind, server: usize) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        self.victim = Some(server);
        match self.draw(kind, server) {
            Some(act) => {
                *self.drawn.entry(kind).or_default() += 1;
                self.act(act)
            }
            None => Ok(()),
        }
    }

    /// Whom the next fault meets.
    pub(super) fn draw_victim(&mut self) -> usize {
        if self.randoms.faults.chance(self.options.grudge) {
            let former = self.victim.filter(|_| self.randoms.faults.chance(600));
            if let Some(victim) = former.or_else(|| self.leader()) {
                return victim;
            }
        }
        self.randoms.faults.below(self.machines.len() as u64) as usize
    }

    /// Whether every disk remembers what its server promised, and every other one would notice if
    /// this server's did not.
    fn disks_are_known(&self, server: usize) -> bool {
        let known = |on: &super::Machine<N>, of: &super::Machine<N>| {
            let stored = on.disk.contents.objects.get(&disk_intent_key(&of.name));
            let known = stored.and_then(|object| DiskIntent::read(&object.json));
            known.is_some_and(|known| !known.first && known.incarnation == of.incarnation)
        };
        let victim = &self.machines[server];
        self.machines.iter().all(|machine| known(machine, machine) && known(machine, victim))
    }

    fn draw_new_disk(&mut self, server: usize) -> Option<Fault> {
        // Only the others can tell that a folder was used before: a lease may be held alone.
        let same = self.options.arbiter.counts() && self.randoms.faults.chance(300);
        // Two at once, or one of two under a majority, are for a person to decide.
        let others_can_admit = self.machines.len() > 2 || !self.options.arbiter.counts();
        (others_can_admit && self.disks_are_known(server))
            .then_some(Fault::DiskReplaced(server, same))
    }

    /// Draws what exactly breaks; nothing where that would not be the kind of fault meant.
    fn draw(&mut self, kind: FaultKind, server: usize) -> Option<Act> {
        let timeout = self.options.timeout;
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
            FaultKind::Pause => Fault::Pause(server),
            FaultKind::ArbiterCutOff => Fault::ArbiterCutOff(server),
            FaultKind::ArbiterPartAway => {
                Fault::ArbiterPartAway(self.randoms.faults.below(3) as usize)
            }
            FaultKind::ArbiterSlow => {
                Fault::ArbiterSlow(self.randoms.faults.duration(Duration::ZERO, timeout * 2))
            }
            FaultKind::Drag => self.draw_drag(server),
            FaultKind::Flap => self.draw_flapping(server),
            FaultKind::Hang => Fault::Hang(server, self.draw_resource()),
            FaultKind::FailCheck => {
                let monitor = format!("{}-monitor", self.draw_resource());
                Fault::FailCheck(server, MonitorName::from(monitor.as_str()))
            }
        };
        Some(Act::Break { fault, lasts: self.draw_length(kind) })
    }

    /// Shorter than a time-out, about as long as a lease, or much longer; or to its very end.
    fn draw_length(&mut self, kind: FaultKind) -> Duration {
        let timeout = self.options.timeout;
        let mut longest = *self.randoms.faults.pick(&[1, 2, 3, 12]).unwrap_or(&3);
        if kind == FaultKind::DiskFull && self.options.profile == Profile::Mild {
            // A disk that is full for longer has its server leave the view.
            longest = longest.min(3);
        }
        if self.randoms.faults.chance(self.options.aimed / 3) {
            let timing = self.options.timing();
            let ends = [timing.timeout, timing.lease, timing.self_fence, timing.wait()];
            let end = *self.randoms.faults.pick(&ends).unwrap_or(&timeout);
            let early = self.randoms.faults.duration(Duration::ZERO, timing.interval * 2);
            return (end + timing.interval).saturating_sub(early);
        }
        self.randoms.faults.duration(timeout / 20, timeout * longest)
    }

    /// Some links carry everything later, so that what was sent later comes earlier elsewhere.
    fn draw_drag(&mut self, server: usize) -> Fault {
        let paths = self.options.paths;
        let all: Vec<usize> = (0..self.machines.len()).collect();
        let random = &mut self.randoms.faults;
        let mut dragged = match random.below(3) {
            0 => links(&[server], &all, paths),
            1 => links(&all, &[server], paths),
            _ => links(&all, &all, paths),
        };
        dragged.retain(|_| random.chance(600));
        Fault::Drag(dragged, random.duration(Duration::ZERO, self.options.timeout * 2))
    }

    /// The first of several short cuts of the same links; the others follow.
    fn draw_flapping(&mut self, server: usize) -> Fault {
        let kinds = [FaultKind::PathCut, FaultKind::Isolate, FaultKind::Mute, FaultKind::Split];
        let kind = *self.randoms.faults.pick(&kinds).unwrap_or(&FaultKind::Isolate);
        let cut = self.draw_cut(kind, server);
        let timeout = self.options.timeout;
        let mut at = Duration::ZERO;
        for _ in 0..self.randoms.faults.between(1, 4) {
            at += self.randoms.faults.duration(timeout / 4, timeout * 2);
            let lasts = self.randoms.faults.duration(timeout / 10, timeout * 3 / 2);
            let act = Act::Break { fault: Fault::Cut(cut.clone()), lasts };
            self.after(at, Happening::Act(Box::new(act)));
        }
        Fault::Cut(cut)
    }

    fn draw_resource(&mut self) -> ResourceName {
        let group = self.randoms.faults.below(self.options.groups as u64) as usize;
        let index = self.randoms.faults.below(self.options.resources as u64) as usize;
        setup::resource_name(group, index).into()
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "most faults cut nothing")]
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
            // Isolate; and nobody asks this for a fault that is no cut.
            _ => both_ways(&[server], &all, paths),
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
