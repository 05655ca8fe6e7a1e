//! Rollups: runs are counted in their canary's hour.
//!
//! Runs are counted in the order of their numbers, which is that of commits, not of time. Whatever the clock does, each run is counted
//! once, before it is removed.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Transaction};

use super::days;
use super::housekeep::{marks, write_marks};
use crate::history::encoding::detail;
use crate::history::encoding::hour::{self, CountedRun, Hour};
use crate::history::retention_clock::HOUR_MS;
use crate::history::{Sketch, TICKS};
use crate::outcome::Verdict;

/// Runs that a slice counts.
const RUNS: i64 = 2_000;

/// The mark of the last run that is in the rollups.
const ROLLED_UP: &str = "rolled_up";

/// The next runs.
const NEXT: &str = "SELECT id, canary, due_ms, verdict, duration_us, counted, reason, shape, times, degraded
    FROM runs WHERE id > $1 ORDER BY id LIMIT $2";

/// What is there of some hours.
const STORED: &str =
    "SELECT canary, hour, passed, failed, errored, missed, blocked, skipped, degraded, durations, steps, reasons, ticks
    FROM unnest($1::integer[], $2::integer[]) AS wanted (canary, hour) JOIN rollups USING (canary, hour)";

const WRITE: &str = "INSERT INTO rollups
        (canary, hour, passed, failed, errored, missed, blocked, skipped, degraded, durations, steps, reasons, ticks)
    SELECT * FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[], $12::text[], $13::bytea[])
    ON CONFLICT (canary, hour) DO UPDATE SET passed = excluded.passed, failed = excluded.failed, errored = excluded.errored,
        missed = excluded.missed, blocked = excluded.blocked, skipped = excluded.skipped, degraded = excluded.degraded,
        durations = excluded.durations, steps = excluded.steps, reasons = excluded.reasons, ticks = excluded.ticks";

/// Hours by their canaries and numbers.
type Hours = BTreeMap<(i32, i32), Hour>;

/// Adds the next runs to their hours; whether there may be more.
pub(super) async fn roll_up(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let [from] = marks(transaction, [ROLLED_UP]).await?;
    let runs = transaction.query_typed(NEXT, &[(&from.unwrap_or(0), Type::INT8), (&RUNS, Type::INT8)]).await?;
    let Some(last) = runs.last().map(|row| row.get(0)) else { return Ok(false) };
    let names = names(transaction, &runs).await?;
    let mut hours = Hours::new();
    for row in &runs {
        count(&mut hours, row, &names);
    }
    let touched: Vec<(i32, i32)> = hours.keys().copied().collect();
    add(transaction, hours).await?;
    days::renew(transaction, &touched).await?;
    write_marks(transaction, &[(ROLLED_UP, last)]).await?;
    Ok(i64::try_from(runs.len()) == Ok(RUNS))
}

/// The names of the steps of these runs, by their shapes.
async fn names(transaction: &Transaction<'_>, runs: &[Row]) -> Result<HashMap<i32, Vec<String>>, Error> {
    let mut shapes: Vec<i32> = runs.iter().filter_map(|row| row.get(7)).collect();
    shapes.sort_unstable();
    shapes.dedup();
    if shapes.is_empty() {
        return Ok(HashMap::new());
    }
    let rows =
        transaction.query_typed("SELECT id, names FROM shapes WHERE id = ANY ($1)", &[(&shapes, Type::INT4_ARRAY)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), detail::names(row.get(1)))).collect())
}

/// Counts a row of [`NEXT`].
fn count(hours: &mut Hours, row: &Row, names: &HashMap<i32, Vec<String>>) {
    let verdict = u64::try_from(row.get::<_, i16>(3)).ok().and_then(hour::verdict);
    let (true, Some(verdict)) = (row.get(5), verdict) else { return };
    let due_ms: i64 = row.get(2);
    let of_shape = row.get::<_, Option<i32>>(7).and_then(|shape| names.get(&shape));
    let (names, times) = match (of_shape, row.get::<_, Option<&[u8]>>(8)) {
        (Some(names), Some(times)) => (names.as_slice(), detail::step_times(names.len(), times)),
        (_, None) | (None, _) => (&[][..], Vec::new()),
    };
    let hour = i32::try_from(due_ms.div_euclid(HOUR_MS)).unwrap_or(i32::MAX);
    hours.entry((row.get(1), hour)).or_default().count(&CountedRun {
        due_ms,
        verdict,
        reason: row.get::<_, Option<&str>>(6).and_then(|word| word.parse().ok()),
        degraded: row.get(9),
        duration_us: u64::try_from(row.get::<_, i64>(4)).unwrap_or(0),
        names,
        times: &times,
    });
}

