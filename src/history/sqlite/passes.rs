//! What a failed run is compared with: the newest passed run of each canary, in full.
//!
//! Only the newest passed run of each canary is of interest, and only if somebody asks or a run fails. It is therefore held in
//! memory, and written when a failed run is compared with it, every ten minutes, and at the end. After a crash the newest one in
//! the file may be ten minutes older. Beyond [`HELD`] canaries, passed runs are written and not held. Housekeeping removes rows
//! that are neither the newest of their canary nor compared with a stored run.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::prune::SLICE;
use crate::base::time::{epoch_ms, signed_millis};
use crate::history::encoding::detail;
use crate::history::{Comparison, PassView};
use crate::outcome::{RunId, RunReport};
use crate::plan::{Bodies, Cadence, Canary, CanaryId};

/// The most passed runs that are held, one for each canary. Those of further canaries are written at once, at most one in
/// [`WRITTEN_AFTER`], and not held.
const HELD: usize = 2_000;

/// How long one is held before it is written down in any case.
const WRITTEN_AFTER: Duration = Duration::from_mins(10);

/// How old a pass of another region or cell may be where a canary has no interval.
const LONG_AGO: Duration = Duration::from_hours(1);

/// The newest passed run of a canary.
#[derive(Debug)]
struct Pass {
    due_ms: i64,
    /// The run, until it is written.
    report: Option<Arc<RunReport>>,
    /// Its row, once it is written, or is about to be.
    row: Option<i64>,
    /// When one of this canary was written last.
    written: Option<Instant>,
}

/// Those of a probe, and which of them was due last.
#[derive(Debug, Default)]
struct ProbePasses {
    passes: HashMap<CanaryId, Pass>,
    by_due: BTreeSet<(i64, CanaryId)>,
}

/// Those of all canaries since this process began.
#[derive(Debug, Default)]
pub(super) struct Passes {
    probes: HashMap<Arc<str>, ProbePasses>,
    held: usize,
    /// Canaries whose rows are in a transaction that is not committed yet.
    pending: Vec<Arc<Canary>>,
}

/// What the writer and readers share.
pub(super) type SharedPasses = Arc<Mutex<Passes>>;

pub(super) fn lock(passes: &SharedPasses) -> MutexGuard<'_, Passes> {
    passes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that counts, and the number of its canary.
pub(super) struct Counted<'a> {
    pub(super) report: &'a Arc<RunReport>,
    pub(super) canary: i64,
    pub(super) bodies: Bodies,
}

impl Passes {
    /// Takes note of a passed run.
    pub(super) fn passed(&mut self, transaction: &Transaction<'_>, run: &Counted<'_>) -> rusqlite::Result<()> {
        let canary = &run.report.canary;
        let due_ms = epoch_ms(run.report.tick.due);
        let of_probe = self.probes.entry(Arc::clone(&canary.probe.name)).or_default();
        let known = of_probe.passes.get(&canary.id);
        if known.is_some_and(|known| known.due_ms >= due_ms) {
            return Ok(());
        }
        let (was_held, written) = known.map_or((false, None), |known| (known.report.is_some(), known.written));
        if let Some(known) = known {
            of_probe.by_due.remove(&(known.due_ms, canary.id.clone()));
        }
        of_probe.by_due.insert((due_ms, canary.id.clone()));
        let report = Some(Arc::clone(run.report));
        of_probe.passes.insert(canary.id.clone(), Pass { due_ms, report, row: None, written });
        self.held += usize::from(!was_held);
        if self.held > HELD {
            let is_due = written.is_none_or(|written| written.elapsed() >= WRITTEN_AFTER);
            if is_due {
                self.write(transaction, canary, run.canary, run.bodies)?;
            }
            self.let_go(canary);
        }
        Ok(())
    }

    /// Keeps with a failed run what it is compared with.
    pub(super) fn failed(&mut self, transaction: &Transaction<'_>, run: &Counted<'_>, number: i64) -> rusqlite::Result<()> {
        let canary = &run.report.canary;
        let due_ms = epoch_ms(run.report.tick.due);
        let is_before = self.pass(canary).is_some_and(|pass| pass.due_ms < due_ms);
        let written = if is_before { self.write(transaction, canary, run.canary, run.bodies)? } else { None };
        let before = match written {
            Some(row) => Some(row),
            None => transaction
                .prepare_cached("SELECT id FROM passes WHERE canary = ? AND due_ms < ? ORDER BY due_ms DESC LIMIT 1")?
                .query_row([run.canary, due_ms], |row| row.get(0))
                .optional()?,
        };
        let beside = match self.beside(canary, due_ms) {
            Some(other) => {
                let number: Option<i64> = transaction
                    .prepare_cached("SELECT id FROM canaries WHERE name = ?")?
                    .query_row([other.id.as_str()], |row| row.get(0))
                    .optional()?;
                number.map(|number| self.write(transaction, &other, number, run.bodies)).transpose()?.flatten()
            }
            None => None,
        };
        if before.is_some() || beside.is_some() {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO comparisons (run, before, beside) VALUES (?, ?, ?)")?
                .execute(params![number, before, beside])?;
        }
        Ok(())
    }

