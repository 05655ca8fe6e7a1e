//! The subjects of a probe as the store keeps them: one row of those that fail, and one row a canary of those it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::list::List;
use super::{Place, Subject, Subjects};
use crate::alert::canary::CourseRow;
use crate::alert::{Failure, Moment};
use crate::plan::CanaryId;

/// Subjects that fail.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    failing: BTreeMap<Arc<str>, SubjectRow>,
    rest: SubjectRow,
}

/// A subject that fails.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SubjectRow {
    summary: Option<bool>,
    canaries: BTreeMap<Arc<str>, CourseRow>,
    failure: Option<Arc<Failure>>,
}

impl SubjectRow {
    fn of(subject: &Subject, now: Moment) -> Self {
        Self {
            summary: subject.place.map(|place| place == Place::Summary),
            canaries: subject.tracks.iter().map(|(canary, track)| (canary.as_str().into(), CourseRow::of(track, now))).collect(),
            failure: subject.failure.clone(),
        }
    }

    fn subject(self, now: Moment) -> Subject {
        let place = |summary| if summary { Place::Summary } else { Place::Own };
        Subject {
            place: self.summary.map(place),
            tracks: self.canaries.into_iter().map(|(canary, row)| (CanaryId::read_back(&canary), row.track(now))).collect(),
            failure: self.failure,
        }
    }
}

impl Subjects {
    /// What the store does not have yet: keys and JSON; `None` deletes. The probe's name is the key of the subjects that fail, a
    /// canary's id that of its list.
    pub fn take_changed(&mut self, probe: &str, now: Moment) -> Vec<(String, Option<String>)> {
        let mut rows = Vec::new();
        for canary in std::mem::take(&mut self.changed_lists) {
            let json = self.lists.get(&canary).map(|list| to_json(&list.loops));
            rows.push((canary.as_str().to_owned(), json));
        }
        if std::mem::take(&mut self.changed) {
            let row = |subject: &Subject| SubjectRow::of(subject, now);
            let nobody = self.failing.is_empty() && self.rest.tracks.is_empty();
            let failing = self.failing.iter().map(|(name, subject)| (Arc::clone(name), row(subject))).collect();
            let json = (!nobody).then(|| to_json(&Row { failing, rest: row(&self.rest) }));
            rows.push((probe.to_owned(), json));
        }
        rows
    }

    /// Takes back a row that [`take_changed`](Self::take_changed) gave, perhaps in an earlier process.
    ///
    /// # Errors
    /// If it is no such row.
    pub fn restore(&mut self, probe: &str, key: &str, json: &str, now: Moment) -> Result<(), serde_json::Error> {
        if key == probe {
            let row: Row = serde_json::from_str(json)?;
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

fn to_json(row: &impl Serialize) -> String {
    serde_json::to_string(row).expect("its keys are strings")
}
