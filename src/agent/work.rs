//! What takes time: drivers, on the runtime. Each piece of work answers exactly once, also when it
//! takes too long or panics, unless it is cancelled.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::config::PowerMode;
use super::keeper_client::KeeperEvent;
use crate::api::kinds::{ClusterSpec, FencingMethod, MonitorSpec, ResourceSpec};
use crate::api::names::{MonitorName, ServerName};
use crate::drivers::arbiters::Arbiters;
use crate::drivers::{Host, fences, monitors, process, resources};
use crate::engine::effect::{ArbiterQuestion, FenceAction, ResourceAction, ResourceContext};
use crate::engine::ids::ActionId;
use crate::engine::input::{
    ArbiterAnswer, CheckResult, FenceAnswer, GuardNews, Input, Outcome, Verdict, WatchdogArmed,
};
use crate::keeper::protocol::{WatchdogOrder, WatchdogReport};

/// The longest that any arbiter may take, whatever its own settings say.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(60);
/// What a recovery script may take longer than the keeper lets it live.
const SCRIPT_GRACE: Duration = Duration::from_secs(5);

/// Takes the answers.
pub type Answer = Arc<dyn Fn(Input) + Send + Sync>;

/// Starts work, and ends it on demand.
pub struct Work {
    runtime: Handle,
    host: Host,
    answer: Answer,
    running: BTreeMap<ActionId, AbortHandle>,
    arbiters: Arbiters,
}

impl Work {
    /// Works with this host, for the cluster of this id, and answers there.
    #[must_use]
    pub fn new(runtime: Handle, host: Host, cluster: String, answer: Answer) -> Self {
        let arbiters = Arbiters::new(cluster, host.server.clone(), host.clock);
        Self { runtime, host, answer, running: BTreeMap::new(), arbiters }
    }

    /// What drivers work with.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Starts, stops or probes a resource.
    pub fn resource(
        &mut self,
        id: ActionId,
        action: ResourceAction,
        context: Arc<ResourceContext>,
    ) {
        let host = self.host.clone();
        let work = async move {
            let limit = context.timeout;
            match timeout(limit, with_keeper(&host, action, &context)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::TimedOut,
            }
        };
        let answer = move |outcome| Input::ResourceDone { id, outcome };
        self.spawn(id, work, answer, || Outcome::Unknown { message: PANICKED.to_owned() });
    }

    /// Checks a monitor once.
    pub fn check(
        &mut self,
        id: ActionId,
        monitor: MonitorName,
        spec: Arc<MonitorSpec>,
        resource: Option<Arc<ResourceSpec>>,
        limit: Option<Duration>,
    ) {
        let host = self.host.clone();
        let work = async move {
            let check = monitors::check(&host, &monitor, &spec, resource.as_deref());
            match limit {
                Some(limit) => match timeout(limit, check).await {
                    Ok(answer) => answer,
                    Err(_) => (CheckResult::TimedOut, format!("no answer within {limit:?}")),
                },
                None => check.await,
            }
        };
        let answer = move |(result, message)| Input::Checked { id, result, message };
        self.spawn(id, work, answer, || (CheckResult::Unknown, PANICKED.to_owned()));
    }

    /// Takes in what the Cluster says: its arbiters, and how clouds are reached.
    pub fn prepare(&mut self, spec: &ClusterSpec) {
        self.arbiters.prepare(spec);
        self.host.cloud.prepare(spec);
    }

    /// Asks the arbiter.
    pub fn verdict(&mut self, id: ActionId, spec: &ClusterSpec, question: ArbiterQuestion) {
        let asked = self.arbiters.ask(spec, question);
        let work = async move {
            match timeout(VERDICT_TIMEOUT, asked).await {
                Ok(answer) => answer,
                Err(_) => {
                    let message = format!("no answer within {VERDICT_TIMEOUT:?}");
                    ArbiterAnswer::new(Verdict::Unknown, message)
                }
            }
        };
        let answer = move |answer| Input::Verdict { id, answer };
        self.spawn(id, work, answer, || ArbiterAnswer::new(Verdict::Unknown, PANICKED));
    }

