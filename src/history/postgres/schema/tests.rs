//! Who makes which tables, and when, on a real server.

use futures::future::join_all;
use tokio_postgres::NoTls;

use super::super::testing::Database;
use super::*;

/// A migration of a version to come, as one that "adds" is.
const TRIAL: Migration = Migration {
    sql: "ALTER TABLE incidents ADD COLUMN trial text; CREATE TABLE trial (id integer PRIMARY KEY, name text)",
    least_reader: 1,
};

async fn connect(database: &Database, role: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url_of(role), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Migrates as a role with a program that knows these beyond today's.
async fn migrate_as(database: &Database, role: &str, more: &[Migration]) -> Result<Migrated, MigrationError> {
    let mut client = connect(database, role).await;
    migrate_to(&mut client, &[&MIGRATIONS, more].concat()).await
}

/// An error with all that it came from.
fn chain(error: &MigrationError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Tables that do not belong to the role that should have all.
const OTHERS_TABLES: &str = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p') AND relowner <> 'serinus_migrate'::regrole";

#[tokio::test]
async fn of_instances_that_start_at_once_one_makes_a_later_version_and_those_of_this_version_go_on() {
    let database = Database::with_roles();
    let later = join_all((0..6).map(|_| migrate_as(&database, "serinus_owner", &[TRIAL])));
    let present = join_all((0..6).map(|_| migrate_as(&database, "serinus_run_eu", &[])));
    let (later, present) = futures::join!(later, present);
    let later: Vec<Migrated> = later.into_iter().map(Result::unwrap).collect();
    assert!(later.iter().all(|migrated| migrated.now == 2), "{later:?}");
    assert_eq!(later.iter().filter(|migrated| migrated.before == 1).count(), 1, "one made it: {later:?}");
    assert!(present.iter().all(Result::is_ok), "{present:?}");
    assert_eq!(migrate_as(&database, "serinus_run_eu", &[]).await.unwrap(), Migrated { before: 2, now: 2 });
    assert_eq!(database.ask("SELECT string_agg(number::text, ' ' ORDER BY number) FROM migrations"), "1 2");
    assert_eq!(database.ask(OTHERS_TABLES), "", "the owner's role has what a member of it made");
}

#[tokio::test]
async fn a_program_that_is_too_old_for_the_tables_is_refused_and_changes_nothing() {
    let database = Database::with_roles();
    migrate_as(&database, "serinus_owner", &[TRIAL, Migration { sql: "DROP TABLE trial", least_reader: 3 }]).await.unwrap();
    for role in ["serinus_owner", "serinus_run_eu"] {
        let refused = chain(&migrate_as(&database, role, &[]).await.unwrap_err());
        assert!(refused.contains("version 3 of the tables") && refused.contains("this one knows 1"), "{refused}");
    }
    assert_eq!(database.ask("SELECT count(*) FROM migrations"), "3");
}

#[tokio::test]
async fn who_may_make_no_tables_goes_on_where_they_are_there_and_is_told_who_makes_them_where_not() {
    let database = Database::create();
    database.make_roles(&[]);
    let refused = chain(&migrate_as(&database, "serinus", &[]).await.unwrap_err());
    assert!(refused.contains("no tables that this user may use") && refused.contains("`serinus store migrate`"), "{refused}");
    // Also a superuser makes them as their owner.
    assert_eq!(migrate_as(&database, "postgres", &[]).await.unwrap(), Migrated { before: 0, now: 1 });
    assert_eq!(database.ask(OTHERS_TABLES), "");
    assert_eq!(migrate_as(&database, "serinus", &[]).await.unwrap(), Migrated { before: 1, now: 1 });
    let refused = chain(&migrate_as(&database, "serinus", &[TRIAL]).await.unwrap_err());
    assert!(refused.contains("version 1 of the tables, this program needs version 2") && refused.contains("denied"), "{refused}");
    let refused = chain(&migrate_as(&database, "serinus_stranger", &[]).await.unwrap_err());
    assert!(refused.contains("make it a member of the role that runs services"), "{refused}");
}

#[tokio::test]
async fn tables_that_one_user_made_change_hands_when_the_roles_are_made() {
    let database = Database::create();
    migrate_as(&database, "postgres", &[]).await.unwrap();
    database.ask("SELECT make_runs_partition(0, 20000, 1)");
    // The login is there because another database of the server has roles.
    Database::create().make_roles(&[]);
    let refused = migrate_as(&database, "serinus", &[]).await.unwrap_err();
    assert!(matches!(refused, MigrationError::NoRole(_)), "{refused}");
    for regions in [&[][..], &["eu"], &["eu"], &[]] {
        database.make_roles(regions);
        assert_eq!(migrate_as(&database, "serinus", &[]).await.unwrap(), Migrated { before: 1, now: 1 });
        assert_eq!(database.ask(OTHERS_TABLES), "");
        assert_eq!(
            database.ask("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner <> 'serinus_migrate'::regrole"),
            "0"
        );
        let bound = database.ask("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relrowsecurity");
        assert_eq!(bound, if regions.is_empty() { "" } else { "facts leases ledger states" });
    }
}
