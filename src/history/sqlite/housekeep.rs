//! Housekeeping: rollups, and the end of what was kept long enough, in slices of some milliseconds each.
//!
//! `retention_clock` says which time counts as now.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::prune::{IncidentPrune, SLICE, more};
use super::rollup::{self, mark};
use super::{artifacts, changes, days, events, observations, passes};
use crate::base::time::{epoch_ms, signed_millis};
use crate::history::retention_clock::{HOUR_MS, RetentionClock};
use crate::history::start_state::OWED;
use crate::plan::Retention;

/// Pages that a slice gives back to the file system.
const PAGES: i64 = 250;

/// Slices in which days are summed in a round: a day of 20,000 canaries.
const DAY_SLICES: u32 = 1_000;

/// Hours that are too old.
const OLD_ROLLUPS: &str =
    "DELETE FROM rollups WHERE (canary, hour) IN (SELECT canary, hour FROM rollups WHERE hour < ?1 LIMIT ?2)";

/// Timeline rows of incidents that are still open or gone. They are looked at in the order of their numbers.
const OLD_TIMELINE: &str = "DELETE FROM timeline WHERE at_ms < ?1 AND id IN (SELECT id FROM timeline ORDER BY id LIMIT ?2)
    AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = timeline.incident AND resolved_ms IS NOT NULL)";

/// Where a round is.
#[derive(Debug, Clone)]
enum HousekeepStage {
    Clock,
    RollUp,
    /// Sums the hours of days that are over, in so many slices at most: the past of an earlier format takes several rounds.
    Days(u32),
    /// Removes runs after this due time and number.
    Runs(i64, i64),
    Rollups,
    OldDays,
    Incidents,
    /// Of incidents that are not restored any more, after this state's kind and key.
    States(usize, String),
    Tries,
    Timeline,
    Events,
    /// Passed runs that nothing is compared with.
    Passes,
    /// Artifacts whose runs are not there.
    Artifacts,
    /// Observations of the series after this one.
    Observations(i64),
    Changes,
    Shrink,
}

/// One round of housekeeping.
#[derive(Debug)]
pub(super) struct HousekeepRound {
    stage: HousekeepStage,
    retention: Retention,
    /// What the wall clock shows, milliseconds since the epoch.
    now: i64,
    /// What of that is believed.
    trusted: i64,
    /// What is older goes, milliseconds since the epoch.
    passed: i64,
    others: i64,
    rollups: i64,
    /// Nothing is owed any more of incidents that ended before.
    owed: i64,
}

impl HousekeepRound {
    pub(super) fn new(now: SystemTime, retention: Retention) -> Self {
        Self {
            stage: HousekeepStage::Clock,
            retention,
            now: epoch_ms(now),
            trusted: i64::MIN,
            passed: i64::MIN,
            others: i64::MIN,
            rollups: i64::MIN,
            owed: i64::MIN,
        }
    }

    /// Reads the clock and computes from when on rows are old.
    fn look_at_the_clock(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let clock = read_clock(transaction, self.now)?.after(self.now);
        write_clock(clock, transaction)?;
        if clock.is_new_doubt() {
            tracing::warn!(
                "the wall clock jumped ahead by more than a day, or nothing ran for so long: nothing is removed until that has lasted for a day"
            );
        }
        let before = |age: Duration| clock.trusted.saturating_sub(signed_millis(age));
        self.trusted = clock.trusted;
        self.passed = before(self.retention.passed);
        // Never shorter than passed ones.
        self.others = before(self.retention.others.max(self.retention.passed));
        self.rollups = before(self.retention.rollups);
        self.owed = before(OWED);
        Ok(())
    }

    fn prune(&self) -> IncidentPrune {
        IncidentPrune { old: self.rollups, owed: self.owed }
    }

