//! Which processes hold a port of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }

    fn tables(self) -> [&'static str; 2] {
        match self {
            Self::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
            Self::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        }
    }

    /// As the kernel's tables have the state of a socket that waits for whoever comes.
    fn waiting(self) -> &'static str {
        match self {
            Self::Tcp => "0A",
            Self::Udp => "07",
        }
    }
}

/// Names and numbers of the processes, as far as this one may see them.
pub fn holders(transport: Transport, port: u16) -> BTreeSet<String> {
    let tables = transport.tables().into_iter().filter_map(|file| fs::read_to_string(file).ok());
    let inodes: BTreeSet<String> =
        tables.flat_map(|table| sockets(&table, transport.waiting(), port)).collect();
    processes(Path::new("/proc"), &inodes)
}

/// Numbers of the sockets of a port in one of the kernel's tables.
fn sockets(table: &str, state: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let of_port = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, found, _, _, _, _, _, inode, ..] = words.as_slice() else { return None };
        (local.ends_with(&port) && *found == state).then(|| (*inode).to_owned())
    };
    table.lines().filter_map(of_port).collect()
}

fn processes(folder: &Path, inodes: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if inodes.is_empty() {
        return found;
    }
    for process in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = process.path();
        let files = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        let holds = files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.contains(inode))
        });
        if holds {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let number = process.file_name().to_string_lossy().into_owned();
            found.insert(format!("{} ({number})", name.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_of_the_port_is_found_in_the_table_and_another_is_not() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1CD5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
            1: 0100007F:1CD5 0100007F:8888 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n   \
            2: 0100007F:1CD4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(sockets(table, "0A", 7381), ["4711"]);
    }

    #[test]
    fn this_process_holds_what_it_listens_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = format!("({})", std::process::id());
        let found = holders(Transport::Tcp, port);
        assert!(found.iter().any(|holder| holder.ends_with(&own)), "{found:?}");
        drop(listener);
        assert_eq!(holders(Transport::Tcp, port), BTreeSet::new());
    }
}
