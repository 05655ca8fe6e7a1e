//! What the page of a probe asks the store: eight questions at most, however many canaries the probe has.

use std::collections::BTreeMap;

use super::super::recent::Mark;
use super::budget::is_by_day;
use super::{Bins, Narrowed, Range};
use crate::alert::Status;
use crate::base::time::signed_millis;
use crate::history::{
    EventFilter, EventKind, EventView, IncidentFilter, IncidentView, Page, ProbeCounts, RollupFilter, RollupView, RunFilter,
    RunView,
};
use crate::outcome::Verdict;
use crate::plan::Probe;
use crate::web::Api;

const HOUR_MS: i64 = 3_600_000;
/// Events that are drawn.
const EVENTS: usize = 100;
/// Incidents that are listed.
const INCIDENTS: usize = 20;
/// Runs that are listed.
const RUNS: usize = 50;
/// Failed runs whose reasons are shown one by one.
const FAILED: usize = 500;

/// What is asked.
#[derive(Debug, Clone)]
pub(in crate::web) struct Question {
    /// The probe.
    pub(in crate::web) probe: String,
    /// What of it.
    pub(in crate::web) narrowed: Narrowed,
    /// How far back.
    pub(in crate::web) range: Range,
    /// The same in bins.
    pub(in crate::web) bins: Bins,
    /// From when on runs count for the objective, if that is looked at; milliseconds since the epoch.
    pub(in crate::web) counted_since_ms: Option<i64>,
    /// Up to here they are counted for it alone; from here on the hours that are shown tell of them.
    pub(in crate::web) counted_until_ms: i64,
    /// Which counts those are.
    pub(in crate::web) earlier: Option<RollupFilter>,
    /// Whether runs that passed are listed too.
    pub(in crate::web) all_runs: bool,
    /// Whether those that did not pass are needed one by one.
    pub(in crate::web) failed_runs: bool,
    /// Whether those that failed are, because none may.
    pub(in crate::web) lost_runs: bool,
}

impl Question {
    /// What is asked of a probe, which is known unless it was removed.
    pub(in crate::web) fn of(probe: &str, known: Option<&Probe>, narrowed: Narrowed, range: Range, now_ms: i64) -> Self {
        let bins = range.bins(now_ms);
        let slo = known.and_then(|known| known.slo.as_ref());
        let is_whole = slo.is_some_and(|slo| slo.success.is_some_and(|success| success >= 1.0));
        // An objective is one of all canaries together.
        let window = slo.filter(|_| narrowed == Narrowed::default()).map(|slo| slo.window);
        // The newest hours come however many canaries there are, and marks complete them.
        let hour = |ms: i64| ms.div_euclid(HOUR_MS) * HOUR_MS;
        let counted_until_ms = hour(bins.from_ms).max(hour(now_ms) - HOUR_MS);
        let counted_since_ms = window.map(|window| now_ms.saturating_sub(signed_millis(window)));
        let earlier = counted_since_ms.filter(|since_ms| *since_ms < counted_until_ms).map(|since_ms| RollupFilter {
            probe: probe.to_owned(),
            canary: None,
            since_ms,
            until_ms: counted_until_ms,
            by_day: window.is_some_and(is_by_day),
        });
        Self {
            probe: probe.to_owned(),
            narrowed,
            range,
            bins,
            counted_since_ms,
            counted_until_ms,
            earlier,
            all_runs: false,
            failed_runs: range == Range::Hour,
            lost_runs: is_whole,
        }
    }
}

impl Question {
    fn rollups(&self, since_ms: i64, until_ms: i64, by_day: bool) -> RollupFilter {
        RollupFilter { probe: self.probe.clone(), canary: self.narrowed.canary.clone(), since_ms, until_ms, by_day }
    }
}

