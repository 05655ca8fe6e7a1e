//! Which runs are told of otherwise: those of canaries that fail, each from its first failed run on, and those in which only
//! subjects failed.
//!
//! Whether a canary's runs since it was well lead to its failing is known only later. Until then they are remembered here, and
//! count as any others; when its rule is crossed they are taken out, and stay out after it is well again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::CanaryId;

/// Most runs of one canary that are remembered. Those before them count as any others, so that rather too much is told.
const MOST: usize = 256;

/// Whose run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Part {
    /// Nobody's who is told of.
    Alone,
    /// Of a canary that is suspect since then: when its first failed run started.
    Suspect(Duration),
    /// Of a canary that came to fail with it, and has not been well since then.
    Crossed(Duration),
    /// Of a canary that fails, or one in which only subjects failed.
    Member,
}

/// What is remembered of suspects: what counted, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Apart<T> {
    suspects: BTreeMap<CanaryId, VecDeque<(Duration, T)>>,
    /// Since when the probe's canaries fail together, as far as runs were taken out for that.
    together: Option<Duration>,
}

/// What is kept of it: milliseconds since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept<T> {
    suspects: BTreeMap<String, Vec<(i64, T)>>,
    together: Option<i64>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { suspects: BTreeMap::new(), together: None }
    }
}

impl<T> Kept<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.suspects.is_empty() && self.together.is_none()
    }
}

impl<T> Default for Apart<T> {
    fn default() -> Self {
        Self { suspects: BTreeMap::new(), together: None }
    }
}

impl<T: Clone> Apart<T> {
    /// A run begins to be counted. Returns what of its canary is to be taken out by now.
    pub(super) fn begin(&mut self, canary: &CanaryId, part: Part) -> VecDeque<(Duration, T)> {
        match part {
            Part::Alone => {
                if !self.suspects.is_empty() {
                    self.suspects.remove(canary);
                }
                VecDeque::new()
            }
            Part::Suspect(since) => {
                if let Some(suspect) = self.suspects.get_mut(canary) {
                    suspect.retain(|(at, _)| *at >= since);
                }
                VecDeque::new()
            }
            Part::Crossed(since) => {
                let mut out = self.suspects.remove(canary).unwrap_or_default();
                out.retain(|(at, _)| *at >= since);
                out
            }
            Part::Member => VecDeque::new(),
        }
    }

    /// Something of that run is counted at that time. Says whether it is to be taken out at once.
    pub(super) fn count(&mut self, canary: &CanaryId, part: Part, at: Duration, what: T) -> bool {
        match part {
            Part::Alone => false,
            Part::Suspect(_) => {
                let suspect = self.suspects.entry(canary.clone()).or_default();
                suspect.push_back((at, what));
                if suspect.len() > MOST {
                    suspect.pop_front();
                }
                false
            }
            Part::Crossed(_) | Part::Member => true,
        }
    }

    /// The probe's canaries fail together since then, or not. Returns since when everything is to be taken out, if that is new.
    pub(super) fn together(&mut self, since: Option<Duration>) -> Option<Duration> {
        let new = since.filter(|_| self.together != since);
        self.together = since;
        new
    }

    pub(super) fn kept(&self, now: Moment) -> Kept<T> {
        let row = |runs: &VecDeque<(Duration, T)>| runs.iter().map(|(at, what)| (now.wall_ms_of(*at), what.clone())).collect();
        Kept {
            suspects: self.suspects.iter().map(|(canary, runs)| (canary.to_string(), row(runs))).collect(),
            together: self.together.map(|since| now.wall_ms_of(since)),
        }
    }

    pub(super) fn restored(kept: Kept<T>, now: Moment) -> Self {
        let runs = |row: Vec<(i64, T)>| row.into_iter().map(|(at, what)| (now.steady_of(at), what)).collect();
        Self {
            suspects: kept.suspects.into_iter().map(|(canary, row)| (CanaryId::read_back(&canary), runs(row))).collect(),
            together: kept.together.map(|since| now.steady_of(since)),
        }
    }
}