    fn pass(&self, canary: &Canary) -> Option<&Pass> {
        self.probes.get(&canary.probe.name)?.passes.get(&canary.id)
    }

    /// The canary of the same probe, in another region or cell, that passed last within the interval before.
    fn beside(&self, canary: &Canary, due_ms: i64) -> Option<Arc<Canary>> {
        let of_probe = self.probes.get(&canary.probe.name)?;
        let reach = match &canary.probe.cadence {
            Cadence::Every(interval) => *interval,
            Cadence::Cron { .. } => LONG_AGO,
        };
        let newest_first = of_probe.by_due.iter().rev().skip_while(|(due, _)| *due > due_ms);
        let mut young = newest_first.take_while(|(due, _)| *due >= due_ms.saturating_sub(signed_millis(reach)));
        let (_, other) =
            young.find(|(_, id)| *id != canary.id && of_probe.passes.get(id).is_some_and(|pass| pass.report.is_some()))?;
        of_probe.passes.get(other)?.report.as_ref().map(|report| Arc::clone(&report.canary))
    }

    /// Writes a canary's pass, if it is not; its row, if there is one.
    fn write(
        &mut self,
        transaction: &Transaction<'_>,
        canary: &Arc<Canary>,
        number: i64,
        bodies: Bodies,
    ) -> rusqlite::Result<Option<i64>> {
        let pass = self.probes.get_mut(&canary.probe.name).and_then(|of_probe| of_probe.passes.get_mut(&canary.id));
        let Some(pass) = pass else { return Ok(None) };
        if let (None, Some(report)) = (pass.row, &pass.report) {
            let row = transaction
                .prepare_cached(
                    "INSERT INTO passes (canary, run_id, due_ms, json) VALUES (?, ?, ?, ?)
                     ON CONFLICT (run_id) DO UPDATE SET json = excluded.json RETURNING id",
                )?
                .query_row(
                    params![number, report.run_id.0.0.to_be_bytes(), pass.due_ms, detail::whole(report, bodies)],
                    |row| row.get(0),
                )?;
            pass.row = Some(row);
            self.pending.push(Arc::clone(canary));
        }
        Ok(pass.row)
    }

    /// Holds a canary's pass no more.
    fn let_go(&mut self, canary: &Canary) {
        let pass = self.probes.get_mut(&canary.probe.name).and_then(|of_probe| of_probe.passes.get_mut(&canary.id));
        self.held -= usize::from(pass.is_some_and(|pass| pass.report.take().is_some()));
    }

    /// The transaction was committed, or it failed.
    pub(super) fn settle(&mut self, is_written: bool) {
        for canary in std::mem::take(&mut self.pending) {
            let pass = self.probes.get_mut(&canary.probe.name).and_then(|of_probe| of_probe.passes.get_mut(&canary.id));
            if let Some(pass) = pass {
                if is_written {
                    pass.written = Some(Instant::now());
                } else {
                    pass.row = None;
                }
            }
        }
    }

    /// Forgets row ids, because the file is another one now.
    pub(super) fn forget_rows(&mut self) {
        self.pending.clear();
        self.probes.values_mut().flat_map(|of_probe| of_probe.passes.values_mut()).for_each(|pass| pass.row = None);
    }

    /// Writes held passes: those that were not written for some time, or all. At most `most` are written.
    pub(super) fn write_down(
        &mut self,
        connection: &mut Connection,
        all: bool,
        most: usize,
        bodies: Bodies,
    ) -> rusqlite::Result<()> {
        let is_due =
            |pass: &&Pass| pass.row.is_none() && (all || pass.written.is_none_or(|written| written.elapsed() >= WRITTEN_AFTER));
        let passes = self.probes.values().flat_map(|of_probe| of_probe.passes.values());
        let due: Vec<Arc<Canary>> =
            passes.filter(is_due).filter_map(|pass| Some(Arc::clone(&pass.report.as_ref()?.canary))).take(most).collect();
        if due.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        for canary in due {
            let number: Option<i64> = transaction
                .prepare_cached("SELECT id FROM canaries WHERE name = ?")?
                .query_row([canary.id.as_str()], |row| row.get(0))
                .optional()?;
            if let Some(number) = number {
                self.write(&transaction, &canary, number, bodies)?;
            }
        }
        transaction.commit()
    }

