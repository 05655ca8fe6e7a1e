//! An in-memory store of rows with their JSON, from which a process starts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::history::{Commit, IncidentRow, RestoredState, RestoredTry, StartState, TryState};

/// Rows by their keys.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Tables {
    states: BTreeMap<(String, String), String>,
    incidents: BTreeMap<String, IncidentRow>,
    tries: BTreeMap<String, RestoredTry>,
    lost: bool,
}

impl Tables {
    /// Writes a commit, whole.
    pub(in super::super) fn write(&mut self, commit: Commit) {
        for row in commit.states {
            let key = (row.kind.to_owned(), row.key);
            match row.json {
                Some(json) => drop(self.states.insert(key, json)),
                None => drop(self.states.remove(&key)),
            }
        }
        self.incidents.extend(commit.incidents.into_iter().map(|row| (row.id.clone(), row)));
        for row in commit.tries {
            let kept = RestoredTry {
                id: row.id.clone(),
                incident: row.incidents.first().cloned().unwrap_or_default(),
                channel: row.channel,
                what: row.what.to_owned(),
                key: row.key,
                made_ms: row.made_ms,
                state: TryState::Waiting,
                attempts: row.attempts,
                tried_ms: None,
                json: row.json,
            };
            self.tries.insert(row.id, kept);
        }
        for row in commit.outcomes {
            if let Some(kept) = self.tries.get_mut(&row.id).filter(|kept| kept.made_ms == row.made_ms) {
                (kept.state, kept.attempts, kept.tried_ms) = (row.state, row.attempts, Some(row.at_ms));
            }
        }
    }

    /// What the next process is given.
    pub(in super::super) fn remembered(&self) -> StartState {
        let state = |((kind, key), json): (&(String, String), &String)| RestoredState {
            kind: kind.clone(),
            key: key.clone(),
            json: json.clone(),
        };
        let mut tries: Vec<RestoredTry> = self.tries.values().filter(|kept| kept.state == TryState::Waiting).cloned().collect();
        tries.sort_by(|one, other| (one.made_ms, &one.id).cmp(&(other.made_ms, &other.id)));
        StartState {
            states: self.states.iter().map(state).collect(),
            incidents: self.incidents.values().cloned().collect(),
            tries,
            damaged: self.lost.then(|| PathBuf::from("serinus.sqlite.damaged")),
            ..StartState::default()
        }
    }

    /// Nothing is left of it.
    pub(super) fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }
}
