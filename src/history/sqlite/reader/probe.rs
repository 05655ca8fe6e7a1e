//! The hours of a probe's canaries, and their days where whole days may come as one.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::{Connection, params};

use super::super::days::{self, Summed};
use super::hour::{self, ROLLUP, end, rollup};
use crate::history::retention_clock::{DAY_MS, HOUR_MS};
use crate::history::{HOURS_OF_PROBE, ProbeCounts, ProbeRollups, ProbeTotal, RollupFilter, RunCounts};

/// The canaries that are asked for.
const OF_PROBE: &str = "canaries.probe = (SELECT id FROM probes WHERE name = ?1) AND (?2 IS NULL OR canaries.name = ?2)";

/// What a rollup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hour,
    Day,
}

impl Unit {
    /// Its column, its table, and how long it is.
    fn place(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::Hour => ("hour", "rollups", HOUR_MS),
            Self::Day => ("day", "days", DAY_MS),
        }
    }
}

/// Rollups of a unit, by their numbers.
type Part = (Unit, Range<i64>);

/// The rollups of a probe's canaries.
pub(super) fn rollups(connection: &Connection, filter: &RollupFilter) -> rusqlite::Result<ProbeRollups> {
    let newest_hour: Option<i64> = connection.prepare_cached("SELECT max(hour) FROM rollups")?.query_row([], |row| row.get(0))?;
    let Some(newest_hour) = newest_hour else { return Ok(ProbeRollups::default()) };
    let hours = filter.since_ms.div_euclid(HOUR_MS)..end(filter.until_ms).min(newest_hour + 1);
    let canaries: usize = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM canaries WHERE {OF_PROBE}
             AND EXISTS (SELECT 1 FROM rollups WHERE canary = canaries.id AND hour >= ?3 AND hour < ?4)"
        ))?
        .query_row(params![filter.probe, filter.canary, hours.start, hours.end], |row| row.get(0))?;
    let each = i64::try_from(HOURS_OF_PROBE / canaries.max(1)).unwrap_or(i64::MAX).max(1);
    let (parts, cut_ms) = newest(parts(filter.by_day, hours, Summed::read(connection)?), each);
    let mut rollups = Vec::new();
    for (unit, numbers) in parts {
        let (column, table, unit_ms) = unit.place();
        let mut rows = connection.prepare_cached(&format!(
            "SELECT {column}, {ROLLUP}, name FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= ?3 AND {column} < ?4"
        ))?;
        let rows = rows.query_map(params![filter.probe, filter.canary, numbers.start, numbers.end], |row| {
            Ok((row.get(11)?, rollup(row, unit_ms)?))
        })?;
        for row in rows {
            rollups.push(row?);
        }
    }
    // Not in SQL, which would carry the sketches through its sorter.
    rollups.sort_by(|(one, of_one), (other, of_other)| (of_one.start_ms, one).cmp(&(of_other.start_ms, other)));
    Ok(ProbeRollups { rollups, cut_ms })
}

/// The counts of all of a probe's canaries together.
pub(super) fn counts(connection: &Connection, filter: &RollupFilter) -> rusqlite::Result<Vec<ProbeCounts>> {
    let hours = filter.since_ms.div_euclid(HOUR_MS)..end(filter.until_ms);
    let mut counts = Vec::new();
    for (unit, numbers) in parts(filter.by_day, hours, Summed::read(connection)?) {
        let (column, table, unit_ms) = unit.place();
        let mut rows = connection.prepare_cached(&format!(
            "SELECT {column}, sum(passed), sum(failed), sum(errored), sum(missed), sum(blocked), sum(skipped), sum(degraded)
             FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= ?3 AND {column} < ?4 GROUP BY {column} ORDER BY {column}"
        ))?;
        let rows = rows.query_map(params![filter.probe, filter.canary, numbers.start, numbers.end], |row| {
            Ok(ProbeCounts { start_ms: row.get::<_, i64>(0)? * unit_ms, counts: hour::counts(row)? })
        })?;
        for row in rows {
            counts.push(row?);
        }
    }
    Ok(counts)
}

/// The first hour that is kept of each probe: of each canary one look into its rollups.
const KEPT: &str = "SELECT probes.id, probes.name, min((SELECT min(hour) FROM rollups WHERE canary = canaries.id)) AS first
    FROM probes CROSS JOIN canaries ON canaries.probe = probes.id WHERE ?1 IS NULL OR probes.name = ?1
    GROUP BY probes.id HAVING first IS NOT NULL ORDER BY probes.name";

