//! The store's rows of subjects: one of a probe's failing subjects, and one for each canary with the subjects that it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::list::List;
use super::{Subject, SubjectScope, Subjects};
use crate::alert::condition::runs::StreakRow;
use crate::alert::condition::{RowKind, row, to_json};
use crate::alert::{Failure, Moment};
use crate::history::StateRow;
use crate::plan::CanaryId;

/// Subjects that fail. The key is the probe's name; of what a canary knows it is the canary's id.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SubjectsRow {
    failing: BTreeMap<Arc<str>, SubjectRow>,
    rest: SubjectRow,
}

/// A subject that fails.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SubjectRow {
    summary: Option<bool>,
    canaries: BTreeMap<Arc<str>, StreakRow>,
    failure: Option<Arc<Failure>>,
}

impl SubjectRow {
    fn of(subject: &Subject, now: Moment) -> Self {
        Self {
            summary: subject.scope.map(|place| place == SubjectScope::Shared),
            canaries: subject.tracks.iter().map(|(canary, track)| (canary.as_str().into(), StreakRow::of(track, now))).collect(),
            failure: subject.failure.as_ref().map(|(_, failure)| Arc::clone(failure)),
        }
    }

    fn subject(self, now: Moment) -> Subject {
        Subject {
            scope: self.summary.map(|shared| if shared { SubjectScope::Shared } else { SubjectScope::Own }),
            tracks: self.canaries.into_iter().map(|(canary, row)| (CanaryId::read_back(&canary), row.track(now))).collect(),
            failure: self.failure.map(|failure| (0, failure)),
        }
    }
}

impl Subjects {
    /// What a canary knows; the row goes with the canary.
    pub(super) fn list_row(&self, canary: &CanaryId) -> StateRow {
        row(RowKind::Subject, canary.as_str(), self.lists.get(canary).map(|list| to_json(&list.loops)))
    }

    /// The subjects that fail; there is no row while none does.
    pub(super) fn subjects_row(&self, now: Moment) -> StateRow {
        let kept = |subject: &Subject| SubjectRow::of(subject, now);
        let nobody = self.failing.is_empty() && self.rest.tracks.is_empty();
        let failing = self.failing.iter().map(|(name, subject)| (Arc::clone(name), kept(subject))).collect();
        row(RowKind::Subject, &*self.probe.name, (!nobody).then(|| to_json(&SubjectsRow { failing, rest: kept(&self.rest) })))
    }

    /// Takes back a row, perhaps of an earlier process.
    pub(super) fn read(&mut self, key: &str, json: &str, now: Moment) -> Result<(), serde_json::Error> {
        if key == &*self.probe.name {
            let row: SubjectsRow = serde_json::from_str(json)?;
            self.rest = row.rest.subject(now);
            for (name, subject) in row.failing {
                let name = self.names.learn(&name).unwrap_or(name);
                self.own += usize::from(subject.summary == Some(false));
                self.failing.insert(name, subject.subject(now));
            }
        } else {
            let mut loops: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = serde_json::from_str(json)?;
            for subjects in loops.values_mut() {
                *subjects = subjects.iter().filter_map(|name| self.names.learn(name)).collect();
            }
            self.lists.insert(CanaryId::read_back(key), List::recovered(loops));
        }
        Ok(())
    }
}
