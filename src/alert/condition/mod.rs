//! Conditions: what runs say of canaries, subjects, objectives, regions and this process, as [`Fact`]s.
//!
//! | condition | one for each | takes | row |
//! |---|---|---|---|
//! | [`runs`] | canary | its runs: failures in a row, or K of N | `canary` |
//! | [`across`] | probe with `alert.across` | the runs of all its canaries | `across` |
//! | [`subject`] | probe with subjects | what runs found | `subject` |
//! | [`objective`] | probe with an `[slo]`: burn rate, latency, degraded runs | its runs, and which of them are of members that fail | `budget`, `latency`, `degraded` |
//! | [`no_data`] | process | ticks without a counted run | `blind` |
//! | [`leak`] | process | what the cleanup ledger gave up | `leak` |
//! | [`restarts`] | process | starts, and the first counted run after each | `restarts` |
//! | [`region`] | process | who speaks for which region | – |
//!
//! A condition owns its state. It takes events and `now`, returns changed facts and when it wants to be called again, and
//! serialises itself. It must not read a clock or the store, know incidents or decide who is told. What it has to remember over a
//! restart is its row. Only [`runs`] is held by canary: another condition by canary keeps a map in its probe's condition.
//! [`Conditions`] owns them all.
//!
//! A new condition is a file, an arm of [`Condition`], a line in [`Condition::of_probe`] or [`Condition::of_process`], and a
//! [`RowKind`]. What it says is a [`FactKey`]; its sentences are in `message::{title, group, failing}` and `status::member`, and
//! `message::cases` has a message about it. A new objective begins in [`objective`].
//!
//! The health of a channel follows from tries and not from runs, so [`channel`] is a pure function beside these.

