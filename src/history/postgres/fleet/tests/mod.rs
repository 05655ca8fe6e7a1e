//! What the processes of a fleet do with one database, on a real server, each of a region as a role of its own under row-level security.

mod facts;
mod leases;
mod regions;
mod requests;
mod roles;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::super::PostgresStore;
use super::super::connection::{Connection, Connector};
use super::super::testing::Database;
use crate::history::testing::{KEPT, at};
use crate::history::{Commit, Epoch, FactRow, Fleet as _, LeaseAnswer, LeaseName};
use crate::plan::DatabaseUrl;

/// Longer than a test takes.
const LASTS: Duration = Duration::from_mins(10);

/// A process that probes from a region, or none.
async fn open(database: &Database, region: Option<&str>) -> PostgresStore {
    let url = DatabaseUrl::parse(&database.url_of_region(region)).unwrap();
    PostgresStore::open(&url, KEPT, region.map(Arc::from), at(0)).await.unwrap()
}

/// A connection of somebody who writes by hand.
async fn connect(database: &Database) -> Connection {
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    Connector::new(&url).unwrap().pool(1).unwrap().get().await.unwrap()
}

fn region(name: &str) -> LeaseName {
    LeaseName::Region(name.into())
}

async fn take(store: &PostgresStore, name: LeaseName, holder: &str, lasts: Duration) -> LeaseAnswer {
    store.take_lease(name, holder.to_owned(), "{}".to_owned(), lasts).await.unwrap().answer
}

/// Takes a lease that is free.
async fn held(store: &PostgresStore, name: LeaseName, holder: &str) -> Epoch {
    let answer = take(store, name, holder, LASTS).await;
    let LeaseAnswer::Held(epoch) = answer else { panic!("another one has it: {answer:?}") };
    epoch
}

/// Takes a lease over, as if the one who has it had not renewed it for long.
async fn take_over(database: &Database, store: &PostgresStore, name: LeaseName, holder: &str) -> Epoch {
    database.ask(&format!("UPDATE leases SET until = now() - interval '1 s' WHERE name = '{name}'"));
    held(store, name, holder).await
}

/// Begins a transaction under a lease.
async fn begin_under(client: &Client, name: &LeaseName, epoch: Epoch) {
    client.batch_execute("BEGIN").await.unwrap();
    let values = [(&name.to_string() as _, Type::TEXT), (&epoch.0 as _, Type::INT8)];
    client.query_typed("SELECT fence($1, $2)", &values).await.unwrap();
}

fn fact(key: &str, json: Option<&str>, well: bool) -> Commit {
    Commit { facts: vec![FactRow { key: key.to_owned(), json: json.map(str::to_owned), well }], ..Commit::default() }
}
