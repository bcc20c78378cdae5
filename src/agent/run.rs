//! `stead agent`: puts everything together and ends in good order.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::clock::{self, ClockError};
use super::config::{AgentConfig, ConfigError, Layout};
use super::inbox::{Inbox, Told, inbox};
use super::init::read_bootstrap;
use super::keeper_client::{KeeperClient, KeeperError, KeeperEvent};
use super::lock::{AgentLock, LockError};
use super::pki::{Certificate, PkiError, Tls, out_of_date};
use super::process::sys::{give_back_memory, limit_heaps, run_in_real_time};
use super::publish::EngineWriter;
use super::shell::{SETTINGS_KEY, Shell, ShellError};
use super::state::writer::StateWriter;
use super::state::{Loaded, StateError, StateFile};
use super::telemetry::Counters;
use super::transport::keys::{KeyError, random};
use super::transport::outgoing::Bundles;
use super::transport::sessions::Sessions;
use super::transport::sockets::{BindError, Sockets};
use super::transport::stream::{Deliver, Streams};
use super::work::Work;
use crate::api::names::ServerName;
use crate::drivers::Host;
use crate::engine::Engine;
use crate::engine::durable::Identity;
use crate::engine::ids::BootId;
use crate::engine::input::{GuardNews, Input};
use crate::engine::model::CompileError;
use crate::engine::placement::{DiskIntent, disk_intent_key};
use crate::engine::time::Instant;
use crate::keeper::protocol::{Event, Hello, Successor, VERSION, Welcome};
use crate::server::apiserver::{ApiOptions, ApiServer, ApiTls, ListenError, Storage};

/// Threads that run drivers, streams and the API: they wait nearly all of the time, and a second one
/// would be woken in vain. What blocks has threads of its own.
const WORKERS: usize = 1;
/// Threads for files and names that may block.
const BLOCKING_THREADS_MAX: usize = 8;
/// Place of the engine's thread among those in real time: ahead of everything ordinary.
const ENGINE_PRIORITY: i32 = 10;
/// How long the keeper may take to start beside the agent.
const KEEPER_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to reach it.
const KEEPER_RETRY: Duration = Duration::from_millis(100);
/// After this long everything that only the start needs has been done.
const STARTED: Duration = Duration::from_secs(10);
/// How long ending in good order may take.
const RETIREMENT_MAX: Duration = Duration::from_secs(5);

/// How the agent is started.
#[derive(Clone, Debug, Default)]
pub struct AgentOptions {
    /// Folder that all files are under.
    pub root: PathBuf,
    /// Another `agent.yaml`.
    pub config: Option<PathBuf>,
}

/// Why the agent did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// `agent.yaml` or a key.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another agent.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state file.
    #[error(transparent)]
    State(#[from] StateError),
    /// What is stored makes no cluster.
    #[error("failed to use the stored objects")]
    Model(#[from] CompileError),
    /// Certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An address or port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The keeper.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The API's address or port.
    #[error(transparent)]
    Api(#[from] ListenError),
    /// The clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The system.
    #[error("failed to {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The engine's thread ended.
    #[error("the engine can not go on; the keeper ends the services")]
    Shell(#[from] ShellError),
    /// It panicked.
    #[error("the engine failed by a bug of its own; the keeper ends the services")]
    Panicked,
}

/// Runs the agent until it is told to end.
///
/// # Errors
/// Why it could not start, or had to end.
pub fn run(options: &AgentOptions) -> Result<(), AgentError> {
    limit_heaps();
    let layout = Layout::new(&options.root, options.config.as_deref());
    let config = AgentConfig::read(&layout)?;
    let lock = AgentLock::take(&layout.lock())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("worker")
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let result = run_with(options, &layout, config, &runtime);
    runtime.shutdown_timeout(RETIREMENT_MAX);
    drop(lock);
    result
}

fn run_with(
    options: &AgentOptions,
    layout: &Layout,
    config: AgentConfig,
    runtime: &Runtime,
) -> Result<(), AgentError> {
    let signals = runtime.block_on(async { Signals::new() })?;
    let parts = prepare(options, layout, config, runtime)?;
    let (ended, end) = oneshot::channel();
    let Parts { shell, inbox, keeper, api_tls } = parts;
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            if let Err(error) = run_in_real_time(ENGINE_PRIORITY) {
                tracing::debug!(%error, "the engine's thread runs with ordinary priority");
            }
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| shell.run()));
            // Nobody waits any more where the whole process ends.
            let _ = ended.send(result);
        })
        .map_err(system("start the engine's thread"))?;
    runtime.spawn(async {
        tokio::time::sleep(STARTED).await;
        if let Err(error) = give_back_memory() {
            tracing::debug!(%error, "the agent holds more memory than it needs");
        }
    });
    let result = runtime.block_on(signals.serve(layout, &inbox, &api_tls, end));
    conclude(result, &keeper, runtime)
}

