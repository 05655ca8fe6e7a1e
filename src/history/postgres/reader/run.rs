//! Runs.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, Id, Values, all_of, count, number, small, text, unsigned};
use crate::history::cursor::page;
use crate::history::encoding::detail;
use crate::history::encoding::hour::{self, code};
use crate::history::{Page, RunDetail, RunFilter, RunView};
use crate::outcome::{Reason, RunId, SloCount, TraceId, Verdict};

/// What [`view`] reads, from `runs` and [`NAMES`].
pub(super) const COLUMNS: &str = "runs.id, runs.run_id, canaries.name, probes.name AS probe_name, canaries.region, runs.due_ms, runs.slot, \
                       runs.late_ms, runs.duration_us, runs.verdict, runs.reason, runs.trace, runs.counted, runs.degraded";

/// How many they are.
pub(super) const WIDTH: usize = 14;

/// What [`COLUMNS`] need besides runs.
pub(super) const NAMES: &str = "JOIN canaries ON canaries.id = runs.canary JOIN probes ON probes.id = runs.probe";

/// The question for a list, with its values. `after` is when a run was due, and its number. The page is cut before the names come in, so
/// that it is read from an index in its order.
fn question(filter: &RunFilter, limit: usize, after: Option<[i64; 2]>) -> (String, Values) {
    let mut values = Values::default();
    let mut wanted = place(filter, &mut values);
    wanted.extend(only(filter, &mut values));
    if let Some([due_ms, id]) = after {
        wanted.push(format!("(due_ms, id) < ({}, {})", values.bind(number(due_ms)), values.bind(number(id))));
    }
    let (wanted, limit) = (all_of(&wanted), values.bind(count(limit + 1)));
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT * FROM runs WHERE {wanted} ORDER BY due_ms DESC, id DESC LIMIT {limit}) AS runs {NAMES}
         ORDER BY runs.due_ms DESC, runs.id DESC"
    );
    (sql, values)
}

/// Which partitions wanted runs lie in: conditions, with their values.
pub(super) fn place(filter: &RunFilter, values: &mut Values) -> Vec<String> {
    let mut wanted = Vec::new();
    if filter.not_passed || filter.reason.is_some() || filter.verdict.is_some_and(|verdict| verdict != Verdict::Passed) {
        wanted.push("class = 1".to_owned());
    }
    if filter.degraded || filter.verdict == Some(Verdict::Passed) {
        wanted.push("class = 0".to_owned());
    }
    if let Some(since) = filter.since_ms {
        wanted.push(format!("due_ms >= {}", values.bind(number(since))));
    }
    if let Some(until) = filter.until_ms {
        wanted.push(format!("due_ms < {}", values.bind(number(until))));
    }
    wanted
}

/// What else makes a run wanted: conditions on `runs`.
pub(super) fn only(filter: &RunFilter, values: &mut Values) -> Vec<String> {
    let mut wanted = Vec::new();
    if let Some(canary) = &filter.canary {
        wanted.push(format!("runs.canary = (SELECT id FROM canaries WHERE name = {})", values.bind(text(canary))));
    }
    if let Some(probe) = &filter.probe {
        wanted.push(format!("runs.probe = (SELECT id FROM probes WHERE name = {})", values.bind(text(probe))));
    }
    if let Some(region) = &filter.region {
        wanted.push(format!("runs.canary IN (SELECT id FROM canaries WHERE region = {})", values.bind(text(region))));
    }
    if let Some(verdict) = filter.verdict {
        wanted.push(format!("runs.verdict = {}", values.bind(number(code(verdict).into()))));
    }
    if let Some(reason) = filter.reason {
        wanted.push(format!("runs.reason = {}", values.bind(text(reason.as_str()))));
    }
    if filter.degraded {
        wanted.push("runs.degraded".to_owned());
    }
    wanted
}

