//! The end of rows that are old, and of incidents with what belongs to them, in slices.
//!
//! What a restart needs stays: open incidents, and those that ended a short time ago and of which something is still owed. An
//! incident's covers and members are removed as soon as nothing can be owed any more, long before the incident and its timeline.

use tokio_postgres::types::Type;
use tokio_postgres::{Error, Transaction};

use super::housekeep::Bounds;
use crate::history::OF_INCIDENTS;
use crate::history::retention_clock::{DAY_MS, HOUR_MS};
use crate::history::rollup_parts::HOURS;
use crate::history::sqlite::restore::IS_OWED;

/// Incidents that a slice looks at.
const INCIDENTS: i64 = 100;

/// Rows that a slice removes of a table.
pub(super) const SLICE: i64 = 1_000;

/// Passed runs in full that a slice looks at.
const PASSES: i64 = 1_000;

/// Series of observations that a slice looks at.
const SERIES: i64 = 100;

/// Artifacts that a slice looks at, and of how many runs it removes them; each artifact may be large.
const ARTIFACTS: (i64, i64) = (500, 20);

/// Changes that are kept for those who follow.
const CHANGES: i64 = 10_000;

/// Whether there may be more to remove than a slice did.
pub(super) fn more(removed: u64) -> bool {
    i64::try_from(removed).is_ok_and(|removed| removed >= SLICE)
}

/// Tries that tell of these incidents and of no other one that is still stored.
const TRIES_OF_INCIDENTS: &str = "SELECT DISTINCT try FROM try_incidents AS own WHERE incident = ANY ($1) AND NOT EXISTS
        (SELECT 1 FROM try_incidents AS other JOIN incidents ON incidents.id = other.incident
         WHERE other.try = own.try AND other.incident <> ALL ($1))";

/// Covers and members of these incidents. The order makes it one look into the index for each, whatever is known of the table.
const STATES_OF_INCIDENTS: &str = "DELETE FROM states WHERE ctid = ANY (ARRAY(
    SELECT own.ctid FROM unnest($1::text[]) AS gone (id) CROSS JOIN unnest($2::text[]) AS of (kind) CROSS JOIN LATERAL
        (SELECT ctid FROM states WHERE kind = of.kind AND region = ''
            AND key >= gone.id || '/' AND key < gone.id || '0' ORDER BY key) AS own))";

/// The incidents that have states of a kind, from a key on, one look into the index each.
const INCIDENTS_WITH_STATES: &str = "WITH RECURSIVE found (id) AS (
        (SELECT split_part(key, '/', 1) FROM states WHERE kind = $1 AND region = '' AND key >= $2 ORDER BY key LIMIT 1)
        UNION ALL
        SELECT (SELECT split_part(key, '/', 1) FROM states
            WHERE kind = $1 AND region = '' AND key >= found.id || '0' ORDER BY key LIMIT 1)
        FROM found WHERE found.id IS NOT NULL
    ) SELECT id, EXISTS (SELECT 1 FROM incidents WHERE incidents.id = found.id AND (resolved_ms IS NULL OR resolved_ms >= $3))
    FROM found WHERE id IS NOT NULL LIMIT $4";

/// Tries that ended, of incidents that are still open or of none, and waiting tries that are too old.
const OLD_TRIES: &str = "SELECT id FROM tries WHERE made_ms < $1 AND state IN ('taken', 'refused', 'dropped') AND NOT EXISTS
        (SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id AND resolved_ms IS NOT NULL)
    UNION ALL
    SELECT id FROM tries WHERE made_ms < $2 AND state = 'waiting' AND NOT EXISTS
        (SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id)
    LIMIT $3";

/// Timeline rows of incidents that are still open or gone. They are looked at in the order of their numbers.
const OLD_TIMELINE: &str =
    "DELETE FROM timeline WHERE at_ms < $1 AND id = ANY (ARRAY(SELECT id FROM timeline ORDER BY id LIMIT $2))
    AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = timeline.incident AND resolved_ms IS NOT NULL)";

const OLD_ROLLUPS: &str =
    "DELETE FROM rollups WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollups WHERE hour < $1 ORDER BY hour LIMIT $2))";

/// Days whose last hour is old.
const OLD_DAYS: &str = "DELETE FROM days WHERE ctid = ANY (ARRAY(SELECT ctid FROM days WHERE day < $1 ORDER BY day LIMIT $2))";

