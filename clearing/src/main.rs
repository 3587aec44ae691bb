//! The `clearing` command.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives memory back to the system some seconds after a burst, which the system's own allocator keeps.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    clearing::cli::run(std::env::args_os())
}
