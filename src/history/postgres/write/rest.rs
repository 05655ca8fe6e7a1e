//! The cleanup ledger, what became of cleanups, artifacts, observations, events, and what changed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::super::text::plain;
use super::statement::Statement;
use super::{lock_numbers, run_ids};
use crate::base::time::{epoch_ms, signed_millis};
use crate::history::backlog::{Backlog, LedgerChange};
use crate::history::encoding::detail;
use crate::history::{ArtifactRow, EventRow, FOLLOWED, ObservationRow};
use crate::outcome::CleanupReport;
use crate::plan::Bodies;

/// Cleanups that wait for their run's row, and how long.
const EARLY: (usize, Duration) = (1_000, Duration::from_mins(1));

const LEDGER_GONE: &str = "DELETE FROM ledger WHERE id = ANY($1::text[])";

const LEDGER: &str =
    "INSERT INTO ledger (id, entry, region) SELECT id, entry, $3 FROM unnest($1::text[], $2::text[]) AS given (id, entry)
    ON CONFLICT DO NOTHING";

const LEDGER_CHANGES: &str = "UPDATE ledger SET names = coalesce(given.names, ledger.names),
        attempts = ledger.attempts + given.retries, passes = ledger.passes + given.passes,
        message = coalesce(given.message, ledger.message), given_up = ledger.given_up OR given.given_up
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::text[], $6::boolean[])
        AS given (id, names, retries, passes, message, given_up)
    WHERE ledger.id = given.id";

/// One statement each, since how many a run may have depends on those before.
const ARTIFACT: &str = "INSERT INTO artifacts (run_id, name, media_type, size, bytes)
    SELECT $1, $2, $3, $4, CASE WHEN $4 <= $6 AND kept + $4 <= $7 THEN $5 END
    FROM (SELECT count(*) AS count, coalesce(sum(octet_length(bytes)), 0) AS kept FROM artifacts WHERE run_id = $1) AS known
    WHERE count < $8
    ON CONFLICT DO NOTHING";

/// The newest observation of a series says how long its series is kept.
const SERIES: &str = "INSERT INTO observation_series (canary, name, subject, keep_ms)
    SELECT DISTINCT ON (canaries.id, given.name, given.subject) canaries.id, given.name, given.subject, given.keep_ms
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS given (canary, name, subject, keep_ms, at)
    JOIN canaries ON canaries.name = given.canary
    ORDER BY canaries.id, given.name, given.subject, at DESC
    ON CONFLICT (canary, name, md5(subject)) DO UPDATE SET keep_ms = excluded.keep_ms";

/// Of two of the same moment the later one counts.
const OBSERVATIONS: &str = "INSERT INTO observations (series, at_ms, value, weight)
    SELECT DISTINCT ON (series.id, given.at_ms) series.id, given.at_ms, given.value, given.weight
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::double precision[], $6::double precision[])
        WITH ORDINALITY AS given (canary, name, subject, at_ms, value, weight, at)
    JOIN canaries ON canaries.name = given.canary
    JOIN observation_series AS series
        ON series.canary = canaries.id AND series.name = given.name AND md5(series.subject) = md5(given.subject)
    ORDER BY series.id, given.at_ms, at DESC
    ON CONFLICT (series, at_ms) DO UPDATE SET value = excluded.value, weight = excluded.weight";

const CLEANUPS: &str = "UPDATE runs SET cleanup = given.json
    FROM unnest($1::bytea[], $2::bigint[], $3::text[]) AS given (run_id, due_ms, json)
    WHERE runs.run_id = given.run_id AND runs.due_ms = given.due_ms RETURNING runs.run_id";

