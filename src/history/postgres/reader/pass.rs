//! Passed runs in full: the newest of a canary, and what a failed run is compared with.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, id, text};
use super::run::run_id;
use crate::history::{Comparison, PassView};

const NEWEST: &str = "SELECT run_id, name, due_ms, json FROM passes JOIN canaries ON canaries.id = canary
    WHERE canary = (SELECT id FROM canaries WHERE name = $1) ORDER BY due_ms DESC LIMIT 1";

const COMPARED: &str = "SELECT passes.run_id, name, passes.due_ms, json, coalesce(passes.run_id = before, false)
    FROM comparisons JOIN passes ON passes.run_id = ANY (ARRAY[before, beside]) JOIN canaries ON canaries.id = canary
    WHERE comparisons.run_id = $1";

/// The newest pass of a canary that is written.
pub(super) async fn newest(client: &Client, canary: &str) -> Result<Option<PassView>, Error> {
    question::first(client, NEWEST, vec![text(canary)], view).await
}

/// What a failed run is compared with.
pub(super) async fn comparison(client: &Client, run_id: &str) -> Result<Comparison, Error> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(Comparison::default()) };
    let mut comparison = Comparison::default();
    for (is_before, pass) in question::all(client, COMPARED, vec![id(run)], |row| Ok((row.try_get(4)?, view(row)?))).await? {
        if is_before {
            comparison.before = Some(pass);
        } else {
            comparison.beside = Some(pass);
        }
    }
    Ok(comparison)
}

fn view(row: &Row) -> Result<PassView, Error> {
    Ok(PassView {
        run_id: run_id(row, 0)?,
        canary: row.try_get(1)?,
        due_ms: row.try_get(2)?,
        details: serde_json::from_str(row.try_get(3)?).unwrap_or_default(),
    })
}
