use std::sync::atomic::AtomicU32;

use nix::sys::eventfd::EfdFlags;
use tempfile::TempDir;

use super::super::containment::Holder;
use super::super::lease::boot_time;
use super::*;

/// What was done to the device, in order. One test at a time: the device is one for all.
static DONE: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The longest time-out it takes; zero: none can be set.
static LONGEST: AtomicU32 = AtomicU32::new(u32::MAX);
static GONE: AtomicBool = AtomicBool::new(false);
static ONE: Mutex<()> = Mutex::new(());

fn done() -> Vec<String> {
    std::mem::take(&mut *DONE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn note(what: impl Into<String>) {
    DONE.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
}

#[derive(Debug)]
struct Recording;

impl Device for Recording {
    fn identity(&self) -> &str {
        "recording"
    }

    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32> {
        match LONGEST.load(Ordering::SeqCst) {
            0 => Err(io::Error::from(io::ErrorKind::Unsupported)),
            longest => {
                let taken = seconds.min(longest);
                note(format!("time-out {taken}"));
                Ok(taken)
            }
        }
    }

    fn pet(&mut self) -> io::Result<()> {
        if GONE.load(Ordering::SeqCst) {
            return Err(io::Error::other("gone"));
        }
        note("petted");
        Ok(())
    }

    fn stop(&mut self) -> io::Result<()> {
        note("stopped");
        Ok(())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        note("closed");
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Device>> {
    match path.to_str() {
        Some("/missing") => Err(io::Error::from(io::ErrorKind::NotFound)),
        Some("/busy") => Err(io::Error::from(io::ErrorKind::ResourceBusy)),
        _ => {
            note("opened");
            Ok(Box::new(Recording))
        }
    }
}

struct Rig {
    _folder: TempDir,
    lease: Arc<Lease>,
    services: Arc<AtomicBool>,
    watchdog: Arc<Watchdog>,
}

/// The timer runs at a quarter of a time-out that no test waits for: looks are the tests' own.
fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let holder = Arc::new(Holder::open(folder.path(), Some(Path::new("/proc/self/no-cgroup"))));
    let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
    let list = folder.path().join("addresses");
    let lease = Lease::start(holder, wake.clone(), list).unwrap();
    let services = Arc::new(AtomicBool::new(false));
    let watchdog = Watchdog::start(lease.clone(), services.clone(), wake, open).unwrap();
    LONGEST.store(u32::MAX, Ordering::SeqCst);
    GONE.store(false, Ordering::SeqCst);
    done();
    Rig { _folder: folder, lease, services, watchdog }
}

fn order(device: &str, seconds: u32) -> WatchdogOrder {
    WatchdogOrder { device: device.into(), seconds }
}

fn refused(result: Result<WatchdogReport, Fault>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn it_is_petted_while_the_lease_lives_or_nothing_runs_and_never_else() {
    let _one = ONE.lock();
    let rig = rig();
    rig.watchdog.look();
    assert_eq!(done(), Vec::<String>::new(), "no device was asked for");
    let report = rig.watchdog.arm(&order("/dog", 600)).unwrap();
    assert_eq!((report.identity.as_str(), report.seconds), ("recording", 600));
    assert_eq!(done(), ["opened", "time-out 600"]);
    rig.watchdog.look();
    assert_eq!(done(), ["petted"], "nothing runs");
    rig.services.store(true, Ordering::SeqCst);
    rig.watchdog.look();
    assert_eq!(done(), Vec::<String>::new(), "a service runs without a lease");
    rig.lease.set(Some(boot_time() + 600_000_000_000));
    rig.watchdog.look();
    assert_eq!(done(), ["petted"], "a service runs under a lease");
    rig.lease.set(None);
    rig.watchdog.look();
    assert_eq!(done(), Vec::<String>::new(), "it lives on after its lease");
    rig.services.store(false, Ordering::SeqCst);
    rig.watchdog.look();
    assert_eq!(done(), ["petted"], "it has ended");
    rig.watchdog.disarm();
    assert_eq!(done(), ["stopped", "closed"]);
    rig.watchdog.look();
    assert_eq!(done(), Vec::<String>::new());
}

#[test]
fn a_device_that_can_not_do_it_is_given_back_with_the_reason() {
    let _one = ONE.lock();
    let rig = rig();
    let text = refused(rig.watchdog.arm(&order("/missing", 600)));
    assert!(text.contains("/missing") && text.contains("modprobe softdog"), "{text}");
    let text = refused(rig.watchdog.arm(&order("/busy", 600)));
    assert!(text.contains("another program has it"), "{text}");
    LONGEST.store(60, Ordering::SeqCst);
    let text = refused(rig.watchdog.arm(&order("/dog", 600)));
    assert!(text.contains("60 s instead of 600 s"), "{text}");
    assert_eq!(done(), ["opened", "time-out 60", "stopped", "closed"]);
    LONGEST.store(0, Ordering::SeqCst);
    let text = refused(rig.watchdog.arm(&order("/dog", 600)));
    assert!(text.contains("can't be set"), "{text}");
    assert_eq!(done(), ["opened", "stopped", "closed"]);
}

#[test]
fn a_time_out_that_is_not_taken_leaves_the_one_before() {
    let _one = ONE.lock();
    let rig = rig();
    rig.watchdog.arm(&order("/dog", 500)).unwrap();
    done();
    assert_eq!(rig.watchdog.arm(&order("/dog", 400)).unwrap().seconds, 400);
    assert_eq!(done(), ["time-out 400"]);
    LONGEST.store(450, Ordering::SeqCst);
    let text = refused(rig.watchdog.arm(&order("/dog", 600)));
    assert!(text.contains("450 s instead of 600 s"), "{text}");
    assert_eq!(done(), ["time-out 450", "time-out 400"]);
    let text = refused(rig.watchdog.arm(&order("/other", 400)));
    assert!(text.contains("stop it first"), "{text}");
    rig.watchdog.look();
    assert_eq!(done(), ["petted"]);
}

#[test]
fn a_device_that_fails_is_told_once() {
    let _one = ONE.lock();
    let rig = rig();
    rig.watchdog.arm(&order("/dog", 600)).unwrap();
    GONE.store(true, Ordering::SeqCst);
    rig.watchdog.look();
    assert!(rig.watchdog.take_failed());
    assert!(!rig.watchdog.take_failed());
}

#[test]
fn what_is_no_watchdog_is_neither_started_nor_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watchdog");
    std::fs::write(&file, "mine").unwrap();
    assert!(open_kernel_device(&file).unwrap_err().to_string().contains("no device"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(open_kernel_device(Path::new("/dev/null")).is_err());
    let missing = open_kernel_device(&folder.path().join("none")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}
