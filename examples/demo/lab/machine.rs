//! One machine: namespaces and a control group around a first process.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::run;

/// How long what was killed may take to be gone.
const DEATH_MILLISECONDS: u16 = 5000;
/// What the first process does: `$1` is the machine's name, `$2` its disk, `$3` its programs.
const FIRST_PROCESS: &str = r#"
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
for type in cgroup2 cgroup; do
    awk -v type="$type" '$3 == type { print $2 }' /proc/self/mounts | while read -r place; do
        umount --lazy "$place" || true # gone with its folder
    done
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/init
echo $$ > /sys/fs/cgroup/init/cgroup.procs
mount -t tmpfs -o mode=755 tmpfs "$2/run"
for program in "$3"/*; do [ -e "$program" ] && ln -s "$program" /usr/local/bin/; done
hostname "$1"
ip link set lo up
echo ready
read -r line
[ "$line" = keep ] && exec sleep infinity
"#;

/// A machine that is on.
pub struct Machine {
    name: String,
    disk: PathBuf,
    cgroup: PathBuf,
    /// Outside its PID namespace.
    first: Pid,
    outer: Child,
    input: Option<ChildStdin>,
}

impl Machine {
    /// Switches it on. Its disk is a folder that outlives it.
    pub fn start(name: &str, folder: &Path, cgroups: &Path) -> Result<Self> {
        let disk = folder.join(name);
        let cgroup = cgroups.join(name);
        let programs = folder.join("programs");
        for path in [&disk.join("run"), &disk.join("log"), &cgroup, &programs] {
            fs::create_dir_all(path).with_context(|| format!("failed to make {path:?}"))?;
        }
        let log = disk.join("log/first-process.log");
        let mut outer = Command::new("sh")
            .args(["-c", "echo $$ > \"$1/cgroup.procs\"; shift; exec \"$@\"", "sh"])
            .arg(&cgroup)
            .args(["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--net", "--uts"])
            .args(["--ipc", "--cgroup", "sh", "-c", FIRST_PROCESS, name, name])
            .args([&disk, &programs])
            // What `power: Namespace` may end.
            .env("STEAD_NAMESPACE", "1")
            // Ctrl-C is for the demo, which then ends its machines.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("failed to run unshare")?;
        let input = outer.stdin.take();
        let mut output = outer.stdout.take().context("the machine's output is a pipe")?;
        let mut ready = [0; 6];
        let started = output.read_exact(&mut ready);
        let failed = || format!("machine {name} did not start{}", last_words(&log));
        let first = first_child(&outer).with_context(failed)?;
        let mut machine = Self { name: name.to_owned(), disk, cgroup, first, outer, input };
        if started.is_err() {
            machine.kill();
            bail!(failed());
        }
        Ok(machine)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, as seen from outside.
    pub fn first_process(&self) -> Pid {
        self.first
    }

    /// Its disk: what `--root` names there.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Runs a program there to its end.
    pub fn run(&self, program: &[&str]) -> Result<String> {
        run(Command::new("nsenter").args(self.nsenter()).args(program))
    }

    /// Starts a program there that goes on; what it says goes to its log.
    pub fn start_service(&self, name: &str, program: &[&str]) -> Result<Service> {
        let cgroup = self.cgroup.join(name);
        fs::create_dir_all(&cgroup)?;
        let log = self.disk.join("log").join(format!("{name}.log"));
        let mut child = Command::new("sh")
            .args(["-c", "echo $$ > \"$1/cgroup.procs\"; shift; exec nsenter \"$@\"", "sh"])
            .arg(&cgroup)
            .args(self.nsenter())
            .args(["sh", "-c", "echo; exec >> \"$1\" 2>&1; shift; exec \"$@\"", "sh"])
            .arg(&log)
            .args(program)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().append(true).create(true).open(&log)?)
            .spawn()
            .with_context(|| format!("failed to start {name} on {}", self.name))?;
        let name = format!("{name} on {}", self.name);
        let mut output = child.stdout.take().context("its output is a pipe")?;
        output
            .read_exact(&mut [0])
            .with_context(|| format!("failed to start {name}{}", last_words(&log)))?;
        Ok(Service { name, cgroup, child, log })
    }

    fn nsenter(&self) -> [String; 5] {
        let target = self.first.to_string();
        ["--target".into(), target, "--all".into(), "--wd=/".into(), "--".into()]
    }

    /// Whether its first process lives.
    pub fn is_on(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.first)).unwrap_or_default();
        // One that has ended, and that nobody has asked about, still has a number.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    /// The processes there that run a program of this name, as seen from outside.
    pub fn processes(&self, program: &str) -> Vec<Pid> {
        let mut found = Vec::new();
        visit(&self.cgroup, &mut |pid: i32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim_end() == program {
                found.push(Pid::from_raw(pid));
            }
        });
        found
    }

    /// Sends a signal to every process there that runs a program of this name.
    pub fn signal(&self, program: &str, signal: Signal) -> Result<()> {
        let processes = self.processes(program);
        ensure!(!processes.is_empty(), "no {program} runs on {}", self.name);
        for process in processes {
            kill(process, signal).with_context(|| format!("failed to signal {program}"))?;
        }
        Ok(())
    }

    /// Stops every process there, or lets them go on: their clocks run meanwhile.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let (file, text) = (self.cgroup.join("cgroup.freeze"), if frozen { "1" } else { "0" });
        fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))
    }

    /// Leaves it on when this process ends.
    pub fn keep(&mut self) -> Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        input.write_all(b"keep\n").with_context(|| format!("failed to keep {}", self.name))
    }

    /// Ends every process there at once, and returns when they are gone.
    pub fn kill(&mut self) {
        // Already gone is as good as killed.
        let _ = kill(self.first, Signal::SIGKILL);
        let _ = self.outer.wait();
        remove_cgroup(&self.cgroup);
    }
}

/// A program that goes on.
pub struct Service {
    name: String,
    cgroup: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Its process, as seen from outside.
    pub fn pid(&self) -> Result<Pid> {
        let outer = i32::try_from(self.child.id())?;
        let processes = fs::read_to_string(self.cgroup.join("cgroup.procs"))?;
        let parent = |pid: i32| parent_of(pid) == Some(outer);
        processes
            .lines()
            .filter_map(|line| line.parse().ok())
            .find(|pid| parent(*pid))
            .map(Pid::from_raw)
            .with_context(|| format!("{} does not run{}", self.name, last_words(&self.log)))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if signal == Signal::SIGCONT {
            // nsenter stands still with its child, and has to go on to see it end.
            kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        }
        kill(self.pid()?, signal).with_context(|| format!("failed to signal {}", self.name))
    }

    /// An error where it has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        let status = ended.map(|status| status.to_string()).unwrap_or_default();
        ensure!(ended.is_none(), "{} ended: {status}{}", self.name, last_words(&self.log));
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

/// The last lines of a log, for the end of a message.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    let mut words = format!("; {} ends with", log.display());
    for line in lines.iter().rev() {
        words.push_str("\n    ");
        words.push_str(line);
    }
    words
}

/// Takes the calling thread into the network of a process.
pub fn enter_network(of: Pid) -> Result<()> {
    let namespace = File::open(format!("/proc/{of}/ns/net"))
        .with_context(|| format!("process {of} has ended"))?;
    setns(namespace, CloneFlags::CLONE_NEWNET).context("failed to enter a network namespace")
}

/// Mounts control groups of version 2 in `folder`, whatever else of them is mounted elsewhere.
pub fn mount_cgroups(folder: &Path) -> Result<PathBuf> {
    let place = folder.join("cgroup");
    fs::create_dir_all(&place)?;
    run(Command::new("mount").args(["-t", "cgroup2", "cgroup2"]).arg(&place))
        .context("control groups of version 2 are needed, and could not be mounted")?;
    Ok(place)
}

/// Ends what is left in a control group and removes it with all below it.
pub fn remove_cgroup(cgroup: &Path) {
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    let children = fs::read_dir(cgroup).into_iter().flatten().flatten();
    for child in children.filter(|child| child.path().is_dir()) {
        remove_cgroup(&child.path());
    }
    if let Err(error) = emptied(cgroup).and_then(|()| fs::remove_dir(cgroup))
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("failed to remove {}: {error}", cgroup.display());
    }
}

/// Calls for each process of a control group and those below it.
fn visit(cgroup: &Path, see: &mut impl FnMut(i32)) {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    processes.lines().filter_map(|line| line.parse().ok()).for_each(&mut *see);
    let children = fs::read_dir(cgroup).into_iter().flatten().flatten();
    for child in children.filter(|child| child.path().is_dir()) {
        visit(&child.path(), see);
    }
}

/// Waits until nothing lives in a control group any more: what was killed leaves it a moment later.
fn emptied(cgroup: &Path) -> io::Result<()> {
    let mut events = File::open(cgroup.join("cgroup.events"))?;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if text.contains("populated 0") {
            return Ok(());
        }
        let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut changed, DEATH_MILLISECONDS)? == 0 {
            return Err(io::Error::other("what was killed there lives on"));
        }
    }
}

fn first_child(of: &Child) -> Result<Pid> {
    let outer = i32::try_from(of.id())?;
    fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid| parent_of(*pid) == Some(outer))
        .map(Pid::from_raw)
        .context("unshare ended")
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
