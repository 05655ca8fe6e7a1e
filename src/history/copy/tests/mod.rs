//! A file is copied to a real server: the database answers as the file did, or has nothing.

mod answers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::history::postgres::PostgresStore;
use crate::history::postgres::testing::Database;
use crate::history::sqlite::SqliteStore;
use crate::history::testing::{
    KEPT, LONG, at, at_ms, attempt, canary, entry, event, incident, outcome, run, runs, state, step, store_file, timeline,
};
use crate::history::{ArtifactRow, Commit, EventRow, ObservationRow, Store, TryState};
use crate::outcome::testing::warned;
use crate::outcome::{CleanupReport, CleanupResult, LedgerEnd, RunReport, Verdict};
use crate::plan::Canary;
use answers::{Cursors, answers};

const HOUR: u64 = 3_600;

/// When the file is closed and copied.
const END: u64 = 50 * HOUR;

fn file(directory: &Path, now: SystemTime) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&store_file(directory), KEPT, now).unwrap())
}

fn url(database: &Database) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url_of_owner()).unwrap()
}

async fn database(database: &Database) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(&url(database), KEPT, None, at(END)).await.unwrap())
}

async fn copied(directory: &Path, to: &Database) -> Result<Vec<TableCount>, CopyError> {
    copy(&store_file(directory), &url(to), "", KEPT, at(END), |_| {}).await
}

/// Runs of which one is degraded, two failed, and some lie days apart; with cleanups, artifacts and observations.
async fn write_runs(store: &dyn Store) {
    let (eu, us) = (canary("p", "eu"), canary("p", "us"));
    let passed = |of: &Arc<Canary>, due| run(of, Verdict::Passed, due);
    store.commit(runs((0..10).map(|number| passed(&us, number * 60)))).await.unwrap();
    for hours in [0, 20, 40] {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    let late = 48 * HOUR;
    let mut degraded = passed(&eu, late);
    degraded.steps[0].warnings = warned("create", "latency < 0.3").warnings;
    store.commit(runs([degraded, passed(&us, late + 1)])).await.unwrap();
    let failed =
        [run(&eu, Verdict::Failed, late + 60), run(&eu, Verdict::Missed, late + 120), run(&us, Verdict::Failed, 30 * HOUR)];
    let clean = Arc::new(passed(&eu, late + 180));
    let artifact = |name: &str, size| ArtifactRow {
        run_id: failed[0].run_id,
        name: name.to_owned(),
        media_type: "image/png".to_owned(),
        bytes: Bytes::from(vec![7; size]),
    };
    let artifacts = vec![artifact("screenshot", 5), artifact("too large", ArtifactRow::BYTES + 1)];
    let observation = |subject: Option<&str>, seconds| ObservationRow {
        canary: Arc::clone(&eu),
        name: "depth".to_owned(),
        subject: subject.map(str::to_owned),
        at_ms: at_ms(seconds),
        value: 0.1,
        weight: 2.0,
        retention: Duration::from_hours(30),
    };
    let observations = vec![observation(None, late), observation(Some("queue"), late), observation(Some("queue"), late + 1)];
    store.commit(Commit { artifacts, observations, ..runs(failed) }).await.unwrap();
    store.commit(runs([RunReport::clone(&clean)])).await.unwrap();
    let (started, duration) = (Duration::from_millis(40), Duration::from_millis(2));
    let steps = vec![step("delete", 0, 1_000)];
    let cleanup = CleanupReport { run: clean, started, duration, steps, result: CleanupResult::Clean };
    store.cleanup_finished(&Arc::new(cleanup));
    store.housekeep(at(late + 300)).await.unwrap();
    // Not in the rollups yet, and more than are read at once.
    store.commit(runs((0..4_100).map(|number| passed(&eu, late + 400 + number)))).await.unwrap();
}

/// Incidents with all that belongs to them, states, the cleanup ledger and events, one of them with a zero byte.
async fn write_alerts(store: &dyn Store) {
    let tries = ["T1", "T2", "T3", "T4"].map(|id| attempt(id, &["I1", "I2"], END - 60)).to_vec();
    let ends = [TryState::Taken, TryState::Refused, TryState::Dropped];
    let commit = Commit {
        states: vec![
            state("canary", "p/eu", Some("{\"streak\":2}")),
            state("cover", "I1/pager", Some("{\"key\":\"probe/p/4\"}")),
            state("member", "I1/canary/p/eu", Some("{}")),
            state("pause", "p/us", Some("{}")),
        ],
        incidents: vec![incident("I1", None), incident("I2", Some(END - 30))],
        timeline: vec![timeline("I1", END - 50, "opened"), timeline("I1", END - 70, "taken"), timeline("I2", END - 20, "ended")],
        outcomes: tries.iter().zip(ends).map(|(row, state)| outcome(row, state)).collect(),
        tries,
        events: vec![event("E1", END - 5), EventRow { text: "zero\0byte".to_owned(), ..event("E2", END - 4) }],
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    for id in ["L1", "L2", "L3"] {
        store.intend(entry(id)).await.unwrap();
    }
    store.created("L1", serde_json::json!({ "id": 7 }));
    store.ended("L1", LedgerEnd::Retry { message: "no answer".to_owned() });
    store.ended("L2", LedgerEnd::Again);
    store.ended("L3", LedgerEnd::GivenUp { message: "it is still there".to_owned() });
    store.commit(Commit::default()).await.unwrap();
}

/// A closed file with rows of every kind, and where somebody was who followed it from before the last ones.
async fn filled(directory: &Path) -> Cursors {
    let store = file(directory, at(0));
    write_runs(&*store).await;
    let cursors = Cursors::of(&*store).await;
    store.commit(runs([run(&canary("p", "eu"), Verdict::Passed, END - 90)])).await.unwrap();
    write_alerts(&*store).await;
    assert!(store.shut_down(LONG).await);
    cursors
}

/// Holds the answers of both against each other.
async fn assert_same(file: &dyn Store, database: &dyn Store, cursors: &Cursors) {
    let (expected, found) = (answers(file, at(END), cursors).await, answers(database, at(END), cursors).await);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found.1, expected.1, "{}", expected.0);
    }
    assert_eq!(found.len(), expected.len());
}

