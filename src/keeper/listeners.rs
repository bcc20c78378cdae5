//! Who listens on a TCP port of this machine, as the kernel tells it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::{fmt, fs, io};

mod netlink;

/// State "listening" in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A socket that listens, and the process that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it listens on.
    pub address: SocketAddr,
    /// The process; none where it lives out of sight (another PID namespace, or just gone).
    pub process: Option<Process>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(Process { pid, program }) => {
                write!(f, "{program} (pid {pid}) listens on {}", self.address)
            }
            None => write!(f, "an unknown process listens on {}", self.address),
        }
    }
}

/// Every listener on `port` in this network namespace, on whatever address.
pub fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    // Kernels without socket monitoring are rare, and slower to read.
    let sockets = netlink::listeners(port).or_else(|_| by_proc(port))?;
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let mut holders = holders(&sockets.iter().map(|(_, inode)| *inode).collect::<Vec<_>>());
    Ok(sockets
        .into_iter()
        .map(|(address, inode)| Listener { address, process: holders.remove(&inode) })
        .collect())
}

fn by_proc(port: u16) -> io::Result<Vec<(SocketAddr, u64)>> {
    let mut sockets = Vec::new();
    for table in ["tcp", "tcp6"] {
        // Of this thread: `/proc/net` is that of the process's first thread.
        match fs::read_to_string(format!("/proc/thread-self/net/{table}")) {
            Ok(text) => sockets.extend(text.lines().skip(1).filter_map(parse_line)),
            // A kernel without IPv6 has no tcp6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sockets.retain(|(address, _)| address.port() == port);
    Ok(sockets)
}

/// The address and inode of one line of the table, where it is a listener.
fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    if fields.nth(1)? != LISTENING {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some((SocketAddr::new(parse_address(ip)?, u16::from_str_radix(port, 16).ok()?), inode))
}

/// The kernel prints each 32-bit word of the address as a number of this machine's byte order.
fn parse_address(hexadecimal: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = hexadecimal.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    if hexadecimal.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut octets = [0; 16];
    for (index, chunk) in octets.chunks_mut(4).enumerate() {
        chunk.copy_from_slice(&word(index)?);
    }
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}

/// The first process found to hold each of these sockets. Processes come and go while this looks:
/// whatever can't be read is passed over.
fn holders(inodes: &[u64]) -> BTreeMap<u64, Process> {
    let mut found = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let inode = fs::read_link(descriptor.path()).ok().as_deref().and_then(socket_inode);
            let Some(inode) = inode.filter(|inode| inodes.contains(inode)) else { continue };
            found.entry(inode).or_insert_with(|| Process { pid, program: program(pid) });
        }
        if found.len() == inodes.len() {
            break;
        }
    }
    found
}

fn socket_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn program(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "a process".to_owned(), |name| name.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_own_listener_is_found_with_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = listeners(address.port()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, address);
        assert_eq!(found[0].process.as_ref().unwrap().pid, std::process::id());
        drop(listener);
        assert_eq!(listeners(address.port()).unwrap(), []);
    }

    #[test]
    fn netlink_and_proc_tell_the_same() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let connected = std::net::TcpStream::connect(address).unwrap();
            let found = netlink::listeners(address.port()).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, address);
            assert_eq!(found, by_proc(address.port()).unwrap());
            drop(connected);
        }
    }

    #[test]
    fn lines_of_both_tables_are_read() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                  1000        0 12345 1 0000000000000000 100 0 0 10 0";
        let expected = ("127.0.0.1:8080".parse().unwrap(), 12345);
        assert_eq!(parse_line(v4), cfg!(target_endian = "little").then_some(expected));
        let v6 = "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 \
                  0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0";
        assert_eq!(parse_line(v6), Some(("[::1]:22".parse().unwrap(), 77)));
        let connected = v4.replace(" 0A ", " 01 ");
        assert_eq!(parse_line(&connected), None);
        assert_eq!(parse_line("garbage"), None);
    }
}
