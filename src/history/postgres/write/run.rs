//! Runs, what they are compared with, and the last ticks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::types::Type;

use super::statement::Statement;
use super::{Learnt, RowWriter, lock_numbers, run_ids};
use crate::base::time::epoch_ms;
use crate::history::backlog::{Backlog, LastTick, QueuedRun, RunRow};
use crate::history::encoding::detail;
use crate::history::encoding::hour::code;
use crate::history::newest_passes::Compared;
use crate::outcome::{Reason, RunId, RunReport, Verdict};
use crate::plan::{Bodies, Canary, CanaryId};

/// A name is looked at in its order, so that two writers who add the same ones do not wait for each other.
const PROBES: &str = "INSERT INTO probes (name) SELECT DISTINCT name FROM unnest($1::text[]) AS name ORDER BY name
    ON CONFLICT DO NOTHING";

const CANARIES: &str = "INSERT INTO canaries (name, probe, region)
    SELECT given.name, probes.id, given.region
    FROM unnest($1::text[], $2::text[], $3::text[]) AS given (name, probe, region)
    JOIN probes ON probes.name = given.probe ORDER BY given.name
    ON CONFLICT DO NOTHING";

const SHAPES: &str = "INSERT INTO shapes (names) SELECT DISTINCT names FROM unnest($1::text[]) AS names ORDER BY names
    ON CONFLICT DO NOTHING";

/// A tick that a crash or an absence is known of may have been run after all.
const RUNS: &str = "WITH numbered AS (
        UPDATE numbers SET last = last + $14 WHERE name = 'runs' RETURNING last - $14 AS base
    )
    INSERT INTO runs (id, class, canary, probe, due_ms, slot, run_id, trace, late_ms, duration_us, verdict, reason, counted, degraded,
        shape, times, details)
    SELECT base + at, CASE verdict WHEN 0 THEN 0 ELSE 1 END, canaries.id, canaries.probe, given.due_ms, given.slot, given.run_id,
        given.trace, given.late_ms, given.duration_us, given.verdict, given.reason, given.counted, given.degraded, shapes.id,
        given.times, given.details
    FROM numbered CROSS JOIN unnest($1::text[], $2::bigint[], $3::integer[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[],
        $8::smallint[], $9::text[], $10::boolean[], $11::boolean[], $12::text[], $13::bytea[], $15::text[]) WITH ORDINALITY
        AS given (canary, due_ms, slot, run_id, trace, late_ms, duration_us, verdict, reason, counted, degraded, shape, times, details,
            at)
    JOIN canaries ON canaries.name = given.canary
    LEFT JOIN shapes ON md5(shapes.names) = md5(given.shape)
    WHERE given.reason IS NULL OR given.reason NOT IN ('crashed', 'down') OR NOT EXISTS (
        SELECT 1 FROM runs AS known WHERE known.canary = canaries.id AND known.due_ms = given.due_ms AND known.slot = given.slot)
    ON CONFLICT (run_id, due_ms, class) DO NOTHING";

const PASSES: &str = "INSERT INTO passes (run_id, canary, probe, due_ms, json)
    SELECT given.run_id, canaries.id, canaries.probe, given.due_ms, given.json
    FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::text[]) AS given (run_id, canary, due_ms, json)
    JOIN canaries ON canaries.name = given.canary
    ON CONFLICT (run_id) DO UPDATE SET json = excluded.json";

/// What is not held here, another process may have stored.
const COMPARISONS: &str = "INSERT INTO comparisons (run_id, due_ms, before, beside)
    SELECT given.run_id, given.due_ms,
        coalesce(given.before, (SELECT run_id FROM passes WHERE canary = canaries.id AND due_ms < given.due_ms
            ORDER BY due_ms DESC LIMIT 1)),
        coalesce(given.beside, (SELECT run_id FROM passes WHERE probe = canaries.probe AND canary <> canaries.id
            AND due_ms >= given.since_ms AND due_ms <= given.due_ms ORDER BY due_ms DESC LIMIT 1))
    FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
        AS given (run_id, canary, due_ms, since_ms, before, beside)
    JOIN canaries ON canaries.name = given.canary
    ON CONFLICT (run_id) DO UPDATE SET before = excluded.before, beside = excluded.beside";

/// A tick that was read back at the start does not go behind what is stored; one that was run may, after a clock went back.
const TICKS: &str = "INSERT INTO last_ticks (canary, slot, due_ms)
    SELECT canaries.id, given.slot, given.due_ms
    FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS given (canary, slot, due_ms)
    JOIN canaries ON canaries.name = given.canary
    ON CONFLICT (canary, slot) DO UPDATE SET due_ms = CASE WHEN $4 THEN greatest(last_ticks.due_ms, excluded.due_ms)
        ELSE excluded.due_ms END";

