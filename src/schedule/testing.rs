//! Canaries for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Cadence, Canary, Probe, testing};

/// The canary of a probe in region `eu`.
fn canary(name: &str, cadence: Cadence, runs: u32) -> Arc<Canary> {
    testing::canary(&Arc::new(Probe { cadence, runs, ..testing::probe(name) }), "eu")
}

/// A canary named `name` with `runs` ticks every `interval`.
pub(super) fn every(name: &str, interval: Duration, runs: u32) -> Arc<Canary> {
    canary(name, Cadence::Every(interval), runs)
}

/// A canary at the moments of a cron expression in Berlin.
pub(super) fn berlin(expression: &str, runs: u32) -> Arc<Canary> {
    let cron = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .build()
        .parse(expression)
        .expect("a cron expression");
    canary("cron", Cadence::cron(cron, chrono_tz::Europe::Berlin), runs)
}
