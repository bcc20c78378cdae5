//! The machine's watchdog device: what ends this server's services when the keeper itself can't.
//!
//! It is petted on a thread of its own, four times in its time-out, and only while the lease is
//! live or no service runs. Otherwise it is left alone, and resets the machine: at most one
//! time-out after the last look, and a look may be one time-out old, hence `selfFence` = lease +
//! 2 time-outs. A keeper that dies leaves it running; one that ends in good order stops it.
//! It must never be opened unless the agent asks for it, and nothing here decides whether it may.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tracing::{error, info, warn};

use super::lease::Lease;
use super::protocol::{Fault, WatchdogOrder, WatchdogReport};
use crate::agent::process::sys;

/// As the lease's: one that is not petted in time resets a healthy machine.
const PRIORITY: i32 = 50;
/// Looks in one time-out: three may be late.
const LOOKS: u32 = 4;
/// The letter that makes the closing which follows an intended one.
const STOP: u8 = b'V';

/// A device that resets the machine unless it is petted.
pub trait Device: fmt::Debug + Send {
    /// What it calls itself.
    fn identity(&self) -> &str;
    /// Sets its time-out; gives the one that it took, in seconds.
    ///
    /// # Errors
    /// Where it has a fixed one, or none that long.
    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32>;
    /// Begins its time-out anew.
    ///
    /// # Errors
    /// Where the device is gone.
    fn pet(&mut self) -> io::Result<()>;
    /// Stops it.
    ///
    /// # Errors
    /// Where it can't be stopped any more: then it resets the machine.
    fn stop(&mut self) -> io::Result<()>;
}

/// Opens a device, which starts it.
pub type Open = fn(&Path) -> io::Result<Box<dyn Device>>;

/// The watchdog, and whether it is petted.
#[derive(Debug)]
pub struct Watchdog {
    armed: Mutex<Option<Armed>>,
    timer: TimerFd,
    lease: Arc<Lease>,
    services: Arc<AtomicBool>,
    failed: AtomicBool,
    wake: Arc<EventFd>,
    open: Open,
}

#[derive(Debug)]
struct Armed {
    device: Box<dyn Device>,
    report: WatchdogReport,
    neglected: bool,
}

impl Watchdog {
    /// No device yet. `services` is whether any service may run; `wake` is written when a device
    /// fails.
    ///
    /// # Errors
    /// Where the kernel gives no timer or no thread.
    pub fn start(
        lease: Arc<Lease>,
        services: Arc<AtomicBool>,
        wake: Arc<EventFd>,
        open: Open,
    ) -> io::Result<Arc<Self>> {
        let watchdog = Arc::new(Self {
            armed: Mutex::default(),
            timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?,
            lease,
            services,
            failed: AtomicBool::new(false),
            wake,
            open,
        });
        let petted = watchdog.clone();
        thread::Builder::new()
            .name("keeper-watchdog".to_owned())
            .stack_size(128 << 10)
            .spawn(move || petted.run())?;
        Ok(watchdog)
    }

    /// Has the device as ordered; one that is armed already goes on with its new time-out.
    ///
    /// # Errors
    /// Where it is missing, in use, or does not take the time-out. One that was armed before goes
    /// on as it was.
    pub fn arm(&self, order: &WatchdogOrder) -> Result<WatchdogReport, Fault> {
        let refusal = |message: String| Fault::Watchdog { device: order.device.clone(), message };
        let mut armed = self.armed();
        if let Some(known) = armed.as_mut() {
            if known.report.device != order.device {
                let device = known.report.device.display();
                return Err(refusal(format!("{device} is armed; stop it first")));
            }
            if let Err(message) = set_timeout(known.device.as_mut(), order.seconds) {
                // It may have taken another one. The one before it took before.
                let _ = set_timeout(known.device.as_mut(), known.report.seconds);
                return Err(refusal(message));
            }
            known.report.seconds = order.seconds;
            self.look_every(order.seconds).map_err(|error| refusal(error.to_string()))?;
            return Ok(known.report.clone());
        }
        let mut device = (self.open)(&order.device).map_err(|error| refusal(explain(&error)))?;
        let set = set_timeout(device.as_mut(), order.seconds)
            .and_then(|()| self.look_every(order.seconds).map_err(|error| error.to_string()));
        if let Err(message) = set {
            stop(device.as_mut(), &order.device);
            return Err(refusal(message));
        }
        let report = WatchdogReport {
            device: order.device.clone(),
            identity: device.identity().to_owned(),
            seconds: order.seconds,
        };
        info!(?report, "the watchdog is armed");
        *armed = Some(Armed { device, report: report.clone(), neglected: false });
        Ok(report)
    }

