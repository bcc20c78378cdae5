//! What keeps the processes of a service together and ends them all: a cgroup for each process,
//! below one of its resource, below one of its group. Where there are no cgroups, process groups,
//! which a process can leave.
//!
//! ```text
//! BASE/services/GROUP/RESOURCE/NUMBER     killed with the lease
//! BASE/monitors/MONITOR/NUMBER            killed with the agent
//! BASE/guard                              the keeper's guard
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::process::setpriority_process;
use tracing::{info, warn};

use super::protocol::{Containment, ProcessKind};

/// The PID namespace that the kernel makes first.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// Bytes of a cgroup's name that say its root; the kernel allows 255 in all.
const NAME_MAX: usize = 200;
/// The folder of the guard's cgroup.
const GUARD: &str = "guard";
/// How long what a former keeper left may take to die.
const CLEAR_MAX_MILLISECONDS: u16 = 10_000;

/// All processes of this keeper.
#[derive(Debug)]
pub enum Holder {
    /// In cgroups.
    Cgroups(Cgroups),
    /// In process groups.
    ProcessGroups {
        /// Why not cgroups.
        reason: String,
        /// The groups of services that run.
        services: Mutex<BTreeSet<i32>>,
    },
}

/// The keeper's cgroups.
#[derive(Debug)]
pub struct Cgroups {
    base: PathBuf,
    /// Kept open: at the end of the lease nothing need be found or opened.
    kill_services: File,
    kill_monitors: File,
    /// Where the keeper mounted the file system itself.
    mounted: Option<PathBuf>,
}

impl Holder {
    /// Takes the cgroup that is named, else one below the keeper's own, else mounts the file
    /// system; else falls back to process groups. Ends what a former keeper left in it.
    #[must_use]
    pub fn open(root: &Path, cgroup: Option<&Path>) -> Self {
        let opened = match cgroup {
            Some(base) => Cgroups::open(base.to_owned(), None),
            None => Cgroups::find(root).or_else(|error| {
                info!(%error, "no cgroup to use; trying to mount the file system");
                Cgroups::mount(root)
            }),
        };
        match opened {
            Ok(cgroups) => Self::Cgroups(cgroups),
            Err(error) => {
                let reason = error.to_string();
                warn!(reason, "no cgroup v2: processes that start a session of their own escape");
                Self::ProcessGroups { reason, services: Mutex::default() }
            }
        }
    }

    /// For the agent.
    #[must_use]
    pub fn describe(&self) -> Containment {
        match self {
            Self::Cgroups(cgroups) => Containment::Cgroup { path: cgroups.base.clone() },
            Self::ProcessGroups { reason, .. } => {
                Containment::ProcessGroups { reason: reason.clone() }
            }
        }
    }

    /// A place for one process.
    ///
    /// # Errors
    /// Where the cgroup can't be made.
    pub fn place(
        &self,
        kind: ProcessKind,
        group: &str,
        resource: &str,
        number: u64,
    ) -> io::Result<Place> {
        let Self::Cgroups(cgroups) = self else { return Ok(Place::default()) };
        let parent = match kind {
            ProcessKind::Service | ProcessKind::Start | ProcessKind::Stop => {
                cgroups.base.join("services").join(group).join(resource)
            }
            ProcessKind::Monitor => cgroups.base.join("monitors").join(resource),
        };
        let path = parent.join(number.to_string());
        fs::create_dir_all(&path)?;
        let events = File::open(path.join("cgroup.events"))?;
        Ok(Place { cgroup: Some(Cgroup { path, events }), process_group: None })
    }

    /// Kills every process of every group, at once.
    pub fn kill_services(&self) {
        match self {
            Self::Cgroups(cgroups) => {
                write_one(&cgroups.kill_services, "services");
                hurry(&cgroups.base.join("services"));
            }
            Self::ProcessGroups { services, .. } => {
                let services = services.lock().unwrap_or_else(PoisonError::into_inner);
                for group in services.iter() {
                    let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
                }
            }
        }
    }

