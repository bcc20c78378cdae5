//! The processes of this keeper, from start to the note that their exit was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::pipe2;
use tracing::{info, warn};

use super::containment::{Holder, Place};
use super::lease::{Lease, boot_time};
use super::monitor_log;
use super::output::Output;
use super::protocol::{
    EndedBy, Event, Exit, ExitStatus, Fault, ProcessKind, ProcessReport, Reply, Spawn, Spawned,
    StandardInput, Target, WaitFor,
};
use crate::agent::process::sys;

/// Processes that run, or whose exit nobody has taken note of.
const PROCESSES_MAX: usize = 1024;
/// After SIGKILL only the kernel can keep a process alive: a disk or file server that hangs.
const KILL_MAX: u64 = 10_000 * MILLISECOND;
/// Without cgroups nothing tells that the last process of a group has gone.
const LOOK_INTERVAL: u64 = 50 * MILLISECOND;
/// In nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;

/// Who asked: the connection and the number of the call.
pub type Caller = (u64, u64);

/// What is to be told.
#[derive(Debug)]
pub enum Notice {
    /// To the agent.
    Event(Event),
    /// To whoever asked.
    Reply(Caller, Result<Reply, Fault>),
}

/// All of them.
#[derive(Debug)]
pub struct Processes {
    holder: Arc<Holder>,
    lease: Arc<Lease>,
    output: Output,
    next: u64,
    table: BTreeMap<u64, Process>,
    kills: Vec<Kill>,
    notices: Vec<Notice>,
    /// Whether any service may run, for the thread of the watchdog.
    services: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Process {
    report: ProcessReport,
    place: Place,
    epoch: u64,
    deadline: Option<u64>,
    ending: Option<EndedBy>,
    waits: Vec<(Caller, WaitFor)>,
    forgotten: bool,
}

#[derive(Debug)]
struct Kill {
    caller: Caller,
    ids: BTreeSet<u64>,
    /// Who was sent SIGTERM.
    asked: BTreeSet<i32>,
    /// When SIGKILL follows; none once it has.
    kill_at: Option<u64>,
    give_up_at: u64,
}

impl Process {
    fn has_ended(&self) -> bool {
        self.report.exit.is_some() && !self.report.populated
    }
}

impl Processes {
    /// None yet.
    #[must_use]
    pub fn new(holder: Arc<Holder>, lease: Arc<Lease>, root: &Path) -> Self {
        Self {
            holder,
            lease,
            output: Output::new(root),
            next: 1,
            table: BTreeMap::new(),
            kills: Vec::new(),
            notices: Vec::new(),
            services: Arc::default(),
        }
    }

    /// Whether any service may run; always up to date when it is false.
    #[must_use]
    pub fn services(&self) -> Arc<AtomicBool> {
        self.services.clone()
    }

    /// Starts a process.
    ///
    /// # Errors
    /// Where it needs a lease and there is none, or it can't be started.
    pub fn spawn(&mut self, spawn: &Spawn) -> Result<Spawned, Fault> {
        let spawned = self.start(spawn);
        if spawned.is_err() {
            self.note_services();
        }
        spawned
    }

