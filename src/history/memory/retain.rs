//! Rollups, and the end of what was kept long enough.

use std::collections::BTreeSet;
use std::time::Duration;

use super::tables::{StoredRun, Tables, verdict};
use crate::base::time::signed_millis;
use crate::history::encoding::hour::CountedRun;
use crate::history::retention_clock::{HOUR_MS, RetentionClock};
use crate::history::start_state::OWED;
use crate::history::{OF_INCIDENTS, PassView, TryState};
use crate::outcome::{RunId, Verdict};

impl Tables {
    pub(super) fn housekeep(&mut self, now_ms: i64) {
        let newest = self.runs.last().map_or(now_ms, |run| run.view.due_ms);
        let clock = self.clock.unwrap_or(RetentionClock::at(newest)).after(now_ms);
        self.clock = Some(clock);
        self.roll_up();
        for (retention, values) in self.observations.values_mut() {
            let from = clock.trusted.saturating_sub(signed_millis(*retention));
            values.retain(|at_ms, _| *at_ms >= from);
        }
        self.observations.retain(|_, (_, values)| !values.is_empty());
        let Some(retention) = self.retention else { return };
        let before = |age: Duration| clock.trusted.saturating_sub(signed_millis(age));
        let (passed, others) = (before(retention.passed), before(retention.others.max(retention.passed)));
        let is_old = |run: &StoredRun| run.view.due_ms < if verdict(&run.view) == Verdict::Passed { passed } else { others };
        let gone: BTreeSet<String> = self.runs.iter().filter(|run| is_old(run)).map(|run| run.view.run_id.clone()).collect();
        self.runs.retain(|run| !is_old(run));
        let known: BTreeSet<String> = self.runs.iter().map(|run| run.view.run_id.clone()).collect();
        // An artifact may come before its run: it stays while it is young, unless its run was removed just now.
        let is_to_come =
            |run: &RunId| !gone.contains(&run.to_string()) && i64::try_from(run.0.timestamp_ms()).is_ok_and(|at| at >= others);
        self.artifacts.retain(|(run, _), _| known.contains(&run.to_string()) || is_to_come(run));
        self.comparisons.retain(|run, _| known.contains(run));
        self.prune_passes(before(retention.rollups));
        let (old, owed) = (before(retention.rollups), before(OWED));
        self.hours.retain(|(_, hour), _| *hour >= old.div_euclid(HOUR_MS));
        self.events.retain(|_, row| row.at_ms >= old);
        self.prune_incidents(old, owed);
        self.prune_tries(old, owed);
        let is_over = |id: &str, of: &Self| of.incidents.get(id).is_some_and(|row| row.resolved_ms.is_some());
        let timeline = std::mem::take(&mut self.timeline);
        self.timeline = timeline.into_iter().filter(|row| row.at_ms >= old || is_over(&row.incident, self)).collect();
    }

    /// Counts each run once, in the order of writing.
    fn roll_up(&mut self) {
        for run in self.runs.iter().filter(|run| run.number > self.rolled_up && run.counted) {
            let hour = self.hours.entry((run.view.canary.clone(), run.view.due_ms.div_euclid(HOUR_MS))).or_default();
            hour.count(&CountedRun {
                due_ms: run.view.due_ms,
                verdict: verdict(&run.view),
                reason: run.view.reason.and_then(|word| word.parse().ok()),
                degraded: run.view.degraded,
                duration_us: run.view.duration_us,
                names: &run.times.0,
                times: &run.times.1,
            });
        }
        self.rolled_up = self.runs.last().map_or(self.rolled_up, |run| run.number);
    }

    /// Removes passed runs that no failed run is compared with, unless they are young and the newest of their canary.
    fn prune_passes(&mut self, old: i64) {
        let compared: BTreeSet<String> =
            self.comparisons.values().flat_map(|(before, beside)| [before, beside]).flatten().cloned().collect();
        let all: Vec<(String, i64)> = self.passes.iter().map(|(pass, _)| (pass.canary.clone(), pass.due_ms)).collect();
        let is_newest = |of: &PassView| all.iter().all(|(canary, due_ms)| *canary != of.canary || *due_ms <= of.due_ms);
        self.passes.retain(|(pass, _)| compared.contains(&pass.run_id) || pass.due_ms >= old && is_newest(pass));
    }

    /// Removes incidents that ended, with all that belongs to them, unless something is still owed. Removes states of incidents
    /// of which nothing can be owed any more.
    fn prune_incidents(&mut self, old: i64, owed: i64) {
        let ended = |at: Option<i64>, before: i64| at.is_some_and(|at| at < before);
        let is_gone = |id: &str, at| ended(at, old) && (ended(at, owed) || !self.is_owed(id));
        let gone: Vec<String> =
            self.incidents.values().filter(|row| is_gone(&row.id, row.resolved_ms)).map(|row| row.id.clone()).collect();
        for id in gone {
            self.incidents.remove(&id);
            self.timeline.retain(|row| row.incident != id);
            let known = &self.incidents;
            self.tries.retain(|_, stored| !stored.about.contains(&id) || stored.about.iter().any(|of| known.contains_key(of)));
        }
        let known = &self.incidents;
        self.states.retain(|(kind, key), _| {
            let id = key.split('/').next().unwrap_or_default();
            !OF_INCIDENTS.contains(&&**kind) || known.get(id).is_some_and(|row| !ended(row.resolved_ms, owed))
        });
    }

    /// Removes tries that ended, of incidents that are still open or of none, and waiting tries that are too old.
    fn prune_tries(&mut self, old: i64, owed: i64) {
        let known = &self.incidents;
        self.tries.retain(|_, stored| {
            let mut about = stored.about.iter().filter_map(|id| known.get(id));
            if stored.state == TryState::Waiting {
                about.next().is_some() || stored.row.made_ms >= old.min(owed)
            } else {
                stored.row.made_ms >= old || about.any(|row| row.resolved_ms.is_some())
            }
        });
    }
}
