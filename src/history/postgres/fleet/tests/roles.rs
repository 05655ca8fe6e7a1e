//! What each role may do, and that a process writes nothing of another region, on a real server.

use tokio_postgres::error::SqlState;

use super::*;
use crate::history::testing::{LONG, canary, run, runs};
use crate::history::{Housekeeper as _, Recorder as _};
use crate::outcome::Verdict;

/// Does something as a role; what it says, or why it was refused.
async fn as_role(database: &Database, role: &str, sql: &str) -> Result<u64, (SqlState, String)> {
    let url = DatabaseUrl::parse(&database.url_of(role)).unwrap();
    let client = Connector::new(&url).unwrap().pool(1).unwrap().get().await.unwrap();
    client.execute_typed(sql, &[]).await.map_err(|error| {
        let said = error.as_db_error().unwrap();
        (said.code().clone(), said.message().to_owned())
    })
}

#[tokio::test]
async fn who_runs_makes_changes_and_drops_no_table() {
    let database = Database::with_roles();
    let store = open(&database, Some("eu")).await;
    store.commit(runs([run(&canary("p", "eu"), Verdict::Passed, 1)])).await.unwrap();
    let partitions = "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '_[0-9]+d$'";
    assert_ne!(database.ask(partitions), "0", "its partitions are there all the same");
    for sql in [
        "CREATE TABLE own (id integer)",
        "CREATE TEMPORARY TABLE own (id integer)",
        "CREATE SCHEMA own",
        "CREATE FUNCTION own() RETURNS void LANGUAGE sql AS ''",
        "ALTER TABLE runs ADD COLUMN own text",
        "ALTER TABLE facts DISABLE ROW LEVEL SECURITY",
        "DROP TABLE runs",
        "TRUNCATE incidents",
        "UPDATE roles SET region = 'us'",
        "DELETE FROM migrations",
        "SELECT runs_partition(0, 20000, 1)",
        "SELECT apply_roles()",
        "SET ROLE serinus_migrate",
    ] {
        let (code, message) = as_role(&database, "serinus_run_eu", sql).await.expect_err(sql);
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {message}");
    }
    for sql in [
        "SELECT make_runs_partition(2, 20000, 1)",
        "SELECT make_runs_partition(0, 20000, 0)",
        "SELECT make_runs_partition(0, 20000, 32)",
        "SELECT make_runs_partition(0, 9999999, 1)",
        "SELECT drop_runs_partition(-1, 20000, 1)",
    ] {
        let (code, message) = as_role(&database, "serinus_run_eu", sql).await.expect_err(sql);
        assert_eq!(code, SqlState::INVALID_PARAMETER_VALUE, "{sql}: {message}");
    }
    let unknown = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND relname !~ '_[0-9]+d$' AND NOT has_table_privilege('serinus_run_eu', oid, 'SELECT')";
    assert_eq!(database.ask(unknown), "0", "`apply_roles` knows each table");
    let before = database.ask(partitions);
    as_role(&database, "serinus_run_eu", "SELECT make_runs_partition(0, NULL, 1), drop_runs_partition(0, 30000, 1)")
        .await
        .unwrap();
    assert_eq!(database.ask(partitions), before);
    // The clock is believed when it has lasted for a day.
    for hours in [0, 24 * 60, 24 * 61] {
        store.housekeep(at(hours * 3_600)).await.unwrap();
    }
    let oldest = database.ask("SELECT min(relname) FROM pg_class WHERE relname ~ '^runs_passed_[0-9]+_[0-9]+d$'");
    assert!(*oldest >= *"runs_passed_20241201", "what is old went: {oldest}");
    assert_eq!(database.ask("SELECT count(*) FROM runs"), "0");
    assert!(store.shut_down(LONG).await);
}

#[tokio::test]
async fn who_reads_sees_what_happened_and_no_keys_no_messages_and_nothing_that_is_to_be_cleaned_up() {
    let database = Database::with_roles();
    let hidden = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND NOT has_table_privilege('serinus_reader', oid, 'SELECT')";
    assert_eq!(database.ask(hidden), "codes ledger requests roles states tries");
    for sql in
        ["SELECT * FROM states", "SELECT * FROM ledger", "SELECT json FROM tries", "SELECT make_runs_partition(0, 20000, 1)"]
    {
        let (code, message) = as_role(&database, "serinus_reader", sql).await.expect_err(sql);
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {message}");
    }
    for sql in ["SELECT * FROM runs", "SELECT id, state FROM tries", "SELECT * FROM facts", "SELECT * FROM leases"] {
        as_role(&database, "serinus_reader", sql).await.expect(sql);
    }
    let may_write = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND has_table_privilege('serinus_reader', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')";
    assert_eq!(database.ask(may_write), "0");
}

#[tokio::test]
async fn a_process_writes_nothing_of_another_region() {
    let database = Database::with_roles();
    let (eu, us) = (open(&database, Some("eu")).await, open(&database, Some("us")).await);
    held(&us, region("us"), "B").await;
    us.commit(fact("a", Some("bad"), false)).await.unwrap();
    eu.commit(fact("a", Some("bad"), false)).await.unwrap();
    for (table, sql) in [
        ("facts", "INSERT INTO facts VALUES ('us', 'b', 9, '{}', true, now())"),
        (
            "facts",
            "INSERT INTO facts VALUES ('us', 'a', 9, '{}', true, now()) ON CONFLICT (region, key) DO UPDATE SET well = true",
        ),
        ("facts", "UPDATE facts SET region = 'us' WHERE region = 'eu'"),
        ("states", "INSERT INTO states VALUES ('canary', 'us', 'p/us', '{}')"),
        ("ledger", "INSERT INTO ledger (id, region, entry) VALUES ('L', 'us', '{}')"),
        ("leases", "INSERT INTO leases VALUES ('region/ap', 'A', '', 1, now(), now())"),
    ] {
        let (code, message) = as_role(&database, "serinus_run_eu", sql).await.expect_err(sql);
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {message}");
        assert!(message.contains("row-level security policy") && message.contains(table), "{sql}: {message}");
    }
    // What is not its own is not there for it to change, a lease included; and it is there to be read.
    for sql in [
        "UPDATE facts SET well = true WHERE region = 'us'",
        "DELETE FROM facts WHERE region = 'us'",
        "UPDATE leases SET until = 'epoch' WHERE name = 'region/us'",
        "DELETE FROM ledger",
    ] {
        assert_eq!(as_role(&database, "serinus_run_eu", sql).await.unwrap(), 0, "{sql}");
    }
    assert_eq!(eu.facts_since(0).await.unwrap().facts.len(), 1);
    // A login that is of no region writes of none.
    let of_none = as_role(&database, "serinus", "INSERT INTO facts VALUES ('eu', 'b', 9, '{}', true, now())").await.unwrap_err();
    assert!(of_none.1.contains("row-level security policy"), "{of_none:?}");

    // Housekeeping is done by any of them for all.
    us.commit(fact("a", Some("good"), true)).await.unwrap();
    database.ask("UPDATE facts SET written = now() - interval '25 hours'");
    eu.housekeep(at(10)).await.unwrap();
    assert_eq!(database.ask("SELECT string_agg(region, ' ') FROM facts"), "eu", "what is well goes, also of another region");
}
