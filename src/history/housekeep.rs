//! Rollups, and the end of what was kept long enough, in slices of some milliseconds each.
//!
//! Rollups go by the order of writing, not by time: whatever the clock does, each run is counted once, and before it goes. What is
//! old is told by a clock that is believed, see `trust`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::OF_INCIDENTS;
use super::backlog::millis;
use super::remember::{IS_OWED, OWED};
use super::sketch::Sketch;
use super::trust::Trust;
use crate::outcome::Verdict;
use crate::plan::{Bodies, StoreSettings};

/// Rows a slice looks at.
const SLICE: usize = 1_000;

/// Pages that a slice gives back to the file system.
const PAGES: i64 = 250;

pub(super) const HOUR_MS: i64 = 3_600_000;

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    passed: Duration,
    others: Duration,
    rollups: Duration,
    pub(super) bodies: Bodies,
}

impl Keep {
    pub(super) fn of(settings: &StoreSettings) -> Self {
        Self {
            passed: settings.keep_passed,
            others: settings.keep_failed,
            rollups: settings.keep_rollups,
            bodies: settings.bodies,
        }
    }

    /// All that there is.
    pub(super) fn everything() -> Self {
        Self { passed: Duration::MAX, others: Duration::MAX, rollups: Duration::MAX, bodies: Bodies::Failed }
    }
}

/// Where a chore is.
#[derive(Debug, Clone)]
enum Stage {
    Clock,
    RollUp,
    /// Removes runs after this due time and number.
    Runs(i64, i64),
    Rollups,
    Incidents,
    /// Of incidents that are not remembered any more, after this state's kind and key.
    States(usize, String),
    Messages,
    Tries,
    Timeline,
    Shrink,
}

/// One round of housekeeping.
#[derive(Debug)]
pub(super) struct Chore {
    stage: Stage,
    keep: Keep,
    /// What the wall clock shows, milliseconds since the epoch.
    now: i64,
    /// What is older goes, milliseconds since the epoch.
    passed: i64,
    others: i64,
    rollups: i64,
    /// Nothing is owed any more of incidents that ended before.
    owed: i64,
}

impl Chore {
    pub(super) fn new(now: SystemTime, keep: Keep) -> Self {
        Self {
            stage: Stage::Clock,
            keep,
            now: millis(now),
            passed: i64::MIN,
            others: i64::MIN,
            rollups: i64::MIN,
            owed: i64::MIN,
        }
    }

    /// From now on it is known what is old.
    fn look_at_the_clock(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let trust = Trust::read(transaction, self.now)?.shown(self.now);
        trust.write(transaction)?;
        if trust.is_new_doubt() {
            tracing::warn!(
                "the wall clock jumped ahead by more than a day, or nothing ran for so long: nothing is removed until that has lasted for a day"
            );
        }
        let before = |age: Duration| trust.trusted.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        self.passed = before(self.keep.passed);
        // Never shorter than passed ones.
        self.others = before(self.keep.others.max(self.keep.passed));
        self.rollups = before(self.keep.rollups);
        self.owed = before(OWED);
        Ok(())
    }

    /// Does a little; false when all is done.
    pub(super) fn slice(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        if let Stage::Shrink = self.stage {
            return shrink(connection);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next = match self.stage.clone() {
            Stage::Clock => {
                self.look_at_the_clock(&transaction)?;
                Stage::RollUp
            }
            Stage::RollUp => {
                if roll_up(&transaction)? {
                    Stage::RollUp
                } else {
                    Stage::Runs(i64::MIN, 0)
                }
            }
            Stage::Runs(due, id) => match self.runs(&transaction, due, id)? {
                Some((due, id)) => Stage::Runs(due, id),
                None => Stage::Rollups,
            },
            Stage::Rollups => {
                let sql =
                    "DELETE FROM rollups WHERE (canary, hour) IN (SELECT canary, hour FROM rollups WHERE hour < ?1 LIMIT ?2)";
                if more(transaction.execute(sql, params![self.rollups.div_euclid(HOUR_MS), SLICE])?) {
                    Stage::Rollups
                } else {
                    Stage::Incidents
                }
            }
            Stage::Incidents => {
                if self.incidents(&transaction)? {
                    Stage::Incidents
                } else {
                    Stage::States(0, String::new())
                }
            }
            Stage::States(kind, after) => match self.states(&transaction, kind, after)? {
                Some((kind, after)) => Stage::States(kind, after),
                None => Stage::Messages,
            },
            Stage::Messages => {
                // Of incidents that are still open, and tests.
                let sql = "DELETE FROM messages WHERE id IN
                           (SELECT id FROM messages WHERE state <> 'pending' AND created_ms < ?1 LIMIT ?2)";
                if more(transaction.execute(sql, params![self.rollups, SLICE])?) { Stage::Messages } else { Stage::Tries }
            }
            Stage::Tries => {
                if self.tries(&transaction)? {
                    Stage::Tries
                } else {
                    Stage::Timeline
                }
            }
            Stage::Timeline => {
                // Of an incident that is open for ever, and of none. They are in the order of their numbers.
                let sql = "DELETE FROM timeline WHERE at_ms < ?1 AND id IN (SELECT id FROM timeline ORDER BY id LIMIT ?2)
                           AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = timeline.incident AND resolved_ms IS NOT NULL)";
                if more(transaction.execute(sql, params![self.rollups, SLICE])?) { Stage::Timeline } else { Stage::Shrink }
            }
            Stage::Shrink => Stage::Shrink,
        };
        transaction.commit()?;
        self.stage = next;
        Ok(true)
    }

