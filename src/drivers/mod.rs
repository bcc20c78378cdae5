//! Drivers (temporary head until the contract is merged).
pub mod arbiters {
    //! Arbiters.
    pub mod http;
    pub mod ping;
}
pub mod monitors {
    //! Monitors.
    pub mod tcp;
}
pub mod resources {
    //! Resources.
    pub mod floating_ip;
}
mod checksum;
#[cfg(test)]
mod netns;

use std::io;

/// Whether an error says that this machine is short of something, and nothing about the network.
fn is_local_shortage(error: &io::Error) -> bool {
    use nix::errno::Errno;
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(*errno as i32))
}
