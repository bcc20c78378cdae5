//! The agent's side of the keeper's socket.
//!
//! Requests are written from whatever thread makes them, answers are read on a thread of this
//! client's own: a busy runtime never delays a lease. When the keeper is lost the services are
//! lost with it, and this makes sure of it: it ends what is left in the keeper's cgroup, removes
//! the floating addresses that the keeper held, and says so once all of it has gone, so that nobody
//! has to wait for the next keeper to know. It then tries to reach the keeper again until the last
//! clone of the client is dropped.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{fs, io, thread};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::{broadcast, oneshot};
use tracing::{info, warn};

use crate::agent::process::sys::run_in_real_time;
use crate::engine::time::Instant;
use crate::keeper::protocol::{
    self, Address, Answer, Call, Containment, Datagram, Event, Exit, Fault, Hello, PortReport,
    ProcessReport, Reply, Request, Spawn, Spawned, Target, WaitFor, WatchdogOrder, WatchdogReport,
    Welcome,
};
use crate::keeper::{addresses, containment};

/// Just above all that is not in real time: a service's end is heard of on a busy machine too.
const PRIORITY: i32 = 1;
/// Between two tries to reach the keeper.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(100);
/// How long a write may wait for a keeper that does not read, before it counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the first answer may take; the keeper may be ending the services of an agent that
/// died.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// How long what was killed with a keeper may take to go before the next keeper is asked instead.
const ENDED_MILLISECONDS: u16 = 1000;
/// Events that a slow receiver may fall behind.
const EVENTS_MAX: usize = 1024;

/// Why the keeper did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Nobody answers.
    #[error("failed to reach the keeper at {}; is stead-keeper running?", path.display())]
    Absent {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was lost before it answered.
    #[error("the keeper was lost")]
    Lost,
    /// It answered something else.
    #[error("the keeper's answer does not belong to the request")]
    Nonsense,
    /// It refused.
    #[error(transparent)]
    Refused(#[from] Fault),
}

/// What the keeper tells the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperEvent {
    /// It was lost, and with it every service.
    Lost,
    /// All that the keeper which was lost had held has certainly gone.
    Ended,
    /// It is there again, with no services.
    Connected(Welcome),
    /// Another agent has it.
    Refused(Fault),
    /// Something happened there.
    Keeper(Event),
}

/// A connection to the keeper; clones share it.
#[derive(Clone, Debug)]
pub struct KeeperClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    hello: Hello,
    next: AtomicU64,
    link: Mutex<Link>,
    events: broadcast::Sender<KeeperEvent>,
}

#[derive(Debug)]
struct Link {
    stream: Option<UnixStream>,
    /// What becomes readable when the keeper's process is dead; none where it can't be watched.
    death: Option<OwnedFd>,
    /// There is no keeper, and nothing is left of what it had held.
    ended: bool,
    welcome: Welcome,
    pending: BTreeMap<u64, oneshot::Sender<Result<Delivery, Fault>>>,
    /// Given to a keeper that was restarted; it has none.
    farewell: Vec<Datagram>,
}

/// A reply on its way. Where nobody takes it, the future that asked was dropped, which ends its
/// work: a process that it had started is killed.
#[derive(Debug)]
struct Delivery {
    reply: Option<Reply>,
    inner: Weak<Inner>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(Reply::Spawned(Spawned { id, .. })) = self.reply
            && let Some(inner) = self.inner.upgrade()
        {
            let client = KeeperClient { inner };
            client.kill_now(Target::Process(id));
            client.forget(id);
        }
    }
}

