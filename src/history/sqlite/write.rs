//! One transaction: everything that waits, into its tables.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{artifacts, changes, events, observations, passes, tries};
use crate::history::Record;
use crate::history::backlog::{Backlog, LastTick, LedgerChange, QueuedRun, RunRow};
use crate::history::encoding::detail;
use crate::history::encoding::hour::code;
use crate::history::newest_passes::SharedPasses;
use crate::outcome::{CleanupReport, Reason, Verdict};
use crate::plan::{Bodies, Canary, CanaryId};

/// Numbers of names that are in the file already.
#[derive(Debug, Default)]
struct NameIds {
    canaries: HashMap<CanaryId, (i64, i64)>,
    shapes: HashMap<String, i64>,
}

/// Shapes held; loops over lists of changing length make ever new ones.
const SHAPES: usize = 10_000;

/// Writes backlogs.
#[derive(Debug)]
pub(super) struct RowWriter {
    bodies: Bodies,
    passes: SharedPasses,
    names: NameIds,
    /// The order of the last written tick of each canary's slot.
    orders: HashMap<(CanaryId, u32), u64>,
    /// Cleanups whose runs are not in the file yet, the oldest first, and when they came.
    early: VecDeque<(Instant, Arc<CleanupReport>)>,
}

/// How many cleanups wait for their runs, and for how long. A run that has not come by then was dropped.
const EARLY: (usize, Duration) = (1_000, Duration::from_mins(1));

impl RowWriter {
    /// A writer for a file of which nothing is known yet, which keeps these bodies.
    pub(super) fn new(bodies: Bodies, passes: SharedPasses) -> Self {
        passes.forget_stored();
        Self { bodies, passes, names: NameIds::default(), orders: HashMap::new(), early: VecDeque::new() }
    }

    /// Writes all of it or nothing.
    pub(super) fn write(&mut self, connection: &mut Connection, backlog: &Backlog) -> rusqlite::Result<()> {
        let written = self.try_write(connection, backlog);
        self.passes.settle(written.is_ok());
        if written.is_err() {
            // Names that were new are not in the file.
            self.names = NameIds::default();
        }
        written
    }

    /// Writes held passes: those that were not written for some time, or all. At most `most` are written.
    pub(super) fn write_passes(&self, connection: &mut Connection, all: bool, most: usize) -> rusqlite::Result<()> {
        let due = self.passes.due(all, most);
        let mut write = || {
            let transaction = connection.transaction()?;
            due.iter().try_for_each(|pass| passes::write(&transaction, pass, self.bodies))?;
            transaction.commit()
        };
        let written = if due.is_empty() { Ok(()) } else { write() };
        self.passes.settle(written.is_ok());
        written
    }

