//! The newest passed run of each canary, in full, as far as memory holds them: what a failed run is compared with.
//!
//! Only the newest passed run of each canary is of interest, and only if somebody asks or a run fails. It is therefore held in
//! memory, and a store writes it when a failed run is compared with it, every ten minutes, and at the end. After a crash the newest
//! one that is stored may be ten minutes older. Beyond [`HELD`] canaries, passed runs are written and not held.
//!
//! Here is which ones are held and which are to be written; the stores write them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::time::{epoch_ms, signed_millis};
use crate::outcome::{RunId, RunReport};
use crate::plan::{Cadence, Canary, CanaryId};

/// Canaries whose newest passed run is held; each takes some kilobytes.
const HELD: usize = 2_000;

/// How long a passed run that nothing is compared with is only held.
const WRITTEN_AFTER: Duration = Duration::from_mins(10);

/// How far back another canary's pass is looked for where a probe has no interval.
const LONG_AGO: Duration = Duration::from_hours(1);

/// The newest passed run of a canary.
#[derive(Debug)]
struct Pass {
    run_id: RunId,
    due_ms: i64,
    /// The run, while it is held.
    report: Option<Arc<RunReport>>,
    /// Whether it is in the store.
    is_stored: bool,
    /// When one of the canary was last written.
    written: Option<Instant>,
}

/// Those of a probe's canaries, also by when they were due.
#[derive(Debug, Default)]
struct ProbePasses {
    passes: HashMap<CanaryId, Pass>,
    by_due: BTreeSet<(i64, CanaryId)>,
}

/// The newest passed runs.
#[derive(Debug, Default)]
struct NewestPasses {
    probes: HashMap<Arc<str>, ProbePasses>,
    /// How many are held.
    held: usize,
    /// Canaries whose passes are in the transaction under way.
    pending: Vec<Arc<Canary>>,
}

/// The same for whoever writes and whoever reads.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedPasses(Arc<Mutex<NewestPasses>>);

/// What a failed run is compared with.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// The last pass of its canary before it, if it is known.
    pub(super) before: Option<RunId>,
    /// One of another region or cell, if one is held.
    pub(super) beside: Option<RunId>,
    /// How far back one of another region or cell may have been due, milliseconds since the epoch.
    pub(super) since_ms: i64,
    /// Those of the two that are not stored yet: they are to be written in the same transaction.
    pub(super) to_write: Vec<Arc<RunReport>>,
}

impl SharedPasses {
    fn lock(&self) -> MutexGuard<'_, NewestPasses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a counted run that passed. It is to be written at once if it comes back.
    pub(super) fn passed(&self, report: &Arc<RunReport>) -> Option<Arc<RunReport>> {
        self.lock().passed(report)
    }

    /// What a counted run that failed is compared with.
    pub(super) fn failed(&self, report: &RunReport) -> Compared {
        self.lock().failed(report)
    }

    /// Those that have only been held for long, or all that are only held: at most so many. They are to be written at once.
    pub(super) fn due(&self, all: bool, most: usize) -> Vec<Arc<RunReport>> {
        self.lock().due(all, most)
    }

    /// The transaction with those that were to be written has ended.
    pub(super) fn settle(&self, is_written: bool) {
        self.lock().settle(is_written);
    }

    /// The store is another one, or as it was before: what is held is not in it.
    pub(super) fn forget_stored(&self) {
        let mut passes = self.lock();
        passes.pending.clear();
        passes.probes.values_mut().flat_map(|of_probe| of_probe.passes.values_mut()).for_each(|pass| pass.is_stored = false);
    }

    /// The newest passed run of a canary, while it is held.
    pub(super) fn held(&self, canary: &str) -> Option<Arc<RunReport>> {
        let passes = self.lock();
        let found = passes
            .probes
            .values()
            .find_map(|of_probe| of_probe.passes.iter().find_map(|(id, pass)| (id.as_str() == canary).then_some(pass)));
        found.and_then(|pass| pass.report.clone())
    }
}

impl NewestPasses {
    fn passed(&mut self, report: &Arc<RunReport>) -> Option<Arc<RunReport>> {
        let canary = &report.canary;
        let due_ms = epoch_ms(report.tick.due);
        let of_probe = self.probes.entry(Arc::clone(&canary.probe.name)).or_default();
        let known = of_probe.passes.get(&canary.id);
        if known.is_some_and(|known| known.due_ms >= due_ms) {
            return None;
        }
        let (was_held, written) = known.map_or((false, None), |known| (known.report.is_some(), known.written));
        if let Some(known) = known {
            of_probe.by_due.remove(&(known.due_ms, canary.id.clone()));
        }
        of_probe.by_due.insert((due_ms, canary.id.clone()));
        let pass = Pass { run_id: report.run_id, due_ms, report: Some(Arc::clone(report)), is_stored: false, written };
        of_probe.passes.insert(canary.id.clone(), pass);
        self.held += usize::from(!was_held);
        if self.held <= HELD {
            return None;
        }
        let is_due = written.is_none_or(|written| written.elapsed() >= WRITTEN_AFTER);
        let to_write = if is_due { self.store(canary) } else { None };
        let of_canary = self.of(canary);
        let was_held = of_canary.is_some_and(|pass| pass.report.take().is_some());
        self.held -= usize::from(was_held);
        to_write
    }

