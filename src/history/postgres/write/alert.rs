//! States, incidents with their timelines, and tries.

use std::borrow::Cow;

use tokio_postgres::types::Type;

use super::super::text::plain;
use super::statement::Statement;
use crate::history::backlog::{Backlog, Tries};
use crate::history::{IncidentRow, OF_REGION, OutcomeRow, TryRow};

const STATES: &str =
    "INSERT INTO states (kind, region, key, json) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (kind, region, key) DO UPDATE SET json = excluded.json";

const STATES_GONE: &str = "DELETE FROM states USING unnest($1::text[], $2::text[], $3::text[]) AS gone (kind, region, key)
    WHERE states.kind = gone.kind AND states.region = gone.region AND states.key = gone.key";

const INCIDENTS: &str = "INSERT INTO incidents (id, scope, probe, severity, opened_ms, resolved_ms, json)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
    ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, probe = excluded.probe, severity = excluded.severity,
        opened_ms = excluded.opened_ms, resolved_ms = excluded.resolved_ms, json = excluded.json";

const TIMELINE: &str = "INSERT INTO timeline (incident, at_ms, what, text)
    SELECT incident, at_ms, what, text
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS given (incident, at_ms, what, text, at)
    ORDER BY at ON CONFLICT DO NOTHING";

/// One that is made anew, under an id that there was before, begins anew.
const TRIES: &str = "INSERT INTO tries (id, channel, what, key, made_ms, json, state, attempts)
    SELECT id, channel, what, key, made_ms, json, 'waiting', attempts
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::integer[])
        AS given (id, channel, what, key, made_ms, json, attempts)
    ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, what = excluded.what, key = excluded.key,
        made_ms = excluded.made_ms, json = excluded.json, state = 'waiting', attempts = excluded.attempts, ended_ms = NULL
        WHERE tries.state = 'waiting' OR tries.made_ms <> excluded.made_ms";

const TRY_INCIDENTS: &str = "INSERT INTO try_incidents (incident, try) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT DO NOTHING";

/// What became of a try stays so: one that was taken does not wait again.
const OUTCOMES: &str = "UPDATE tries SET state = given.state, attempts = given.attempts,
        tried_ms = CASE given.state WHEN 'dropped' THEN tries.tried_ms ELSE given.at_ms END,
        error = CASE given.state WHEN 'dropped' THEN coalesce(given.error, tries.error) ELSE given.error END,
        ended_ms = CASE given.state WHEN 'waiting' THEN NULL ELSE given.at_ms END
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::bigint[], $6::text[])
        AS given (id, made_ms, state, attempts, at_ms, error)
    WHERE tries.id = given.id AND tries.made_ms = given.made_ms AND (tries.state = 'waiting' OR given.state <> 'waiting')";

pub(super) fn statements<'b>(backlog: &'b Backlog, region: &'b str) -> Vec<Statement<'b>> {
    let all = [states(backlog, region), states_gone(backlog, region), incidents(backlog), timeline(backlog)];
    all.into_iter().flatten().chain(tries(&backlog.tries)).collect()
}

/// Whose the states of a kind are that this region's process writes.
fn owner<'r>(kind: &str, region: &'r str) -> Cow<'r, str> {
    if OF_REGION.contains(&kind) { plain(region) } else { "".into() }
}