    fn start(&mut self, spawn: &Spawn) -> Result<Spawned, Fault> {
        let program = spawn.command.first().cloned().unwrap_or_default();
        check_names(spawn).map_err(|message| Fault::Spawn { program: program.clone(), message })?;
        self.make_room()?;
        let epoch = self.lease.epoch();
        if needs_lease(spawn.kind) {
            // Before the lease is looked at: whoever sees it end sees this.
            self.services.store(true, Ordering::SeqCst);
            if !self.lease.is_live() {
                return Err(Fault::NoLease);
            }
        }
        let id = self.next;
        self.next += 1;
        let failed = |error: io::Error| {
            let program = program.clone();
            Fault::Spawn { program, message: error.to_string() }
        };
        let mut place = self
            .holder
            .place(spawn.kind, &spawn.group, &spawn.resource, id)
            .map_err(|error| failed(io::Error::other(format!("its cgroup: {error}"))))?;
        let pid = match self.launch(spawn, &place) {
            Ok(pid) => pid,
            Err(error) => {
                self.holder.remove(&place);
                return Err(failed(error));
            }
        };
        self.holder.started(&mut place, spawn.kind, pid.cast_signed());
        if self.lease.epoch() != epoch {
            // All services were ended while this one was on its way into its place.
            place.kill();
        }
        info!(id, pid, group = spawn.group, resource = spawn.resource, kind = ?spawn.kind, "started");
        let milliseconds = |time: u64| boot_time().saturating_add(time.saturating_mul(MILLISECOND));
        let report = ProcessReport {
            id,
            group: spawn.group.clone(),
            resource: spawn.resource.clone(),
            kind: spawn.kind,
            pid,
            exit: None,
            populated: true,
        };
        let process = Process {
            report,
            place,
            epoch,
            deadline: spawn.timeout_milliseconds.map(milliseconds),
            ending: None,
            waits: Vec::new(),
            forgotten: false,
        };
        self.table.insert(id, process);
        Ok(Spawned { id, pid })
    }

