//! What is removed, and what stays, on a real server.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;

use tokio_postgres::NoTls;

use super::super::testing::Database;
use super::super::{PostgresStore, schema};
use super::*;
use crate::history::testing::{KEPT, LONG, at, attempt, incident, outcome, state};
use crate::history::{Commit, Housekeeper as _, Reader as _, Recorder as _, Recovery as _, RestoredTry, StartState, TryState};
use crate::plan::{DatabaseUrl, Retention};

const HOUR: u64 = 3_600;

async fn open(database: &Database, kept: Retention, seconds: u64) -> (PostgresStore, StartState) {
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    let store = PostgresStore::open(&url, kept, None, at(seconds)).await.unwrap();
    let restored = store.start_state(at(seconds)).await.unwrap();
    (store, restored)
}

/// Cleans up at a time that the clock has shown for a day.
async fn housekeep(store: &PostgresStore, seconds: u64) {
    for seconds in [seconds.saturating_sub(24 * HOUR), seconds] {
        store.housekeep(at(seconds)).await.unwrap();
    }
}

#[tokio::test]
async fn tries_covers_and_members_go_with_their_incident_and_what_several_share_with_the_last_one() {
    let database = Database::create();
    let (store, _) = open(&database, KEPT, 0).await;
    let tries = vec![attempt("T1", &["I1"], 1), attempt("T2", &["I1", "I2"], 2), attempt("T3", &["I2"], 3)];
    let kept = ["I1/pager", "I2/pager", "I20/pager"].map(|key| state("cover", key, Some("{}")));
    let members = ["I1/canary/p/eu", "I2/canary/p/eu"].map(|key| state("member", key, Some("{}")));
    // More incidents than a slice looks at.
    let many = (0..250).map(|number| format!("J{number:03}"));
    let commit = Commit {
        incidents: vec![incident("I1", Some(5)), incident("I2", Some(150 * HOUR)), incident("I20", None)],
        outcomes: tries.iter().map(|row| outcome(row, TryState::Taken)).collect(),
        tries,
        states: kept
            .into_iter()
            .chain(members)
            .chain(many.map(|id| state("cover", &format!("{id}/pager"), Some("{}"))))
            .collect(),
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    let of_incidents = || database.ask("SELECT string_agg(kind || ' ' || key, ', ' ORDER BY kind, key) FROM states");
    housekeep(&store, 200 * HOUR).await;
    assert!(store.incident("I1".to_owned()).await.unwrap().is_some(), "its story is still told");
    assert_eq!(of_incidents(), "cover I2/pager, cover I20/pager, member I2/canary/p/eu", "nothing is owed after a week");
    housekeep(&store, 300 * HOUR).await;
    assert!(store.incident("I1".to_owned()).await.unwrap().is_none());
    let shared = store.incident("I2".to_owned()).await.unwrap().unwrap();
    assert_eq!(shared.tries.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["T2", "T3"]);
    housekeep(&store, 1_000 * HOUR).await;
    assert_eq!(store.tries().await.unwrap().taken, 0);
    assert_eq!(of_incidents(), "cover I20/pager", "it is open");
    assert_eq!(database.ask("SELECT count(*) FROM try_incidents"), "0");
}

/// What is written of one incident.
#[derive(Debug, Clone)]
struct Population {
    /// Hours after which it ended.
    ended: Option<u64>,
    covers: usize,
    members: usize,
    /// Hours after which a try was made, what became of it, and whether it tells of the next incident, too.
    tries: Vec<(u64, TryState, bool)>,
}

fn population() -> impl Strategy<Value = Population> {
    let state = prop::sample::select(TryState::ALL.to_vec());
    let tries = prop::collection::vec((0..500_u64, state, any::<bool>()), 0..4);
    (prop::option::of(0..500_u64), 0..3_usize, 0..3_usize, tries).prop_map(|(ended, covers, members, tries)| Population {
        ended,
        covers,
        members,
        tries,
    })
}

fn written(populations: &[Population]) -> Commit {
    let mut commit = Commit::default();
    for (at, of) in populations.iter().enumerate() {
        let id = format!("I{at:03}");
        commit.incidents.push(incident(&id, of.ended.map(|hours| hours * HOUR)));
        commit.states.extend((0..of.covers).map(|to| state("cover", &format!("{id}/c{to}"), Some("{}"))));
        commit.states.extend((0..of.members).map(|to| state("member", &format!("{id}/canary/p/r{to}"), Some("{}"))));
        for (which, (made, became, shared)) in of.tries.iter().enumerate() {
            let next = format!("I{:03}", at + 1);
            let about = [id.as_str(), next.as_str()];
            let row = attempt(&format!("{id}-{which}"), if *shared { &about } else { &about[..1] }, made * HOUR);
            commit.outcomes.push(outcome(&row, *became));
            commit.tries.push(row);
        }
    }
    commit
}

/// One for each case would take most of the time.
static OF_ALL_CASES: LazyLock<Database> = LazyLock::new(Database::create);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A process that starts after housekeeping takes up the same as one that starts before it.
    #[test]
    fn housekeeping_removes_nothing_that_a_start_takes_up(
        populations in prop::collection::vec(population(), 1..8),
        hours in 24..900_u64,
        keep in prop::sample::select(vec![24, 240]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (before, after) = runtime.block_on(async {
            let kept = Retention { rollups: Duration::from_hours(keep), ..KEPT };
            let (store, _) = open(&OF_ALL_CASES, kept, 0).await;
            // On another thread, as it waits for what the store's connections leave.
            let empty = || OF_ALL_CASES.ask("TRUNCATE incidents, states, tries, try_incidents; DELETE FROM marks WHERE name <> 'file'");
            tokio::task::spawn_blocking(empty).await.unwrap();
            store.commit(written(&populations)).await.unwrap();
            let before = store.start_state(at(hours * HOUR)).await.unwrap();
            housekeep(&store, hours * HOUR).await;
            let after = store.start_state(at(hours * HOUR)).await.unwrap();
            assert!(store.shut_down(LONG).await);
            (before, after)
        });
        prop_assert_eq!(before.incidents, after.incidents);
        prop_assert_eq!(before.states, after.states);
        let tries = |tries: Vec<RestoredTry>| tries.into_iter().map(|row| (row.id, row.json)).collect::<Vec<_>>();
        prop_assert_eq!(tries(before.tries), tries(after.tries));
    }
}

/// What becomes of passed runs in one statement that looks at all of them.
const KEPT_PASSES: &str = "CREATE TABLE kept AS SELECT run_id FROM passes AS own
    WHERE EXISTS (SELECT 1 FROM comparisons WHERE before = own.run_id OR beside = own.run_id)
    OR (due_ms >= 260 AND NOT EXISTS (SELECT 1 FROM passes AS later WHERE later.canary = own.canary AND later.due_ms > own.due_ms))";

#[tokio::test]
async fn passed_runs_go_in_slices_as_they_would_at_once() {
    let database = Database::create();
    let (mut client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    schema::migrate(&mut client).await.unwrap();
    // The order of their ids has nothing to do with that of their times. Ten canaries have passed only long ago, and some have two newest.
    let many = PASSES * 5 / 2;
    let fill = format!(
        "INSERT INTO probes (name) VALUES ('p');
         INSERT INTO canaries (name, probe, region) SELECT 'p/' || number, 1, 'eu' FROM generate_series(1, 50) AS number;
         INSERT INTO passes (run_id, canary, probe, due_ms, json) SELECT decode(md5(number::text), 'hex'), 1 + number % 50, 1,
            number * 7919 % CASE WHEN number % 50 < 10 THEN 200 ELSE 480 END, '' FROM generate_series(1, {many}) AS number;
         INSERT INTO comparisons (run_id, due_ms, before, beside) SELECT decode(md5('failed' || number), 'hex'), 0,
            decode(md5((number * 97)::text), 'hex'), decode(md5((number * 101)::text), 'hex') FROM generate_series(1, 20) AS number"
    );
    client.batch_execute(&fill).await.unwrap();
    client.batch_execute(KEPT_PASSES).await.unwrap();
    let (mut after, mut slices, mut stored) = (Some(Vec::new()), 0, many);
    while let Some(last) = after {
        let transaction = client.transaction().await.unwrap();
        after = passes(&transaction, 260, &last).await.unwrap();
        transaction.commit().await.unwrap();
        let left = client.query_typed_one("SELECT count(*) FROM passes", &[]).await.unwrap().get(0);
        assert!(stored - left <= PASSES, "{} at once", stored - left);
        (stored, slices) = (left, slices + 1);
    }
    assert_eq!(slices, 4, "three that find some, and one that finds none");
    let both = "SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM passes), (SELECT count(*) FROM passes JOIN kept USING (run_id)),
        (SELECT count(DISTINCT canary) FROM passes JOIN kept USING (run_id) WHERE due_ms >= 260)";
    let row = client.query_typed_one(both, &[]).await.unwrap();
    let [kept, left, same, canaries] = std::array::from_fn(|at| row.get::<_, i64>(at));
    assert!(kept == left && kept == same, "{kept} would be kept at once, {left} are, {same} of them the same");
    assert!(canaries == 40 && kept > canaries && kept < PASSES, "{kept} of {canaries} canaries");
}
