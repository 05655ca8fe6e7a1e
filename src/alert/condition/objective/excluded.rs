//! Runs that objectives leave out because another member tells of them: those of failing canaries, each from its first failed run
//! on, and those in which only subjects failed.
//!
//! A suspect canary's runs count like any others until its rule is crossed. They are remembered here, so that they can be taken
//! out then. They stay out after the canary is well again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::CanaryId;

/// Most runs of one canary that are remembered. Older ones keep counting, so that too much is told rather than too little.
const MOST: usize = 256;

/// Whose run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum RunRole {
    /// Of no failing member.
    Alone,
    /// Of a suspect canary; its first failed run started then.
    Suspect(Duration),
    /// The run with which a canary crossed its rule; its first failed run started then.
    Crossed(Duration),
    /// Of a canary that fails, or one in which only subjects failed.
    Member,
}

/// Runs of suspects: what was counted, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExcludedRuns<T> {
    suspects: BTreeMap<CanaryId, VecDeque<(Duration, T)>>,
    /// Since when the probe's canaries fail together, if runs were taken out for that.
    together: Option<Duration>,
}

/// The part of the store's row; times are milliseconds since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ExcludedRow<T> {
    suspects: BTreeMap<String, Vec<(i64, T)>>,
    together: Option<i64>,
}

impl<T> Default for ExcludedRow<T> {
    fn default() -> Self {
        Self { suspects: BTreeMap::new(), together: None }
    }
}

impl<T> ExcludedRow<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.suspects.is_empty() && self.together.is_none()
    }
}

impl<T> Default for ExcludedRuns<T> {
    fn default() -> Self {
        Self { suspects: BTreeMap::new(), together: None }
    }
}

impl<T: Clone> ExcludedRuns<T> {
    /// Begins to count a run. Returns the earlier runs of its canary that are to be taken out now.
    pub(super) fn begin(&mut self, canary: &CanaryId, part: RunRole) -> VecDeque<(Duration, T)> {
        match part {
            RunRole::Alone => {
                if !self.suspects.is_empty() {
                    self.suspects.remove(canary);
                }
                VecDeque::new()
            }
            RunRole::Suspect(since) => {
                if let Some(suspect) = self.suspects.get_mut(canary) {
                    suspect.retain(|(at, _)| *at >= since);
                }
                VecDeque::new()
            }
            RunRole::Crossed(since) => {
                let mut out = self.suspects.remove(canary).unwrap_or_default();
                out.retain(|(at, _)| *at >= since);
                out
            }
            RunRole::Member => VecDeque::new(),
        }
    }

    /// Counts something of that run. Returns whether it is to be taken out at once.
    pub(super) fn count(&mut self, canary: &CanaryId, part: RunRole, at: Duration, what: T) -> bool {
        match part {
            RunRole::Alone => false,
            RunRole::Suspect(_) => {
                let suspect = self.suspects.entry(canary.clone()).or_default();
                suspect.push_back((at, what));
                if suspect.len() > MOST {
                    suspect.pop_front();
                }
                false
            }
            RunRole::Crossed(_) | RunRole::Member => true,
        }
    }

    /// Sets since when the probe's canaries fail together. Returns the time from which everything is to be taken out, if that is
    /// new.
    pub(super) fn together(&mut self, since: Option<Duration>) -> Option<Duration> {
        let new = since.filter(|_| self.together != since);
        self.together = since;
        new
    }

    pub(super) fn to_row(&self, now: Moment) -> ExcludedRow<T> {
        let row = |runs: &VecDeque<(Duration, T)>| runs.iter().map(|(at, what)| (now.wall_ms_of(*at), what.clone())).collect();
        ExcludedRow {
            suspects: self.suspects.iter().map(|(canary, runs)| (canary.to_string(), row(runs))).collect(),
            together: self.together.map(|since| now.wall_ms_of(since)),
        }
    }

    pub(super) fn from_row(kept: ExcludedRow<T>, now: Moment) -> Self {
        let runs = |row: Vec<(i64, T)>| row.into_iter().map(|(at, what)| (now.steady_of(at), what)).collect();
        Self {
            suspects: kept.suspects.into_iter().map(|(canary, row)| (CanaryId::read_back(&canary), runs(row))).collect(),
            together: kept.together.map(|since| now.steady_of(since)),
        }
    }
}
