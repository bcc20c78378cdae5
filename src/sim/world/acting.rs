//! What is done to the cluster: drawn, or followed from a list, and written down in both cases.

use std::time::Duration;

use super::{Happening, World};
use crate::sim::acts::{Act, TimedAct};
use crate::sim::checkers::Violation;
use crate::sim::node::Node;
use crate::sim::setup;

impl<N: Node> World<N> {
    /// Begins to break things, and to operate, as the options say.
    pub fn stir(&mut self) {
        if let Some(script) = self.options.script.clone() {
            return self.follow(&script);
        }
        self.stirred = self.now;
        if !self.options.faults.is_empty() {
            let delay = self.randoms.faults.duration(Duration::ZERO, self.options.fault_gap * 4);
            self.after(delay, Happening::Strike);
        }
        if let Some(gap) = self.options.operation_gap {
            let delay = self.randoms.workload.duration(Duration::ZERO, gap * 3);
            self.after(delay, Happening::Operate);
        }
    }

    /// Begins to do what a list says, and nothing else.
    pub fn follow(&mut self, acts: &[TimedAct]) {
        self.stirred = self.now;
        for TimedAct { after, act } in acts {
            self.after(*after, Happening::Act(Box::new(act.clone())));
        }
    }

    /// What was done to it since its turbulence began.
    #[must_use]
    pub fn acts(&self) -> &[TimedAct] {
        &self.acts
    }

    pub(super) fn act(&mut self, act: Act) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        self.acts.push(TimedAct { after: self.now - self.stirred, act: act.clone() });
        match act {
            Act::Break { fault, lasts } => self.inject(fault, lasts),
            Act::Operate { at, type_, group, server } => {
                let Some(at) = at.or_else(|| self.leader()) else { return Ok(()) };
                let group = group.map(setup::group_name);
                let server = server.map(setup::server_name);
                self.request(at, type_, group.as_deref(), server.as_deref())
            }
            Act::Change { at, group, retries } => {
                let Some(at) = at.or_else(|| self.leader()) else { return Ok(()) };
                self.change_something(at, group, retries)
            }
            Act::Edit { at, edit } => {
                let Some(at) = at.or_else(|| self.leader()) else { return Ok(()) };
                self.edit(at, &edit)
            }
            Act::Revive => {
                self.revive();
                Ok(())
            }
        }
    }
}
