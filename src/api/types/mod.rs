//! The settings of each type of resource and monitor, one file each.

mod assumed;
mod automatic;
mod claims;
mod custom;
mod exec;
mod floating_ip;
mod load_balance;
mod probe_port;
mod tcp;

pub use assumed::*;
pub use automatic::*;
pub use claims::*;
pub use custom::*;
pub use exec::*;
pub use floating_ip::*;
pub use load_balance::*;
pub use probe_port::*;
pub use tcp::*;