    fn failed(&mut self, report: &RunReport) -> Compared {
        let canary = &report.canary;
        let due_ms = epoch_ms(report.tick.due);
        let reach = match &canary.probe.cadence {
            Cadence::Every(interval) => *interval,
            Cadence::Cron { .. } => LONG_AGO,
        };
        let mut compared = Compared { since_ms: due_ms.saturating_sub(signed_millis(reach)), ..Compared::default() };
        let is_before = self.of(canary).is_some_and(|pass| pass.due_ms < due_ms);
        let before = is_before.then(|| Arc::clone(canary));
        let beside = self.beside(canary, due_ms, compared.since_ms);
        for (found, run_id) in [(before, &mut compared.before), (beside, &mut compared.beside)] {
            let Some(found) = found else { continue };
            compared.to_write.extend(self.store(&found));
            // One that was let go before it was written is not there for anybody.
            *run_id = self.of(&found).filter(|pass| pass.is_stored).map(|pass| pass.run_id);
        }
        compared
    }

    /// The canary of the same probe whose held pass is the newest one before this time and not before that one.
    fn beside(&self, canary: &Canary, due_ms: i64, since_ms: i64) -> Option<Arc<Canary>> {
        let of_probe = self.probes.get(&canary.probe.name)?;
        let newest_first = of_probe.by_due.iter().rev().skip_while(|(due, _)| *due > due_ms);
        let mut young = newest_first.take_while(|(due, _)| *due >= since_ms);
        let (_, other) =
            young.find(|(_, id)| *id != canary.id && of_probe.passes.get(id).is_some_and(|pass| pass.report.is_some()))?;
        of_probe.passes.get(other)?.report.as_ref().map(|report| Arc::clone(&report.canary))
    }

    /// The newest pass of a canary, if it is held and not stored; from now on it counts as stored.
    fn store(&mut self, canary: &Arc<Canary>) -> Option<Arc<RunReport>> {
        let pass = self.of(canary).filter(|pass| !pass.is_stored)?;
        let report = Arc::clone(pass.report.as_ref()?);
        pass.is_stored = true;
        self.pending.push(Arc::clone(canary));
        Some(report)
    }

    fn due(&mut self, all: bool, most: usize) -> Vec<Arc<RunReport>> {
        let is_due =
            |pass: &&Pass| !pass.is_stored && (all || pass.written.is_none_or(|written| written.elapsed() >= WRITTEN_AFTER));
        let passes = self.probes.values().flat_map(|of_probe| of_probe.passes.values());
        let due: Vec<Arc<Canary>> =
            passes.filter(is_due).filter_map(|pass| Some(Arc::clone(&pass.report.as_ref()?.canary))).take(most).collect();
        due.iter().filter_map(|canary| self.store(canary)).collect()
    }

    fn settle(&mut self, is_written: bool) {
        for canary in std::mem::take(&mut self.pending) {
            if let Some(pass) = self.of(&canary) {
                pass.is_stored = is_written;
                pass.written = if is_written { Some(Instant::now()) } else { pass.written };
            }
        }
    }

    fn of(&mut self, canary: &Canary) -> Option<&mut Pass> {
        self.probes.get_mut(&canary.probe.name)?.passes.get_mut(&canary.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing::{canary, run};
    use crate::outcome::Verdict;

    #[test]
    fn of_however_many_canaries_few_are_held_and_the_rest_is_written() {
        let passes = SharedPasses::default();
        for (due, written) in [(60, 3), (120, 0)] {
            let reports = (0..HELD + 3).map(|number| Arc::new(run(&canary(&format!("p{number}"), "eu"), Verdict::Passed, due)));
            let to_write = reports.filter_map(|report| passes.passed(&report)).count();
            assert_eq!(to_write, written, "the others are written, and not again within ten minutes");
            passes.settle(true);
            let held = (0..HELD + 3).filter(|number| passes.held(&format!("p{number}/eu")).is_some()).count();
            assert_eq!(held, HELD);
        }
    }

    #[test]
    fn a_pass_that_a_failed_run_is_compared_with_is_written_once_and_again_if_that_failed() {
        let passes = SharedPasses::default();
        let earlier = Arc::new(run(&canary("p", "eu"), Verdict::Passed, 60));
        assert!(passes.passed(&earlier).is_none());
        let failed = run(&canary("p", "eu"), Verdict::Failed, 90);
        for (is_written, to_write) in [(false, 1), (true, 1), (true, 0)] {
            let compared = passes.failed(&failed);
            assert_eq!((compared.before, compared.to_write.len()), (Some(earlier.run_id), to_write));
            passes.settle(is_written);
        }
        assert!(passes.due(true, 9).is_empty());
    }
}