impl Inner {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills every service in the keeper's cgroup. Where it has none this can't be done.
    fn end_services(&self) {
        let link = self.link();
        let Containment::Cgroup { path } = &link.welcome.containment else { return };
        let path = path.join("services/cgroup.kill");
        drop(link);
        if let Err(error) = fs::write(&path, "1")
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, "failed to end the services beside the keeper");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(stream) = self.link().stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl KeeperClient {
    /// Connects to the keeper at `path` and says hello. Blocks for as long as the keeper still
    /// ends the services of an agent that died.
    ///
    /// # Errors
    /// Where nobody answers there, or the keeper serves another agent.
    pub fn connect(path: &Path, hello: Hello) -> Result<Self, KeeperError> {
        let (stream, welcome) = greet(path, &hello)?;
        let absent = |source| KeeperError::Absent { path: path.to_owned(), source };
        let reader = stream.try_clone().map_err(absent)?;
        let death = watch(&stream);
        let inner = Arc::new(Inner {
            path: path.to_owned(),
            hello,
            next: AtomicU64::new(1),
            link: Mutex::new(Link {
                stream: Some(stream),
                death,
                ended: false,
                welcome,
                pending: BTreeMap::new(),
                farewell: Vec::new(),
            }),
            events: broadcast::channel(EVENTS_MAX).0,
        });
        let weak = Arc::downgrade(&inner);
        thread::Builder::new()
            .name("keeper-client".to_owned())
            .spawn(move || receive(&weak, reader))
            .map_err(absent)?;
        Ok(Self { inner })
    }

    /// What the keeper tells from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<KeeperEvent> {
        self.inner.events.subscribe()
    }

