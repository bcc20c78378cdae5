//! The lease deadline, on a thread of its own: whatever else the keeper waits for, when the lease
//! passes every service is killed, every probe port closes and every floating address goes.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::eventfd::EventFd;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tracing::warn;

use super::containment::Holder;
use super::ports::Ports;
use super::protocol::Address;
use super::{addresses, guard};
use crate::agent::process::sys;

/// Below the kernel's own threads, above all that is not in real time.
const PRIORITY: i32 = 50;

/// The lease, and all that ends with it.
#[derive(Debug)]
pub struct Lease {
    state: Mutex<State>,
    /// The deadline once more, for the threads of probe ports; zero: none.
    deadline: Arc<AtomicU64>,
    timer: TimerFd,
    /// The guard's: a moment later.
    guard: TimerFd,
    /// Tells the guard that everything has been ended.
    done: (PipeReader, PipeWriter),
    holder: Arc<Holder>,
    ports: Ports,
    addresses: Mutex<BTreeSet<Address>>,
    /// Where they are written down for whoever comes after a keeper that was killed.
    list: PathBuf,
    /// It passed since the agent last heard so.
    passed: AtomicBool,
    wake: Arc<EventFd>,
}

#[derive(Debug, Default)]
struct State {
    until: Option<u64>,
    /// Grows before each kill of every service: a process that was started under an earlier
    /// number is killed, however late it came to its place.
    epoch: u64,
}

impl Lease {
    /// No lease yet; `wake` is written when one passes, `list` when an address comes or goes.
    ///
    /// # Errors
    /// Where the kernel gives no timer or no thread.
    pub fn start(holder: Arc<Holder>, wake: Arc<EventFd>, list: PathBuf) -> io::Result<Arc<Self>> {
        let deadline = Arc::new(AtomicU64::new(0));
        let lease = Arc::new(Self {
            state: Mutex::default(),
            timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?,
            guard: TimerFd::new(
                ClockId::CLOCK_BOOTTIME,
                TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
            )?,
            done: unblocked_pipe()?,
            holder,
            ports: Ports::new(deadline.clone(), wake.clone()),
            deadline,
            addresses: Mutex::default(),
            list,
            passed: AtomicBool::new(false),
            wake,
        });
        let guarded = lease.clone();
        thread::Builder::new()
            .name("keeper-lease".to_owned())
            .stack_size(256 << 10)
            .spawn(move || guarded.guard())?;
        Ok(lease)
    }

    /// The probe ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Sets the deadline; none, or one that has passed, ends everything now.
    pub fn set(&self, until: Option<u64>) {
        let mut state = self.state();
        if state.until.is_some_and(|until| until <= boot_time()) {
            // It passed while this process stood still, and the longer one waited to be read.
            self.end(&mut state);
            self.tell();
        }
        match until.filter(|until| boot_time() < *until) {
            Some(until) => {
                state.until = Some(until);
                self.deadline.store(until, Ordering::SeqCst);
                // The guard's first: it must not fire between the two.
                let set = set_timer(&self.guard, until.saturating_add(guard::DELAY))
                    .and_then(|()| set_timer(&self.timer, until));
                if let Err(error) = set {
                    warn!(%error, "failed to set the timer of the lease; ending all services");
                    self.end(&mut state);
                }
            }
            None if state.until.is_some() => {
                self.end(&mut state);
                if until.is_some() {
                    self.tell();
                }
            }
            None => {}
        }
    }

    /// Has an address removed when the lease ends; false where there is none.
    #[must_use]
    pub fn register(&self, address: Address) -> bool {
        let state = self.state();
        let live = state.until.is_some_and(|until| boot_time() < until);
        if live {
            let mut addresses = self.addresses();
            addresses.insert(address);
            self.save(&addresses);
        }
        live
    }

    /// Leaves an address alone.
    pub fn unregister(&self, address: &Address) {
        let mut addresses = self.addresses();
        addresses.remove(address);
        self.save(&addresses);
    }

    fn save(&self, addresses: &BTreeSet<Address>) {
        if let Err(error) = addresses::save(&self.list, addresses) {
            warn!(%error, "floating addresses stay where the keeper is killed");
        }
    }

    /// Whether an address is there that is to go with the lease.
    #[must_use]
    pub fn holds_addresses(&self) -> bool {
        !self.addresses().is_empty()
    }

    /// Whether services may start.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state().until.is_some_and(|until| boot_time() < until)
    }

    /// How often all services were ended.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Ends all services, whatever the lease says.
    pub fn end_all(&self) {
        self.end(&mut self.state());
    }

    /// Whether a lease has passed since this was last asked.
    pub fn take_passed(&self) -> bool {
        self.passed.swap(false, Ordering::SeqCst)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self) -> MutexGuard<'_, BTreeSet<Address>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, state: &mut State) {
        state.until = None;
        state.epoch += 1;
        self.deadline.store(0, Ordering::SeqCst);
        self.holder.kill_services();
        self.ports.close_all();
        addresses::remove_all(&mut self.addresses());
        // Last: up to here the guard is there for the case that this stands still.
        if let Err(error) = self.guard.unset() {
            warn!(%error, "the guard will end this keeper");
        }
        // Where it has fired already, it hears that this process goes on. Full: it heard enough.
        let _ = (&self.done.1).write_all(b"1");
    }

    /// The guard's deadline, for its process.
    ///
    /// # Errors
    /// Where there are no descriptors left.
    pub fn guard_timer(&self) -> io::Result<OwnedFd> {
        self.guard.as_fd().try_clone_to_owned()
    }

    /// The number of the descriptor that something can be read from whenever everything has been
    /// ended.
    #[must_use]
    pub fn done(&self) -> i32 {
        self.done.0.as_raw_fd()
    }

    fn tell(&self) {
        self.passed.store(true, Ordering::SeqCst);
        // Fails only where the counter is full: then the reader is awake.
        let _ = self.wake.write(1);
    }

    fn guard(&self) {
        if let Err(error) = sys::run_in_real_time(PRIORITY) {
            warn!(%error, "the keeper runs without real-time priority");
        }
        loop {
            if let Err(error) = self.timer.wait() {
                // The timer can't fail; where it does, nothing holds the lease any more.
                warn!(%error, "the timer of the lease failed");
                self.end(&mut self.state());
                return;
            }
            let mut state = self.state();
            // It may have been prolonged while this woke up.
            if state.until.is_some_and(|until| until <= boot_time()) {
                self.end(&mut state);
                drop(state);
                self.tell();
            }
        }
    }
}

fn unblocked_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader, writer))
}

fn set_timer(timer: &TimerFd, at: u64) -> nix::Result<()> {
    let at = Expiration::OneShot(Duration::from_nanos(at).into());
    timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
}

/// Nanoseconds of boot time; a clock that can't be read lies past every deadline.
#[must_use]
pub fn boot_time() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .ok()
        .and_then(|time| u64::try_from(time.as_nanos()).ok())
        .unwrap_or(u64::MAX)
}
