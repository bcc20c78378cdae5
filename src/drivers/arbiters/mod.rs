//! Arbiters outside the engine: a file for each type, and how the answers of several are one.
//!
//! Majority is counted in the engine. An arbiter here says `Held` only when it is certain that the
//! servers asked for may act; whatever goes wrong on the way is `Lost` or `Unknown`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::api::arbitration::{Combination, writes_record};
use crate::api::kinds::{
    self, Arbiter as Spec, ArbiterType, ClusterSpec, CombinationRule, DiskArbitration,
};
use crate::api::names::ServerName;
use crate::api::timing::Timing;
use crate::engine::arbitration::combined::{all, any};
use crate::engine::effect::ArbiterQuestion;
use crate::engine::input::{ArbiterAnswer, Verdict};
use crate::engine::time::Instant as BootInstant;

pub mod disk;
pub mod http;
pub mod lease;
pub mod ping;
pub mod serial;

/// What an arbiter is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Id of the cluster: a record of another one is refused.
    pub cluster: String,
    /// Who asks.
    pub server: ServerName,
    /// Whether these servers may act, in this term.
    pub engine: ArbiterQuestion,
}

/// What an arbiter knows of the cluster when it is made.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Id of the cluster.
    pub cluster: String,
    /// This server.
    pub server: ServerName,
    /// All servers, highest priority first.
    pub servers: Vec<ServerName>,
    /// Derived times.
    pub timing: Timing,
    /// How long a slot on a disk stands still until its server counts as dead.
    pub disk_window: Duration,
    /// Boot time.
    pub clock: fn() -> BootInstant,
}

impl Setting {
    /// Whether nothing changed.
    fn is(&self, other: &Self) -> bool {
        self.cluster == other.cluster
            && self.server == other.server
            && self.servers == other.servers
            && self.timing == other.timing
            && self.disk_window == other.disk_window
    }
}

/// One arbiter, as this agent asks it. It lives as long as its settings: it may keep connections,
/// threads, and what it last saw.
pub trait Arbiter: Send + Sync {
    /// Asks once. Dropping the future ends the question.
    ///
    /// An exclusive one says `Held` only when, between its being asked and its answer, it made sure
    /// that no server outside `members` can be told `Held` from then on without that one's showing
    /// a higher term; see `ArbiterAnswer` and ARCHITECTURE.md for `handover` and `recorded`.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, ArbiterAnswer>;
}

/// The arbiters of this server, made anew when their settings change.
pub struct Arbiters {
    cluster: String,
    server: ServerName,
    clock: fn() -> BootInstant,
    made: Option<Made>,
}

struct Made {
    setting: Setting,
    combination: Combination,
    asked: Arc<Asked>,
}

/// Those that this server asks.
struct Asked {
    rule: CombinationRule,
    arbiters: Vec<(ArbiterType, Box<dyn Arbiter>)>,
}

impl Arbiters {
    /// For this server, of the cluster of this id.
    #[must_use]
    pub fn new(cluster: String, server: ServerName, clock: fn() -> BootInstant) -> Self {
        Self { cluster, server, clock, made: None }
    }

    /// Makes what the Cluster names. What shows that this server lives, on a disk or a serial line,
    /// begins here, long before anybody asks.
    pub fn prepare(&mut self, spec: &ClusterSpec) {
        let combination = Combination::of(&spec.arbitration);
        let timeout = Duration::from(spec.heartbeat.timeout);
        let timing = Timing::derive(timeout, combination.budget(timeout));
        let disk = combination.arbiters.iter().find_map(|arbiter| arbiter.disk.as_ref());
        let io_timeout = disk.map_or(Duration::ZERO, |disk| disk.io_timeout.into());
        let setting = Setting {
            cluster: self.cluster.clone(),
            server: self.server.clone(),
            servers: spec.servers.iter().map(|server| server.name.as_str().into()).collect(),
            timing,
            disk_window: combination.disk_window(timeout, io_timeout),
            clock: self.clock,
        };
        let known = |made: &Made| made.setting.is(&setting) && made.combination == combination;
        if !self.made.as_ref().is_some_and(known) {
            // The old ones first: two of them must not share a device.
            self.made = None;
            let asked = Arc::new(Asked::new(&setting, &combination));
            self.made = Some(Made { setting, combination, asked });
        }
    }

    /// Asks as the Cluster says.
    pub fn ask(
        &mut self,
        spec: &ClusterSpec,
        engine: ArbiterQuestion,
    ) -> BoxFuture<'static, ArbiterAnswer> {
        self.prepare(spec);
        let asked = self.made.as_ref().map(|made| made.asked.clone());
        let (cluster, server) = (self.cluster.clone(), self.server.clone());
        let question = Question { cluster, server, engine };
        Box::pin(async move {
            match asked {
                Some(asked) => asked.ask(&question).await,
                None => ArbiterAnswer::new(Verdict::Unknown, "no arbiter was made"),
            }
        })
    }
}

impl Asked {
    fn new(setting: &Setting, combination: &Combination) -> Self {
        let used = combination.outside().filter(|spec| spec.used_on(setting.server.as_str()));
        let arbiters = used.map(|spec| (spec.type_, arbiter(setting, spec))).collect();
        Self { rule: combination.rule, arbiters }
    }