    /// Runs a recovery script.
    pub fn recovery_script(
        &mut self,
        id: ActionId,
        monitor: MonitorName,
        command: Vec<String>,
        limit: Duration,
    ) {
        let host = self.host.clone();
        let work = async move {
            let script = process::recovery_script(&host, monitor.as_str(), &command, limit);
            timeout(limit + SCRIPT_GRACE, script).await.unwrap_or(None)
        };
        let answer = move |exit_code| Input::ScriptDone { id, exit_code };
        self.spawn(id, work, answer, || None);
    }

    /// Has the keeper arm the machine's watchdog, or stop it: where the machine may be ended at all.
    pub fn watchdog(&self, power: PowerMode, device: PathBuf, seconds: Option<u32>) {
        let (keeper, answer) = (self.host.keeper.clone(), self.answer.clone());
        self.runtime.spawn(async move {
            let result = match seconds {
                None => keeper.stop_watchdog().await.map(|()| None).map_err(|e| e.to_string()),
                Some(_) if power != PowerMode::Real => {
                    Err(format!("power is {power:?} in agent.yaml: no device is opened"))
                }
                Some(seconds) => {
                    let order = WatchdogOrder { device, seconds };
                    let report = keeper.arm_watchdog(order).await;
                    report.map(|report| Some(armed(report))).map_err(|e| e.to_string())
                }
            };
            answer(Input::Guard(GuardNews::Watchdog(result)));
        });
    }

    /// Uses a method of fencing.
    pub fn fence(
        &mut self,
        id: ActionId,
        action: FenceAction,
        server: ServerName,
        method: Arc<FencingMethod>,
    ) {
        let host = self.host.clone();
        let work = async move { fences::act(&host, action, &server, &method).await };
        let answer = move |(answer, message)| Input::FenceDone { id, answer, message };
        self.spawn(id, work, answer, || (FenceAnswer::Unknown, PANICKED.to_owned()));
    }

    /// Ends a piece of work; it does not answer any more, or has already.
    pub fn cancel(&mut self, id: ActionId) {
        if let Some(running) = self.running.remove(&id) {
            running.abort();
        }
    }

    /// A piece of work has answered.
    pub fn answered(&mut self, id: ActionId) {
        self.running.remove(&id);
    }

    fn spawn<T: Send + 'static>(
        &mut self,
        id: ActionId,
        work: impl Future<Output = T> + Send + 'static,
        input: impl FnOnce(T) -> Input + Send + 'static,
        panicked: impl FnOnce() -> T + Send + 'static,
    ) {
        let answer = self.answer.clone();
        let task = self.runtime.spawn(async move {
            let result = AssertUnwindSafe(work).catch_unwind().await;
            answer(input(result.unwrap_or_else(|_| panicked())));
        });
        self.running.insert(id, task.abort_handle());
    }
}

/// As the engine takes it.
pub(super) fn armed(report: WatchdogReport) -> WatchdogArmed {
    let WatchdogReport { device, identity, seconds } = report;
    WatchdogArmed { device: device.display().to_string(), identity, seconds }
}

/// Runs a driver. Where the keeper was lost, stopping and probing wait until all that it held has
/// certainly gone, or until it is back, and begin anew: "the keeper was lost" is not "it can't be
/// stopped".
async fn with_keeper(host: &Host, action: ResourceAction, context: &ResourceContext) -> Outcome {
    let may_repeat = match action {
        ResourceAction::Stop | ResourceAction::Probe => true,
        ResourceAction::Start => false,
    };
    loop {
        let mut events = host.keeper.events();
        while may_repeat && !host.keeper.is_present() {
            if host.keeper.has_ended()
                && let Some(outcome) = resources::without_keeper(host, action, context).await
            {
                return outcome;
            }
            if let Err(RecvError::Closed) = events.recv().await {
                break;
            }
        }
        let outcome = resources::run(host, action, context).await;
        let certain = match outcome {
            Outcome::Active { .. } | Outcome::Absent | Outcome::TimedOut => true,
            Outcome::Failed { .. } | Outcome::Unknown { .. } => false,
        };
        let mut lost = !host.keeper.is_present();
        while let Ok(event) = events.try_recv() {
            lost |= matches!(event, KeeperEvent::Lost);
        }
        if certain || !may_repeat || !lost {
            return outcome;
        }
    }
}

/// Said of a driver that has a bug.
const PANICKED: &str = "the driver failed by a bug of its own; see the agent's log";
