//! `Disk`: a shared block device or file with a slot for each server.
//!
//! A thread of its own does all reading and writing, so that a disk that hangs holds up nobody: a
//! question then ends by its time-out as `Unknown`, and what the disk does later counts for nothing
//! (the thread withdraws a claim that nobody waits for any more). The rule is
//! `engine::arbitration::disk`; this file is blocks and time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Arbiter, Question, Setting};
use crate::engine::arbitration::disk::{Seen, Watch};
use crate::engine::input::{ArbiterAnswer, Verdict};
use crate::engine::time::Instant;

mod blocks;

pub use blocks::{Blocks, Device, DiskError, InitOptions, init};

/// What the thread is asked.
struct Job {
    question: Question,
    reply: oneshot::Sender<ArbiterAnswer>,
}

/// The arbiter: the way to its thread.
pub struct DiskArbiter {
    jobs: SyncSender<Job>,
    io_timeout: Duration,
}

/// Opens the device, again after each failure.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Blocks>, DiskError> + Send + Sync>;

impl DiskArbiter {
    /// Starts the thread. `clock`: boot time.
    #[must_use]
    pub fn start(
        setting: &Setting,
        io_timeout: Duration,
        run: u64,
        clock: fn() -> Instant,
        open: Open,
    ) -> Self {
        // One question at a time: while the disk hangs, further ones are answered at once.
        let (jobs, asked) = sync_channel(1);
        let watch =
            Watch::new(setting.server.clone(), setting.servers.clone(), setting.disk_window, run);
        let interval = setting.timing.interval;
        let worker = Worker { watch, clock, open, blocks: None, place: None, interval };
        let thread = std::thread::Builder::new().name("disk-arbiter".into());
        if let Err(error) = thread.spawn(move || worker.work(&asked)) {
            // The channel is closed then, and every question says so.
            tracing::error!(%error, "failed to start the disk arbiter's thread");
        }
        Self { jobs, io_timeout }
    }
}

impl Arbiter for DiskArbiter {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, ArbiterAnswer> {
        Box::pin(async move {
            let unknown = |message: String| ArbiterAnswer::new(Verdict::Unknown, message);
            let (reply, answer) = oneshot::channel();
            match self.jobs.try_send(Job { question: question.clone(), reply }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    return unknown("the disk has not answered the last question yet".into());
                }
                Err(TrySendError::Disconnected(_)) => {
                    return unknown("the disk arbiter's thread is gone".into());
                }
            }
            match tokio::time::timeout(self.io_timeout, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => unknown("the disk arbiter's thread is gone".into()),
                Err(_) => unknown(format!("the disk did not answer within {:?}", self.io_timeout)),
            }
        })
    }
}

struct Worker {
    watch: Watch,
    clock: fn() -> Instant,
    open: Open,
    blocks: Option<Box<dyn Blocks>>,
    /// Where our slot is, by what was last read.
    place: Option<usize>,
    interval: Duration,
}

impl Worker {
    fn work(mut self, jobs: &Receiver<Job>) {
        let mut said = None;
        loop {
            match jobs.recv_timeout(self.interval) {
                // Who asked has given up: a late claim would only keep others from going on.
                Ok(job) if job.reply.is_closed() => {}
                Ok(job) => self.answer(job),
                Err(RecvTimeoutError::Timeout) => {
                    let failed = self.beat().err().map(|error| error.to_string());
                    if failed != said {
                        match &failed {
                            Some(error) => tracing::warn!(error, "the disk arbiter has no disk"),
                            None => tracing::info!("the disk arbiter has its disk"),
                        }
                        said = failed;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let slot = self.watch.withdraw();
                    // Whoever comes after us writes the slot anew anyway.
                    let _ = self.write(&slot);
                    return;
                }
            }
        }
    }

    fn answer(&mut self, job: Job) {
        let answer = match self.ask(&job.question) {
            Ok(answer) => answer,
            Err(error) => ArbiterAnswer::new(Verdict::Unknown, error.to_string()),
        };
        let held = answer.verdict == Verdict::Held;
        if job.reply.send(answer).is_err() && held {
            self.withdraw();
        }
    }

    /// Claim, then look: see the rule for why in this order.
    fn ask(&mut self, question: &Question) -> Result<ArbiterAnswer, DiskError> {
        self.look()?;
        let engine = &question.engine;
        if let Some(obstacle) = self.watch.obstacle((self.clock)(), engine) {
            self.withdraw();
            return Ok(self.watch.lost(obstacle));
        }
        let slot = self.watch.claim(engine);
        self.write(&slot)?;
        let slots = self.look()?;
        if !slots.contains(&Seen::Slot(slot)) {
            // Another server took the place for its own: it is not certain who saw our claim.
            let message = "our slot on the disk was written by somebody else";
            return Ok(ArbiterAnswer::new(Verdict::Unknown, message));
        }
        let now = (self.clock)();
        match self.watch.obstacle(now, engine) {
            Some(obstacle) => {
                self.withdraw();
                Ok(self.watch.lost(obstacle))
            }
            None => Ok(self.watch.held(now, engine)),
        }
    }

    fn withdraw(&mut self) {
        if !self.watch.claims() {
            return;
        }
        let slot = self.watch.withdraw();
        if let Err(error) = self.write(&slot) {
            // The next sign of life carries no claim either.
            tracing::warn!(%error, "failed to withdraw a claim from the disk");
        }
    }

    fn beat(&mut self) -> Result<(), DiskError> {
        // What an earlier run of this server claimed stands in its slot: to be read before it is
        // written over.
        if self.place.is_none() {
            self.look()?;
        }
        let slot = self.watch.beat();
        self.write(&slot)?;
        self.look().map(drop)
    }

    fn blocks(&mut self) -> Result<&mut Box<dyn Blocks>, DiskError> {
        if self.blocks.is_none() {
            self.blocks = Some((self.open)()?);
        }
        self.blocks.as_mut().ok_or(DiskError::Gone)
    }

    /// Reads every slot; the clock is read after it.
    fn look(&mut self) -> Result<Vec<Seen>, DiskError> {
        let read = self.blocks().and_then(|blocks| blocks.read());
        let slots = read.inspect_err(|_| self.blocks = None)?;
        self.watch.observe((self.clock)(), &slots);
        self.place = self.watch.place(&slots);
        Ok(slots)
    }

    fn write(&mut self, slot: &crate::engine::arbitration::disk::Slot) -> Result<(), DiskError> {
        if self.place.is_none() {
            self.look()?;
        }
        let place = self.place.ok_or(DiskError::Full)?;
        let written = self.blocks().and_then(|blocks| blocks.write(place, slot));
        written.inspect_err(|_| self.blocks = None)
    }
}

#[cfg(test)]
mod tests;
