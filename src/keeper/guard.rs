//! The guard: a second, smaller process that ends the services, and the keeper, where the keeper
//! does not.
//!
//! The kernel holds its deadline: a timer that both processes have. The keeper moves it with each
//! lease, to a moment after the lease's end, and stops it once it has ended everything itself. The
//! guard sleeps until that timer fires or the keeper dies, then kills the services, then, unless
//! the keeper says at once that it has done so too (the whole machine stood still), the keeper,
//! whose probe ports the kernel would answer for as long as it stands still, and removes the
//! floating addresses.
//! It must never wait for anything else, ask anybody, or serve anybody. It shares no thread, no
//! lock and no memory with the keeper. A machine whose kernel runs neither of them is the
//! watchdog device's.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};
use tracing::{error, warn};

use super::containment::{Holder, hurry, services_of};
use super::lease::Lease;
use super::processes::MILLISECOND;
use super::{addresses, socket_path, stay_in_memory};
use crate::agent::process::sys;

/// Above every thread of the keeper.
const PRIORITY: i32 = 51;
/// How long after the lease's end the guard acts: the keeper is done by then unless it stands
/// still, and what is left of its kill time is enough for processes to die.
pub const DELAY: u64 = 50 * MILLISECOND;
/// How long a keeper that woke up together with the guard may take to end everything itself.
const PATIENCE_MILLISECONDS: u16 = 40;
/// How long a new guard may take until it watches.
const START_MAX_MILLISECONDS: u16 = 10_000;
/// Until a guard that could not be started is tried again.
const RETRY: u64 = 1_000 * MILLISECOND;
/// What the processes of a machine are listed with.
const NAME: &std::ffi::CStr = c"stead-guard";

/// What a guard is told.
#[derive(Clone, Debug)]
pub struct GuardOptions {
    /// As the keeper's.
    pub root: PathBuf,
    /// The keeper's cgroup.
    pub cgroup: PathBuf,
    /// The keeper.
    pub keeper: i32,
    /// Its descriptor that says that it has ended everything.
    pub done: i32,
}

/// Makes the command that runs a guard.
pub type GuardCommand = fn(&GuardOptions) -> Command;

/// The guard of this very program.
#[must_use]
pub fn own_program(options: &GuardOptions) -> Command {
    // Not the file by its name: it may have been replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("stead").arg("keeper-guard").arg("--root").arg(&options.root);
    command.arg("--cgroup").arg(&options.cgroup);
    command.arg("--keeper").arg(options.keeper.to_string());
    command.arg("--done").arg(options.done.to_string());
    command
}

/// The keeper's side: has a guard, and a new one where it was lost.
#[derive(Debug)]
pub struct Guard {
    holder: Arc<Holder>,
    lease: Arc<Lease>,
    root: PathBuf,
    command: GuardCommand,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What it says once it watches, and what ends when it does.
    Running {
        pipe: PipeReader,
        watches: bool,
    },
    Failed {
        reason: String,
        retry_at: u64,
    },
}

impl Guard {
    /// Starts one, and waits until it watches.
    #[must_use]
    pub fn start(
        holder: Arc<Holder>,
        lease: Arc<Lease>,
        root: &Path,
        command: GuardCommand,
    ) -> Self {
        let state = State::Failed { reason: String::new(), retry_at: u64::MAX };
        let mut guard = Self { holder, lease, root: root.to_owned(), command, state };
        guard.state = guard.launch();
        let ready = guard
            .descriptor()
            .map(|pipe| poll(&mut [PollFd::new(pipe, PollFlags::POLLIN)], START_MAX_MILLISECONDS));
        match ready {
            Some(Ok(1..)) => {
                guard.refresh();
            }
            Some(_) => guard.fail("it does not say that it watches"),
            None => {}
        }
        guard
    }

    /// Why there is none; none: it watches, or will in a moment.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Running { .. } => None,
            State::Failed { reason, .. } => Some(reason),
        }
    }

    /// Becomes readable when [`Self::refresh`] is due.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Running { pipe, .. } => Some(pipe.as_fd()),
            State::Failed { .. } => None,
        }
    }

    /// When [`Self::retry`] is due.
    #[must_use]
    pub fn next_retry(&self) -> Option<u64> {
        match &self.state {
            State::Failed { retry_at, .. } => Some(*retry_at).filter(|at| *at < u64::MAX),
            State::Running { .. } => None,
        }
    }

    /// Hears what the guard says, or that it has ended: then another one takes its place. True
    /// where the agent should hear of it.
    pub fn refresh(&mut self) -> bool {
        let State::Running { pipe, watches } = &mut self.state else { return false };
        let had_watched = *watches;
        match pipe.read(&mut [0; 1]) {
            Ok(1..) => {
                *watches = true;
                true
            }
            Ok(0) if had_watched => {
                warn!("the guard has ended; starting another");
                self.state = self.launch();
                self.failure().is_some()
            }
            Ok(0) => {
                self.fail("it ended before it watched");
                true
            }
            Err(_) => false,
        }
    }

    /// Tries again where one could not be started.
    pub fn retry(&mut self, now: u64) {
        if self.next_retry().is_some_and(|at| at <= now) {
            self.state = self.launch();
        }
    }

    /// Ends it, before the keeper ends in good order.
    pub fn end(&mut self) {
        self.state = State::Failed { reason: "the keeper ends".to_owned(), retry_at: u64::MAX };
        self.holder.end_guard();
    }

    fn fail(&mut self, reason: &str) {
        error!(reason, "no guard watches this keeper");
        self.holder.end_guard();
        let retry_at = super::lease::boot_time().saturating_add(RETRY);
        self.state = State::Failed { reason: reason.to_owned(), retry_at };
    }

    fn launch(&self) -> State {
        match self.spawn() {
            Ok(pipe) => State::Running { pipe, watches: false },
            Err(error) => {
                error!(%error, "no guard can be started for this keeper");
                // Without cgroups there is nothing that it could end.
                let retries = self.holder.guard_entrance().is_ok();
                let retry_at = super::lease::boot_time().saturating_add(RETRY);
                let retry_at = if retries { retry_at } else { u64::MAX };
                State::Failed { reason: error.to_string(), retry_at }
            }
        }
    }

    fn spawn(&self) -> io::Result<PipeReader> {
        let (entrance, cgroup) = self.holder.guard_entrance()?;
        let keeper = std::process::id().cast_signed();
        let (root, done) = (self.root.clone(), self.lease.done());
        let mut command = (self.command)(&GuardOptions { root, cgroup, keeper, done });
        let (reader, writer) = io::pipe()?;
        command
            .current_dir("/")
            .stdin(Stdio::from(self.lease.guard_timer()?))
            .stdout(Stdio::from(OwnedFd::from(writer)));
        sys::separate(&mut command, Some(entrance));
        // Whoever ends, `reap` waits for it.
        command.spawn()?;
        Ok(reader)
    }
}

