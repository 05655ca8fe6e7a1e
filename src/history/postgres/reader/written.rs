//! Runs in the order of writing, for those who follow them.
//!
//! A cursor names the store, the last run that was looked at, and when the newest one was due: where the store is another one, or an
//! older copy of the same, it goes on with what was due later. A question looks through a bounded number of runs, however few are wanted.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, Values, all_of, count, number};
use super::run::{COLUMNS, NAMES, WIDTH, only, place, view};
use crate::history::{RunFilter, RunView, WrittenPage};

/// Runs that one question looks through.
const LOOKED_THROUGH: i64 = 10_000;

/// The store, the last run and when the newest one was due.
const NOW: &str = "SELECT
    (SELECT value FROM marks WHERE name = 'file') AS file,
    (SELECT last FROM numbers WHERE name = 'runs') AS run,
    (SELECT coalesce(max(due_ms), 0) FROM runs) AS due_ms";

/// The wanted ones of the next numbers, with their values; each row also says where somebody is then. Numbers of removed runs are
/// skipped, or whoever was away would come back to many empty pages. Numbers come first, behind `OFFSET 0`, because an index of
/// something else would lead through all of history.
fn question(filter: &RunFilter, [file, run, due_ms]: [i64; 3], limit: usize) -> (String, Values) {
    let mut values = Values::default();
    let (file, run, due_ms) = (values.bind(number(file)), values.bind(number(run)), values.bind(number(due_ms)));
    let (most, limit) = (values.bind(number(LOOKED_THROUGH)), values.bind(count(limit)));
    let (place, only) = (all_of(&place(filter, &mut values)), all_of(&only(filter, &mut values)));
    let sql = format!(
        "WITH now AS MATERIALIZED ({NOW}),
        cut AS MATERIALIZED (SELECT now.*, file <> {file} OR run < {run} AS is_cut FROM now),
        begun AS MATERIALIZED (SELECT cut.*, coalesce(CASE WHEN is_cut
            THEN (SELECT min(id) FROM runs WHERE due_ms > {due_ms})
            ELSE (SELECT min(id) FROM runs WHERE id > {run}) END - 1, run) AS start FROM cut),
        bounds AS MATERIALIZED (SELECT begun.*, least(run, start + {most}) AS until FROM begun)
        SELECT found.*, file, run, bounds.due_ms, is_cut, until FROM bounds LEFT JOIN (
            SELECT {COLUMNS} FROM (
                SELECT * FROM runs WHERE id > (SELECT start FROM bounds) AND id <= (SELECT until FROM bounds) AND {place} OFFSET 0
            ) AS runs {NAMES} WHERE {only} ORDER BY runs.id LIMIT {limit}
        ) AS found ON true ORDER BY found.id"
    );
    (sql, values)
}

/// A row of [`question`].
struct Told {
    /// A run with its number; none in the only row where there is none.
    run: Option<(i64, RunView)>,
    /// The store, its last run, and when the newest one was due.
    now: [i64; 3],
    is_cut: bool,
    until: i64,
}

impl Told {
    fn read(row: &Row) -> Result<Self, Error> {
        let id: Option<i64> = row.try_get(0)?;
        Ok(Self {
            run: id.map(|id| Ok((id, view(row)?))).transpose()?,
            now: now(row, WIDTH)?,
            is_cut: row.try_get(WIDTH + 3)?,
            until: row.try_get(WIDTH + 4)?,
        })
    }
}

/// From the columns of [`NOW`], the first of which is here.
fn now(row: &Row, at: usize) -> Result<[i64; 3], Error> {
    Ok([row.try_get(at)?, row.try_get(at + 1)?, row.try_get(at + 2)?])
}

pub(super) async fn page(
    client: &Client,
    filter: &RunFilter,
    after: Option<[i64; 3]>,
    limit: usize,
) -> Result<WrittenPage, Error> {
    let next = |[file, run, due_ms]: [i64; 3]| format!("{file}.{run}.{due_ms}");
    let Some(after) = after else {
        let now = question::first(client, NOW, Vec::new(), |row| now(row, 0)).await?.unwrap_or_default();
        return Ok(WrittenPage { items: Vec::new(), next: next(now), is_cut: false, more: false });
    };
    let (sql, Values(values)) = question(filter, after, limit);
    let rows = question::all(client, &sql, values, Told::read).await?;
    // There is always a row.
    let (now, is_cut, until) = rows.first().map_or((after, false, after[1]), |row| (row.now, row.is_cut, row.until));
    let found: Vec<(i64, RunView)> = rows.into_iter().filter_map(|row| row.run).collect();
    let run = found.last().filter(|_| found.len() == limit).map_or(until, |(id, _)| *id);
    let [file, last, due_ms] = now;
    Ok(WrittenPage {
        items: found.into_iter().map(|(_, run)| run).collect(),
        next: next([file, run, due_ms]),
        is_cut,
        more: run < last,
    })
}