    /// Kills every process of every monitor. Where there are no cgroups, each must be killed in
    /// its place.
    pub fn kill_monitors(&self) {
        if let Self::Cgroups(cgroups) = self {
            write_one(&cgroups.kill_monitors, "monitors");
            hurry(&cgroups.base.join("monitors"));
        }
    }

    /// Where the guard goes, and the cgroup that it is told of.
    ///
    /// # Errors
    /// Where there are no cgroups.
    pub fn guard_entrance(&self) -> io::Result<(OwnedFd, PathBuf)> {
        match self {
            Self::Cgroups(cgroups) => {
                let procs = cgroups.base.join(GUARD).join("cgroup.procs");
                let procs = OpenOptions::new().write(true).open(procs)?;
                Ok((procs.into(), cgroups.base.clone()))
            }
            Self::ProcessGroups { reason, .. } => Err(io::Error::other(reason.clone())),
        }
    }

    /// Kills the guard, and waits for its end.
    pub fn end_guard(&self) {
        let Self::Cgroups(cgroups) = self else { return };
        let path = cgroups.base.join(GUARD);
        let killed = fs::write(path.join("cgroup.kill"), "1")
            .and_then(|()| await_empty(&path, CLEAR_MAX_MILLISECONDS));
        if let Err(error) = killed {
            warn!(%error, "failed to end the guard");
        }
    }

    /// Takes note of a process that was started.
    pub fn started(&self, place: &mut Place, kind: ProcessKind, pid: i32) {
        place.process_group = Some(pid);
        if let Self::ProcessGroups { services, .. } = self
            && kind != ProcessKind::Monitor
        {
            services.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        }
    }

    /// Gives an empty place back.
    pub fn remove(&self, place: &Place) {
        match (self, &place.cgroup) {
            (Self::Cgroups(cgroups), Some(cgroup)) => {
                // Up to the first that still holds another.
                let mut path = cgroup.path.as_path();
                while path.parent().is_some_and(|parent| parent != cgroups.base)
                    && fs::remove_dir(path).is_ok()
                {
                    let Some(parent) = path.parent() else { break };
                    path = parent;
                }
            }
            (Self::ProcessGroups { services, .. }, _) => {
                if let Some(group) = place.process_group {
                    services.lock().unwrap_or_else(PoisonError::into_inner).remove(&group);
                }
            }
            (Self::Cgroups(_), None) => {}
        }
    }

    /// Leaves no cgroup and no mount behind; everything has ended.
    pub fn close(&self) {
        let Self::Cgroups(cgroups) = self else { return };
        remove_tree(&cgroups.base);
        if let Some(mounted) = &cgroups.mounted {
            // Lazily: the two open files are still on it.
            if let Err(error) = umount2(mounted, MntFlags::MNT_DETACH) {
                warn!(%error, path = %mounted.display(), "failed to unmount");
            }
        }
    }
}

fn write_one(file: &File, what: &str) {
    if let Err(error) = file.write_at(b"1", 0) {
        warn!(%error, what, "failed to kill a cgroup");
    }
}

/// Lets those that were killed run ahead of all others: on a busy machine the end of a process
/// waits for its turn like anything else, and whoever takes over waits with it.
pub fn hurry(path: &Path) {
    walk(path, "cgroup.threads", &mut |thread| {
        if let Some(thread) = rustix::process::Pid::from_raw(thread) {
            // It may be gone by now, which is the purpose.
            let _ = setpriority_process(Some(thread), -20);
        }
    });
}

/// Every number in this file of a cgroup and of those below it: a process may make some.
fn walk(path: &Path, file: &str, visit: &mut impl FnMut(i32)) {
    let text = fs::read_to_string(path.join(file)).unwrap_or_default();
    // 0 is a process of another PID namespace: out of reach, and to the kernel "myself".
    text.lines().filter_map(|line| line.parse().ok()).filter(|id| *id > 0).for_each(&mut *visit);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), file, visit);
        }
    }
}