/// What each probe's hours come to, or those of one.
pub(super) fn totals(
    connection: &Connection,
    probe: Option<&str>,
    since_ms: i64,
    until_ms: i64,
) -> rusqlite::Result<Vec<ProbeTotal>> {
    // One transaction, so that all queries see the same state.
    let picture = connection.unchecked_transaction()?;
    let mut counts: HashMap<i64, RunCounts> = HashMap::new();
    for (unit, numbers) in parts(true, since_ms.div_euclid(HOUR_MS)..end(until_ms), Summed::read(&picture)?) {
        let (column, table, _) = unit.place();
        let mut rows = picture.prepare_cached(&format!(
            "SELECT canaries.probe, sum(passed), sum(failed), sum(errored), sum(missed), sum(blocked), sum(skipped), sum(degraded)
             FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE (?1 IS NULL OR canaries.probe = (SELECT id FROM probes WHERE name = ?1)) AND {column} >= ?2 AND {column} < ?3
             GROUP BY canaries.probe"
        ))?;
        let rows =
            rows.query_map(params![probe, numbers.start, numbers.end], |row| Ok((row.get::<_, i64>(0)?, hour::counts(row)?)))?;
        for row in rows {
            let (of, more) = row?;
            counts.entry(of).or_default().add(more);
        }
    }
    let mut rows = picture.prepare_cached(KEPT)?;
    let rows = rows.query_map([probe], |row| {
        let counts = counts.get(&row.get(0)?).copied().unwrap_or_default();
        Ok(ProbeTotal { probe: row.get(1)?, kept_since_ms: row.get::<_, i64>(2)?.saturating_mul(HOUR_MS), counts })
    })?;
    rows.collect()
}

/// Which rollups tell of these hours: where days may come, whole ones as far as they are summed, and the hours around them.
fn parts(by_day: bool, hours: Range<i64>, summed: Option<Summed>) -> Vec<Part> {
    let first = hours.start.saturating_add(days::HOURS - 1).div_euclid(days::HOURS);
    let last = summed.map_or(first, |summed| summed.end().min(hours.end.div_euclid(days::HOURS)));
    if !by_day || last <= first {
        return vec![(Unit::Hour, hours)];
    }
    let all =
        [(Unit::Hour, hours.start..first * days::HOURS), (Unit::Day, first..last), (Unit::Hour, last * days::HOURS..hours.end)];
    all.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}

/// The last so many of them, and when those begin if there are more.
fn newest(mut parts: Vec<Part>, mut most: i64) -> (Vec<Part>, Option<i64>) {
    let mut is_cut = false;
    for (_, numbers) in parts.iter_mut().rev() {
        let kept = numbers.end.saturating_sub(numbers.start).clamp(0, most);
        is_cut |= numbers.end.saturating_sub(kept) > numbers.start;
        numbers.start = numbers.end - kept;
        most -= kept;
    }
    parts.retain(|(_, numbers)| !numbers.is_empty());
    let cut_ms = parts.first().filter(|_| is_cut).map(|(unit, numbers)| numbers.start.saturating_mul(unit.place().2));
    (parts, cut_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of these hours where days up to this one are summed.
    fn days_to(day: i64, hours: Range<i64>) -> Vec<Part> {
        parts(true, hours, Some(Summed::up_to(day)))
    }

    #[test]
    fn whole_days_that_are_summed_come_as_one_and_what_is_around_them_by_the_hour() {
        assert_eq!(days_to(9, 30..100), [(Unit::Hour, 30..48), (Unit::Day, 2..4), (Unit::Hour, 96..100)]);
        assert_eq!(days_to(9, 48..96), [(Unit::Day, 2..4)]);
        assert_eq!(days_to(2, 48..96), [(Unit::Day, 2..3), (Unit::Hour, 72..96)]);
        let hours = [(Unit::Hour, 48..96)];
        assert_eq!((days_to(1, 48..96), parts(true, 48..96, None)), (hours.to_vec(), hours.to_vec()));
        assert_eq!(parts(false, 48..96, Some(Summed::up_to(9))), hours);
        assert_eq!(days_to(9, 50..70), [(Unit::Hour, 50..70)]);
    }

    #[test]
    fn of_too_many_the_newest_stay_and_it_is_told_since_when() {
        let all = || days_to(9, 30..100);
        assert_eq!(newest(all(), 24), (all(), None));
        assert_eq!(newest(all(), 8), (vec![(Unit::Hour, 46..48), (Unit::Day, 2..4), (Unit::Hour, 96..100)], Some(46 * HOUR_MS)));
        assert_eq!(newest(all(), 5), (vec![(Unit::Day, 3..4), (Unit::Hour, 96..100)], Some(3 * DAY_MS)));
    }
}
