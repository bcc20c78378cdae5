//! Every single fault that the manifest gives rise to.

use std::time::Duration;

use crate::api::kinds::MonitorType;
use crate::api::names::{GroupName, MonitorName, ResourceName};
use crate::engine::model::{Model, MonitorModel};
use crate::sim::faults::{Fault, FenceFailure, both_ways, links};

use super::arbiters::Arbiters;
use super::durations::{Durations, takeover_wait};

/// Kinds of faults, as `--filter` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// A server loses power.
    Power,
    /// A server crashes and boots again.
    Reboot,
    /// An agent is killed.
    Agent,
    /// A keeper is killed.
    Keeper,
    /// A server is frozen.
    Freeze,
    /// A disk is full.
    Disk,
    /// A heartbeat path is cut.
    Path,
    /// Servers do not hear each other.
    Partition,
    /// An arbiter does not answer.
    Arbiter,
    /// A method of fencing fails while a server is lost.
    Fencing,
    /// A resource dies, stops working, or can't be started or stopped.
    Resource,
    /// What a monitor looks at fails.
    Monitor,
    /// The administrator moves a group: no fault, but an interruption.
    Move,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Power,
        Self::Reboot,
        Self::Agent,
        Self::Keeper,
        Self::Freeze,
        Self::Disk,
        Self::Path,
        Self::Partition,
        Self::Arbiter,
        Self::Fencing,
        Self::Resource,
        Self::Monitor,
        Self::Move,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Reboot => "reboot",
            Self::Agent => "agent",
            Self::Keeper => "keeper",
            Self::Freeze => "freeze",
            Self::Disk => "disk",
            Self::Path => "path",
            Self::Partition => "partition",
            Self::Arbiter => "arbiter",
            Self::Fencing => "fencing",
            Self::Resource => "resource",
            Self::Monitor => "monitor",
            Self::Move => "move",
        }
    }
}

/// What the administrator asks for, so that a fault shows that would lie hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provocation {
    pub(super) group: GroupName,
    /// Where to; none: wherever the cluster chooses.
    pub(super) to: Option<usize>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its kind.
    pub category: Category,
    /// What happens, in words.
    pub text: String,
    /// The servers, paths, resources and monitors it is about.
    pub about: Vec<String>,
    /// It can be mended by a setting only where time can be trusted.
    pub(super) clock_stands: bool,
    pub(super) faults: Vec<Fault>,
    /// Servers that no client reaches while it lasts.
    pub(super) dark: u64,
    /// How long it lasts; none: until somebody repairs it.
    pub(super) lasts: Option<Duration>,
    pub(super) provocation: Option<Provocation>,
    /// How long it may take until anything notices.
    pub(super) notice: Duration,
    /// It shows only where a resource is started or stopped on a server.
    pub(super) hidden: Option<Hidden>,
}

/// What brings a hidden fault to light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    pub(super) server: usize,
    pub(super) resource: ResourceName,
    /// The event that its server tells.
    pub(super) reason: &'static str,
}

/// Makes the list for a cluster whose groups are where they are.
pub(super) struct Lister<'a> {
    pub(super) model: &'a Model,
    pub(super) arbiters: &'a Arbiters,
    pub(super) durations: &'a Durations,
    /// The server of each group, in the order of the model's groups.
    pub(super) holders: Vec<Option<usize>>,
}