const OLD_EVENTS: &str =
    "DELETE FROM events WHERE id = ANY (ARRAY(SELECT id FROM events WHERE at_ms < $1 ORDER BY at_ms LIMIT $2))";

const OLD_COMPARISONS: &str = "DELETE FROM comparisons WHERE run_id = ANY (ARRAY(
    SELECT run_id FROM comparisons WHERE due_ms < $1 ORDER BY due_ms LIMIT $2))";

/// Of the next passed runs, those that no comparison refers to and that are old or not the newest of their canary. They may go in any order:
/// the newest one goes only where it is old, and the others are older.
const OLD_PASSES: &str = "WITH next AS MATERIALIZED
        (SELECT run_id, canary, due_ms FROM passes WHERE run_id > $1 ORDER BY run_id LIMIT $2),
    removed AS (DELETE FROM passes WHERE run_id = ANY (ARRAY(SELECT run_id FROM next AS own
        WHERE NOT EXISTS (SELECT 1 FROM comparisons WHERE before = own.run_id)
        AND NOT EXISTS (SELECT 1 FROM comparisons WHERE beside = own.run_id)
        AND (due_ms < $3 OR due_ms < (SELECT max(due_ms) FROM passes AS later WHERE later.canary = own.canary)))))
    SELECT run_id FROM next ORDER BY run_id DESC LIMIT 1";

/// All changes but the last ones.
const OLD_CHANGES: &str = "DELETE FROM changes WHERE id = ANY (ARRAY(
    SELECT id FROM changes WHERE id <= (SELECT max(id) FROM changes) - $1 ORDER BY id LIMIT $2))";

/// How long facts are kept that are well or not watched any more, milliseconds.
const FACTS: i64 = DAY_MS;

/// Facts that nobody who starts needs, by the clock that they were written by. What changes meanwhile stays.
const OLD_FACTS: &str = "DELETE FROM facts WHERE (json IS NULL OR well) AND ctid = ANY (ARRAY(SELECT ctid FROM facts
    WHERE (json IS NULL OR well) AND written < clock_timestamp() - $1 * interval '1 millisecond' LIMIT $2))";

/// How long a request is kept: longer than anybody waits for its answer.
const REQUESTS: i64 = HOUR_MS;

/// Requests that are over, by the server's clock.
const OLD_REQUESTS: &str = "DELETE FROM requests WHERE ctid = ANY (ARRAY(SELECT ctid FROM requests
    WHERE made < clock_timestamp() - $1 * interval '1 millisecond' LIMIT $2))";

/// How long a process is kept that says nothing any more.
const INSTANCES: i64 = DAY_MS;

/// Processes that are gone, by the server's clock. One that says again that it is there stays.
const OLD_INSTANCES: &str = "DELETE FROM instances WHERE heard < clock_timestamp() - $1 * interval '1 millisecond'
    AND ctid = ANY (ARRAY(SELECT ctid FROM instances WHERE heard < clock_timestamp() - $1 * interval '1 millisecond' LIMIT $2))";

/// Codes that nobody used within so long after they were over.
const CODES: i64 = 0;

/// Codes that are over, by the server's clock.
const OLD_CODES: &str = "DELETE FROM codes WHERE ctid = ANY (ARRAY(SELECT ctid FROM codes
    WHERE until < clock_timestamp() - $1 * interval '1 millisecond' LIMIT $2))";

/// What is to be forgotten, milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct IncidentPrune {
    /// What happened before is removed.
    pub(super) old: i64,
    /// Nothing is owed any more of incidents that ended before.
    pub(super) owed: i64,
}

impl IncidentPrune {
    /// Removes incidents that ended with all that belongs to them, unless something is still owed. Returns whether there may be more.
    pub(super) async fn incidents(self, transaction: &Transaction<'_>) -> Result<bool, Error> {
        let sql = format!("SELECT id FROM incidents WHERE resolved_ms < $1 AND NOT (resolved_ms >= $2 AND {IS_OWED}) LIMIT $3");
        let old =
            transaction.query_typed(&sql, &[(&self.old, Type::INT8), (&self.owed, Type::INT8), (&INCIDENTS, Type::INT8)]).await?;
        let ids: Vec<&str> = old.iter().map(|row| row.get(0)).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let tries = transaction.query_typed(TRIES_OF_INCIDENTS, &[(&ids, Type::TEXT_ARRAY)]).await?;
        remove_tries(transaction, &tries.iter().map(|row| row.get(0)).collect::<Vec<_>>()).await?;
        remove_states(transaction, &ids).await?;
        for (table, column) in [("try_incidents", "incident"), ("timeline", "incident"), ("incidents", "id")] {
            remove(transaction, table, column, &ids).await?;
        }
        Ok(i64::try_from(ids.len()) == Ok(INCIDENTS))
    }

