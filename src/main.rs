//! The `stead` command.

#[cfg(not(feature = "simulate"))]
fn main() -> std::process::ExitCode {
    match stead::cli::parse(std::env::args_os()) {
        Ok(arguments) => stead::cli::run(arguments),
        Err(code) => code,
    }
}

/// The simulator's build holds engines that are broken on purpose: no agent may come of it.
#[cfg(feature = "simulate")]
fn main() {}
