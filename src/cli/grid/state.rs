//! What the live view knows of each canary.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{CleanupReport, CleanupResult, RunReport, Verdict};
use crate::plan::{Canary, CanaryId, Cell};

/// Verdicts kept for each canary: more than the widest terminal shows.
const MARKS: usize = 64;
/// Convergence times kept for each canary: enough for a steady p95.
const SAMPLES: usize = 256;

/// Everything the live view shows. Its size is bounded by the number of canaries.
#[derive(Debug, Default)]
pub(crate) struct GridState {
    pub(crate) probes: Vec<ProbeGrid>,
}

/// One probe's regions × cells.
#[derive(Debug)]
pub(crate) struct ProbeGrid {
    pub(crate) name: Arc<str>,
    pub(crate) regions: Vec<Arc<str>>,
    pub(crate) cells: Vec<Arc<Cell>>,
    pub(crate) canaries: HashMap<CanaryId, CanaryState>,
    pub(crate) last_failure: Option<Arc<RunReport>>,
    pub(crate) leaked: u64,
}

/// What is known of one canary.
#[derive(Debug, Default)]
pub(crate) struct CanaryState {
    /// Oldest first.
    pub(crate) marks: VecDeque<Verdict>,
    pub(crate) runs: u64,
    pub(crate) failed: u64,
    pub(crate) latency: Option<Duration>,
    pub(crate) convergence: VecDeque<Duration>,
}

impl GridState {
    /// A grid with an empty place for each canary, in the order of the plan.
    pub(crate) fn new(canaries: &[Arc<Canary>]) -> Self {
        let mut grid = Self::default();
        for canary in canaries {
            grid.place(canary);
        }
        grid
    }

    /// A run ended, or a tick did not run.
    pub(crate) fn run_finished(&mut self, report: &Arc<RunReport>) {
        let probe = self.place(&report.canary);
        if report.verdict == Verdict::Failed {
            probe.last_failure = Some(Arc::clone(report));
        }
        let state = probe.canaries.entry(report.canary.id.clone()).or_default();
        push(&mut state.marks, report.verdict, MARKS);
        state.runs += 1;
        state.failed += u64::from(report.verdict == Verdict::Failed);
        if !report.steps.is_empty() {
            state.latency = Some(report.duration);
        }
        for convergence in report.steps.iter().filter_map(|step| step.convergence) {
            push(&mut state.convergence, convergence, SAMPLES);
        }
    }

    /// A run's cleanup ended.
    pub(crate) fn cleanup_finished(&mut self, report: &CleanupReport) {
        match report.result {
            CleanupResult::Clean => {}
            CleanupResult::Leaked(_) => self.place(&report.run.canary).leaked += 1,
        }
    }

    fn place(&mut self, canary: &Canary) -> &mut ProbeGrid {
        let at = self.probes.iter().position(|probe| probe.name == canary.probe.name).unwrap_or_else(|| {
            self.probes.push(ProbeGrid {
                name: Arc::clone(&canary.probe.name),
                regions: Vec::new(),
                cells: Vec::new(),
                canaries: HashMap::new(),
                last_failure: None,
                leaked: 0,
            });
            self.probes.len() - 1
        });
        let probe = &mut self.probes[at];
        if !probe.regions.contains(&canary.region.name) {
            probe.regions.push(Arc::clone(&canary.region.name));
        }
        if !probe.cells.contains(&canary.cell) {
            probe.cells.push(Arc::clone(&canary.cell));
        }
        probe
    }
}

impl ProbeGrid {
    pub(crate) fn canary(&self, region: &str, cell: &Cell) -> Option<&CanaryState> {
        self.canaries.get(&CanaryId::new(&self.name, region, cell))
    }
}

fn push<T>(kept: &mut VecDeque<T>, value: T, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(value);
}

/// The p-th percentile by nearest rank, `0 < p ≤ 100`.
pub(crate) fn percentile<'a>(samples: impl IntoIterator<Item = &'a Duration>, p: usize) -> Option<Duration> {
    let mut sorted: Vec<Duration> = samples.into_iter().copied().collect();
    sorted.sort_unstable();
    let rank = (sorted.len() * p).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::fixture::{canary, run, silent_registration};

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let samples: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
        assert_eq!(percentile(&samples, 50), Some(Duration::from_secs(10)));
        assert_eq!(percentile(&samples, 95), Some(Duration::from_secs(19)));
        assert_eq!(percentile(&samples[..1], 95), Some(Duration::from_secs(1)));
        assert_eq!(percentile(&[], 95), None);
    }

    #[test]
    fn what_is_kept_of_a_canary_is_bounded() {
        let canary = canary("front-page", "eu", &[]);
        let mut grid = GridState::new(&[Arc::clone(&canary)]);
        for _ in 0..MARKS + 10 {
            grid.run_finished(&run(&canary, Verdict::Passed, None, Vec::new()));
        }
        let state = grid.probes[0].canary("eu", &Cell::default()).unwrap();
        assert_eq!((state.marks.len(), state.runs), (MARKS, 74));
    }

    #[test]
    fn failures_and_leaks_are_remembered() {
        let done = silent_registration();
        let mut grid = GridState::default();
        grid.run_finished(&done.report);
        grid.cleanup_finished(done.cleanup.as_deref().unwrap());
        assert_eq!(grid.probes[0].leaked, 1);
        assert_eq!(grid.probes[0].last_failure.as_ref().unwrap().run_id, done.report.run_id);
    }
}
