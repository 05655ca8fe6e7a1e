//! What earlier processes left, read at the start.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::reader::{all, ledger, number, picture, small, text};
use crate::base::time::signed_millis;
use crate::history::sqlite::restore::IS_OWED;
use crate::history::start_state::{ENDED, OWED};
use crate::history::{IncidentRow, LedgerRows, OF_REGION, RestoredState, RestoredTick, RestoredTry, StartState, TryState};
use crate::plan::Severity;

/// Those of a process, which may be called after several regions; all where no name is given.
const TICKS: &str = "SELECT name, slot, due_ms FROM last_ticks JOIN canaries ON canaries.id = last_ticks.canary
    WHERE $1 = '' OR canaries.region = ANY (string_to_array($1, '+')) ORDER BY name, slot";

/// Reads everything that a process of this region needs.
pub(super) async fn read(client: &mut Client, now_ms: i64, region: &str) -> Result<StartState, Error> {
    let before = |age: Duration| now_ms.saturating_sub(signed_millis(age));
    let values = || vec![number(before(ENDED)), number(before(OWED))];
    // Of those that ended before the first time only the ones of which something is owed, and none from before the second.
    let restored = format!("(resolved_ms IS NULL OR resolved_ms >= $1 OR (resolved_ms >= $2 AND {IS_OWED}))");
    let incidents =
        format!("SELECT id, scope, probe, severity, opened_ms, resolved_ms, json FROM incidents WHERE {restored} ORDER BY id");
    // States of their own, those of the region or of all, and those of these incidents.
    let states = format!(
        "SELECT kind, key, json FROM states WHERE kind NOT IN ('cover', 'member')
            AND region = CASE WHEN kind = ANY ($4) THEN $3 ELSE '' END
         UNION ALL (SELECT kind, key, states.json FROM incidents JOIN states ON kind IN ('cover', 'member') AND region = ''
            AND key >= incidents.id || '/' AND key < incidents.id || '0' WHERE {restored} ORDER BY incidents.id, kind, key)"
    );
    // Tries that wait and tell of a restored incident; or of none, as tests do, and were made a short time ago.
    let about = "SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id";
    let tries = format!(
        "SELECT id, (SELECT min(incident) FROM try_incidents WHERE try = tries.id), channel, what, key, made_ms, state, attempts,
            tried_ms, json FROM tries WHERE state = 'waiting'
         AND (EXISTS ({about} AND {restored}) OR (made_ms >= $2 AND NOT EXISTS ({about}))) ORDER BY made_ms, id"
    );
    let mut of_states = values();
    of_states.extend([text(region), (Box::new(OF_REGION.as_slice()), Type::TEXT_ARRAY)]);
    let picture = picture(client).await?;
    let client = picture.client();
    // They leave together.
    let (incidents, states, tries, last_ticks, LedgerRows { entries, unreadable }) = futures::try_join!(
        all(client, &incidents, values(), incident),
        all(client, &states, of_states, |row| {
            Ok(RestoredState { kind: row.try_get(0)?, key: row.try_get(1)?, json: row.try_get(2)? })
        }),
        all(client, &tries, values(), attempt),
        all(client, TICKS, vec![text(region)], |row| {
            Ok(RestoredTick { canary: row.try_get(0)?, slot: small(row, 1)?, due_ms: row.try_get(2)? })
        }),
        ledger::read(client, region),
    )?;
    let ledger = entries.into_iter().filter(|view| !view.given_up).map(|view| view.entry).collect();
    // No earlier format is in PostgreSQL, and no file that could be damaged.
    Ok(StartState { states, incidents, tries, former: Vec::new(), last_ticks, ledger, unreadable, damaged: None })
}

fn incident(row: &Row) -> Result<IncidentRow, Error> {
    Ok(IncidentRow {
        id: row.try_get(0)?,
        scope: row.try_get(1)?,
        probe: row.try_get(2)?,
        // A word that is not known would be a later version's; its open incident is not lost for it.
        severity: Severity::of(row.try_get(3)?).unwrap_or(Severity::Page).as_str(),
        opened_ms: row.try_get(4)?,
        resolved_ms: row.try_get(5)?,
        json: row.try_get(6)?,
    })
}

fn attempt(row: &Row) -> Result<RestoredTry, Error> {
    Ok(RestoredTry {
        id: row.try_get(0)?,
        incident: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
        channel: row.try_get(2)?,
        what: row.try_get(3)?,
        key: row.try_get(4)?,
        made_ms: row.try_get(5)?,
        state: TryState::of(row.try_get(6)?),
        attempts: small(row, 7)?,
        tried_ms: row.try_get(8)?,
        json: row.try_get(9)?,
    })
}
