//! What is remembered of a scope over its incidents: the number of its keys, and how often it opened.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::FlapRule;

/// A scope that has not opened for so long begins anew.
const FORGOTTEN: Duration = Duration::from_hours(24 * 90);

/// Most openings remembered; a rule cannot want more.
const OPENINGS: usize = 1_000;

/// What is remembered of a scope over its incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::alert) struct Past {
    generation: u64,
    /// When it opened, or began again after it was quiet; steady time, ascending.
    openings: Vec<Duration>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    generation: u64,
    opened_ms: Vec<i64>,
}

impl Past {
    /// The next key's number; more than `after`.
    pub(in crate::alert) fn next_generation(&mut self, after: u64) -> u64 {
        self.generation = self.generation.max(after) + 1;
        self.generation
    }

    /// A problem begins.
    pub(in crate::alert) fn opens(&mut self, rule: &FlapRule, now: Moment) {
        self.openings.push(now.steady);
        let within = self.within(rule, now);
        let keep = within.clamp(1, OPENINGS);
        self.openings.drain(..self.openings.len() - keep);
    }

    /// How long it must be quiet before it is over.
    pub(in crate::alert) fn hold(&self, rule: &FlapRule, now: Moment) -> Duration {
        let often = self.within(rule, now) >= usize::try_from(rule.opens).unwrap_or(usize::MAX);
        if often { rule.hold } else { Duration::ZERO }
    }

    /// Openings within the rule's window.
    fn within(&self, rule: &FlapRule, now: Moment) -> usize {
        self.openings.iter().filter(|at| now.steady.saturating_sub(**at) <= rule.within).count()
    }

    /// Whether it was so long ago that nothing knows its keys any more.
    pub(in crate::alert) fn is_forgotten(&self, now: Moment) -> bool {
        self.openings.last().is_none_or(|last| now.steady.saturating_sub(*last) > FORGOTTEN)
    }

    pub(in crate::alert) fn to_json(&self, now: Moment) -> String {
        let opened_ms = self.openings.iter().map(|at| now.wall_ms_of(*at)).collect();
        serde_json::to_string(&Row { generation: self.generation, opened_ms }).expect("numbers can always be written")
    }

    pub(in crate::alert) fn from_json(json: &str, now: Moment) -> Result<Self, serde_json::Error> {
        let row: Row = serde_json::from_str(json)?;
        let openings = row.opened_ms.into_iter().map(|at| now.steady_of(at)).collect();
        Ok(Self { generation: row.generation, openings })
    }
}
