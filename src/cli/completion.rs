//! `stead completion`.

use clap::ValueEnum;

use super::failure::Failure;
use super::output::print;

/// Print the completion script of a shell.
///
/// For the present shell: `source <(stead completion bash)`. For good: write it where the shell
/// looks, for example to /usr/share/bash-completion/completions/stead.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shell = match arguments.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "stead", &mut script);
    print(&String::from_utf8_lossy(&script))
}