    /// Does one slice of work. Returns false when all is done.
    pub(super) fn slice(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        if let HousekeepStage::Shrink = self.stage {
            return shrink(connection);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next = self.go_on(&transaction)?;
        transaction.commit()?;
        self.stage = next;
        Ok(true)
    }

    /// Does a part of a stage, and says which one is next.
    fn go_on(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<HousekeepStage> {
        let again = |more, here, next| if more { here } else { next };
        Ok(match self.stage.clone() {
            HousekeepStage::Clock => {
                self.look_at_the_clock(transaction)?;
                HousekeepStage::RollUp
            }
            HousekeepStage::RollUp => {
                again(rollup::roll_up(transaction)?, HousekeepStage::RollUp, HousekeepStage::Days(DAY_SLICES))
            }
            HousekeepStage::Days(slices) => {
                let more = days::sum(transaction, self.trusted)? && slices > 1;
                again(more, HousekeepStage::Days(slices.saturating_sub(1)), HousekeepStage::Runs(i64::MIN, 0))
            }
            HousekeepStage::Runs(due, id) => {
                self.runs(transaction, due, id)?.map_or(HousekeepStage::Rollups, |(due, id)| HousekeepStage::Runs(due, id))
            }
            HousekeepStage::Rollups => {
                let hour = self.rollups.div_euclid(HOUR_MS);
                again(
                    more(transaction.execute(OLD_ROLLUPS, params![hour, SLICE])?),
                    HousekeepStage::Rollups,
                    HousekeepStage::OldDays,
                )
            }
            HousekeepStage::OldDays => {
                let hour = self.rollups.div_euclid(HOUR_MS);
                again(days::prune(transaction, hour)?, HousekeepStage::OldDays, HousekeepStage::Incidents)
            }
            HousekeepStage::Incidents => {
                again(self.prune().incidents(transaction)?, HousekeepStage::Incidents, HousekeepStage::States(0, String::new()))
            }
            HousekeepStage::States(kind, after) => {
                let next = self.prune().states(transaction, kind, after)?;
                next.map_or(HousekeepStage::Tries, |(kind, after)| HousekeepStage::States(kind, after))
            }
            HousekeepStage::Tries => again(self.prune().tries(transaction)?, HousekeepStage::Tries, HousekeepStage::Timeline),
            HousekeepStage::Timeline => {
                let removed = transaction.execute(OLD_TIMELINE, params![self.rollups, SLICE])?;
                again(more(removed), HousekeepStage::Timeline, HousekeepStage::Events)
            }
            HousekeepStage::Events => {
                again(events::prune(transaction, self.rollups)?, HousekeepStage::Events, HousekeepStage::Passes)
            }
            HousekeepStage::Passes => {
                again(passes::prune(transaction, self.rollups)?, HousekeepStage::Passes, HousekeepStage::Artifacts)
            }
            HousekeepStage::Artifacts => again(
                artifacts::prune_strays(transaction, self.others)?,
                HousekeepStage::Artifacts,
                HousekeepStage::Observations(0),
            ),
            HousekeepStage::Observations(after) => observations::prune(transaction, self.trusted, after)?
                .map_or(HousekeepStage::Changes, HousekeepStage::Observations),
            HousekeepStage::Changes => again(changes::prune(transaction)?, HousekeepStage::Changes, HousekeepStage::Shrink),
            HousekeepStage::Shrink => HousekeepStage::Shrink,
        })
    }

    /// Removes the next old runs in the order of their due times. Returns where to go on.
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
                transaction.prepare_cached("DELETE FROM comparisons WHERE run = ?")?.execute([id])?;
                artifacts::prune(transaction, id)?;
                transaction.prepare_cached("DELETE FROM runs WHERE id = ?")?.execute([id])?;
            }
        }
        Ok(rows.last().filter(|_| rows.len() == SLICE).map(|&(due, id, _)| (due, id)))
    }
}

/// The clock as an earlier round left it. At the first round it trusts the due time of the newest run.
fn read_clock(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<RetentionClock> {
    let mark = |name: &str| {
        transaction.query_row("SELECT value FROM marks WHERE name = ?", [name], |row| row.get::<_, i64>(0)).optional()
    };
    let newest = || transaction.query_row("SELECT due_ms FROM runs ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).optional();
    let trusted = match mark("clock_trusted")? {
        Some(trusted) => trusted,
        None => newest()?.unwrap_or(now),
    };
    Ok(RetentionClock { trusted, doubt: mark("clock_doubted")?.zip(mark("clock_seen")?) })
}

/// Keeps it for the next round.
fn write_clock(clock: RetentionClock, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let marks = [
        ("clock_trusted", Some(clock.trusted)),
        ("clock_doubted", clock.doubt.map(|(since, _)| since)),
        ("clock_seen", clock.doubt.map(|(_, seen)| seen)),
    ];
    for (name, value) in marks {
        match value {
            Some(value) => transaction
                .prepare_cached("INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")?
                .execute(params![name, value])?,
            None => transaction.prepare_cached("DELETE FROM marks WHERE name = ?")?.execute([name])?,
        };
    }
    Ok(())
}

/// Returns free pages to the file system if a good part of the file is empty. Some free pages stay for new rows. Returns whether
/// there is more to do.
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