/// What is left to do once the engine's thread has ended: in good order the keeper goes on, in any
/// other it ends the services.
fn conclude(
    result: Option<End>,
    keeper: &KeeperClient,
    runtime: &Runtime,
) -> Result<(), AgentError> {
    match result {
        Some(Ok(Ok(()))) => {
            let retired = runtime
                .block_on(async { tokio::time::timeout(RETIREMENT_MAX, keeper.retire()).await });
            if let Ok(Err(error)) = retired {
                tracing::warn!(%error, "the keeper was not told that this agent retires");
            }
            tracing::info!("the agent has ended in good order");
            Ok(())
        }
        Some(Ok(Err(error))) => {
            keeper.lease(None);
            Err(error.into())
        }
        Some(Err(_)) | None => {
            keeper.lease(None);
            Err(AgentError::Panicked)
        }
    }
}

/// How the engine's thread ended.
type End = std::thread::Result<Result<(), ShellError>>;

/// What the outside asks of the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, AgentError> {
        let on = |kind| signal(kind).map_err(system("listen for signals"));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    /// Until the engine's thread ends.
    async fn serve(
        mut self,
        layout: &Layout,
        inbox: &Inbox,
        api_tls: &watch::Sender<ApiTls>,
        mut end: oneshot::Receiver<End>,
    ) -> Option<End> {
        loop {
            tokio::select! {
                result = &mut end => return result.ok(),
                _ = self.terminate.recv() => {
                    inbox.tell(Told::Retire);
                }
                _ = self.interrupt.recv() => {
                    inbox.tell(Told::Retire);
                }
                _ = self.hang_up.recv() => match reread(layout, inbox, api_tls) {
                    Ok(()) => tracing::info!("agent.yaml and certificates were read anew"),
                    Err(error) => {
                        let error = anyhow::Error::from(error);
                        tracing::error!("everything stays as it was: {error:#}");
                    }
                },
            }
        }
    }
}

/// Takes in what changed in `agent.yaml`, and new certificates for new connections to the API.
/// Between servers the old ones go on: there, dates are not looked at.
fn reread(
    layout: &Layout,
    inbox: &Inbox,
    api_tls: &watch::Sender<ApiTls>,
) -> Result<(), AgentError> {
    let config = AgentConfig::read(layout)?;
    let tls = read_tls(layout, &config)?;
    api_tls.send_replace(tls.into());
    inbox.tell(Told::Configured(Box::new(config)));
    Ok(())
}

struct Parts {
    shell: Shell,
    inbox: Inbox,
    keeper: KeeperClient,
    api_tls: watch::Sender<ApiTls>,
}

fn prepare(
    options: &AgentOptions,
    layout: &Layout,
    config: AgentConfig,
    runtime: &Runtime,
) -> Result<Parts, AgentError> {
    let me = ServerName::from(config.server.as_str());
    let tls = read_tls(layout, &config)?;
    let key = config.cluster_key(layout)?;
    let (file, loaded) = open_state(layout, &me)?;
    let boot = BootId(u64::from_be_bytes(random()?));
    let (inbox, outbox) = inbox().map_err(|error| AgentError::System {
        action: "make the engine's queue",
        source: error.into(),
    })?;
    let sockets = Sockets::bind(&config.listen)?;
    let listeners = listen(runtime, &config.listen.streams())?;
    let sessions = Sessions::new(me.clone(), key, config.first_peers().into_keys())?;
    let keeper = connect_keeper(options, &config, boot, runtime)?;
    let (host, lease) = host(options, &config, &me, &keeper, &inbox, runtime);
    watch_keeper(&keeper, &inbox, runtime);
    tell_guard(&inbox, keeper.welcome());
    let writer = start_writer(file, layout, &inbox)?;
    let handle = runtime.handle().clone();
    let storage = Arc::new(Storage::new());
    let api_tls = serve_api(&config, &me, &tls, &storage, &inbox, runtime)?;
    // A keeper that is lost in this moment has ended everything, and there is nothing to recall.
    let recalled = runtime.block_on(keeper.recall(SETTINGS_KEY)).unwrap_or_default();
    let streams = Streams::start(handle.clone(), tls, listeners, &deliver(&inbox));
    let answers = inbox.clone();
    let work = Work::new(
        handle,
        host,
        config.cluster.clone(),
        Arc::new(move |input| answers.input(input)),
    );
    // Last: from now on it looks around for one time-out before it takes anybody for lost, and what
    // came before may have taken as long where a machine has much to do.
    let engine = start_engine(&me, boot, loaded.incarnation, loaded.durable)?;
    let shell = Shell {
        engine,
        me,
        boot,
        power: config.power,
        sessions,
        sockets,
        outgoing: Bundles::default(),
        streams,
        writer,
        work,
        keeper: keeper.clone(),
        lease,
        recalled,
        storage,
        peers: watch::Sender::new(config.first_peers()),
        outbox,
        counters: Arc::new(Counters::default()),
        configured: config,
        unpublished: loaded.events,
    };
    Ok(Parts { shell, inbox, keeper, api_tls })
}

fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> AgentError {
    move |source| AgentError::System { action, source }
}

fn open_state(layout: &Layout, me: &ServerName) -> Result<(StateFile, Loaded), AgentError> {
    let (path, bootstrap) = (layout.state(), layout.bootstrap());
    let used = layout.bootstrap_used();
    let opened = StateFile::open_as(&path, || {
        if !bootstrap.exists() {
            return Err(StateError::NoBootstrap { path: path.clone(), bootstrap });
        }
        let durable = read_bootstrap(&bootstrap)
            .map_err(|reason| StateError::Bootstrap { path: bootstrap, reason })?;
        // The first folder is known from the beginning; any later one is a new disk.
        let first = durable.objects.get(&disk_intent_key(me));
        let first = first.and_then(|object| DiskIntent::read(&object.json));
        let first = first.filter(|_| !used.exists()).map(|disk| disk.incarnation);
        Ok((durable, first))
    })?;
    if !used.exists()
        && let Err(error) = fs::write(&used, format!("{}\n", opened.1.incarnation))
    {
        let path = used.display();
        tracing::warn!(%error, %path, "a replaced disk may not be known for one");
    }
    tracing::info!(
        incarnation = %opened.1.incarnation,
        starts = opened.1.boots,
        revision = %opened.1.durable.revision,
        "the state was read"
    );
    Ok(opened)
}

fn read_tls(layout: &Layout, config: &AgentConfig) -> Result<Tls, AgentError> {
    let read = |name: &PathBuf| {
        let path = layout.etc().join(name);
        fs::read_to_string(&path).map_err(|source| ConfigError::Read { path, source })
    };
    let own = Certificate {
        certificate: read(&config.trust.certificate)?,
        private_key: read(&config.trust.private_key)?,
    };
    let tls = Tls::new(&read(&config.trust.authority)?, &own)?;
    if let Some(reason) = out_of_date(&own.certificate, clock::now()?.wall) {
        tracing::warn!(
            reason,
            "this server's certificate is not valid by its wall clock: clients of the API refuse \
             it; heartbeats and takeover go on without regard to dates"
        );
    }
    Ok(tls)
}