    /// Looks at the next runs in the order of their due times and removes what is old enough; where it came to.
    fn runs(&self, transaction: &Transaction<'_>, due: i64, id: i64) -> rusqlite::Result<Option<(i64, i64)>> {
        let rolled_up = mark(transaction)?;
        let rows: Vec<(i64, i64, bool)> = transaction
            .prepare_cached(
                "SELECT due_ms, id, verdict = 0 FROM runs
                 WHERE due_ms < ?1 AND (due_ms, id) > (?2, ?3) AND id <= ?4 ORDER BY due_ms, id LIMIT ?5",
            )?
            .query_map(params![self.passed, due, id, rolled_up, SLICE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for &(due, id, passed) in &rows {
            if passed || due < self.others {
                transaction.prepare_cached("DELETE FROM run_details WHERE run = ?")?.execute([id])?;
                transaction.prepare_cached("DELETE FROM runs WHERE id = ?")?.execute([id])?;
            }
        }
        Ok(rows.last().filter(|_| rows.len() == SLICE).map(|&(due, id, _)| (due, id)))
    }

    /// Removes incidents that ended with all that belongs to them, unless something is still owed.
    fn incidents(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let ids: Vec<String> = transaction
            .prepare_cached(&format!(
                "SELECT id FROM incidents WHERE resolved_ms < ?1 AND NOT (resolved_ms >= ?3 AND {IS_OWED})
                 AND NOT EXISTS (SELECT 1 FROM messages WHERE incident = incidents.id AND state = 'pending') LIMIT ?2"
            ))?
            .query_map(params![self.rollups, SLICE / 10, self.owed], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            transaction.prepare_cached("DELETE FROM timeline WHERE incident = ?")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM messages WHERE incident = ?")?.execute([id])?;
            of_tries(transaction, id)?;
            of_states(transaction, id)?;
            transaction.prepare_cached("DELETE FROM incidents WHERE id = ?")?.execute([id])?;
        }
        Ok(ids.len() == SLICE / 10)
    }

    /// Looks for states that belong to an incident which is gone, or of which nothing is owed any more; where it came to.
    fn states(&self, transaction: &Transaction<'_>, kind: usize, mut after: String) -> rusqlite::Result<Option<(usize, String)>> {
        let Some(word) = OF_INCIDENTS.get(kind) else { return Ok(None) };
        for _ in 0..SLICE / 10 {
            let key: Option<String> = transaction
                .prepare_cached("SELECT key FROM states WHERE kind = ?1 AND key >= ?2 ORDER BY key LIMIT 1")?
                .query_row([*word, &after], |row| row.get(0))
                .optional()?;
            let Some(key) = key else { return Ok(Some((kind + 1, String::new()))) };
            let id = key.split('/').next().unwrap_or_default();
            let is_kept: bool = transaction
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM incidents WHERE id = ?1 AND (resolved_ms IS NULL OR resolved_ms >= ?2))",
                )?
                .query_row(params![id, self.owed], |row| row.get(0))?;
            if !is_kept {
                of_states(transaction, id)?;
            }
            after = format!("{id}0");
        }
        Ok(Some((kind, after)))
    }