/// Adds what is new of hours to what is there of them.
async fn add(transaction: &Transaction<'_>, mut hours: Hours) -> Result<(), Error> {
    if hours.is_empty() {
        return Ok(());
    }
    let (canaries, numbers): (Vec<i32>, Vec<i32>) = hours.keys().copied().unzip();
    for row in &stored(transaction, &canaries, &numbers).await? {
        let ((canary, hour), known) = read(row);
        if let Some(place) = hours.get_mut(&(canary, hour)) {
            let ticks = hour::ticks_from_bytes(row.get(12), i64::from(hour).saturating_mul(HOUR_MS), TICKS);
            let added = std::mem::replace(place, Hour { ticks, ..known });
            place.merge(added);
        }
    }
    let mut columns = CountedColumns::default();
    let mut ticks = Vec::with_capacity(hours.len());
    for ((_, hour), whole) in &hours {
        columns.push(whole);
        ticks.push(hour::ticks_to_bytes(&whole.ticks, i64::from(*hour).saturating_mul(HOUR_MS)));
    }
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&canaries, Type::INT4_ARRAY), (&numbers, Type::INT4_ARRAY)];
    values.extend(columns.values());
    values.push((&ticks, Type::BYTEA_ARRAY));
    transaction.execute_typed(WRITE, &values).await?;
    Ok(())
}

/// What is counted of many hours or days, column by column: passed, failed, errored, missed, blocked, skipped, degraded, durations,
/// steps, reasons.
#[derive(Debug, Default)]
pub(super) struct CountedColumns {
    counts: [Vec<i64>; Verdict::ALL.len() + 1],
    durations: Vec<Vec<u8>>,
    steps: Vec<Vec<u8>>,
    reasons: Vec<String>,
}

impl CountedColumns {
    pub(super) fn push(&mut self, whole: &Hour) {
        for (column, count) in self.counts.iter_mut().zip(whole.verdicts.iter().chain([&whole.degraded])) {
            column.push(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        self.durations.push(whole.durations.to_bytes());
        self.steps.push(hour::steps_to_bytes(&whole.steps));
        self.reasons.push(serde_json::json!(whole.reasons).to_string());
    }

    /// The columns in their order, with their types.
    pub(super) fn values(&self) -> impl Iterator<Item = (&(dyn ToSql + Sync), Type)> {
        let counts = self.counts.iter().map(|column| (column as &(dyn ToSql + Sync), Type::INT8_ARRAY));
        let others: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.durations, Type::BYTEA_ARRAY), (&self.steps, Type::BYTEA_ARRAY), (&self.reasons, Type::TEXT_ARRAY)];
        counts.chain(others)
    }
}

/// Rows of these hours, given by their canaries and numbers, of those that there are.
pub(super) async fn stored(transaction: &Transaction<'_>, canaries: &[i32], hours: &[i32]) -> Result<Vec<Row>, Error> {
    transaction.query_typed(STORED, &[(&canaries, Type::INT4_ARRAY), (&hours, Type::INT4_ARRAY)]).await
}

/// An hour with its canary and number, without its ticks, from what [`stored`] found.
pub(super) fn read(row: &Row) -> ((i32, i32), Hour) {
    let count = |at: usize| u64::try_from(row.get::<_, i64>(2 + at)).unwrap_or(0);
    let hour = Hour {
        verdicts: std::array::from_fn(count),
        degraded: count(6),
        durations: Sketch::from_bytes(row.get(9)),
        steps: hour::steps_from_bytes(row.get(10)),
        reasons: serde_json::from_str(row.get(11)).unwrap_or_default(),
        ticks: Vec::new(),
    };
    ((row.get(0), row.get(1)), hour)
}
