//! `stead port-check`: does a TCP port listen? (AZ-9). For scripts: one answer, at most 5 seconds.
//!
//! Name resolution counts towards the 5 seconds, and can't be ended from outside: it runs on a
//! thread that the end of the process ends. Every address of the name is tried at once, so that one
//! that swallows packets does not use up the time of another.
#![expect(clippy::disallowed_methods, reason = "the 5 seconds are those of the caller's clock")]

use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ArgAction;

/// For the whole call, name resolution included. Fixed: scripts count on it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Exit code for a command line, or a service name, that means nothing.
pub(super) const BAD_ARGUMENTS: u8 = 3;
/// Names of ports.
const SERVICES: &str = "/etc/services";

/// Check whether a TCP port accepts connections.
///
/// Opens a connection and closes it. Takes 5 seconds at most, name resolution included. Writes
/// nothing to standard output, and the reason to standard error unless the port listens.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
Exit codes:
  0  the port listens
  1  communication error: refused, unreachable, name not found
  2  no answer within 5 seconds
  3  bad arguments, or an internal error"
)]
pub(super) struct Arguments {
    /// Host: name or address, IPv4 or IPv6.
    #[arg(short = 'h', long, value_name = "HOST")]
    host: String,
    /// Port: number or service name.
    #[arg(short = 'p', long, value_name = "PORT")]
    port: String,
    /// Print help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Listening,
    CommunicationError(String),
    Silence,
    Bad(String),
}

impl Answer {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Listening => 0,
            Self::CommunicationError(_) => 1,
            Self::Silence => 2,
            Self::Bad(_) => BAD_ARGUMENTS,
        }
    }
}

/// Checks, and says why not.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (host, port) = (&arguments.host, &arguments.port);
    let answer = check(host, port, TIMEOUT);
    let reason = match &answer {
        Answer::Listening => None,
        Answer::CommunicationError(reason) | Answer::Bad(reason) => Some(reason.clone()),
        Answer::Silence => Some(format!("no answer within {} seconds", TIMEOUT.as_secs())),
    };
    if let Some(reason) = reason {
        // The exit code says it too.
        let _ = writeln!(io::stderr(), "port-check: {host} port {port}: {reason}");
    }
    ExitCode::from(answer.exit_code())
}