    fn try_write(&mut self, connection: &mut Connection, backlog: &Backlog) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for run in backlog.runs() {
            self.run(&transaction, run)?;
        }
        for ((_, slot), (canary, tick)) in &backlog.ticks {
            self.tick(&transaction, canary, *slot, *tick)?;
        }
        states(&transaction, backlog)?;
        incidents(&transaction, backlog)?;
        tries::write(&backlog.tries, &transaction)?;
        for (id, change) in &backlog.ledger {
            ledger(&transaction, id, change)?;
        }
        artifacts::write(&transaction, &backlog.artifacts)?;
        for row in &backlog.observations {
            let (canary, _) = self.canary(&transaction, &row.canary)?;
            observations::write(&transaction, canary, row)?;
        }
        changes::write(&transaction, backlog)?;
        events::write(&transaction, &backlog.events)?;
        let early = self.cleanups(&transaction, backlog)?;
        transaction.commit()?;
        self.early = early;
        Ok(())
    }

    /// Writes a run. One that is reported as lost while no process was running is left out if the tick is in the file already.
    fn run(&mut self, transaction: &Transaction<'_>, run: &QueuedRun) -> rusqlite::Result<()> {
        let (row, times, details) = match run {
            QueuedRun::Whole(record) => {
                (&RunRow::of(record), detail::times(&record.report), detail::details(&record.report, self.bodies))
            }
            QueuedRun::RowOnly(row) => (row, None, None),
        };
        let (canary, probe) = self.canary(transaction, &row.canary)?;
        let (shape, times) = match times {
            Some((names, times)) => (Some(self.shape(transaction, names)?), Some(times)),
            None => (None, None),
        };
        let inserted = transaction
            .prepare_cached(
                "INSERT INTO runs (canary, probe, due_ms, slot, run_id, late_ms, duration_us, verdict, reason, trace, counted, shape, times, degraded)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
                 WHERE ?9 IS NULL OR ?9 NOT IN ('crashed', 'down')
                 OR NOT EXISTS (SELECT 1 FROM runs WHERE canary = ?1 AND due_ms = ?3 AND slot = ?4)
                 ON CONFLICT (run_id) DO NOTHING",
            )?
            .execute(params![
                canary,
                probe,
                row.due_ms,
                row.slot,
                row.run_id.0.0.to_be_bytes(),
                row.late_ms,
                i64::try_from(row.duration_us).unwrap_or(i64::MAX),
                code(row.verdict),
                row.reason.map(Reason::as_str),
                row.trace_id.0.to_be_bytes(),
                row.counted,
                shape,
                times,
                row.degraded,
            ])?;
        if inserted == 1
            && let QueuedRun::Whole(record) = run
        {
            let number = transaction.last_insert_rowid();
            self.compare(transaction, record, canary, number)?;
            if let Some(details) = details {
                transaction
                    .prepare_cached("INSERT INTO run_details (run, json) VALUES (?, ?)")?
                    .execute(params![number, details])?;
            }
        }
        Ok(())
    }

    /// Takes note of a passed run that counts, and keeps with a failed one what it is compared with.
    fn compare(&self, transaction: &Transaction<'_>, record: &Record, canary: i64, number: i64) -> rusqlite::Result<()> {
        match record.report.verdict {
            Verdict::Passed if record.counted => {
                self.passes.passed(&record.report).map_or(Ok(()), |pass| passes::write(transaction, &pass, self.bodies))
            }
            Verdict::Failed if record.counted => {
                passes::compare(transaction, &self.passes, &record.report, (canary, number), self.bodies)
            }
            Verdict::Passed | Verdict::Failed | Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {
                Ok(())
            }
        }
    }

    /// Puts cleanups beside their runs. Returns those whose run is still to come.
    fn cleanups(
        &self,
        transaction: &Transaction<'_>,
        backlog: &Backlog,
    ) -> rusqlite::Result<VecDeque<(Instant, Arc<CleanupReport>)>> {
        let (most, patience) = EARLY;
        let now = Instant::now();
        let mut early = VecDeque::new();
        for (since, report) in self.early.iter().cloned().chain(backlog.cleanups.iter().map(|report| (now, Arc::clone(report)))) {
            let placed = transaction
                .prepare_cached(
                    "INSERT INTO run_details (run, json) SELECT id, json_object('cleanup', json(?2)) FROM runs WHERE run_id = ?1
                     ON CONFLICT (run) DO UPDATE SET json = json_set(json, '$.cleanup', json(?2))",
                )?
                .execute(params![report.run.run_id.0.0.to_be_bytes(), detail::cleanup(&report, self.bodies)])?;
            if placed == 0 && now.duration_since(since) < patience {
                early.push_back((since, report));
            }
        }
        let too_many = early.len().saturating_sub(most);
        early.drain(..too_many);
        Ok(early)
    }

    /// The numbers of a canary and of its probe.
    fn canary(&mut self, transaction: &Transaction<'_>, canary: &Arc<Canary>) -> rusqlite::Result<(i64, i64)> {
        if let Some(numbers) = self.names.canaries.get(&canary.id) {
            return Ok(*numbers);
        }
        let probe: i64 = transaction
            .prepare_cached("INSERT INTO probes (name) VALUES (?) ON CONFLICT DO UPDATE SET name = name RETURNING id")?
            .query_row([&*canary.probe.name], |row| row.get(0))?;
        let numbers = transaction
            .prepare_cached(
                "INSERT INTO canaries (name, probe, region) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = name RETURNING id, probe",
            )?
            .query_row(params![canary.id.as_str(), probe, &*canary.region.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.names.canaries.insert(canary.id.clone(), numbers);
        Ok(numbers)
    }

    fn shape(&mut self, transaction: &Transaction<'_>, names: String) -> rusqlite::Result<i64> {
        if let Some(number) = self.names.shapes.get(&names) {
            return Ok(*number);
        }
        let number = transaction
            .prepare_cached("INSERT INTO shapes (names) VALUES (?) ON CONFLICT DO UPDATE SET names = names RETURNING id")?
            .query_row([&names], |row| row.get(0))?;
        if self.names.shapes.len() >= SHAPES {
            self.names.shapes.clear();
        }
        self.names.shapes.insert(names, number);
        Ok(number)
    }

    /// Keeps the later tick: by the order of this process, or by the wall clock if there is no such order.
    fn tick(&mut self, transaction: &Transaction<'_>, canary: &Arc<Canary>, slot: u32, tick: LastTick) -> rusqlite::Result<()> {
        let LastTick { order, due_ms } = tick;
        let (number, _) = self.canary(transaction, canary)?;
        let last = self.orders.entry((canary.id.clone(), slot)).or_insert(order);
        if order < *last {
            return Ok(());
        }
        *last = order;
        let sql = if order == 0 {
            "INSERT INTO last_ticks (canary, slot, due_ms) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET due_ms = max(due_ms, excluded.due_ms)"
        } else {
            "INSERT INTO last_ticks (canary, slot, due_ms) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET due_ms = excluded.due_ms"
        };
        transaction.prepare_cached(sql)?.execute([number, i64::from(slot), due_ms])?;
        Ok(())
    }
}

fn states(transaction: &Transaction<'_>, backlog: &Backlog) -> rusqlite::Result<()> {
    for ((kind, key), json) in &backlog.states {
        match json {
            Some(json) => transaction
                .prepare_cached(
                    "INSERT INTO states (kind, key, json) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json",
                )?
                .execute([kind, key.as_str(), json])?,
            None => transaction.prepare_cached("DELETE FROM states WHERE kind = ? AND key = ?")?.execute([kind, key.as_str()])?,
        };
    }
    Ok(())
}

fn incidents(transaction: &Transaction<'_>, backlog: &Backlog) -> rusqlite::Result<()> {
    for row in backlog.incidents.values() {
        transaction
            .prepare_cached(
                "INSERT INTO incidents (id, scope, probe, severity, opened_ms, resolved_ms, json) VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET scope = excluded.scope, probe = excluded.probe, severity = excluded.severity,
                 opened_ms = excluded.opened_ms, resolved_ms = excluded.resolved_ms, json = excluded.json",
            )?
            .execute(params![row.id, row.scope, row.probe, row.severity, row.opened_ms, row.resolved_ms, row.json])?;
    }
    for row in &backlog.timeline {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO timeline (incident, at_ms, what, text) VALUES (?, ?, ?, ?)")?
            .execute(params![row.incident, row.at_ms, row.what, row.text])?;
    }
    Ok(())
}

fn ledger(transaction: &Transaction<'_>, id: &str, change: &LedgerChange) -> rusqlite::Result<()> {
    if change.gone {
        transaction.prepare_cached("DELETE FROM ledger WHERE id = ?")?.execute([id])?;
        return Ok(());
    }
    if let Some(entry) = &change.entry {
        let json = serde_json::to_string(entry).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        transaction
            .prepare_cached("INSERT INTO ledger (id, entry) VALUES (?, ?) ON CONFLICT DO NOTHING")?
            .execute([id, &json])?;
    }
    if change.passes > 0 {
        transaction
            .prepare_cached(
                "UPDATE ledger SET entry = json_set(entry, '$.passed', coalesce(json_extract(entry, '$.passed'), 0) + ?2)
                 WHERE id = ?1 AND json_valid(entry)",
            )?
            .execute(params![id, change.passes])?;
    }
    transaction
        .prepare_cached(
            "UPDATE ledger SET names = coalesce(?2, names), attempts = attempts + ?3, message = coalesce(?4, message),
             given_up = max(given_up, ?5) WHERE id = ?1",
        )?
        .execute(params![id, change.names.as_ref().map(ToString::to_string), change.retries, change.message, change.given_up])?;
    Ok(())
}
