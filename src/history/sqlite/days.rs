//! Days of canaries, each the sum of its hours: what pages of weeks and months read instead of 24 rows.
//!
//! A day is summed when it is over, one after the other, each canary by canary; two marks say how far that is. What comes late to
//! an hour of a day that is there has the day summed anew, so that a day that is there always equals its hours.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

use super::prune::{SLICE, more};
use super::rollup::{self, COUNTED, COUNTED_MARKS, counted};
use crate::history::retention_clock::{DAY_MS, HOUR_MS};
use crate::history::rollup_parts::{HOURS, Summed};

/// How long after its end a day is summed: most of what comes late is there by then.
const LATE_MS: i64 = 2 * HOUR_MS;

/// Canaries whose day is summed in a slice.
const CANARIES: usize = 20;

/// How far days are summed, as the marks say; nowhere before the first day.
pub(super) fn summed(connection: &Connection) -> rusqlite::Result<Option<Summed>> {
    let mark = |name: &str| {
        connection
            .prepare_cached("SELECT value FROM marks WHERE name = ?")?
            .query_row([name], |row| row.get::<_, i64>(0))
            .optional()
    };
    Ok(mark("days")?.zip(mark("days_canary")?).map(|(day, canary)| Summed { day, canary }))
}

fn write_summed(transaction: &Transaction<'_>, summed: Summed) -> rusqlite::Result<()> {
    for (name, value) in [("days", summed.day), ("days_canary", summed.canary)] {
        transaction
            .prepare_cached("INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")?
            .execute(params![name, value])?;
    }
    Ok(())
}

/// Sums the next days of some canaries, as far as they are over by this time. Returns whether there may be more.
pub(super) fn sum(transaction: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<bool> {
    // The last day that is over.
    let last = now_ms.saturating_sub(LATE_MS).div_euclid(DAY_MS) - 1;
    let known = match summed(transaction)? {
        Some(known) => known,
        None => match next_day(transaction, i64::MIN / HOURS)? {
            Some(first) => Summed { day: first - 1, canary: 0 },
            None => return Ok(false),
        },
    };
    if known.day > last {
        // The clock was ahead, and is right now: what goes on is no day that is over.
        return forget_after(transaction, last);
    }
    let day = known.end();
    if day > last {
        return Ok(false);
    }
    let canaries: Vec<i64> = transaction
        .prepare_cached("SELECT id FROM canaries WHERE id > ? ORDER BY id LIMIT ?")?
        .query_map(params![known.canary, CANARIES], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for canary in &canaries {
        write_day(transaction, *canary, day)?;
    }
    let next = match canaries.last() {
        Some(last) if canaries.len() == CANARIES => Summed { canary: *last, ..known },
        // Days without any hours are passed over, up to the one before the next with some.
        _ => Summed { day: next_day(transaction, day + 1)?.map_or(day, |next| last.min(next - 1)), canary: 0 },
    };
    write_summed(transaction, next)?;
    Ok(true)
}

/// Removes the days after this one, some at a time, and then takes it for the last that is there. Returns whether there may be more.
fn forget_after(transaction: &Transaction<'_>, last: i64) -> rusqlite::Result<bool> {
    let removed = transaction.execute(
        "DELETE FROM days WHERE (canary, day) IN (SELECT canary, day FROM days WHERE day > ? LIMIT ?)",
        params![last, SLICE],
    )?;
    if !more(removed) {
        write_summed(transaction, Summed { day: last, canary: 0 })?;
    }
    Ok(true)
}

/// The first day from this one on that has an hour of some canary.
fn next_day(transaction: &Transaction<'_>, day: i64) -> rusqlite::Result<Option<i64>> {
    let hour: Option<i64> = transaction
        .prepare_cached("SELECT min(hour) FROM rollups WHERE hour >= ?")?
        .query_row([day.saturating_mul(HOURS)], |row| row.get(0))?;
    Ok(hour.map(|hour| hour.div_euclid(HOURS)))
}

/// Sums those days anew that are there and to whose hours something came.
pub(super) fn renew(transaction: &Transaction<'_>, hours: impl Iterator<Item = (i64, i64)>) -> rusqlite::Result<()> {
    let Some(known) = summed(transaction)? else { return Ok(()) };
    let mut days: Vec<(i64, i64)> = hours
        .filter(|(canary, hour)| known.covers(*canary, *hour))
        .map(|(canary, hour)| (canary, hour.div_euclid(HOURS)))
        .collect();
    days.sort_unstable();
    days.dedup();
    days.into_iter().try_for_each(|(canary, day)| write_day(transaction, canary, day))
}

/// Writes the sum of the hours of a day, if there are any.
fn write_day(transaction: &Transaction<'_>, canary: i64, day: i64) -> rusqlite::Result<()> {
    let Some(whole) = rollup::sum(transaction, canary, day * HOURS..(day + 1) * HOURS)? else { return Ok(()) };
    transaction
        .prepare_cached(&format!("INSERT OR REPLACE INTO days (canary, day, {COUNTED}) VALUES (?, ?, {COUNTED_MARKS})"))?
        .execute(params_from_iter([Value::Integer(canary), Value::Integer(day)].into_iter().chain(counted(&whole)?)))?;
    Ok(())
}

/// Removes days whose last hour is older than this one. Returns whether there may be more.
pub(super) fn prune(transaction: &Transaction<'_>, hour: i64) -> rusqlite::Result<bool> {
    let removed = transaction.execute(
        "DELETE FROM days WHERE (canary, day) IN (SELECT canary, day FROM days WHERE day < ? LIMIT ?)",
        params![hour.div_euclid(HOURS), SLICE],
    )?;
    Ok(more(removed))
}