    /// Removes states of incidents that are gone or of which nothing is owed any more. Returns where to go on.
    pub(super) async fn states(
        self,
        transaction: &Transaction<'_>,
        kind: usize,
        after: String,
    ) -> Result<Option<(usize, String)>, Error> {
        let Some(word) = OF_INCIDENTS.get(kind) else { return Ok(None) };
        let found = transaction
            .query_typed(
                INCIDENTS_WITH_STATES,
                &[(word, Type::TEXT), (&after, Type::TEXT), (&self.owed, Type::INT8), (&INCIDENTS, Type::INT8)],
            )
            .await?;
        let gone: Vec<&str> = found.iter().filter(|row| !row.get::<_, bool>(1)).map(|row| row.get(0)).collect();
        remove_states(transaction, &gone).await?;
        let last = found.last().filter(|_| i64::try_from(found.len()) == Ok(INCIDENTS));
        Ok(Some(last.map_or((kind + 1, String::new()), |row| (kind, format!("{}0", row.get::<_, &str>(0))))))
    }

    /// Removes tries that are of no incident that keeps them. Returns whether there may be more.
    pub(super) async fn tries(self, transaction: &Transaction<'_>) -> Result<bool, Error> {
        let too_old = self.old.min(self.owed);
        let values = [(&self.old as _, Type::INT8), (&too_old as _, Type::INT8), (&SLICE as _, Type::INT8)];
        let old = transaction.query_typed(OLD_TRIES, &values).await?;
        remove_tries(transaction, &old.iter().map(|row| row.get(0)).collect::<Vec<_>>()).await?;
        Ok(more(old.len() as u64))
    }
}

/// Removes incidents' covers and members.
async fn remove_states(transaction: &Transaction<'_>, incidents: &[&str]) -> Result<(), Error> {
    if incidents.is_empty() {
        return Ok(());
    }
    let values = [(&incidents as _, Type::TEXT_ARRAY), (&OF_INCIDENTS.as_slice() as _, Type::TEXT_ARRAY)];
    transaction.execute_typed(STATES_OF_INCIDENTS, &values).await?;
    Ok(())
}

async fn remove_tries(transaction: &Transaction<'_>, ids: &[&str]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    remove(transaction, "try_incidents", "try", ids).await?;
    remove(transaction, "tries", "id", ids).await
}

/// Removes the rows of which a column is one of these.
async fn remove(transaction: &Transaction<'_>, table: &str, column: &str, ids: &[&str]) -> Result<(), Error> {
    let sql = format!("DELETE FROM {table} WHERE {column} = ANY ($1)");
    transaction.execute_typed(&sql, &[(&ids, Type::TEXT_ARRAY)]).await?;
    Ok(())
}

/// Removes what is old of tables of which nothing else hangs on. Returns whether there may be more.
pub(super) async fn rows(transaction: &Transaction<'_>, bounds: &Bounds) -> Result<bool, Error> {
    let hour = bounds.rollups.div_euclid(HOUR_MS);
    let all = [
        (OLD_ROLLUPS, hour),
        (OLD_DAYS, hour.div_euclid(HOURS)),
        (OLD_TIMELINE, bounds.rollups),
        (OLD_EVENTS, bounds.rollups),
        (OLD_COMPARISONS, bounds.others),
        (OLD_CHANGES, CHANGES),
        (OLD_FACTS, FACTS),
        (OLD_REQUESTS, REQUESTS),
        (OLD_INSTANCES, INSTANCES),
        (OLD_CODES, CODES),
    ];
    let removed =
        futures::future::try_join_all(all.iter().map(|(sql, bound)| async move {
            transaction.execute_typed(sql, &[(bound, Type::INT8), (&SLICE, Type::INT8)]).await
        }));
    Ok(removed.await?.into_iter().any(more))
}