    /// What is armed.
    #[must_use]
    pub fn report(&self) -> Option<WatchdogReport> {
        self.armed().as_ref().map(|armed| armed.report.clone())
    }

    /// Stops the device, if any.
    pub fn disarm(&self) {
        if let Some(mut armed) = self.armed().take() {
            stop(armed.device.as_mut(), &armed.report.device);
        }
    }

    /// Whether a device failed since this was last asked.
    pub fn take_failed(&self) -> bool {
        self.failed.swap(false, Ordering::SeqCst)
    }

    fn armed(&self) -> MutexGuard<'_, Option<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_every(&self, seconds: u32) -> nix::Result<()> {
        let every = TimeSpec::from_duration(Duration::from_secs(seconds.into()) / LOOKS);
        self.timer.set(Expiration::Interval(every), TimerSetTimeFlags::empty())
    }

    fn run(&self) {
        if let Err(error) = sys::run_in_real_time(PRIORITY) {
            warn!(%error, "the watchdog is petted without real-time priority");
        }
        while self.timer.wait().is_ok() {
            self.look();
        }
        // Cannot be; then nobody pets it any more, which is the safe side.
        error!("the timer of the watchdog failed");
    }

    /// Pets the device where it may be.
    pub(super) fn look(&self) {
        let mut armed = self.armed();
        let Some(known) = armed.as_mut() else { return };
        // The lease first: one that ends in between has its services ended by its own thread.
        let may = self.lease.is_live()
            || !self.services.load(Ordering::SeqCst) && !self.lease.holds_addresses();
        if !may {
            if !std::mem::replace(&mut known.neglected, true) {
                let seconds = known.report.seconds;
                error!(seconds, "services live without a lease: the watchdog is left to bite");
            }
            return;
        }
        known.neglected = false;
        if let Err(error) = known.device.pet() {
            let device = known.report.device.display();
            error!(%error, %device, "the watchdog can't be petted; it may reset the machine");
            *armed = None;
            self.failed.store(true, Ordering::SeqCst);
            let _ = self.wake.write(1);
        }
    }
}

/// All or nothing: a device that bites later than asked would break what was promised to others.
fn set_timeout(device: &mut dyn Device, seconds: u32) -> Result<(), String> {
    match device.set_timeout(seconds) {
        Ok(taken) if taken == seconds => Ok(()),
        Ok(taken) => {
            Err(format!("it took a time-out of {taken} s instead of {seconds} s; set that one"))
        }
        Err(error) => Err(format!("its time-out can't be set to {seconds} s: {error}")),
    }
}

fn stop(device: &mut dyn Device, path: &Path) {
    match device.stop() {
        Ok(()) => info!(device = %path.display(), "the watchdog is stopped"),
        Err(error) => {
            error!(%error, device = %path.display(), "the watchdog can't be stopped");
        }
    }
}

fn explain(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        "there is no such device (`modprobe softdog` makes one in software)".to_owned()
    } else if kind == io::ErrorKind::ResourceBusy {
        "another program has it; systemd does where RuntimeWatchdogSec is set".to_owned()
    } else {
        error.to_string()
    }
}

/// A device of the kernel's.
#[derive(Debug)]
pub struct KernelDevice {
    device: sys::WatchdogDevice,
    identity: String,
}

/// Opens a device of the kernel's, which starts it.
///
/// # Errors
/// Where it is missing, in use, or no watchdog.
pub fn open_kernel_device(path: &Path) -> io::Result<Box<dyn Device>> {
    let mut device = sys::WatchdogDevice::open(path)?;
    match device.identity() {
        Ok(identity) => Ok(Box::new(KernelDevice { device, identity })),
        Err(error) => {
            // It was started by being opened.
            let _ = device.write(STOP);
            Err(error)
        }
    }
}

impl Device for KernelDevice {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32> {
        self.device.set_timeout(seconds)
    }

    fn pet(&mut self) -> io::Result<()> {
        self.device.write(b'.')
    }

    fn stop(&mut self) -> io::Result<()> {
        self.device.write(STOP)
    }
}

/// Where the kernel puts the device.
#[must_use]
pub fn default_device() -> PathBuf {
    PathBuf::from("/dev/watchdog")
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod machine;
#[cfg(test)]
mod tests;
