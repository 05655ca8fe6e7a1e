//! Tries: requests to channels, written before they leave, and what became of them.
//!
//! A try that is made anew may have the id of an earlier one, so an outcome says of which making it is. In which order tries and
//! outcomes come to be written then does not matter.

use indexmap::IndexMap;
use rusqlite::{Row, Transaction, params};

/// A request to a channel that is about to leave. Handed in again, it is the same one with a fresher text, or one made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryRow {
    /// Its id.
    pub id: String,
    /// The ids of the incidents that it tells of.
    pub incidents: Vec<String>,
    /// The channel's name.
    pub channel: String,
    /// A closed word: "ring", "change", "acknowledge", "end".
    pub what: &'static str,
    /// The key it opens, changes or ends.
    pub key: String,
    /// When it was made, milliseconds since the epoch; tells it from one that had the same id before.
    pub made_ms: i64,
    /// Times it left.
    pub attempts: u32,
    /// Everything else.
    pub json: String,
}

/// How a try stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TryState {
    /// It is on its way, or nobody knows whether it came through.
    Waiting,
    /// The channel took it.
    Taken,
    /// The channel said no, or there was no connection.
    Refused,
    /// It is not wanted any more.
    Dropped,
}

impl TryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Taken, Self::Refused, Self::Dropped];

    /// The word in the store, the API and the metrics: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// A word that is not known would be a later version's, which this one does not open.
    pub(super) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Waiting)
    }
}

/// What became of a try so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The try's id.
    pub id: String,
    /// When that try was made, as in [`TryRow::made_ms`].
    pub made_ms: i64,
    /// How it stands now; [`TryState::Waiting`] if nobody knows.
    pub state: TryState,
    /// Times it left.
    pub attempts: u32,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Why the channel did not take it.
    pub error: Option<String>,
}

/// A [`TryRow`] that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTry {
    /// Its id.
    pub id: String,
    /// The incident it tells of; the first one, if there are several.
    pub incident: String,
    /// The channel's name.
    pub channel: String,
    /// A closed word.
    pub what: String,
    /// The key it opens, changes or ends.
    pub key: String,
    /// When it was made, milliseconds since the epoch.
    pub made_ms: i64,
    /// How it stands.
    pub state: TryState,
    /// Times it left.
    pub attempts: u32,
    /// When it left last, milliseconds since the epoch.
    pub tried_ms: Option<i64>,
    /// Everything else.
    pub json: String,
}

impl KeptTry {
    /// What [`Self::read`] needs, from `tries`.
    pub(super) const COLUMNS: &'static str = "id, (SELECT min(incident) FROM try_incidents WHERE try = tries.id), channel, what, key, made_ms, state, attempts, tried_ms, json";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            incident: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            channel: row.get(2)?,
            what: row.get(3)?,
            key: row.get(4)?,
            made_ms: row.get(5)?,
            state: TryState::of(&row.get::<_, String>(6)?),
            attempts: row.get(7)?,
            tried_ms: row.get(8)?,
            json: row.get(9)?,
        })
    }
}

/// Tries and outcomes that wait to be written: the newest of each.
#[derive(Debug, Default)]
pub(super) struct Tries {
    made: IndexMap<String, TryRow>,
    outcomes: IndexMap<String, OutcomeRow>,
}

impl Tries {
    /// Takes what came later.
    pub(super) fn push(&mut self, made: impl IntoIterator<Item = TryRow>, outcomes: impl IntoIterator<Item = OutcomeRow>) {
        self.made.extend(made.into_iter().map(|row| (row.id.clone(), row)));
        for row in outcomes {
            // What became of a try stays so: one that was taken does not wait again.
            let known = self.outcomes.get(&row.id).filter(|known| known.made_ms == row.made_ms);
            if row.state != TryState::Waiting || known.is_none_or(|known| known.state == TryState::Waiting) {
                self.outcomes.insert(row.id.clone(), row);
            }
        }
    }

    /// Takes what came while this could not be written.
    pub(super) fn absorb(&mut self, newer: Self) {
        self.push(newer.made.into_values(), newer.outcomes.into_values());
    }

    /// Rows that wait.
    pub(super) fn len(&self) -> usize {
        self.made.len() + self.outcomes.len()
    }

    /// Writes all of it.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for row in self.made.values() {
            transaction
                .prepare_cached(
                    "INSERT INTO tries (id, channel, what, key, made_ms, json, state, attempts)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7)
                     ON CONFLICT DO UPDATE SET channel = excluded.channel, what = excluded.what, key = excluded.key,
                     made_ms = excluded.made_ms, json = excluded.json, state = 'waiting', attempts = excluded.attempts,
                     ended_ms = NULL WHERE state = 'waiting' OR made_ms <> excluded.made_ms",
                )?
                .execute(params![row.id, row.channel, row.what, row.key, row.made_ms, row.json, row.attempts])?;
            for incident in &row.incidents {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO try_incidents (incident, try) VALUES (?, ?)")?
                    .execute([incident, &row.id])?;
            }
        }
        for OutcomeRow { id, made_ms, state, attempts, at_ms, error } in self.outcomes.values() {
            transaction
                .prepare_cached(
                    "UPDATE tries SET state = ?3, attempts = ?4,
                     tried_ms = CASE ?3 WHEN 'dropped' THEN tried_ms ELSE ?5 END,
                     error = CASE ?3 WHEN 'dropped' THEN coalesce(?6, error) ELSE ?6 END,
                     ended_ms = CASE ?3 WHEN 'waiting' THEN NULL ELSE ?5 END
                     WHERE id = ?1 AND made_ms = ?2 AND (state = 'waiting' OR ?3 <> 'waiting')",
                )?
                .execute(params![id, made_ms, state.as_str(), attempts, at_ms, error])?;
        }
        Ok(())
    }
}
