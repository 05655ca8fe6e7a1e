//! The port through which the scheduler has runs made.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::plan::Canary;
use crate::run::{Engine, Finished, RunRequest};

/// Makes runs. The engine implements it; tests use a fake.
pub trait Runner: Send + Sync + 'static {
    /// Makes one run of a canary. It cannot fail: whatever happens is in the report, and a panic becomes `errored`/`internal`.
    /// When `request.cancel` is cancelled it ends the run as `errored`/`shutdown`.
    fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished>;
}

impl Runner for Engine {
    fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished> {
        Self::run(self, canary, request)
    }
}
