//! Runs of all canaries as marks, in the order of writing.
//!
//! A cursor names the file and the last run that was looked at.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::changes::{file_number, last_number};
use crate::history::cursor::numbers;
use crate::history::encoding::detail;
use crate::history::encoding::hour::verdict;
use crate::history::{MarksPage, ReadError, RunMark};
use crate::outcome::{SloCount, Verdict};

/// Where somebody is who reads marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct MarkCursor {
    file: i64,
    run: i64,
}

impl MarkCursor {
    pub(in super::super) fn read(text: &str) -> Result<Self, ReadError> {
        let [file, run] = numbers(text)?;
        Ok(Self { file, run })
    }
}

/// The next runs. `limit` is at least 1.
const MARKS: &str =
    "SELECT runs.id, runs.canary, canaries.name, due_ms, late_ms, duration_us, verdict, reason, degraded, counted, shape, times
    FROM runs CROSS JOIN canaries ON canaries.id = runs.canary WHERE runs.id > ? AND due_ms >= ? ORDER BY runs.id LIMIT ?";

/// The first run that was due then or later. The index is named because the order of numbers would lead through all of history.
const FIRST: &str = "SELECT min(id) FROM runs INDEXED BY runs_by_due WHERE due_ms >= ?";

pub(super) fn page(
    connection: &Connection,
    since_ms: i64,
    after: Option<MarkCursor>,
    limit: usize,
) -> rusqlite::Result<MarksPage> {
    // One transaction, so that all queries see the same state.
    let picture = connection.unchecked_transaction()?;
    let now = MarkCursor { file: file_number(&picture)?, run: last_number(&picture, "runs")? };
    let is_cut = after.is_some_and(|from| from.file != now.file || from.run > now.run);
    let from = if let Some(from) = after.filter(|_| !is_cut) {
        from.run
    } else {
        let first: Option<i64> = picture.prepare_cached(FIRST)?.query_row([since_ms], |row| row.get(0))?;
        first.map_or(now.run, |first| first - 1)
    };
    let mut last = from;
    let mut marks = Vec::new();
    let mut names = Names::default();
    let mut rows = picture.prepare_cached(MARKS)?;
    let mut rows = rows.query(params![from, since_ms, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let (due_ms, late_ms): (i64, i64) = (row.get(3)?, row.get(4)?);
        let verdict = verdict(row.get(6)?).unwrap_or(Verdict::Errored);
        let times = row.get_ref(11)?.as_blob_or_null()?;
        let times = match (row.get::<_, Option<i64>>(10)?, times) {
            (Some(shape), Some(times)) => detail::step_times(names.steps(&picture, shape)?, times),
            (_, None) | (None, _) => Vec::new(),
        };
        marks.push(RunMark {
            canary: names.canary(row.get(1)?, row.get_ref(2)?.as_str()?),
            due_ms,
            started_ms: due_ms + late_ms,
            duration_us: row.get(5)?,
            verdict,
            reason: row.get_ref(7)?.as_str_or_null()?.and_then(|word| word.parse().ok()),
            degraded: row.get(8)?,
            counted: row.get::<_, bool>(9)? && verdict.slo() != SloCount::Not,
            convergence_us: detail::longest_convergence(&times),
        });
    }
    let more = marks.len() == limit;
    let next = if more { last } else { now.run };
    Ok(MarksPage { marks, next: format!("{}.{next}", now.file), is_cut, more })
}

/// What many rows share.
#[derive(Default)]
struct Names {
    canaries: HashMap<i64, Arc<str>>,
    /// The number of steps of a shape.
    steps: HashMap<i64, usize>,
}

impl Names {
    fn canary(&mut self, number: i64, name: &str) -> Arc<str> {
        Arc::clone(self.canaries.entry(number).or_insert_with(|| name.into()))
    }

    fn steps(&mut self, connection: &Connection, shape: i64) -> rusqlite::Result<usize> {
        if let Some(count) = self.steps.get(&shape) {
            return Ok(*count);
        }
        let names: Option<String> = connection
            .prepare_cached("SELECT names FROM shapes WHERE id = ?")?
            .query_row([shape], |row| row.get(0))
            .optional()?;
        let count = names.map_or(0, |json| detail::names(&json).len());
        self.steps.insert(shape, count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long history is, only what was due since is looked at.
    #[test]
    fn the_first_run_is_found_by_its_due_time_and_the_others_by_their_numbers() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::super::schema::migrate(&mut connection).unwrap();
        let plan = |sql: &str| -> String {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<Vec<String>, _>>();
            steps.unwrap().join("; ")
        };
        assert_eq!(plan(FIRST), "SEARCH runs USING COVERING INDEX runs_by_due (due_ms>?)");
        let marks = plan(MARKS);
        assert!(marks.starts_with("SEARCH runs USING INTEGER PRIMARY KEY (rowid>?)"), "{marks}");
        assert!(!marks.contains("TEMP B-TREE"), "{marks}");
    }
}
