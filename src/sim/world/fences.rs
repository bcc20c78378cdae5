//! Machines that are switched off from outside.

use std::time::Duration;

use super::{Happening, World};
use crate::api::kinds::FencingMethod;
use crate::api::names::ServerName;
use crate::engine::effect::FenceAction;
use crate::engine::ids::{ActionId, BootId};
use crate::engine::input::FenceAnswer;
use crate::sim::faults::FenceFailure;
use crate::sim::fence::Fate;
use crate::sim::node::Node;

impl<N: Node> World<N> {
    /// A node asks for it.
    pub(super) fn fence(
        &mut self,
        server: usize,
        boot: BootId,
        (id, action): (ActionId, FenceAction),
        target: &ServerName,
        method: &FencingMethod,
    ) {
        let Some(target) = self.names.iter().position(|name| name == target) else { return };
        let failures = match self.options.fencing {
            Some(plan) if !self.healed => plan.failures,
            Some(_) | None => 0,
        };
        let random = &mut self.randoms.fences;
        let prescribed = self.options.pace.as_ref().map(|pace| {
            let takes = pace.fences.get(&method.name).copied().unwrap_or_default();
            let failure = self.fences_failing.get(&method.name).copied();
            // Whoever reaches nothing reaches no power switch.
            let cut_off = self.arbiter.cut_off.contains(&server);
            let failure = if cut_off { Some(FenceFailure::IsSilent) } else { failure };
            Fate::prescribed(action, takes, method.timeout.into(), failure)
        });
        let drawn = match action {
            FenceAction::Off => Fate::draw(failures, random),
            FenceAction::Check | FenceAction::On => {
                let answer = match random.chance(failures) {
                    true => FenceAnswer::Unknown,
                    false => FenceAnswer::Fenced,
                };
                Fate { off: None, answer, said: Some(random.milliseconds(1, 300)) }
            }
        };
        let fate = prescribed.unwrap_or(drawn);
        let epoch = self.machines[target].epoch;
        if action == FenceAction::On {
            self.after(Duration::from_millis(500), Happening::PowerOn { server: target, epoch });
        }
        if let Some(off) = fate.off {
            // It is meant for the machine, whichever of its boots that meets.
            self.after(off, Happening::Fence { server: target });
        }
        if let Some(said) = fate.said {
            let (answer, off) = (fate.answer, action == FenceAction::Off);
            self.after(said, Happening::Fenced { server, boot, id, answer, off });
        }
    }

    /// Power is gone; somebody switches it on again later. Who took the power before gives it back.
    pub(super) fn switched_off(&mut self, server: usize) {
        if !self.machines[server].powered {
            return;
        }
        self.checkers.excuse_everything();
        self.fenced += 1;
        self.crash(server);
        if self.options.pace.is_some() {
            // Whoever is to switch it on again is part of the play.
            return;
        }
        let epoch = self.machines[server].epoch;
        let delay = self.randoms.fences.milliseconds(1000, 20_000);
        self.after(delay, Happening::PowerOn { server, epoch });
    }
}
