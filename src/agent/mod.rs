//! The real world around the engine: clocks, disks, networks, processes.
//!
//! Decides nothing about groups: it carries out the engine's effects and tells it what happened.
//! Where it fails (a panic, a clock that can't be read), it takes the safe side: the keeper ends
//! the services.

pub mod aside;
pub mod clock;
pub mod config;
pub mod inbox;
pub mod init;
pub mod keeper_client;
pub mod lock;
pub mod pki;
pub mod power;
pub mod process;
pub mod publish;
pub mod recover;
pub mod run;
pub mod shell;
pub mod state;
pub mod telemetry;
pub mod transport;
pub mod work;

pub use run::{AgentError, AgentOptions, run};