impl Cgroups {
    fn find(root: &Path) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            let path = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
        });
        let mount = mount.ok_or_else(|| io::Error::other("no cgroup2 file system is mounted"))?;
        Self::open(mount.join(own_cgroup()?).join(base_name(root)), None)
    }

    fn mount(root: &Path) -> io::Result<Self> {
        let path = root.join("run/stead/cgroup");
        fs::create_dir_all(&path)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("cgroup2"), &path, Some("cgroup2"), flags, None::<&str>).map_err(|error| {
            io::Error::other(format!("failed to mount cgroup2 at {}: {error}", path.display()))
        })?;
        let base = path.join(own_cgroup()?).join(base_name(root));
        Self::open(base, Some(path))
    }

    fn open(base: PathBuf, mounted: Option<PathBuf>) -> io::Result<Self> {
        let open = |folder: &str| {
            let path = base.join(folder);
            fs::create_dir_all(&path)?;
            OpenOptions::new().write(true).open(path.join("cgroup.kill"))
        };
        let failed = |error: io::Error| {
            let base = base.display();
            io::Error::other(format!(
                "failed to use {base} (it takes a cgroup v2 and Linux 5.14): {error}"
            ))
        };
        let kill_services = open("services").map_err(failed)?;
        let kill_monitors = open("monitors").map_err(failed)?;
        open(GUARD).map_err(failed)?;
        let cgroups = Self { base, kill_services, kill_monitors, mounted };
        cgroups.clear()?;
        Ok(cgroups)
    }

    /// Ends what a keeper that was killed left.
    fn clear(&self) -> io::Result<()> {
        write_one(&self.kill_services, "services");
        write_one(&self.kill_monitors, "monitors");
        // Its guard would end what this one starts.
        fs::write(self.base.join(GUARD).join("cgroup.kill"), "1")?;
        for folder in ["services", "monitors", GUARD] {
            let path = self.base.join(folder);
            await_empty(&path, CLEAR_MAX_MILLISECONDS)?;
            for entry in fs::read_dir(&path)?.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove_tree(&entry.path());
                }
            }
        }
        Ok(())
    }
}

/// Waits until what was killed has gone, so long for each sign of it.
///
/// # Errors
/// Where something lives on, or there is no such cgroup.
pub fn await_empty(path: &Path, milliseconds: u16) -> io::Result<()> {
    let events = File::open(path.join("cgroup.events"))?;
    while is_populated(&events) {
        let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut changed, milliseconds)? == 0 {
            let path = path.display();
            return Err(io::Error::other(format!("{path} holds processes that won't die")));
        }
    }
    Ok(())
}

/// The cgroup of all services, in that of a keeper.
#[must_use]
pub fn services_of(base: &Path) -> PathBuf {
    base.join("services")
}

/// The keeper's own cgroup, relative to the mount.
fn own_cgroup() -> io::Result<String> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    path.map(str::to_owned).ok_or_else(|| io::Error::other("this process is in no cgroup v2"))
}

/// One name for each keeper of a kernel, the same after its restart: by its root, and by its PID
/// namespace where that is not the machine's own.
fn base_name(root: &Path) -> String {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut name = String::from("stead");
    for part in root.components() {
        if let std::path::Component::Normal(part) = part {
            name.push('-');
            name.push_str(&escape(part.as_bytes()));
        }
    }
    if name.len() > NAME_MAX {
        name.truncate(NAME_MAX);
        let number = fs::metadata(&root).map_or(0, |folder| folder.ino());
        name.push_str(&format!("-folder{number}"));
    }
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(FIRST_PID_NAMESPACE, |it| it.ino());
    if namespace != FIRST_PID_NAMESPACE {
        name.push_str(&format!("-pid{namespace}"));
    }
    name
}

