//! Partitions of runs: by whether they passed, which says how long they are kept, and by when they were due.
//!
//! A partition is some whole days long, in UTC, an eighth of how long its runs are kept. It is made before its time comes and goes as a
//! whole once all of its runs are old and in the rollups. Its name says which days it has: `runs_passed_20251004_1d`. What is due when
//! there is none, such as runs that were spooled for days, lies in the default partition and goes row by row.
//!
//! Making one waits for those who read the default partition, and removing one for all who use its table. Others queue up behind
//! whoever waits like that, so it is given up soon and tried again with the next round. A round's transactions hold such locks on one
//! table each, so that no reader of both is in a circle with them.
//!
//! Both is done by functions of the schema, as its owner: who runs may make and drop no table itself, and reads a partition as a part of
//! `runs`.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Transaction};

use super::housekeep::{Bounds, turn};
use super::prune::{self, SLICE, more};
use crate::base::time::signed_millis;
use crate::history::retention_clock::DAY_MS;

/// The longest partition, days.
const LONGEST: i64 = 31;

/// Days beyond today that there are partitions for, at least.
const AHEAD: i64 = 2;

/// Partitions that are made for what is due before today, at most: many times what runs are kept for.
const MOST: i64 = 100;

/// How long runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Passed ones.
    Passed,
    /// All others.
    Others,
}

impl Class {
    const ALL: [Self; 2] = [Self::Passed, Self::Others];

    fn table(self) -> &'static str {
        match self {
            Self::Passed => "runs_passed",
            Self::Others => "runs_others",
        }
    }

    /// As the column `class` has it.
    fn number(self) -> i32 {
        match self {
            Self::Passed => 0,
            Self::Others => 1,
        }
    }

    /// Before which its runs are old.
    fn bound(self, bounds: &Bounds) -> i64 {
        match self {
            Self::Passed => bounds.passed,
            Self::Others => bounds.others,
        }
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    class: Class,
    /// Days since the epoch.
    days: Range<i64>,
}

impl Partition {
    /// Its name; none beyond the years of four digits.
    fn name(&self) -> Option<String> {
        let first = DateTime::from_timestamp_millis(self.days.start.checked_mul(DAY_MS)?)?.format("%Y%m%d").to_string();
        let length = self.days.end - self.days.start;
        (first.len() == 8).then(|| format!("{}_{first}_{length}d", self.class.table()))
    }

    /// Back from its name; none of the default one's.
    fn of(class: Class, name: &str) -> Option<Self> {
        let (first, length) = name.strip_prefix(class.table())?.strip_prefix('_')?.strip_suffix('d')?.split_once('_')?;
        let first = NaiveDate::parse_from_str(first, "%Y%m%d").ok()?.signed_duration_since(NaiveDate::default()).num_days();
        Some(Self { class, days: first..first.checked_add(length.parse().ok()?)? })
    }

    /// That a run is one of its own, as a condition by which the server looks into no other partition.
    fn has(&self) -> String {
        let (from, until) = (self.days.start.saturating_mul(DAY_MS), self.days.end.saturating_mul(DAY_MS));
        format!("class = {} AND due_ms >= {from} AND due_ms < {until}", self.class.number())
    }
}

/// Makes the partitions that runs of the next days will need.
pub(super) async fn prepare(
    transaction: &Transaction<'_>,
    now_ms: i64,
    keep_passed: Duration,
    keep_others: Duration,
) -> Result<(), Error> {
    turn(transaction).await?;
    extend(transaction, Class::Passed, now_ms, keep_passed).await?;
    extend(transaction, Class::Others, now_ms, keep_others.max(keep_passed)).await
}

/// Makes the partitions that runs of this class will need in the next days. Days of which the default partition has runs stay there.
pub(super) async fn extend(transaction: &Transaction<'_>, class: Class, now_ms: i64, keep: Duration) -> Result<(), Error> {
    // From yesterday on, for what comes late; but not what is old already.
    let from_ms = now_ms.saturating_sub(signed_millis(keep).min(DAY_MS));
    extend_from(transaction, class, from_ms, now_ms, keep).await
}

/// The same from an earlier time on, for runs that are there already and come from another store. What is due still earlier than so
/// many partitions reach back stays in the default partition.
pub(super) async fn extend_from(
    transaction: &Transaction<'_>,
    class: Class,
    from_ms: i64,
    now_ms: i64,
    keep: Duration,
) -> Result<(), Error> {
    let length = (signed_millis(keep) / 8 / DAY_MS).clamp(1, LONGEST);
    let today = now_ms.div_euclid(DAY_MS);
    let mut from = from_ms.div_euclid(DAY_MS).max(today - MOST * length);
    let end = today + 1 + length.max(AHEAD);
    let known = known(transaction, class).await?;
    while let Some(mut days) = gap(&known, from..end, length) {
        from = days.end;
        if let Some(day) = first_day_in_default(transaction, class, &days).await? {
            days.end = day;
            from = day + 1;
        }
        if !days.is_empty() && !make(transaction, &Partition { class, days }).await? {
            break;
        }
    }
    Ok(())
}