/// Removes passed runs in full that nobody looks at any more, of those after this one. Returns the run to go on after.
pub(super) async fn passes(transaction: &Transaction<'_>, before_ms: i64, after: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let values = [(&after as _, Type::BYTEA), (&PASSES as _, Type::INT8), (&before_ms as _, Type::INT8)];
    Ok(transaction.query_typed_opt(OLD_PASSES, &values).await?.map(|row| row.get(0)))
}

/// Removes old observations of the series after this one. Returns the series to go on after.
pub(super) async fn observations(transaction: &Transaction<'_>, now_ms: i64, after: i32) -> Result<Option<i32>, Error> {
    let series = transaction
        .query_typed_opt(
            "SELECT max(id) FROM (SELECT id FROM observation_series WHERE id > $1 ORDER BY id LIMIT $2) AS next",
            &[(&after, Type::INT4), (&SERIES, Type::INT8)],
        )
        .await?;
    let Some(last) = series.and_then(|row| row.get::<_, Option<i32>>(0)) else { return Ok(None) };
    let removed = transaction
        .execute_typed(
            "DELETE FROM observations WHERE ctid = ANY (ARRAY(SELECT old.ctid FROM observation_series AS own CROSS JOIN LATERAL
                    (SELECT ctid FROM observations WHERE series = own.id AND at_ms < $3 - own.keep_ms ORDER BY at_ms LIMIT $4) AS old
                WHERE own.id > $1 AND own.id <= $2 LIMIT $4))",
            &[(&after, Type::INT4), (&last, Type::INT4), (&now_ms, Type::INT8), (&SLICE, Type::INT8)],
        )
        .await?;
    if more(removed) {
        return Ok(Some(after));
    }
    // What is being written to is locked; what is locked here is not written to before it is gone. The second statement sees what was
    // written before the first.
    let locked = transaction
        .query_typed(
            "SELECT id FROM observation_series AS own WHERE id > $1 AND id <= $2
             AND NOT EXISTS (SELECT 1 FROM observations WHERE series = own.id) FOR UPDATE SKIP LOCKED",
            &[(&after, Type::INT4), (&last, Type::INT4)],
        )
        .await?;
    let locked: Vec<i32> = locked.iter().map(|row| row.get(0)).collect();
    if !locked.is_empty() {
        let empty = "DELETE FROM observation_series AS own WHERE id = ANY ($1)
            AND NOT EXISTS (SELECT 1 FROM observations WHERE series = own.id)";
        transaction.execute_typed(empty, &[(&locked, Type::INT4_ARRAY)]).await?;
    }
    Ok(Some(last))
}

/// Removes artifacts from before this time whose runs never came, or are gone. Returns the run to go on after.
pub(super) async fn stray_artifacts(
    transaction: &Transaction<'_>,
    before_ms: i64,
    after: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    // An id begins with the time of its run, as 48 bits.
    let before = u128::from(u64::try_from(before_ms).unwrap_or(0)) << 80;
    let is_gone = "(SELECT id FROM runs WHERE runs.run_id = next.run_id LIMIT 1) IS NULL";
    artifacts(transaction, is_gone, after, Some(&before.to_be_bytes())).await
}

/// Removes artifacts of those of the next runs that have some, after this one and before that one, of which a condition on `next` holds.
/// Returns the run to go on after.
pub(super) async fn artifacts(
    transaction: &Transaction<'_>,
    condition: &str,
    after: &[u8],
    before: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, Error> {
    let sql = format!(
        "WITH next AS MATERIALIZED
            (SELECT run_id FROM artifacts WHERE run_id > $1 AND ($2 IS NULL OR run_id < $2) ORDER BY run_id LIMIT $3),
        old AS MATERIALIZED (SELECT DISTINCT run_id FROM next WHERE {condition} LIMIT $4),
        removed AS (DELETE FROM artifacts WHERE run_id = ANY (ARRAY(SELECT run_id FROM old)))
        SELECT (SELECT count(*) FROM old), (SELECT run_id FROM next ORDER BY run_id DESC LIMIT 1)"
    );
    let (looked_at, removed) = ARTIFACTS;
    let values =
        [(&after as _, Type::BYTEA), (&before as _, Type::BYTEA), (&looked_at as _, Type::INT8), (&removed as _, Type::INT8)];
    let row = transaction.query_typed_one(&sql, &values).await?;
    let last: Option<Vec<u8>> = row.get(1);
    Ok(last.map(|last| if row.get::<_, i64>(0) == removed { after.to_owned() } else { last }))
}

#[cfg(test)]
mod tests;
