//! The hours of a probe's canaries, and their days where whole days may come as one.

use std::collections::HashMap;
use std::ops::Range;

use futures::future::try_join_all;
use tokio_postgres::{Client, Error, Row};

use super::hour::{self, ROLLUP, rollup};
use super::question::{self, Value, maybe_text, number, picture, text, unsigned};
use crate::history::retention_clock::HOUR_MS;
use crate::history::rollup_parts::{Summed, hours, newest, parts};
use crate::history::{HOURS_OF_PROBE, ProbeCounts, ProbeRollups, ProbeTotal, RollupFilter, RunCounts};

/// The canaries that are asked for.
const OF_PROBE: &str = "canaries.probe = (SELECT id FROM probes WHERE name = $1) AND ($2::text IS NULL OR canaries.name = $2)";

/// How far days are summed.
const SUMMED: &str = "(SELECT value FROM marks WHERE name = 'days'), (SELECT value FROM marks WHERE name = 'days_canary')";

/// The sums of [`RunCounts`]' columns.
const SUMS: &str = "sum(passed)::bigint, sum(failed)::bigint, sum(errored)::bigint, sum(missed)::bigint, sum(blocked)::bigint,
    sum(skipped)::bigint, sum(degraded)::bigint";

/// From the columns of [`SUMMED`], the first ones; nowhere before the first day.
fn summed(row: &Row) -> Result<Option<Summed>, Error> {
    let (day, canary): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(day.zip(canary).map(|(day, canary)| Summed { day, canary }))
}

fn values(filter: &RollupFilter, numbers: &Range<i64>) -> Vec<Value> {
    vec![text(&filter.probe), maybe_text(filter.canary.as_deref()), number(numbers.start), number(numbers.end)]
}

/// The rollups of a probe's canaries.
pub(super) async fn rollups(client: &mut Client, filter: &RollupFilter) -> Result<ProbeRollups, Error> {
    let picture = picture(client).await?;
    let client = picture.client();
    let asked = hours(filter.since_ms, filter.until_ms);
    let now = format!(
        "SELECT {SUMMED}, (SELECT max(hour) FROM rollups), (SELECT count(*) FROM canaries WHERE {OF_PROBE}
            AND EXISTS (SELECT 1 FROM rollups WHERE canary = canaries.id AND hour >= $3 AND hour < $4))"
    );
    let now = question::first(client, &now, values(filter, &asked), |row| {
        let canaries = usize::try_from(unsigned(row, 3)?).unwrap_or(usize::MAX);
        Ok((summed(row)?, row.try_get::<_, Option<i32>>(2)?, canaries))
    });
    let Some((summed, Some(newest_hour), canaries)) = now.await? else { return Ok(ProbeRollups::default()) };
    let hours = asked.start..asked.end.min(i64::from(newest_hour) + 1);
    let each = i64::try_from(HOURS_OF_PROBE / canaries.max(1)).unwrap_or(i64::MAX).max(1);
    let (parts, cut_ms) = newest(parts(filter.by_day, hours, summed), each);
    let asked = parts.into_iter().map(|(unit, numbers)| async move {
        let (column, table, unit_ms) = unit.place();
        let sql = format!(
            "SELECT {column}, {ROLLUP}, name FROM canaries JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= $3 AND {column} < $4"
        );
        let each = |row: &Row| Ok((row.try_get::<_, String>(11)?, rollup(row, unit_ms)?));
        question::all(client, &sql, values(filter, &numbers), each).await
    });
    let mut rollups: Vec<_> = try_join_all(asked).await?.into_iter().flatten().collect();
    // Not in SQL, which would carry the sketches through its sorter.
    rollups.sort_by(|(one, of_one), (other, of_other)| (of_one.start_ms, one).cmp(&(of_other.start_ms, other)));
    Ok(ProbeRollups { rollups, cut_ms })
}

/// The counts of all of a probe's canaries together.
pub(super) async fn counts(client: &mut Client, filter: &RollupFilter) -> Result<Vec<ProbeCounts>, Error> {
    let picture = picture(client).await?;
    let client = picture.client();
    let known = question::first(client, &format!("SELECT {SUMMED}"), Vec::new(), summed).await?.flatten();
    let parts = parts(filter.by_day, hours(filter.since_ms, filter.until_ms), known);
    let asked = parts.into_iter().map(|(unit, numbers)| async move {
        let (column, table, unit_ms) = unit.place();
        let sql = format!(
            "SELECT {column}, {SUMS} FROM canaries JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= $3 AND {column} < $4 GROUP BY {column} ORDER BY {column}"
        );
        let each = |row: &Row| Ok(ProbeCounts { start_ms: hour::start_ms(row, unit_ms)?, counts: hour::counts(row)? });
        question::all(client, &sql, values(filter, &numbers), each).await
    });
    Ok(try_join_all(asked).await?.concat())
}

/// The first hour that is kept of each probe: of each canary one look into its rollups.
const KEPT: &str = "SELECT probes.id, probes.name, min(first.hour)
    FROM probes JOIN canaries ON canaries.probe = probes.id
    CROSS JOIN LATERAL (SELECT min(hour) AS hour FROM rollups WHERE canary = canaries.id) AS first
    WHERE $1::text IS NULL OR probes.name = $1
    GROUP BY probes.id, probes.name HAVING min(first.hour) IS NOT NULL ORDER BY probes.name";

/// What each probe's hours come to, or those of one.
pub(super) async fn totals(
    client: &mut Client,
    probe: Option<&str>,
    since_ms: i64,
    until_ms: i64,
) -> Result<Vec<ProbeTotal>, Error> {
    let picture = picture(client).await?;
    let client = picture.client();
    let known = question::first(client, &format!("SELECT {SUMMED}"), Vec::new(), summed).await?.flatten();
    let asked = parts(true, hours(since_ms, until_ms), known).into_iter().map(|(unit, numbers)| async move {
        let (column, table, _) = unit.place();
        let sql = format!(
            "SELECT canaries.probe, {SUMS} FROM canaries JOIN {table} ON {table}.canary = canaries.id
             WHERE ($1::text IS NULL OR canaries.probe = (SELECT id FROM probes WHERE name = $1))
             AND {column} >= $2 AND {column} < $3 GROUP BY canaries.probe"
        );
        let values = vec![maybe_text(probe), number(numbers.start), number(numbers.end)];
        let each = |row: &Row| Ok((row.try_get::<_, i32>(0)?, hour::counts(row)?));
        question::all(client, &sql, values, each).await
    });
    let mut counts: HashMap<i32, RunCounts> = HashMap::new();
    for (of, more) in try_join_all(asked).await?.into_iter().flatten() {
        counts.entry(of).or_default().add(more);
    }
    question::all(client, KEPT, vec![maybe_text(probe)], |row| {
        let counts = counts.get(&row.try_get(0)?).copied().unwrap_or_default();
        let kept_since_ms = i64::from(row.try_get::<_, i32>(2)?) * HOUR_MS;
        Ok(ProbeTotal { probe: row.try_get(1)?, kept_since_ms, counts })
    })
    .await
}
