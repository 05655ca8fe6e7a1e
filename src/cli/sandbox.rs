//! `serinus sandbox`: the simulated product alone, until it is asked to stop.

use std::io;
use std::net::SocketAddr;

use crate::app::StopSignals;
use crate::plan::LogFormat;
use crate::sandbox::{Sandbox, SandboxConfig};

use super::args::SandboxArgs;
use super::exit::Failure;
use super::logs::{self, Verbosity};
use super::{Exit, Printer};

pub(crate) async fn sandbox(printer: &Printer, args: SandboxArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Info)?;
    let config = SandboxConfig {
        listen: args.listen,
        speed: args.speed,
        seed: args.seed,
        allow_remote: args.allow_remote,
        ..SandboxConfig::default()
    };
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let sandbox = Sandbox::start(config).await.map_err(|error| refused(&error, args.listen))?;
    printer.data(&format!("http://{}", sandbox.address()));
    printer.note(&format!("the sandbox runs at {} times life's speed; faults: GET /faults; Ctrl-C stops it", args.speed));
    signals.next().await;
    sandbox.shutdown().await;
    Ok(Exit::Well)
}

/// Whether a sandbox that did not start was asked for what it may not do, or could not do it.
fn refused(error: &io::Error, listen: SocketAddr) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::usage(format!("{error} (--allow-remote)")),
        io::ErrorKind::InvalidInput => Failure::usage(error.to_string()),
        _ => Failure::prober(format!("cannot listen on {listen}: {error}; choose another address with --listen")),
    }
}
