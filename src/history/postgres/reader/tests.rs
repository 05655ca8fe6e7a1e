//! Every question on an empty store, and questions that nobody waits for any more.

use tokio::time::timeout;

use super::super::connection::Connector;
use super::super::schema::migrate;
use super::super::testing::Database;
use super::*;
use crate::history::EventKind;
use crate::history::testing::at;
use crate::outcome::{Reason, Verdict};
use crate::plan::DatabaseUrl;

/// Readers of an empty store, with so many connections.
async fn readers(connections: usize) -> Arc<Readers> {
    let url = DatabaseUrl::parse(&Database::create().url()).unwrap();
    let pool = Connector::new(&url).unwrap().pool(connections).unwrap();
    migrate(&mut pool.get().await.unwrap()).await.unwrap();
    Arc::new(Readers::new(pool, "postgres://h/d".to_owned(), SharedPasses::default(), Bodies::Failed, Arc::default()))
}

/// Every filter of runs alone, and all that go together.
fn run_filters() -> Vec<RunFilter> {
    let of_canary = RunFilter {
        canary: Some("p/eu".to_owned()),
        probe: Some("p".to_owned()),
        region: Some("eu".to_owned()),
        ..RunFilter::default()
    };
    let failed =
        RunFilter { verdict: Some(Verdict::Failed), reason: Some(Reason::Timeout), not_passed: true, ..of_canary.clone() };
    let passed = RunFilter { verdict: Some(Verdict::Passed), degraded: true, ..of_canary.clone() };
    let bounds = RunFilter { since_ms: Some(i64::MIN), until_ms: Some(i64::MAX), ..failed.clone() };
    vec![RunFilter::default(), of_canary, failed, passed, bounds]
}

