//! The settings of each type of resource and monitor, one file each.

mod assumed;
mod automatic;
mod aws;
mod aws_az;
mod aws_dns;
mod aws_elastic_ip;
mod aws_scheduled_events;
mod aws_secondary_ip;
mod aws_virtual_ip;
mod claims;
mod custom;
mod exec;
mod floating_ip;
mod load_balance;
mod probe_port;
mod tcp;

pub use assumed::*;
pub use automatic::*;
pub use aws::*;
pub use aws_az::*;
pub use aws_dns::*;
pub use aws_elastic_ip::*;
pub use aws_scheduled_events::*;
pub use aws_secondary_ip::*;
pub use aws_virtual_ip::*;
pub use claims::*;
pub use custom::*;
pub use exec::*;
pub use floating_ip::*;
pub use load_balance::*;
pub use probe_port::*;
pub use tcp::*;
