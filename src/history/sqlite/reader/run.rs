//! Runs.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::history::cursor::{numbers, page};
use crate::history::encoding::detail;
use crate::history::encoding::hour::{self, code};
use crate::history::{Page, ReadError, RunDetail, RunFilter, RunView};
use crate::outcome::{Reason, RunId, SloCount, TraceId, Verdict};

/// Where a page of runs begins: after the run that was due then and has this number.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunCursor {
    due_ms: i64,
    id: i64,
}

impl RunCursor {
    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        let [due_ms, id] = numbers(text)?;
        Ok(Self { due_ms, id })
    }
}

pub(super) const COLUMNS: &str = "runs.id, run_id, canaries.name, probes.name, canaries.region, due_ms, slot, late_ms, duration_us, verdict, \
                       reason, trace, counted, degraded";

/// What [`COLUMNS`] need besides runs.
pub(super) const NAMES: &str = "CROSS JOIN canaries ON canaries.id = runs.canary CROSS JOIN probes ON probes.id = runs.probe";

/// The question for a list, with its values.
pub(super) fn question(filter: &RunFilter, limit: usize, after: Option<RunCursor>) -> (String, Vec<Value>) {
    let mut sql = format!("SELECT {COLUMNS} FROM runs {NAMES} WHERE true");
    let mut values: Vec<Value> = Vec::new();
    only(filter, &mut sql, &mut values);
    if let Some(RunCursor { due_ms, id }) = after {
        sql += " AND (due_ms, runs.id) < (?, ?)";
        values.extend([due_ms.into(), id.into()]);
    }
    sql += " ORDER BY due_ms DESC, runs.id DESC LIMIT ?";
    values.push(i64::try_from(limit + 1).unwrap_or(i64::MAX).into());
    (sql, values)
}

/// Adds what makes a run wanted, with its values.
pub(super) fn only(filter: &RunFilter, sql: &mut String, values: &mut Vec<Value>) {
    let mut also = |condition: &str, value: Value| {
        *sql += " AND ";
        *sql += condition;
        values.push(value);
    };
    if let Some(canary) = &filter.canary {
        also("runs.canary = (SELECT id FROM canaries WHERE name = ?)", canary.clone().into());
    }
    // A canary says which probe it is of; two equalities would only confuse the planner.
    if let (Some(probe), None) = (&filter.probe, &filter.canary) {
        also("runs.probe = (SELECT id FROM probes WHERE name = ?)", probe.clone().into());
    }
    if let (Some(probe), Some(_)) = (&filter.probe, &filter.canary) {
        also("probes.name = ?", probe.clone().into());
    }
    if let Some(region) = &filter.region {
        also("canaries.region = ?", region.clone().into());
    }
    if let Some(verdict) = filter.verdict {
        also("verdict = ?", code(verdict).into());
    }
    if let Some(reason) = filter.reason {
        also("reason = ?", reason.as_str().to_owned().into());
    }
    if let Some(since) = filter.since_ms {
        also("due_ms >= ?", since.into());
    }
    if let Some(until) = filter.until_ms {
        also("due_ms < ?", until.into());
    }
    // Literally, as the partial indices are only used then.
    if filter.not_passed || filter.reason.is_some() || filter.verdict.is_some_and(|verdict| verdict != Verdict::Passed) {
        *sql += " AND verdict <> 0";
    }
    if filter.degraded {
        *sql += " AND degraded <> 0";
    }
}

pub(super) fn list(
    connection: &Connection,
    filter: &RunFilter,
    limit: usize,
    after: Option<RunCursor>,
) -> rusqlite::Result<Page<RunView>> {
    let (sql, values) = question(filter, limit, after);
    let rows: Vec<(i64, RunView)> = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| Ok((row.get(0)?, view(row)?)))?
        .collect::<Result<_, _>>()?;
    let Page { items, next } = page(rows, limit, |(id, run)| format!("{}.{id}", run.due_ms));
    Ok(Page { items: items.into_iter().map(|(_, run)| run).collect(), next })
}

pub(super) fn one(connection: &Connection, run_id: &str) -> rusqlite::Result<Option<RunDetail>> {
    let Ok(run_id) = ulid::Ulid::from_string(run_id) else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, shapes.names, times, json FROM runs {NAMES} LEFT JOIN shapes ON shapes.id = shape
         LEFT JOIN run_details ON run_details.run = runs.id WHERE run_id = ?"
    );
    connection
        .prepare_cached(&sql)?
        .query_row([run_id.0.to_be_bytes()], |row| {
            let steps = match (row.get::<_, Option<String>>(14)?, row.get::<_, Option<Vec<u8>>>(15)?) {
                (Some(names), Some(times)) => detail::steps(&names, &times),
                (_, None) | (None, _) => Vec::new(),
            };
            let details = row.get::<_, Option<String>>(16)?.and_then(|json| serde_json::from_str(&json).ok());
            Ok(RunDetail { run: view(row)?, steps, details })
        })
        .optional()
}

pub(super) fn view(row: &Row<'_>) -> rusqlite::Result<RunView> {
    let (due_ms, late_ms): (i64, i64) = (row.get(5)?, row.get(7)?);
    let verdict = hour::verdict(row.get(9)?).unwrap_or(Verdict::Errored);
    let reason: Option<String> = row.get(10)?;
    Ok(RunView {
        run_id: RunId(ulid::Ulid(u128::from_be_bytes(row.get(1)?))).to_string(),
        canary: row.get(2)?,
        probe: row.get(3)?,
        region: row.get(4)?,
        due_ms,
        slot: row.get(6)?,
        started_ms: due_ms + late_ms,
        duration_us: row.get(8)?,
        verdict: verdict.as_str(),
        reason: reason.and_then(|word| word.parse().ok()).map(Reason::as_str),
        degraded: row.get(13)?,
        trace_id: TraceId(u128::from_be_bytes(row.get(11)?)).to_string(),
        // Whatever was written: a run that was the prober's own fault, or none at all, counts for nothing.
        counted: row.get::<_, bool>(12)? && verdict.slo() != SloCount::Not,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many runs there are, a page takes only as long as the page is.
    #[test]
    fn lists_are_read_from_an_index_in_their_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::super::schema::migrate(&mut connection).unwrap();
        let canary = RunFilter { canary: Some("p/eu".to_owned()), ..RunFilter::default() };
        let probe = RunFilter { probe: Some("p".to_owned()), ..RunFilter::default() };
        for (filter, index) in [
            (RunFilter::default(), "runs_by_due"),
            (canary.clone(), "runs_by_canary"),
            (RunFilter { since_ms: Some(5), until_ms: Some(9), ..canary }, "runs_by_canary"),
            (probe.clone(), "runs_by_probe"),
            (RunFilter { not_passed: true, ..RunFilter::default() }, "runs_not_passed"),
            (RunFilter { verdict: Some(Verdict::Failed), ..probe.clone() }, "runs_not_passed_by_probe"),
            (RunFilter { reason: Some(Reason::Timeout), ..probe.clone() }, "runs_not_passed_by_probe"),
            (RunFilter { degraded: true, ..RunFilter::default() }, "runs_degraded"),
            (RunFilter { degraded: true, ..probe }, "runs_degraded_by_probe"),
        ] {
            for after in [None, Some(RunCursor { due_ms: 7, id: 3 })] {
                let (sql, values) = question(&filter, 50, after);
                let plan: Vec<String> = connection
                    .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                    .unwrap()
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap();
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}: {plan:#?}");
                assert!(plan[0].contains(&format!("INDEX {index}")), "{filter:?}: {plan:#?}");
            }
        }
    }
}