#[tokio::test]
async fn an_empty_store_answers_every_question_about_runs() {
    let readers = readers(2).await;
    let ask = || Arc::clone(&readers);
    for filter in run_filters() {
        for after in [None, Some("7.3".to_owned())] {
            let page = ask().runs(filter.clone(), 50, after).await.unwrap();
            assert_eq!(page, Page { items: Vec::new(), next: None }, "{filter:?}");
        }
        let now = ask().written_runs(filter.clone(), None, 7).await.unwrap();
        let page = ask().written_runs(filter.clone(), Some(now.next.clone()), 7).await.unwrap();
        assert_eq!(page, now, "{filter:?}");
        assert!(ask().written_runs(filter.clone(), Some("1.2.3".to_owned()), 7).await.unwrap().is_cut);
    }
    let run = ulid::Ulid::generate().to_string();
    assert_eq!(ask().run(run.clone()).await.unwrap(), None);
    assert_eq!(ask().run("no id".to_owned()).await.unwrap(), None);
    assert_eq!(ask().newest_pass("p/eu".to_owned()).await.unwrap(), None);
    assert_eq!(ask().comparison(run.clone()).await.unwrap(), Comparison::default());
    for since_ms in [i64::MIN, 0, i64::MAX] {
        let marks = ask().marks(since_ms, None, 0).await.unwrap();
        assert!(marks.marks.is_empty() && !marks.is_cut && !marks.more);
        assert_eq!(ask().marks(since_ms, Some(marks.next.clone()), usize::MAX).await.unwrap(), marks);
        assert!(ask().marks(since_ms, Some("1.2".to_owned()), 9).await.unwrap().is_cut);
    }
    assert_eq!(ask().artifacts(run.clone()).await.unwrap(), []);
    assert_eq!(ask().artifact(run, "har".to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_store_answers_every_question_about_hours() {
    let readers = readers(2).await;
    let ask = || Arc::clone(&readers);
    for (since_ms, until_ms) in [(i64::MIN, i64::MAX), (0, 7_200_000)] {
        assert_eq!(ask().rollups("p/eu".to_owned(), since_ms, until_ms).await.unwrap(), []);
        for by_day in [false, true] {
            let filter = RollupFilter { probe: "p".to_owned(), canary: Some("p/eu".to_owned()), since_ms, until_ms, by_day };
            assert_eq!(ask().rollups_of_probe(filter.clone()).await.unwrap(), ProbeRollups::default());
            assert_eq!(ask().counts_of_probe(RollupFilter { canary: None, ..filter }).await.unwrap(), []);
        }
        for probe in [None, Some("p".to_owned())] {
            assert_eq!(ask().totals_of_probes(probe, since_ms, until_ms).await.unwrap(), []);
        }
        assert_eq!(ask().rollups_of_all(since_ms, until_ms).await.unwrap(), []);
        assert_eq!(ask().ticks("p/eu".to_owned(), since_ms, until_ms).await.unwrap(), []);
        let (canary, name) = ("p/eu".to_owned(), "size".to_owned());
        let seen = ObservationFilter { canary, name, subject: None, since_ms, until_ms };
        assert_eq!(ask().observations(seen).await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_empty_store_answers_every_other_question() {
    let readers = readers(2).await;
    let ask = || Arc::clone(&readers);
    let whole = IncidentFilter { open: true, probe: Some("p".to_owned()) };
    for (filter, after) in [(IncidentFilter::default(), None), (whole, Some("I1".to_owned()))] {
        assert_eq!(ask().incidents(filter, 50, after).await.unwrap().items, []);
    }
    // No text may have a zero byte there.
    assert_eq!(ask().incident("I\0".to_owned()).await.unwrap(), None);
    assert_eq!(ask().tries().await.unwrap(), TryCounts::default());
    let bounds = EventFilter { kinds: EventKind::ALL.to_vec(), since_ms: Some(5), until_ms: Some(9), ..EventFilter::default() };
    let of_probe = EventFilter { probe: Some("p".to_owned()), ..bounds.clone() };
    let of_incident = EventFilter { incident: Some("I1".to_owned()), ..of_probe.clone() };
    for filter in [EventFilter::default(), bounds, of_probe, of_incident] {
        for after in [None, Some("7.E1".to_owned())] {
            assert_eq!(ask().events(filter.clone(), 50, after).await.unwrap().items, [], "{filter:?}");
        }
    }
    let now = ask().changes_since(None).await.unwrap();
    assert!(!now.is_cut);
    assert_eq!(ask().changes_since(Some(now.next.clone())).await.unwrap(), now);
    assert_eq!(ask().changes_since(Some("1.2.3".to_owned())).await.unwrap(), Changes { is_cut: true, ..now });
    assert_eq!(ask().ledger().await.unwrap(), LedgerRows::default());
    let left = ask().start_state(at(0)).await.unwrap();
    assert!(left.states.is_empty() && left.incidents.is_empty() && left.tries.is_empty() && left.last_ticks.is_empty());
    let asked = ask().events(EventFilter::default(), 50, Some("x".to_owned())).await;
    assert!(matches!(asked, Err(ReadError::Cursor(text)) if text == "x"));
}

/// Asks what is not answered for long.
async fn hang(readers: &Readers) -> Result<(), ReadError> {
    readers.ask(async |client| client.batch_execute("SELECT pg_sleep(60)").await).await
}

#[tokio::test]
async fn who_asks_next_does_not_wait_behind_a_question_that_nobody_waits_for_any_more() {
    let readers = readers(1).await;
    // The clock stands still, so that the time that there is passes at once.
    tokio::time::pause();
    let late = hang(&readers).await;
    tokio::time::resume();
    assert!(matches!(late, Err(ReadError::Unreadable { source, .. }) if source.to_string().contains("within 10 seconds")));
    assert_eq!(Arc::clone(&readers).tries().await.unwrap(), TryCounts::default());

    let soon = Duration::from_millis(50);
    assert!(timeout(soon, hang(&readers)).await.is_err(), "whoever asked has gone");
    assert_eq!(Arc::clone(&readers).tries().await.unwrap(), TryCounts::default());
}

#[tokio::test]
async fn a_connection_stays_for_the_next_question() {
    let readers = readers(1).await;
    let which = async || {
        let sql = "SELECT pg_backend_pid()::bigint";
        let pid = async |client: &mut Client| all(client, sql, Vec::new(), |row| row.try_get::<_, i64>(0)).await;
        readers.ask(pid).await.unwrap()
    };
    let first = which().await;
    let refused = readers.ask(async |client| client.batch_execute("SELECT nothing").await).await;
    assert!(matches!(refused, Err(ReadError::Unreadable { store, .. }) if store == "postgres://h/d"));
    assert_eq!(which().await, first);
}