/// No two names come out the same: two keepers with one cgroup would end each other's services.
fn escape(part: &[u8]) -> String {
    let mut name = String::new();
    for byte in part {
        if byte.is_ascii_alphanumeric() {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("_{byte:02x}"));
        }
    }
    name
}

/// Removes empty cgroups from the leaves up.
fn remove_tree(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

fn is_populated(events: &File) -> bool {
    let mut buffer = [0; 256];
    // What can't be read counts as populated: nothing is freed on a guess.
    let Ok(length) = events.read_at(&mut buffer, 0) else { return true };
    !buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"populated 0")
}

/// Where one process and its children live.
#[derive(Debug, Default)]
pub struct Place {
    cgroup: Option<Cgroup>,
    process_group: Option<i32>,
}

#[derive(Debug)]
struct Cgroup {
    path: PathBuf,
    events: File,
}

impl Place {
    /// What a process writes itself into.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn entrance(&self) -> io::Result<Option<OwnedFd>> {
        let Some(cgroup) = &self.cgroup else { return Ok(None) };
        let file = OpenOptions::new().write(true).open(cgroup.path.join("cgroup.procs"))?;
        Ok(Some(file.into()))
    }

    /// Whether it is a place, and not what is left of one that was given back.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.cgroup.is_some() || self.process_group.is_some()
    }

    /// Becomes ready (`POLLPRI`) when [`Self::is_populated`] changes.
    #[must_use]
    pub fn events(&self) -> Option<&File> {
        self.cgroup.as_ref().map(|cgroup| &cgroup.events)
    }

    /// Whether anything lives in it.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        match (&self.cgroup, self.process_group) {
            (Some(cgroup), _) => is_populated(&cgroup.events),
            (None, Some(group)) => killpg(Pid::from_raw(group), None) != Err(Errno::ESRCH),
            (None, None) => false,
        }
    }

    /// Kills all that lives in it.
    pub fn kill(&self) {
        match (&self.cgroup, self.process_group) {
            (Some(cgroup), _) => {
                let killed = OpenOptions::new()
                    .write(true)
                    .open(cgroup.path.join("cgroup.kill"))
                    .and_then(|mut file| file.write_all(b"1"));
                if let Err(error) = killed {
                    warn!(%error, path = %cgroup.path.display(), "failed to kill a cgroup");
                }
                hurry(&cgroup.path);
            }
            (None, Some(group)) => {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            (None, None) => {}
        }
    }

    /// Asks all that lives in it to end, except whom it has asked before.
    pub fn terminate(&self, asked: &mut BTreeSet<i32>) {
        for pid in self.processes() {
            if !asked.insert(pid) {
                continue;
            }
            let process = Pid::from_raw(pid);
            // What stands still could not heed the first without the second. It may be gone by now.
            // Without a cgroup the one pid stands for its group.
            for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                let _ = match self.cgroup {
                    Some(_) => kill(process, signal),
                    None => killpg(process, signal),
                };
            }
        }
    }

    /// What lives in it; without a cgroup the first process stands for all.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let Some(cgroup) = &self.cgroup else {
            return self.process_group.filter(|_| self.is_populated()).into_iter().collect();
        };
        let mut processes = Vec::new();
        walk(&cgroup.path, "cgroup.procs", &mut |pid| processes.push(pid));
        processes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_look_alike_have_cgroups_of_their_own() {
        let roots = ["/srv/a-b", "/srv/a_b", "/srv/a.b", "/srv/a/b", "/srv/a_2db", "/srv/ab", "/"];
        let names: BTreeSet<String> = roots.iter().map(|root| base_name(Path::new(root))).collect();
        assert_eq!(names.len(), roots.len(), "{names:?}");
    }

    #[test]
    fn what_can_not_be_read_counts_as_populated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cgroup.events");
        for (text, populated) in [
            ("populated 0\nfrozen 0\n", false),
            ("populated 1\nfrozen 0\n", true),
            ("frozen 0\n", true),
            ("", true),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(is_populated(&File::open(&path).unwrap()), populated, "{text:?}");
        }
    }
}
