//! Canaries for the tests of this module.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Cadence, Canary, CanaryId, Cell, Overlap, Probe, Region};

/// A probe named `name` that does nothing.
pub(super) fn probe(name: &str, cadence: Cadence, runs: u32) -> Probe {
    Probe {
        name: name.into(),
        summary: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence,
        runs,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(20),
        cells: vec![Arc::new(Cell::default())],
        vars: Vec::new(),
        devices: BTreeMap::new(),
        steps: Vec::new(),
        unjournalled: crate::plan::Unjournalled::Refuse,
        slo: None,
        alert: crate::plan::AlertPolicy::default(),
        needs: Vec::new(),
        maintenance: Vec::new(),
        redact: None,
        location: crate::source::Location { path: std::path::Path::new("probe.toml").into(), line: 1, column: 1 },
    }
}

/// The canary of a probe in region `eu`.
pub(super) fn canary(probe: Probe) -> Arc<Canary> {
    let cell = Arc::new(Cell::default());
    let region = Arc::new(Region { name: "eu".into(), vars: Vec::new() });
    Arc::new(Canary { id: CanaryId::new(&probe.name, &region.name, &cell), probe: Arc::new(probe), region, cell })
}

/// A canary named `name` with `runs` ticks every `interval`.
pub(super) fn every(name: &str, interval: Duration, runs: u32) -> Arc<Canary> {
    canary(probe(name, Cadence::Every(interval), runs))
}

/// A canary at the moments of a cron expression in Berlin.
pub(super) fn berlin(expression: &str, runs: u32) -> Arc<Canary> {
    let cron = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .build()
        .parse(expression)
        .expect("a cron expression");
    canary(probe("cron", Cadence::Cron { cron: Box::new(cron), timezone: chrono_tz::Europe::Berlin }, runs))
}