fn listen(runtime: &Runtime, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, AgentError> {
    let _entered = runtime.enter();
    addresses
        .iter()
        .map(|address| {
            let failed = |source| BindError::new("TCP", *address, source);
            // The runtime's own way sets SO_REUSEADDR: a restarted agent listens at once.
            let socket = match address.ip() {
                IpAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
                IpAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
            };
            let socket = socket.map_err(failed)?;
            socket.set_reuseaddr(true).map_err(failed)?;
            socket.bind(*address).map_err(failed)?;
            Ok(socket.listen(BACKLOG).map_err(failed)?)
        })
        .collect()
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// Connects to the keeper, which may be starting at the same time.
fn connect_keeper(
    options: &AgentOptions,
    config: &AgentConfig,
    boot: BootId,
    runtime: &Runtime,
) -> Result<KeeperClient, AgentError> {
    let path = match &config.keeper {
        Some(path) => options.root.join(path),
        None => crate::keeper::socket_path(&options.root),
    };
    let hello = Hello { version: VERSION, boot: boot.0, server: config.server.clone() };
    let begun = clock::boot_time()?;
    loop {
        match KeeperClient::connect(&path, hello.clone()) {
            Err(KeeperError::Absent { .. })
                if clock::boot_time()?.since(begun) < KEEPER_PATIENCE =>
            {
                runtime.block_on(async { tokio::time::sleep(KEEPER_RETRY).await });
            }
            result => return Ok(result?),
        }
    }
}

fn host(
    options: &AgentOptions,
    config: &AgentConfig,
    me: &ServerName,
    keeper: &KeeperClient,
    inbox: &Inbox,
    runtime: &Runtime,
) -> (Host, watch::Sender<Option<Instant>>) {
    let (failures, mut failed) = mpsc::unbounded_channel();
    let inbox = inbox.clone();
    runtime.spawn(async move {
        while let Some((resource, message)) = failed.recv().await {
            inbox.input(Input::ResourceFailed { resource, message });
        }
    });
    let (sender, lease) = watch::channel(None);
    let addresses = &config.listen.addresses;
    let host = Host {
        server: me.clone(),
        keeper: keeper.clone(),
        addresses: addresses.iter().map(|(path, ip)| (path.as_str().into(), *ip)).collect(),
        root: options.root.clone(),
        failures,
        lease,
        // A clock that can't be read ends every lease.
        clock: || clock::boot_time().unwrap_or(Instant(u64::MAX)),
        cloud: Default::default(),
        supervisors: Default::default(),
    };
    (host, sender)
}

/// Tells the engine whether the keeper answers, and what it says.
fn watch_keeper(keeper: &KeeperClient, inbox: &Inbox, runtime: &Runtime) {
    let (mut events, inbox) = (keeper.events(), inbox.clone());
    let keeper = keeper.clone();
    runtime.spawn(async move {
        loop {
            match events.recv().await {
                Ok(event) => on_keeper_event(&inbox, event),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    inbox.input(Input::Keeper { present: keeper.is_present() });
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
}

/// What ends the services where the keeper can't, for the engine; a device that is armed first.
fn tell_guard(inbox: &Inbox, welcome: Welcome) {
    if let Some(report) = welcome.watchdog {
        inbox.input(Input::Guard(GuardNews::WatchdogFound(super::work::armed(report))));
    }
    tell_successor(inbox, welcome.successor);
}

fn tell_successor(inbox: &Inbox, successor: Successor) {
    inbox.input(Input::Guard(match successor {
        Successor::Guard => GuardNews::SuccessorGuard,
        Successor::Unit { milliseconds } => {
            GuardNews::SuccessorUnit { within: Duration::from_millis(milliseconds) }
        }
        Successor::Nothing { reason } => GuardNews::SuccessorNone { reason },
    }));
}

fn on_keeper_event(inbox: &Inbox, event: KeeperEvent) {
    match event {
        KeeperEvent::Lost => inbox.input(Input::Keeper { present: false }),
        KeeperEvent::Connected(welcome) => {
            inbox.input(Input::Keeper { present: true });
            tell_guard(inbox, welcome);
        }
        // Drivers that stop or probe go by it.
        KeeperEvent::Ended => {}
        KeeperEvent::Refused(fault) => tracing::error!(%fault, "the keeper refuses this agent"),
        KeeperEvent::Keeper(Event::PortDied { name, message }) => {
            inbox.input(Input::ResourceFailed { resource: name.as_str().into(), message });
        }
        KeeperEvent::Keeper(Event::LeaseExpired) => {
            tracing::warn!("the lease has passed; the keeper has ended every service");
            inbox.input(Input::ServicesEnded);
        }
        KeeperEvent::Keeper(Event::Terminating) => {
            tracing::warn!("the keeper was told to end; groups are stopped, then the agent ends");
            inbox.input(Input::Close);
        }
        KeeperEvent::Keeper(Event::WatchdogFailed) => {
            inbox.input(Input::Guard(GuardNews::WatchdogFailed));
        }
        KeeperEvent::Keeper(Event::Successor(successor)) => tell_successor(inbox, successor),
        // Whoever waits for a process is told by its own request.
        KeeperEvent::Keeper(Event::Exited { .. } | Event::Emptied { .. }) => {}
    }
}

/// Serves the API for as long as the runtime runs.
fn serve_api(
    config: &AgentConfig,
    me: &ServerName,
    tls: &Tls,
    storage: &Arc<Storage>,
    inbox: &Inbox,
    runtime: &Runtime,
) -> Result<watch::Sender<ApiTls>, AgentError> {
    let (sender, tls) = watch::channel(tls.clone().into());
    let options = ApiOptions { server: me.clone(), listen: config.listen.api(), tls };
    let writer = Arc::new(EngineWriter(inbox.clone()));
    let api = runtime.block_on(ApiServer::bind(options, storage.clone(), writer))?;
    runtime.spawn(api.serve(std::future::pending()));
    Ok(sender)
}

fn start_engine(
    me: &ServerName,
    boot: BootId,
    incarnation: crate::engine::ids::IncarnationId,
    durable: crate::engine::durable::Durable,
) -> Result<Engine, AgentError> {
    let version = env!("CARGO_PKG_VERSION").into();
    let identity = Identity { server: me.clone(), boot, incarnation, version };
    Ok(Engine::new(identity, durable, clock::now()?)?)
}

fn start_writer(
    file: StateFile,
    layout: &Layout,
    inbox: &Inbox,
) -> Result<StateWriter, AgentError> {
    let inbox = inbox.clone();
    let answer = Box::new(move |id, result| inbox.input(Input::Persisted { id, result }));
    StateWriter::start(file, layout.aside(), answer).map_err(system("start the state's thread"))
}

fn deliver(inbox: &Inbox) -> Deliver {
    let inbox = inbox.clone();
    Arc::new(move |from, frame| {
        let _ = inbox.tell(Told::Frame { from, frame });
    })
}

#[cfg(test)]
mod tests;
