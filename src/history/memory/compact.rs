//! Questions about all canaries at once, and events.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::{page, rollup};
use super::tables::{StoredRun, Tables, verdict};
use crate::history::encoding::detail;
use crate::history::encoding::hour::Hour;
use crate::history::retention_clock::HOUR_MS;
use crate::history::{
    EventFilter, EventRow, EventView, HOURS_OF_ALL, HOURS_OF_PROBE, HourCounts, MarksPage, Page, ProbeCounts, ProbeRollups,
    ProbeTotal, ReadError, RollupFilter, RunCounts, RunMark,
};

impl Tables {
    pub(super) fn rollups_of_probe(&self, filter: &RollupFilter) -> ProbeRollups {
        let hours: Vec<_> =
            self.hours_of_probe(filter).map(|(hour, canary, counted)| (canary.to_owned(), rollup(hour, counted))).collect();
        let newest = &hours[hours.len().saturating_sub(HOURS_OF_PROBE)..];
        let is_cut = newest.len() < hours.len();
        let cut_ms = newest.first().filter(|_| is_cut).map(|(_, hour)| hour.start_ms);
        ProbeRollups { rollups: newest.to_vec(), cut_ms }
    }

    pub(super) fn counts_of_probe(&self, filter: &RollupFilter) -> Vec<ProbeCounts> {
        let mut sums: BTreeMap<i64, ProbeCounts> = BTreeMap::new();
        for (hour, _, counted) in self.hours_of_probe(filter) {
            let start_ms = hour * HOUR_MS;
            let sum = sums.entry(start_ms).or_insert(ProbeCounts { start_ms, ..ProbeCounts::default() });
            sum.counts.add(run_counts(counted));
        }
        sums.into_values().collect()
    }

    pub(super) fn totals_of_probes(&self, probe: Option<&str>, since_ms: i64, until_ms: i64) -> Vec<ProbeTotal> {
        let mut totals: BTreeMap<&str, ProbeTotal> = BTreeMap::new();
        for ((canary, hour), counted) in &self.hours {
            let of = canary.split('/').next().unwrap_or_default();
            if probe.is_some_and(|probe| probe != of) {
                continue;
            }
            let hour_ms = hour * HOUR_MS;
            let total = totals.entry(of).or_insert_with(|| ProbeTotal {
                probe: of.to_owned(),
                kept_since_ms: hour_ms,
                counts: RunCounts::default(),
            });
            total.kept_since_ms = total.kept_since_ms.min(hour_ms);
            if *hour >= since_ms.div_euclid(HOUR_MS) && hour_ms < until_ms {
                total.counts.add(run_counts(counted));
            }
        }
        totals.into_values().collect()
    }

    fn hours_of_probe(&self, filter: &RollupFilter) -> impl Iterator<Item = (i64, &str, &Hour)> {
        let is_asked = move |canary: &str| {
            canary.split('/').next() == Some(&*filter.probe) && filter.canary.as_ref().is_none_or(|asked| asked == canary)
        };
        self.hours_within(filter.since_ms, filter.until_ms).into_iter().filter(move |(_, canary, _)| is_asked(canary))
    }

    pub(super) fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> Vec<HourCounts> {
        let hours = self.hours_within(since_ms, until_ms);
        let newest = &hours[hours.len().saturating_sub(HOURS_OF_ALL)..];
        newest.iter().map(|(hour, canary, counted)| counts(*hour, canary, counted)).collect()
    }

    /// By hour and then by canary.
    fn hours_within(&self, since_ms: i64, until_ms: i64) -> Vec<(i64, &str, &Hour)> {
        let is_asked = |hour: i64| hour >= since_ms.div_euclid(HOUR_MS) && hour.saturating_mul(HOUR_MS) < until_ms;
        let hours = self.hours.iter().filter(|((_, hour), _)| is_asked(*hour));
        let mut hours: Vec<_> = hours.map(|((canary, hour), counted)| (*hour, canary.as_str(), counted)).collect();
        hours.sort_by_key(|(hour, canary, _)| (*hour, *canary));
        hours
    }

