//! Tests that need the machine or the process to themselves, and why:
//!
//! - [`chaos`] kills a service with hundreds of canaries and judges each verdict and page by the clock: what takes more processor
//!   time than its own tests beside it makes false ones.
//! - [`cli_demo`] wants the first run after an onset to notice it: a prober that stalls rightly excuses its target.
//! - [`incidents`] has a sandbox that is sixty times as fast as what it stands for, which a busy machine is not.
//! - [`starved`] takes the processors, sockets and files away itself, from everything that runs beside it.
//! - [`telemetry_metrics`] and [`telemetry_prometheus`] compare whole bodies of `/metrics`, and the recorder of the prober's own
//!   numbers is one for the process: a test that counted something meanwhile would add a family between two bodies.
//!
//! Those that need the machine wait for each other, see [`machine`], so any number of threads is right.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[path = "../support/alertmanager.rs"]
mod alertmanager;
#[expect(dead_code, reason = "the other tests of the program use the rest")]
#[path = "../cli_support/mod.rs"]
mod cli_support;
#[expect(dead_code, reason = "the other tests of the program use the rest")]
#[path = "../page_support/mod.rs"]
mod page_support;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../support/prometheus.rs"]
mod prometheus;
#[path = "../support/report.rs"]
mod report;

mod chaos;
mod cli_demo;
mod incidents;
mod shipped;
mod starved;
mod telemetry_metrics;
mod telemetry_prometheus;

static MACHINE: RwLock<()> = RwLock::new(());

/// The machine for one test, for as long as this is held. A test that failed with it has given it back.
fn machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The machine beside others that share it.
fn shared_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}
