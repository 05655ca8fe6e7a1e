//! What the page of a probe asks the store: seven questions at most, however many canaries the probe has.

use std::collections::BTreeMap;

use super::super::recent::Mark;
use super::{Bins, Narrowed, Range};
use crate::alert::Status;
use crate::base::time::signed_millis;
use crate::history::{
    EventFilter, EventKind, EventView, HOURS_OF_PROBE, IncidentFilter, IncidentView, Page, ReadFuture, Reader, RollupView,
    RunFilter, RunView,
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
    /// From when on hours are needed, for the objective as well; milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
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
        let window = slo.filter(|_| narrowed == Narrowed::default()).map_or(0, |slo| signed_millis(slo.window));
        Self {
            probe: probe.to_owned(),
            narrowed,
            range,
            bins,
            since_ms: bins.from_ms.min(now_ms.saturating_sub(window)),
            all_runs: false,
            failed_runs: range == Range::Hour,
            lost_runs: is_whole,
        }
    }
}

/// What the store answered; what it did not answer is empty.
#[derive(Debug, Default)]
pub(in crate::web) struct Answers {
    /// Hours by canary.
    pub(in crate::web) hours: Vec<(String, RollupView)>,
    /// Those that they are compared with.
    pub(in crate::web) before: Vec<(String, RollupView)>,
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
    let lost = RunFilter { verdict: Some(Verdict::Failed), not_passed: false, since_ms: Some(question.since_ms), ..runs.clone() };
    let one_by_one = async |wanted: bool, filter| {
        if wanted { api.read(reader.runs(filter, FAILED, None)).await } else { Ok(Page { items: Vec::new(), next: None }) }
    };
    let (hours, before, events, incidents, runs, failed, lost) = tokio::join!(
        api.read(hours(reader, question, question.since_ms.min(from), bins.to_ms)),
        api.read(hours(reader, question, from - shift, bins.to_ms - shift)),
        api.read(reader.events(events, EVENTS, None)),
        api.read(reader.incidents(incidents, INCIDENTS, None)),
        api.read(reader.runs(runs, RUNS, None)),
        one_by_one(question.failed_runs, failed),
        one_by_one(question.lost_runs, lost),
    );
    let is_away = hours.is_err() || before.is_err() || events.is_err() || incidents.is_err();
    let is_away = is_away || runs.is_err() || failed.is_err() || lost.is_err();
    let hours = hours.unwrap_or_default();
    let is_cut = hours.len() >= HOURS_OF_PROBE;
    Answers {
        cut_ms: hours.first().filter(|_| is_cut).map(|(_, hour)| hour.hour_ms),
        hours,
        before: before.unwrap_or_default(),
        events: events.map(|page| page.items).unwrap_or_default(),
        incidents: incidents.map(|page| page.items).unwrap_or_default(),
        runs: runs.map(|page| page.items).unwrap_or_default(),
        more_reasons: failed.as_ref().is_ok_and(|page| page.next.is_some()),
        failed: failed.map(|page| page.items).unwrap_or_default(),
        lost: lost.map(|page| page.items).unwrap_or_default(),
        is_away,
    }
}

/// The hours of the canary that is looked at, or of all.
fn hours(reader: &dyn Reader, question: &Question, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<(String, RollupView)>> {
    let Some(canary) = question.narrowed.canary.clone() else {
        return reader.rollups_of_probe(question.probe.clone(), since_ms, until_ms);
    };
    let answer = reader.rollups(canary.clone(), since_ms, until_ms);
    Box::pin(async move { Ok(answer.await?.into_iter().map(|hour| (canary.clone(), hour)).collect()) })
}

/// The marks of canaries by their ids.
pub(in crate::web) type Marks = BTreeMap<String, Vec<Mark>>;

/// The marks of the probe's canaries.
pub(in crate::web) fn marks(api: &Api, status: &Status, probe: &str) -> Marks {
    let marks = api.recent.marks();
    let of_probe = status.canaries.iter().filter(|canary| canary.probe == probe);
    of_probe.map(|canary| (canary.canary.clone(), marks.of(&canary.canary).copied().collect())).collect()
}
