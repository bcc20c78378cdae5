//! What agent and keeper say to each other: frames of JSON on a unix socket.
//!
//! JSON, because an agent talks to the keeper of the release before it: members that one side does
//! not know are passed over, members that are missing take their defaults.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of this protocol; a keeper refuses an agent that speaks a higher one.
pub const VERSION: u32 = 1;
/// Largest frame: the farewells of 64 servers on 16 paths fit, a mad client's length does not.
pub const FRAME_MAX: usize = 4 << 20;

/// A request with the number its answer carries; number 0 wants no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Pairs the answer.
    pub id: u64,
    /// What is asked for.
    pub request: Request,
}

/// What the agent asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// "I am this server's agent." The first request of a connection.
    Hello(Hello),
    /// Services may live until then; none: end them now.
    Lease {
        /// `CLOCK_BOOTTIME` nanoseconds.
        until: Option<u64>,
    },
    /// Send these once the agent is dead and everything has ended.
    Farewell {
        /// Sealed by the agent in advance.
        datagrams: Vec<Datagram>,
    },
    /// Start a process.
    Spawn(Box<Spawn>),
    /// Answer once a process has ended, with its exit.
    Wait {
        /// The process.
        id: u64,
        /// Whether what it left running counts.
        until: WaitFor,
    },
    /// End processes; answered once they have ended.
    Kill {
        /// Which.
        target: Target,
        /// From SIGTERM to SIGKILL; zero: SIGKILL at once.
        grace_milliseconds: u64,
    },
    /// Every process that runs, and those whose exit is not forgotten.
    List,
    /// The exit of a process has been taken note of.
    Forget {
        /// The process.
        id: u64,
    },
    /// Listen on a probe port.
    OpenPort {
        /// The resource.
        name: String,
        /// On which addresses.
        addresses: Vec<IpAddr>,
        /// The port.
        port: u16,
    },
    /// Listen no longer.
    ClosePort {
        /// The resource.
        name: String,
    },
    /// The open ports.
    Ports,
    /// Remove this address when the lease ends or the agent dies.
    RegisterAddress(Address),
    /// Leave it alone.
    UnregisterAddress(Address),
    /// Keep a text for the next agent; none removes it.
    Remember {
        /// Its name.
        key: String,
        /// The text.
        value: Option<String>,
    },
    /// The text of that name.
    Recall {
        /// Its name.
        key: String,
    },
    /// The agent ends in good order: services go on until the lease passes.
    Retire,
    /// Arm the machine's watchdog, or change its time-out; none stops it.
    Watchdog(Option<WatchdogOrder>),
}

/// Which watchdog, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogOrder {
    /// The device.
    pub device: PathBuf,
    /// Its time-out in seconds; devices know no others.
    pub seconds: u32,
}

/// A watchdog that is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogReport {
    /// The device.
    pub device: PathBuf,
    /// What it calls itself.
    pub identity: String,
    /// Its time-out in seconds.
    pub seconds: u32,
}

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol it speaks.
    pub version: u32,
    /// Its boot id.
    pub boot: u64,
    /// Name of its server.
    pub server: String,
}

/// A sealed packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// Where it is sent from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// The packet.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// A process to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// The group it belongs to; empty for monitors.
    pub group: String,
    /// The resource, or the monitor.
    pub resource: String,
    /// What it is.
    pub kind: ProcessKind,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Its working folder; `/` where none is named.
    #[serde(default)]
    pub working_directory: Option<PathBuf>,
    /// It and all it started are killed after this long.
    #[serde(default)]
    pub timeout_milliseconds: Option<u64>,
    /// What it reads on standard input; nothing where none is given.
    #[serde(default)]
    pub input: Option<StandardInput>,
}

/// What a process reads on standard input: it may hold secrets, and shows none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StandardInput(pub String);

impl StandardInput {
    /// The most that a pipe takes without a reader.
    pub const BYTES_MAX: usize = 32 << 10;
}

impl std::fmt::Debug for StandardInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StandardInput({} bytes)", self.0.len())
    }
}

/// What a process is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessKind {
    /// It is the service. Needs a lease, ends with it.
    #[default]
    Service,
    /// It starts the service; what it leaves running is the service. Needs a lease, ends with it.
    Start,
    /// It stops the service. Needs no lease.
    Stop,
    /// It watches or repairs. The end of the lease does not concern it.
    Monitor,
}

