//! What runs hand in beside their reports: artifacts and observations.

use tokio_postgres::{Client, Error};

use super::question::{self, count, id, number, text, unsigned};
use crate::history::{Artifact, ArtifactView, OBSERVATIONS, ObservationFilter, ObservationView};

const SEEN: &str = "SELECT at_ms, value, weight FROM observations
    WHERE series = (SELECT id FROM observation_series WHERE canary = (SELECT id FROM canaries WHERE name = $1)
        AND name = $2 AND md5(subject) = md5($3) AND subject = $3)
    AND at_ms >= $4 AND at_ms < $5 ORDER BY at_ms DESC LIMIT $6";

pub(super) async fn artifacts(client: &Client, run_id: &str) -> Result<Vec<ArtifactView>, Error> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(Vec::new()) };
    let sql = "SELECT name, media_type, size, bytes IS NOT NULL FROM artifacts WHERE run_id = $1 ORDER BY name";
    question::all(client, sql, vec![id(run)], |row| {
        let (name, media_type) = (row.try_get(0)?, row.try_get(1)?);
        Ok(ArtifactView { name, media_type, size: unsigned(row, 2)?, is_kept: row.try_get(3)? })
    })
    .await
}

pub(super) async fn artifact(client: &Client, run_id: &str, name: &str) -> Result<Option<Artifact>, Error> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(None) };
    let sql = "SELECT media_type, bytes FROM artifacts WHERE run_id = $1 AND name = $2 AND bytes IS NOT NULL";
    question::first(client, sql, vec![id(run), text(name)], |row| {
        Ok(Artifact { media_type: row.try_get(0)?, bytes: row.try_get(1)? })
    })
    .await
}

/// The last observations, oldest first.
pub(super) async fn observations(client: &Client, filter: &ObservationFilter) -> Result<Vec<ObservationView>, Error> {
    let ObservationFilter { canary, name, subject, since_ms, until_ms } = filter;
    let subject = subject.as_deref().unwrap_or_default();
    let values = vec![text(canary), text(name), text(subject), number(*since_ms), number(*until_ms), count(OBSERVATIONS)];
    let mut found = question::all(client, SEEN, values, |row| {
        Ok(ObservationView { at_ms: row.try_get(0)?, value: row.try_get(1)?, weight: row.try_get(2)? })
    })
    .await?;
    found.reverse();
    Ok(found)
}