    async fn ask(&self, question: &Question) -> ArbiterAnswer {
        if self.arbiters.is_empty() {
            return ArbiterAnswer::new(Verdict::Held, "this server uses no arbiter");
        }
        match self.rule {
            // Those that only look come first: a lease is not taken by a part that can't use it.
            CombinationRule::All => {
                let looked = all(self.group(false, question).await);
                match looked {
                    Some(answer) if answer.verdict != Verdict::Held => answer,
                    looked => {
                        let written = self.group(true, question).await;
                        let answers = looked.into_iter().chain(written).collect();
                        all(answers).unwrap_or_else(nobody)
                    }
                }
            }
            CombinationRule::Any => {
                let mut answers = self.group(false, question).await;
                answers.extend(self.group(true, question).await);
                any(answers).unwrap_or_else(nobody)
            }
            CombinationRule::InOrder => {
                let mut unknown = Vec::new();
                for (_, arbiter) in &self.arbiters {
                    let answer = arbiter.ask(question).await;
                    if answer.verdict != Verdict::Unknown {
                        return answer;
                    }
                    unknown.push(answer);
                }
                all(unknown).unwrap_or_else(nobody)
            }
        }
    }

    /// Asks all that write a record, or all others, at the same time.
    async fn group(&self, writes: bool, question: &Question) -> Vec<ArbiterAnswer> {
        let chosen = self.arbiters.iter().filter(|(type_, _)| writes_record(*type_) == writes);
        let asked: FuturesOrdered<_> = chosen.map(|(_, arbiter)| arbiter.ask(question)).collect();
        asked.collect().await
    }
}

fn nobody() -> ArbiterAnswer {
    ArbiterAnswer::new(Verdict::Unknown, "no arbiter was asked")
}

/// One line for each type.
fn arbiter(setting: &Setting, spec: &Spec) -> Box<dyn Arbiter> {
    let missing = || -> Box<dyn Arbiter> {
        let message = format!("the settings of {:?} are missing", spec.type_);
        Box::new(Fixed(ArbiterAnswer::new(Verdict::Unknown, message)))
    };
    match spec.type_ {
        ArbiterType::Ping => match spec.ping.clone() {
            Some(ping) => Looking::boxed(ping.interval, move || {
                let ping = ping.clone();
                async move { ping::verdict(&ping).await }
            }),
            None => missing(),
        },
        ArbiterType::HTTP => match spec.http.clone() {
            Some(http) => Looking::boxed(http.interval, move || {
                let http = http.clone();
                async move { http::verdict(&http).await }
            }),
            None => missing(),
        },
        ArbiterType::Lease => match &spec.lease {
            Some(lease) => Box::new(lease::Lease::new(setting, lease)),
            None => missing(),
        },
        ArbiterType::Disk => match &spec.disk {
            Some(disk) => Box::new(disk_arbiter(setting, spec, disk)),
            None => missing(),
        },
        ArbiterType::Serial => match &spec.serial {
            Some(serial) => {
                let device = spec.device_on(setting.server.as_str(), &serial.device);
                let (device, rate) = (Path::new(device), serial.baud_rate);
                Box::new(serial::SerialArbiter::start(setting, device, rate, setting.clock))
            }
            None => missing(),
        },
        ArbiterType::Majority => {
            Box::new(Fixed(ArbiterAnswer::new(Verdict::Unknown, "a majority is counted")))
        }
    }
}

/// Always says the same.
struct Fixed(ArbiterAnswer);

impl Arbiter for Fixed {
    fn ask<'a>(&'a self, _question: &'a Question) -> BoxFuture<'a, ArbiterAnswer> {
        Box::pin(async move { self.0.clone() })
    }
}

/// The thread and the device of a disk arbiter.
fn disk_arbiter(setting: &Setting, spec: &Spec, disk: &DiskArbitration) -> disk::DiskArbiter {
    let device = spec.device_on(setting.server.as_str(), &disk.device);
    let (device, cluster) = (PathBuf::from(device), setting.cluster.clone());
    let open = move || {
        let device = disk::Device::open(&device, &cluster)?;
        Ok(Box::new(device) as Box<dyn disk::Blocks>)
    };
    let io_timeout = disk.io_timeout.into();
    // A number that no other run has; should there be none, the server's name still differs.
    let mut run = [0; 8];
    let drawn = SystemRandom::new().fill(&mut run);
    let run = drawn.map_or(0, |()| u64::from_ne_bytes(run));
    disk::DiskArbiter::start(setting, io_timeout, run, setting.clock, Arc::new(open))
}

/// Looks at something outside, not more often than each interval.
struct Looking<F> {
    look: F,
    interval: Duration,
    looked: Mutex<Option<Instant>>,
}

impl<F, Look> Looking<F>
where
    F: Fn() -> Look + Send + Sync + 'static,
    Look: Future<Output = (Verdict, String)> + Send + 'static,
{
    fn boxed(interval: kinds::Duration, look: F) -> Box<dyn Arbiter> {
        Box::new(Self { look, interval: interval.into(), looked: Mutex::new(None) })
    }
}

impl<F, Look> Arbiter for Looking<F>
where
    F: Fn() -> Look + Send + Sync,
    Look: Future<Output = (Verdict, String)> + Send,
{
    fn ask<'a>(&'a self, _question: &'a Question) -> BoxFuture<'a, ArbiterAnswer> {
        Box::pin(async move {
            let mut looked = self.looked.lock().await;
            if let Some(last) = *looked {
                tokio::time::sleep_until(last + self.interval).await;
            }
            *looked = Some(Instant::now());
            drop(looked);
            let (verdict, message) = (self.look)().await;
            ArbiterAnswer::new(verdict, message)
        })
    }
}