    /// Whether the keeper is there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.inner.link().stream.is_some()
    }

    /// Whether there is no keeper, and certainly nothing left of what it had held: its process is
    /// dead, its cgroup empty, its addresses are removed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.link().ended
    }

    /// What the keeper said when it was last met.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        self.inner.link().welcome.clone()
    }

    /// Tells the keeper until when services may live; none ends them now. Needs no runtime and
    /// waits for no answer; a keeper that is away holds no services.
    pub fn lease(&self, until: Option<Instant>) {
        self.tell(Request::Lease { until: until.map(|instant| instant.0) });
        if until.is_none() {
            // A keeper that hangs can't.
            self.inner.end_services();
        }
    }

    /// Arms the machine's watchdog, or changes its time-out.
    ///
    /// # Errors
    /// Where the keeper is lost, or the device is missing, in use, or does not take the time-out.
    pub async fn arm_watchdog(&self, order: WatchdogOrder) -> Result<WatchdogReport, KeeperError> {
        let Reply::Watchdog(report) = self.ask(Request::Watchdog(Some(order))).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(report)
    }

    /// Stops the machine's watchdog.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn stop_watchdog(&self) -> Result<(), KeeperError> {
        self.done(Request::Watchdog(None)).await
    }

    /// Gives the keeper the packets to send once this agent is dead and everything has ended;
    /// given again to a keeper that is restarted.
    pub fn farewell(&self, datagrams: Vec<Datagram>) {
        self.inner.link().farewell.clone_from(&datagrams);
        self.tell(Request::Farewell { datagrams });
    }

    /// Starts a process.
    ///
    /// # Errors
    /// Where there is no keeper or no lease, or the program can't be run.
    pub async fn spawn(&self, spawn: Spawn) -> Result<Spawned, KeeperError> {
        let Reply::Spawned(spawned) = self.ask(Request::Spawn(Box::new(spawn))).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(spawned)
    }

    /// Waits for the end of a process.
    ///
    /// # Errors
    /// Where the keeper is lost or does not know the process.
    pub async fn wait(&self, id: u64, until: WaitFor) -> Result<Exit, KeeperError> {
        let Reply::Exit(exit) = self.ask(Request::Wait { id, until }).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(exit)
    }

    /// Ends processes: SIGTERM, and SIGKILL after the grace. Returns when they have ended.
    ///
    /// # Errors
    /// Where the keeper is lost, or some live on.
    pub async fn kill(&self, target: Target, grace: Duration) -> Result<(), KeeperError> {
        let grace_milliseconds = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.done(Request::Kill { target, grace_milliseconds }).await
    }

    /// Kills processes without waiting for their end: for futures that are dropped.
    pub fn kill_now(&self, target: Target) {
        self.tell(Request::Kill { target, grace_milliseconds: 0 });
    }

    /// Every process of the keeper.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn list(&self) -> Result<Vec<ProcessReport>, KeeperError> {
        let Reply::Processes(processes) = self.ask(Request::List).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(processes)
    }

    /// The exit of a process has been taken note of.
    pub fn forget(&self, id: u64) {
        self.tell(Request::Forget { id });
    }

    /// Opens a probe port; it closes with the lease.
    ///
    /// # Errors
    /// Where the keeper is lost, there is no lease, or the port is taken: then it says by whom.
    pub async fn open_port(
        &self,
        name: &str,
        addresses: Vec<std::net::IpAddr>,
        port: u16,
    ) -> Result<(), KeeperError> {
        self.done(Request::OpenPort { name: name.to_owned(), addresses, port }).await
    }

    /// Closes a probe port; one that is not open is closed.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn close_port(&self, name: &str) -> Result<(), KeeperError> {
        self.done(Request::ClosePort { name: name.to_owned() }).await
    }

    /// The open probe ports.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn ports(&self) -> Result<Vec<PortReport>, KeeperError> {
        let Reply::Ports(ports) = self.ask(Request::Ports).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(ports)
    }

    /// Has the keeper remove an address when the lease ends or the agent dies.
    ///
    /// # Errors
    /// Where the keeper is lost or there is no lease.
    pub async fn register_address(&self, address: Address) -> Result<(), KeeperError> {
        self.done(Request::RegisterAddress(address)).await
    }

    /// Has the keeper leave an address alone.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn unregister_address(&self, address: Address) -> Result<(), KeeperError> {
        self.done(Request::UnregisterAddress(address)).await
    }

    /// Keeps a text for the next agent; none removes it.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn remember(&self, key: &str, value: Option<String>) -> Result<(), KeeperError> {
        self.done(Request::Remember { key: key.to_owned(), value }).await
    }

    /// The same without waiting for an answer; a keeper that is away remembers nothing.
    pub fn remember_now(&self, key: &str, value: String) {
        self.tell(Request::Remember { key: key.to_owned(), value: Some(value) });
    }

    /// The text that this agent, or one before it, had kept.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, KeeperError> {
        let Reply::Text(text) = self.ask(Request::Recall { key: key.to_owned() }).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(text)
    }

    /// Has the keeper go on without an agent until the lease passes.
    ///
    /// # Errors
    /// Where the keeper is lost.
    pub async fn retire(&self) -> Result<(), KeeperError> {
        self.done(Request::Retire).await
    }

    async fn done(&self, request: Request) -> Result<(), KeeperError> {
        let Reply::Done = self.ask(request).await? else {
            return Err(KeeperError::Nonsense);
        };
        Ok(())
    }

    async fn ask(&self, request: Request) -> Result<Reply, KeeperError> {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.write(&Call { id, request }, Some(sender));
        let mut delivery = receiver.await.map_err(|_| KeeperError::Lost)??;
        delivery.reply.take().ok_or(KeeperError::Nonsense)
    }

    fn tell(&self, request: Request) {
        self.write(&Call { id: 0, request }, None);
    }

    /// A call that can't be written drops its sender, which answers it.
    fn write(&self, call: &Call, sender: Option<oneshot::Sender<Result<Delivery, Fault>>>) {
        let mut link = self.inner.link();
        let Some(stream) = link.stream.as_mut() else { return };
        if let Err(error) = protocol::write_frame(stream, call) {
            warn!(%error, "failed to write to the keeper");
            // The thread that reads takes it from here.
            let _ = stream.shutdown(Shutdown::Both);
        } else if let Some(sender) = sender {
            link.pending.insert(call.id, sender);
        }
    }
}

/// Reads answers until the last client is dropped.
fn receive(inner: &Weak<Inner>, mut stream: UnixStream) {
    if let Err(error) = run_in_real_time(PRIORITY) {
        info!(%error, "the keeper's answers are read without real-time priority");
    }
    loop {
        match protocol::read_frame(&mut stream) {
            Ok(answer) => {
                let Some(inner) = inner.upgrade() else { return };
                dispatch(&inner, answer);
            }
            Err(error) => {
                let Some(lost) = inner.upgrade() else { return };
                warn!(%error, "the keeper was lost");
                disconnect(&lost);
                drop(lost);
                match reconnect(inner) {
                    Some(found) => stream = found,
                    None => return,
                }
            }
        }
    }
}

