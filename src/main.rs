//! The `stead` command.

use std::process::ExitCode;

use clap::Parser as _;
use stead::cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}
