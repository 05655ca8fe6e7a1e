//! Artifacts and observations: what runs hand in beside their reports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::testing::{at, at_ms, canary, run, runs};
use super::super::{Artifact, ArtifactRow, Commit, ObservationFilter, ObservationRow, Store};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::{RunId, RunReport, Verdict};
use crate::plan::Canary;

const HOUR: u64 = 3_600;

on_every_store!(
    an_artifact_is_kept_as_it_is_and_of_what_is_too_much_it_is_known_that_it_was_there,
    artifacts_go_with_their_run_and_those_whose_run_never_came_with_time,
    observations_are_told_by_canary_name_and_subject_the_newest_of_a_moment,
    observations_are_kept_as_long_as_they_are_looked_back_on,
);

fn artifact(run_id: RunId, name: &str, size: usize) -> ArtifactRow {
    ArtifactRow { run_id, name: name.to_owned(), media_type: "image/png".to_owned(), bytes: Bytes::from(vec![7; size]) }
}

fn artifacts(rows: impl IntoIterator<Item = ArtifactRow>) -> Commit {
    Commit { artifacts: rows.into_iter().collect(), ..Commit::default() }
}

fn observation(canary: &Arc<Canary>, name: &str, seconds: u64, value: f64) -> ObservationRow {
    ObservationRow {
        canary: Arc::clone(canary),
        name: name.to_owned(),
        subject: None,
        at_ms: at_ms(seconds),
        value,
        weight: 2.0,
        retention: Duration::from_hours(30),
    }
}

fn observations(rows: impl IntoIterator<Item = ObservationRow>) -> Commit {
    Commit { observations: rows.into_iter().collect(), ..Commit::default() }
}

/// Times in seconds after noon and values of what was observed of `p/eu`.
async fn seen(store: &Arc<dyn Store>, name: &str, subject: Option<&str>) -> Vec<(i64, f64)> {
    let filter = ObservationFilter {
        canary: "p/eu".to_owned(),
        name: name.to_owned(),
        subject: subject.map(str::to_owned),
        since_ms: i64::MIN,
        until_ms: i64::MAX,
    };
    let rows = store.observations(filter).await.unwrap();
    assert!(rows.iter().all(|row| (row.weight - 2.0).abs() < f64::EPSILON));
    rows.into_iter().map(|row| ((row.at_ms - at_ms(0)) / 1_000, row.value)).collect()
}

async fn an_artifact_is_kept_as_it_is_and_of_what_is_too_much_it_is_known_that_it_was_there(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let report = run(&canary("p", "eu"), Verdict::Failed, 1);
    let (id, other) = (report.run_id, RunId(ulid::Ulid::generate()));
    // It may come before its run.
    store.record(artifacts([artifact(id, "screenshot", 5), artifact(id, "too large", ArtifactRow::BYTES + 1)]));
    store.record(runs([report]));
    store.record(artifacts([artifact(id, "screenshot", 9), artifact(other, "screenshot", 9)]));
    settle(&store).await;
    let listed = store.artifacts(id.to_string()).await.unwrap();
    let told: Vec<_> = listed.iter().map(|row| (row.name.as_str(), row.size, row.is_kept)).collect();
    assert_eq!(told, [("screenshot", 5, true), ("too large", ArtifactRow::BYTES as u64 + 1, false)]);
    assert_eq!(listed[0].media_type, "image/png");
    let kept = store.artifact(id.to_string(), "screenshot".to_owned()).await.unwrap();
    assert_eq!(kept, Some(Artifact { media_type: "image/png".to_owned(), bytes: vec![7; 5] }));
    for name in ["too large", "nothing"] {
        assert_eq!(store.artifact(id.to_string(), name.to_owned()).await.unwrap(), None);
    }

    // Of one run there are so many bytes and so many artifacts at most.
    for number in 0..8 {
        store.record(artifacts([artifact(other, &format!("l{number}"), ArtifactRow::BYTES)]));
        settle(&store).await;
    }
    store.record(artifacts((0..50).map(|number| artifact(other, &format!("s{number:02}"), 1))));
    settle(&store).await;
    let listed = store.artifacts(other.to_string()).await.unwrap();
    let bytes: u64 = listed.iter().filter(|row| row.is_kept).map(|row| row.size).sum();
    assert_eq!(listed.len(), ArtifactRow::OF_RUN);
    assert!(bytes <= ArtifactRow::BYTES_OF_RUN as u64 && bytes >= 3 * ArtifactRow::BYTES as u64, "{bytes}");
    assert!(store.artifacts("no id".to_owned()).await.unwrap().is_empty());
}