/// Outcomes name their tries, and not the incidents of these; an event that was there before has not changed.
const CHANGES: &str = "WITH added AS (
        INSERT INTO events (id, at_ms, kind, probe, incident, author, what, text)
        SELECT * FROM unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
        ON CONFLICT DO NOTHING RETURNING id
    ), given AS (
        SELECT kind, key FROM unnest($1::text[], $2::text[]) AS changed (kind, key)
        UNION ALL SELECT 'incident', incident FROM try_incidents WHERE try = ANY($3::text[])
        UNION ALL SELECT 'event', id FROM added
    ), numbered AS (
        UPDATE numbers SET last = last + (SELECT count(*) FROM given) WHERE name = 'changes'
        RETURNING last - (SELECT count(*) FROM given) AS base
    )
    INSERT INTO changes (id, kind, key) SELECT base + row_number() OVER (), kind, key FROM numbered CROSS JOIN given";

pub(super) fn statements<'b>(backlog: &'b Backlog, region: &'b str) -> Vec<Statement<'b>> {
    let mut statements = ledger(backlog, region);
    statements.extend(backlog.artifacts.iter().map(artifact));
    statements.extend(observations(&backlog.observations));
    statements
}

fn ledger<'b>(backlog: &'b Backlog, region: &'b str) -> Vec<Statement<'b>> {
    let (gone, kept): (Vec<_>, Vec<(&String, &LedgerChange)>) = backlog.ledger.iter().partition(|(_, change)| change.gone);
    let mut statements = Vec::new();
    if !gone.is_empty() {
        let ids = gone.into_iter().map(|(id, _)| plain(id)).collect::<Vec<_>>();
        statements.push(Statement::new(LEDGER_GONE).with(ids, Type::TEXT_ARRAY));
    }
    let entries: Vec<(_, String)> =
        kept.iter().filter_map(|(id, change)| Some((plain(id), serde_json::to_string(change.entry.as_ref()?).ok()?))).collect();
    if !entries.is_empty() {
        let (ids, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let statement = Statement::new(LEDGER).with(ids, Type::TEXT_ARRAY).with(entries, Type::TEXT_ARRAY);
        statements.push(statement.with(plain(region), Type::TEXT));
    }
    if !kept.is_empty() {
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let names = |change: &LedgerChange| change.names.as_ref().map(ToString::to_string);
        statements.push(
            Statement::new(LEDGER_CHANGES)
                .with(kept.iter().map(|(id, _)| plain(id)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(kept.iter().map(|(_, change)| names(change)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(kept.iter().map(|(_, change)| count(change.retries)).collect::<Vec<_>>(), Type::INT4_ARRAY)
                .with(kept.iter().map(|(_, change)| count(change.passes)).collect::<Vec<_>>(), Type::INT4_ARRAY)
                .with(kept.iter().map(|(_, change)| change.message.as_deref().map(plain)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(kept.iter().map(|(_, change)| change.given_up).collect::<Vec<_>>(), Type::BOOL_ARRAY),
        );
    }
    statements
}

fn artifact(row: &ArtifactRow) -> Statement<'_> {
    let number = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    Statement::new(ARTIFACT)
        .with(row.run_id.0.0.to_be_bytes().to_vec(), Type::BYTEA)
        .with(plain(&row.name), Type::TEXT)
        .with(plain(&row.media_type), Type::TEXT)
        .with(number(row.bytes.len()), Type::INT8)
        // What is too much anyway does not travel.
        .with(if row.bytes.len() <= ArtifactRow::BYTES { &*row.bytes } else { &[] }, Type::BYTEA)
        .with(number(ArtifactRow::BYTES), Type::INT8)
        .with(number(ArtifactRow::BYTES_OF_RUN), Type::INT8)
        .with(number(ArtifactRow::OF_RUN), Type::INT8)
}

fn observations(rows: &[ObservationRow]) -> Vec<Statement<'_>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let of = |sql| {
        Statement::new(sql)
            .with(rows.iter().map(|row| row.canary.id.as_str()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(rows.iter().map(|row| plain(&row.name)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(rows.iter().map(|row| plain(row.subject.as_deref().unwrap_or_default())).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    };
    vec![
        of(SERIES).with(rows.iter().map(|row| signed_millis(row.retention)).collect::<Vec<_>>(), Type::INT8_ARRAY),
        of(OBSERVATIONS)
            .with(rows.iter().map(|row| row.at_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
            .with(rows.iter().map(|row| row.value).collect::<Vec<_>>(), Type::FLOAT8_ARRAY)
            .with(rows.iter().map(|row| row.weight).collect::<Vec<_>>(), Type::FLOAT8_ARRAY),
    ]
}

/// What became of cleanups, onto the rows of their runs; the answer is which were there.
pub(super) fn cleanups<'a>(reports: &[(Instant, Arc<CleanupReport>)], bodies: Bodies) -> Option<Statement<'a>> {
    (!reports.is_empty()).then(|| {
        Statement::new(CLEANUPS)
            .with(run_ids(reports.iter().map(|(_, report)| &*report.run)), Type::BYTEA_ARRAY)
            .with(reports.iter().map(|(_, report)| epoch_ms(report.run.tick.due)).collect::<Vec<_>>(), Type::INT8_ARRAY)
            .with(reports.iter().map(|(_, report)| detail::cleanup(report, bodies)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    })
}

/// Those whose run's row was not there, as long as it may still come: the newest ones.
pub(super) fn early(
    reports: Vec<(Instant, Arc<CleanupReport>)>,
    placed: &HashSet<Vec<u8>>,
) -> VecDeque<(Instant, Arc<CleanupReport>)> {
    let (most, patience) = EARLY;
    let is_early = |(since, report): &(Instant, Arc<CleanupReport>)| {
        !placed.contains(&report.run.run_id.0.0.to_be_bytes()[..]) && since.elapsed() < patience
    };
    let mut early: VecDeque<_> = reports.into_iter().filter(is_early).collect();
    let too_many = early.len().saturating_sub(most);
    early.drain(..too_many);
    early
}

/// Events, and what changed besides runs.
pub(super) fn changes(backlog: &Backlog) -> Vec<Statement<'_>> {
    let states = backlog.states.keys().filter(|(kind, _)| FOLLOWED.contains(kind)).map(|(kind, key)| (*kind, plain(key)));
    let ledger = (!backlog.ledger.is_empty()).then_some(("ledger", plain("")));
    let incidents = backlog.changed_incidents().into_iter().map(|id| ("incident", plain(id)));
    let (kinds, keys): (Vec<_>, Vec<_>) = states.chain(ledger).chain(incidents).unzip();
    let tries: Vec<_> = backlog.tries.outcomes.keys().map(|id| plain(id)).collect();
    let events = &backlog.events;
    if kinds.is_empty() && tries.is_empty() && events.is_empty() {
        return Vec::new();
    }
    let texts = |of: fn(&EventRow) -> &str| events.iter().map(|row| plain(of(row))).collect::<Vec<_>>();
    let some =
        |of: fn(&EventRow) -> Option<&String>| events.iter().map(|row| of(row).map(|text| plain(text))).collect::<Vec<_>>();
    let statement = Statement::new(CHANGES)
        .with(kinds, Type::TEXT_ARRAY)
        .with(keys, Type::TEXT_ARRAY)
        .with(tries, Type::TEXT_ARRAY)
        .with(texts(|row| &row.id), Type::TEXT_ARRAY)
        .with(events.iter().map(|row| row.at_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(texts(|row| row.kind.as_str()), Type::TEXT_ARRAY)
        .with(some(|row| row.probe.as_ref()), Type::TEXT_ARRAY)
        .with(some(|row| row.incident.as_ref()), Type::TEXT_ARRAY)
        .with(some(|row| row.by.as_ref()), Type::TEXT_ARRAY)
        .with(texts(|row| &row.what), Type::TEXT_ARRAY)
        .with(texts(|row| &row.text), Type::TEXT_ARRAY);
    vec![lock_numbers(), statement]
}