fn check(host: &str, port: &str, timeout: Duration) -> Answer {
    let deadline = Instant::now() + timeout;
    let port = match port_number(port) {
        Ok(port) => port,
        Err(reason) => return Answer::Bad(reason),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Answer::Bad("the host is empty".into());
    }
    let addresses = match within(deadline, move || resolve(&host, port)) {
        None => return Answer::Silence,
        Some(Err(reason)) => return Answer::Bad(reason.to_string()),
        Some(Ok(Err(error))) => return Answer::CommunicationError(error.to_string()),
        Some(Ok(Ok(addresses))) => addresses,
    };
    connect_any(&addresses, deadline)
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    if addresses.is_empty() {
        return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

/// Work on a thread of its own; `None` when it is not done by the deadline.
fn within<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<io::Result<T>> {
    let (sender, receiver) = mpsc::channel();
    let spawned = thread::Builder::new().spawn(move || {
        // Nobody waits any more after the deadline.
        let _ = sender.send(work());
    });
    match spawned {
        Err(error) => Some(Err(error)),
        Ok(_) => receiver.recv_timeout(left(deadline)).ok().map(Ok),
    }
}

fn connect_any(addresses: &[SocketAddr], deadline: Instant) -> Answer {
    let (sender, receiver) = mpsc::channel();
    for &address in addresses {
        let sender = sender.clone();
        let spawned = thread::Builder::new().spawn(move || {
            // A time-out of zero is refused as an argument.
            let timeout = left(deadline).max(Duration::from_millis(1));
            // Nobody waits any more after the first success.
            let _ = sender.send(TcpStream::connect_timeout(&address, timeout).map(drop));
        });
        if let Err(error) = spawned {
            return Answer::Bad(error.to_string());
        }
    }
    drop(sender);
    let mut silent = false;
    let mut reasons: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(left(deadline)) {
            Ok(Ok(())) => return Answer::Listening,
            Ok(Err(error)) if error.kind() == ErrorKind::TimedOut => silent = true,
            Ok(Err(error)) => reasons.push(error.to_string()),
            Err(mpsc::RecvTimeoutError::Timeout) => return Answer::Silence,
            Err(mpsc::RecvTimeoutError::Disconnected) if silent => return Answer::Silence,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                reasons.dedup();
                return Answer::CommunicationError(reasons.join("; "));
            }
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A number from 1 to 65535, or the name of a TCP service.
fn port_number(word: &str) -> Result<u16, String> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return match word.parse() {
            Ok(0) | Err(_) => Err(format!("port {word} is not between 1 and 65535")),
            Ok(port) => Ok(port),
        };
    }
    let services = std::fs::read_to_string(SERVICES)
        .map_err(|error| format!("failed to read {SERVICES} for the port named {word}: {error}"))?;
    service_port(&services, word).ok_or_else(|| format!("{SERVICES} has no TCP port named {word}"))
}

/// Looks a name or alias up in the text of `/etc/services`.
fn service_port(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let first = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        (first == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};

    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn a_port_that_listens_is_0() {
        for host in ["127.0.0.1", "localhost"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let answer = check(host, &port, TIMEOUT);
            assert_eq!((answer.exit_code(), answer), (0, Answer::Listening));
        }
    }

    #[test]
    fn an_ipv6_address_may_stand_in_brackets() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let port = listener.local_addr().unwrap().port().to_string();
        assert_eq!(check("[::1]", &port, TIMEOUT), Answer::Listening);
        assert_eq!(check("::1", &port, TIMEOUT), Answer::Listening);
    }

    #[test]
    fn a_port_that_refuses_is_1() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        drop(listener);
        let answer = check("127.0.0.1", &port, TIMEOUT);
        assert!(matches!(&answer, Answer::CommunicationError(words) if words.contains("refused")));
        assert_eq!(answer.exit_code(), 1);
    }

    #[test]
    fn an_address_that_can_not_be_reached_is_1() {
        // The kernel refuses TCP to a broadcast address at once.
        let answer = check("255.255.255.255", "80", TIMEOUT);
        assert!(matches!(&answer, Answer::CommunicationError(_)), "{answer:?}");
    }

    #[test]
    fn a_name_that_does_not_exist_is_1() {
        // No resolver asks anybody for a name with an empty label.
        let answer = check("no..name", "80", TIMEOUT);
        assert!(matches!(&answer, Answer::CommunicationError(_)), "{answer:?}");
        assert_eq!(answer.exit_code(), 1);
    }

    #[test]
    fn a_port_that_does_not_answer_is_2() {
        // A listener whose queue is full drops what comes, as a packet filter would.
        let listener =
            socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
                .unwrap();
        socket::bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        socket::listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let bound: SockaddrIn = socket::getsockname(listener.as_raw_fd()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], bound.port()));
        let mut queued = Vec::new();
        while let Ok(connection) = TcpStream::connect_timeout(&address, SHORT) {
            queued.push(connection);
        }
        let answer = check("127.0.0.1", &bound.port().to_string(), SHORT);
        assert_eq!((answer.exit_code(), answer), (2, Answer::Silence));
    }

    #[test]
    fn a_name_server_that_does_not_answer_is_2() {
        let (_never, silence) = mpsc::channel::<()>();
        let answer = within(Instant::now() + SHORT, move || silence.recv());
        assert!(answer.is_none());
    }

    #[test]
    fn what_means_nothing_is_3() {
        for (host, port) in
            [("", "80"), ("127.0.0.1", "0"), ("127.0.0.1", "65536"), ("127.0.0.1", "no-such")]
        {
            let answer = check(host, port, TIMEOUT);
            assert!(matches!(&answer, Answer::Bad(_)), "{host} {port}: {answer:?}");
            assert_eq!(answer.exit_code(), 3);
        }
    }

    #[test]
    fn ports_have_names_and_aliases() {
        let services = "# names\nhttp  80/tcp  www www-http # web\ndomain 53/udp\ndomain 53/tcp\n";
        assert_eq!(service_port(services, "http"), Some(80));
        assert_eq!(service_port(services, "www-http"), Some(80));
        assert_eq!(service_port(services, "domain"), Some(53));
        assert_eq!(service_port(services, "web"), None);
    }
}