/// What the store answered; what it did not answer is empty.
#[derive(Debug, Default)]
pub(in crate::web) struct Answers {
    /// Hours by canary, or days where bins are made of them.
    pub(in crate::web) hours: Vec<(String, RollupView)>,
    /// Those that they are compared with.
    pub(in crate::web) before: Vec<(String, RollupView)>,
    /// What else counts for the objective.
    pub(in crate::web) earlier: Vec<ProbeCounts>,
    /// Annotations and reloads.
    pub(in crate::web) events: Vec<EventView>,
    /// The newest incidents.
    pub(in crate::web) incidents: Vec<IncidentView>,
    /// The newest runs.
    pub(in crate::web) runs: Vec<RunView>,
    /// The newest runs that did not pass.
    pub(in crate::web) failed: Vec<RunView>,
    /// Whether there are more of them.
    pub(in crate::web) more_reasons: bool,
    /// The newest runs that failed, where nothing may.
    pub(in crate::web) lost: Vec<RunView>,
    /// Whether some question was not answered.
    pub(in crate::web) is_away: bool,
    /// The first hour that was read, where there are more than are read.
    pub(in crate::web) cut_ms: Option<i64>,
}

impl Answers {
    /// Whether nothing is known of the probe.
    pub(in crate::web) fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.before.is_empty() && self.incidents.is_empty() && self.runs.is_empty()
    }
}

/// Asks the store.
pub(in crate::web) async fn ask(api: &Api, question: &Question) -> Answers {
    let Question { probe, narrowed, bins, .. } = question;
    let reader = &*api.reader;
    let shift = question.range.compared_ms();
    let from = bins.from_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let events = EventFilter {
        kinds: vec![EventKind::Annotation, EventKind::Reload],
        probe: Some(probe.clone()),
        incident: None,
        since_ms: Some(bins.from_ms),
        until_ms: Some(bins.to_ms),
    };
    let incidents = IncidentFilter { open: false, probe: Some(probe.clone()) };
    let runs = RunFilter {
        probe: Some(probe.clone()),
        canary: narrowed.canary.clone(),
        region: narrowed.region.clone(),
        not_passed: !question.all_runs,
        ..RunFilter::default()
    };
    let failed = RunFilter { not_passed: true, since_ms: Some(bins.from_ms), ..runs.clone() };
    let lost =
        RunFilter { verdict: Some(Verdict::Failed), not_passed: false, since_ms: question.counted_since_ms, ..runs.clone() };
    let earlier = async {
        let Some(filter) = question.earlier.clone() else { return Ok(Vec::new()) };
        api.read(reader.counts_of_probe(filter)).await
    };
    let one_by_one = async |wanted: bool, filter| {
        if wanted { api.read(reader.runs(filter, FAILED, None)).await } else { Ok(Page { items: Vec::new(), next: None }) }
    };
    let (hours, before, earlier, events, incidents, runs, failed, lost) = tokio::join!(
        api.read(reader.rollups_of_probe(question.rollups(from, bins.to_ms, bins.is_by_day()))),
        // Of these the sum alone is shown.
        api.read(reader.rollups_of_probe(question.rollups(from - shift, bins.to_ms - shift, true))),
        earlier,
        api.read(reader.events(events, EVENTS, None)),
        api.read(reader.incidents(incidents, INCIDENTS, None)),
        api.read(reader.runs(runs, RUNS, None)),
        one_by_one(question.failed_runs, failed),
        one_by_one(question.lost_runs, lost),
    );
    let is_away = hours.is_err() || before.is_err() || earlier.is_err() || events.is_err() || incidents.is_err();
    let is_away = is_away || runs.is_err() || failed.is_err() || lost.is_err();
    let hours = hours.unwrap_or_default();
    Answers {
        cut_ms: hours.cut_ms,
        hours: hours.rollups,
        before: before.unwrap_or_default().rollups,
        earlier: earlier.unwrap_or_default(),
        events: events.map(|page| page.items).unwrap_or_default(),
        incidents: incidents.map(|page| page.items).unwrap_or_default(),
        runs: runs.map(|page| page.items).unwrap_or_default(),
        more_reasons: failed.as_ref().is_ok_and(|page| page.next.is_some()),
        failed: failed.map(|page| page.items).unwrap_or_default(),
        lost: lost.map(|page| page.items).unwrap_or_default(),
        is_away,
    }
}

/// The marks of canaries by their ids.
pub(in crate::web) type Marks = BTreeMap<String, Vec<Mark>>;

/// The marks of the probe's canaries.
pub(in crate::web) fn marks(api: &Api, status: &Status, probe: &str) -> Marks {
    let marks = api.recent.marks();
    let of_probe = status.canaries.iter().filter(|canary| canary.probe == probe);
    of_probe.map(|canary| (canary.canary.clone(), marks.of(&canary.canary).copied().collect())).collect()
}
