//! Conditions: what runs say of canaries, subjects, objectives, regions and this process, as [`Fact`]s.
//!
//! | condition | one for each | takes | row |
//! |---|---|---|---|
//! | [`runs`] | canary | its runs: failures in a row, or K of N | `canary` |
//! | [`across`] | probe with `alert.across` | the runs of all its canaries | `across` |
//! | [`subject`] | probe with subjects | what runs found | `subject` |
//! | [`objective`] | probe with an `[slo]`: burn rate, latency | its runs, and which of them are of members that fail | `budget`, `latency` |
//! | [`no_data`] | process | ticks without a counted run | `blind` |
//! | [`leak`] | process | what the cleanup ledger gave up | `leak` |
//! | [`restarts`] | process | starts, and the first counted run after each | `restarts` |
//! | [`region`] | process | who speaks for which region | – |
//!
//! Each has a state of its own, takes what happens and `now`, says which facts changed and when it wants to be asked again, and
//! serialises itself. It must not look at a clock, know incidents, or say who is told. One more is a file, an arm of
//! [`Condition`] and its line in [`Condition::of_probe`] or [`Condition::of_process`]. [`Conditions`] owns them all.
//!
//! Whether a channel takes anything follows from what is tried there, so [`channel`] is a pure function beside these.

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
pub use objective::{Burn, Lag, Measure};
pub use ratio::histogram::Histogram;
use rule::Rule;
pub use runs::Runs;
pub use set::{Conditions, Known, ObjectivesNow};

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A run ended, or a tick did not run.
    Run(&'a RunReport),
    /// Many ticks of one canary did not run.
    TicksMissed(&'a MissedTicks),
    /// Runs of one canary gave way while they waited, because too much waited.
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
    /// Everything that is in the cleanup ledger now, by its ids: a leak that is not in it any more was removed by somebody else.
    LedgerHas(&'a BTreeSet<String>),
    /// This process has started. To be told once, after [`Conditions::new`].
    Started {
        /// Whether the one before it was stopped as it should be, or there was none.
        graceful_before: bool,
    },
    /// Some process has spoken for a region. Where nobody says so, nothing follows from silence.
    RegionHeard(&'a str),
}

/// A fact that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Whose it is.
    pub key: FactKey,
    /// What is so now. None: it is not watched any more, because it was removed or disabled.
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

/// A rule of a probe or of the process, with what is known for it. A canary's own, [`Runs`], stands apart: the others are given
/// what it says.
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
    /// Canaries that have no counted runs.
    NoData(Box<no_data::NoData>),
    /// Test data that cannot be removed.
    Leak(Box<leak::Leaks>),
    /// A process that starts again and again.
    Restarts(Box<restarts::Restarts>),
    /// Declared regions that no process has spoken for.
    Region(Box<region::Regions>),
}

/// What a condition does. Each has these; what one does not need it leaves as it is here.
trait Rules {
    /// The plan holds from now on; what of it is gone is gone.
    fn apply(&mut self, to: &Context<'_>, out: &mut Vec<Changed>);
    /// A run of a canary that is known, with its place.
    fn run(&mut self, _run: &Run<'_>, _out: &mut Vec<Changed>) {}
    /// Something else happened.
    fn told(&mut self, _what: &Told<'_>, _now: Moment, _out: &mut Vec<Changed>) {}
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
    /// Every row that it would need to be as it is.
    fn rows(&self, now: Moment) -> Vec<StateRow>;
    /// What the store does not have yet.
    fn take_changed(&mut self, now: Moment) -> Vec<StateRow>;
}

/// What a plan says to a condition.
struct Context<'a> {
    plan: &'a Plan,
    alerting: &'a Alerting,
    /// The probe it is of, its rule, and how many canaries it has here; of the process's conditions none.
    probe: Option<(&'a Arc<Probe>, &'a Rule, usize)>,
    /// When the process before this one started, while this one takes up what that left.
    started_before: Option<Duration>,
    now: Moment,
}

/// A run of a canary that is known, and what is known of it by now.
struct Run<'a> {
    report: &'a RunReport,
    count: Count,
    /// Whether it was brought forward because what needs its probe failed.
    needed: bool,
    /// What is told of it, if it failed.
    failure: Option<Arc<Failure>>,
    rule: &'a Rule,
    /// Whose run it is where objectives are judged without those that fail.
    part: objective::Part,
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
enum Told<'a> {
    /// Ticks of a canary that did not run.
    Missed(&'a MissedTicks),
    /// Passed runs of a canary gave way unseen.
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
        let has_success = slo.is_some_and(|slo| slo.success.is_some());
        [
            probe.alert.across.map(|_| Self::Across(Box::new(across::Across::new(probe)))),
            subject::looks_for_any(probe).then(|| Self::Subjects(Box::new(subject::Subjects::new(probe)))),
            has_success.then(|| Self::BurnRate(Box::new(objective::BurnRate::new(probe)))),
            slo.is_some_and(|slo| slo.latency.is_some()).then(|| Self::Latency(Box::new(objective::Latency::new(probe)))),
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
            Self::BurnRate(it) => &**it,
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
            Self::BurnRate(it) => &mut **it,
            Self::Latency(it) => &mut **it,
            Self::NoData(it) => &mut **it,
            Self::Leak(it) => &mut **it,
            Self::Restarts(it) => &mut **it,
            Self::Region(it) => &mut **it,
        }
    }
}

/// What is of a probe is of this level where it fails.
fn level(probe: &Probe) -> Level {
    if probe.alert.page { Level::Page } else { Level::Warn }
}

/// The region and the cell in a canary's id.
fn place(id: &CanaryId) -> (&str, &str) {
    let mut parts = id.as_str().splitn(3, '/').skip(1);
    (parts.next().unwrap_or(""), parts.next().unwrap_or(""))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn to_json(row: &impl Serialize) -> String {
    serde_json::to_string(row).expect("its keys are strings and its numbers finite")
}

/// A row of a kind.
fn row(kind: &'static str, key: impl Into<String>, json: Option<String>) -> StateRow {
    StateRow { kind, key: key.into(), json }
}

/// The key of an objective.
fn objective_key(probe: &Probe, objective: Objective) -> FactKey {
    FactKey::Objective(Arc::clone(&probe.name), objective)
}