/// The first days of these that no partition has, as many as one takes.
fn gap(known: &[Partition], days: Range<i64>, length: i64) -> Option<Range<i64>> {
    let mut from = days.start;
    let mut until = i64::MAX;
    for partition in known {
        if partition.days.contains(&from) {
            from = partition.days.end;
        } else if partition.days.start > from {
            until = partition.days.start;
            break;
        }
    }
    (from < days.end).then(|| from..until.min(from + length))
}

/// The partitions that there are, in the order of their days.
async fn known(transaction: &Transaction<'_>, class: Class) -> Result<Vec<Partition>, Error> {
    let rows = transaction
        .query_typed(
            "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = $1::regclass",
            &[(&class.table(), Type::TEXT)],
        )
        .await?;
    let mut known: Vec<Partition> = rows.iter().filter_map(|row| Partition::of(class, row.get(0))).collect();
    known.sort_by_key(|partition| partition.days.start);
    Ok(known)
}

/// The first of these days that has a run in the default partition.
async fn first_day_in_default(transaction: &Transaction<'_>, class: Class, days: &Range<i64>) -> Result<Option<i64>, Error> {
    let sql = format!("SELECT min(due_ms) FROM {}_default WHERE due_ms >= $1 AND due_ms < $2", class.table());
    let (from, until) = (days.start * DAY_MS, days.end * DAY_MS);
    let row = transaction.query_typed_one(&sql, &[(&from, Type::INT8), (&until, Type::INT8)]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(|due_ms| due_ms.div_euclid(DAY_MS)))
}

/// Makes a partition; false if it can have no name.
async fn make(transaction: &Transaction<'_>, partition: &Partition) -> Result<bool, Error> {
    if partition.name().is_none() {
        return Ok(false);
    }
    call(transaction, "SELECT make_runs_partition($1, $2, $3)", partition).await?;
    Ok(true)
}

/// Removes old runs from the default partitions, with their artifacts. Returns whether there may be more.
pub(super) async fn strays(transaction: &Transaction<'_>, bounds: &Bounds) -> Result<bool, Error> {
    let mut is_more = false;
    for class in Class::ALL {
        let table = class.table();
        let sql = format!(
            "WITH old AS (DELETE FROM {table}_default WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table}_default
                    WHERE due_ms < $1 AND id <= (SELECT value FROM marks WHERE name = 'rolled_up') ORDER BY due_ms LIMIT $2))
                RETURNING run_id),
            of_them AS (DELETE FROM artifacts WHERE run_id = ANY (ARRAY(SELECT run_id FROM old)))
            SELECT count(*) FROM old"
        );
        let row = transaction.query_typed_one(&sql, &[(&class.bound(bounds), Type::INT8), (&SLICE, Type::INT8)]).await?;
        is_more |= u64::try_from(row.get::<_, i64>(0)).is_ok_and(more);
    }
    Ok(is_more)
}

/// A partition whose runs are all old and in the rollups.
pub(super) async fn next_old(transaction: &Transaction<'_>, bounds: &Bounds) -> Result<Option<Partition>, Error> {
    for class in Class::ALL {
        for partition in known(transaction, class).await? {
            let is_old = partition.days.end.saturating_mul(DAY_MS) <= class.bound(bounds);
            if is_old && is_rolled_up(transaction, &partition).await? {
                return Ok(Some(partition));
            }
        }
    }
    Ok(None)
}

/// Whether all runs of a partition are in the rollups.
async fn is_rolled_up(transaction: &Transaction<'_>, partition: &Partition) -> Result<bool, Error> {
    let sql = format!(
        "SELECT coalesce((SELECT max(id) FROM runs WHERE {}) <= coalesce((SELECT value FROM marks WHERE name = 'rolled_up'), 0), true)",
        partition.has()
    );
    Ok(transaction.query_typed_one(&sql, &[]).await?.get(0))
}

/// Removes artifacts of a partition's runs, after this one. Returns the run to go on after.
pub(super) async fn artifacts(
    transaction: &Transaction<'_>,
    partition: &Partition,
    after: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    if !known(transaction, partition.class).await?.contains(partition) {
        return Ok(None);
    }
    let is_of_it =
        format!("(SELECT id FROM runs AS own WHERE own.run_id = next.run_id AND {} LIMIT 1) IS NOT NULL", partition.has());
    prune::artifacts(transaction, &is_of_it, after, None).await
}

/// Removes a partition, unless another process did, or a run came to it late that is not in the rollups yet.
pub(super) async fn remove(transaction: &Transaction<'_>, partition: &Partition) -> Result<(), Error> {
    call(transaction, "SELECT drop_runs_partition($1, $2, $3)", partition).await
}

/// Calls a function of the schema, which knows a partition by its class, its first day and how many there are.
async fn call(transaction: &Transaction<'_>, sql: &str, partition: &Partition) -> Result<(), Error> {
    let (class, Range { start, end }) = (partition.class.number(), partition.days.clone());
    transaction.query_typed(sql, &[(&class, Type::INT4), (&start, Type::INT8), (&(end - start), Type::INT8)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