/// The guard's process: `timer` is its deadline; `ready` is told when it watches, and stays open
/// for as long as it does.
///
/// # Errors
/// Where it can't watch.
pub fn run(options: &GuardOptions, timer: OwnedFd, mut ready: impl Write) -> anyhow::Result<()> {
    let watch = Watch::new(options, timer)?;
    let _ = prctl::set_name(NAME);
    if let Err(error) = sys::run_in_real_time(PRIORITY) {
        warn!(%error, "the guard runs without real-time priority");
    }
    stay_in_memory();
    watch.rehearse();
    ready.write_all(b"1").and_then(|()| ready.flush()).context("failed to say that it watches")?;
    loop {
        let why = watch.wait()?;
        watch.end_services();
        if watch.keeper_goes_on() {
            warn!("the whole machine stood still: keeper and guard have ended every service");
            continue;
        }
        watch.end_keeper();
        error!(why, "the guard has ended every service, and the keeper");
        return Ok(());
    }
}

/// What the guard watches, and all that it takes to act.
struct Watch {
    timer: OwnedFd,
    death: OwnedFd,
    done: File,
    kill: File,
    services: PathBuf,
    addresses: PathBuf,
}

impl Watch {
    fn new(options: &GuardOptions, timer: OwnedFd) -> anyhow::Result<Self> {
        let keeper = Pid::from_raw(options.keeper).context("no process is named")?;
        let death = pidfd_open(keeper, PidfdFlags::empty());
        let death = death.context("failed to watch the keeper")?;
        ensure!(getppid() == Some(keeper), "the keeper has ended");
        let services = services_of(&options.cgroup);
        let kill = File::options().write(true).open(services.join("cgroup.kill"));
        let done = format!("/proc/{}/fd/{}", options.keeper, options.done);
        let done = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(done);
        Ok(Self {
            timer,
            death,
            done: done.context("failed to hear the keeper")?,
            kill: kill.context("failed to open what ends services")?,
            services,
            addresses: addresses::list_path(&socket_path(&options.root)),
        })
    }

    /// The whole way once, so that it is in memory when it is needed: the kernel refuses a zero.
    fn rehearse(&self) {
        let _ = self.kill.write_at(b"0", 0);
        addresses::rehearse();
        hurry(Path::new("/proc/self/no-cgroup"));
    }

    /// Waits until it has to act; says why.
    fn wait(&self) -> anyhow::Result<&'static str> {
        loop {
            poll_readable(&[self.timer.as_fd(), self.death.as_fd()], PollTimeout::NONE)?;
            if poll_readable(&[self.death.as_fd()], PollTimeout::ZERO)? {
                return Ok("the keeper was killed");
            }
            // What it said of earlier leases; before the timer, which it stops before it speaks.
            let mut heard = [0; 1024];
            while (&self.done).read(&mut heard).is_ok_and(|count| count > 0) {}
            match nix::unistd::read(&self.timer, &mut [0; 8]) {
                // The keeper moved it in this very moment.
                Err(nix::errno::Errno::EAGAIN) => {}
                _ => return Ok("the lease has passed, and the keeper did nothing"),
            }
        }
    }

    fn end_services(&self) {
        if let Err(error) = self.kill.write_at(b"1", 0) {
            error!(%error, "the guard failed to end the services");
        }
    }

    /// Whether the keeper says now that it has ended everything, too.
    fn keeper_goes_on(&self) -> bool {
        let either = [self.done.as_fd(), self.death.as_fd()];
        let _ = poll_readable(&either, PATIENCE_MILLISECONDS.into());
        let is_dead = poll_readable(&[self.death.as_fd()], PollTimeout::ZERO).unwrap_or(true);
        !is_dead && (&self.done).read(&mut [0; 1]).is_ok_and(|count| count > 0)
    }

    fn end_keeper(&self) {
        // Dead already, or standing still.
        let _ = pidfd_send_signal(&self.death, Signal::KILL);
        hurry(&self.services);
        addresses::clear(&self.addresses);
    }
}

/// Waits until one of them is readable; whether one is.
fn poll_readable(descriptors: &[BorrowedFd<'_>], limit: PollTimeout) -> anyhow::Result<bool> {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|it| PollFd::new(*it, PollFlags::POLLIN)).collect();
    match poll(&mut polled, limit) {
        Ok(count) => Ok(count > 0),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(error) => Err(error).context("failed to wait"),
    }
}
