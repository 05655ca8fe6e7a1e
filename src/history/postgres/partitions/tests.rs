//! Partitions are there before they are needed and go when they are old, on a real server.

use futures::future::join_all;
use tokio_postgres::{Client, NoTls};

use super::super::housekeep::HousekeepRound;
use super::super::schema;
use super::super::testing::Database;
use super::*;
use crate::base::time::from_epoch_ms;
use crate::history::testing::{KEPT, NOON};

/// When these tests begin: 2024-10-04, and so many hours later.
fn at(hours: i64) -> i64 {
    signed_millis(NOON) + hours * 3_600_000
}

async fn connect(database: &Database) -> Client {
    let (mut client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    schema::migrate(&mut client).await.unwrap();
    client
}

/// A store with one canary.
async fn store() -> (Database, Client) {
    let database = Database::create();
    let client = connect(&database).await;
    let names = "INSERT INTO probes (name) VALUES ('p'); INSERT INTO canaries (name, probe, region) VALUES ('p/eu', 1, 'eu')";
    client.batch_execute(names).await.unwrap();
    (database, client)
}

/// Three days for what passed, thirty for the rest.
async fn extend_at(client: &mut Client, now_ms: i64) {
    let transaction = client.transaction().await.unwrap();
    prepare(&transaction, now_ms, Duration::from_hours(3 * 24), Duration::from_hours(30 * 24)).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Writes a run of each class that was due then; their numbers are this one and the next.
async fn write(client: &Client, number: i64, due_ms: i64) {
    for class in [0, 1] {
        let id = number + class;
        let sql = format!(
            "INSERT INTO runs (id, class, canary, probe, due_ms, slot, run_id, trace, late_ms, duration_us, verdict, counted, degraded)
             VALUES ({id}, {class}, 1, 1, {due_ms}, 0, decode(lpad(to_hex({due_ms}), 12, '0') || lpad('{id}', 20, '0'), 'hex'), '', 0, 5,
                 {class}, true, false)"
        );
        client.batch_execute(&sql).await.unwrap();
    }
}

/// The partitions that have names of their own.
async fn names(client: &Client) -> Vec<String> {
    let sql =
        "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' AND relname !~ 'default' ORDER BY relname";
    client.query_typed(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn count(client: &Client, what: &str) -> i64 {
    client.query_typed_one(&format!("SELECT count(*) FROM {what}"), &[]).await.unwrap().get(0)
}

/// A whole round. Passed runs are kept for a day, the others for three.
async fn housekeep(client: &mut Client, now_ms: i64) -> Result<(), Error> {
    let mut round = HousekeepRound::new(from_epoch_ms(now_ms), KEPT);
    while round.slice(client).await? {}
    Ok(())
}

/// A round at a time that the clock has shown for a day.
async fn housekeep_at(client: &mut Client, now_ms: i64) {
    for ms in [now_ms - DAY_MS, now_ms] {
        housekeep(client, ms).await.unwrap();
    }
}

#[test]
fn a_name_says_which_days_a_partition_has() {
    let partition = Partition { class: Class::Others, days: 20_000..20_003 };
    assert_eq!(partition.name().unwrap(), "runs_others_20241004_3d");
    assert_eq!(Partition::of(Class::Others, "runs_others_20241004_3d"), Some(partition.clone()));
    assert_eq!(Partition::of(Class::Passed, "runs_others_20241004_3d"), None);
    for other in ["runs_others_default", "runs_others_20241004", "runs_others_20241304_3d", "runs_others_20241004_d"] {
        assert_eq!(Partition::of(Class::Others, other), None, "{other}");
    }
    for days in [3_000_000..3_000_001, i64::MAX - 1..i64::MAX] {
        assert_eq!(Partition { days, ..partition.clone() }.name(), None, "a clock that is mad");
    }
}

#[tokio::test]
async fn runs_of_the_next_days_have_partitions_from_the_first_day_on_and_again_days_later() {
    let (_database, mut client) = store().await;
    extend_at(&mut client, at(5)).await;
    let first = ["runs_others_20241003_3d", "runs_others_20241006_3d", "runs_passed_20241003_1d", "runs_passed_20241004_1d"];
    let made = names(&client).await;
    assert!(first.iter().all(|name| made.contains(&(*name).to_owned())), "{made:?}");
    let mut number = 0;
    // After a pause, too, and after a clock that was a month ahead.
    for hours in [5, 6, 23, 24, 30, 70, 200, 201, 230, 300, 1_000, 280, 301] {
        extend_at(&mut client, at(hours)).await;
        for ahead in 0..=48 {
            number += 2;
            write(&client, number, at(hours + ahead)).await;
        }
        assert_eq!(count(&client, "runs_passed_default").await + count(&client, "runs_others_default").await, 0, "{hours}");
    }
    let before = names(&client).await;
    extend_at(&mut client, at(301)).await;
    assert_eq!(names(&client).await, before, "nothing more is needed");
    assert!(before.len() < 60, "{before:?}");
}

#[tokio::test]
async fn a_run_in_the_default_partition_keeps_its_day_there_and_no_other() {
    let (_database, mut client) = store().await;
    write(&client, 1, at(30)).await;
    extend_at(&mut client, at(5)).await;
    let made = names(&client).await;
    let days = ["runs_passed_20241003_1d", "runs_passed_20241004_1d", "runs_passed_20241006_1d"];
    assert_eq!(made.iter().filter(|name| name.contains("passed")).collect::<Vec<_>>(), days.iter().collect::<Vec<_>>());
    let others = ["runs_others_20241003_2d", "runs_others_20241006_3d"];
    assert_eq!(made.iter().filter(|name| name.contains("others")).collect::<Vec<_>>(), others.iter().collect::<Vec<_>>());
    write(&client, 3, at(31)).await;
    write(&client, 5, at(48)).await;
    assert_eq!((count(&client, "runs").await, count(&client, "runs_passed_default").await), (6, 2));
    // Row by row, once they are old.
    housekeep_at(&mut client, at(24 + 31)).await;
    assert_eq!((count(&client, "runs").await, count(&client, "runs_passed_default").await), (5, 1));
    housekeep_at(&mut client, at(24 * 10)).await;
    assert_eq!(count(&client, "runs").await, 0);
    let made = names(&client).await;
    assert!(made.iter().all(|name| name.contains("202410") && name[12..20] >= *"20241012"), "{made:?}");
}

#[tokio::test]
async fn a_partition_goes_when_all_of_it_is_old_and_in_the_rollups() {
    let (_database, mut client) = store().await;
    extend_at(&mut client, at(0)).await;
    write(&client, 1, at(1)).await;
    write(&client, 3, at(23)).await;
    let bounds = |passed| Bounds { passed, ..Bounds::NONE };
    let transaction = client.transaction().await.unwrap();
    // The first is empty.
    let empty = next_old(&transaction, &bounds(at(0))).await.unwrap().unwrap();
    remove(&transaction, &empty).await.unwrap();
    assert_eq!(next_old(&transaction, &bounds(at(24) - 1)).await.unwrap(), None, "some of it is young");
    assert_eq!(next_old(&transaction, &bounds(at(24))).await.unwrap(), None, "it was not counted");
    transaction.batch_execute("INSERT INTO marks (name, value) VALUES ('rolled_up', 3)").await.unwrap();
    let old = next_old(&transaction, &bounds(at(24))).await.unwrap().unwrap();
    assert_eq!(old.name().unwrap(), "runs_passed_20241004_1d");
    transaction.commit().await.unwrap();

    write(&client, 5, at(2)).await;
    let transaction = client.transaction().await.unwrap();
    remove(&transaction, &old).await.unwrap();
    assert!(known(&transaction, Class::Passed).await.unwrap().contains(&old), "a run came late");
    transaction.batch_execute("UPDATE marks SET value = 5 WHERE name = 'rolled_up'").await.unwrap();
    for _ in 0..2 {
        remove(&transaction, &old).await.unwrap();
        assert!(!known(&transaction, Class::Passed).await.unwrap().contains(&old));
    }
    transaction.commit().await.unwrap();
    assert_eq!((count(&client, "runs_passed").await, count(&client, "runs_others").await), (0, 3));
}

#[tokio::test]
async fn artifacts_go_with_the_partition_of_their_run() {
    let (_database, mut client) = store().await;
    extend_at(&mut client, at(0)).await;
    write(&client, 1, at(1)).await;
    let sql = format!(
        "INSERT INTO artifacts (run_id, name, media_type, size) SELECT run_id, name, 't', 0 FROM runs, generate_series(1, 30) AS name;
         INSERT INTO artifacts (run_id, name, media_type, size)
             SELECT decode(lpad(to_hex({} + n), 12, '0') || lpad('9', 20, '0'), 'hex'), 'n', 't', 0 FROM generate_series(1, 1200) AS n",
        at(0)
    );
    client.batch_execute(&sql).await.unwrap();
    for (hours, left) in [(47, 1_260), (49, 1_230), (73, 0)] {
        housekeep_at(&mut client, at(hours)).await;
        if hours == 73 {
            assert_eq!(count(&client, "artifacts").await, 30, "those of the other run, whose partition has three days");
            housekeep_at(&mut client, at(121)).await;
        }
        assert_eq!(count(&client, "artifacts").await, left, "{hours}");
    }
}

#[tokio::test]
async fn whoever_asks_for_an_hour_looks_into_its_partitions_only() {
    let (_database, mut client) = store().await;
    for day in 0..10 {
        extend_at(&mut client, at(24 * day)).await;
    }
    let (since, until) = (at(24 * 9 + 3), at(24 * 9 + 4));
    let looked_into = async |condition: String| {
        let sql = format!("EXPLAIN SELECT * FROM runs WHERE {condition} ORDER BY due_ms DESC, id DESC LIMIT 50");
        let plan: Vec<String> = client.query_typed(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let on = plan.iter().filter_map(|line| line.split(" on ").nth(1)?.split(' ').next());
        let mut tables: Vec<String> = on.filter(|name| name.starts_with("runs_")).map(str::to_owned).collect();
        tables.sort();
        tables.dedup();
        tables
    };
    let range = format!("due_ms >= {since} AND due_ms < {until}");
    assert_eq!(looked_into(range.clone()).await, ["runs_others_20241012_3d", "runs_passed_20241013_1d"]);
    assert_eq!(looked_into(format!("class = 0 AND {range}")).await, ["runs_passed_20241013_1d"]);
    let ahead = looked_into(format!("class = 0 AND due_ms >= {since}")).await;
    assert!(ahead.iter().all(|name| **name >= *"runs_passed_20241013" || name.ends_with("default")), "{ahead:?}");
}

#[tokio::test]
async fn processes_that_do_it_at_once_count_each_run_once_and_make_and_drop_each_partition_once() {
    let (database, mut client) = store().await;
    extend_at(&mut client, at(0)).await;
    for number in 0..60 {
        write(&client, 2 * number + 1, at(number)).await;
    }
    let more = format!(
        "INSERT INTO runs (id, class, canary, probe, due_ms, slot, run_id, trace, late_ms, duration_us, verdict, counted, degraded)
         SELECT n, 0, 1, 1, {}, 0, decode(lpad(to_hex(n), 32, '0'), 'hex'), '', 0, 5, 0, true, false FROM generate_series(1000, 9000) AS n",
        at(59)
    );
    client.batch_execute(&more).await.unwrap();
    let clients: Vec<Client> = join_all((0..4).map(|_| connect(&database))).await;
    let rounds = clients.into_iter().map(|mut client| async move {
        for hours in [60, 70, 90, 110, 130] {
            housekeep_at(&mut client, at(hours)).await;
        }
    });
    join_all(rounds).await;
    // Whoever met another one left it to that one.
    housekeep_at(&mut client, at(130)).await;
    let counted = client.query_typed_one("SELECT sum(passed)::bigint, sum(failed)::bigint FROM rollups", &[]).await.unwrap();
    assert_eq!((counted.get::<_, i64>(0), counted.get::<_, i64>(1)), (8_061, 60));
    assert_eq!(count(&client, "runs").await, 12, "those that failed since hour 48 share a partition with one of hour 59");
    let days = client.query_typed_one("SELECT sum(passed)::bigint FROM days", &[]).await.unwrap();
    assert_eq!(days.get::<_, i64>(0), 8_061);
}

#[tokio::test]
async fn a_process_that_finds_another_one_at_it_does_not_wait_and_does_nothing() {
    let (database, mut client) = store().await;
    extend_at(&mut client, at(0)).await;
    write(&client, 1, at(1)).await;
    let mut other = connect(&database).await;
    let under_way = other.transaction().await.unwrap();
    turn(&under_way).await.unwrap();
    // If it waited, the server would cut the other one off, and it would do the work after all.
    housekeep(&mut client, at(2)).await.unwrap();
    assert_eq!(count(&client, "rollups").await, 0);
    under_way.commit().await.unwrap();
    housekeep(&mut client, at(2)).await.unwrap();
    assert_eq!(count(&client, "rollups").await, 1, "the run that passed and the one that failed are of one hour");
}

#[tokio::test]
async fn whoever_reads_for_long_puts_off_the_end_of_a_partition_and_nothing_else() {
    let (database, mut client) = store().await;
    extend_at(&mut client, at(0)).await;
    write(&client, 1, at(1)).await;
    let mut reader = connect(&database).await;
    housekeep(&mut client, at(24)).await.unwrap();
    let reading = reader.transaction().await.unwrap();
    reading.query_typed("SELECT * FROM runs", &[]).await.unwrap();
    write(&client, 3, at(47)).await;
    let put_off = housekeep(&mut client, at(48)).await.unwrap_err();
    assert_eq!(put_off.code(), Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE));
    assert_eq!(count(&client, "rollups").await, 2);
    assert_eq!(count(&client, "runs").await, 4);
    drop(reading);
    housekeep(&mut client, at(48)).await.unwrap();
    assert_eq!(count(&client, "runs").await, 3);
}