    /// Removes what came to its end of incidents that are still open, and tests; and what nobody waits for any more. Whether there
    /// may be more.
    fn tries(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let ids: Vec<String> = transaction
            .prepare_cached(
                "SELECT id FROM tries WHERE made_ms < ?1 AND state IN ('taken', 'refused', 'dropped')
                 UNION ALL
                 SELECT id FROM tries WHERE made_ms < ?2 AND state = 'waiting' AND NOT EXISTS
                    (SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id)
                 LIMIT ?3",
            )?
            .query_map(params![self.rollups, self.rollups.min(self.owed), SLICE], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            transaction.prepare_cached("DELETE FROM try_incidents WHERE try = ?")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM tries WHERE id = ?")?.execute([id])?;
        }
        Ok(more(ids.len()))
    }
}

/// Removes an incident's covers and members.
fn of_states(transaction: &Transaction<'_>, incident: &str) -> rusqlite::Result<()> {
    for kind in OF_INCIDENTS {
        transaction
            .prepare_cached("DELETE FROM states WHERE kind = ?1 AND key >= ?2 || '/' AND key < ?2 || '0'")?
            .execute([kind, incident])?;
    }
    Ok(())
}

/// Removes an incident's tries that tell of no other.
fn of_tries(transaction: &Transaction<'_>, incident: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM tries WHERE id IN (SELECT try FROM try_incidents WHERE incident = ?1)
             AND NOT EXISTS (SELECT 1 FROM try_incidents WHERE try = tries.id AND incident <> ?1)",
        )?
        .execute([incident])?;
    transaction.prepare_cached("DELETE FROM try_incidents WHERE incident = ?")?.execute([incident])?;
    Ok(())
}

fn more(removed: usize) -> bool {
    removed == SLICE
}

/// The last run that is in the rollups.
fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mark = transaction.query_row("SELECT value FROM marks WHERE name = 'rolled_up'", [], |row| row.get(0)).optional()?;
    Ok(mark.unwrap_or(0))
}

/// An hour of a canary.
#[derive(Debug, Default)]
struct Hour {
    verdicts: [i64; Verdict::ALL.len()],
    durations: Sketch,
}

/// Adds the next runs to their hours; whether there may be more.
fn roll_up(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let from = mark(transaction)?;
    let mut hours: HashMap<(i64, i64), Hour> = HashMap::new();
    let mut last = None;
    let mut seen = 0;
    let mut rows = transaction
        .prepare_cached("SELECT id, canary, due_ms, verdict, duration_us, counted FROM runs WHERE id > ? ORDER BY id LIMIT ?")?;
    let mut rows = rows.query(params![from, SLICE])?;
    while let Some(row) = rows.next()? {
        seen += 1;
        last = Some(row.get::<_, i64>(0)?);
        if !row.get::<_, bool>(5)? {
            continue;
        }
        let (canary, due, verdict, micros): (i64, i64, usize, i64) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let hour = hours.entry((canary, due.div_euclid(HOUR_MS))).or_default();
        if let Some(count) = hour.verdicts.get_mut(verdict) {
            *count += 1;
        }
        if verdict == 0 {
            hour.durations.add(u64::try_from(micros).unwrap_or(0));
        }
    }
    let Some(last) = last else { return Ok(false) };
    for ((canary, hour), added) in hours {
        add(transaction, canary, hour, added)?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO marks (name, value) VALUES ('rolled_up', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute([last])?;
    Ok(more(seen))
}

fn add(transaction: &Transaction<'_>, canary: i64, hour: i64, mut added: Hour) -> rusqlite::Result<()> {
    let known: Option<Vec<u8>> = transaction
        .prepare_cached("SELECT durations FROM rollups WHERE canary = ? AND hour = ?")?
        .query_row([canary, hour], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        added.durations.merge(&Sketch::from_bytes(&known));
    }
    let [passed, failed, errored, missed, blocked, skipped] = added.verdicts;
    transaction
        .prepare_cached(
            "INSERT INTO rollups (canary, hour, passed, failed, errored, missed, blocked, skipped, durations)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET passed = passed + excluded.passed, failed = failed + excluded.failed,
             errored = errored + excluded.errored, missed = missed + excluded.missed, blocked = blocked + excluded.blocked,
             skipped = skipped + excluded.skipped, durations = excluded.durations",
        )?
        .execute(params![canary, hour, passed, failed, errored, missed, blocked, skipped, added.durations.to_bytes()])?;
    Ok(())
}

/// Gives pages back where a good part of the file is empty; whether there is more to give. A little room stays for what comes.
fn shrink(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    if free <= (all / 5).max(64) {
        return Ok(false);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(number("freelist_count")? < free)
}
