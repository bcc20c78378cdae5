//! `stead group`.

use clap::Subcommand;

use super::Global;
use super::failure::Failure;
use super::operation::{self, Options};

/// Start, stop, move, fail over or restart a failover group.
///
/// Makes an Operation object and waits until it has ended, so that what people do is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a group that is stopped: on the best server of its policy, or on the one named.
    Start(WithServer),
    /// Stop a group. It stays stopped until it is started.
    Stop(Plain),
    /// Move a group: to the next server of its policy, or to the one named.
    ///
    /// It is stopped where it is, and started there once that is certain. Leaves no rule behind:
    /// afterwards its attributes say again where it goes.
    Move(WithServer),
    /// Fail a group over by hand: it leaves its server for the next of its policy.
    Failover(WithServer),
    /// Stop and start a group where it is; changes that wait for a restart take effect.
    Restart(Plain),
}

#[derive(Debug, clap::Args)]
struct Plain {
    /// The group.
    #[arg(value_name = "GROUP")]
    name: String,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct WithServer {
    /// The group.
    #[arg(value_name = "GROUP")]
    name: String,
    /// The server.
    #[arg(long, value_name = "SERVER")]
    to: Option<String>,
    #[command(flatten)]
    options: Options,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let (type_, name, to, options) = match &arguments.action {
        Action::Start(with) => ("StartGroup", &with.name, with.to.as_deref(), &with.options),
        Action::Stop(plain) => ("StopGroup", &plain.name, None, &plain.options),
        Action::Move(with) => ("MoveGroup", &with.name, with.to.as_deref(), &with.options),
        Action::Failover(with) => ("FailoverGroup", &with.name, with.to.as_deref(), &with.options),
        Action::Restart(plain) => ("RestartGroup", &plain.name, None, &plain.options),
    };
    operation::run(global, options, type_, Some(name), to).await
}
