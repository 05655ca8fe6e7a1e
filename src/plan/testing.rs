//! Plans made by hand, for the unit tests of every module. What a test is about it sets itself.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Canary, CanaryId, Cell, CellValue, Limits, Plan, Probe, Region, Step};
use crate::source::Location;

pub(crate) fn location() -> Location {
    Location { path: Path::new("p.toml").into(), line: 1, column: 1 }
}

/// A probe without steps and matrix, every minute, with a deadline of 20 s.
pub(crate) fn probe(name: &str) -> Probe {
    Probe::without_journey(name.into(), Duration::from_mins(1), Duration::from_secs(20), location())
}

/// A step that does nothing.
pub(crate) fn step(name: &str) -> Step {
    Step {
        name: name.into(),
        device: None,
        action: Action::Parallel(Vec::new()),
        looping: None,
        at_once: NonZeroU8::MIN,
        subject: None,
        when: Vec::new(),
        guard: Vec::new(),
        timeout: None,
        retry: None,
        eventually: None,
        consistently: None,
        expect: Vec::new(),
        warn: Vec::new(),
        contract: None,
        capture: Vec::new(),
        carry: Vec::new(),
        collect: Vec::new(),
        allow_failure: false,
        allow_empty: false,
        cleanup: Vec::new(),
        unless_created: None,
        location: location(),
    }
}

/// Cells of platforms, or the one without a name where there are none.
pub(crate) fn cells(platforms: &[&str]) -> Vec<Arc<Cell>> {
    let cell = |platform: &&str| Arc::new(Cell(vec![("platform".into(), CellValue::Text((*platform).into()))]));
    if platforms.is_empty() { vec![Arc::new(Cell::default())] } else { platforms.iter().map(cell).collect() }
}

/// The canary of a probe's first cell.
pub(crate) fn canary(probe: &Arc<Probe>, region: &str) -> Arc<Canary> {
    let cell = Arc::clone(&probe.cells[0]);
    let id = CanaryId::new(&probe.name, region, &cell);
    let region = Arc::new(Region { name: region.into(), vars: Vec::new() });
    Arc::new(Canary { id, probe: Arc::clone(probe), region, cell })
}

/// Probes with all their cells, in each of the regions.
pub(crate) fn plan(probes: Vec<Probe>, regions: &[&str]) -> Arc<Plan> {
    let region = |name: &&str| Arc::new(Region { name: (*name).into(), vars: Vec::new() });
    let regions: Vec<Arc<Region>> = regions.iter().map(region).collect();
    let probes: Vec<Arc<Probe>> = probes.into_iter().map(Arc::new).collect();
    let mut canaries = Vec::new();
    for probe in &probes {
        for region in &regions {
            canaries.extend(probe.cells.iter().map(|cell| {
                let id = CanaryId::new(&probe.name, &region.name, cell);
                Arc::new(Canary { id, probe: Arc::clone(probe), region: Arc::clone(region), cell: Arc::clone(cell) })
            }));
        }
    }
    canaries.sort_by(|one, other| one.id.cmp(&other.id));
    Arc::new(Plan {
        known_regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        regions,
        maintenance: Vec::new(),
        probes,
        canaries,
        secrets: BTreeMap::new(),
        limits: Limits::default(),
    })
}
