//! Takes rungs, and waits for what was asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ladder::{self, Rung};
use super::watch::{Claim, Phase, Watch};
use super::{ANSWER_GRACE, Monitors, RecoveryEffect};
use crate::api::kinds::{FinalAction, RecoveryTargetKind};
use crate::api::names::{GroupName, MonitorName};
use crate::engine::effect::PowerAction;
use crate::engine::group::ActivityState;
use crate::engine::mutation::flawed;
use crate::engine::note::{group_key, resource_key};
use crate::engine::time::Now;

/// How long what was asked of the groups may take to begin; they answer at once, so this is long.
const REACTIVATION_BEGINS_MAX: Duration = Duration::from_secs(30);
/// How long the leader may take, beyond a whole change of views, to begin a failover: after that
/// it counts as tried.
const FAILOVER_BEGINS_MAX: Duration = Duration::from_secs(30);

/// The recovery target as it stands on this server.
enum TargetState {
    /// Not active.
    Elsewhere,
    /// Somebody is at work on it.
    Changing,
    /// Active, or failed with nothing under way.
    Ready(Claim),
}

impl Monitors {
    fn target_state(&self, watch: &Watch) -> TargetState {
        let model = &watch.model;
        let concerned =
            self.activity.iter().filter(|(name, activity)| match model.spec.recovery.target.kind {
                RecoveryTargetKind::Resource => Some(*name) == model.target_resource.as_ref(),
                RecoveryTargetKind::Group => Some(&activity.group) == model.target_group.as_ref(),
                RecoveryTargetKind::AllGroups => true,
                RecoveryTargetKind::LocalServer => false,
            });
        let mut groups = BTreeSet::new();
        let mut changing = false;
        for (_, activity) in concerned {
            groups.insert(activity.group.clone());
            changing |= activity.state == ActivityState::Changing;
        }
        if model.spec.recovery.target.kind == RecoveryTargetKind::LocalServer {
            TargetState::Ready(Claim::Server)
        } else if groups.is_empty() {
            TargetState::Elsewhere
        } else if changing {
            TargetState::Changing
        } else {
            TargetState::Ready(Claim::Groups(groups))
        }
    }

    /// The monitor is in error: the next rung, if it may be taken now. If not, the next error
    /// asks again.
    pub(super) fn climb(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get(name) else { return };
        let rung = ladder::next(&watch.model.spec.recovery, &watch.counters);
        let target = watch.model.spec.recovery.target.name.clone().unwrap_or_default();
        let told = watch.told;
        if rung == Rung::End {
            let climbed = watch.counters != ladder::Counters::default();
            if climbed && !told {
                self.tell_once(name, "RecoveryExhausted", &target);
            }
            return;
        }
        let claim = match self.target_state(watch) {
            TargetState::Elsewhere => {
                if !told {
                    self.tell_once(name, "RecoverySkipped", &target);
                }
                return;
            }
            TargetState::Changing => return,
            TargetState::Ready(claim) => claim,
        };
        let other = self.watches.iter().find(|(other, watch)| {
            *other != name && watch.claim().is_some_and(|theirs| theirs.overlaps(&claim))
        });
        if let Some((other, _)) = other {
            let text = format!("waits for the recovery by {other}");
            if let Some(watch) = self.watches.get_mut(name) {
                watch.message = format!("{} ({text})", watch.message);
            }
            return;
        }
        let Some(watch) = self.watches.get_mut(name) else { return };
        if !flawed!(self.flaw, LadderForgets) {
            watch.counters.count(rung);
        }
        watch.errors = 0;
        watch.told = false;
        match rung {
            Rung::Script => self.run_script(now, name, claim),
            Rung::Reactivation => self.reactivate(now, name, claim),
            Rung::Failover => self.fail_over(now, name, claim),
            Rung::Final(action) => self.act_finally(name, action, &claim),
            Rung::End => {}
        }
    }

    fn tell_once(&mut self, name: &MonitorName, reason: &'static str, target: &str) {
        let note = self.note(name, reason).with("target", target);
        self.effects.push_back(RecoveryEffect::Note(note));
        if let Some(watch) = self.watches.get_mut(name) {
            watch.told = true;
        }
    }

