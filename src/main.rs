//! The `stead` command.

use std::process::ExitCode;

use stead::cli;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(arguments) => cli::run(arguments),
        Err(code) => code,
    }
}
