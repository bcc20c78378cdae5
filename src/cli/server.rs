//! `stead server`.

use clap::Subcommand;

use super::Global;
use super::failure::Failure;
use super::operation::{self, Options};

/// Take a server out of service, return it, or make sure that it is off.
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
    /// Switch a server off by the cluster's methods of fencing, and make sure that it is off.
    ///
    /// The server's services end at once, without being stopped in order.
    Fence(Named),
    /// Certify that a server that is not heard runs nothing: its groups are taken over.
    ///
    /// Where the server runs them still, two copies run, and data may be destroyed: look at the
    /// machine first, not at the cluster.
    ConfirmDown(Certified),
    /// Announce that a server is about to stand still, as under a snapshot or a live migration.
    ///
    /// Returns once every server knows: then the server may stand still once within the time given,
    /// for as long, and nobody takes over from it. A longer standstill, or one that was not
    /// announced, is a failure like any other. At most `heartbeat.pauseMax` of the Cluster.
    Pause(Pause),
}

#[derive(Debug, clap::Args)]
struct Pause {
    #[command(flatten)]
    named: Named,
    /// How long it will stand still at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = operation::duration)]
    length: std::time::Duration,
}

#[derive(Debug, clap::Args)]
struct Certified {
    #[command(flatten)]
    named: Named,
    /// I have made sure that the server is off.
    #[arg(long, required = true)]
    certify: bool,
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
        Action::Fence(named) => ("FenceServer", named),
        // Without `--certify` the arguments are refused.
        Action::ConfirmDown(certified) => ("ConfirmServerDown", &certified.named),
        Action::Pause(pause) => {
            let length = crate::api::kinds::Duration::from(pause.length).to_string();
            let fields = [("server", Some(&*pause.named.name)), ("duration", Some(&*length))];
            let options = &pause.named.options;
            return operation::run_with(global, options, "PauseServer", &fields).await;
        }
    };
    operation::run(global, &named.options, type_, None, Some(&named.name)).await
}
