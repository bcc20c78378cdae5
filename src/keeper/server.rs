//! The keeper's loop: one agent, its requests, and what becomes of its services without it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Signal as PidfdSignal, pidfd_send_signal};
use tracing::{info, warn};

use super::addresses;
use super::connection::Connection;
use super::containment::Holder;
use super::guard::Guard;
use super::lease::{Lease, boot_time};
use super::manager::Manager;
use super::processes::{Caller, MILLISECOND, Notice, Processes};
use super::protocol::{
    Answer, Call, Containment, Datagram, Event, Fault, Hello, Reply, Request, Successor, Target,
    VERSION, Welcome,
};
use super::watchdog::{Open, Watchdog};
use super::{KeeperOptions, farewell, socket_path};
use crate::agent::process::sys;

/// Below the thread of the lease.
const PRIORITY: i32 = 49;
/// Clients that have not said hello, or ask while another agent is served.
const CONNECTIONS_MAX: usize = 16;
/// How long the agent may take to stop its groups when the keeper is told to end.
const TERMINATION_MAX: u64 = 90_000 * MILLISECOND;
/// How long services may take to heed SIGTERM where no agent stops them, in milliseconds.
const TERMINATION_GRACE: u64 = 10_000;
/// No connection has this number.
const NOBODY: Caller = (0, 0);
/// How long processes that were killed may take to go before the keeper ends without them.
const LAST_WAIT: u64 = 10_000 * MILLISECOND;
/// Texts kept for the next agent, and the size of each.
const TEXTS_MAX: usize = 4096;
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The keeper.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    listener: UnixListener,
    signals: SignalFd,
    wake: Arc<EventFd>,
    holder: Arc<Holder>,
    lease: Arc<Lease>,
    watchdog: Arc<Watchdog>,
    guard: Guard,
    manager: Manager,
    processes: Processes,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    agent: Agent,
    /// Said hello while the services of the agent before it were being ended.
    waiting: Vec<(Caller, Hello)>,
    texts: BTreeMap<String, String>,
    all_ended: bool,
    /// When the keeper ends whatever the agent does; none: it has not been told to.
    terminating: Option<u64>,
    spare_agent: bool,
}

#[derive(Debug)]
enum Agent {
    None,
    /// It is connected.
    Serving(Served),
    /// It ended in good order; its services go on.
    Retired(Served),
    /// It is lost: everything is being ended, then the farewell is sent.
    Ending(Served),
}

#[derive(Debug)]
struct Served {
    connection: u64,
    pid: i32,
    death: OwnedFd,
    /// `death` has become readable: from then on it always is.
    dead: bool,
    farewell: Vec<Datagram>,
}

/// What one wait brought.
#[derive(Debug, Default)]
struct Ready {
    signals: bool,
    wake: bool,
    listener: bool,
    /// The connection of the agent whose process has ended.
    agent_died: Option<u64>,
    processes: bool,
    guard: bool,
    connections: Vec<u64>,
}

impl Server {
    /// Takes the socket and ends what a former keeper left.
    ///
    /// # Errors
    /// Where another keeper runs there, or the path can't be written.
    pub fn open(options: &KeeperOptions, open_watchdog: Open) -> anyhow::Result<Self> {
        // Before any thread starts: all inherit the mask.
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block().context("failed to block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&mask, flags).context("failed to read signals")?;
        set_child_subreaper(true).context("failed to become the parent of orphans")?;
        let socket = socket_path(&options.root);
        let listener = listen(&socket)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_flags(flags).context("failed to make an eventfd")?);
        let holder = Arc::new(Holder::open(&options.root, options.cgroup.as_deref()));
        let list = addresses::list_path(&socket);
        addresses::clear(&list);
        let lease = Lease::start(holder.clone(), wake.clone(), list);
        let lease = lease.context("failed to guard leases")?;
        let processes = Processes::new(holder.clone(), lease.clone(), &options.root);
        let services = processes.services();
        let watchdog = Watchdog::start(lease.clone(), services, wake.clone(), open_watchdog)
            .context("failed to watch the machine's watchdog")?;
        let guard = Guard::start(holder.clone(), lease.clone(), &options.root, options.guard);
        info!(socket = %socket.display(), containment = ?holder.describe(), "keeper started");
        Ok(Self {
            socket,
            listener,
            signals,
            wake,
            holder,
            lease,
            watchdog,
            guard,
            manager: Manager::find(),
            processes,
            connections: BTreeMap::new(),
            next_connection: 1,
            agent: Agent::None,
            waiting: Vec::new(),
            texts: BTreeMap::new(),
            all_ended: true,
            terminating: None,
            spare_agent: options.spare_agent,
        })
    }

