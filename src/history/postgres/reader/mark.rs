//! Runs of all canaries as marks, in the order of writing.
//!
//! A cursor names the store and the last run that was looked at.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::{Client, Error, Row};

use super::question::{self, count, maybe_number, number, unsigned};
use super::run::{reason, verdict};
use crate::history::encoding::detail;
use crate::history::{MarksPage, RunMark};
use crate::outcome::SloCount;

/// The next runs after a cursor that is of this store (`$1`, `$2`), or the first ones that were due at `$3` or later; each row also says
/// where somebody is then. Of the names of steps only their number is needed.
const MARKS: &str = "WITH now AS MATERIALIZED (SELECT
        (SELECT value FROM marks WHERE name = 'file') AS file,
        (SELECT last FROM numbers WHERE name = 'runs') AS run),
    cut AS MATERIALIZED (SELECT now.*, coalesce(file <> $1 OR run < $2, false) AS is_cut FROM now),
    begun AS MATERIALIZED (SELECT cut.*, CASE WHEN NOT is_cut AND $2 IS NOT NULL THEN $2
        ELSE coalesce((SELECT min(id) FROM runs WHERE due_ms >= $3) - 1, run) END AS start FROM cut)
    SELECT found.id, canary, canaries.name, due_ms, late_ms, duration_us, verdict, reason, degraded, counted, times, steps,
        file, run, is_cut
    FROM begun LEFT JOIN (
        SELECT id, canary, due_ms, late_ms, duration_us, verdict, reason, degraded, counted, shape, times FROM runs
        WHERE id > (SELECT start FROM begun) AND due_ms >= $3 ORDER BY id LIMIT $4
    ) AS found ON true
    LEFT JOIN canaries ON canaries.id = canary
    LEFT JOIN (SELECT id, json_array_length(names::json) AS steps FROM shapes) AS shapes ON shapes.id = shape
    ORDER BY found.id";

/// A row of [`MARKS`].
struct Told {
    /// A run with its number; none in the only row where there is none.
    mark: Option<(i64, RunMark)>,
    /// The store and its last run.
    now: [i64; 2],
    is_cut: bool,
}

impl Told {
    fn read(row: &Row, names: &mut HashMap<i32, Arc<str>>) -> Result<Self, Error> {
        let id: Option<i64> = row.try_get(0)?;
        Ok(Self {
            mark: id.map(|id| Ok((id, mark(row, names)?))).transpose()?,
            now: [row.try_get(12)?, row.try_get(13)?],
            is_cut: row.try_get(14)?,
        })
    }
}

fn mark(row: &Row, names: &mut HashMap<i32, Arc<str>>) -> Result<RunMark, Error> {
    let (due_ms, late_ms): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
    let name: Option<&str> = row.try_get(2)?;
    let verdict = verdict(row, 6)?;
    let (times, steps) = (row.try_get::<_, Option<&[u8]>>(10)?, row.try_get::<_, Option<i32>>(11)?);
    let steps = steps.and_then(|steps| usize::try_from(steps).ok());
    let times = times.zip(steps).map(|(times, steps)| detail::step_times(steps, times)).unwrap_or_default();
    Ok(RunMark {
        canary: Arc::clone(names.entry(row.try_get(1)?).or_insert_with(|| name.unwrap_or_default().into())),
        due_ms,
        started_ms: due_ms.saturating_add(late_ms),
        duration_us: unsigned(row, 5)?,
        verdict,
        reason: reason(row, 7)?,
        degraded: row.try_get(8)?,
        counted: row.try_get::<_, bool>(9)? && verdict.slo() != SloCount::Not,
        convergence_us: detail::longest_convergence(&times),
    })
}

/// The next marks. `limit` is at least 1.
pub(super) async fn page(client: &Client, since_ms: i64, after: Option<[i64; 2]>, limit: usize) -> Result<MarksPage, Error> {
    let [file, run] = after.map_or([None; 2], |after| after.map(Some));
    let values = vec![maybe_number(file), maybe_number(run), number(since_ms), count(limit)];
    let mut names = HashMap::new();
    let rows = question::all(client, MARKS, values, |row| Told::read(row, &mut names)).await?;
    // There is always a row.
    let ([file, last], is_cut) = rows.first().map_or_else(Default::default, |row| (row.now, row.is_cut));
    let found: Vec<(i64, RunMark)> = rows.into_iter().filter_map(|row| row.mark).collect();
    let more = found.len() == limit;
    let next = found.last().filter(|_| more).map_or(last, |(id, _)| *id);
    let marks = found.into_iter().map(|(_, mark)| mark).collect();
    Ok(MarksPage { marks, next: format!("{file}.{next}"), is_cut, more })
}
