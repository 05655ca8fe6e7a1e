//! A sandbox on a runtime of its own, so that its work is not taken for a stall of the prober's.

use std::io;
use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};

use crate::sandbox::{Faults, Sandbox, SandboxConfig};

/// A sandbox and what it runs on.
pub(super) struct DemoSandbox {
    sandbox: Option<Sandbox>,
    runtime: Option<Runtime>,
    address: SocketAddr,
    faults: Faults,
}

impl DemoSandbox {
    /// Starts both.
    pub(super) async fn start(config: SandboxConfig) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sandbox").enable_all().build()?;
        let started = runtime.spawn(Sandbox::start(config)).await;
        match started.map_err(io::Error::other).flatten() {
            Ok(sandbox) => {
                let (address, faults) = (sandbox.address(), sandbox.faults());
                Ok(Self { sandbox: Some(sandbox), runtime: Some(runtime), address, faults })
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The switches of its faults.
    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stops it and joins its tasks.
    pub(super) async fn stop(mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.shutdown().await;
        }
    }
}

impl Drop for DemoSandbox {
    fn drop(&mut self) {
        // Dropping a runtime blocks, which is not allowed in an async context.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
