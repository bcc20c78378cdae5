//! `stead server`.

use clap::Subcommand;

use super::Global;
use super::failure::Failure;
use super::operation::{self, Options};

/// Take a server out of service, or return it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Move everything away from a server, and let nothing start there until it is returned.
    ///
    /// A group that no other server can run is stopped.
    Detach(Named),
    /// Let a server that failed or was detached run groups again.
    Return(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The server.
    #[arg(value_name = "SERVER")]
    name: String,
    #[command(flatten)]
    options: Options,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let (type_, named) = match &arguments.action {
        Action::Detach(named) => ("DetachServer", named),
        Action::Return(named) => ("ReturnServer", named),
    };
    operation::run(global, &named.options, type_, None, Some(&named.name)).await
}