fn dispatch(inner: &Arc<Inner>, answer: Answer) {
    match answer {
        Answer::Reply { id, result } => {
            // Released before it is sent: a delivery that nobody takes writes to the keeper.
            let sender = inner.link().pending.remove(&id);
            if let Some(sender) = sender {
                let inner = Arc::downgrade(inner);
                let _ = sender.send(result.map(|reply| Delivery { reply: Some(reply), inner }));
            }
        }
        Answer::Event(event) => {
            let _ = inner.events.send(KeeperEvent::Keeper(event));
        }
    }
}

fn disconnect(inner: &Inner) {
    let mut link = inner.link();
    if let Some(stream) = link.stream.take() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    link.pending.clear();
    let death = link.death.take();
    let cgroup = match &link.welcome.containment {
        Containment::Cgroup { path } => Some(path.clone()),
        Containment::ProcessGroups { .. } => None,
    };
    drop(link);
    if let Some(path) = &cgroup
        && let Err(error) = fs::write(path.join("cgroup.kill"), "1")
        && error.kind() != io::ErrorKind::NotFound
    {
        // A keeper that was killed can't do it, and nobody holds the lease any more.
        warn!(%error, "failed to end what the keeper left");
    }
    addresses::clear(&addresses::list_path(&inner.path));
    let _ = inner.events.send(KeeperEvent::Lost);
    if let (Some(cgroup), Some(death)) = (cgroup, death)
        && is_dead(&death)
        && is_empty(&cgroup)
    {
        inner.link().ended = true;
        let _ = inner.events.send(KeeperEvent::Ended);
    }
}

/// What becomes readable when the process at the other end is dead.
fn watch(stream: &UnixStream) -> Option<OwnedFd> {
    let peer = getsockopt(stream, PeerCredentials).ok()?;
    pidfd_open(Pid::from_raw(peer.pid())?, PidfdFlags::empty()).ok()
}

/// A keeper that only closed its socket holds its probe ports still.
fn is_dead(death: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(death.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, ENDED_MILLISECONDS).is_ok_and(|count| count > 0)
}

/// What was killed leaves its cgroup a moment later; one that is gone was empty.
fn is_empty(cgroup: &Path) -> bool {
    match containment::await_empty(cgroup, ENDED_MILLISECONDS) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            warn!(%error, "something of the keeper lives on");
            false
        }
    }
}

fn reconnect(inner: &Weak<Inner>) -> Option<UnixStream> {
    let mut refused = false;
    loop {
        #[allow(clippy::disallowed_methods, reason = "nothing tells that a keeper was started")]
        thread::sleep(RECONNECT_INTERVAL);
        let inner = inner.upgrade()?;
        match greet(&inner.path, &inner.hello) {
            Ok((stream, welcome)) => {
                let Ok(reader) = stream.try_clone() else { continue };
                info!("the keeper is there again");
                let death = watch(&stream);
                let mut link = inner.link();
                link.stream = Some(stream);
                link.death = death;
                link.ended = false;
                link.welcome = welcome.clone();
                let datagrams = link.farewell.clone();
                drop(link);
                KeeperClient { inner: inner.clone() }.tell(Request::Farewell { datagrams });
                let _ = inner.events.send(KeeperEvent::Connected(welcome));
                return Some(reader);
            }
            Err(KeeperError::Refused(fault)) if !refused => {
                refused = true;
                let _ = inner.events.send(KeeperEvent::Refused(fault));
            }
            Err(_) => {}
        }
    }
}

fn greet(path: &Path, hello: &Hello) -> Result<(UnixStream, Welcome), KeeperError> {
    let absent = |source| KeeperError::Absent { path: path.to_owned(), source };
    let mut stream = UnixStream::connect(path).map_err(absent)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(absent)?;
    stream.set_read_timeout(Some(HELLO_TIMEOUT)).map_err(absent)?;
    let call = Call { id: 1, request: Request::Hello(hello.clone()) };
    protocol::write_frame(&mut stream, &call).map_err(absent)?;
    match protocol::read_frame(&mut stream).map_err(absent)? {
        Answer::Reply { result: Ok(Reply::Welcome(welcome)), .. } => {
            stream.set_read_timeout(None).map_err(absent)?;
            Ok((stream, welcome))
        }
        Answer::Reply { result: Err(fault), .. } => Err(fault.into()),
        Answer::Reply { .. } | Answer::Event(_) => Err(KeeperError::Nonsense),
    }
}
