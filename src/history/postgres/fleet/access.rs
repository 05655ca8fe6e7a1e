//! What logs people in on every instance: the key of the service, and one-time codes by their hashes.

use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::super::reader::{all, number, text};
use crate::base::time::signed_millis;

const FIRST: &str = "INSERT INTO states (kind, key, json) VALUES ($1, '', $2) ON CONFLICT DO NOTHING";

const STATE: &str = "SELECT json FROM states WHERE kind = $1 AND region = '' AND key = ''";

/// Of many codes the oldest give way.
const KEEP: &str = "WITH old AS (DELETE FROM codes WHERE hash IN (SELECT hash FROM codes ORDER BY until DESC OFFSET 99))
    INSERT INTO codes (hash, json, until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')";

/// Of several that bring the same code, one has it.
const TAKE: &str = "DELETE FROM codes WHERE hash = $1 RETURNING CASE WHEN until >= clock_timestamp() THEN json END";

/// The state of this kind; this one where there was none. Who loses a race against another one waits for its commit, and sees that.
pub(super) async fn first_state(client: &Client, kind: &str, json: String) -> Result<String, Error> {
    all(client, FIRST, vec![text(kind), text(&json)], |_| Ok(())).await?;
    let kept = all(client, STATE, vec![text(kind)], |row| row.try_get(0)).await?;
    Ok(kept.into_iter().next().unwrap_or(json))
}

/// Keeps what a code is for.
pub(super) async fn keep_code(client: &Client, hash: &str, json: &str, lasts: Duration) -> Result<(), Error> {
    all(client, KEEP, vec![text(hash), text(json), number(signed_millis(lasts))], |_| Ok(())).await.map(drop)
}

/// What the code is for, if it is good.
pub(super) async fn take_code(client: &Client, hash: &str) -> Result<Option<String>, Error> {
    let taken = all(client, TAKE, vec![text(hash)], |row| row.try_get(0)).await?;
    Ok(taken.into_iter().next().flatten())
}