/// Which processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// One process and what it left running.
    Process(u64),
    /// All of a resource.
    Resource {
        /// Its group.
        group: String,
        /// The resource.
        resource: String,
    },
    /// All of a group.
    Group(String),
    /// All of every group.
    EveryGroup,
}

/// What the end of a process means to who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitFor {
    /// The process itself has exited.
    Exit,
    /// So has everything that it started.
    Empty,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// The interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
}

/// What the keeper says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The answer to a call.
    Reply {
        /// The call's number.
        id: u64,
        /// What it asked for, or why not.
        result: Result<Reply, Fault>,
    },
    /// Something happened.
    Event(Event),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Done,
    /// To `Hello`.
    Welcome(Welcome),
    /// To `Spawn`.
    Spawned(Spawned),
    /// To `Wait`.
    Exit(Exit),
    /// To `List`.
    Processes(Vec<ProcessReport>),
    /// To `Ports`.
    Ports(Vec<PortReport>),
    /// To `Recall`.
    Text(Option<String>),
    /// To `Watchdog`, where one was to be armed.
    Watchdog(WatchdogReport),
}

/// How the keeper stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Version of the protocol it speaks.
    pub version: u32,
    /// Its process.
    pub pid: u32,
    /// What it holds processes with.
    pub containment: Containment,
    /// Nothing of an earlier agent is left: its lease passed, or it died, or there was none.
    pub all_ended: bool,
    /// What ends the services where agent and keeper both stand still.
    #[serde(default)]
    pub successor: Successor,
    /// The watchdog that is armed already.
    #[serde(default)]
    pub watchdog: Option<WatchdogReport>,
}

/// What ends the services where agent and keeper both stand still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Successor {
    /// The keeper's guard, within the kill time.
    Guard,
    /// No guard: the service manager, which kills all that is in the keeper's unit this long after
    /// the keeper's last sign of life.
    Unit {
        /// How long.
        milliseconds: u64,
    },
    /// Nothing: services may live on.
    Nothing {
        /// Why.
        reason: String,
    },
}

impl Default for Successor {
    /// Of a keeper that does not say.
    fn default() -> Self {
        Self::Nothing { reason: "the keeper is of a release that has no guard".to_owned() }
    }
}

/// What keeps the processes of a service together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Containment {
    /// A cgroup v2: nothing escapes.
    Cgroup {
        /// The keeper's own.
        path: PathBuf,
    },
    /// Process groups only: what starts a session of its own escapes.
    ProcessGroups {
        /// Why not cgroups.
        reason: String,
    },
}

/// A process that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Its number at the keeper; never given again.
    pub id: u64,
    /// Its process id.
    pub pid: u32,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// What ended it; none: it ended by itself.
    pub ended_by: Option<EndedBy>,
}

/// What the kernel says about the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// Why the keeper ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBy {
    /// The agent asked for it.
    Request,
    /// Its time-out passed.
    TimeOut,
    /// The lease passed.
    Lease,
    /// The agent died, or the keeper was told to end.
    Shutdown,
}

/// A process as the keeper knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Its number.
    pub id: u64,
    /// Its group.
    pub group: String,
    /// Its resource or monitor.
    pub resource: String,
    /// What it is for.
    pub kind: ProcessKind,
    /// Its process id.
    pub pid: u32,
    /// How it ended; none while it runs.
    pub exit: Option<Exit>,
    /// Whether it, or anything it left, runs.
    pub populated: bool,
}

/// An open probe port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// The resource.
    pub name: String,
    /// What it listens on.
    pub addresses: Vec<SocketAddr>,
}

