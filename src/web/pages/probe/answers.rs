//! What the page of a probe asks the store: six questions at most, however many canaries the probe has.

use crate::history::{
    EventFilter, EventKind, EventView, HOURS_OF_PROBE, IncidentFilter, IncidentView, ReadFuture, Reader, RollupView, RunFilter,
    RunView,
};
use crate::web::Api;
use crate::web::model::probe::{Bins, Narrowed, Range};

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
pub(super) struct Question {
    /// The probe.
    pub(super) probe: String,
    /// What of it.
    pub(super) narrowed: Narrowed,
    /// How far back.
    pub(super) range: Range,
    /// The same in bins.
    pub(super) bins: Bins,
    /// From when on hours are needed, for the objective as well; milliseconds since the epoch.
    pub(super) since_ms: i64,
    /// Whether runs that passed are listed too.
    pub(super) all_runs: bool,
    /// Whether failed runs are needed one by one.
    pub(super) failed_runs: bool,
}

/// What the store answered; what it did not answer is empty.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Hours by canary.
    pub(super) hours: Vec<(String, RollupView)>,
    /// Those that they are compared with.
    pub(super) before: Vec<(String, RollupView)>,
    /// Annotations and reloads.
    pub(super) events: Vec<EventView>,
    /// The newest incidents.
    pub(super) incidents: Vec<IncidentView>,
    /// The newest runs.
    pub(super) runs: Vec<RunView>,
    /// The newest runs that did not pass.
    pub(super) failed: Vec<RunView>,
    /// Whether some question was not answered.
    pub(super) is_away: bool,
    /// The first hour that was read, where there are more than are read.
    pub(super) cut_ms: Option<i64>,
}

impl Answers {
    /// Whether nothing is known of the probe.
    pub(super) fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.before.is_empty() && self.incidents.is_empty() && self.runs.is_empty()
    }
}

/// Asks the store.
pub(super) async fn ask(api: &Api, question: &Question) -> Answers {
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
    let failed = RunFilter { not_passed: true, since_ms: Some(question.since_ms.min(bins.from_ms)), ..runs.clone() };
    let failed = async {
        if question.failed_runs {
            api.read(reader.runs(failed, FAILED, None)).await.map(|page| page.items)
        } else {
            Ok(Vec::new())
        }
    };
    let (hours, before, events, incidents, runs, failed) = tokio::join!(
        api.read(hours(reader, question, question.since_ms.min(from), bins.to_ms)),
        api.read(hours(reader, question, from - shift, bins.to_ms - shift)),
        api.read(reader.events(events, EVENTS, None)),
        api.read(reader.incidents(incidents, INCIDENTS, None)),
        api.read(reader.runs(runs, RUNS, None)),
        failed,
    );
    let is_away = hours.is_err() || before.is_err() || events.is_err() || incidents.is_err() || runs.is_err() || failed.is_err();
    let hours = hours.unwrap_or_default();
    let is_cut = hours.len() >= HOURS_OF_PROBE;
    Answers {
        cut_ms: hours.first().filter(|_| is_cut).map(|(_, hour)| hour.hour_ms),
        hours,
        before: before.unwrap_or_default(),
        events: events.map(|page| page.items).unwrap_or_default(),
        incidents: incidents.map(|page| page.items).unwrap_or_default(),
        runs: runs.map(|page| page.items).unwrap_or_default(),
        failed: failed.unwrap_or_default(),
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
