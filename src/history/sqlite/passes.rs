//! Passed runs in full, and which of them a failed run is compared with. Which ones are written when, `newest_passes` says.
//!
//! Housekeeping removes rows that are neither the newest of their canary nor compared with a stored run.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::prune::SLICE;
use crate::base::time::epoch_ms;
use crate::history::encoding::detail;
use crate::history::newest_passes::SharedPasses;
use crate::history::{Comparison, PassView};
use crate::outcome::{RunId, RunReport};
use crate::plan::Bodies;

/// Writes a passed run.
pub(super) fn write(connection: &Connection, report: &RunReport, bodies: Bodies) -> rusqlite::Result<()> {
    let values = params![
        report.canary.id.as_str(),
        report.run_id.0.0.to_be_bytes(),
        epoch_ms(report.tick.due),
        detail::whole(report, bodies)
    ];
    connection
        .prepare_cached(
            "INSERT INTO passes (canary, run_id, due_ms, json) SELECT id, ?2, ?3, ?4 FROM canaries WHERE name = ?1
             ON CONFLICT (run_id) DO UPDATE SET json = excluded.json",
        )?
        .execute(values)?;
    Ok(())
}

/// Notes what a failed run is compared with: the last pass of its canary before it, and one beside it.
pub(super) fn compare(
    transaction: &Transaction<'_>,
    passes: &SharedPasses,
    report: &RunReport,
    (canary, number): (i64, i64),
    bodies: Bodies,
) -> rusqlite::Result<()> {
    let compared = passes.failed(report);
    compared.to_write.iter().try_for_each(|pass| write(transaction, pass, bodies))?;
    let bytes = |run: Option<RunId>| run.map(|run| run.0.0.to_be_bytes());
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO comparisons (run, before, beside) SELECT ?1, before, beside FROM (SELECT
                coalesce((SELECT id FROM passes WHERE run_id = ?2),
                    (SELECT id FROM passes WHERE canary = ?3 AND due_ms < ?4 ORDER BY due_ms DESC LIMIT 1)) AS before,
                (SELECT id FROM passes WHERE run_id = ?5) AS beside)
             WHERE before IS NOT NULL OR beside IS NOT NULL",
        )?
        .execute(params![number, bytes(compared.before), canary, epoch_ms(report.tick.due), bytes(compared.beside)])?;
    Ok(())
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
    if let Some(report) = passes.held(canary) {
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