#[tokio::test]
async fn the_database_answers_every_question_as_the_file_did_and_both_go_on_alike() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Database::with_roles());
    let cursors = filled(directory.path()).await;
    let counts = copied(directory.path(), &server).await.unwrap();
    let empty: Vec<_> = counts.iter().filter(|count| count.copied == 0).map(|count| count.table).collect();
    assert_eq!(empty, [""; 0], "each kind of row is tried here");
    assert!(counts.iter().all(|count| count.found == count.copied));

    let (file, database) = (file(directory.path(), at(END)), database(&server).await);
    assert_same(&*file, &*database, &cursors).await;
    assert_eq!(
        server.ask("SELECT count(*) FROM runs_passed_default") + &server.ask("SELECT count(*) FROM runs_others_default"),
        "00"
    );

    // Numbers, names and rollups go on where they were.
    let more = runs([run(&canary("p", "eu"), Verdict::Failed, END + 1), run(&canary("q", "eu"), Verdict::Passed, END + 2)]);
    let more = Commit { timeline: vec![timeline("I1", END + 3, "left")], ..more };
    for store in [&file, &database] {
        store.commit(more.clone()).await.unwrap();
        store.housekeep(at(END + 10)).await.unwrap();
    }
    assert_same(&*file, &*database, &cursors).await;
}

#[tokio::test]
async fn a_database_that_has_something_is_refused_and_stays_as_it_is() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Database::create());
    filled(directory.path()).await;
    let store = database(&server).await;
    store.commit(Commit { states: vec![state("canary", "p/eu", Some("own"))], ..Commit::default() }).await.unwrap();
    assert!(store.shut_down(LONG).await);
    let refused = copied(directory.path(), &server).await.unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("it has rows in `states`"), "{refused}");
    assert_eq!(server.ask("SELECT (SELECT json FROM states), (SELECT count(*) FROM runs)"), "own|0");
}

#[tokio::test]
async fn of_a_copy_that_broke_off_nothing_is_there_and_the_next_one_is_whole() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Database::create());
    filled(directory.path()).await;
    let end_others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let cut = |progress: CopyProgress| {
        if progress.table == "rollups" {
            assert_eq!(server.ask(end_others), "1");
        }
    };
    let broken = copy(&store_file(directory.path()), &url(&server), "", KEPT, at(END), cut).await.unwrap_err();
    assert!(!broken.is_usage() && broken.to_string().contains("nothing was copied"), "{broken}");
    for table in ["probes", "states", "runs"] {
        assert_eq!(server.ask(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    let counts = copied(directory.path(), &server).await.unwrap();
    assert!(counts.iter().all(|count| count.found == count.copied && count.copied > 0), "{counts:?}");
}

#[tokio::test]
async fn a_file_that_a_service_works_on_and_one_that_is_not_there_are_refused() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Database::create());
    let store = file(directory.path(), at(END));
    let refused = copied(directory.path(), &server).await.unwrap_err();
    assert_eq!(refused.in_use(), Some(&*store_file(directory.path())), "{refused}");
    assert!(store.shut_down(LONG).await);

    let nowhere = directory.path().join("nowhere.db");
    let refused = copy(&nowhere, &url(&server), "", KEPT, at(END), |_| {}).await.unwrap_err();
    assert!(refused.is_usage() && refused.to_string().starts_with("there is no store at "), "{refused}");
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_database_that_somebody_works_on_is_refused() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Arc::new(Database::create()));
    let store = file(directory.path(), at(0));
    assert!(store.shut_down(LONG).await && database(&server).await.shut_down(LONG).await);
    let other = Arc::clone(&server);
    let other = std::thread::spawn(move || other.ask("BEGIN; LOCK TABLE states IN ROW EXCLUSIVE MODE; SELECT pg_sleep(8)"));
    while server.ask("SELECT count(*) FROM pg_locks WHERE relation = 'states'::regclass AND mode = 'RowExclusiveLock'") == "0" {}
    let refused = copied(directory.path(), &server).await.unwrap_err();
    assert!(matches!(refused, CopyError::Target(TargetError::InUse { .. })), "{refused}");
    other.join().unwrap();
}

#[test]
fn a_copy_with_other_rows_than_the_file_is_none() {
    let found: Vec<u64> = (0..20).collect();
    assert_eq!(compared(&found, &found).unwrap().len(), TABLES.len());
    let mut copied = found.clone();
    copied[7] += 1;
    let different = compared(&found, &copied).unwrap_err();
    assert!(matches!(&different, CopyError::Different(counts) if counts[7].copied == 8), "{different}");
}

#[tokio::test]
async fn every_column_of_the_database_is_copied() {
    let server = Database::create();
    assert!(database(&server).await.shut_down(LONG).await);
    let known: Vec<String> = TABLES
        .iter()
        .chain(&POSITIONS)
        .flat_map(|table| table.columns.iter().map(|column| format!("{}.{}", table.name, column.name)))
        .collect();
    let columns = server.ask(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE 'runs\\_%'
         AND table_name NOT IN ('migrations', 'roles', 'leases', 'facts', 'requests', 'instances', 'codes')
         AND (table_name, column_name) NOT IN (('states', 'region'), ('ledger', 'region'))",
    );
    let mut there: Vec<&str> = columns.lines().collect();
    let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
    there.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, there);
}
