//! What a lab must clear away, its own or that of one that was kept or killed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::machine::{Machine, remove_cgroup};
use super::run;

/// A lab's folder, held against a second lab of the same name.
pub struct Leftovers {
    folder: PathBuf,
    list: File,
    _lock: Flock<File>,
}

impl Leftovers {
    /// Ends what the list of an earlier lab names, and begins a new list.
    pub fn clear(folder: &Path) -> Result<Self> {
        let lock = File::create(folder.with_extension("lock"))
            .with_context(|| format!("failed to write beside {}", folder.display()))?;
        let Ok(lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) else {
            bail!("another one runs in {}; end it first", folder.display());
        };
        end_listed(folder)?;
        fs::create_dir_all(folder)?;
        let list = File::create(folder.join("machines"))?;
        Ok(Self { folder: folder.to_owned(), list, _lock: lock })
    }

    /// Notes a machine.
    pub fn add(&mut self, machine: &Machine) -> Result<()> {
        let pid = machine.first_process();
        let started = started(pid).context("the machine has ended")?;
        writeln!(self.list, "{pid} {started} {}", machine.name())?;
        Ok(())
    }

    /// Removes the folder; its machines have been ended.
    pub fn remove(&mut self) {
        if let Err(error) = end_listed(&self.folder) {
            eprintln!("failed to clear {}: {error:#}", self.folder.display());
        }
    }
}

fn end_listed(folder: &Path) -> Result<()> {
    let list = fs::read_to_string(folder.join("machines")).unwrap_or_default();
    for line in list.lines() {
        let mut fields = line.split(' ');
        let pid = fields.next().and_then(|pid| pid.parse().ok()).map(Pid::from_raw);
        let Some((pid, noted)) = pid.zip(fields.next()) else { continue };
        // A process that started at another time is another one with the same number.
        if started(pid).as_deref() == Some(noted) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    let name = folder.file_name().context("the folder has a name")?;
    let mounted = folder.join("cgroup");
    if mounted.join("cgroup.procs").exists() {
        remove_cgroup(&mounted.join(name));
    }
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    for place in places.filter(|place| place.starts_with(folder)) {
        run(Command::new("umount").arg("--lazy").arg(place))?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    Ok(())
}

/// When a process started, in the kernel's ticks.
fn started(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}