/// Something that happened at the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A process has exited; it may have left others.
    Exited {
        /// The process.
        id: u64,
        /// How.
        exit: Exit,
    },
    /// Nothing that a process started runs any more.
    Emptied {
        /// The process.
        id: u64,
    },
    /// A probe port no longer listens.
    PortDied {
        /// The resource.
        name: String,
        /// In words.
        message: String,
    },
    /// The lease has passed; every service has been killed.
    LeaseExpired,
    /// The keeper was told to end; the agent is to stop its groups and exit.
    Terminating,
    /// The watchdog can't be petted any more; it may reset the machine.
    WatchdogFailed,
    /// What ends the services where agent and keeper both stand still has changed, or is there
    /// again.
    Successor(Successor),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Fault {
    /// Another agent is connected.
    #[error("the keeper already serves an agent, process {pid}; end that one first")]
    AnotherAgent {
        /// Its process.
        pid: i32,
    },
    /// The agent speaks a later version.
    #[error("the keeper speaks version {version} of its protocol; restart it from this release")]
    Version {
        /// What the keeper speaks.
        version: u32,
    },
    /// The agent's process can't be watched, so its death would not be noticed.
    #[error("failed to watch process {pid}, the agent: {message}")]
    NotWatched {
        /// The process.
        pid: i32,
        /// Why.
        message: String,
    },
    /// The connection has not said hello.
    #[error("the first request of a connection must be Hello")]
    NotGreeted,
    /// Services may not start now.
    #[error("no live lease: nothing may start on this server")]
    NoLease,
    /// The keeper is ending.
    #[error("the keeper was told to end: nothing may start any more")]
    Terminating,
    /// The process could not be started.
    #[error("failed to start {program}: {message}")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        message: String,
    },
    /// The watchdog is not armed, or not as asked for.
    #[error("failed to arm the watchdog {}: {message}", device.display())]
    Watchdog {
        /// The device.
        device: PathBuf,
        /// Why.
        message: String,
    },
    /// No process of that number.
    #[error("the keeper knows no process {id}")]
    NoProcess {
        /// The number.
        id: u64,
    },
    /// They would not die.
    #[error("still running after SIGKILL: {processes}")]
    StillRunning {
        /// Their process ids and programs.
        processes: String,
    },
    /// The port is taken.
    #[error("port {port} is taken: {holder}")]
    PortTaken {
        /// The port.
        port: u16,
        /// By whom.
        holder: String,
    },
    /// The port could not be opened for another reason.
    #[error("failed to listen on {address}: {message}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        message: String,
    },
    /// A bound of the keeper is reached.
    #[error("the keeper holds {limit} {what} already, and takes no more")]
    TooMany {
        /// Of what.
        what: String,
        /// The bound.
        limit: usize,
    },
}

/// Writes one frame.
///
/// # Errors
/// Where the stream fails, or the message is larger than [`FRAME_MAX`].
pub fn write_frame(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// One frame as bytes.
///
/// # Errors
/// Where the message is larger than [`FRAME_MAX`].
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_MAX {
        return Err(io::Error::other(format!(
            "a frame of {length} bytes is larger than {FRAME_MAX}"
        )));
    }
    frame[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    Ok(frame)
}

/// Reads one frame.
///
/// # Errors
/// Where the stream ends or fails, or what it gives is no such message.
pub fn read_frame<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = frame_length(length)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Takes the first whole frame off a buffer, if there is one.
///
/// # Errors
/// Where the buffer begins with no such message.
pub fn take_frame<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let end = 4 + frame_length(*length)?;
    let Some(body) = buffer.get(4..end) else { return Ok(None) };
    let message = serde_json::from_slice(body)?;
    buffer.drain(..end);
    Ok(Some(message))
}

fn frame_length(bytes: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length > FRAME_MAX {
        let text = format!("a frame of {length} bytes is announced; the largest is {FRAME_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(length)
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_whole_however_it_is_cut() {
        let call = Call {
            id: 7,
            request: Request::Farewell {
                datagrams: vec![Datagram {
                    source: ([127, 0, 0, 1], 7380).into(),
                    destination: ([127, 0, 0, 2], 7380).into(),
                    bytes: vec![0, 255, 17],
                }],
            },
        };
        let frame = encode(&call).unwrap();
        let mut buffer = Vec::new();
        for byte in &frame[..frame.len() - 1] {
            buffer.push(*byte);
            assert_eq!(take_frame::<Call>(&mut buffer).unwrap(), None);
        }
        buffer.push(frame[frame.len() - 1]);
        assert_eq!(take_frame::<Call>(&mut buffer).unwrap(), Some(call.clone()));
        assert!(buffer.is_empty());
        assert_eq!(read_frame::<Call>(&mut frame.as_slice()).unwrap(), call);
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_read() {
        let mut buffer = vec![255; 8];
        assert!(take_frame::<Call>(&mut buffer).is_err());
    }

    #[test]
    fn garbage_is_an_error() {
        let mut buffer = vec![0, 0, 0, 2, b'{', b'x'];
        assert!(take_frame::<Call>(&mut buffer).is_err());
    }
}
