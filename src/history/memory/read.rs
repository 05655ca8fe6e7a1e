//! Questions to the tables.

use super::tables::{StoredRun, StoredTry, Tables};
use crate::history::encoding::hour::Hour;
use crate::history::retention_clock::HOUR_MS;
use crate::history::view::{json, try_message};
use crate::history::{
    Artifact, ArtifactView, CHANGES, Change, Changes, Comparison, IncidentDetail, IncidentFilter, IncidentRow, IncidentView,
    OBSERVATIONS, ObservationFilter, ObservationView, Page, PassView, ReadError, RollupView, RunDetail, RunFilter, RunView,
    TICKS, TickView, TimelineView, TryCounts, TryState, TryView, WrittenPage,
};
use crate::outcome::Verdict;

/// Entries of a timeline and tries that are shown of one incident.
const SHOWN: usize = 1_000;

impl Tables {
    pub(super) fn runs(&self, filter: &RunFilter, limit: usize, after: Option<String>) -> Result<Page<RunView>, ReadError> {
        let after = after.map(|text| cursor(&text).ok_or(ReadError::Cursor(text))).transpose()?;
        let place = |run: &StoredRun| (run.view.due_ms, run.number);
        let mut found: Vec<&StoredRun> =
            self.runs.iter().filter(|run| is_wanted(&run.view, filter) && after.is_none_or(|after| place(run) < after)).collect();
        found.sort_by_key(|run| std::cmp::Reverse(place(run)));
        Ok(page(found, limit, |run| format!("{}.{}", run.view.due_ms, run.number), |run| run.view.clone()))
    }

    pub(super) fn written_runs(&self, filter: &RunFilter, after: Option<String>, limit: usize) -> Result<WrittenPage, ReadError> {
        let limit = limit.clamp(1, WrittenPage::LIMIT);
        let newest = self.runs.iter().map(|run| run.view.due_ms).max().unwrap_or_default();
        let cursor = |number: u64| format!("{}.{number}.{newest}", self.file.0);
        let nothing = |is_cut| WrittenPage { items: Vec::new(), next: cursor(self.written), is_cut, more: false };
        let Some(text) = after else { return Ok(nothing(false)) };
        let (file, number, due_ms) = written_cursor(&text).ok_or(ReadError::Cursor(text))?;
        let is_cut = file != self.file.0 || number > self.written;
        let from = if is_cut {
            let first = self.runs.iter().find(|run| run.view.due_ms > due_ms);
            first.map_or(self.written, |first| first.number - 1)
        } else {
            number
        };
        let is_next = |run: &&StoredRun| run.number > from && is_wanted(&run.view, filter);
        let found: Vec<&StoredRun> = self.runs.iter().filter(is_next).take(limit).collect();
        let more = found.len() == limit;
        let next = found.last().filter(|_| more).map_or(self.written, |run| run.number);
        let items = found.into_iter().map(|run| run.view.clone()).collect();
        Ok(WrittenPage { items, next: cursor(next), is_cut, more })
    }

    pub(super) fn run(&self, run_id: &str) -> Option<RunDetail> {
        let run = self.runs.iter().find(|run| run.view.run_id == run_id)?;
        Some(RunDetail { run: run.view.clone(), steps: run.steps.clone(), details: run.details.clone() })
    }

    pub(super) fn incidents(&self, filter: &IncidentFilter, limit: usize, after: Option<&str>) -> Page<IncidentView> {
        let is_wanted = |row: &&IncidentRow| {
            after.is_none_or(|after| &*row.id < after)
                && (!filter.open || row.resolved_ms.is_none())
                && (filter.probe.is_none() || filter.probe == row.probe)
        };
        let found = self.incidents.values().rev().filter(is_wanted).collect();
        page(found, limit, |row: &&IncidentRow| row.id.clone(), |row| incident(row))
    }

    pub(super) fn incident(&self, id: &str) -> Option<IncidentDetail> {
        let row = self.incidents.get(id)?;
        let timeline = self.timeline.iter().filter(|row| row.incident == id);
        let timeline: Vec<TimelineView> =
            timeline.map(|row| TimelineView { at_ms: row.at_ms, what: row.what.to_owned(), text: row.text.clone() }).collect();
        let mut tries: Vec<&StoredTry> = self.tries.values().filter(|row| row.about.contains(id)).collect();
        tries.sort_by_key(|stored| (stored.row.made_ms, &stored.row.id));
        Some(IncidentDetail {
            incident: incident(row),
            timeline: timeline[timeline.len().saturating_sub(SHOWN)..].to_vec(),
            tries: tries[tries.len().saturating_sub(SHOWN)..].iter().map(|stored| attempt(stored)).collect(),
        })
    }

    pub(super) fn try_counts(&self) -> TryCounts {
        let count = |state| self.tries.values().filter(|stored| stored.state == state).count() as u64;
        TryCounts {
            waiting: count(TryState::Waiting),
            taken: count(TryState::Taken),
            refused: count(TryState::Refused),
            dropped: count(TryState::Dropped),
        }
    }

    pub(super) fn rollups(&self, canary: &str, since_ms: i64, until_ms: i64) -> Vec<RollupView> {
        let is_asked = |hour: i64| hour >= since_ms.div_euclid(HOUR_MS) && hour.saturating_mul(HOUR_MS) < until_ms;
        let hours = self.hours.iter().filter(|((of, hour), _)| of == canary && is_asked(*hour));
        hours.map(|((_, hour), counted)| rollup(*hour, counted)).collect()
    }