impl Lister<'_> {
    /// Every fault; those that lie hidden without a second one come last.
    pub(super) fn list(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        self.servers(&mut cases);
        self.paths(&mut cases);
        self.partitions(&mut cases);
        self.arbiters(&mut cases);
        self.fences(&mut cases);
        self.running_resources(&mut cases);
        self.monitors(&mut cases);
        self.moves(&mut cases);
        self.hidden(&mut cases);
        cases
    }

    fn name(&self, server: usize) -> &str {
        self.model.cluster.servers.get(server).map_or("", |name| name.as_str())
    }

    fn server_count(&self) -> usize {
        self.model.cluster.servers.len()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.model.cluster.servers.iter().position(|server| server.as_str() == name)
    }

    fn case(&self, category: Category, text: String, faults: Vec<Fault>, about: &[&str]) -> Case {
        Case {
            category,
            text,
            about: about.iter().map(|&name| name.to_owned()).collect(),
            clock_stands: false,
            faults,
            dark: 0,
            lasts: None,
            provocation: None,
            notice: Duration::ZERO,
            hidden: None,
        }
    }

    fn servers(&self, cases: &mut Vec<Case>) {
        let wait = takeover_wait(self.model);
        let frozen = Duration::from_secs((wait * 2).as_secs() + 1);
        let restart = Some(self.durations.unit_restart.value);
        for server in 0..self.server_count() {
            let name = self.name(server);
            let mut add = |category, text: String, fault, lasts| {
                let case = self.case(category, format!("{name} {text}"), vec![fault], &[name]);
                let clock_stands = matches!(case.faults.first(), Some(Fault::Pause(_)));
                cases.push(Case { lasts, clock_stands, ..case });
            };
            add(Category::Power, "loses power".into(), Fault::Crash(server), None);
            let crash = Fault::Crash(server);
            add(Category::Reboot, "crashes and reboots".into(), crash, Some(Duration::ZERO));
            add(Category::Agent, "agent killed".into(), Fault::AgentKill(server), restart);
            add(Category::Keeper, "keeper killed".into(), Fault::KeeperDeath(server), restart);
            add(Category::Disk, "disk full".into(), Fault::DiskFull(server), None);
            if self.holders.contains(&Some(server)) {
                let long = format!("frozen {} s", frozen.as_secs());
                let fault = Fault::Freeze(server);
                add(Category::Freeze, format!("{long}, clock running"), fault, Some(frozen));
                let fault = Fault::Pause(server);
                add(Category::Freeze, format!("{long}, clock standing"), fault, Some(frozen));
            }
        }
    }

    fn paths(&self, cases: &mut Vec<Case>) {
        let all: Vec<usize> = (0..self.server_count()).collect();
        let paths = self.model.cluster.paths.len();
        let on = |path: usize, from: &[usize], to: &[usize], both: bool| -> Vec<Fault> {
            let found = if both { both_ways(from, to, paths) } else { links(from, to, paths) };
            // Between two servers of one set both directions are in both lists already.
            let mut cut: Vec<_> = found.into_iter().filter(|link| link.2 == path).collect();
            cut.sort_unstable();
            cut.dedup();
            vec![Fault::Cut(cut)]
        };
        for (path, path_name) in self.model.cluster.paths.iter().enumerate() {
            let path_name = path_name.as_str();
            let faults = on(path, &all, &all, true);
            let text = format!("{path_name} cut");
            cases.push(self.case(Category::Path, text, faults, &[path_name]));
            for server in 0..self.server_count() {
                let name = self.name(server);
                let mut add = |text: String, faults| {
                    cases.push(self.case(Category::Path, text, faults, &[path_name, name]));
                };
                if self.server_count() > 2 {
                    let text = format!("{path_name} of {name} cut");
                    add(text, on(path, &[server], &all, true));
                }
                let text = format!("{path_name} cut one-way: {name} is not heard");
                add(text, on(path, &[server], &all, false));
                if self.server_count() > 2 {
                    let text = format!("{path_name} cut one-way: {name} does not hear");
                    add(text, on(path, &all, &[server], false));
                }
            }
        }
    }

    fn partitions(&self, cases: &mut Vec<Case>) {
        let all: Vec<usize> = (0..self.server_count()).collect();
        let paths = self.model.cluster.paths.len();
        for server in 0..self.server_count() {
            let name = self.name(server);
            let cut = Fault::Cut(both_ways(&[server], &all, paths));
            // With two servers the cut is one and the same.
            if self.server_count() > 2 || server == 0 {
                let text = match self.server_count() {
                    2 => format!("{name} and {} do not hear each other", self.name(1)),
                    _ => format!("{name} and the others do not hear each other"),
                };
                cases.push(self.case(Category::Partition, text, vec![cut.clone()], &[name]));
            }
            let text = format!("{name} cut off from everything");
            let faults = vec![cut, Fault::ArbiterCutOff(server)];
            let case = self.case(Category::Partition, text, faults, &[name]);
            cases.push(Case { dark: 1 << server, ..case });
        }
    }

    fn arbiters(&self, cases: &mut Vec<Case>) {
        for (part, name) in self.arbiters.names.iter().enumerate() {
            let fault = match self.arbiters.alternatives {
                0 | 1 => Fault::ArbiterAway,
                _ => Fault::ArbiterPartAway(part),
            };
            let text = format!("{name} gives no answer");
            cases.push(self.case(Category::Arbiter, text, vec![fault], &[name]));
        }
    }

    /// A method that fails shows only where a server is lost: one that runs something and goes on
    /// while nobody hears it.
    fn fences(&self, cases: &mut Vec<Case>) {
        let Some(holder) = self.holders.iter().flatten().copied().next() else { return };
        let all: Vec<usize> = (0..self.server_count()).collect();
        let name = self.name(holder);
        let methods = self.model.cluster.fencing.iter().flat_map(|fencing| fencing.methods());
        for method in methods.map(|method| &method.name) {
            for (failure, says) in [
                (FenceFailure::Refuses, "does not switch off"),
                (FenceFailure::IsLate, "is late to switch off"),
                (FenceFailure::IsSilent, "gives no answer for"),
                (FenceFailure::Lies, "lies about"),
                (FenceFailure::LiesLate, "lies late about"),
            ] {
                let cut = Fault::Cut(both_ways(&[holder], &all, self.model.cluster.paths.len()));
                let fails = Fault::FenceFails(method.clone(), failure);
                let faults = vec![fails, cut, Fault::ArbiterCutOff(holder)];
                let text = format!("{method} {says} {name} ({name} cut off from everything)");
                let case = self.case(Category::Fencing, text, faults, &[method, name]);
                cases.push(Case { dark: 1 << holder, ..case });
            }
        }
    }

    /// Resources with their group's name and the server they run on.
    fn resources(&self) -> impl Iterator<Item = (&GroupName, &ResourceName, usize)> {
        let held = self.model.groups.iter().zip(&self.holders);
        held.filter_map(|((group, model), holder)| Some((group, model, (*holder)?))).flat_map(
            |(group, model, holder)| {
                model.resources.keys().map(move |resource| (group, resource, holder))
            },
        )
    }

    /// How long it takes at most until a monitor of a resource is in error.
    fn notice(&self, resource: &ResourceName) -> Duration {
        let watches = |monitor: &&MonitorModel| {
            monitor.target_resource.as_ref() == Some(resource)
                || monitor.while_active.as_ref() == Some(resource)
                || monitor.while_inactive.is_none()
                    && monitor.spec.subject() == Some(resource.as_str())
        };
        let monitors = self.model.monitors.values().filter(watches);
        monitors.map(monitor_notice).max().unwrap_or_default()
    }

    fn running_resources(&self, cases: &mut Vec<Case>) {
        for (_, resource, holder) in self.resources() {
            let name = self.name(holder);
            let notice = self.notice(resource);
            let mut add = |text: String, fault| {
                let about = [resource.as_str(), name];
                let case = self.case(Category::Resource, text, vec![fault], &about);
                cases.push(Case { notice, ..case });
            };
            let fault = Fault::Die(holder, resource.clone());
            add(format!("{resource} dies on {name}"), fault);
            let fault = Fault::Break(holder, resource.clone());
            add(format!("{resource} hangs on {name}"), fault);
        }
    }

    fn monitors(&self, cases: &mut Vec<Case>) {
        for (monitor, model) in &self.model.monitors {
            let Some(server) = self.watched_on(monitor, model) else { continue };
            let name = self.name(server);
            let text = format!("what {monitor} looks at fails on {name}");
            let fault = Fault::FailCheck(server, monitor.clone());
            let case = self.case(Category::Monitor, text, vec![fault], &[monitor.as_str(), name]);
            cases.push(Case { notice: monitor_notice(model), ..case });
        }
    }

    /// A server on which a monitor monitors now.
    fn watched_on(&self, _: &MonitorName, model: &MonitorModel) -> Option<usize> {
        if model.spec.suspended {
            return None;
        }
        let holder_of = |resource: &ResourceName| {
            self.resources().find(|(_, name, _)| *name == resource).map(|(_, _, holder)| holder)
        };
        if let Some(resource) = &model.while_active {
            return holder_of(resource);
        }
        let of_load_balance = model.spec.load_balance.as_ref().map(|spec| spec.resource.as_str());
        let elsewhere = of_load_balance.and_then(|resource| holder_of(&resource.into()));
        let servers = model.servers.iter().filter_map(|name| self.index(name.as_str()));
        let mut servers = servers.filter(|server| {
            model.spec.type_ != MonitorType::LoadBalance || Some(*server) != elsewhere
        });
        servers.next()
    }

    /// Planned moves.
    fn moves(&self, cases: &mut Vec<Case>) {
        let held = self.model.groups.iter().zip(&self.holders);
        for ((group, model), holder) in held {
            let Some(name) = holder.map(|holder| self.name(holder)) else { continue };
            if model.servers.len() < 2 {
                continue;
            }
            let text = format!("{group} moved away from {name}");
            let case = self.case(Category::Move, text, Vec::new(), &[group.as_str(), name]);
            let provocation = Some(Provocation { group: group.clone(), to: None });
            cases.push(Case { provocation, ..case });
        }
    }

    /// What shows only when something is started or stopped: the administrator moves the group.
    fn hidden(&self, cases: &mut Vec<Case>) {
        for (group, resource, holder) in self.resources() {
            let notice = self.notice(resource);
            let policy = self.model.groups.get(group).map_or(&[][..], |model| &model.servers);
            let mut add = |text: String, server: usize, fault, to| {
                let about = [resource.as_str(), self.name(server)];
                let case = self.case(Category::Resource, text, vec![fault], &about);
                let provocation = Some(Provocation { group: group.clone(), to });
                let reason = if to.is_some() { "ResourceStarting" } else { "ResourceStopping" };
                let hidden = Some(Hidden { server, resource: resource.clone(), reason });
                cases.push(Case { notice, provocation, hidden, ..case });
            };
            let others = policy.iter().filter_map(|name| self.index(name.as_str()));
            for server in others.filter(|server| *server != holder) {
                let name = self.name(server);
                let fault = Fault::Curse(server, resource.clone());
                let text = format!("{resource} can't be started on {name} ({group} moved there)");
                add(text, server, fault, Some(server));
            }
            let name = self.name(holder);
            let fault = Fault::Stick(holder, resource.clone());
            let text = format!("{resource} can't be stopped on {name} ({group} moved away)");
            add(text, holder, fault, None);
            let fault = Fault::Hang(holder, resource.clone());
            let text = format!("the stop of {resource} hangs on {name} ({group} moved away)");
            add(text, holder, fault, None);
        }
    }
}

fn monitor_notice(monitor: &MonitorModel) -> Duration {
    let spec = &monitor.spec;
    let once = Duration::from(spec.interval) + Duration::from(spec.timeout);
    Duration::from(spec.start_delay) + once * (spec.retries + 1)
}