    /// Ends everything while there is nothing, so that what it takes is in memory when a disk that
    /// the program would be read from hangs.
    pub fn rehearse(&mut self) {
        self.processes.end_all();
        addresses::rehearse();
    }

    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// Where the kernel no longer lets it wait.
    pub fn run(mut self) -> anyhow::Result<()> {
        if let Err(error) = sys::run_in_real_time(PRIORITY) {
            warn!(%error, "the keeper runs without real-time priority");
        }
        self.manager.tell("READY=1");
        loop {
            self.manager.feed(boot_time());
            let ready = self.wait().context("failed to wait for events")?;
            self.handle(ready);
            self.processes.advance(boot_time());
            self.guard.retry(boot_time());
            self.tell();
            self.finish_ending();
            if self.terminating.is_some_and(|deadline| self.may_exit(deadline)) {
                break;
            }
        }
        if self.processes.have_all_ended() {
            self.watchdog.disarm();
        }
        self.guard.end();
        self.holder.close();
        let _ = fs::remove_file(&self.socket);
        info!("keeper ended");
        Ok(())
    }

    fn wait(&self) -> nix::Result<Ready> {
        let now = boot_time();
        let end = self.terminating.map(|deadline| {
            if now < deadline { deadline } else { deadline.saturating_add(LAST_WAIT) }
        });
        let deadlines = [
            self.processes.next_deadline(now),
            self.manager.next_feeding(),
            self.guard.next_retry(),
            end,
        ];
        let due = deadlines.into_iter().flatten().min();
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            // Rounded up: not a moment before it is due.
            let milliseconds = due.saturating_sub(now).div_ceil(MILLISECOND);
            PollTimeout::from(u16::try_from(milliseconds).unwrap_or(u16::MAX))
        });
        let readable = PollFlags::POLLIN;
        let death = match &self.agent {
            Agent::Serving(served) | Agent::Ending(served) if !served.dead => {
                Some((served.connection, served.death.as_fd()))
            }
            // A retired agent is expected to exit.
            Agent::Serving(_) | Agent::Ending(_) | Agent::Retired(_) | Agent::None => None,
        };
        let mut polled = vec![
            PollFd::new(self.signals.as_fd(), readable),
            PollFd::new(self.wake.as_fd(), readable),
            PollFd::new(self.listener.as_fd(), readable),
        ];
        polled.extend(death.map(|(_, death)| PollFd::new(death, readable)));
        let guard = self.guard.descriptor();
        let guard_at = polled.len();
        polled.extend(guard.map(|pipe| PollFd::new(pipe, readable)));
        let connections_at = polled.len();
        polled.extend(self.connections.values().map(|connection| {
            let wanted =
                if connection.has_unsent() { readable | PollFlags::POLLOUT } else { readable };
            PollFd::new(connection.descriptor(), wanted)
        }));
        let processes_at = polled.len();
        let events = self.processes.descriptors();
        polled.extend(events.map(|events| PollFd::new(events, PollFlags::POLLPRI)));
        match poll(&mut polled, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let ready = |polled: &PollFd| polled.any().unwrap_or(true);
        let connections = self.connections.keys().zip(&polled[connections_at..processes_at]);
        let looked_for = self.processes.next_deadline(now).is_some_and(|due| due <= boot_time());
        Ok(Ready {
            signals: ready(&polled[0]),
            wake: ready(&polled[1]),
            listener: ready(&polled[2]),
            agent_died: death.filter(|_| ready(&polled[3])).map(|(connection, _)| connection),
            processes: looked_for || polled[processes_at..].iter().any(ready),
            guard: guard.is_some() && ready(&polled[guard_at]),
            connections: connections.filter(|(_, it)| ready(it)).map(|(key, _)| *key).collect(),
        })
    }

    fn handle(&mut self, ready: Ready) {
        if ready.signals {
            self.read_signals();
        }
        if ready.signals || ready.processes {
            self.processes.refresh();
        }
        if ready.wake {
            self.on_wake();
        }
        if ready.guard && self.guard.refresh() {
            self.tell_agent(Event::Successor(self.successor()));
        }
        for key in ready.connections {
            self.on_connection(key);
        }
        // It may have been replaced by now, in good order.
        if let Agent::Serving(served) | Agent::Ending(served) = &mut self.agent
            && ready.agent_died == Some(served.connection)
        {
            served.dead = true;
            self.lose_agent("its process has ended");
        }
        if ready.listener {
            self.accept();
        }
    }

    fn read_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = signal.ssi_signo.cast_signed();
            if number == Signal::SIGTERM as i32 || number == Signal::SIGINT as i32 {
                self.terminate();
            }
        }
    }

    fn terminate(&mut self) {
        if self.terminating.is_some() {
            return;
        }
        info!("the keeper was told to end");
        self.manager.tell("STOPPING=1");
        self.terminating = Some(boot_time().saturating_add(TERMINATION_MAX));
        match &self.agent {
            Agent::Serving(_) => self.tell_agent(Event::Terminating),
            Agent::Retired(_) | Agent::None => self.stop_services(),
            Agent::Ending(_) => {}
        }
    }

    /// Nothing outlives the keeper, and no agent is there to stop its groups in their order.
    fn stop_services(&mut self) {
        self.processes.kill(NOBODY, &Target::EveryGroup, TERMINATION_GRACE);
    }

    /// Carries the end on; whether it has come.
    fn may_exit(&mut self, deadline: u64) -> bool {
        let late = boot_time() >= deadline;
        let stopped = self.processes.have_groups_ended();
        match self.agent {
            Agent::Serving(_) if late => self.end_agent(),
            Agent::Retired(_) if late || stopped => self.end_agent(),
            Agent::None if late || stopped => self.processes.end_all(),
            Agent::Serving(_) | Agent::Retired(_) | Agent::None => return false,
            Agent::Ending(_) => {}
        }
        self.finish_ending();
        let ended = matches!(self.agent, Agent::None) && self.processes.have_all_ended();
        ended || boot_time() >= deadline.saturating_add(LAST_WAIT)
    }

    fn on_wake(&mut self) {
        let _ = self.wake.read();
        for (name, message) in self.lease.ports().take_died() {
            warn!(name, message, "a probe port died");
            self.tell_agent(Event::PortDied { name, message });
        }
        if self.watchdog.take_failed() {
            self.tell_agent(Event::WatchdogFailed);
        }
        if self.lease.take_passed() {
            warn!("the lease has passed: every service was killed");
            match self.agent {
                Agent::Serving(_) => self.tell_agent(Event::LeaseExpired),
                Agent::Retired(_) => self.end_agent(),
                Agent::Ending(_) | Agent::None => {}
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    warn!(%error, "failed to accept a client");
                    return;
                }
            };
            if self.connections.len() >= CONNECTIONS_MAX {
                warn!("too many clients; refused one");
                continue;
            }
            match Connection::new(stream) {
                Ok(connection) => {
                    self.connections.insert(self.next_connection, connection);
                    self.next_connection += 1;
                }
                Err(error) => warn!(%error, "refused a client"),
            }
        }
    }

    fn on_connection(&mut self, key: u64) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let received = connection.flush().and_then(|()| connection.receive());
        match received {
            Ok(calls) => {
                for call in calls {
                    self.on_call(key, call);
                }
            }
            Err(error) => {
                let gone = error.kind() == ErrorKind::UnexpectedEof;
                self.hang_up(key, if gone { "it hung up".to_owned() } else { error.to_string() });
            }
        }
    }

    fn hang_up(&mut self, key: u64, why: String) {
        self.connections.remove(&key);
        self.processes.hang_up(key);
        self.waiting.retain(|((connection, _), _)| *connection != key);
        if matches!(&self.agent, Agent::Serving(served) if served.connection == key) {
            self.lose_agent(&why);
        }
    }

    fn lose_agent(&mut self, why: &str) {
        if let Agent::Serving(served) = &self.agent {
            warn!(pid = served.pid, why, "the agent is lost: ending every service");
            self.end_agent();
        }
    }

    /// Ends everything; the farewell follows once that is certain.
    fn end_agent(&mut self) {
        match std::mem::replace(&mut self.agent, Agent::None) {
            Agent::Serving(served) | Agent::Retired(served) => {
                self.processes.end_all();
                if !self.spare_agent {
                    // It may only have closed its socket. A dead one can't be killed again.
                    let _ = pidfd_send_signal(&served.death, PidfdSignal::KILL);
                }
                self.connections.remove(&served.connection);
                self.processes.hang_up(served.connection);
                self.agent = Agent::Ending(served);
            }
            other @ (Agent::Ending(_) | Agent::None) => self.agent = other,
        }
    }

    fn finish_ending(&mut self) {
        let Agent::Ending(served) = &self.agent else { return };
        let dead = served.dead || self.spare_agent || is_readable(&served.death);
        if !dead || !self.processes.have_all_ended() {
            return;
        }
        info!(pid = served.pid, "the agent is dead and everything has ended");
        farewell::send(&served.farewell);
        self.agent = Agent::None;
        self.all_ended = true;
        for (caller, hello) in std::mem::take(&mut self.waiting) {
            let result = self.hello(caller, &hello);
            self.reply(caller, result);
        }
    }

    fn on_call(&mut self, key: u64, call: Call) {
        let caller = (key, call.id);
        if let Request::Hello(hello) = &call.request {
            if matches!(self.agent, Agent::Ending(_)) {
                self.waiting.push((caller, hello.clone()));
            } else {
                let result = self.hello(caller, hello);
                self.reply(caller, result);
            }
            return;
        }
        if !matches!(&self.agent, Agent::Serving(served) if served.connection == key) {
            self.reply(caller, Err(Fault::NotGreeted));
            return;
        }
        if let Some(result) = self.serve(caller, call.request) {
            self.reply(caller, result);
        }
        if self.terminating.is_some() && matches!(self.agent, Agent::Retired(_)) {
            self.stop_services();
        }
    }

    fn hello(&mut self, (key, _): Caller, hello: &Hello) -> Result<Reply, Fault> {
        if hello.version > VERSION {
            return Err(Fault::Version { version: VERSION });
        }
        if self.terminating.is_some() {
            return Err(Fault::Terminating);
        }
        if let Agent::Serving(served) = &self.agent {
            return Err(Fault::AnotherAgent { pid: served.pid });
        }
        // It hung up while it waited.
        let Some(connection) = self.connections.get(&key) else { return Err(Fault::NotGreeted) };
        let pid = connection.pid;
        let death = connection
            .watch()
            .map_err(|error| Fault::NotWatched { pid, message: error.to_string() })?;
        let adopts = matches!(self.agent, Agent::Retired(_));
        info!(pid, server = hello.server, boot = hello.boot, adopts, "an agent is here");
        let farewell = Vec::new();
        let served = Served { connection: key, pid, death, dead: false, farewell };
        self.agent = Agent::Serving(served);
        Ok(Reply::Welcome(Welcome {
            version: VERSION,
            pid: std::process::id(),
            containment: self.holder.describe(),
            all_ended: std::mem::replace(&mut self.all_ended, false),
            successor: self.successor(),
            watchdog: self.watchdog.report(),
        }))
    }

    fn successor(&self) -> Successor {
        match (self.holder.describe(), self.guard.failure(), self.manager.acts_within()) {
            // Of those that it started the kernel ends only the first of each.
            (Containment::ProcessGroups { reason }, ..) => Successor::Nothing { reason },
            (Containment::Cgroup { .. }, None, _) => Successor::Guard,
            (Containment::Cgroup { .. }, Some(_), Some(time)) => {
                Successor::Unit { milliseconds: time.div_ceil(MILLISECOND) }
            }
            (Containment::Cgroup { .. }, Some(reason), None) => Successor::Nothing {
                reason: format!("the keeper's guard can't be started: {reason}"),
            },
        }
    }

    /// The result, unless it comes later.
    fn serve(&mut self, caller: Caller, request: Request) -> Option<Result<Reply, Fault>> {
        let done = Ok(Reply::Done);
        Some(match request {
            // Answered before it comes here.
            Request::Hello(_) => Err(Fault::NotGreeted),
            Request::Lease { until } => {
                self.lease.set(until);
                self.manager.follow(until, boot_time());
                done
            }
            Request::Farewell { datagrams } => {
                if let Agent::Serving(served) = &mut self.agent {
                    served.farewell = datagrams;
                }
                done
            }
            Request::Spawn(spawn) => self.processes.spawn(&spawn).map(Reply::Spawned),
            Request::Wait { id, until } => {
                self.processes.wait(caller, id, until);
                return None;
            }
            Request::Kill { target, grace_milliseconds } => {
                self.processes.kill(caller, &target, grace_milliseconds);
                return None;
            }
            Request::List => Ok(Reply::Processes(self.processes.list())),
            Request::Forget { id } => {
                self.processes.forget(id);
                done
            }
            Request::OpenPort { name, addresses, port } => {
                self.lease.ports().open(&name, &addresses, port).map(|()| Reply::Done)
            }
            Request::ClosePort { name } => {
                self.lease.ports().close(&name);
                done
            }
            Request::Ports => Ok(Reply::Ports(self.lease.ports().report())),
            Request::RegisterAddress(address) => {
                if self.lease.register(address) {
                    done
                } else {
                    Err(Fault::NoLease)
                }
            }
            Request::UnregisterAddress(address) => {
                self.lease.unregister(&address);
                done
            }
            Request::Watchdog(Some(order)) => self.watchdog.arm(&order).map(Reply::Watchdog),
            Request::Watchdog(None) => {
                self.watchdog.disarm();
                done
            }
            Request::Remember { key, value } => self.remember(key, value),
            Request::Recall { key } => Ok(Reply::Text(self.texts.get(&key).cloned())),
            Request::Retire => {
                self.retire();
                done
            }
        })
    }

    fn remember(&mut self, key: String, value: Option<String>) -> Result<Reply, Fault> {
        let Some(value) = value else {
            self.texts.remove(&key);
            return Ok(Reply::Done);
        };
        if value.len() + key.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooMany { what: "bytes of a text".into(), limit: TEXT_BYTES_MAX });
        }
        if self.texts.len() >= TEXTS_MAX && !self.texts.contains_key(&key) {
            return Err(Fault::TooMany { what: "texts".into(), limit: TEXTS_MAX });
        }
        self.texts.insert(key, value);
        Ok(Reply::Done)
    }

    fn retire(&mut self) {
        match std::mem::replace(&mut self.agent, Agent::None) {
            Agent::Serving(served) => {
                info!(pid = served.pid, "the agent has retired; its services go on");
                self.agent = Agent::Retired(served);
            }
            other @ (Agent::Retired(_) | Agent::Ending(_) | Agent::None) => self.agent = other,
        }
    }

    fn tell(&mut self) {
        for notice in self.processes.take_notices() {
            match notice {
                Notice::Event(event) => self.tell_agent(event),
                Notice::Reply(caller, result) => self.reply(caller, result),
            }
        }
    }

    fn tell_agent(&mut self, event: Event) {
        if let Agent::Serving(served) = &self.agent {
            self.send(served.connection, &Answer::Event(event));
        }
    }

    fn reply(&mut self, (key, id): Caller, result: Result<Reply, Fault>) {
        if id != 0 {
            self.send(key, &Answer::Reply { id, result });
        }
    }

    fn send(&mut self, key: u64, answer: &Answer) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if let Err(error) = connection.send(answer) {
            self.hang_up(key, error.to_string());
        }
    }
}

/// A socket that only this user reaches; that of a keeper which is gone is replaced.
fn listen(path: &PathBuf) -> anyhow::Result<UnixListener> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(folder);
        made.with_context(|| format!("failed to make {}", folder.display()))?;
    }
    if UnixStream::connect(path).is_ok() {
        bail!("another keeper listens on {shown}; end it first");
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to replace {shown}"));
        }
        Ok(()) | Err(_) => {}
    }
    // From the first moment no other user's: the peer's user is asked for at every connection.
    let listener = UnixListener::bind(path).with_context(|| format!("failed to bind {shown}"))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .with_context(|| format!("failed to restrict {shown}"))?;
    listener.set_nonblocking(true).with_context(|| format!("failed to set up {shown}"))?;
    Ok(listener)
}

fn is_readable(descriptor: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}
