//! The `clearing` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    clearing::cli::run(std::env::args_os())
}
