//! What changed: a row of each thing besides runs, which are followed by their numbers.
//!
//! A cursor names the store, the last run and the last change. A follower whose cursor names another store, or rows that are gone, has
//! to read everything.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, count, number};
use super::run::run_id;
use crate::history::sqlite::changes::change as change_of;
use crate::history::{CHANGES, Change, Changes};

/// The store, the last run, the last change, and the oldest change that is still there.
const NOW: &str = "SELECT
    (SELECT value FROM marks WHERE name = 'file') AS file,
    (SELECT last FROM numbers WHERE name = 'runs') AS run,
    (SELECT last FROM numbers WHERE name = 'changes') AS change,
    (SELECT coalesce(min(id), 0) FROM changes) AS oldest";

/// The next runs and changes, each row with what is now.
fn question() -> String {
    format!(
        "SELECT now.*, told.* FROM ({NOW}) AS now LEFT JOIN (
            (SELECT runs.id, run_id, NULL::text AS kind, name AS key
             FROM (SELECT id, run_id, canary FROM runs WHERE id > $1 ORDER BY id LIMIT $3) AS runs
             JOIN canaries ON canaries.id = canary)
            UNION ALL (SELECT id, NULL::bytea, kind, key FROM changes WHERE id > $2 ORDER BY id LIMIT $3)
        ) AS told ON true ORDER BY kind IS NOT NULL, told.id"
    )
}

/// Where the store is.
#[derive(Debug, Clone, Copy, Default)]
struct Now {
    file: i64,
    run: i64,
    change: i64,
    oldest: i64,
}

impl Now {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self { file: row.try_get(0)?, run: row.try_get(1)?, change: row.try_get(2)?, oldest: row.try_get(3)? })
    }

    /// Whether something since this cursor may be gone.
    fn is_cut(&self, [file, run, change]: [i64; 3]) -> bool {
        let is_gone = self.oldest > change.saturating_add(1) || self.change > change && self.oldest == 0;
        file != self.file || run > self.run || change > self.change || is_gone
    }

    fn nothing(&self, is_cut: bool) -> Changes {
        Changes { next: format!("{}.{}.{}", self.file, self.run, self.change), is_cut, more: false, changes: Vec::new() }
    }
}

/// Something that changed, with its number among runs or others.
fn told(row: &Row) -> Result<Option<(i64, Change)>, Error> {
    let Some(id) = row.try_get::<_, Option<i64>>(4)? else { return Ok(None) };
    let key: String = row.try_get(7)?;
    Ok(Some(match row.try_get::<_, Option<String>>(6)? {
        Some(kind) => (id, change_of(kind, key)),
        None => (id, Change::Run { run_id: run_id(row, 5)?, canary: key }),
    }))
}

pub(super) async fn since(client: &Client, cursor: Option<[i64; 3]>) -> Result<Changes, Error> {
    let Some(from) = cursor else {
        let now = question::first(client, NOW, Vec::new(), Now::read).await?.unwrap_or_default();
        return Ok(now.nothing(false));
    };
    let [file, mut run, mut change] = from;
    let values = vec![number(run), number(change), count(CHANGES)];
    let rows = question::all(client, &question(), values, |row| Ok((Now::read(row)?, told(row)?))).await?;
    // There is always a row.
    let now = rows.first().map_or_else(Now::default, |(now, _)| *now);
    if now.is_cut(from) {
        return Ok(now.nothing(true));
    }
    let (mut runs, mut others) = (0, 0);
    let mut changes = Vec::new();
    for (id, told) in rows.into_iter().filter_map(|(_, told)| told) {
        if matches!(told, Change::Run { .. }) {
            (run, runs) = (id, runs + 1);
        } else {
            (change, others) = (id, others + 1);
            if changes[runs..].contains(&told) {
                continue;
            }
        }
        changes.push(told);
    }
    let all_runs = runs < CHANGES;
    if all_runs {
        run = now.run;
    }
    Ok(Changes { next: format!("{file}.{run}.{change}"), is_cut: false, more: !all_runs || others == CHANGES, changes })
}
