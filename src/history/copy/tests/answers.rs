//! All questions there are, asked of a store.

use std::fmt::Debug;
use std::time::SystemTime;

use crate::history::testing::at_ms;
use crate::history::{EventFilter, IncidentFilter, ObservationFilter, RollupFilter, RunFilter, StartState, Store, WrittenPage};

/// Where somebody is who follows, from before most of it was written.
#[derive(Debug, Clone)]
pub(super) struct Cursors {
    pub(super) written: String,
    pub(super) changes: String,
    pub(super) marks: String,
}

impl Cursors {
    /// Now.
    pub(super) async fn of(store: &dyn Store) -> Self {
        Self {
            written: store.written_runs(RunFilter::default(), None, 1).await.unwrap().next,
            changes: store.changes_since(None).await.unwrap().next,
            marks: store.marks(0, None, 10_000).await.unwrap().next,
        }
    }
}

/// Answers to all questions, as text, each with its question. A zero byte is as a database has it.
pub(super) async fn answers(store: &dyn Store, now: SystemTime, cursors: &Cursors) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    let mut tell = |question, answer: &dyn Debug| told.push((question, format!("{answer:#?}").replace("\\0", "\u{FFFD}")));
    tell("start state", &sorted(store.start_state(now).await.unwrap()));
    let runs = store.runs(RunFilter::default(), 500, None).await.unwrap();
    tell("runs", &runs);
    tell("more runs", &store.runs(RunFilter::default(), 3, runs.next).await.unwrap());
    let failed = RunFilter { not_passed: true, region: Some("eu".to_owned()), ..RunFilter::default() };
    let failed = store.runs(failed, 500, None).await.unwrap();
    tell("failed runs", &failed);
    for run in runs.items.iter().take(20).chain(&failed.items) {
        tell("a run", &store.run(run.run_id.clone()).await.unwrap());
        tell("what it is compared with", &store.comparison(run.run_id.clone()).await.unwrap());
        for artifact in store.artifacts(run.run_id.clone()).await.unwrap() {
            tell("what it left", &artifact);
            tell("with its bytes", &store.artifact(run.run_id.clone(), artifact.name.clone()).await.unwrap());
        }
    }
    tell("the newest pass", &store.newest_pass("p/us".to_owned()).await.unwrap());
    let incidents = store.incidents(IncidentFilter::default(), 100, None).await.unwrap();
    tell("incidents", &incidents);
    for incident in incidents.items {
        tell("an incident", &store.incident(incident.id.clone()).await.unwrap());
    }
    tell("tries", &store.tries().await.unwrap());
    tell("the ledger", &store.ledger().await.unwrap());
    tell("events", &store.events(EventFilter::default(), 100, None).await.unwrap());
    for subject in [None, Some("queue".to_owned())] {
        let (since_ms, until_ms) = (i64::MIN, i64::MAX);
        let filter = ObservationFilter { canary: "p/eu".to_owned(), name: "depth".to_owned(), subject, since_ms, until_ms };
        tell("observations", &store.observations(filter).await.unwrap());
    }
    hours(store, &mut tell).await;
    let Cursors { written, changes, marks } = cursors.clone();
    tell("runs since", &store.written_runs(RunFilter::default(), Some(written), WrittenPage::LIMIT).await.unwrap());
    tell("changes since", &store.changes_since(Some(changes)).await.unwrap());
    tell("marks since", &store.marks(0, Some(marks), 10_000).await.unwrap());
    told
}

async fn hours(store: &dyn Store, tell: &mut impl FnMut(&'static str, &dyn Debug)) {
    let (since, until) = (at_ms(0) - 86_400_000, at_ms(100 * 3_600));
    for canary in ["p/eu", "p/us"] {
        tell("hours", &store.rollups(canary.to_owned(), since, until).await.unwrap());
        tell("ticks", &store.ticks(canary.to_owned(), since, until).await.unwrap());
    }
    for by_day in [false, true] {
        let filter = RollupFilter { probe: "p".to_owned(), canary: None, since_ms: since, until_ms: until, by_day };
        tell("hours of a probe", &store.rollups_of_probe(filter.clone()).await.unwrap());
        tell("counts of a probe", &store.counts_of_probe(filter).await.unwrap());
    }
    tell("totals", &store.totals_of_probes(None, since, until).await.unwrap());
    tell("hours of all", &store.rollups_of_all(since, until).await.unwrap());
}

/// States are read back in any order.
fn sorted(mut state: StartState) -> StartState {
    state.states.sort_by(|one, other| (&one.kind, &one.key).cmp(&(&other.kind, &other.key)));
    state
}