async fn artifacts_go_with_their_run_and_those_whose_run_never_came_with_time(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let (passed, failed) = (run(&eu, Verdict::Passed, 1), run(&eu, Verdict::Failed, 1));
    let never_came = run(&eu, Verdict::Failed, 2);
    let ids = [&passed, &failed, &never_came].map(|report: &RunReport| report.run_id);
    store.record(artifacts(ids.map(|id| artifact(id, "har", 5))));
    store.record(runs([passed, failed, run(&eu, Verdict::Passed, 100 * HOUR)]));
    settle(&store).await;
    // A day for what passed, three for the rest, and up to a day more.
    for (hours, left) in [(20, [1, 1, 1]), (50, [0, 1, 1]), (60, [0, 1, 1]), (100, [0, 0, 0])] {
        for seconds in [(hours - 20) * HOUR, hours * HOUR] {
            store.housekeep(at(seconds)).await.unwrap();
        }
        let mut found = [0; 3];
        for (count, id) in found.iter_mut().zip(ids) {
            *count = store.artifacts(id.to_string()).await.unwrap().len();
        }
        assert_eq!(found, left, "after {hours} hours");
    }
}

async fn observations_are_told_by_canary_name_and_subject_the_newest_of_a_moment(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let (eu, us) = (canary("p", "eu"), canary("p", "us"));
    let of = |subject: &str, row: ObservationRow| ObservationRow { subject: Some(subject.to_owned()), ..row };
    store.record(observations([
        observation(&eu, "size", 20, 2.0),
        observation(&eu, "size", 10, 1.0),
        observation(&us, "size", 10, 9.0),
        of("seg-1", observation(&eu, "size", 10, 5.0)),
        observation(&eu, "gaps", 10, f64::NAN),
        observation(&eu, "gaps", 11, f64::INFINITY),
        observation(&eu, "gaps", 12, -0.5),
    ]));
    store.record(observations([observation(&eu, "size", 20, 3.0)]));
    settle(&store).await;
    assert!(store.status().writable);
    assert_eq!(seen(&store, "size", None).await, [(10, 1.0), (20, 3.0)]);
    assert_eq!(seen(&store, "size", Some("seg-1")).await, [(10, 5.0)]);
    assert_eq!(seen(&store, "size", Some("seg-2")).await, []);
    assert_eq!(seen(&store, "gaps", None).await, [(12, -0.5)]);
    let (store, _) = under_test.reopen(&store).await;
    let filter = ObservationFilter {
        canary: "p/us".to_owned(),
        name: "size".to_owned(),
        subject: None,
        since_ms: at_ms(10),
        until_ms: at_ms(11),
    };
    assert_eq!(store.observations(filter.clone()).await.unwrap().len(), 1);
    let before = ObservationFilter { until_ms: at_ms(10), ..filter };
    assert!(store.observations(before).await.unwrap().is_empty());
}

async fn observations_are_kept_as_long_as_they_are_looked_back_on(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let long = |hours| ObservationRow { retention: Duration::from_hours(24 * 28), ..observation(&eu, "long", hours * HOUR, 1.0) };
    store.record(observations((0..20).map(|hour| observation(&eu, "short", hour * HOUR, 1.0))));
    store.record(observations((0..20).map(long)));
    // More than a slice removes.
    store.record(observations((0..2_500).map(|at| observation(&eu, "many", at, 1.0))));
    settle(&store).await;
    for hours in [20, 40] {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    let short = seen(&store, "short", None).await;
    assert_eq!((short.len(), short[0].0), (10, 10 * 3_600), "rows of the last 30 hours");
    assert_eq!(seen(&store, "long", None).await.len(), 20);
    assert_eq!(seen(&store, "many", None).await, []);
    // The window has been made shorter.
    store.record(observations([observation(&eu, "long", 50 * HOUR, 1.0)]));
    settle(&store).await;
    store.housekeep(at(50 * HOUR)).await.unwrap();
    assert_eq!(seen(&store, "long", None).await, [(50 * 3_600, 1.0)]);
}