mod across;
pub mod channel;
mod count;
mod evidence;
mod leak;
mod no_data;
mod objective;
mod ratio;
mod region;
mod restarts;
mod rule;
mod runs;
mod set;
mod subject;
#[cfg(test)]
mod testing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::fact::{LastRun, Level, Objective};
use super::{Fact, FactKey};
use crate::alert::{Failure, Moment};
use crate::history::{RestoredState, StateRow};
use crate::outcome::{MissedTicks, RunReport};
use crate::plan::{Alerting, CanaryId, Plan, Probe};
pub use count::Count;
pub use objective::{Burn, Lag, Measure, latency_samples};
pub use ratio::histogram::Histogram;
use rule::Rule;
pub use runs::{Runs, fails_since};
pub use set::{CanarySnapshot, Conditions, ObjectivesNow};

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A run ended, or a tick did not run.
    Run(&'a RunReport),
    /// Many ticks of one canary did not run.
    TicksMissed(&'a MissedTicks),
    /// Runs of one canary were dropped from the inbox because too much waited.
    Lost {
        /// Their ticks.
        ticks: &'a MissedTicks,
        /// How many of them had passed.
        passed: u64,
    },
    /// Test data could not be removed, and its cleanup was given up.
    Leaked {
        /// The probe's name.
        probe: &'a str,
        /// The ledger entry's id.
        entry: &'a str,
        /// What was seen last.
        message: &'a str,
    },
    /// What had leaked is gone.
    LeakCleared {
        /// The probe's name.
        probe: &'a str,
        /// The ledger entry's id.
        entry: &'a str,
    },
    /// The ids of all entries that are in the cleanup ledger now. A leak that is not among them was removed by somebody else.
    LedgerHas(&'a BTreeSet<String>),
    /// This process has started. To be told once, after [`Conditions::new`].
    Started {
        /// Whether the one before it was stopped as it should be, or there was none.
        graceful_before: bool,
    },
    /// All regions that a process has ever spoken for, and how long ago. If this is never reported, no region is judged.
    RegionsHeard(&'a [(Arc<str>, Duration)]),
}

/// A fact that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Whose it is.
    pub key: FactKey,
    /// The new fact. None if it is not watched any more, because it was removed or disabled.
    pub fact: Option<Arc<Fact>>,
}

impl Changed {
    fn now(fact: Fact) -> Self {
        Self { key: fact.key.clone(), fact: Some(Arc::new(fact)) }
    }

    fn removed(key: FactKey) -> Self {
        Self { key, fact: None }
    }
}

/// A rule of a probe or of the process, with its state. The rule of a canary, [`Runs`], is not among them: it runs first, and the
/// others take its result.
#[derive(Debug)]
enum Condition {
    /// K of the last N runs of a probe failed, whichever canaries they were of.
    Across(Box<across::Across>),
    /// Entities that a run finds.
    Subjects(Box<subject::Subjects>),
    /// How fast an error budget burns.
    BurnRate(Box<objective::BurnRate>),
    /// Whether latency keeps its bounds.
    Latency(Box<objective::Latency>),
    /// How fast the budget of degraded runs burns.
    Degraded(Box<objective::BurnRate>),
    /// Canaries that have no counted runs.
    NoData(Box<no_data::NoData>),
    /// Test data that cannot be removed.
    Leak(Box<leak::Leaks>),
    /// A process that starts again and again.
    Restarts(Box<restarts::Restarts>),
    /// Declared regions that no process has spoken for.
    Region(Box<region::Regions>),
}

/// What every condition implements. The defaults do nothing.
trait Rules {
    /// Applies a plan and forgets what is not in it any more.
    fn apply(&mut self, to: &PlanContext<'_>, out: &mut Vec<Changed>);
    /// A run of a canary of the plan.
    fn run(&mut self, _run: &Run<'_>, _out: &mut Vec<Changed>) {}
    /// Something else happened.
    fn event(&mut self, _what: &RuleEvent<'_>, _now: Moment, _out: &mut Vec<Changed>) {}
    /// [`due`](Self::due) may have come.
    fn clock(&mut self, _now: Moment, _out: &mut Vec<Changed>) {}
    /// When [`clock`](Self::clock) has something to do; steady.
    fn due(&self) -> Option<Duration> {
        None
    }
    /// Every fact that is not well.
    fn facts(&self) -> Vec<Fact>;
    /// Somebody says that this is well. Does nothing if it is not one of its facts.
    fn close(&mut self, key: &FactKey, now: Moment, out: &mut Vec<Changed>);
    /// Takes a row back; `false` if it is of another condition.
    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error>;
    /// All rows from which its state can be restored.
    fn rows(&self, now: Moment) -> Vec<StateRow>;
    /// What the store does not have yet.
    fn take_changed(&mut self, now: Moment) -> Vec<StateRow>;
}

/// What a plan says to a condition.
struct PlanContext<'a> {
    plan: &'a Plan,
    alerting: &'a Alerting,
    /// The probe, its rule and its number of canaries here; none for conditions of the process.
    probe: Option<(&'a Arc<Probe>, &'a Rule, usize)>,
    /// When the process before this one started; only while its rows are restored.
    started_before: Option<Duration>,
    now: Moment,
}

/// A run of a canary that is known, and what is known of it by now.
struct Run<'a> {
    report: &'a RunReport,
    count: Count,
    /// Whether it was brought forward because what needs its probe failed.
    needed: bool,
    /// Its evidence, if it failed.
    failure: Option<Arc<Failure>>,
    rule: &'a Rule,
    /// Whether objectives leave the run out, because its failure is told by another member.
    part: objective::RunRole,
    /// Since when the probe's canaries have failed together, if they do.
    together: Option<Duration>,
    now: Moment,
}

impl Run<'_> {
    /// When it started; steady.
    fn started(&self) -> Duration {
        self.now.steady.saturating_sub(self.report.duration)
    }

    fn last(&self, failed: bool) -> LastRun {
        LastRun { failed, started: self.started(), ended: self.now.steady }
    }
}

/// What happened besides runs.
#[derive(Clone, Copy)]
enum RuleEvent<'a> {
    /// Ticks of a canary that did not run.
    Missed(&'a MissedTicks),
    /// Passed runs of a canary were dropped before they were evaluated.
    Lost(u64),
    /// A canary is no more.
    Removed(&'a CanaryId),
    /// Anything else, as it came.
    Input(Input<'a>),
}

impl Condition {
    /// Those that a probe has.
    fn of_probe(probe: &Arc<Probe>) -> Vec<Self> {
        let slo = probe.slo.as_ref();
        let burning = |budget: objective::Budget| {
            slo.is_some_and(|slo| budget.share(slo).is_some()).then(|| Box::new(objective::BurnRate::new(probe, budget)))
        };
        [
            probe.alert.across.map(|_| Self::Across(Box::new(across::Across::new(probe)))),
            subject::looks_for_any(probe).then(|| Self::Subjects(Box::new(subject::Subjects::new(probe)))),
            burning(objective::Budget::Bad).map(Self::BurnRate),
            slo.is_some_and(|slo| slo.latency.is_some()).then(|| Self::Latency(Box::new(objective::Latency::new(probe)))),
            burning(objective::Budget::Degraded).map(Self::Degraded),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Those of the process.
    fn of_process() -> Vec<Self> {
        vec![
            Self::Restarts(Box::default()),
            Self::NoData(Box::default()),
            Self::Leak(Box::default()),
            Self::Region(Box::default()),
        ]
    }

    fn rules(&self) -> &dyn Rules {
        match self {
            Self::Across(it) => &**it,
            Self::Subjects(it) => &**it,
            Self::BurnRate(it) | Self::Degraded(it) => &**it,
            Self::Latency(it) => &**it,
            Self::NoData(it) => &**it,
            Self::Leak(it) => &**it,
            Self::Restarts(it) => &**it,
            Self::Region(it) => &**it,
        }
    }

    fn rules_mut(&mut self) -> &mut dyn Rules {
        match self {
            Self::Across(it) => &mut **it,
            Self::Subjects(it) => &mut **it,
            Self::BurnRate(it) | Self::Degraded(it) => &mut **it,
            Self::Latency(it) => &mut **it,
            Self::NoData(it) => &mut **it,
            Self::Leak(it) => &mut **it,
            Self::Restarts(it) => &mut **it,
            Self::Region(it) => &mut **it,
        }
    }
}

/// The level of a probe's failing facts.
fn level(probe: &Probe) -> Level {
    if probe.alert.page { Level::Page } else { Level::Warn }
}

/// The region and the cell in a canary's id.
fn region_and_cell(id: &CanaryId) -> (&str, &str) {
    let mut parts = id.as_str().splitn(3, '/').skip(1);
    (parts.next().unwrap_or(""), parts.next().unwrap_or(""))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn to_json(row: &impl Serialize) -> String {
    serde_json::to_string(row).expect("its keys are strings and its numbers finite")
}

/// Kinds of rows, in the order in which they are restored: a row of *no data* replaces what an earlier version stored in the
/// canary's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum RowKind {
    Canary,
    Across,
    Subject,
    Budget,
    Latency,
    Degraded,
    Blind,
    Leak,
    Restarts,
}

impl RowKind {
    /// Whether a row is of this kind.
    fn is_of(self, row: &RestoredState) -> bool {
        row.kind.parse() == Ok(self)
    }
}

/// A row of a kind.
fn row(kind: RowKind, key: impl Into<String>, json: Option<String>) -> StateRow {
    StateRow { kind: kind.into(), key: key.into(), json }
}

/// The key of an objective.
fn objective_key(probe: &Probe, objective: Objective) -> FactKey {
    FactKey::Objective(Arc::clone(&probe.name), objective)
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::RowKind;
    use crate::history::OF_REGION;

    #[test]
    fn every_row_of_a_condition_belongs_to_the_region_and_so_does_when_its_process_was_there_last() {
        let (of_conditions, others): (Vec<&str>, Vec<&str>) = OF_REGION.iter().partition(|kind| kind.parse::<RowKind>().is_ok());
        assert_eq!(of_conditions.len(), RowKind::VARIANTS.len());
        assert_eq!(others, ["started", "stopped", "attended"]);
    }
}