    pub(super) fn ticks(&self, canary: &str, since_ms: i64, until_ms: i64) -> Vec<TickView> {
        let hours = self.hours.iter().filter(|((of, _), _)| of == canary);
        let mut ticks: Vec<TickView> = hours.flat_map(|(_, counted)| counted.ticks.iter().copied()).collect();
        ticks.retain(|tick| tick.due_ms >= since_ms && tick.due_ms < until_ms);
        ticks.sort_by_key(|tick| tick.due_ms);
        ticks.truncate(TICKS);
        ticks
    }
}

impl Tables {
    pub(super) fn newest_pass(&self, canary: &str) -> Option<PassView> {
        let of_canary = self.passes.iter().map(|(pass, _)| pass).filter(|pass| pass.canary == canary);
        of_canary.max_by_key(|pass| pass.due_ms).cloned()
    }

    pub(super) fn comparison(&self, run_id: &str) -> Comparison {
        let pass = |id: &Option<String>| {
            let mut passes = self.passes.iter().map(|(pass, _)| pass);
            passes.find(|pass| Some(&pass.run_id) == id.as_ref()).cloned()
        };
        let ids = self.comparisons.get(run_id);
        ids.map_or_else(Comparison::default, |(before, beside)| Comparison { before: pass(before), beside: pass(beside) })
    }

    pub(super) fn artifacts(&self, run_id: &str) -> Vec<ArtifactView> {
        let of_run = self.artifacts.iter().filter(|((run, _), _)| run.to_string() == run_id);
        of_run.map(|(_, (view, _))| view.clone()).collect()
    }

    pub(super) fn artifact(&self, run_id: &str, name: &str) -> Option<Artifact> {
        let mut all = self.artifacts.iter();
        all.find(|((run, called), _)| run.to_string() == run_id && called == name).and_then(|(_, (_, kept))| kept.clone())
    }

    pub(super) fn observations(&self, filter: &ObservationFilter) -> Vec<ObservationView> {
        let ObservationFilter { canary, name, subject, since_ms, until_ms } = filter;
        let series = (canary.clone(), name.clone(), subject.clone().unwrap_or_default());
        let Some((_, values)) = self.observations.get(&series) else { return Vec::new() };
        let found: Vec<ObservationView> =
            values.values().filter(|value| value.at_ms >= *since_ms && value.at_ms < *until_ms).copied().collect();
        found[found.len().saturating_sub(OBSERVATIONS)..].to_vec()
    }

    pub(super) fn changes_since(&self, cursor: Option<String>) -> Result<Changes, ReadError> {
        let all = self.changes.len();
        let from = match cursor {
            Some(text) => text.parse().map_err(|_| ReadError::Cursor(text))?,
            None => all,
        };
        let is_cut = from > all;
        let until = if is_cut { all } else { all.min(from + CHANGES) };
        let mut changes: Vec<Change> = Vec::new();
        for change in self.changes.get(from..until).unwrap_or_default() {
            if !changes.contains(change) {
                changes.push(change.clone());
            }
        }
        Ok(Changes { next: until.to_string(), is_cut, more: until < all, changes })
    }
}

fn cursor(text: &str) -> Option<(i64, u64)> {
    let (due_ms, number) = text.split_once('.')?;
    Some((due_ms.parse().ok()?, number.parse().ok()?))
}

fn written_cursor(text: &str) -> Option<(i64, u64, i64)> {
    let (file, rest) = text.split_once('.')?;
    let (number, due_ms) = rest.split_once('.')?;
    Some((file.parse().ok()?, number.parse().ok()?, due_ms.parse().ok()?))
}

fn is_wanted(run: &RunView, filter: &RunFilter) -> bool {
    let RunFilter { canary, probe, region, verdict, reason, not_passed, degraded, since_ms, until_ms } = filter;
    let is = |wanted: &Option<String>, of: &str| wanted.as_deref().is_none_or(|wanted| wanted == of);
    is(canary, &run.canary)
        && is(probe, &run.probe)
        && is(region, &run.region)
        && verdict.is_none_or(|verdict| verdict.as_str() == run.verdict)
        && reason.is_none_or(|reason| Some(reason.as_str()) == run.reason)
        && (!not_passed || run.verdict != Verdict::Passed.as_str())
        && (!degraded || run.degraded)
        && since_ms.is_none_or(|since| run.due_ms >= since)
        && until_ms.is_none_or(|until| run.due_ms < until)
}

pub(super) fn page<R, T>(mut found: Vec<R>, limit: usize, cursor: impl Fn(&R) -> String, view: impl Fn(&R) -> T) -> Page<T> {
    let limit = limit.clamp(1, Page::<T>::LIMIT);
    let more = found.len() > limit;
    found.truncate(limit);
    Page { next: found.last().filter(|_| more).map(cursor), items: found.iter().map(view).collect() }
}

fn incident(row: &IncidentRow) -> IncidentView {
    IncidentView {
        id: row.id.clone(),
        scope: row.scope.clone(),
        probe: row.probe.clone(),
        severity: row.severity.to_owned(),
        opened_ms: row.opened_ms,
        resolved_ms: row.resolved_ms,
        details: json(&row.json),
    }
}

fn attempt(stored: &StoredTry) -> TryView {
    TryView {
        id: stored.row.id.clone(),
        channel: stored.row.channel.clone(),
        what: stored.row.what.to_owned(),
        key: stored.row.key.clone(),
        made_ms: stored.row.made_ms,
        state: stored.state.as_str(),
        attempts: stored.attempts,
        tried_ms: stored.tried_ms,
        ended_ms: stored.ended_ms,
        error: stored.error.clone(),
        message: try_message(&stored.row.json),
    }
}

pub(super) fn rollup(hour: i64, counted: &Hour) -> RollupView {
    RollupView {
        start_ms: hour * HOUR_MS,
        counts: super::compact::run_counts(counted),
        durations: counted.durations.clone(),
        reasons: counted.reasons.clone(),
        steps: counted.steps.clone(),
    }
}
