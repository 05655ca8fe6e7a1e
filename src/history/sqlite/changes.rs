//! What changed: a row of each thing besides runs, which are followed by their numbers.
//!
//! A cursor names the file, the last run and the last change. A follower whose cursor names another file, or rows that are gone,
//! has to read everything.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::prune::{SLICE, more};
use crate::history::backlog::Backlog;
use crate::history::cursor::numbers;
use crate::history::{CHANGES, Change, Changes, FOLLOWED, ReadError};
use crate::outcome::RunId;

/// Rows that are kept for those who follow.
const KEPT: i64 = 10_000;

/// Where somebody is who follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangeCursor {
    file: i64,
    run: i64,
    change: i64,
}

impl ChangeCursor {
    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        let [file, run, change] = numbers(text)?;
        Ok(Self { file, run, change })
    }

    fn now(connection: &Connection) -> rusqlite::Result<Self> {
        let last = |table| last_number(connection, table);
        Ok(Self { file: file_number(connection)?, run: last("runs")?, change: last("changes")? })
    }

    fn text(self) -> String {
        format!("{}.{}.{}", self.file, self.run, self.change)
    }
}

/// Tells this file from another one, whose numbers begin anew.
pub(super) fn file_number(connection: &Connection) -> rusqlite::Result<i64> {
    let number = connection.query_row("SELECT value FROM marks WHERE name = 'file'", [], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

/// The last number that a row of this table was given, whether or not the row is still there.
pub(super) fn last_number(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)";
    connection.prepare_cached(sql)?.query_row([table], |row| row.get(0))
}

/// Writes what changes with this backlog, but for runs and events.
pub(super) fn write(transaction: &Transaction<'_>, backlog: &Backlog) -> rusqlite::Result<()> {
    let states = backlog.states.keys().filter(|(kind, _)| FOLLOWED.contains(kind)).map(|(kind, key)| (*kind, key.as_str()));
    let ledger = (!backlog.ledger.is_empty()).then_some(("ledger", ""));
    let incidents = backlog.changed_incidents().into_iter().map(|id| ("incident", id));
    for (kind, key) in states.chain(ledger).chain(incidents) {
        transaction.prepare_cached("INSERT INTO changes (kind, key) VALUES (?, ?)")?.execute([kind, key])?;
    }
    // Outcomes name their tries, and not the incidents of these.
    for try_id in backlog.tries.outcomes.keys() {
        transaction
            .prepare_cached("INSERT INTO changes (kind, key) SELECT 'incident', incident FROM try_incidents WHERE try = ?")?
            .execute([try_id])?;
    }
    Ok(())
}

/// Removes all but the last rows. Returns whether there may be more to remove.
pub(super) fn prune(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let removed = transaction
        .prepare_cached(
            "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE id <= (SELECT max(id) FROM changes) - ? ORDER BY id LIMIT ?)",
        )?
        .execute(params![KEPT, SLICE])?;
    Ok(more(removed))
}

pub(super) fn since(connection: &Connection, cursor: Option<ChangeCursor>) -> rusqlite::Result<Changes> {
    // One transaction, so that all queries see the same state.
    let picture = connection.unchecked_transaction()?;
    let now = ChangeCursor::now(&picture)?;
    let nothing = |is_cut| Changes { next: now.text(), is_cut, more: false, changes: Vec::new() };
    let Some(from) = cursor else { return Ok(nothing(false)) };
    let oldest: i64 = picture.prepare_cached("SELECT coalesce(min(id), 0) FROM changes")?.query_row([], |row| row.get(0))?;
    let is_gone = oldest > from.change + 1 || now.change > from.change && oldest == 0;
    if from.file != now.file || from.run > now.run || from.change > now.change || is_gone {
        return Ok(nothing(true));
    }
    let mut next = from;
    let mut changes = Vec::new();
    let mut rows = picture.prepare_cached(
        "SELECT runs.id, run_id, canaries.name FROM runs JOIN canaries ON canaries.id = runs.canary
         WHERE runs.id > ? ORDER BY runs.id LIMIT ?",
    )?;
    let mut runs = rows.query(params![from.run, CHANGES])?;
    while let Some(row) = runs.next()? {
        next.run = row.get(0)?;
        let run_id = RunId(ulid::Ulid(u128::from_be_bytes(row.get(1)?))).to_string();
        changes.push(Change::Run { run_id, canary: row.get(2)? });
    }
    let all_runs = changes.len() < CHANGES;
    let mut rows = picture.prepare_cached("SELECT id, kind, key FROM changes WHERE id > ? ORDER BY id LIMIT ?")?;
    let mut others = rows.query(params![from.change, CHANGES])?;
    let mut seen = 0;
    while let Some(row) = others.next()? {
        seen += 1;
        next.change = row.get(0)?;
        let change = change(row.get(1)?, row.get(2)?);
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    if all_runs {
        next.run = now.run;
    }
    Ok(Changes { next: next.text(), is_cut: false, more: !all_runs || seen == CHANGES, changes })
}

/// What a row of `changes` tells.
pub(in crate::history) fn change(kind: String, key: String) -> Change {
    match &*kind {
        "incident" => Change::Incident { id: key },
        "ledger" => Change::Ledger,
        "event" => Change::Event { id: key },
        _ => Change::State { state: kind, key },
    }
}
