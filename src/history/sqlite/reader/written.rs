//! Runs in the order of writing, for those who follow them.
//!
//! A cursor names the file, the last run that was looked at, and when the newest one was due: where the file is another one, or an older
//! copy of the same, it goes on with what was due later. A question looks through a bounded number of runs, however few are wanted.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::changes::{file_number, last_number};
use super::run::{COLUMNS, NAMES, only, view};
use crate::history::cursor::numbers;
use crate::history::{ReadError, RunFilter, RunView, WrittenPage};

/// Runs that one question looks through.
const LOOKED_THROUGH: i64 = 10_000;

/// Where somebody is who follows runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenCursor {
    file: i64,
    run: i64,
    due_ms: i64,
}

impl WrittenCursor {
    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        let [file, run, due_ms] = numbers(text)?;
        Ok(Self { file, run, due_ms })
    }

    fn now(connection: &Connection) -> rusqlite::Result<Self> {
        let newest = "SELECT coalesce(max(due_ms), 0) FROM runs";
        let due_ms = connection.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
        Ok(Self { file: file_number(connection)?, run: last_number(connection, "runs")?, due_ms })
    }

    fn text(self) -> String {
        format!("{}.{}.{}", self.file, self.run, self.due_ms)
    }
}

/// The first run that was due later, in an older copy or another file.
const FIRST: &str = "SELECT min(id) FROM runs INDEXED BY runs_by_due WHERE due_ms > ?";

/// The first one that is still there.
const NEXT: &str = "SELECT min(id) FROM runs WHERE id > ?";

/// The wanted ones of a range of numbers. No index, because one of them would lead through all of history.
fn question(filter: &RunFilter, (after, until): (i64, i64), limit: usize) -> (String, Vec<Value>) {
    let mut sql = format!("SELECT {COLUMNS} FROM runs NOT INDEXED {NAMES} WHERE runs.id > ? AND runs.id <= ?");
    let mut values = vec![after.into(), until.into()];
    only(filter, &mut sql, &mut values);
    sql += " ORDER BY runs.id LIMIT ?";
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    (sql, values)
}

pub(super) fn page(
    connection: &Connection,
    filter: &RunFilter,
    after: Option<WrittenCursor>,
    limit: usize,
) -> rusqlite::Result<WrittenPage> {
    // One transaction, so that all queries see the same state.
    let picture = connection.unchecked_transaction()?;
    let number = |sql: &str, of: i64| picture.prepare_cached(sql)?.query_row([of], |row| row.get::<_, Option<i64>>(0));
    let now = WrittenCursor::now(&picture)?;
    let Some(cursor) = after else {
        return Ok(WrittenPage { items: Vec::new(), next: now.text(), is_cut: false, more: false });
    };
    let is_cut = cursor.file != now.file || cursor.run > now.run;
    // Numbers of removed runs are skipped, or whoever was away would come back to many empty pages.
    let next = if is_cut { number(FIRST, cursor.due_ms)? } else { number(NEXT, cursor.run)? };
    let from = next.map_or(now.run, |next| next - 1);
    let until = now.run.min(from.saturating_add(LOOKED_THROUGH));
    let (sql, values) = question(filter, (from, until), limit);
    let found: Vec<(i64, RunView)> = picture
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| Ok((row.get(0)?, view(row)?)))?
        .collect::<Result<_, _>>()?;
    let run = found.last().filter(|_| found.len() == limit).map_or(until, |(id, _)| *id);
    Ok(WrittenPage {
        items: found.into_iter().map(|(_, run)| run).collect(),
        next: WrittenCursor { run, ..now }.text(),
        is_cut,
        more: run < now.run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    /// However long history is, only so many runs are looked at.
    #[test]
    fn runs_are_found_by_their_numbers_whatever_is_wanted() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::super::schema::migrate(&mut connection).unwrap();
        let plan = |sql: &str, values: Vec<Value>| -> String {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
            steps.collect::<Result<Vec<String>, _>>().unwrap().join("; ")
        };
        let one = || vec![Value::Integer(1)];
        assert_eq!(plan(FIRST, one()), "SEARCH runs USING COVERING INDEX runs_by_due (due_ms>?)");
        assert!(plan(NEXT, one()).starts_with("SEARCH runs USING INTEGER PRIMARY KEY (rowid>?)"));
        let named = |text: &str| Some(text.to_owned());
        for filter in [
            RunFilter::default(),
            RunFilter { canary: named("p/eu"), ..RunFilter::default() },
            RunFilter { probe: named("p"), verdict: Some(Verdict::Failed), ..RunFilter::default() },
            RunFilter { degraded: true, ..RunFilter::default() },
        ] {
            let (sql, values) = question(&filter, (1, 5), 7);
            let plan = plan(&sql, values);
            assert!(plan.starts_with("SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