pub(super) async fn list(
    client: &Client,
    filter: &RunFilter,
    limit: usize,
    after: Option<[i64; 2]>,
) -> Result<Page<RunView>, Error> {
    let (sql, Values(values)) = question(filter, limit, after);
    let rows = question::all(client, &sql, values, |row| Ok((row.try_get::<_, i64>(0)?, view(row)?))).await?;
    let Page { items, next } = page(rows, limit, |(id, run)| format!("{}.{id}", run.due_ms));
    Ok(Page { items: items.into_iter().map(|(_, run)| run).collect(), next })
}

pub(super) async fn one(client: &Client, run_id: &str) -> Result<Option<RunDetail>, Error> {
    let Ok(run_id) = ulid::Ulid::from_string(run_id) else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, shapes.names, times, details, cleanup FROM runs {NAMES} LEFT JOIN shapes ON shapes.id = shape
         WHERE run_id = $1"
    );
    question::first(client, &sql, vec![question::id(run_id)], |row| {
        let (names, times) = (row.try_get::<_, Option<&str>>(WIDTH)?, row.try_get::<_, Option<&[u8]>>(WIDTH + 1)?);
        let steps = names.zip(times).map(|(names, times)| detail::steps(names, times)).unwrap_or_default();
        let details = details(row.try_get(WIDTH + 2)?, row.try_get(WIDTH + 3)?);
        Ok(RunDetail { run: view(row)?, steps, details })
    })
    .await
}

/// What is kept of a run, with what became of its cleanup in it.
fn details(kept: Option<&str>, cleanup: Option<&str>) -> Option<serde_json::Value> {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let mut details = kept.and_then(json);
    if let Some(cleanup) = cleanup.and_then(json) {
        let whole = details.get_or_insert_with(|| serde_json::Map::new().into());
        whole.as_object_mut().map(|whole| whole.insert("cleanup".to_owned(), cleanup));
    }
    details
}

/// From [`COLUMNS`].
pub(super) fn view(row: &Row) -> Result<RunView, Error> {
    let (due_ms, late_ms): (i64, i64) = (row.try_get(5)?, row.try_get(7)?);
    let verdict = verdict(row, 9)?;
    Ok(RunView {
        run_id: run_id(row, 1)?,
        canary: row.try_get(2)?,
        probe: row.try_get(3)?,
        region: row.try_get(4)?,
        due_ms,
        slot: small(row, 6)?,
        started_ms: due_ms.saturating_add(late_ms),
        duration_us: unsigned(row, 8)?,
        verdict: verdict.as_str(),
        reason: reason(row, 10)?.map(Reason::as_str),
        trace_id: TraceId(row.try_get::<_, Id>(11)?.0).to_string(),
        // Whatever was written: a run that was the prober's own fault, or none at all, counts for nothing.
        counted: row.try_get::<_, bool>(12)? && verdict.slo() != SloCount::Not,
        degraded: row.try_get(13)?,
    })
}

/// The id of a run as it is told.
pub(super) fn run_id(row: &Row, at: usize) -> Result<String, Error> {
    Ok(RunId(ulid::Ulid(row.try_get::<_, Id>(at)?.0)).to_string())
}

pub(super) fn verdict(row: &Row, at: usize) -> Result<Verdict, Error> {
    let number = u64::try_from(row.try_get::<_, i16>(at)?).ok();
    Ok(number.and_then(hour::verdict).unwrap_or(Verdict::Errored))
}

pub(super) fn reason(row: &Row, at: usize) -> Result<Option<Reason>, Error> {
    Ok(row.try_get::<_, Option<&str>>(at)?.and_then(|word| word.parse().ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_became_of_a_cleanup_is_told_with_the_details_also_where_there_are_no_others() {
        assert_eq!(details(None, None), None);
        assert_eq!(details(Some(r#"{"steps":[]}"#), None), Some(json!({ "steps": [] })));
        assert_eq!(details(None, Some(r#"{"result":"clean"}"#)), Some(json!({ "cleanup": { "result": "clean" } })));
        assert_eq!(details(Some(r#"{"steps":[]}"#), Some("1")), Some(json!({ "steps": [], "cleanup": 1 })));
        assert_eq!(details(Some("no JSON"), Some("1")), Some(json!({ "cleanup": 1 })));
    }
}
