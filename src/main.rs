//! The `serinus` command.

use std::process::ExitCode;

/// Runs allocate many small values for a short time, at which it needs half the processor time of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    serinus::cli::main()
}
