//! Days of canaries, each the sum of its hours: what pages of weeks and months read instead of 24 rows.
//!
//! A day is summed when it is over, one after the other, each canary by canary; two marks say how far that is. What comes late to
//! an hour of a day that is there has the day summed anew, so that a day that is there always equals its hours.

use std::collections::BTreeMap;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Transaction};

use super::housekeep::{marks, write_marks};
use super::prune::{SLICE, more};
use super::rollup::{CountedColumns, read, stored};
use crate::history::encoding::hour::Hour;
use crate::history::retention_clock::{DAY_MS, HOUR_MS};
use crate::history::rollup_parts::{HOURS, Summed};

/// How long after its end a day is summed: most of what comes late is there by then.
const LATE_MS: i64 = 2 * HOUR_MS;

/// Canaries whose day is summed at once, each from up to 24 rows of some kilobytes.
const CANARIES: usize = 100;

const WRITE: &str = "INSERT INTO days
        (canary, day, passed, failed, errored, missed, blocked, skipped, degraded, durations, steps, reasons)
    SELECT * FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[], $12::text[])
    ON CONFLICT (canary, day) DO UPDATE SET passed = excluded.passed, failed = excluded.failed, errored = excluded.errored,
        missed = excluded.missed, blocked = excluded.blocked, skipped = excluded.skipped, degraded = excluded.degraded,
        durations = excluded.durations, steps = excluded.steps, reasons = excluded.reasons";

/// How far days are summed, as the marks say; nowhere before the first day.
async fn summed(transaction: &Transaction<'_>) -> Result<Option<Summed>, Error> {
    let [day, canary] = marks(transaction, ["days", "days_canary"]).await?;
    Ok(day.zip(canary).map(|(day, canary)| Summed { day, canary }))
}

async fn write_summed(transaction: &Transaction<'_>, summed: Summed) -> Result<(), Error> {
    write_marks(transaction, &[("days", summed.day), ("days_canary", summed.canary)]).await
}

/// Sums the next days of some canaries, as far as they are over by this time. Returns whether there may be more.
pub(super) async fn sum(transaction: &Transaction<'_>, now_ms: i64) -> Result<bool, Error> {
    // The last day that is over.
    let last = now_ms.saturating_sub(LATE_MS).div_euclid(DAY_MS) - 1;
    let known = match summed(transaction).await? {
        Some(known) => known,
        None => match next_day(transaction, i64::MIN / HOURS).await? {
            Some(first) => Summed { day: first - 1, canary: 0 },
            None => return Ok(false),
        },
    };
    if known.day > last {
        // The clock was ahead, and is right now: what goes on is no day that is over.
        return forget_after(transaction, last).await;
    }
    let day = known.end();
    if day > last {
        return Ok(false);
    }
    let limit = i64::try_from(CANARIES).unwrap_or(i64::MAX);
    let canaries: Vec<i32> = transaction
        .query_typed(
            "SELECT id FROM canaries WHERE id > $1 ORDER BY id LIMIT $2",
            &[(&known.canary, Type::INT8), (&limit, Type::INT8)],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect();
    write_days(transaction, &canaries.iter().map(|canary| (*canary, day)).collect::<Vec<_>>()).await?;
    let next = match canaries.last() {
        Some(last) if canaries.len() == CANARIES => Summed { canary: i64::from(*last), ..known },
        // Days without any hours are passed over, up to the one before the next with some.
        _ => Summed { day: next_day(transaction, day + 1).await?.map_or(day, |next| last.min(next - 1)), canary: 0 },
    };
    write_summed(transaction, next).await?;
    Ok(true)
}

/// Removes the days after this one, some at a time, and then takes it for the last that is there. Returns whether there may be more.
async fn forget_after(transaction: &Transaction<'_>, last: i64) -> Result<bool, Error> {
    let removed = transaction
        .execute_typed(
            "DELETE FROM days WHERE ctid = ANY (ARRAY(SELECT ctid FROM days WHERE day > $1 ORDER BY day LIMIT $2))",
            &[(&last, Type::INT8), (&SLICE, Type::INT8)],
        )
        .await?;
    if !more(removed) {
        write_summed(transaction, Summed { day: last, canary: 0 }).await?;
    }
    Ok(true)
}

/// The first day from this one on that has an hour of some canary.
async fn next_day(transaction: &Transaction<'_>, day: i64) -> Result<Option<i64>, Error> {
    let row = transaction
        .query_typed_one("SELECT min(hour) FROM rollups WHERE hour >= $1", &[(&day.saturating_mul(HOURS), Type::INT8)])
        .await?;
    Ok(row.get::<_, Option<i32>>(0).map(|hour| i64::from(hour).div_euclid(HOURS)))
}

/// Sums those days anew that are there and to whose hours, given by their canaries and numbers, something came.
pub(super) async fn renew(transaction: &Transaction<'_>, hours: &[(i32, i32)]) -> Result<(), Error> {
    let Some(known) = summed(transaction).await? else { return Ok(()) };
    let mut days: Vec<(i32, i64)> = hours
        .iter()
        .map(|(canary, hour)| (*canary, i64::from(*hour)))
        .filter(|(canary, hour)| known.covers(i64::from(*canary), *hour))
        .map(|(canary, hour)| (canary, hour.div_euclid(HOURS)))
        .collect();
    days.sort_unstable();
    days.dedup();
    for some in days.chunks(CANARIES) {
        write_days(transaction, some).await?;
    }
    Ok(())
}

/// Writes the sums of the hours of these days of canaries, of those that have any.
async fn write_days(transaction: &Transaction<'_>, days: &[(i32, i64)]) -> Result<(), Error> {
    let hours = days.iter().flat_map(|(canary, day)| {
        let first = day.saturating_mul(HOURS);
        (first..first.saturating_add(HOURS)).filter_map(|hour| Some((*canary, i32::try_from(hour).ok()?)))
    });
    let (canaries, hours): (Vec<i32>, Vec<i32>) = hours.unzip();
    let rows = stored(transaction, &canaries, &hours).await?;
    // In the order of the hours, which the order of steps comes from.
    let hours: BTreeMap<(i32, i32), Hour> = rows.iter().map(read).collect();
    let mut sums: BTreeMap<(i32, i64), Hour> = BTreeMap::new();
    for ((canary, hour), counted) in hours {
        sums.entry((canary, i64::from(hour).div_euclid(HOURS))).or_default().merge(counted);
    }
    if sums.is_empty() {
        return Ok(());
    }
    let mut columns = CountedColumns::default();
    for whole in sums.values() {
        columns.push(whole);
    }
    let canaries: Vec<i32> = sums.keys().map(|(canary, _)| *canary).collect();
    let numbers: Vec<i32> = sums.keys().map(|(_, day)| i32::try_from(*day).unwrap_or(i32::MAX)).collect();
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&canaries, Type::INT4_ARRAY), (&numbers, Type::INT4_ARRAY)];
    values.extend(columns.values());
    transaction.execute_typed(WRITE, &values).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