    fn launch(&mut self, spawn: &Spawn, place: &Place) -> io::Result<u32> {
        let folder = spawn.working_directory.as_deref().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            let text = format!("its working folder {} does not exist", folder.display());
            return Err(io::Error::other(text));
        }
        let log = match spawn.kind {
            ProcessKind::Service | ProcessKind::Start | ProcessKind::Stop => spawn.resource.clone(),
            ProcessKind::Monitor => monitor_log(&spawn.resource),
        };
        let output = self.output.pipe(&log)?;
        let mut command = Command::new(&spawn.command[0]);
        command
            .args(&spawn.command[1..])
            .env_clear()
            .envs(spawn.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(standard_input(spawn)?)
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output));
        sys::contain(&mut command, place.entrance()?);
        // Whatever ends, `reap` waits for it: the handle is of no use.
        Ok(command.spawn()?.id())
    }

    fn make_room(&mut self) -> Result<(), Fault> {
        while self.table.len() >= PROCESSES_MAX {
            let Some(oldest) = self.table.iter().find(|(_, it)| it.has_ended()).map(|(id, _)| *id)
            else {
                let what = "processes".to_owned();
                return Err(Fault::TooMany { what, limit: PROCESSES_MAX });
            };
            self.table.remove(&oldest);
        }
        Ok(())
    }

    /// Answers once a process has ended.
    pub fn wait(&mut self, caller: Caller, id: u64, until: WaitFor) {
        match self.table.get_mut(&id) {
            Some(process) => {
                process.waits.push((caller, until));
                self.settle(id);
            }
            None => self.notices.push(Notice::Reply(caller, Err(Fault::NoProcess { id }))),
        }
    }

    /// Ends processes, and answers once they have.
    pub fn kill(&mut self, caller: Caller, target: &Target, grace_milliseconds: u64) {
        let now = boot_time();
        let by_hand = |process: &Process| !process.has_ended() && matches(&process.report, target);
        let ids: BTreeSet<u64> =
            self.table.iter().filter(|(_, it)| by_hand(it)).map(|(id, _)| *id).collect();
        for id in &ids {
            if let Some(process) = self.table.get_mut(id) {
                process.ending.get_or_insert(EndedBy::Request);
                process.deadline = None;
            }
        }
        let grace = grace_milliseconds.saturating_mul(MILLISECOND);
        let kill_at = now.saturating_add(grace);
        let give_up_at = kill_at.saturating_add(KILL_MAX);
        let asked = BTreeSet::new();
        self.kills.push(Kill { caller, ids, asked, kill_at: Some(kill_at), give_up_at });
        self.advance(now);
        self.terminate();
    }

    /// What was started while SIGTERM was on its way gets it too, once each.
    fn terminate(&mut self) {
        for kill in self.kills.iter_mut().filter(|kill| kill.kill_at.is_some()) {
            for process in kill.ids.iter().filter_map(|id| self.table.get(id)) {
                process.place.terminate(&mut kill.asked);
            }
        }
    }

    /// The exit of a process has been taken note of; what it left is still looked after.
    pub fn forget(&mut self, id: u64) {
        if let Some(process) = self.table.get_mut(&id) {
            process.forgotten = true;
            self.settle(id);
        }
    }

    /// All that run or are not forgotten.
    #[must_use]
    pub fn list(&self) -> Vec<ProcessReport> {
        self.table.values().map(|process| process.report.clone()).collect()
    }

    /// Kills everything.
    pub fn end_all(&mut self) {
        for process in self.table.values_mut() {
            process.ending.get_or_insert(EndedBy::Shutdown);
        }
        self.lease.end_all();
        self.holder.kill_monitors();
        // Without cgroups that was not all.
        let outside = |process: &&Process| !process.has_ended() && process.place.events().is_none();
        for process in self.table.values().filter(outside) {
            process.place.kill();
        }
    }

    /// Whether everything has ended.
    #[must_use]
    pub fn have_all_ended(&self) -> bool {
        self.table.values().all(Process::has_ended)
    }

    /// Whether everything but monitors has ended.
    #[must_use]
    pub fn have_groups_ended(&self) -> bool {
        let groups = self.table.values().filter(|it| it.report.kind != ProcessKind::Monitor);
        groups.into_iter().all(Process::has_ended)
    }

    /// Nobody listens on that connection any more.
    pub fn hang_up(&mut self, connection: u64) {
        for process in self.table.values_mut() {
            process.waits.retain(|((waiting, _), _)| *waiting != connection);
        }
    }

    /// Takes note of exits and of places that became empty.
    pub fn refresh(&mut self) {
        self.reap();
        let ids: Vec<u64> = self.table.keys().copied().collect();
        for id in ids {
            if let Some(process) = self.table.get_mut(&id)
                && process.report.populated
                && !process.place.is_populated()
            {
                process.report.populated = false;
                self.settle(id);
            }
        }
        self.terminate();
        self.note_services();
    }

    /// A script that stops something is none: it runs without a lease.
    fn note_services(&self) {
        let mut living = self.table.values().filter(|process| !process.has_ended());
        let any = living.any(|process| needs_lease(process.report.kind));
        self.services.store(any, Ordering::SeqCst);
    }

    fn reap(&mut self) {
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, ExitStatus::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, ExitStatus::Signal(signal as i32))
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(error) => {
                    warn!(%error, "failed to wait for processes");
                    return;
                }
            };
            // Others are orphans of ours: nobody asks for their exit.
            let found = self.table.iter().find(|(_, process)| {
                process.report.exit.is_none() && process.report.pid.cast_signed() == pid.as_raw()
            });
            let Some((&id, _)) = found else { continue };
            if let Some(process) = self.table.get_mut(&id) {
                let exit = Exit { status, ended_by: ended_by(process, &self.lease) };
                process.report.exit = Some(exit);
                process.deadline = None;
                info!(id, %pid, ?exit, "exited");
                self.notices.push(Notice::Event(Event::Exited { id, exit }));
            }
            self.settle(id);
        }
    }

    /// Tells those who wait for what has come to pass.
    fn settle(&mut self, id: u64) {
        let Some(process) = self.table.get_mut(&id) else { return };
        let ended = process.has_ended();
        let by = ended_by(process, &self.lease);
        let Some(exit) = process.report.exit.as_mut() else { return };
        if ended {
            exit.ended_by = exit.ended_by.or(by);
        }
        let exit = *exit;
        let notices = &mut self.notices;
        process.waits.retain(|(caller, until)| {
            let due = ended || *until == WaitFor::Exit;
            if due {
                notices.push(Notice::Reply(*caller, Ok(Reply::Exit(exit))));
            }
            !due
        });
        if ended {
            // Once: the place is taken out.
            if process.place.is_taken() {
                self.holder.remove(&process.place);
                process.place = Place::default();
                notices.push(Notice::Event(Event::Emptied { id }));
            }
            if process.forgotten {
                self.table.remove(&id);
            }
        }
    }

    /// Carries on what waits for its time.
    pub fn advance(&mut self, now: u64) {
        for process in self.table.values_mut() {
            if process.deadline.is_some_and(|deadline| deadline <= now) {
                process.deadline = None;
                process.ending.get_or_insert(EndedBy::TimeOut);
                process.place.kill();
            }
        }
        let mut kills = std::mem::take(&mut self.kills);
        kills.retain_mut(|kill| {
            kill.ids.retain(|id| self.table.get(id).is_some_and(|it| !it.has_ended()));
            if kill.ids.is_empty() {
                self.notices.push(Notice::Reply(kill.caller, Ok(Reply::Done)));
                return false;
            }
            if kill.kill_at.is_some_and(|at| at <= now) {
                kill.kill_at = None;
                for id in &kill.ids {
                    if let Some(process) = self.table.get(id) {
                        process.place.kill();
                    }
                }
            }
            if kill.give_up_at <= now {
                let fault = Fault::StillRunning { processes: self.name_processes(&kill.ids) };
                self.notices.push(Notice::Reply(kill.caller, Err(fault)));
                return false;
            }
            true
        });
        self.kills = kills;
    }

    fn name_processes(&self, ids: &BTreeSet<u64>) -> String {
        let places = ids.iter().filter_map(|id| self.table.get(id)).map(|it| &it.place);
        let names = places.flat_map(Place::processes).map(|pid| {
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} ({})", program.trim_end())
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// When [`Self::advance`] is due.
    #[must_use]
    pub fn next_deadline(&self, now: u64) -> Option<u64> {
        let time_outs = self.table.values().filter_map(|process| process.deadline);
        let kills = self.kills.iter().map(|kill| kill.kill_at.unwrap_or(kill.give_up_at));
        let looks = self.table.values().filter_map(|process| {
            let unseen = !process.has_ended() && process.place.events().is_none();
            unseen.then_some(now + LOOK_INTERVAL)
        });
        time_outs.chain(kills).chain(looks).min()
    }

    /// What becomes ready (`POLLPRI`) when [`Self::refresh`] is due.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let living = self.table.values().filter(|process| process.report.populated);
        living.filter_map(|process| process.place.events()).map(AsFd::as_fd)
    }

    /// What is to be told since this was last asked.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

fn needs_lease(kind: ProcessKind) -> bool {
    match kind {
        ProcessKind::Service | ProcessKind::Start => true,
        ProcessKind::Stop | ProcessKind::Monitor => false,
    }
}

/// A pipe that holds all of it already, so that nobody waits for a process that reads nothing.
fn standard_input(spawn: &Spawn) -> io::Result<Stdio> {
    let Some(StandardInput(text)) = &spawn.input else { return Ok(Stdio::null()) };
    if text.len() > StandardInput::BYTES_MAX {
        return Err(io::Error::other("what it is to read is too long"));
    }
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    File::from(writer).write_all(text.as_bytes())?;
    Ok(Stdio::from(reader))
}

fn ended_by(process: &Process, lease: &Lease) -> Option<EndedBy> {
    let killed_with_lease =
        process.report.kind != ProcessKind::Monitor && process.epoch < lease.epoch();
    process.ending.or(killed_with_lease.then_some(EndedBy::Lease))
}

fn matches(report: &ProcessReport, target: &Target) -> bool {
    let monitors = report.kind == ProcessKind::Monitor;
    match target {
        Target::Process(id) => report.id == *id,
        Target::Resource { group, resource } => {
            !monitors && report.group == *group && report.resource == *resource
        }
        Target::Group(group) => !monitors && report.group == *group,
        Target::EveryGroup => !monitors,
    }
}

/// Names become folders.
fn check_names(spawn: &Spawn) -> Result<(), String> {
    if spawn.command.is_empty() {
        return Err("no program is named".to_owned());
    }
    let needs_group = spawn.kind != ProcessKind::Monitor;
    for name in [needs_group.then_some(&spawn.group), Some(&spawn.resource)].into_iter().flatten() {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || !name.chars().all(plain)
        {
            return Err(format!("{name:?} can't be the name of a folder"));
        }
    }
    Ok(())
}
