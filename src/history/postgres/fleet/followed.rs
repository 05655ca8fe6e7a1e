//! What people said on one process and all of them heed: pauses and mutes.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::history::{FOLLOWED, RestoredState};

const ALL: &str = "SELECT kind, key, json FROM states WHERE kind = ANY ($1) AND region = '' ORDER BY kind, key";

/// All of them, as of now.
pub(super) async fn all(client: &Client) -> Result<Vec<RestoredState>, Error> {
    let kinds = FOLLOWED.to_vec();
    let rows = client.query_typed(ALL, &[(&kinds, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok(RestoredState { kind: row.try_get(0)?, key: row.try_get(1)?, json: row.try_get(2)? })).collect()
}
