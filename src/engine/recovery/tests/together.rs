//! Monitors and groups as the node composes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::bench::{TARGET, monitor, with_monitors};
use crate::api::names::ServerName;
use crate::engine::effect::ResourceAction;
use crate::engine::group::tests::bench::{GROUP, active, failed, order_id};
use crate::engine::group::{GroupEffect, Groups, Target};
use crate::engine::ids::{ActionId, ActionIds};
use crate::engine::input::{CheckResult, Outcome};
use crate::engine::message::{GroupPhase, Order, OrderAction, OrderReason, Wants};
use crate::engine::recovery::{Monitors, RecoveryEffect};
use crate::engine::time::{Instant, Now, WallTime};

struct Server {
    groups: Groups,
    monitors: Monitors,
    now: Now,
    starts_succeed: bool,
    checks: Vec<ActionId>,
    done: BTreeMap<&'static str, u32>,
}

impl Server {
    fn new() -> Self {
        let spec = json!({"timing": "WhileActive", "whileActive": TARGET});
        let model = Arc::new(with_monitors(&[("m", monitor(&spec))]));
        let mut server = Self {
            groups: Groups::new(ServerName::from("one"), ActionIds::strided(1, 3)),
            monitors: Monitors::new(ServerName::from("one"), ActionIds::strided(2, 3)),
            now: Now { instant: Instant(1), wall: WallTime(1) },
            starts_succeed: true,
            checks: Vec::new(),
            done: BTreeMap::new(),
        };
        server.groups.on_model(server.now, model.clone());
        server.monitors.on_model(server.now, model);
        server.run();
        server.order(1, OrderAction::Run);
        server
    }

    fn order(&mut self, sequence: u64, action: OrderAction) {
        let order = Order {
            group: GROUP.into(),
            id: order_id(sequence),
            action,
            reason: OrderReason::FailedOver,
            previous: None,
        };
        self.groups.on_order(self.now, &order);
        self.run();
    }

    /// Carries out everything; only checks are left for the test to answer.
    fn run(&mut self) {
        let mut works = Vec::new();
        loop {
            while let Some(effect) = self.groups.poll_effect() {
                if let GroupEffect::Resource { id, action, .. } = effect {
                    works.push((id, action));
                }
            }
            self.monitors.on_group_state(self.now, self.groups.activity());
            let mut silent = true;
            while let Some(effect) = self.monitors.poll_effect() {
                silent = false;
                self.carry_out(effect);
            }
            if !silent {
                continue;
            }
            let Some((id, action)) = works.pop() else { break };
            let outcome = match action {
                ResourceAction::Start if self.starts_succeed => active(),
                ResourceAction::Start => failed(),
                ResourceAction::Stop | ResourceAction::Probe => Outcome::Absent,
            };
            self.groups.on_resource_done(self.now, id, outcome);
        }
    }

    fn carry_out(&mut self, effect: RecoveryEffect) {
        let what = match effect {
            RecoveryEffect::Check { id, .. } => return self.checks.push(id),
            RecoveryEffect::ReactivateResource { resource, .. } => {
                let target = Target::Resource(resource);
                self.groups.reactivate(self.now, &target).expect("active");
                "reactivation"
            }
            RecoveryEffect::FailoverGroup { group, message, .. } => {
                self.groups.wish(self.now, &group, Wants::Failover, message).expect("active");
                "failover"
            }
            RecoveryEffect::Note(_) | RecoveryEffect::Cancel { .. } => return,
            RecoveryEffect::RecoveryScript { .. }
            | RecoveryEffect::ReactivateGroup { .. }
            | RecoveryEffect::Withdraw { .. }
            | RecoveryEffect::StopResource { .. }
            | RecoveryEffect::StopGroup { .. }
            | RecoveryEffect::FinalAction { .. } => "other",
        };
        *self.done.entry(what).or_default() += 1;
    }

    /// The next check, answered with an error.
    fn error(&mut self) {
        if self.checks.is_empty() {
            self.now.instant = self.monitors.poll_timeout().expect("a check to come");
            self.monitors.handle_timeout(self.now);
            self.run();
        }
        let id = self.checks.pop().expect("a check");
        self.monitors.on_checked(self.now, id, CheckResult::Error, "closed".into());
        self.run();
    }

    fn phase(&self) -> Option<GroupPhase> {
        self.groups.holds().remove(&GROUP.into()).map(|held| held.phase)
    }
}

/// AZ-4: three reactivations, one failover, then nothing.
#[test]
fn a_failing_probe_port_is_reactivated_three_times_and_failed_over_once() {
    for starts_succeed in [true, false] {
        let mut server = Server::new();
        server.starts_succeed = starts_succeed;
        for count in 1..=3 {
            server.error();
            assert_eq!(server.done, BTreeMap::from([("reactivation", count)]));
        }
        server.error();
        assert_eq!(server.done, BTreeMap::from([("failover", 1), ("reactivation", 3)]));
        let Some(GroupPhase::Failed { wants, message, .. }) = server.phase() else {
            panic!("{:?}", server.phase());
        };
        assert_eq!((wants, message.as_str()), (Wants::Failover, "monitor m: closed"));
        server.order(2, OrderAction::Stop);
        assert_eq!(server.phase(), Some(GroupPhase::Stopped));
        assert_eq!(server.monitors.poll_timeout(), None);
        // It comes back, and fails again without having been normal: nothing is left.
        server.starts_succeed = true;
        server.order(3, OrderAction::Run);
        for _ in 0..5 {
            server.error();
        }
        assert_eq!(server.done, BTreeMap::from([("failover", 1), ("reactivation", 3)]));
        assert_eq!(server.phase(), Some(GroupPhase::Online));
    }
}