    fn run_script(&mut self, now: Now, name: &MonitorName, claim: Claim) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let recovery = watch.model.spec.recovery.clone();
        let run = watch.counters.script_runs;
        let Some(script) = recovery.script else { return };
        let timeout: Duration = script.timeout.into();
        let id = self.ids.next_id();
        let deadline = now.instant + timeout + ANSWER_GRACE;
        watch.phase = Phase::Script { id, deadline, claim };
        self.works.insert(id, name.clone());
        let note = self
            .note(name, "RecoveryScriptStarted")
            .with("run", run)
            .with("runs", recovery.script_runs);
        self.effects.push_back(RecoveryEffect::Note(note));
        let (monitor, command) = (name.clone(), script.command);
        self.effects.push_back(RecoveryEffect::RecoveryScript { id, monitor, command, timeout });
    }

    fn reactivate(&mut self, now: Now, name: &MonitorName, claim: Claim) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let recovery = &watch.model.spec.recovery;
        let (run, runs) = (watch.counters.reactivations, recovery.reactivations);
        let until = now.instant + REACTIVATION_BEGINS_MAX;
        let resource = watch.model.target_resource.clone();
        let rung = Rung::Reactivation;
        watch.phase = Phase::Recovering { rung, claim: claim.clone(), begun: false, until };
        let groups = groups_of(&claim);
        let mut note = self.note(name, "RecoveryReactivation").with("run", run).with("runs", runs);
        match &resource {
            Some(resource) => {
                note = note.with("target", resource).because(resource_key(resource));
            }
            None => note = note.with("target", names(&groups)),
        }
        self.effects.push_back(RecoveryEffect::Note(note));
        let monitor = name.clone();
        match resource {
            Some(resource) => {
                self.effects.push_back(RecoveryEffect::ReactivateResource { monitor, resource });
            }
            None => {
                self.effects.extend(groups.into_iter().map(|group| {
                    RecoveryEffect::ReactivateGroup { monitor: monitor.clone(), group }
                }))
            }
        }
    }

    fn fail_over(&mut self, now: Now, name: &MonitorName, claim: Claim) {
        let wait = self.model.as_ref().map_or(Duration::ZERO, |m| m.cluster.timing.wait());
        let Some(watch) = self.watches.get_mut(name) else { return };
        let (run, runs) = (watch.counters.failovers, watch.model.spec.recovery.failovers);
        let until = now.instant + FAILOVER_BEGINS_MAX + wait;
        let groups = groups_of(&claim);
        watch.phase = Phase::Recovering { rung: Rung::Failover, claim, begun: false, until };
        watch.wishes.extend(groups.iter().cloned());
        let message = format!("monitor {name}: {}", watch.message);
        let note = self
            .note(name, "RecoveryFailover")
            .with("run", run)
            .with("runs", runs)
            .with("target", names(&groups));
        self.effects.push_back(RecoveryEffect::Note(note));
        self.effects.extend(groups.into_iter().map(|group| RecoveryEffect::FailoverGroup {
            monitor: name.clone(),
            group,
            message: message.clone(),
        }));
    }

    /// Asked for once; the monitor goes on checking, and its counters start over when it is
    /// normal again.
    fn act_finally(&mut self, name: &MonitorName, action: FinalAction, claim: &Claim) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let message = format!("monitor {name}: {}", watch.message);
        let groups = groups_of(claim);
        let resource = watch.model.target_resource.clone();
        if action == FinalAction::StopGroup {
            watch.wishes.extend(groups.iter().cloned());
        }
        let mut note = self.note(name, "RecoveryFinalAction").with("action", format!("{action:?}"));
        note.because.extend(groups.iter().map(group_key));
        self.effects.push_back(RecoveryEffect::Note(note));
        let monitor = name.clone();
        let power = |action| RecoveryEffect::FinalAction {
            monitor: monitor.clone(),
            action,
            message: message.clone(),
        };
        match action {
            FinalAction::None => {}
            FinalAction::StopResource => {
                if let Some(resource) = resource {
                    self.effects.push_back(RecoveryEffect::StopResource { monitor, resource });
                }
            }
            FinalAction::StopGroup => {
                self.effects.extend(groups.into_iter().map(|group| RecoveryEffect::StopGroup {
                    monitor: monitor.clone(),
                    group,
                    message: message.clone(),
                }));
            }
            FinalAction::StopAgent => self.effects.push_back(power(PowerAction::StopAgent)),
            FinalAction::Shutdown => self.effects.push_back(power(PowerAction::Shutdown)),
            FinalAction::Reboot => self.effects.push_back(power(PowerAction::Reboot)),
        }
    }

    /// What is active here changed: a recovery that waits for it may be over.
    pub(super) fn follow_recovery(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get(name) else { return };
        let Phase::Recovering { begun, .. } = &watch.phase else { return };
        let (over, changing) = match self.target_state(watch) {
            TargetState::Changing => (false, true),
            TargetState::Elsewhere => (true, false),
            // It was worked on and is not any more, or nobody has begun.
            TargetState::Ready(_) => (*begun, false),
        };
        if over {
            self.recovered(now, name);
        } else if changing
            && let Some(watch) = self.watches.get_mut(name)
            && let Phase::Recovering { begun, .. } = &mut watch.phase
        {
            *begun = true;
        }
    }

    /// A script, reactivation or failover is over, one way or another: the next check follows
    /// after the interval, so that what was started gets the time to come up.
    pub(super) fn recovered(&mut self, now: Now, name: &MonitorName) {
        let Some(watch) = self.watches.get_mut(name) else { return };
        let delay: Duration = watch.model.spec.start_delay.into();
        let delay = delay.max(watch.interval());
        watch.phase = Phase::Waiting { next: now.instant + delay };
        self.follow(now, name);
    }
}

fn groups_of(claim: &Claim) -> BTreeSet<GroupName> {
    match claim {
        Claim::Server => BTreeSet::new(),
        Claim::Groups(groups) => groups.clone(),
    }
}

fn names(groups: &BTreeSet<GroupName>) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}