impl RowWriter {
    /// Runs with their names, passes, comparisons and ticks. The numbers of runs are taken in `changes`'s statement before.
    pub(super) fn runs<'b>(&self, backlog: &'b Backlog, learnt: &mut Learnt) -> Vec<Statement<'b>> {
        let rows: Vec<Prepared<'b>> = backlog.runs().map(|run| Prepared::of(run, self.bodies)).collect();
        let mut statements = self.names(backlog, &rows, learnt);
        let (passes, compared) = self.compare(backlog);
        if !passes.is_empty() {
            statements.push(self::passes(&passes, self.bodies));
        }
        if !compared.is_empty() {
            statements.push(comparisons(&compared));
        }
        statements.extend(self.ticks(backlog, learnt));
        if !rows.is_empty() {
            statements.push(lock_numbers());
            statements.push(insert(rows));
        }
        statements
    }

    /// Names that are new, of canaries in runs, ticks and observations, and of steps.
    fn names<'b>(&self, backlog: &'b Backlog, rows: &[Prepared<'b>], learnt: &mut Learnt) -> Vec<Statement<'b>> {
        let of_runs = rows.iter().map(|row| row.canary);
        let of_ticks = backlog.ticks.values().map(|(canary, _)| canary);
        let all = of_runs.chain(of_ticks).chain(backlog.observations.iter().map(|row| &row.canary));
        let new: BTreeMap<&str, &'b Arc<Canary>> =
            all.filter(|canary| !self.known.canaries.contains(&canary.id)).map(|canary| (canary.id.as_str(), canary)).collect();
        let mut statements = Vec::new();
        if !new.is_empty() {
            let column = |of: fn(&'b Canary) -> &'b str| new.values().map(|canary| of(canary)).collect::<Vec<_>>();
            let probes = column(|canary| &canary.probe.name);
            statements.push(Statement::new(PROBES).with(probes.clone(), Type::TEXT_ARRAY));
            let canaries = Statement::new(CANARIES).with(column(|canary| canary.id.as_str()), Type::TEXT_ARRAY);
            let regions = column(|canary| &canary.region.name);
            statements.push(canaries.with(probes, Type::TEXT_ARRAY).with(regions, Type::TEXT_ARRAY));
            learnt.canaries.extend(new.values().map(|canary| canary.id.clone()));
        }
        let shapes = rows.iter().filter_map(|row| row.shape.clone()).filter(|shape| !self.known.shapes.contains(shape));
        learnt.shapes.extend(shapes);
        learnt.shapes.sort();
        learnt.shapes.dedup();
        if !learnt.shapes.is_empty() {
            statements.push(Statement::new(SHAPES).with(learnt.shapes.clone(), Type::TEXT_ARRAY));
        }
        statements
    }

    /// Passed runs that are to be written, and what failed ones are compared with.
    fn compare<'b>(&self, backlog: &'b Backlog) -> (Vec<Arc<RunReport>>, Vec<(&'b RunReport, Compared)>) {
        let (mut passes, mut compared) = (Vec::new(), Vec::new());
        for run in backlog.runs() {
            let QueuedRun::Whole(record) = run else { continue };
            match record.report.verdict {
                Verdict::Passed if record.counted => passes.extend(self.passes.passed(&record.report)),
                Verdict::Failed if record.counted => {
                    let mut found = self.passes.failed(&record.report);
                    passes.append(&mut found.to_write);
                    compared.push((&*record.report, found));
                }
                Verdict::Passed | Verdict::Failed | Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {}
            }
        }
        (passes, compared)
    }

    fn ticks<'b>(&self, backlog: &'b Backlog, learnt: &mut Learnt) -> Vec<Statement<'b>> {
        let is_new = |key: &(CanaryId, u32), order: u64| self.orders.get(key).is_none_or(|last| order >= *last);
        let new: Vec<(&Arc<Canary>, u32, LastTick)> = backlog
            .ticks
            .iter()
            .filter(|(key, (_, tick))| is_new(key, tick.order))
            .map(|((_, slot), (canary, tick))| (canary, *slot, *tick))
            .collect();
        learnt.orders.extend(new.iter().map(|(canary, slot, tick)| ((canary.id.clone(), *slot), tick.order)));
        let (restored, run): (Vec<_>, Vec<_>) = new.into_iter().partition(|(_, _, tick)| tick.order == 0);
        [(restored, true), (run, false)]
            .into_iter()
            .filter(|(ticks, _)| !ticks.is_empty())
            .map(|(mut ticks, is_restored)| {
                ticks.sort_by_key(|(canary, slot, _)| (canary.id.as_str(), *slot));
                Statement::new(TICKS)
                    .with(ticks.iter().map(|(canary, ..)| canary.id.as_str()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                    .with(ticks.iter().map(|(_, slot, _)| number(*slot)).collect::<Vec<_>>(), Type::INT4_ARRAY)
                    .with(ticks.iter().map(|(.., tick)| tick.due_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
                    .with(is_restored, Type::BOOL)
            })
            .collect()
    }
}

/// Passed runs in full.
pub(super) fn passes<'a>(reports: &[Arc<RunReport>], bodies: Bodies) -> Statement<'a> {
    let names: Vec<String> = reports.iter().map(|report| report.canary.id.to_string()).collect();
    Statement::new(PASSES)
        .with(run_ids(reports.iter().map(|report| &**report)), Type::BYTEA_ARRAY)
        .with(names, Type::TEXT_ARRAY)
        .with(reports.iter().map(|report| epoch_ms(report.tick.due)).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(reports.iter().map(|report| detail::whole(report, bodies)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
}

fn comparisons<'b>(compared: &[(&'b RunReport, Compared)]) -> Statement<'b> {
    let id = |run: Option<RunId>| run.map(|run| run.0.0.to_be_bytes().to_vec());
    Statement::new(COMPARISONS)
        .with(run_ids(compared.iter().map(|(report, _)| *report)), Type::BYTEA_ARRAY)
        .with(compared.iter().map(|(report, _)| report.canary.id.as_str()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(compared.iter().map(|(report, _)| epoch_ms(report.tick.due)).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(compared.iter().map(|(_, found)| found.since_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(compared.iter().map(|(_, found)| id(found.before)).collect::<Vec<_>>(), Type::BYTEA_ARRAY)
        .with(compared.iter().map(|(_, found)| id(found.beside)).collect::<Vec<_>>(), Type::BYTEA_ARRAY)
}

/// A run with what is made of it once.
struct Prepared<'b> {
    canary: &'b Arc<Canary>,
    row: Cow<'b, RunRow>,
    shape: Option<String>,
    times: Option<Vec<u8>>,
    details: Option<String>,
}

impl<'b> Prepared<'b> {
    fn of(run: &'b QueuedRun, bodies: Bodies) -> Self {
        match run {
            QueuedRun::Whole(record) => {
                let (shape, times) = detail::times(&record.report).unzip();
                let details = detail::details(&record.report, bodies);
                let row = Cow::Owned(RunRow::of(record));
                Self { canary: &record.report.canary, row, shape, times, details }
            }
            QueuedRun::RowOnly(row) => {
                Self { canary: &row.canary, row: Cow::Borrowed(row), shape: None, times: None, details: None }
            }
        }
    }
}

fn column<T>(rows: &[Prepared<'_>], of: impl Fn(&RunRow) -> T) -> Vec<T> {
    rows.iter().map(|row| of(&row.row)).collect()
}

fn insert(rows: Vec<Prepared<'_>>) -> Statement<'_> {
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let statement = Statement::new(RUNS)
        .with(rows.iter().map(|row| row.canary.id.as_str()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(column(&rows, |row| row.due_ms), Type::INT8_ARRAY)
        .with(column(&rows, |row| number(row.slot)), Type::INT4_ARRAY)
        .with(column(&rows, |row| row.run_id.0.0.to_be_bytes().to_vec()), Type::BYTEA_ARRAY)
        .with(column(&rows, |row| row.trace_id.0.to_be_bytes().to_vec()), Type::BYTEA_ARRAY)
        .with(column(&rows, |row| row.late_ms), Type::INT8_ARRAY)
        .with(column(&rows, |row| i64::try_from(row.duration_us).unwrap_or(i64::MAX)), Type::INT8_ARRAY)
        .with(column(&rows, |row| i16::from(code(row.verdict))), Type::INT2_ARRAY)
        .with(column(&rows, |row| row.reason.map(Reason::as_str)), Type::TEXT_ARRAY)
        .with(column(&rows, |row| row.counted), Type::BOOL_ARRAY)
        .with(column(&rows, |row| row.degraded), Type::BOOL_ARRAY);
    let (mut shapes, mut times, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        shapes.push(row.shape);
        times.push(row.times);
        details.push(row.details);
    }
    statement
        .with(shapes, Type::TEXT_ARRAY)
        .with(times, Type::BYTEA_ARRAY)
        .with(count, Type::INT8)
        .with(details, Type::TEXT_ARRAY)
}

/// A slot as PostgreSQL has whole numbers.
fn number(slot: u32) -> i32 {
    i32::try_from(slot).unwrap_or(i32::MAX)
}
