//! The hours of canaries.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt as _;
use tokio_postgres::{Client, Error, Row};

use super::question::{self, count, number, text, unsigned};
use crate::history::encoding::hour::{steps_from_bytes, ticks_from_bytes};
use crate::history::retention_clock::HOUR_MS;
use crate::history::rollup_parts::hours;
use crate::history::{HOURS_OF_ALL, HourCounts, RollupView, RunCounts, Sketch, TICKS, TickView};

/// Hours of a canary that something may lie in.
const OF_CANARY: &str =
    "FROM rollups WHERE canary = (SELECT id FROM canaries WHERE name = $1) AND hour >= $2 AND hour < $3 ORDER BY hour";

/// The counts of the hours of all canaries, from the index alone.
const COUNTS: &str = "SELECT hour, passed, failed, errored, missed, blocked, skipped, degraded, canaries.id, name
    FROM rollups JOIN canaries ON canaries.id = rollups.canary WHERE hour >= $1 AND hour < $2
    ORDER BY hour DESC, name DESC LIMIT $3";

/// What a rollup is read from, after its hour.
pub(super) const ROLLUP: &str = "passed, failed, errored, missed, blocked, skipped, degraded, durations, reasons, steps";

pub(super) async fn rollups(client: &Client, canary: &str, since_ms: i64, until_ms: i64) -> Result<Vec<RollupView>, Error> {
    let hours = hours(since_ms, until_ms);
    let values = vec![text(canary), number(hours.start), number(hours.end)];
    question::all(client, &format!("SELECT hour, {ROLLUP} {OF_CANARY}"), values, |row| rollup(row, HOUR_MS)).await
}

/// The counts of the hours of all canaries, by hour and then by canary; the newest ones if they are too many.
pub(super) async fn rollups_of_all(client: &Client, since_ms: i64, until_ms: i64) -> Result<Vec<HourCounts>, Error> {
    let hours = hours(since_ms, until_ms);
    let values = vec![number(hours.start), number(hours.end), count(HOURS_OF_ALL)];
    let mut names: HashMap<i32, Arc<str>> = HashMap::new();
    let mut found = question::all(client, COUNTS, values, |row| {
        let name: &str = row.try_get(9)?;
        Ok(HourCounts {
            canary: Arc::clone(names.entry(row.try_get(8)?).or_insert_with(|| name.into())),
            hour_ms: start_ms(row, HOUR_MS)?,
            counts: counts(row)?,
        })
    })
    .await?;
    found.reverse();
    Ok(found)
}

/// From the first column: the number of an hour, or of what is as long as this.
pub(super) fn start_ms(row: &Row, unit_ms: i64) -> Result<i64, Error> {
    Ok(i64::from(row.try_get::<_, i32>(0)?) * unit_ms)
}

/// From the columns after the first: passed, failed, errored, missed, blocked, skipped, degraded.
pub(super) fn counts(row: &Row) -> Result<RunCounts, Error> {
    Ok(RunCounts {
        passed: unsigned(row, 1)?,
        failed: unsigned(row, 2)?,
        errored: unsigned(row, 3)?,
        missed: unsigned(row, 4)?,
        blocked: unsigned(row, 5)?,
        skipped: unsigned(row, 6)?,
        degraded: unsigned(row, 7)?,
    })
}

/// From the number of an hour, or of what is as long as this, and the columns of [`ROLLUP`].
pub(super) fn rollup(row: &Row, unit_ms: i64) -> Result<RollupView, Error> {
    Ok(RollupView {
        start_ms: start_ms(row, unit_ms)?,
        counts: counts(row)?,
        durations: Sketch::from_bytes(row.try_get(8)?),
        reasons: serde_json::from_str(row.try_get(9)?).unwrap_or_default(),
        steps: steps_from_bytes(row.try_get(10)?),
    })
}

pub(super) async fn ticks(client: &Client, canary: &str, since_ms: i64, until_ms: i64) -> Result<Vec<TickView>, Error> {
    let hours = hours(since_ms, until_ms);
    let values = vec![text(canary), number(hours.start), number(hours.end)];
    let mut ticks = Vec::new();
    let mut rows = pin!(question::stream(client, &format!("SELECT hour, ticks {OF_CANARY}"), values).await?);
    while ticks.len() < TICKS
        && let Some(row) = rows.try_next().await?
    {
        let mut of_hour = ticks_from_bytes(row.try_get(1)?, start_ms(&row, HOUR_MS)?, TICKS);
        of_hour.retain(|tick| tick.due_ms >= since_ms && tick.due_ms < until_ms);
        // They are in the order of writing; a slow run ends after a later one.
        of_hour.sort_by_key(|tick| tick.due_ms);
        ticks.extend(of_hour);
    }
    ticks.truncate(TICKS);
    Ok(ticks)
}
