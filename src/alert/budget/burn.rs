//! How fast a probe's error budget burns: multi-window, multi-burn-rate.
//!
//! After "The Site Reliability Workbook" (Google, 2018), chapter 5 "Alerting on SLOs", section 6 "Multiwindow, Multi-Burn-Rate
//! Alerts": a rule holds when the burn rate (share of bad runs ÷ (1 − objective)) reaches its threshold over a long window *and* over a
//! short one of a twelfth of it, which shows that it still burns. The workbook's windows are those that spend a share of a 30-day budget
//! at that rate (its table 5-8); here they follow from the objective's own window W, long = W × share ÷ rate:
//!
//! | level | rate | share of the budget | long window | W = 30 d | W = 24 h |
//! |---|---|---|---|---|---|
//! | page | 14.4 | 2 % | W ÷ 720 | 1 h | 2 min |
//! | page | 6 | 5 % | W ÷ 120 | 6 h | 12 min |
//! | warn | 1 | 10 % | W ÷ 10 | 3 d | 2.4 h |
//!
//! Added to it, because a canary runs far less often than users do: the long window must hold at least 10 runs, and more bad ones than
//! chance yields once in a million where the budget is spent at exactly its rate (so 10 bad runs at the least). An objective that
//! allows more than 1 ÷ rate of bad runs cannot burn that fast, and has no such rule. A rule that held is let go when it
//! has not held for a quarter of its long window and 10 runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::{Severity, Slo};

use super::evidence::{self, by_chance};
use super::latch::{self, Latch};
use super::ring::{self, Bucket, Ring};
use super::{BudgetLevel, Level};

/// Buckets of a long window.
const LONG: u16 = 48;

/// Buckets of a short one.
const SHORT: u16 = LONG / 12;

struct Rule {
    severity: Severity,
    rate: f64,
    /// The SLO's window divided by the long one.
    part: u32,
}

const RULES: [Rule; 3] = [
    Rule { severity: Severity::Page, rate: 14.4, part: 720 },
    Rule { severity: Severity::Page, rate: 6.0, part: 120 },
    Rule { severity: Severity::Warn, rate: 1.0, part: 10 },
];

/// How fast a budget burned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// Burn rate over the long window; 1 spends the budget exactly by the end of the SLO's window.
    pub rate: f64,
    /// Over how long.
    pub long: Duration,
    /// Burn rate over the last twelfth of it.
    pub recent: f64,
    /// Bad runs in the long window.
    pub bad: u32,
    /// Counted runs in it.
    pub runs: u32,
}

/// Counted runs of a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Runs(u32, u32);

impl Runs {
    fn bad(self) -> u32 {
        self.0
    }

    fn all(self) -> u32 {
        self.1
    }

    fn rate(self, budget: f64) -> f64 {
        if self.all() == 0 { 0.0 } else { f64::from(self.bad()) / f64::from(self.all()) / budget }
    }
}

impl Bucket for Runs {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
        self.1 = self.1.saturating_add(other.1);
    }

    fn is_empty(&self) -> bool {
        self.1 == 0
    }
}

/// The error budget of one probe, over all its canaries. About 1.3 KiB once its windows are full, whatever they are.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetState {
    rings: [Ring<Runs>; RULES.len()],
    latches: [Latch<Burn>; RULES.len()],
}

/// A state as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    rings: [ring::Kept<Runs>; RULES.len()],
    latches: [Option<latch::Kept<Burn>>; RULES.len()],
}

impl BudgetState {
    /// Nothing was seen yet.
    pub fn new(slo: &Slo) -> Self {
        Self { rings: RULES.map(|rule| Ring::of(rule.long(slo), LONG)), latches: Default::default() }
    }

    /// A counted run ended. Tells whether the state is worth writing down: its level changed, or a bucket is full. Nothing is
    /// counted for an objective of 100 %, which has no budget.
    #[must_use = "the state is to be written down"]
    pub fn seen(&mut self, slo: &Slo, good: bool, now: Moment) -> bool {
        let Some(budget) = slo.success.map(|success| 1.0 - success).filter(|budget| *budget > 0.0) else { return false };
        let before = self.severity();
        let mut begun = false;
        for ((rule, ring), latch) in RULES.iter().zip(&mut self.rings).zip(&mut self.latches) {
            if !ring.spans(rule.long(slo)) {
                *ring = ring.resized(rule.long(slo));
            }
            let (bucket, fresh) = ring.at(now.steady);
            bucket.merge(&Runs(u32::from(!good), 1));
            begun |= fresh && rule.severity == Severity::Warn;
            let burn = rule.judge(ring, budget, latch.is_held(), now.steady);
            latch.note(burn, ring.time(LONG / 4), now.steady);
        }
        begun || before != self.severity()
    }

    /// How it stands. It changes only with a run.
    pub fn judge(&self) -> BudgetLevel {
        let held = |severity| {
            let mut rules = RULES.iter().zip(&self.latches).filter(move |(rule, _)| rule.severity == severity);
            rules.find_map(|(_, latch)| latch.held())
        };
        match (held(Severity::Page), held(Severity::Warn)) {
            (Some(burn), _) => Level::Page(burn),
            (None, Some(burn)) => Level::Warn(burn),
            (None, None) => Level::Well,
        }
    }

    fn severity(&self) -> Option<Severity> {
        match self.judge() {
            Level::Well => None,
            Level::Warn(_) => Some(Severity::Warn),
            Level::Page(_) => Some(Severity::Page),
        }
    }

    /// As JSON, with times of the wall clock.
    pub fn to_json(&self, now: Moment) -> String {
        let wall_ms = |steady| now.wall_ms_of(steady);
        let kept = Kept {
            rings: self.rings.each_ref().map(|ring| ring.kept(wall_ms)),
            latches: self.latches.each_ref().map(|latch| latch.kept(wall_ms)),
        };
        serde_json::to_string(&kept).expect("numbers can always be written")
    }

    /// What [`to_json`](Self::to_json) wrote, in this or an earlier process.
    ///
    /// # Errors
    /// It is not that.
    pub fn from_json(json: &str, now: Moment) -> Result<Self, serde_json::Error> {
        let kept: Kept = serde_json::from_str(json)?;
        let steady = |wall_ms| now.steady_of(wall_ms);
        Ok(Self {
            rings: kept.rings.map(|ring| Ring::restored(ring, LONG, steady)),
            latches: kept.latches.map(|latch| Latch::restored(latch, steady)),
        })
    }
}

impl Rule {
    fn long(&self, slo: &Slo) -> Duration {
        slo.window / self.part
    }

    /// What burns, if the rule holds. To hold on, it needs no proof anew.
    fn judge(&self, ring: &Ring<Runs>, budget: f64, held: bool, now: Duration) -> Option<Burn> {
        let [long, short] = [LONG, SHORT].map(|count| ring.last(count, now));
        let [rate, recent] = [long, short].map(|runs| runs.rate(budget));
        let proven = held || long.all() >= evidence::LEAST && f64::from(long.bad()) > by_chance(f64::from(long.all()) * budget);
        (rate >= self.rate && recent >= self.rate && proven).then(|| Burn {
            rate,
            long: ring.time(LONG),
            recent,
            bad: long.bad(),
            runs: long.all(),
        })
    }
}