    pub(super) fn marks(&self, since_ms: i64, after: Option<String>, limit: usize) -> Result<MarksPage, ReadError> {
        let limit = limit.clamp(1, MarksPage::LIMIT);
        let after = after.map(|text| cursor(&text).ok_or(ReadError::Cursor(text))).transpose()?;
        let is_cut = after.is_some_and(|(file, number)| file != self.file.0 || number > self.written);
        let from = after.filter(|_| !is_cut).map_or(0, |(_, number)| number);
        let mut found: Vec<&StoredRun> =
            self.runs.iter().filter(|run| run.number > from && run.view.due_ms >= since_ms).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let last = if more { found[limit - 1].number } else { self.written };
        let marks = found.into_iter().map(mark).collect();
        Ok(MarksPage { marks, next: format!("{}.{last}", self.file.0), is_cut, more })
    }

    pub(super) fn events(&self, filter: &EventFilter, limit: usize, after: Option<String>) -> Result<Page<EventView>, ReadError> {
        let after = after.map(|text| event_cursor(&text).ok_or(ReadError::Cursor(text))).transpose()?;
        let place = |row: &EventRow| (row.at_ms, row.id.clone());
        let is_next = |row: &EventRow| after.as_ref().is_none_or(|after| place(row) < *after);
        let mut found: Vec<&EventRow> = self.events.values().filter(|row| is_wanted(row, filter) && is_next(row)).collect();
        found.sort_by_key(|row| std::cmp::Reverse(place(row)));
        Ok(page(found, limit, |row| format!("{}.{}", row.at_ms, row.id), |row| event(row)))
    }
}

fn cursor(text: &str) -> Option<(i64, u64)> {
    let (file, number) = text.split_once('.')?;
    Some((file.parse().ok()?, number.parse().ok()?))
}

fn event_cursor(text: &str) -> Option<(i64, String)> {
    let (at_ms, id) = text.split_once('.')?;
    Some((at_ms.parse().ok()?, id.to_owned()))
}

fn is_wanted(row: &EventRow, filter: &EventFilter) -> bool {
    let EventFilter { kinds, probe, incident, since_ms, until_ms } = filter;
    (kinds.is_empty() || kinds.contains(&row.kind))
        && (probe.is_none() || row.probe.is_none() || row.probe == *probe)
        && (incident.is_none() || row.incident == *incident)
        && since_ms.is_none_or(|since| row.at_ms >= since)
        && until_ms.is_none_or(|until| row.at_ms < until)
}

fn event(row: &EventRow) -> EventView {
    let EventRow { id, at_ms, kind, probe, incident, by, what, text } = row.clone();
    EventView { id, at_ms, kind: kind.as_str(), probe, incident, by, what, text }
}

fn mark(run: &StoredRun) -> RunMark {
    RunMark {
        canary: Arc::from(&*run.view.canary),
        due_ms: run.view.due_ms,
        started_ms: run.view.started_ms,
        duration_us: run.view.duration_us,
        verdict: verdict(&run.view),
        reason: run.view.reason.and_then(|word| word.parse().ok()),
        degraded: run.view.degraded,
        counted: run.view.counted,
        convergence_us: detail::longest_convergence(&run.times.1),
    }
}

fn counts(hour: i64, canary: &str, counted: &Hour) -> HourCounts {
    HourCounts { canary: Arc::from(canary), hour_ms: hour * HOUR_MS, counts: run_counts(counted) }
}

/// How the runs of an hour ended.
pub(super) fn run_counts(hour: &Hour) -> RunCounts {
    let [passed, failed, errored, missed, blocked, skipped] = hour.verdicts;
    RunCounts { passed, failed, errored, missed, blocked, skipped, degraded: hour.degraded }
}
