//! States of the whole fleet that processes look at while they run: what people said on one of them and all heed, and what was handed in.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::history::RestoredState;

const ALL: &str = "SELECT kind, key, json FROM states WHERE kind = ANY ($1) AND region = '' ORDER BY kind, key";

/// All of these kinds, as of now.
pub(super) async fn all(client: &Client, kinds: &[&str]) -> Result<Vec<RestoredState>, Error> {
    let rows = client.query_typed(ALL, &[(&kinds, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok(RestoredState { kind: row.try_get(0)?, key: row.try_get(1)?, json: row.try_get(2)? })).collect()
}
