//! Rollups: runs are counted in their canary's hour.
//!
//! Runs are counted in the order of writing, not of time. Whatever the clock does, each run is counted once, before it is
//! removed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::days;
use super::prune::{SLICE, more};
use crate::history::encoding::detail;
use crate::history::encoding::hour::{self, CountedRun, Hour};
use crate::history::retention_clock::HOUR_MS;
use crate::history::{Sketch, TICKS};
use crate::outcome::Verdict;

/// The last run that is in the rollups.
pub(super) fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mark = transaction.query_row("SELECT value FROM marks WHERE name = 'rolled_up'", [], |row| row.get(0)).optional()?;
    Ok(mark.unwrap_or(0))
}

/// Adds the next runs to their hours; whether there may be more.
pub(super) fn roll_up(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let from = mark(transaction)?;
    let mut hours: HashMap<(i64, i64), Hour> = HashMap::new();
    let mut shapes: HashMap<i64, Vec<String>> = HashMap::new();
    let mut last = None;
    let mut seen = 0;
    let mut rows = transaction.prepare_cached(
        "SELECT id, canary, due_ms, verdict, duration_us, counted, reason, shape, times, degraded FROM runs WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let mut rows = rows.query(params![from, SLICE])?;
    while let Some(row) = rows.next()? {
        seen += 1;
        last = Some(row.get::<_, i64>(0)?);
        let (canary, due_ms): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (true, Some(verdict)) = (row.get::<_, bool>(5)?, hour::verdict(row.get(3)?)) else { continue };
        let times: Option<Vec<u8>> = row.get(8)?;
        let (names, times) = match (row.get::<_, Option<i64>>(7)?, times) {
            (Some(shape), Some(times)) => {
                let names = match shapes.entry(shape) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(names(transaction, shape)?),
                };
                (names.as_slice(), detail::step_times(names.len(), &times))
            }
            (_, None) | (None, _) => (&[][..], Vec::new()),
        };
        let reason: Option<String> = row.get(6)?;
        hours.entry((canary, due_ms.div_euclid(HOUR_MS))).or_default().count(&CountedRun {
            due_ms,
            verdict,
            reason: reason.and_then(|word| word.parse().ok()),
            degraded: row.get(9)?,
            duration_us: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
            names,
            times: &times,
        });
    }
    let Some(last) = last else { return Ok(false) };
    let touched: Vec<(i64, i64)> = hours.keys().copied().collect();
    for ((canary, hour), added) in hours {
        add(transaction, canary, hour, added)?;
    }
    days::renew(transaction, touched.into_iter())?;
    transaction
        .prepare_cached(
            "INSERT INTO marks (name, value) VALUES ('rolled_up', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute([last])?;
    Ok(more(seen))
}

/// The names of the steps of a shape.
fn names(transaction: &Transaction<'_>, shape: i64) -> rusqlite::Result<Vec<String>> {
    let json: Option<String> =
        transaction.prepare_cached("SELECT names FROM shapes WHERE id = ?")?.query_row([shape], |row| row.get(0)).optional()?;
    Ok(json.map(|json| detail::names(&json)).unwrap_or_default())
}

/// Adds what is new of an hour to what is there of it.
fn add(transaction: &Transaction<'_>, canary: i64, hour: i64, added: Hour) -> rusqlite::Result<()> {
    let mut whole = known(transaction, canary, hour)?.unwrap_or_default();
    whole.merge(added);
    transaction
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO rollups (canary, hour, ticks, {COUNTED}) VALUES (?, ?, ?, {COUNTED_MARKS})"
        ))?
        .execute(params_from_iter(
            [
                Value::Integer(canary),
                Value::Integer(hour),
                Value::Blob(hour::ticks_to_bytes(&whole.ticks, hour.saturating_mul(HOUR_MS))),
            ]
            .into_iter()
            .chain(counted(&whole)?),
        ))?;
    Ok(())
}

/// What is counted of an hour or of a day, as columns.
pub(super) const COUNTED: &str = "passed, failed, errored, missed, blocked, skipped, degraded, durations, steps, reasons";

/// As many parameters.
pub(super) const COUNTED_MARKS: &str = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?";

/// The values of [`COUNTED`].
pub(super) fn counted(whole: &Hour) -> rusqlite::Result<impl Iterator<Item = Value>> {
    let number = |count: u64| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let reasons =
        serde_json::to_string(&whole.reasons).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let others = [
        number(whole.degraded),
        Value::Blob(whole.durations.to_bytes()),
        Value::Blob(hour::steps_to_bytes(&whole.steps)),
        Value::Text(reasons),
    ];
    Ok(whole.verdicts.map(number).into_iter().chain(others))
}

/// The sum of hours of a canary, without their ticks; none where there are none.
pub(super) fn sum(connection: &Connection, canary: i64, hours: Range<i64>) -> rusqlite::Result<Option<Hour>> {
    let mut rows = connection
        .prepare_cached(&format!("SELECT {COUNTED} FROM rollups WHERE canary = ? AND hour >= ? AND hour < ? ORDER BY hour"))?;
    let mut rows = rows.query([canary, hours.start, hours.end])?;
    let mut sum: Option<Hour> = None;
    while let Some(row) = rows.next()? {
        let hour = read(row)?;
        match &mut sum {
            Some(sum) => sum.merge(hour),
            None => sum = Some(hour),
        }
    }
    Ok(sum)
}

/// An hour as far as it was counted.
fn known(transaction: &Transaction<'_>, canary: i64, hour: i64) -> rusqlite::Result<Option<Hour>> {
    transaction
        .prepare_cached(&format!("SELECT {COUNTED}, ticks FROM rollups WHERE canary = ? AND hour = ?"))?
        .query_row([canary, hour], |row| {
            let ticks = row.get_ref(10)?.as_blob_or_null()?.unwrap_or_default();
            Ok(Hour { ticks: hour::ticks_from_bytes(ticks, hour.saturating_mul(HOUR_MS), TICKS), ..read(row)? })
        })
        .optional()
}

/// From the columns of [`COUNTED`].
fn read(row: &Row<'_>) -> rusqlite::Result<Hour> {
    let mut verdicts = [0; Verdict::ALL.len()];
    for (at, count) in verdicts.iter_mut().enumerate() {
        *count = row.get(at)?;
    }
    Ok(Hour {
        verdicts,
        degraded: row.get(6)?,
        durations: Sketch::from_bytes(row.get_ref(7)?.as_blob()?),
        steps: hour::steps_from_bytes(row.get_ref(8)?.as_blob_or_null()?.unwrap_or_default()),
        reasons: reasons(row.get(9)?),
        ticks: Vec::new(),
    })
}

/// How often which reason was given, from its column.
pub(super) fn reasons(json: Option<String>) -> BTreeMap<String, u64> {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}