    /// The newest pass of a canary, if this process holds it.
    fn held(&self, canary: &str) -> Option<Arc<RunReport>> {
        let passes = self
            .probes
            .values()
            .find_map(|of_probe| of_probe.passes.iter().find_map(|(id, pass)| (id.as_str() == canary).then_some(pass)));
        passes.and_then(|pass| pass.report.clone())
    }
}

/// Removes rows that no comparison refers to and that are old or not the newest of their canary. Returns whether there may be
/// more.
pub(super) fn prune(transaction: &Transaction<'_>, old: i64) -> rusqlite::Result<bool> {
    let removed = transaction
        .prepare_cached(
            "DELETE FROM passes WHERE id IN (SELECT id FROM passes AS own
             WHERE NOT EXISTS (SELECT 1 FROM comparisons WHERE before = own.id)
             AND NOT EXISTS (SELECT 1 FROM comparisons WHERE beside = own.id)
             AND (due_ms < ?1 OR EXISTS (SELECT 1 FROM passes AS later WHERE later.canary = own.canary AND later.due_ms > own.due_ms))
             LIMIT ?2)",
        )?
        .execute(params![old, SLICE])?;
    Ok(removed == SLICE)
}

/// The newest pass of a canary.
pub(super) fn newest(
    connection: &Connection,
    passes: &SharedPasses,
    canary: &str,
    bodies: Bodies,
) -> rusqlite::Result<Option<PassView>> {
    let held = lock(passes).held(canary);
    if let Some(report) = held {
        return Ok(Some(detail::pass(&report, bodies)));
    }
    connection
        .prepare_cached(&format!("{PASS} WHERE canaries.name = ? ORDER BY due_ms DESC LIMIT 1"))?
        .query_row([canary], view)
        .optional()
}

/// What a failed run is compared with.
pub(super) fn comparison(connection: &Connection, run_id: &str) -> rusqlite::Result<Comparison> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(Comparison::default()) };
    let pass = |which: &str| {
        let sql = format!(
            "{PASS} WHERE passes.id = (SELECT {which} FROM comparisons WHERE run = (SELECT id FROM runs WHERE run_id = ?))"
        );
        connection.prepare_cached(&sql)?.query_row([run.0.to_be_bytes()], view).optional()
    };
    Ok(Comparison { before: pass("before")?, beside: pass("beside")? })
}

const PASS: &str = "SELECT run_id, canaries.name, due_ms, json FROM passes JOIN canaries ON canaries.id = passes.canary";

fn view(row: &Row<'_>) -> rusqlite::Result<PassView> {
    Ok(PassView {
        run_id: RunId(ulid::Ulid(u128::from_be_bytes(row.get(0)?))).to_string(),
        canary: row.get(1)?,
        due_ms: row.get(2)?,
        details: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sqlite::schema;
    use crate::history::testing::{canary, run};
    use crate::outcome::Verdict;

    #[test]
    fn of_however_many_canaries_few_are_held_and_the_rest_is_written() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let mut passes = Passes::default();
        connection.execute("INSERT INTO probes (id, name) VALUES (1, 'p')", []).unwrap();
        let transaction = connection.transaction().unwrap();
        for due in [60, 120] {
            for number in 0..HELD + 3 {
                let canary = canary(&format!("p{number}"), "eu");
                let sql = "INSERT INTO canaries (name, probe, region) VALUES (?, 1, 'eu') ON CONFLICT DO NOTHING";
                transaction.execute(sql, [canary.id.as_str()]).unwrap();
                let name = "SELECT id FROM canaries WHERE name = ?";
                let row = transaction.query_row(name, [canary.id.as_str()], |row| row.get(0)).unwrap();
                let report = Arc::new(run(&canary, Verdict::Passed, due));
                passes.passed(&transaction, &Counted { report: &report, canary: row, bodies: Bodies::Failed }).unwrap();
            }
            passes.settle(true);
            let of_probes = passes.probes.values().flat_map(|of_probe| of_probe.passes.values());
            assert_eq!(of_probes.filter(|pass| pass.report.is_some()).count(), HELD);
            let written: usize = transaction.query_row("SELECT count(*) FROM passes", [], |row| row.get(0)).unwrap();
            assert_eq!(written, 3, "the others are written, and not again within ten minutes");
        }
    }
}