fn states<'b>(backlog: &'b Backlog, region: &'b str) -> Option<Statement<'b>> {
    let kept: Vec<_> =
        backlog.states.iter().filter_map(|((kind, key), json)| Some((*kind, plain(key), json.as_ref()?))).collect();
    (!kept.is_empty()).then(|| {
        Statement::new(STATES)
            .with(kept.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(kept.iter().map(|(kind, ..)| owner(kind, region)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(kept.iter().map(|(_, key, _)| key.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(kept.iter().map(|(.., json)| plain(json)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    })
}

fn states_gone<'b>(backlog: &'b Backlog, region: &'b str) -> Option<Statement<'b>> {
    let gone: Vec<_> = backlog.states.iter().filter(|(_, json)| json.is_none()).map(|(row, _)| row).collect();
    (!gone.is_empty()).then(|| {
        Statement::new(STATES_GONE)
            .with(gone.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(gone.iter().map(|(kind, _)| owner(kind, region)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(gone.iter().map(|(_, key)| plain(key)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    })
}

fn incidents(backlog: &Backlog) -> Option<Statement<'_>> {
    if backlog.incidents.is_empty() {
        return None;
    }
    let texts = |of: fn(&IncidentRow) -> &str| backlog.incidents.values().map(|row| plain(of(row))).collect::<Vec<_>>();
    let probes = backlog.incidents.values().map(|row| row.probe.as_deref()).collect::<Vec<_>>();
    let opened = backlog.incidents.values().map(|row| row.opened_ms).collect::<Vec<_>>();
    let resolved = backlog.incidents.values().map(|row| row.resolved_ms).collect::<Vec<_>>();
    Some(
        Statement::new(INCIDENTS)
            .with(texts(|row| &row.id), Type::TEXT_ARRAY)
            .with(texts(|row| &row.scope), Type::TEXT_ARRAY)
            .with(probes, Type::TEXT_ARRAY)
            .with(texts(|row| row.severity), Type::TEXT_ARRAY)
            .with(opened, Type::INT8_ARRAY)
            .with(resolved, Type::INT8_ARRAY)
            .with(texts(|row| &row.json), Type::TEXT_ARRAY),
    )
}

fn timeline(backlog: &Backlog) -> Option<Statement<'_>> {
    let rows = &backlog.timeline;
    (!rows.is_empty()).then(|| {
        Statement::new(TIMELINE)
            .with(rows.iter().map(|row| plain(&row.incident)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(rows.iter().map(|row| row.at_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
            .with(rows.iter().map(|row| row.what).collect::<Vec<_>>(), Type::TEXT_ARRAY)
            .with(rows.iter().map(|row| plain(&row.text)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
    })
}

fn tries(tries: &Tries) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    if !tries.made.is_empty() {
        let texts = |of: fn(&TryRow) -> &str| tries.made.values().map(|row| plain(of(row))).collect::<Vec<_>>();
        statements.push(
            Statement::new(TRIES)
                .with(texts(|row| &row.id), Type::TEXT_ARRAY)
                .with(texts(|row| &row.channel), Type::TEXT_ARRAY)
                .with(texts(|row| row.what), Type::TEXT_ARRAY)
                .with(texts(|row| &row.key), Type::TEXT_ARRAY)
                .with(tries.made.values().map(|row| row.made_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
                .with(texts(|row| &row.json), Type::TEXT_ARRAY)
                .with(tries.made.values().map(|row| times(row.attempts)).collect::<Vec<_>>(), Type::INT4_ARRAY),
        );
        let pairs = tries.made.values().flat_map(|row| row.incidents.iter().map(|incident| (plain(incident), plain(&row.id))));
        let (incidents, ids): (Vec<_>, Vec<_>) = pairs.unzip();
        statements.push(Statement::new(TRY_INCIDENTS).with(incidents, Type::TEXT_ARRAY).with(ids, Type::TEXT_ARRAY));
    }
    if !tries.outcomes.is_empty() {
        let outcomes: Vec<&OutcomeRow> = tries.outcomes.values().collect();
        statements.push(
            Statement::new(OUTCOMES)
                .with(outcomes.iter().map(|row| plain(&row.id)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(outcomes.iter().map(|row| row.made_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
                .with(outcomes.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
                .with(outcomes.iter().map(|row| times(row.attempts)).collect::<Vec<_>>(), Type::INT4_ARRAY)
                .with(outcomes.iter().map(|row| row.at_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
                .with(outcomes.iter().map(|row| row.error.as_deref().map(plain)).collect::<Vec<_>>(), Type::TEXT_ARRAY),
        );
    }
    statements
}

fn times(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}
